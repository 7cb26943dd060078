//! `ls`, `show` and `replay` as people and scripts run them, on recordings good and bad.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use govsh::event::*;
use govsh::policy::{Access, Layer, Verdict};
use govsh::recording::Writer;

/// A state directory with recordings in it.
struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { dir: tempfile::tempdir().expect("a directory") };
        fs::create_dir_all(desk.recordings()).expect("a directory");
        desk
    }

    fn recordings(&self) -> PathBuf {
        self.dir.path().join("govsh/recordings")
    }

    /// Puts `bytes` where the recording of session `id` would be.
    fn keep(&self, id: &str, bytes: &[u8]) -> PathBuf {
        let path = self.recordings().join(format!("20261121T174904Z-codex-{id}.cast.zst"));
        fs::write(&path, bytes).expect("written");
        path
    }

    fn govsh(&self, arguments: &[impl AsRef<OsStr>]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_govsh"))
            .args(arguments)
            .env_clear()
            .env("XDG_STATE_HOME", self.dir.path())
            .env("HOME", "/home/u")
            .env("TERM", "xterm")
            .env("TZ", "UTC")
            .output()
            .expect("govsh runs")
    }

    fn says(&self, arguments: &[impl AsRef<OsStr>]) -> String {
        let output = self.govsh(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Fails with status 125 and one line, maybe with a hint.
    fn refuses(&self, arguments: &[impl AsRef<OsStr>]) -> String {
        let output = self.govsh(arguments);
        let text = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(125), "{text}");
        let mut lines = text.lines();
        assert!(lines.next().is_some_and(|line| line.starts_with("govsh: ")), "{text}");
        assert!(lines.all(|line| line.starts_with("hint: ")), "{text}");
        text
    }
}

fn start(id: &str) -> Start {
    Start {
        id: id.to_owned(),
        timestamp: 1_795_283_344,
        argv: vec![b"/usr/bin/codex".to_vec(), b"fix it".to_vec()],
        cwd: b"/home/u/shop".to_vec(),
        user: "u".to_owned(),
        uid: 1000,
        host: "laptop".to_owned(),
        version: "0.1.0".to_owned(),
        cols: 80,
        rows: 24,
        term: "xterm".to_owned(),
        stdin_tty: true,
        stdout_tty: true,
        stderr_tty: true,
    }
}

fn file(access: Access, verdict: Verdict, path: &[u8]) -> Event {
    Event::Judged(Judged {
        kind: Kind::File,
        op: "openat",
        pid: 4183,
        access,
        path: path.to_vec(),
        path2: Vec::new(),
        addr: None,
        host: None,
        port: 0,
        argv: Vec::new(),
        verdict,
        rule: Arc::from("\"~/.ssh/**\" agent.toml:18"),
        layer: Layer::Shipped,
        via: Via::Brokered,
        errno: if verdict == Verdict::Deny { libc::EACCES } else { 0 },
        duration: 6_000,
    })
}

fn connect(verdict: Verdict, addr: &str) -> Event {
    let Event::Judged(judged) = file(Access::empty(), verdict, b"") else { unreachable!("made above") };
    let addr = Some(addr.parse().expect("an address"));
    Event::Judged(Judged { kind: Kind::Net, op: "connect", addr, ..judged })
}

fn exec(pid: i32, parent: i32, argv: &[&str]) -> Event {
    Event::Proc(Box::new(Proc {
        pid,
        parent,
        op: ProcOp::Exec,
        exe: format!("/usr/bin/{}", argv[0]).into_bytes(),
        argv: argv.iter().map(|word| word.as_bytes().to_vec()).collect(),
        argv_cut: false,
        cwd: b"/home/u/shop".to_vec(),
        exit: None,
        signal: None,
        digest: None,
    }))
}

fn exited(pid: i32, status: i32) -> Event {
    let Event::Proc(proc) = exec(pid, 1, &["cat"]) else { unreachable!("made above") };
    Event::Proc(Box::new(Proc { op: ProcOp::Exit, exit: Some(status), argv: Vec::new(), ..*proc }))
}

fn output(stream: Stream, data: &[u8]) -> Event {
    Event::Output { stream, data: data.to_vec() }
}

