//! What comes out of `zstd -dc` is asciicast v3 to other people's readers: the parser of asciinema-player, from npm.
//!
//! asciinema itself, which builds for minutes, is tried by `tests/compat/asciinema`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use govsh::event::*;
use govsh::policy::{Access, Layer, Verdict};
use govsh::recording::Writer;

const PLAYER: &str = "asciinema-player@3.17.0";

/// Installs the package once, in the build directory; it stays there for the next run.
fn player() -> &'static Path {
    static PACKAGE: OnceLock<PathBuf> = OnceLock::new();
    PACKAGE.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("player-3.17.0");
        let done = dir.join("installed");
        if !done.is_file() {
            std::fs::create_dir_all(&dir).expect("a directory");
            let mut npm = Command::new("npm");
            npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--prefix"]);
            let output = npm.arg(&dir).arg(PLAYER).output().expect("npm is installed");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            std::fs::write(done, "").expect("written");
        }
        dir.join("node_modules/asciinema-player")
    })
}

/// What the player makes of the recording in `file`.
fn parsed(file: &Path) -> serde_json::Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/compat/player.mjs");
    let mut zstd =
        Command::new("zstd").arg("-dcq").arg(file).stdout(Stdio::piped()).spawn().expect("zstd is installed");
    let mut node = Command::new("node");
    node.arg(script).arg(player()).stdin(zstd.stdout.take().expect("a pipe"));
    let output = node.output().expect("node is installed");
    assert!(zstd.wait().expect("zstd ends").success());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn output(data: &[u8]) -> Event {
    Event::Output { stream: Stream::Terminal, data: data.to_vec() }
}

fn denied() -> Event {
    Event::Judged(Judged {
        kind: Kind::File,
        op: "open",
        pid: 7,
        access: Access::READ,
        path: b"/home/u/.ssh/id_rsa".to_vec(),
        path2: Vec::new(),
        addr: None,
        host: None,
        port: 0,
        argv: Vec::new(),
        verdict: Verdict::Deny,
        rule: Arc::from("default"),
        layer: Layer::Shipped,
        via: Via::Brokered,
        errno: libc::EACCES,
        duration: 0,
    })
}

fn start() -> Start {
    Start {
        id: "k3f9".to_owned(),
        timestamp: 1_795_283_344,
        argv: vec![b"bash".to_vec(), b"\xff".to_vec()],
        cwd: b"/".to_vec(),
        user: "u".to_owned(),
        uid: 1,
        host: "h".to_owned(),
        version: "0".to_owned(),
        cols: 101,
        rows: 33,
        term: "xterm-256color".to_owned(),
        stdin_tty: true,
        stdout_tty: true,
        stderr_tty: true,
    }
}

#[test]
fn asciinema_player_sees_the_terminal_and_the_denials() {
    let events = vec![
        Event::Start(Box::new(start())),
        output(b"split \xe2\x82"),
        output(b"\xac and\xff broken\r\n"),
        Event::Input { data: b"ls\r".to_vec() },
        denied(),
        Event::Resize { cols: 80, rows: 24 },
        Event::Marker { label: "here".to_owned(), by: "u@pts/3".to_owned() },
        Event::Output { stream: Stream::Stderr, data: b"to stderr".to_vec() },
        Event::Exit { status: 3, signal: Some(9) },
    ];
    let file = tempfile::NamedTempFile::new().expect("a file");
    let mut writer = Writer::new(file.as_file(), &start()).expect("written");
    for (n, event) in (0u64..).zip(events) {
        writer.write(&Stamped { seq: n, t: n * 500_000_000, event }).expect("written");
        writer.flush().expect("written");
    }
    writer.finish().expect("written");

    let seen = parsed(file.path());
    assert_eq!((&seen["cols"], &seen["rows"]), (&101.into(), &33.into()));
    let wanted = serde_json::json!([
        [500.0, "o", "split "],
        [1000.0, "o", "€ and\u{fffd} broken\r\n"],
        [1500.0, "i", "ls\r"],
        [2000.0, "m", "denied: open /home/u/.ssh/id_rsa"],
        [2500.0, "r", "80x24"],
        [3000.0, "m", "here"],
        [3500.0, "o", "to stderr"],
        [4000.0, "x", "3"],
    ]);
    let simple = |events: &serde_json::Value| -> Vec<(i64, String, String)> {
        let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
        let one = |event: &serde_json::Value| {
            (event[0].as_f64().expect("a time").round() as i64, text(&event[1]), text(&event[2]))
        };
        events.as_array().expect("events").iter().map(one).collect()
    };
    assert_eq!(simple(&seen["events"]), simple(&wanted));
}

#[test]
fn asciinema_player_reads_what_a_session_wrote() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("run.cast.zst");
    let mut govsh = Command::new(env!("CARGO_BIN_EXE_govsh"));
    govsh.args(["--policy", "observe", "--record"]).arg(&file).args(["--", "sh", "-c", "cat; printf '\\377 €\\n'"]);
    let mut govsh = govsh.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("govsh runs");
    govsh.stdin.take().expect("a pipe").write_all(b"typed\n").expect("taken");
    assert_eq!(govsh.wait_with_output().expect("govsh ends").stdout, b"typed\n\xff \xe2\x82\xac\n");

    let seen = parsed(&file);
    let events = seen["events"].as_array().expect("events");
    let text: String = events.iter().filter(|event| event[1] == "o").filter_map(|event| event[2].as_str()).collect();
    assert_eq!(text, "typed\n\u{fffd} €\n");
    assert_eq!(events.last().map(|event| &event[1]), Some(&"x".into()));
}
