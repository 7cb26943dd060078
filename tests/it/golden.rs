//! The recordings in `recordings/`: made once by real runs, never made again. They read, verify and replay as they did.

use std::fs::{self, File};
use std::io::Cursor;
use std::path::PathBuf;

use govsh::event::{Event, Stamped, Stream};
use govsh::recording::{Archive, Integrity, Reader, draw, verify};
use govsh::screen::Screen;

/// Name, format, and a line that its last screens or its output have.
const GOLDEN: [(&str, u32); 7] =
    [("format-1", 1), ("format-2", 2), ("codex", 2), ("claude", 2), ("vim", 2), ("htop", 2), ("cargo", 2)];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("recordings").join(format!("{name}.cast.zst"))
}

fn bytes(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn events(name: &str) -> Vec<Stamped> {
    let mut reader = Reader::open(Cursor::new(bytes(name))).expect("a recording");
    let events = reader.by_ref().collect::<Result<Vec<_>, _>>().expect("readable");
    assert!(!reader.truncated(), "{name}");
    events
}

#[test]
fn every_file_is_listed_and_small() {
    let dir = path("x").parent().expect("a directory").to_owned();
    let files: Vec<_> = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("read")).collect();
    let casts = files.iter().filter(|entry| entry.path().extension().is_some_and(|end| end == "zst"));
    assert_eq!(casts.count(), GOLDEN.len());
    let sizes: Vec<_> = GOLDEN.iter().map(|(name, _)| bytes(name).len()).collect();
    assert!(sizes.iter().all(|size| *size < 60_000), "{sizes:?}");
}

#[test]
fn all_of_them_read_and_verify() {
    for (name, format) in GOLDEN {
        let reader = Reader::open(Cursor::new(bytes(name))).expect("a recording");
        assert_eq!(reader.format(), format, "{name}");
        let events = events(name);
        assert!(matches!(events[0].event, Event::Start(_)), "{name}");
        assert!(matches!(events.last().expect("events").event, Event::Exit { .. }), "{name}");
        assert!(events.windows(2).all(|pair| pair[0].seq + 1 == pair[1].seq && pair[0].t <= pair[1].t), "{name}");
        match verify(File::open(path(name)).expect("there"), None).expect("readable") {
            Integrity::Signed { by } if format > 1 => assert_eq!(by.name, "shop", "{name}"),
            Integrity::Unsigned { chained: false } if format == 1 => {}
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// What the agent's terminal showed, after any event: by seeking, and by feeding the raw bytes to a terminal as they came.
#[test]
fn all_of_them_replay_as_their_bytes() {
    for (name, _) in GOLDEN {
        let events = events(name);
        let mut archive = Archive::open(Cursor::new(bytes(name))).expect("a recording");
        let Event::Start(start) = &events[0].event else { panic!("{name}") };
        let mut raw = Screen::new(start.cols, start.rows);
        let stops = events.len().div_ceil(40);
        for (at, stamped) in events.iter().enumerate() {
            match &stamped.event {
                Event::Output { stream: Stream::Terminal, data } => raw.feed(data),
                Event::Resize { cols, rows } => raw.resize(*cols, *rows),
                other => assert!(!draw(&mut raw, other), "{name}: no pipes here"),
            }
            let last = events.get(at + 1).is_none_or(|next| next.t > stamped.t);
            if last && at % stops == 0 {
                assert_eq!(archive.screen_at(stamped.t).expect("readable"), raw, "{name} after event {at}");
            }
        }
        assert_eq!(archive.screen_at(u64::MAX).expect("readable"), raw, "{name}");
    }
}

#[test]
fn they_hold_what_was_done_in_them() {
    let has = |name: &str, wanted: &str| {
        let shown: Vec<u8> = events(name)
            .into_iter()
            .filter_map(|stamped| match stamped.event {
                Event::Output { data, .. } => Some(data),
                _ => None,
            })
            .flatten()
            .collect();
        assert!(String::from_utf8_lossy(&shown).contains(wanted), "{name}: no {wanted:?}");
    };
    for format in ["format-1", "format-2"] {
        has(format, "hello Jürgen");
        let redacted = events(format).iter().any(|stamped| matches!(stamped.event, Event::Redacted { bytes: 8 }));
        assert!(redacted, "{format}: what was typed without echo");
        assert!(matches!(events(format).last().expect("events").event, Event::Exit { status: 3, .. }), "{format}");
    }
    has("cargo", "Finished");
    has("vim", "honey");
    for agent in ["codex", "claude"] {
        let denied = |stamped: &Stamped| match &stamped.event {
            Event::Judged(judged) => {
                judged.verdict == govsh::policy::Verdict::Deny && judged.path == b"/home/dev/.ssh/id_rsa"
            }
            _ => false,
        };
        assert!(events(agent).iter().any(denied), "{agent}: the key was refused");
    }
}
