//! The panel without a terminal: our own model stands in for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::model::Model;
use super::open::{Open, Scene};
use super::paint::{Looks, Way};
use super::panel::{Question, View, compose};
use super::recent::Recent;
use super::text::width;
use crate::event::{Ask, Choice, Kind};
use crate::policy::{Access, Layer};
use crate::screen::Screen;
use crate::sys::unix;

const LOOKS: Looks = Looks { colour: true, plain: false };

fn question(id: u64, hostile: &str) -> Question {
    let text = |plain: &str| format!("{plain}{hostile}").into_bytes();
    let choice = |text: &str| Choice { key: "exec".to_owned(), text: format!("{text}{hostile}") };
    let ask = Ask {
        id,
        of: Kind::Exec,
        op: "execve",
        access: Access::EXEC,
        path: text("/usr/bin/git"),
        path2: Vec::new(),
        addr: None,
        host: None,
        port: 0,
        argv: vec![text("git"), b"push".to_vec(), text("origin")],
        pid: 7,
        ancestry: vec![vec![text("codex")], vec![text("/bin/bash")]],
        cwd: text("/home/u/src"),
        rule: Arc::from(format!("\"git push **\" p.toml:3{hostile}")),
        layer: Layer::User,
        reason: format!("it leaves{hostile}"),
        choices: vec![choice("git push origin"), choice("git push **")],
        file: "~/.config/govsh/answers/x.toml".to_owned(),
        timeout: 60_000_000_000,
    };
    Question { ask: Arc::new(ask), seq: None, left: Duration::from_secs(47), calls: 2 }
}

/// A model that has drawn these bytes.
fn model(cols: u16, rows: u16, bytes: &[u8]) -> Model {
    let (read, write) = unix::pipe().unwrap();
    let model = Model::start(cols, rows, write).unwrap();
    model.bytes(bytes);
    model.catch_up();
    let mut woken = [0];
    assert_eq!(unix::read(std::os::fd::AsFd::as_fd(&read), &mut woken).unwrap(), 1);
    model
}

/// All that the panel writes from its opening to its end.
fn visit(model: &Model, way: Way, questions: &[Question], aside: bool) -> Vec<u8> {
    let screen = model.screen();
    let (size, cursor) = (screen.size(), screen.cursor());
    let unfinished = screen.unfinished().to_vec();
    let mut out = if unfinished.is_empty() { String::new() } else { "\x18".to_owned() };
    let mut now = Instant::now();
    let mut open = Open::enter(&screen, way, Some((cursor.row, cursor.col)), unfinished, now, &mut out);
    drop(screen);
    let recent = Recent::default();
    let scene = Scene { questions, recent: &recent, home: b"/home/u", looks: LOOKS, model, size };
    open.draw(&scene, now, &mut out);
    for key in if aside { &b"wvxw"[..] } else { b"w" } {
        now += Duration::from_secs(1);
        open.keys(&[*key], questions, now);
        open.draw(&scene, now, &mut out);
    }
    [out.into_bytes(), open.close(model)].concat()
}

fn compare(cols: u16, rows: u16, bytes: &[u8], way: Way, aside: bool) -> Result<(), TestCaseError> {
    let model = model(cols, rows, bytes);
    let way = if model.screen().is_alternate() { Way::Over } else { way };
    let mut terminal = Screen::new(cols, rows);
    terminal.feed(bytes);
    let before = terminal.dump();
    let written = visit(&model, way, &[question(1, ""), question(2, "")], aside);
    terminal.feed(&written);
    let told = String::from_utf8_lossy(&written).replace('\x1b', "\n^");
    prop_assert_eq!(before, terminal.dump(), "{:?} {}\n{:?}\n{:?}", way, told, terminal, model.screen());
    Ok(())
}