fn session(id: &str) -> Vec<Event> {
    let policy = PolicyUsed {
        name: "codex".to_owned(),
        sources: vec!["codex.toml".to_owned()],
        audit: "full".to_owned(),
        denies: 14,
        asks: 0,
        appended: Vec::new(),
        notices: vec!["x is not trusted".into()],
        vars: None,
    };
    vec![
        Event::Start(Box::new(start(id))),
        Event::Policy(Box::new(policy)),
        exec(4180, 1, &["codex", "fix it"]),
        output(Stream::Terminal, b"\x1b[1mhello\x1b[0m \xff\xe2\x82"),
        output(Stream::Terminal, b"\xac\r\n"),
        exec(4183, 4180, &["cat", "a\x1b[31mb"]),
        file(Access::READ, Verdict::Deny, b"/home/u/.ssh/id_rsa"),
        file(Access::WRITE, Verdict::Allow, b"/home/u/shop/src/login.rs"),
        file(Access::READ, Verdict::Allow, b"/usr/lib/libc.so"),
        connect(Verdict::Deny, "203.0.113.9:443"),
        connect(Verdict::Allow, "127.0.0.1:8080"),
        exited(4183, 1),
        Event::Exit { status: 3, signal: None },
    ]
}

fn recorded(events: Vec<Event>) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &start("k3f9")).expect("a vector takes everything");
    for (n, event) in (0u64..).zip(events) {
        writer.write(&Stamped { seq: n, t: n * 250_000_000, event }).expect("a vector takes everything");
        writer.flush().expect("a vector takes everything");
    }
    writer.finish().expect("a vector takes everything");
    writer.into_inner()
}

#[test]
fn the_page_names_what_was_denied_run_written_read_and_reached() {
    let desk = Desk::new();
    desk.keep("k3f9", &recorded(session("k3f9")));
    let page = desk.says(&["show", "last"]);
    for part in [
        "codex fix it · ~/shop · 21 Nov 2026 17:49 → 17:49 (3.0s) · exit 3 · closed, not signed",
        "policy codex (deny 14, ask 0) · audit full",
        "denied     2  00:01 read ~/.ssh/id_rsa",
        "cat      \"~/.ssh/**\" agent.toml:18",
        "replay k3f9 --at 0:01",
        "connect 203.0.113.9:443",
        "programs   2  cat 1 · codex 1",
        "wrote      1  src/login.rs",
        "read       1  /usr 1",
        "reached    1  127.0.0.1:8080",
    ] {
        assert!(page.contains(part), "no {part:?} in\n{page}");
    }
    assert!(!page.contains('\x1b'));
}

/// Two connections by name, a name that was refused, a request and a credential.
fn network() -> Vec<Event> {
    let rule: Arc<str> = Arc::from("\"api.test:443\" codex.toml:9");
    let tunnel = |op, up, down| {
        Event::Tunnel(Box::new(Tunnel {
            id: 1,
            op,
            pid: 4183,
            addr: "192.0.2.7:443".parse().ok(),
            host: Some(Arc::from("api.test")),
            port: 443,
            sni: Some("api.test".to_owned()),
            verdict: Verdict::Allow,
            rule: rule.clone(),
            layer: Layer::User,
            up,
            down,
            duration: 1_500_000_000,
            end: if op == TunnelOp::Close { "closed" } else { "" },
        }))
    };
    let Event::Judged(judged) = connect(Verdict::Allow, "192.0.2.7:443") else { unreachable!("made above") };
    let dns = Dns {
        pid: 4183,
        name: "evil.test".to_owned(),
        qtype: 1,
        verdict: Verdict::Deny,
        rule: Arc::from("default"),
        layer: Layer::BuiltIn,
        rcode: "NXDOMAIN",
        answers: Vec::new(),
        duration: 9_000,
    };
    let http = Http {
        tunnel: 1,
        pid: 4183,
        host: Arc::from("api.test"),
        port: 443,
        method: "GET".to_owned(),
        path: "/repos/acme?q=3f9a\x1b[31m".to_owned(),
        status: 200,
        verdict: Verdict::Allow,
        rule: rule.clone(),
        layer: Layer::User,
        up: 0,
        down: 4_000,
        duration: 80_000_000,
    };
    let credential = Credential {
        name: Arc::from("github"),
        tunnel: 1,
        pid: 4183,
        host: Arc::from("api.test"),
        what: CredentialUse::Used,
    };
    vec![
        Event::Start(Box::new(start("k3f9"))),
        exec(4183, 1, &["curl", "https://api.test"]),
        Event::Dns(Box::new(Dns {
            name: "api.test".to_owned(),
            verdict: Verdict::Allow,
            rcode: "NOERROR",
            answers: vec!["192.0.2.7".parse().expect("an address")],
            ..dns.clone()
        })),
        Event::Judged(Judged { host: Some(Arc::from("api.test")), pid: 4183, ..judged }),
        tunnel(TunnelOp::Open, 0, 0),
        Event::Credential(Box::new(credential)),
        Event::Http(Box::new(http)),
        Event::Dns(Box::new(dns)),
        tunnel(TunnelOp::Close, 900, 4_100),
        Event::Exit { status: 0, signal: None },
    ]
}

