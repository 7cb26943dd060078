//! The view driven by keys, over a made-up session.

use std::time::Instant;

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::event::{Event, Stamped};
use crate::tui::Depth;
use crate::tui::input::Decoder;
use crate::tui::sample::{self, SECOND};
use crate::tui::source::memory::Memory;

/// A view with its terminal.
struct Stage {
    app: App,
    terminal: Terminal<TestBackend>,
    decoder: Decoder,
}

impl Stage {
    fn over(source: Memory, options: Options, size: (u16, u16)) -> Self {
        let app = App::new(Box::new(source), None, Theme::new(Depth::True), options).unwrap();
        let terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
        let mut stage = Self { app, terminal, decoder: Decoder::default() };
        stage.settle();
        stage
    }

    fn new() -> Self {
        let options = Options { name: "k3f9".into(), home: b"/home/u".to_vec(), ..Options::default() };
        let mut stage = Self::over(Memory::new(sample::session()), options, (120, 40));
        stage.app.player.playing = false;
        stage
    }

    /// Until the threads beside the view have nothing more to tell.
    fn settle(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let busy = |app: &App| {
            !app.survey.look().whole
                || app.seeking.is_some()
                || app.search.as_ref().is_some_and(|s| s.progress().0.is_some())
        };
        while busy(&self.app) {
            assert!(Instant::now() < deadline, "still busy after twenty seconds");
            self.app.tick(Duration::ZERO);
            std::thread::park_timeout(Duration::from_millis(1));
        }
        self.app.tick(Duration::ZERO);
        self.draw();
    }

    fn draw(&mut self) {
        self.terminal.draw(|frame| self.app.draw(frame)).unwrap();
    }

    /// Types bytes as a terminal sends them.
    fn types(&mut self, bytes: &str) -> &mut Self {
        let mut inputs = self.decoder.feed(bytes.as_bytes());
        inputs.extend(self.decoder.settle());
        for input in inputs {
            self.app.input(&input);
            self.draw();
        }
        self.settle();
        self
    }

    fn seconds(&self) -> u64 {
        self.app.player.time() / SECOND
    }

    fn text(&self) -> String {
        let buffer = self.terminal.backend().buffer();
        let area = buffer.area;
        let row = |y| (0..area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..area.height).map(row).collect::<Vec<_>>().join("\n")
    }

    fn shows(&self, text: &str) {
        assert!(self.text().contains(text), "no {text:?} in\n{}", self.text());
    }
}

#[test]
fn keys_seek_and_step() {
    let mut stage = Stage::new();
    assert_eq!(stage.types("\x1b[C").seconds(), 5);
    assert_eq!(stage.types("\x1b[1;2C").seconds(), 61);
    assert_eq!(stage.types("g").seconds(), 0);
    assert_eq!(stage.types("d").seconds(), 21);
    stage.shows("✘ read ~/.ssh/id_rsa");
    stage.shows("codex › bash -lc › cat");
    stage.shows("agent.toml:18");
    assert_eq!(stage.types("d").seconds(), 51);
    assert_eq!(stage.types("d").seconds(), 51);
    stage.shows("no later denial");
    assert_eq!(stage.types("D").seconds(), 21);
    assert_eq!(stage.types("]").seconds(), 41);
    assert_eq!(stage.types("C").seconds(), 31);
    assert_eq!(stage.types("gxx").seconds(), 10);
    assert_eq!(stage.types("}").seconds(), 26);
    assert_eq!(stage.types("G").seconds(), 61);
}

#[test]
fn lines_name_times_and_events() {
    let mut stage = Stage::new();
    assert_eq!(stage.types(":0:30\r").seconds(), 30);
    assert_eq!(stage.types(":+5\r").seconds(), 35);
    assert_eq!(stage.types(":50%\r").seconds(), 30);
    stage.types(":#3\r");
    assert_eq!(stage.app.player.seq(), Some(3));
    stage.types(":x:y");
    stage.shows("12:34 · +30 · -5 · 50% · #812");
    stage.types("\r");
    stage.shows("go to");
    stage.types("\x1b");
    stage.shows("? help");
    stage.types(":#99999\r");
    stage.shows("there is no event 99999");
}

#[test]
fn playing_goes_at_its_speed_and_stops_at_the_end() {
    let mut stage = Stage::new();
    stage.types(" ");
    stage.app.tick(Duration::from_secs(3));
    assert_eq!(stage.seconds(), 3);
    stage.types("++");
    stage.app.tick(Duration::from_secs(3));
    assert_eq!(stage.seconds(), 15);
    stage.types("1");
    stage.app.tick(Duration::from_secs(1));
    assert_eq!(stage.seconds(), 16);
    stage.types(" ");
    stage.app.tick(Duration::from_secs(9));
    assert_eq!(stage.seconds(), 16);
    stage.types(" ");
    stage.app.tick(Duration::from_secs(900));
    assert_eq!((stage.seconds(), stage.app.player.playing), (61, true));
    stage.app.tick(Duration::from_secs(1));
    assert!(!stage.app.player.playing);
    assert_eq!(stage.types(" ").seconds(), 0);
}

