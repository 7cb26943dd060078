//! What is found, once, wherever frames and events split it.

use std::io::Cursor;

use super::*;
use crate::event::{Event, Stamped, Start, Stream};
use crate::recording::Writer;

mod same;

pub(super) fn query(pattern: &str) -> Query {
    Query::new(pattern, false, Case::Smart, Places::all(), 0).expect("a pattern")
}

fn start() -> Start {
    Start {
        id: "k3f9".to_owned(),
        timestamp: 1_763_747_344,
        argv: vec![b"codex".to_vec()],
        cwd: b"/home/u".to_vec(),
        user: "u".to_owned(),
        uid: 1000,
        host: "laptop".to_owned(),
        version: "0.1.0".to_owned(),
        cols: 40,
        rows: 6,
        term: "xterm".to_owned(),
        stdin_tty: true,
        stdout_tty: true,
        stderr_tty: true,
    }
}

fn recorded(events: impl IntoIterator<Item = (u64, Event)>) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &start()).expect("a vector takes everything");
    let all = std::iter::once((0, Event::Start(Box::new(start())))).chain(events);
    for (seq, (t, event)) in (0u64..).zip(all) {
        writer.write(&Stamped { seq, t: t * 1_000_000, event }).expect("a vector takes everything");
    }
    writer.finish().expect("a vector takes everything");
    writer.into_inner()
}

fn shown(text: &str) -> Event {
    Event::Output { stream: Stream::Terminal, data: text.as_bytes().to_vec() }
}

fn all(file: &[u8], query: &Query, threads: usize) -> Vec<Hit> {
    let mut hits = Vec::new();
    let open = || Ok(Cursor::new(file));
    search(open, query, threads, &Progress::default(), &mut |hit| {
        hits.push(hit);
        true
    })
    .expect("a sound file");
    hits
}

/// Milliseconds and line of each hit.
fn found(texts: &[(u64, &str)], pattern: &str) -> Vec<(u64, String)> {
    let file = recorded(texts.iter().map(|(t, text)| (*t, shown(text))));
    let hits = all(&file, &query(pattern), 1);
    assert_eq!(hits, all(&file, &query(pattern), 3));
    hits.into_iter().map(|hit| (hit.t / 1_000_000, hit.text)).collect()
}

fn lines(wanted: &[(u64, &str)]) -> Vec<(u64, String)> {
    wanted.iter().map(|(t, text)| (*t, (*text).to_owned())).collect()
}

#[test]
fn text_is_found_without_its_colours_and_over_events() {
    let said = [(1, "an \x1b[31mer"), (2, "ror\x1b[0m here\r\nand "), (3, "more\r\n")];
    assert_eq!(found(&said, "error"), lines(&[(2, "an error here")]));
    assert_eq!(found(&said, "and m"), lines(&[(3, "and more")]));
}

#[test]
fn text_that_was_written_over_is_found() {
    let said = [(1, "10%\r20%\r"), (2, "done\x1b[K\rgone\x1b[2J\x1b[Hlast")];
    assert_eq!(found(&said, "10%"), lines(&[(1, "10%")]));
    assert_eq!(found(&said, "20%"), lines(&[(1, "20%")]));
    assert_eq!(found(&said, "done"), lines(&[(2, "done")]));
    assert_eq!(found(&said, "gone"), lines(&[(2, "gone")]));
    assert_eq!(found(&said, "last"), lines(&[(2, "last")]));
}

#[test]
fn text_is_found_as_it_stands_on_the_screen() {
    let said = [(1, "\x1b[3;10Hworld\x1b[3;4Hhello"), (2, "\x1b[3;1Hxx"), (3, "\x1b[3;4HHELLO")];
    assert_eq!(found(&said, "hello world"), lines(&[(1, "   hello world"), (3, "xx HELLO world")]));
    assert_eq!(found(&said, "xx [h]ello w"), lines(&[(2, "xx hello world"), (3, "xx HELLO world")]));
    assert_eq!(found(&said, "HELLO w"), lines(&[(3, "xx HELLO world")]));
}

#[test]
fn a_line_longer_than_the_screen_is_one_line() {
    let long = "x".repeat(35) + "needle in hay\r\n";
    assert_eq!(found(&[(1, &long)], "needle in hay"), lines(&[(1, long.trim_end())]));
}

#[test]
fn a_hit_is_told_once_while_it_stands() {
    // Drawn again, moved by scrolling, erased and drawn again, and again much later.
    let said = [
        (1, "\x1b[3;1Herror: one\r\n"),
        (100, "\x1b[3;1Herror: one\r\n"),
        (200, "\x1b[6;1H\n\n"),
        (300, "\x1b[2J"),
        (350, "\x1b[3;1Herror: one"),
        (400, "\x1b[1;1Hspin\x1b[3;1Hyes, error: one"),
        (900, "\x1b[2J"),
        (9000, "\x1b[Herror: one"),
    ];
    assert_eq!(found(&said, "error"), lines(&[(1, "error: one"), (9000, "error: one")]));
    // Twice is two.
    let twice = [(1, "error\r\n"), (2, "error\r\nerror\r\n")];
    assert_eq!(found(&twice, "error").len(), 3);
}