#[test]
fn the_network_is_told_by_name_with_bytes_and_each_kind_can_be_chosen() {
    let desk = Desk::new();
    desk.keep("k3f9", &recorded(network()));
    let page = desk.says(&["show", "last"]);
    for part in [
        "denied     1  00:01 lookup evil.test",
        "reached    1  api.test:443                       192.0.2.7          ×1   900 B ↑  4.1 kB ↓ curl     00:00",
        "              evil.test ",
        "secrets    1  00:01 github at api.test: used ×1",
    ] {
        assert!(page.contains(part), "no {part:?} in\n{page}");
    }
    let whole: serde_json::Value = serde_json::from_str(&desk.says(&["show", "last", "--json"])).expect("JSON");
    let place = &whole["reached"]["list"][0];
    assert_eq!((&place["host"], &place["port"], &place["count"]), (&"api.test".into(), &443.into(), &1.into()));
    assert_eq!((&place["up"], &place["down"], &place["requests"]), (&900.into(), &4_100.into(), &1.into()));
    assert_eq!((&place["addrs"][0], &place["programs"][0]), (&"192.0.2.7".into(), &"curl".into()));
    assert_eq!((&whole["reached"]["hosts"], &whole["credentials"][0]["used"]), (&1.into(), &1.into()));
    let of = |kind: &str| {
        let lines = desk.says(&["show", "last", "--events", "--json", "--kind", kind]);
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect::<Vec<serde_json::Value>>()
    };
    assert_eq!((of("net").len(), of("dns").len(), of("http").len(), of("credential").len()), (3, 2, 1, 1));
    assert_eq!((&of("net")[2]["end"], &of("net")[2]["sni"]), (&"closed".into(), &"api.test".into()));
    assert_eq!((&of("http")[0]["status"], &of("credential")[0]["id"]), (&200.into(), &"github".into()));
    let lines = desk.says(&["show", "last", "--events"]);
    assert!(lines.contains("GET api.test:443/repos/acme?q=3f9a\\x1b[31m 200") && !lines.contains('\x1b'), "{lines}");
    for (place, wanted) in [("host", "api.test"), ("path", "/repos/acme"), ("host", "192.0.2.7"), ("host", "evil.test")]
    {
        assert!(desk.says(&["search", "--in", place, wanted]).contains(wanted), "{place} {wanted}");
    }
}

#[test]
fn programs_are_drawn_as_a_tree_with_their_arguments() {
    let desk = Desk::new();
    desk.keep("k3f9", &recorded(session("k3f9")));
    let tree = desk.says(&["show", "k3", "--programs"]);
    let lines: Vec<_> = tree.lines().collect();
    assert_eq!(lines[0], "00:00 codex 'fix it'  pid 4180");
    assert_eq!(lines[1], "00:01   cat 'a\\x1b[31mb'  pid 4183 · 1.5s exit 1");
}

