//! The whole view of a session over made-up events: at its sizes, and a running session beside its recording.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use super::picture::{compare, text, theme};
use super::story::{HOME, Story, ask, story};
use crate::tui::app::{App, Begin, Options};
use crate::tui::input::{Decoder, Input};
use crate::tui::source::memory::Memory;
use crate::tui::source::{Condition, Live, Refused, Reply, Waiting};

/// The view on a terminal of its own.
struct Seat {
    app: App,
    terminal: Terminal<TestBackend>,
}

fn options(begin: Begin) -> Options {
    Options { begin, name: "k3f9".into(), home: HOME.to_vec(), ..Options::default() }
}

impl Seat {
    fn new(source: Memory, live: Option<Box<dyn Live>>, options: Options, (width, height): (u16, u16)) -> Self {
        let app = App::new(Box::new(source), live, theme(), options).unwrap();
        Self { app, terminal: Terminal::new(TestBackend::new(width, height)).unwrap() }
    }

    /// The picture when `there` is on it and nothing changes any more.
    fn picture(&mut self, there: &str) -> Buffer {
        let deadline = Instant::now() + Duration::from_secs(30);
        let (mut last, mut same) = (Buffer::default(), Instant::now());
        // A survey under way says so in a title; what it found is drawn with the next picture.
        while same.elapsed() < Duration::from_millis(400)
            || !text(&last).contains(there)
            || text(&last).contains("reading")
        {
            assert!(Instant::now() < deadline, "no {there:?} after thirty seconds in\n{}", text(&last));
            self.app.tick(Duration::ZERO);
            self.terminal.draw(|frame| self.app.draw(frame)).unwrap();
            if *self.terminal.backend().buffer() != last {
                (last, same) = (self.terminal.backend().buffer().clone(), Instant::now());
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
        last
    }

    fn types(&mut self, bytes: &str) {
        let mut decoder = Decoder::default();
        let mut inputs: Vec<Input> = decoder.feed(bytes.as_bytes());
        inputs.extend(decoder.settle());
        inputs.iter().for_each(|input| self.app.input(input));
    }
}

const SIZES: [(u16, u16); 2] = [(80, 24), (200, 60)];

#[test]
fn a_recording_at_its_first_denial() {
    for size in SIZES {
        let mut seat = Seat::new(Memory::new(story().events), None, options(Begin::Denied), size);
        compare(&format!("app-denied-{}x{}", size.0, size.1), &seat.picture("id_rsa"));
    }
}

/// A session that does as it is told.
struct Obedient {
    waiting: Vec<Waiting>,
    frozen: bool,
}

impl Live for Obedient {
    fn refresh(&mut self) -> bool {
        false
    }

    fn condition(&self) -> Condition {
        Condition { frozen: self.frozen, ..Condition::default() }
    }

    fn waiting(&self) -> Vec<Waiting> {
        self.waiting.clone()
    }

    fn answer(&mut self, _: u64, _: Reply) -> Result<String, Refused> {
        self.waiting.clear();
        Ok("allowed once".to_owned())
    }

    fn marker(&mut self, _: &str) -> Result<(), Refused> {
        Ok(())
    }

    fn freeze(&mut self, on: bool) -> Result<(), Refused> {
        self.frozen = on;
        Ok(())
    }

    fn end(&mut self) -> Result<(), Refused> {
        Ok(())
    }

    fn readable(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

fn question(story: &Story) -> usize {
    let asked = |event: &crate::event::Event| matches!(event, crate::event::Event::Ask(_));
    story.events.iter().position(|stamped| asked(&stamped.event)).unwrap()
}

#[test]
fn a_running_session_that_asks() {
    for size in SIZES {
        let story = story();
        let waiting = vec![Waiting { ask: Arc::new(ask()), left: Duration::from_secs(47), calls: 1 }];
        let live = Obedient { waiting, frozen: false };
        let there = question(&story) + 1;
        let source = Memory::growing(story.events, there);
        let mut seat = Seat::new(source, Some(Box::new(live)), options(Begin::Follow), size);
        seat.picture("asks 1");
        seat.types("a");
        seat.app.tick(Duration::from_secs(1));
        compare(&format!("app-asks-{}x{}", size.0, size.1), &seat.picture("wants to run"));
    }
}

#[test]
fn a_running_session_looks_as_its_recording_does() {
    for size in [(80, 24), (120, 40), (200, 60)] {
        let story = story();
        let all = story.events.len();
        let source = Memory::growing(story.events.clone(), 3);
        let options = Options { grows: true, ..options(Begin::Follow) };
        let mut live = Seat::new(source.clone(), None, options.clone(), size);
        // It comes in as it happens, and is drawn meanwhile.
        for there in (3..=all).step_by(7).chain([all]) {
            source.let_in(there);
            live.app.tick(Duration::from_millis(50));
            live.terminal.draw(|frame| live.app.draw(frame)).unwrap();
        }
        let begin = Options { begin: Begin::At(0), ..options };
        let mut replay = Seat::new(Memory::new(story.events), None, begin, size);
        for (jump, there) in
            [(":0:40\r", "00:40 /"), (":#502\r", "02:25 /"), (":1:35\r", "01:35 /"), (":0:00\r", "00:00 /")]
        {
            live.types(jump);
            replay.types(jump);
            let (live, replay) = (live.picture(there), replay.picture(there));
            assert_eq!(text(&live), text(&replay), "after {jump:?} at {size:?}");
            assert!(live == replay, "the same text in other colours after {jump:?} at {size:?}");
        }
    }
}
