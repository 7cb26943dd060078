//! A session as it might have been: an agent fixes a bug, reads what it should not, asks to push.

use std::sync::Arc;

use crate::event::{
    Answer, Ask, By, Choice, Event, Judged, Kind, PolicyUsed, Proc, ProcOp, Scope, Stamped, Start, Stream, Via,
};
use crate::policy::{Access, Layer, Verdict};

pub const MS: u64 = 1_000_000;
pub const HOME: &[u8] = b"/home/ada";
pub const CWD: &[u8] = b"/home/ada/src/shop";

/// Events under way, with their times.
#[derive(Default)]
pub struct Story {
    pub events: Vec<Stamped>,
    t: u64,
}

impl Story {
    /// After `ms` milliseconds, `event`.
    pub fn then(&mut self, ms: u64, event: Event) -> &mut Self {
        self.t += ms * MS;
        self.events.push(Stamped { seq: self.events.len() as u64, t: self.t, event });
        self
    }

    pub fn file(&mut self, ms: u64, access: Access, path: &str, pid: i32) -> &mut Self {
        self.then(ms, judged(Kind::File, pid, |judged| (judged.access, judged.path) = (access, path.into())))
    }

    /// A program is asked for and starts.
    pub fn run(&mut self, ms: u64, pid: i32, parent: i32, argv: &[&str]) -> &mut Self {
        let argv: Vec<Vec<u8>> = argv.iter().map(|word| word.as_bytes().to_vec()).collect();
        let exe = [b"/usr/bin/", argv[0].as_slice()].concat();
        self.then(
            ms,
            judged(Kind::Exec, pid, |judged| {
                (judged.argv, judged.path, judged.op) = (argv.clone(), exe.clone(), "exec");
            }),
        );
        let cwd = CWD.to_vec();
        let proc = Proc {
            pid,
            parent,
            op: ProcOp::Exec,
            exe,
            argv,
            argv_cut: false,
            cwd,
            exit: None,
            signal: None,
            digest: None,
        };
        self.then(1, Event::Proc(Box::new(proc)))
    }

    pub fn ends(&mut self, ms: u64, pid: i32, exit: i32) -> &mut Self {
        let none = Vec::new;
        let proc = Proc {
            pid,
            parent: 0,
            op: ProcOp::Exit,
            exe: Vec::new(),
            argv: none(),
            argv_cut: false,
            cwd: Vec::new(),
            exit: Some(exit),
            signal: None,
            digest: None,
        };
        self.then(ms, Event::Proc(Box::new(proc)))
    }

    pub fn connect(&mut self, ms: u64, pid: i32, addr: &str, verdict: Verdict) -> &mut Self {
        self.then(
            ms,
            judged(Kind::Net, pid, |judged| {
                (judged.op, judged.addr, judged.verdict) = ("connect", addr.parse().ok(), verdict);
                judged.rule = Arc::from("\"static.example:443\" codex.toml:9");
                if verdict == Verdict::Deny {
                    (judged.errno, judged.rule) = (libc::ECONNREFUSED, Arc::from("default"));
                }
            }),
        )
    }

    pub fn says(&mut self, ms: u64, text: &str) -> &mut Self {
        self.then(ms, Event::Output { stream: Stream::Terminal, data: text.as_bytes().to_vec() })
    }

    pub fn last(&self) -> u64 {
        self.t
    }
}

pub fn judged(kind: Kind, pid: i32, change: impl FnOnce(&mut Judged)) -> Event {
    let mut judged = Judged {
        kind,
        op: "openat",
        pid,
        access: Access::READ,
        path: Vec::new(),
        path2: Vec::new(),
        addr: None,
        host: None,
        port: 0,
        argv: Vec::new(),
        verdict: Verdict::Allow,
        rule: Arc::from("\"${workdir}/**\" agent.toml:4"),
        layer: Layer::Shipped,
        via: Via::Brokered,
        errno: 0,
        duration: 6_200,
    };
    change(&mut judged);
    Event::Judged(judged)
}

pub fn ask() -> Ask {
    let argv = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
    Ask {
        id: 1,
        of: Kind::Exec,
        op: "exec",
        access: Access::EXEC,
        path: b"/usr/bin/git".to_vec(),
        path2: Vec::new(),
        addr: None,
        host: None,
        port: 0,
        argv: argv(&["git", "push", "origin", "agent/fix-login"]),
        pid: 4190,
        ancestry: vec![
            argv(&["codex"]),
            argv(&["bash", "-lc", "git push origin agent/fix-login"]),
            argv(&["git", "push", "origin", "agent/fix-login"]),
        ],
        cwd: CWD.to_vec(),
        rule: Arc::from("\"git push **\" policies/codex.toml:31"),
        layer: Layer::Shipped,
        reason: "others see what is pushed".to_owned(),
        choices: vec![
            Choice { key: "exec".to_owned(), text: "git push origin agent/**".to_owned() },
            Choice { key: "exec".to_owned(), text: "git push **".to_owned() },
        ],
        file: "~/.config/govsh/answers/codex.toml".to_owned(),
        timeout: 60_000 * MS,
    }
}