#[test]
fn events_come_as_lines_and_as_json_and_can_be_chosen() {
    let desk = Desk::new();
    let path = desk.keep("k3f9", &recorded(session("k3f9")));
    let by_path = [OsStr::new("show"), path.as_os_str(), OsStr::new("--events"), OsStr::new("--json")];
    let all = desk.says(&by_path);
    let all: Vec<serde_json::Value> = all.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(all.len(), session("k3f9").len());
    assert!(
        all.iter().enumerate().all(|(n, event)| event["seq"] == n && event["t"].is_f64() && event["kind"].is_string())
    );

    let denied = desk.says(&["show", "last", "--events", "--kind", "file", "--denied", "--json"]);
    let denied: serde_json::Value = serde_json::from_str(&denied).expect("one line of JSON");
    let members = ["op", "path", "access", "verdict", "rule", "layer", "via", "pid", "errno"];
    let values = [
        "\"openat\"",
        "\"/home/u/.ssh/id_rsa\"",
        "\"read\"",
        "\"deny\"",
        "\"\\\"~/.ssh/**\\\" agent.toml:18\"",
        "\"shipped\"",
        "\"brokered\"",
        "4183",
        "\"EACCES\"",
    ];
    assert_eq!(members.map(|name| denied[name].to_string()), values);

    let lines = desk.says(&["show", "last", "--events", "--denied"]);
    assert_eq!(lines.lines().count(), 2, "{lines}");
    let lines = desk.says(&["show", "last", "--events", "--kind", "proc", "--kind", "exit"]);
    assert_eq!(lines.lines().count(), 4, "{lines}");
    assert!(!desk.says(&["show", "last", "--events"]).contains('\x1b'));
}

#[test]
fn everything_as_one_object() {
    let desk = Desk::new();
    desk.keep("k3f9", &recorded(session("k3f9")));
    let whole: serde_json::Value = serde_json::from_str(&desk.says(&["show", "last", "--json"])).expect("JSON");
    assert_eq!((&whole["exit"], &whole["complete"], &whole["denied"]["total"]), (&3.into(), &true.into(), &2.into()));
    assert_eq!(whole["denied"]["list"][0]["object"], "/home/u/.ssh/id_rsa");
    assert_eq!(whole["programs"]["list"][1]["parent"], 0);
    assert_eq!(whole["wrote"]["files"][0], "/home/u/shop/src/login.rs");
}

#[test]
fn the_list_has_good_recordings_and_bad_ones() {
    let desk = Desk::new();
    let good = recorded(session("k3f9"));
    desk.keep("k3f9", &good);
    desk.keep("cut1", &good[..good.len() / 2]);
    desk.keep("rand", b"not a recording at all");
    desk.keep("none", b"");
    let list: serde_json::Value = serde_json::from_str(&desk.says(&["ls", "--json"])).expect("JSON");
    let by_id = |id: &str| list.as_array().expect("a list").iter().find(|row| row["id"] == id).expect("listed").clone();
    assert_eq!(by_id("k3f9")["exit"], 3);
    assert_eq!(by_id("k3f9")["denied"], 2);
    assert_eq!(by_id("cut1")["complete"], false);
    assert_eq!(by_id("rand")["error"], "not a govsh recording");
    assert_eq!(by_id("none")["argv"], serde_json::Value::Null);
    let table = desk.says(&["ls"]);
    assert_eq!(table.lines().count(), 5, "{table}");
    assert!(
        table.contains("k3f9  2026-11-21 17:49      3.0s  exit 3      unsigned      2  codex           ~/shop"),
        "{table}"
    );
}

