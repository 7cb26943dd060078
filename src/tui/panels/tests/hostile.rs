//! What an adversary can put into names, arguments, labels and rules, and terminals of any size.

use std::time::Duration;

use proptest::prelude::*;
use ratatui::buffer::Buffer;

use super::super::timeline::{Span, Tick, What};
use super::super::*;
use super::picture::{drawn, theme};
use super::story::{ask, judged};
use crate::event::{Ask, Event, Kind, Proc, ProcOp, Stamped};
use crate::policy::Verdict;

/// Every panel, into the whole of the terminal one after the other, over one event.
fn everything(size: (u16, u16), stamped: &Stamped, ask: &Ask) -> Vec<Buffer> {
    let (theme, bearings) = (theme(), Bearings { home: b"/root".to_vec(), cwd: b"/root/w".to_vec() });
    let rows = fold::rows([stamped, stamped], |_| true, &bearings);
    let said = detail::of(stamped, &detail::Doer { line: ask.ancestry.clone() }, Some(ask), &bearings);
    let question = question::of(ask, Duration::from_secs(1), (1, 0), 0, &bearings);
    let mut places = net::Places::default();
    places.add(stamped, &bearings);
    let reached = places.rows_at(u64::MAX);
    let mut summary = crate::recording::Summary::default();
    summary.feed(stamped);
    let tree = tree::rows_at(summary.programs.kept(), u64::MAX, None);
    let events = EventsView { rows: &rows, present: Some(0), ..EventsView::default() };
    vec![
        drawn(size, |frame| events::draw(frame, frame.area(), &events, &theme)),
        drawn(size, |frame| {
            detail::draw(frame, frame.area(), &DetailView { said: &said, ..DetailView::default() }, &theme);
        }),
        drawn(size, |frame| question::draw(frame, frame.area(), &question, &theme)),
        drawn(size, |frame| {
            net::draw(frame, frame.area(), &NetView { rows: &reached, ..NetView::default() }, &theme);
        }),
        drawn(size, |frame| {
            tree::draw(
                frame,
                frame.area(),
                &TreeView { programs: summary.programs.kept(), rows: &tree, ..TreeView::default() },
                &theme,
            );
        }),
    ]
}

/// Nothing that moves a cursor, changes a colour, reorders or hides, is in any cell.
fn assert_harmless(buffer: &Buffer) {
    for cell in &buffer.content {
        let symbol = cell.symbol();
        let again = crate::recording::visible(symbol.as_bytes());
        assert_eq!(again, symbol, "a cell holds {symbol:?}");
    }
}

const EVIL: [&str; 6] = [
    "\x1b]0;owned\x07\x1b[2J\x1b[31mred",
    "abc\u{202e}fdp.exe\u{2066}\u{200b}\u{feff}",
    "\r\n\t\x08\x08\x7f\u{9b}31m",
    "\u{e0041}\u{fe0f}\u{1f469}\u{200d}\u{1f4bb}",
    "e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}漢字",
    "/../..//~/$(rm -rf ~)`id`",
];

#[test]
fn hostile_text_reaches_no_cell_as_it_is() {
    for evil in EVIL {
        let bytes = evil.as_bytes().to_vec();
        let mut question = ask();
        (question.path, question.cwd, question.reason) = (bytes.clone(), bytes.clone(), evil.to_owned());
        (question.argv, question.file) = (vec![bytes.clone(); 3], evil.to_owned());
        question.ancestry = vec![vec![bytes.clone()]; 12];
        question.choices[0].text = evil.to_owned();
        question.rule = evil.into();
        let proc = Proc {
            pid: 1,
            parent: 0,
            op: ProcOp::Exec,
            exe: bytes.clone(),
            argv: vec![bytes.clone(); 3],
            argv_cut: true,
            cwd: bytes.clone(),
            exit: None,
            signal: None,
            digest: None,
        };
        let path = |kind| {
            judged(kind, 1, |judged| {
                (judged.path, judged.path2, judged.rule) = (bytes.clone(), bytes.clone(), evil.into());
                (judged.argv, judged.verdict) = (vec![bytes.clone()], Verdict::Deny);
            })
        };
        let events = [
            path(Kind::File),
            path(Kind::Exec),
            path(Kind::Net),
            Event::Proc(Box::new(proc)),
            Event::Marker { label: evil.to_owned(), by: evil.to_owned() },
            Event::Alert { pid: 1, what: evil.to_owned() },
            Event::Output { stream: crate::event::Stream::Terminal, data: bytes.clone() },
            Event::Ask(Box::new(question.clone())),
        ];
        for event in events {
            let stamped = Stamped { seq: 1, t: 1, event };
            for buffer in
                everything((80, 24), &stamped, &question).iter().chain(&everything((30, 8), &stamped, &question))
            {
                assert_harmless(buffer);
            }
        }
    }
}

#[test]
fn a_flood_of_arguments_costs_no_more_than_a_line() {
    let mut question = ask();
    question.argv = vec![vec![b'a'; 100 << 10]; 200];
    question.ancestry = vec![vec![vec![b'a'; 100 << 10]; 2]; 40];
    let stamped = Stamped { seq: 0, t: 0, event: judged(Kind::Exec, 1, |judged| judged.argv = question.argv.clone()) };
    let bearings = Bearings::default();
    let rows = fold::rows([&stamped], |_| true, &bearings);
    assert!(rows.iter().all(|row| row.text.len() < 4 * text::MOST), "{:?}", rows.iter().map(|row| row.text.len()));
    let said = detail::of(&stamped, &detail::Doer { line: question.ancestry.clone() }, None, &bearings);
    assert!(said.iter().all(|said| said.text.len() < 4 * text::WHOLE));
    let panel = question::of(&question, Duration::ZERO, (1, 0), 0, &bearings);
    assert!(panel.what.len() < 4 * text::WHOLE && panel.ancestry.len() < text::MOST);
    for buffer in everything((200, 60), &stamped, &question) {
        assert_harmless(&buffer);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_size_is_too_small(width in 1u16..320, height in 1u16..90) {
        let stamped = Stamped { seq: 0, t: 0, event: Event::Ask(Box::new(ask())) };
        everything((width, height), &stamped, &ask());
        let spans = [Span { from: 0, to: 500, out: 9, exec: 2, file: 3, net: 1, mcp: 1, denied: 1, asked: 1 }];
        let ticks = [Tick { t: 700, what: What::Marker }];
        let view = TimelineView { spans: &spans, known: 600, ticks: &ticks, now: 300, total: 1000, ..TimelineView::default() };
        drawn((width, height), |frame| timeline::draw(frame, frame.area(), &view, &theme()));
        drawn((width, height), |frame| header::draw(frame, frame.area(), &HeaderView::default(), &theme()));
        drawn((width, height), |frame| confirm::draw(frame, frame.area(), &ConfirmView::default(), &theme()));
        drawn((width, height), |frame| help::draw(frame, frame.area(), &HelpView::of(crate::tui::KEYS, 3), &theme()));
        let prompt = FootView::Prompt(foot::Prompt { text: "ab漢c", cursor: 3, ..foot::Prompt::default() });
        drawn((width, height), |frame| foot::draw(frame, frame.area(), &prompt, &theme()));
    }

    #[test]
    fn any_bytes_are_harmless(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let mut question = ask();
        (question.path, question.argv) = (bytes.clone(), vec![bytes.clone()]);
        let event = judged(Kind::File, 1, |judged| judged.path = bytes.clone());
        for buffer in everything((60, 12), &Stamped { seq: 0, t: 0, event }, &question) {
            assert_harmless(&buffer);
        }
    }
}