/// The whole of it: about four minutes.
pub fn story() -> Story {
    let mut story = Story::default();
    let start = Start {
        id: "k3f9".into(),
        // Out of the range of dates: what is shown for it is the same in every time zone.
        timestamp: i64::MAX,
        argv: vec![b"codex".to_vec()],
        cwd: CWD.to_vec(),
        user: "ada".into(),
        uid: 1000,
        host: "laptop".into(),
        version: "0.1.0".into(),
        cols: 80,
        rows: 24,
        term: "xterm-256color".into(),
        stdin_tty: true,
        stdout_tty: true,
        stderr_tty: true,
    };
    story.then(0, Event::Start(Box::new(start)));
    story.then(
        0,
        Event::Policy(Box::new(PolicyUsed {
            name: "codex".into(),
            sources: vec!["agent.toml".into(), "codex.toml".into()],
            audit: "full".into(),
            denies: 14,
            asks: 3,
            appended: vec!["--sandbox".into(), "danger-full-access".into()],
            notices: Vec::new(),
            vars: None,
        })),
    );
    story.run(3, 4100, 4099, &["codex"]);
    for at in 0..30 {
        story.file(2, Access::READ, &format!("/usr/lib/node/lib{at}.js"), 4100);
    }
    story.file(5, Access::READ, "/etc/resolv.conf", 4100).connect(200, 4100, "140.82.121.6:443", Verdict::Allow);
    for line in 0..40 {
        story.says(400, &format!("› Fix the login redirect {line}\r\n"));
    }
    story.run(30_000, 4150, 4100, &["bash", "-lc", "cargo test -q"]).run(4, 4151, 4150, &["cargo", "test", "-q"]);
    for at in 0..37 {
        let pid = 4160 + at;
        story.run(20, pid, 4151, &["rustc", "--crate-name", &format!("shop{at}")]);
        story.file(9, Access::READ, &format!("/home/ada/src/shop/src/part{at}.rs"), pid);
        story.file(9, Access::WRITE, &format!("/home/ada/src/shop/target/debug/deps/shop{at}.o"), pid).ends(6, pid, 0);
    }
    for at in 0..214 {
        story.file(3, Access::WRITE, &format!("/home/ada/src/shop/target/debug/build/{at}"), 4151);
    }
    story
        .says(900, "\x1b[1;32m12 passed\x1b[0m, \x1b[31m1 failed\x1b[0m 漢字\r\n")
        .ends(4, 4151, 101)
        .ends(4, 4150, 101);
    story.file(21_000, Access::READ | Access::WRITE, "/home/ada/src/shop/src/login.rs", 4100);
    story.then(300, Event::Marker { label: "first try".to_owned(), by: "watch:ada@pts/3".to_owned() });
    story.connect(11_000, 4100, "93.184.216.34:443", Verdict::Allow);
    story.run(14_000, 4182, 4100, &["bash", "-lc", "cat ~/.ssh/id_rsa"]);
    story.run(6, 4183, 4182, &["cat", "/home/ada/.ssh/id_rsa"]);
    story.then(
        8,
        judged(Kind::File, 4183, |judged| {
            (judged.path, judged.verdict, judged.errno) =
                (b"/home/ada/.ssh/id_rsa".to_vec(), Verdict::Deny, libc::EACCES);
            judged.rule = Arc::from("\"~/.ssh/**\" policies/agent.toml:18");
        }),
    );
    story.says(20, "cat: /home/ada/.ssh/id_rsa: Permission denied\r\n").ends(2, 4183, 1).ends(2, 4182, 1);
    story.run(900, 4186, 4100, &["git", "status"]).ends(30, 4186, 0);
    story.run(40_000, 4187, 4100, &["curl", "-sS", "https://paste.example/"]);
    story.connect(60, 4187, "203.0.113.9:443", Verdict::Deny).ends(9, 4187, 7);
    story.run(9_000, 4189, 4100, &["bash", "-lc", "git push origin agent/fix-login"]);
    story.then(12, Event::Ask(Box::new(ask())));
    story.then(
        6_000,
        Event::Answer(Box::new(Answer {
            ask: 1,
            verdict: Verdict::Allow,
            scope: Scope::Once,
            by: By::Terminal,
            who: "ada@pts/1".to_owned(),
            waited: 6_000 * MS,
            rule: String::new(),
            hint: String::new(),
            screen: Some(story.events.len() as u64 - 1),
            calls: 1,
        })),
    );
    story.run(2, 4190, 4189, &["git", "push", "origin", "agent/fix-login"]);
    story.connect(40, 4190, "140.82.121.4:22", Verdict::Allow);
    for line in 0..20 {
        story.says(1_500, &format!("remote: {line}\r\n"));
    }
    story.ends(10, 4190, 0).ends(3, 4189, 0);
    story.then(400, Event::Exit { status: 0, signal: None });
    story
}