#[test]
fn verify_tells_the_signed_the_open_and_the_altered_apart() {
    let desk = Desk::new();
    desk.says(&["--policy", "observe", "--", "true"]);
    let file = fs::read_dir(desk.recordings()).expect("a directory").next().expect("a recording").expect("read").path();
    let good = fs::read(&file).expect("readable");
    let key: serde_json::Value = serde_json::from_str(&desk.says(&["key", "show", "--json"])).expect("JSON");
    let said = desk.says(&["verify", "last"]);
    let fingerprint = key["fingerprint"].as_str().expect("text");
    assert!(
        said.contains("intact, signed by ") && said.contains(fingerprint) && said.contains("this machine's key"),
        "{said}"
    );
    desk.says(&["verify", "last", "--key", key["key"].as_str().expect("text")]);
    let public = desk.dir.path().join("public");
    fs::write(&public, desk.says(&["key", "show"])).expect("written");
    desk.says(&[OsStr::new("verify"), file.as_os_str(), OsStr::new("--key"), public.as_os_str()]);
    assert!(desk.says(&["ls"]).contains(" signed "));

    let verified = |files: &[&Path]| {
        let output = desk.govsh(
            &[&[OsStr::new("verify")], &files.iter().map(|file| file.as_os_str()).collect::<Vec<_>>()[..]].concat(),
        );
        (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
    };
    let cut = desk.keep("cut1", &good[..good.len() / 2]);
    let (status, said) = verified(&[&file, &cut]);
    assert!(status == Some(3) && said.contains("intact prefix, not closed: 0 frames"), "{said}");
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 1;
    let bad = desk.keep("bad1", &bad);
    let (status, said) = verified(&[&cut, &bad, &file]);
    assert!(status == Some(4) && said.contains("altered at frame 0") && said.lines().count() == 3, "{said}");
    let (status, said) = verified(&[&bad, &desk.keep("rand", b"no recording")]);
    assert!(status == Some(125) && said.contains("not a govsh recording"), "{said}");
    // The signature: everything can be read, but is not vouched for.
    let mut bad = good.clone();
    bad[good.len() - 60] ^= 1;
    desk.keep("bad2", &bad);
    let shown = desk.govsh(&["show", "bad2"]);
    let page = String::from_utf8(shown.stdout).expect("UTF-8");
    assert!(shown.status.code() == Some(1) && page.contains("ALTERED at frame 1"), "{page}");
    let other = "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    assert_eq!(desk.govsh(&["verify", "last", "--key", other]).status.code(), Some(4));
}

#[test]
fn an_empty_place_lists_nothing() {
    let desk = Desk::new();
    assert_eq!(desk.says(&["ls", "--json"]).trim(), "[]");
    fs::remove_dir_all(desk.recordings()).expect("removed");
    assert!(desk.says(&["ls"]).starts_with("no recordings in"));
    assert!(desk.refuses(&["show", "last"]).contains("no recordings in"));
}

#[test]
fn replay_gives_the_exact_bytes_and_keeps_the_streams_apart() {
    let desk = Desk::new();
    desk.keep("k3f9", &recorded(session("k3f9")));
    let played = desk.govsh(&["replay", "last", "--plain", "--speed", "1000000"]);
    assert_eq!(played.stdout, b"\x1b[1mhello\x1b[0m \xff\xe2\x82\xac\r\n");
    assert!(played.status.success() && played.stderr.is_empty());

    desk.keep("pipe", &recorded(vec![output(Stream::Stdout, b"out\xff"), output(Stream::Stderr, b"err\xfe")]));
    let played = desk.govsh(&["replay", "pipe", "--plain", "--speed", "1000000"]);
    assert_eq!((&played.stdout[..], &played.stderr[..]), (&b"out\xff"[..], &b"err\xfe"[..]));
}

#[test]
fn bad_recordings_get_one_clear_line() {
    let desk = Desk::new();
    desk.keep("none", b"");
    desk.keep("rand", b"\x00\x01\x02\x03\x04 random");
    for command in ["show", "replay"] {
        assert!(desk.refuses(&[command, "none"]).contains("holds no events: it is empty"));
        assert!(desk.refuses(&[command, "rand"]).contains("is not a govsh recording"));
        assert!(desk.refuses(&[command, "nobody"]).contains("no recording 'nobody'"));
        assert!(desk.refuses(&[command, "/nonexistent/x.cast.zst"]).contains("No such file"));
        assert!(desk.refuses(&[command, "/"]).contains("is a directory"));
    }
}

#[test]
fn a_cut_recording_shows_what_it_has_and_says_so() {
    let desk = Desk::new();
    let good = recorded(session("k3f9"));
    desk.keep("cut1", &good[..good.len() * 2 / 3]);
    let page = desk.says(&["show", "cut1"]);
    assert!(page.contains("not closed: still running, killed or cut"), "{page}");
    assert!(page.contains("codex fix it"), "{page}");
}

#[test]
fn a_damaged_recording_shows_what_comes_before_the_damage() {
    let desk = Desk::new();
    let mut events = session("k3f9");
    events.extend((0..20_000).map(|n| file(Access::READ, Verdict::Allow, format!("/usr/{n}").as_bytes())));
    let mut bad = recorded(events);
    let middle = bad.len() / 2;
    bad[middle..middle + 64].fill(0xaa);
    desk.keep("dam1", &bad);
    for arguments in [&["show", "dam1"][..], &["show", "dam1", "--events"]] {
        let output = desk.govsh(arguments);
        assert_eq!(output.status.code(), Some(1));
        let both = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(both).expect("UTF-8");
        assert!(text.contains("damaged at byte") && text.contains("id_rsa"), "{text}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let desk = Desk::new();
    let events = (0..50_000).map(|n| file(Access::READ, Verdict::Allow, format!("/usr/{n}").as_bytes()));
    let path: &Path = &desk.keep("long", &recorded(events.collect()));
    let script = format!(
        "'{}' show '{}' --events | head -1; echo ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_govsh"),
        path.display()
    );
    let output = Command::new("bash").args(["-c", &script]).output().expect("bash runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.ends_with("\n0\n") && output.stderr.is_empty(), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_place_that_cannot_be_written_is_told_before_anything_runs() {
    let desk = Desk::new();
    let taken = desk.dir.path().join("taken");
    fs::write(&taken, "precious").expect("written");
    let beneath = taken.join("file");
    let witness = desk.dir.path().join("witness");
    for (place, why) in [(&taken, "File exists"), (&beneath, "Not a directory")] {
        let arguments = ["--policy", "observe", "--record"].map(OsStr::new);
        let command = ["--", "touch"].map(OsStr::new);
        let all = [&arguments[..], &[place.as_os_str()], &command[..], &[witness.as_os_str()]].concat();
        let said = desk.refuses(&all);
        assert!(said.contains("cannot create recording") && said.contains(why), "{said}");
    }
    assert!(!witness.exists());
    assert_eq!(fs::read(&taken).expect("still there"), b"precious");
}

#[test]
fn directories_and_files_are_for_the_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new();
    fs::remove_dir_all(desk.dir.path().join("govsh")).expect("removed");
    desk.says(&["--policy", "observe", "--", "true"]);
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&desk.recordings()), 0o700);
    let file = fs::read_dir(desk.recordings()).expect("a directory").next().expect("a recording").expect("read");
    assert_eq!(mode(&file.path()), 0o600);
    assert!(desk.says(&["show", "last"]).contains("exit 0 · intact, signed by "));
}