#[test]
fn the_list_is_filtered_and_rows_are_stepped_through() {
    let mut stage = Stage::new();
    stage.types("&denied\r");
    stage.shows("denied ▾");
    assert_eq!(stage.app.list.rows().len(), 2);
    assert_eq!(stage.types("j").seconds(), 21);
    assert_eq!(stage.types("\x1b[B").seconds(), 51);
    assert_eq!(stage.types("k").seconds(), 21);
    stage.types("\x1b");
    stage.shows("all ▾");
    stage.types("\\");
    assert_eq!(stage.app.filter.line(), "denied");
    stage.types("&");
    stage.types("\x15host:10.1\r");
    assert_eq!(stage.app.list.rows().len(), 1);
}

#[test]
fn a_search_jumps_marks_and_wraps() {
    let mut stage = Stage::new();
    assert_eq!(stage.types("/line 1[23]\r").seconds(), 24);
    stage.shows("2 hits");
    let cell = |stage: &Stage, text: &str| {
        let (y, row) = stage.text().lines().map(str::to_owned).enumerate().find(|(_, row)| row.contains(text)).unwrap();
        let x = row.chars().count() - row[row.find(text).unwrap()..].chars().count();
        stage.terminal.backend().buffer()[(x as u16, y as u16)].bg
    };
    assert_eq!(Some(cell(&stage, "line 12")), Theme::new(Depth::True).found.bg);
    assert_ne!(Some(cell(&stage, "line 11")), Theme::new(Depth::True).found.bg);
    assert_eq!(stage.types("n").seconds(), 26);
    assert_eq!(stage.types("n").seconds(), 24);
    stage.shows("from the beginning again");
    assert_eq!(stage.types("N").seconds(), 26);
    stage.types("/(");
    stage.shows("unclosed");
    stage.types("\x1b");
    assert_eq!(stage.types("/\t\x15id_rsa\r").seconds(), 10);
    stage.types("/nowhere to be seen\r");
    stage.shows("not found: nowhere to be seen");
}

#[test]
fn a_search_that_ends_between_two_looks_is_not_slept_over() {
    let mut stage = Stage::new();
    let mut inputs = stage.decoder.feed(b"/line 13\r");
    inputs.extend(stage.decoder.settle());
    inputs.iter().for_each(|input| stage.app.input(input));
    let deadline = Instant::now() + Duration::from_secs(20);
    while stage.app.search.as_ref().is_some_and(|search| search.progress().0.is_some()) {
        assert!(Instant::now() < deadline, "still searching after twenty seconds");
        std::thread::park_timeout(Duration::from_millis(1));
    }
    // As if the last picture were older than the search's end.
    stage.app.dirty = false;
    assert!(stage.app.pause() <= Duration::from_millis(100));
    stage.app.tick(Duration::ZERO);
    assert!(stage.app.is_dirty());
    stage.draw();
    stage.shows("1 hit ");
    stage.settle();
    assert!(stage.app.pause() > Duration::from_secs(1), "nothing more to come");
}

#[test]
fn what_scrolled_away_is_looked_back_at() {
    let mut stage = Stage::new();
    stage.types("G\x1b[1;2A\x1b[5~\x1b[5~");
    stage.shows("lines back");
    stage.shows("line 9");
    stage.types("\x1b");
    assert!(stage.app.history.is_none());
    stage.types("\x1b[1;2B");
    assert!(stage.app.history.is_none());
}

#[test]
fn text_is_chosen_and_copied() {
    let mut stage = Stage::new();
    stage.types(":10\r");
    stage.types("y");
    let text = "line 1\nline 2\nline 3\nline 4\nline 5";
    assert_eq!(stage.app.errands(), [Errand::Send(crate::tui::copy::sequence(text))]);
    // The screen's first cell is at the second column of the third row.
    stage.types("\x1b[<0;2;3M\x1b[<32;7;4M\x1b[<0;7;4m");
    stage.types("y");
    assert_eq!(stage.app.errands(), [Errand::Send(crate::tui::copy::sequence("line 1\nline 2"))]);
    stage.types("\x1b").types("v\x1b[A\x1b[Hy");
    assert_eq!(stage.app.errands(), [Errand::Send(crate::tui::copy::sequence("line 5"))]);
    stage.types("Y");
    assert_eq!(stage.app.errands().len(), 1);
}