#[test]
fn hits_over_frames_are_found_once() {
    let line = |n: u64| format!("line {n} of many, coloured \x1b[3{}m so \x1b[0mand plain\r\n", n % 8);
    let said: Vec<_> = (0..20_000).map(|n| (n, shown(&line(n)))).collect();
    let file = recorded(said);
    for (pattern, count) in
        [("^line \\d+ of many, coloured  so and plain$", 20_000), ("line 1\\d* of", 11_111), ("no", 0)]
    {
        let hits = all(&file, &query(pattern), 2);
        assert_eq!(hits.len(), count, "{pattern}");
        assert!(hits.is_sorted_by_key(|hit| hit.seq));
    }
    let split: String = (0..70_000).map(|n| format!("{}{}", n % 10, if n % 30 == 29 { "\r\n" } else { "" })).collect();
    let events =
        split.as_bytes().chunks(7).zip(0..).map(|(part, t)| (t, shown(std::str::from_utf8(part).expect("ASCII"))));
    assert_eq!(all(&recorded(events), &query("^(0123456789){3}$"), 2).len(), 70_000 / 30);
}

#[test]
fn a_size_that_changes_loses_nothing() {
    let resize = |cols, rows| Event::Resize { cols, rows };
    let events = vec![
        (1, shown("a needle\r\nin hay, ")),
        (2, resize(20, 4)),
        (3, shown("another needle\r\n")),
        (4, resize(65535, 65535)),
        (5, shown("\x1b[H\x1b[2Jlast needle")),
    ];
    let hits = all(&recorded(events), &query("needle"), 2);
    let found: Vec<_> = hits.iter().map(|hit| (hit.t / 1_000_000, hit.text.as_str())).collect();
    assert_eq!(found, [(1, "a needle"), (3, "in hay, another needle"), (5, "last needle")]);
}

#[test]
fn context_is_what_stands_around() {
    let query = Query::new("5$", false, Case::Smart, Places::OUTPUT, 2).expect("a pattern");
    let text: String = (0..8).map(|n| format!("{n}\r\n")).collect();
    let hits = all(&recorded([(1, shown(&text))]), &query, 1);
    assert_eq!(
        (&hits[0].before[..], &hits[0].after[..]),
        (&["3".to_owned(), "4".to_owned()][..], &["6".to_owned(), "7".to_owned()][..])
    );
}

#[test]
fn input_and_pipes_are_found() {
    let stdout = |text: &str| Event::Output { stream: Stream::Stdout, data: text.as_bytes().to_vec() };
    let typed = |text: &str| Event::Input { data: text.as_bytes().to_vec() };
    let events = vec![
        (1, typed("git pu")),
        (3000, typed("sh\r")),
        (3001, stdout("one\ntwo git push\n")),
        (9000, typed("git push")),
    ];
    let hits = all(&recorded(events), &query("git push"), 2);
    let found: Vec<_> = hits.iter().map(|hit| (hit.t / 1_000_000, hit.place, hit.text.as_str())).collect();
    assert_eq!(
        found,
        [(3000, Place::Input, "git push"), (3001, Place::Output, "two git push"), (9000, Place::Input, "git push")]
    );
}

#[test]
fn letters_compare_as_the_pattern_has_them() {
    for (pattern, case, wanted) in [
        ("error", Case::Smart, true),
        ("Error", Case::Smart, true),
        ("ERror", Case::Smart, false),
        ("\\Srror", Case::Smart, true),
        ("error", Case::Exact, false),
        ("ERROR", Case::Ignored, true),
    ] {
        let query = Query::new(pattern, false, case, Places::OUTPUT, 0).expect("a pattern");
        assert_eq!(query.regex.is_match("Error"), wanted, "{pattern}");
    }
    let literal = Query::new("a.c(", true, Case::Smart, Places::OUTPUT, 0).expect("a pattern");
    assert!(literal.regex.is_match("A.C(") && !literal.regex.is_match("abc("));
}

#[test]
fn a_search_can_be_stopped() {
    let file = recorded((0..20_000).map(|n| (n, shown("needle\r\n"))));
    let mut count = 0;
    search(|| Ok(Cursor::new(&file[..])), &query("needle"), 2, &Progress::default(), &mut |_| {
        count += 1;
        count < 10
    })
    .expect("a sound file");
    assert_eq!(count, 10);
}