/// The promise is a quarter of a second; a busy machine may not run the recorder that often.
#[test]
fn a_killed_front_loses_almost_nothing() {
    use std::collections::HashSet;
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    use std::time::{Duration, Instant};

    let desk = Desk::new();
    let file = desk.dir.path().join("killed.cast.zst");
    let mut govsh = Command::new(env!("CARGO_BIN_EXE_govsh"));
    govsh.args(["--policy", "observe", "--record"]).arg(&file);
    let endless = "i=0; while :; do i=$((i+1)); echo line $i; read -r up rest </proc/uptime; done";
    let mut govsh = govsh.args(["--", "sh", "-c", endless]).stdout(Stdio::piped()).spawn().expect("govsh runs");
    let mut lines = BufReader::new(govsh.stdout.take().expect("a pipe")).lines();
    // When each line came out of govsh. How little is lost is measured in the benchmark; here a busy machine must not matter.
    let mut seen = Vec::new();
    while seen.first().is_none_or(|(first, _): &(Instant, String)| first.elapsed() < Duration::from_secs(5)) {
        let line = lines.next().expect("a line").expect("read");
        seen.push((Instant::now(), line));
    }
    let killed = Instant::now();
    govsh.kill().expect("killed");
    govsh.wait().expect("ended");

    let played = desk.says(&[OsStr::new("replay"), OsStr::new("--speed"), OsStr::new("1000000"), file.as_os_str()]);
    let settled = seen.iter().filter(|(at, _)| killed - *at > Duration::from_secs(3));
    let played: HashSet<&str> = played.lines().collect();
    let missing: Vec<_> = settled.filter(|(_, line)| !played.contains(line.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(desk.says(&[OsStr::new("show"), file.as_os_str()]).contains("not closed"));
}