#[test]
fn the_mouse_chooses_rows_and_drags_along_the_timeline() {
    let mut stage = Stage::new();
    let areas = stage.app.areas.unwrap();
    let scale = crate::tui::panels::timeline::scale(areas.timeline, stage.app.total());
    let y = areas.timeline.bottom();
    let x = |t| scale.column(t * SECOND) + 1;
    stage.types(&format!("\x1b[<0;{};{y}M", x(30)));
    assert!(stage.seconds().abs_diff(30) <= 1);
    stage.types(&format!("\x1b[<32;{};{y}M\x1b[<0;{};{y}m", x(50), x(50)));
    assert!(stage.seconds().abs_diff(50) <= 1);
    let row = stage.text().lines().position(|row| row.contains("~/.ssh/id_rsa") && row.contains('✘')).unwrap() + 1;
    stage.types(&format!("\x1b[<0;{};{row}M", areas.events.unwrap().x + 5));
    assert_eq!(stage.seconds(), 21);
}

#[test]
fn beginnings_and_panels() {
    let begin = |begin| {
        let options = Options { begin, ..Options::default() };
        Stage::over(Memory::new(sample::session()), options, (80, 24))
    };
    assert_eq!(begin(Begin::At(33 * SECOND)).seconds(), 33);
    assert_eq!(begin(Begin::Event(4)).app.player.seq(), Some(4));
    let denied = begin(Begin::Denied);
    assert_eq!((denied.seconds(), denied.app.filter.line()), (21, "denied"));
    assert_eq!(begin(Begin::Follow).seconds(), 61);
    let mut stage = begin(Begin::Start);
    stage.types("Gt");
    stage.shows("cat /home/u/.ssh/id_rsa");
    stage.types("th");
    stage.shows("network");
    stage.types("h?");
    stage.shows("play, pause");
    stage.types("\x1b");
    stage.types("mfK");
    stage.shows("only for a session that runs");
    stage.types("q");
    assert_eq!(stage.app.leaving(), Some(Leaving::Quit));
}

#[test]
fn live_and_replay_draw_the_same_from_the_same_events() {
    let events = sample::session();
    let whole = events.len();
    let source = Memory::growing(events.clone(), 4);
    let options = Options { begin: Begin::Follow, grows: true, ..Options::default() };
    let mut live = Stage::over(source.clone(), options.clone(), (120, 40));
    for there in 5..=whole {
        source.let_in(there);
        live.app.tick(Duration::from_millis(20));
        live.draw();
    }
    let options = Options { begin: Begin::Follow, ..Options::default() };
    let mut replay = Stage::over(Memory::new(events), options, (120, 40));
    for keys in ["", "d", "D", ":0:30\r", "/line 7\r", "t", "h", "z"] {
        live.types(keys);
        replay.types(keys);
        let deadline = Instant::now() + Duration::from_secs(20);
        while live.app.survey.look().frames < live.app.source.len() {
            assert!(Instant::now() < deadline, "the survey of the live view is not done");
            std::thread::park_timeout(Duration::from_millis(1));
        }
        (live.app.notice, replay.app.notice) = (None, None);
        live.app.player.following = false;
        replay.app.player.following = false;
        live.settle();
        replay.settle();
        assert_eq!(live.text(), replay.text(), "after {keys:?}");
    }
}

#[test]
fn nothing_recorded_reaches_the_terminal_as_more_than_cells() {
    let evil = "\x1b]0;title\x1b[2J\x07\x1b[31mred\x1b]52;c;ZXZpbA==\x07\u{202e}gpj\u{85}\u{9b}2J\x00\x7f";
    let path = "/tmp/\x1b]52;c;ZXZpbA==\x07\u{202e}gpj.exe\n\x1b[2J";
    let mut events = sample::session();
    let at = events.len() as u64;
    let push = |events: &mut Vec<Stamped>, event| {
        let seq = events.len() as u64;
        events.push(Stamped { seq, t: 62 * SECOND + seq, event });
    };
    push(&mut events, sample::output(evil));
    push(&mut events, sample::judged(crate::event::Kind::File, "open", path, None, crate::policy::Verdict::Deny));
    push(&mut events, sample::began(5000, 4100, &["sh", "-c", evil, path]));
    push(&mut events, Event::Marker { label: evil.into(), by: path.into() });
    push(&mut events, Event::Alert { pid: 1, what: evil.into() });
    let options = Options { name: evil.into(), begin: Begin::Event(at + 1), ..Options::default() };
    let mut stage = Stage::over(Memory::new(events), options, (160, 50));
    for keys in ["", "t", "h", ".", ".", ".", "\r", "?", "\x1b", "&path:gpj\r", "/gpj\r", "\x1b"] {
        stage.types(keys);
        let text = stage.text();
        let bad = text.chars().find(|c| *c != '\n' && (c.is_control() || crate::recording::hides(*c)));
        assert_eq!(bad, None, "after {keys:?}:\n{text}");
    }
}

#[test]
fn every_size_is_drawn() {
    for (width, height) in [(1, 1), (10, 3), (20, 8), (40, 12), (80, 24), (99, 29), (100, 30), (200, 60), (300, 100)] {
        let mut stage = Stage::over(Memory::new(sample::session()), Options::default(), (width, height));
        stage.types("d?\x1bthz\r/line\r");
    }
}
