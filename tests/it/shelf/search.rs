//! `govsh search` as people and scripts run it.

use govsh::event::*;
use govsh::policy::Verdict;
use serde_json::Value;

use crate::desk::{Desk, file, recorded, start};

fn shown(text: &str) -> Event {
    Event::Output { stream: Stream::Terminal, data: text.as_bytes().to_vec() }
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn hits_have_session_time_context_and_a_command() {
    let desk = Desk::new();
    let events = vec![
        shown("first\r\n"),
        shown("\x1b[31merr\x1b[0mor: no such \x1b]0;x\x07file\r\nlast\r\n"),
        Event::Input { data: b"git push\r".to_vec() },
        file(Verdict::Deny, "/home/u/.ssh/id_rsa"),
        file(Verdict::Deny, "/home/u/.ssh/id_rsa"),
    ];
    desk.keep("k3f9", &recorded("k3f9", events), 0);
    let line = desk.says(&["search", "error: no", "k3f9"], 0);
    assert_eq!(line, "k3f9   0:00.500  output  error: no such file  govsh replay k3f9 --at 0:00.500\n");
    let around = desk.says(&["search", "-C1", "error", "last"], 0);
    let lines: Vec<_> = around.lines().map(str::trim).collect();
    assert_eq!((lines[0], lines[2]), ("first", "last"));

    let both = objects(&desk.says(&["search", "--json", "id_rsa|git push"], 0));
    let found: Vec<_> =
        both.iter().map(|hit| (hit["in"].as_str().expect("text"), hit["t"].as_f64().expect("s"))).collect();
    assert_eq!(found, [("input", 0.75), ("path", 1.0), ("path", 1.25)]);
    assert_eq!(both[0]["replay"], "govsh replay k3f9 --at 0:00.750");
    assert_eq!(both[1]["matches"][0]["text"], "id_rsa");
    // People are told once.
    assert_eq!(desk.says(&["search", "id_rsa"], 0).lines().count(), 1);
    assert_eq!(desk.says(&["search", "-F", "fix it", "--in", "argv"], 0).lines().count(), 1);
    assert_eq!(desk.says(&["search", "fix it", "--in", "output,input"], 1), "");
}

#[test]
fn all_recordings_are_searched_the_newest_first() {
    let desk = Desk::new();
    for (n, id) in ["aaa1", "bbb2", "ccc3", "ddd4"].into_iter().enumerate() {
        let lines = "needle and hay\r\n".repeat(n + 1);
        desk.keep(id, &recorded(id, vec![shown(&lines)]), 10 - n as u64);
    }
    desk.keep("rand", b"no recording", 20);
    let output = desk.govsh(&["search", "NEEDLE", "-i"]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let order: Vec<_> = text.lines().map(|line| &line[..4]).collect();
    assert_eq!(order.join(" "), "ddd4 ddd4 ddd4 ddd4 ccc3 ccc3 ccc3 bbb2 bbb2 aaa1");
    // What could not be searched is said, and more than an empty result.
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not a govsh recording"));
    assert_eq!(desk.says(&["search", "NEEDLE", "aaa1", "bbb2"], 1), "");
    assert_eq!(desk.says(&["search", "needle", "bbb2", "aaa1"], 0).lines().count(), 3);
}

#[test]
fn mistakes_are_told_with_status_2() {
    let desk = Desk::new();
    desk.keep("k3f9", &recorded("k3f9", vec![]), 0);
    for (arguments, why) in [
        (&["search", "a(b"][..], "is no regular expression: unclosed group"),
        (&["search", "x", "nobody"][..], "no recording 'nobody'"),
        (&["search", "x", "/nonexistent/x.cast.zst"][..], "No such file"),
    ] {
        let output = desk.govsh(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(why), "{said}");
    }
}

#[test]
fn nothing_found_reaches_the_terminal_as_it_was() {
    let desk = Desk::new();
    let hostile = "x\u{202e}needle\u{200b}\u{9b}31m\x1b[5m";
    let marker = Event::Marker { label: format!("needle\x1b]0;owned\x07{hostile}"), by: String::new() };
    let mut begun = start("k3f9");
    begun.argv = vec![b"needle\x1b[2J".to_vec()];
    desk.keep("k3f9", &recorded("k3f9", vec![shown(hostile), marker, Event::Start(Box::new(begun))]), 0);
    let text = desk.says(&["search", "needle"], 0);
    assert_eq!(text.lines().count(), 3, "{text}");
    let raw = |letter: char| letter.is_control() && letter != '\n' || "\u{202e}\u{200b}".contains(letter);
    assert!(!text.contains(raw), "{text:?}");
}

#[test]
fn a_reader_that_goes_away_ends_the_search() {
    let desk = Desk::new();
    desk.keep("k3f9", &recorded("k3f9", vec![shown(&"needle\r\n".repeat(100_000))]), 0);
    let script = format!("'{}' search needle | head -1; echo ${{PIPESTATUS[0]}}", env!("CARGO_BIN_EXE_govsh"));
    let mut bash = std::process::Command::new("bash");
    let output = bash.args(["-c", &script]).env("XDG_STATE_HOME", desk.dir.path()).output().expect("bash runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.ends_with("\n0\n") && output.stderr.is_empty(), "{text}");
}