#[test]
fn the_panel_fits_every_screen_and_shows_nothing_raw() {
    let hostile = "\x1b[2J\x07\u{202e}\n世界\u{301}🙂";
    let questions = [question(1, hostile), question(2, hostile), question(3, "")];
    for (cols, rows) in (1..100).map(|cols| (cols, 1 + cols % 30)).chain([(200, 60), (39, 40), (80, 7)]) {
        for (choice, note) in [(0, None), (1, Some("said"))] {
            let view = View { questions: &questions, at: 0, choice, note, guarded: true, home: b"/home/u", menu: None };
            let panel = compose(&view, cols, rows, false);
            assert!(panel.area.col + panel.area.cols <= cols && panel.area.row + panel.area.rows <= rows);
            assert_eq!(usize::from(panel.area.rows), panel.rows.len());
            for row in &panel.rows {
                let text: String = row.iter().map(|span| span.text.as_str()).collect();
                assert!(width(&text) <= usize::from(panel.area.cols), "{cols}×{rows}: {text:?}");
                assert!(!text.chars().any(char::is_control) && !text.contains('\u{202e}'), "{text:?}");
            }
        }
    }
}

#[test]
fn what_always_would_add_is_there_word_for_word() {
    let questions = [question(1, "")];
    for (cols, rows, choice, wanted) in
        [(80, 24, 0, "git push origin"), (40, 10, 1, "git push **"), (38, 6, 0, "git push origin")]
    {
        let view = View { questions: &questions, at: 0, choice, note: None, guarded: false, home: b"", menu: None };
        let panel = compose(&view, cols, rows, false);
        let text: String = panel.rows.iter().flatten().map(|span| span.text.as_str()).collect();
        assert!(text.contains(&format!("exec \"{wanted}\"")), "{cols}×{rows}: {text}");
        assert!(text.contains("git push origin"), "{text}");
    }
}

/// Output between sequences and in the middle of them, with all that the panel puts aside.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let number = || 0u16..30;
    let piece = prop_oneof![
        4 => "[ -~]{0,30}",
        2 => "[世界é─🙂]{1,20}",
        2 => "(\r\n){1,9}",
        3 => ("[ABCDGHJKLMPSTXdm@]", number(), number()).prop_map(|(last, a, b)| format!("\x1b[{a};{b}{last}")),
        2 => (number(), number()).prop_map(|(a, b)| format!("\x1b[{a};{b}r")),
        2 => prop::collection::vec(prop::sample::select(vec![1u8, 2, 3, 4, 5, 7, 9, 31, 45, 96, 103]), 1..4)
            .prop_map(|codes| format!("\x1b[{}m", codes.iter().map(u8::to_string).collect::<Vec<_>>().join(";"))),
        3 => (prop::sample::select(vec![6u16, 7, 25, 47, 1049, 2004, 2026]), prop::bool::ANY)
            .prop_map(|(mode, on)| format!("\x1b[?{mode}{}", if on { 'h' } else { 'l' })),
        2 => prop::sample::select(vec!["\x1b7", "\x1b8", "\x1b(0", "\x1b)0", "\x0e", "\x0f", "\x1b[4h", "\x1b[4l", "\x1b[20h",
            "\x1b]8;;http://x/\x1b\\", "\x1b]8;;\x1b\\", "\x1bM", "\x1b[38;5;99m", "\x1b[48;2;1;2;3m"]).prop_map(str::to_owned),
    ];
    let tail = prop::sample::select(vec!["", "", "", "\x1b", "\x1b[3", "\x1b]2;ti", "\x1bPq"]);
    (prop::collection::vec(piece, 0..40), tail).prop_map(|(pieces, tail)| (pieces.concat() + tail).into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn it_leaves_the_terminal_as_it_was(
        (cols, rows) in (2u16..90, 1u16..26),
        bytes in stream(),
        over in prop::bool::ANY,
        aside in prop::bool::ANY,
    ) {
        compare(cols, rows, &bytes, if over { Way::Over } else { Way::Beside }, aside)?;
    }
}
