//! A made-up session for the tests of views.

use std::sync::Arc;

use crate::event::{Event, Judged, Kind, PolicyUsed, Proc, ProcOp, Stamped, Start, Stream, Via};
use crate::policy::{Access, Layer, Verdict};

/// A second, in nanoseconds.
pub const SECOND: u64 = 1_000_000_000;

pub fn start() -> Event {
    Event::Start(Box::new(Start {
        id: "k3f9".into(),
        timestamp: 1_795_283_344,
        argv: vec![b"codex".to_vec()],
        cwd: b"/home/u/src/shop".to_vec(),
        user: "u".into(),
        uid: 1000,
        host: "laptop".into(),
        version: "0.1.0".into(),
        cols: 40,
        rows: 8,
        term: "xterm-256color".into(),
        stdin_tty: true,
        stdout_tty: true,
        stderr_tty: true,
    }))
}

pub fn policy() -> Event {
    Event::Policy(Box::new(PolicyUsed {
        name: "codex".into(),
        sources: vec!["agent".into(), "codex".into()],
        audit: "full".into(),
        denies: 14,
        asks: 3,
        appended: Vec::new(),
        notices: Vec::new(),
        vars: None,
    }))
}

pub fn output(text: &str) -> Event {
    Event::Output { stream: Stream::Terminal, data: text.as_bytes().to_vec() }
}

pub fn judged(kind: Kind, op: &'static str, path: &str, addr: Option<&str>, verdict: Verdict) -> Event {
    let denied = verdict == Verdict::Deny;
    Event::Judged(Judged {
        kind,
        op,
        pid: 4183,
        access: if kind == Kind::Exec { Access::EXEC } else { Access::READ },
        path: path.as_bytes().to_vec(),
        path2: Vec::new(),
        addr: addr.map(|addr| addr.parse().expect("an address")),
        host: None,
        port: 0,
        argv: if kind == Kind::Exec { vec![path.as_bytes().to_vec()] } else { Vec::new() },
        verdict,
        rule: Arc::from(if denied { "deny \"~/.ssh/**\" (agent.toml:18)" } else { "read \"/**\" (agent.toml:3)" }),
        layer: Layer::Shipped,
        via: Via::Brokered,
        errno: if denied { libc::EACCES } else { 0 },
        duration: 6_000,
    })
}

pub fn began(pid: i32, parent: i32, argv: &[&str]) -> Event {
    Event::Proc(Box::new(Proc {
        pid,
        parent,
        op: ProcOp::Exec,
        exe: format!("/usr/bin/{}", argv[0]).into_bytes(),
        argv: argv.iter().map(|word| word.as_bytes().to_vec()).collect(),
        argv_cut: false,
        cwd: b"/home/u/src/shop".to_vec(),
        exit: None,
        signal: None,
        digest: None,
    }))
}

pub fn stamped(events: Vec<(u64, Event)>) -> Vec<Stamped> {
    events.into_iter().enumerate().map(|(seq, (t, event))| Stamped { seq: seq as u64, t, event }).collect()
}

/// A minute: lines one to thirty, one every two seconds, programs, files, a connection, two denials and a marker.
pub fn session() -> Vec<Stamped> {
    let mut events = vec![(0, start()), (0, policy()), (SECOND / 10, began(4100, 1, &["codex"]))];
    for line in 1..=30u64 {
        let t = line * 2 * SECOND;
        events.push((t, output(&format!("line {line}\r\n"))));
        match line {
            5 => events.push((t + SECOND / 2, began(4180, 4100, &["bash", "-lc", "cat ~/.ssh/id_rsa"]))),
            6 => events.push((t + SECOND / 2, judged(Kind::File, "open", "/usr/lib/libc.so", None, Verdict::Allow))),
            10 => {
                events.push((t + SECOND / 2, began(4183, 4180, &["cat", "/home/u/.ssh/id_rsa"])));
                events.push((t + SECOND, judged(Kind::File, "open", "/home/u/.ssh/id_rsa", None, Verdict::Deny)));
            }
            15 => {
                let addr = Some("93.184.216.34:443");
                events.push((t + SECOND, judged(Kind::Net, "connect", "", addr, Verdict::Allow)));
            }
            20 => {
                let marker = Event::Marker { label: "here".into(), by: "u@pts/3".into() };
                events.push((t + SECOND, marker));
            }
            25 => {
                let addr = Some("10.1.2.3:443");
                events.push((t + SECOND, judged(Kind::Net, "connect", "", addr, Verdict::Deny)));
            }
            _ => {}
        }
    }
    events.push((61 * SECOND, Event::Exit { status: 0, signal: None }));
    stamped(events)
}
