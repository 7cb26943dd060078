//! What stands on the viewer's terminal.

use std::fs::File;
use std::sync::Arc;

use govsh::event::{Event, Judged, Kind, Proc, ProcOp, Stamped, Start, Stream, Via};
use govsh::policy::{Access, Layer, Verdict};
use govsh::recording::Writer;

use crate::glass::Glass;
use crate::outer::Outer;
use crate::scene::{GOVSH, Scene};

const SECOND: u64 = 1_000_000_000;

#[test]
fn a_session_is_shown_with_its_decisions_and_searched() {
    let scene = Scene::new();
    std::fs::create_dir(scene.path("../home/.ssh")).unwrap();
    std::fs::write(scene.path("../home/.ssh/id_rsa"), "secret").unwrap();
    let script =
        "echo one; cat ~/.ssh/id_rsa; for i in $(seq 1 60); do echo line $i; done; printf '\\033[1;31mred\\033[0m'";
    let words = [GOVSH, "--quiet", "--policy", "agent", "--", "sh", "-c", script];
    let mut outer = Outer::start(&scene, &words, true);
    outer.sees("red");
    outer.ends();
    let mut glass = Glass::replay(&scene, &["last", "--denied"]);
    let rows = glass.shows("what and why");
    assert!(rows[0].contains("sh ·") && rows[0].contains("policy agent"), "{rows:#?}");
    glass.shows("✘ read ~/.ssh/id_rsa");
    glass.shows("denied: ");
    glass.shows("denied ▾");
    glass.types("G").shows("red");
    glass.types("/line 7$\r").shows("1 hit");
    glass.shows("line 7");
    glass.types(":0\r").shows("00:00 / ");
    glass.types("?").shows("denial before");
    glass.types("q").types("q");
    assert_eq!(glass.ends().0, 0);
}

#[test]
fn a_full_screen_program_looks_as_it_did() {
    let scene = Scene::new();
    std::fs::write(scene.path("poem"), (1..=80).map(|line| format!("verse {line}\n")).collect::<String>()).unwrap();
    let words = [GOVSH, "--quiet", "--policy", "observe", "--", "vim", "-u", "NONE", "-i", "NONE", "-n", "poem"];
    let mut outer = Outer::start(&scene, &words, true);
    outer.sees("verse 20");
    outer.types(":40\rOnew line\x1b");
    outer.sees("new line");
    outer.types(":q!\r");
    outer.ends();
    let mut glass = Glass::replay(&scene, &["last"]);
    glass.shows("? help");
    glass.types(" ").types("z").types("/new line\r");
    let found = |rows: &[String]| rows.iter().any(|row| row == "new line");
    let rows = glass.until("the line that was written", found);
    assert!(rows.iter().any(|row| row.contains("screen 100×30")), "{rows:#?}");
    let at = rows.iter().position(|row| row.starts_with("new line"));
    let at = at.unwrap_or_else(|| panic!("{rows:#?}"));
    assert_eq!(rows[at - 1], "verse 39");
    glass.types("q").types("q");
    assert_eq!(glass.ends().0, 0);
}

/// A recording of these events after a start on a terminal of this size.
fn written(scene: &Scene, name: &str, size: (u16, u16), events: Vec<Event>) -> String {
    let path = scene.path(name);
    let start = Start {
        id: "evil".into(),
        timestamp: 1_795_283_344,
        argv: vec![EVIL.as_bytes().to_vec()],
        cwd: EVIL.as_bytes().to_vec(),
        user: EVIL.into(),
        uid: 1000,
        host: EVIL.into(),
        version: EVIL.into(),
        cols: size.0,
        rows: size.1,
        term: EVIL.into(),
        stdin_tty: true,
        stdout_tty: true,
        stderr_tty: true,
    };
    let mut writer = Writer::new(File::create(&path).unwrap(), &start).unwrap();
    let all = std::iter::once(Event::Start(Box::new(start))).chain(events);
    for (seq, event) in all.enumerate() {
        writer.write(&Stamped { seq: seq as u64, t: seq as u64 * SECOND, event }).unwrap();
    }
    writer.finish().unwrap();
    path.to_str().unwrap().to_owned()
}

/// Would copy, retitle, recolour, clear and leave the alternate screen, if it got through.
const EVIL: &str = "\x1b]52;c;RVZJTA==\x07\x1b]0;EVIL\x07\x1b[?1049l\x1b[31m\u{202e}x\u{9b}2J\x1bc";

#[test]
fn a_hostile_recording_stays_in_its_cells() {
    let scene = Scene::new();
    let bytes = EVIL.as_bytes().to_vec();
    let judged = Judged {
        kind: Kind::File,
        op: "open",
        pid: 7,
        access: Access::READ,
        path: bytes.clone(),
        path2: bytes.clone(),
        addr: None,
        host: None,
        port: 0,
        argv: vec![bytes.clone(); 3],
        verdict: Verdict::Deny,
        rule: Arc::from(EVIL),
        layer: Layer::Shipped,
        via: Via::Brokered,
        errno: libc::EACCES,
        duration: 1,
    };
    let proc = Proc {
        pid: 7,
        parent: 1,
        op: ProcOp::Exec,
        exe: bytes.clone(),
        argv: vec![bytes.clone(); 3],
        argv_cut: true,
        cwd: bytes.clone(),
        exit: None,
        signal: None,
        digest: None,
    };
    let output = [b"before ".to_vec(), bytes.clone(), b"after".to_vec()].concat();
    let path = written(
        &scene,
        "evil.cast.zst",
        (80, 24),
        vec![
            Event::Proc(Box::new(proc)),
            Event::Output { stream: Stream::Terminal, data: output },
            Event::Judged(judged),
            Event::Marker { label: EVIL.into(), by: EVIL.into() },
            Event::Alert { pid: 7, what: EVIL.into() },
            Event::Limit { what: EVIL.into() },
            Event::Exit { status: 0, signal: None },
        ],
    );
    let mut glass = Glass::replay(&scene, &[&path, "--at", "4"]);
    glass.shows("after");
    for keys in ["d", "D", ".", ".", ".", "\r", "\r", "t", "h", "/x\r", "&limit\r", "\x1b"] {
        glass.types(keys);
    }
    // F1, which no escape before it can be mistaken for.
    glass.types("\x1bOP").shows("denial before");
    glass.types("q").types("q");
    let (status, sent) = glass.ends();
    assert_eq!(status, 0);
    for wrong in ["\x1b]", "\u{202e}", "\u{9b}", "\x1bc"] {
        assert!(!sent.contains(wrong), "{wrong:?} reached the terminal");
    }
    assert_eq!(sent.matches("\x1b[?1049l").count(), 1);
}

#[test]
fn sizes_that_no_terminal_has_are_shown_too() {
    let scene = Scene::new();
    let text = |text: &str| Event::Output { stream: Stream::Terminal, data: text.as_bytes().to_vec() };
    let path = written(
        &scene,
        "huge.cast.zst",
        (65_535, 65_535),
        vec![
            text("in the corner"),
            Event::Resize { cols: 1, rows: 65_535 },
            Event::Resize { cols: 0, rows: 0 },
            Event::Resize { cols: 30, rows: 5 },
            text("\x1b[2J\x1b[Hsmall again"),
            Event::Exit { status: 0, signal: None },
        ],
    );
    let mut glass = Glass::replay(&scene, &[&path, "--at", "1"]);
    glass.shows("in the corner");
    glass.types("G").shows("small again");
    glass.shows("screen 30×5");
    glass.types("q");
    assert_eq!(glass.ends().0, 0);
}
