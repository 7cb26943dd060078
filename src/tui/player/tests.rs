//! The clock, over a made-up session and over the same in frames of other lengths.

use proptest::prelude::*;

use super::*;
use crate::tui::sample::{self, SECOND};
use crate::tui::source::memory::Memory;

/// The screen after every event up to `t`, from the beginning.
fn plain(t: u64) -> Screen {
    let mut screen = Screen::new(40, 8);
    for stamped in sample::session().iter().filter(|stamped| stamped.t <= t) {
        draw(&mut screen, &stamped.event);
    }
    screen
}

fn at_start() -> (Memory, Player) {
    let mut source = Memory::new(sample::session());
    let player = Player::new(&mut source).unwrap();
    (source, player)
}

fn event_at(source: &mut Memory, player: &Player) -> Event {
    let place = player.before(source).unwrap();
    source.events(place.frame).unwrap()[place.index].event.clone()
}

proptest! {
    #[test]
    fn every_way_to_a_time_shows_the_same(times in prop::collection::vec(0u64..70, 1..8), played in 0u64..5) {
        let (mut source, mut player) = at_start();
        for t in times {
            let t = t * SECOND;
            player.seek(&mut source, t).unwrap();
            prop_assert_eq!(player.screen(), &plain(t));
            player.playing = true;
            player.advance(&mut source, Duration::from_secs(played)).unwrap();
            prop_assert_eq!(player.screen(), &plain(player.time()));
        }
    }

    #[test]
    fn steps_forward_and_back_agree(start in 0u64..62, stop in 0usize..6) {
        let stop = [Stop::Event, Stop::Denial, Stop::Program, Stop::Connection, Stop::Marker, Stop::Frame][stop];
        let (mut source, mut player) = at_start();
        let all = Filter::default();
        player.seek(&mut source, start * SECOND).unwrap();
        let before = player.place();
        if let Sought::At(place) = player.step(&mut source, stop, true, &all).unwrap() {
            prop_assert!(place >= before);
            prop_assert_eq!(player.before(&mut source).unwrap(), place);
            prop_assert_eq!(player.screen(), &plain(player.time()));
            let after = player.place();
            let back = player.step(&mut source, stop, false, &all).unwrap();
            match back {
                Sought::At(_) => prop_assert!(player.place() <= before),
                other => prop_assert_eq!((other, player.place()), (Sought::None, after)),
            }
        }
    }
}

#[test]
fn stepping_finds_each_once_and_says_when_there_is_no_more() {
    let (mut source, mut player) = at_start();
    let all = Filter::default();
    let mut denials = Vec::new();
    for _ in 0..10 {
        match player.step(&mut source, Stop::Denial, true, &all).unwrap() {
            Sought::At(_) => denials.push(player.time() / SECOND),
            other => assert_eq!(other, Sought::None),
        }
    }
    assert_eq!(denials, [21, 51]);
    assert!(filter::is_denial(&event_at(&mut source, &player)));
    player.step(&mut source, Stop::Denial, false, &all).unwrap();
    assert_eq!(player.time(), 21 * SECOND);
    assert_eq!(player.step(&mut source, Stop::Denial, false, &all).unwrap(), Sought::None);
    assert_eq!(player.time(), 21 * SECOND);
    player.step(&mut source, Stop::Program, false, &all).unwrap();
    assert!(matches!(event_at(&mut source, &player), Event::Proc(proc) if proc.pid == 4183));
}

#[test]
fn pictures_and_screenfuls() {
    let (mut source, mut player) = at_start();
    let all = Filter::default();
    player.step(&mut source, Stop::Frame, true, &all).unwrap();
    assert_eq!(player.screen().row_text(0), "line 1");
    player.step(&mut source, Stop::Screenful, true, &all).unwrap();
    assert_eq!(player.time(), 18 * SECOND);
    player.step(&mut source, Stop::Screenful, false, &all).unwrap();
    assert_eq!(player.time(), 2 * SECOND);
    player.step(&mut source, Stop::Frame, false, &all).unwrap();
    assert_eq!(player.time(), 2 * SECOND);
    player.seek(&mut source, 59 * SECOND).unwrap();
    player.step(&mut source, Stop::Screenful, true, &all).unwrap();
    assert_eq!(player.time(), 60 * SECOND);
    player.step(&mut source, Stop::Frame, false, &all).unwrap();
    assert_eq!(player.time(), 58 * SECOND);
}

#[test]
fn pauses_are_skipped_and_the_end_stops() {
    let (mut source, mut player) = at_start();
    player.playing = true;
    player.limit_idle(Duration::from_millis(500));
    player.set_speed(1.0);
    let mut passed = 0;
    while player.playing && passed < 1_000 {
        player.advance(&mut source, Duration::from_millis(100)).unwrap();
        passed += 1;
    }
    // Some forty events with at most half a second between.
    assert!((150..300).contains(&passed), "{passed}");
    assert_eq!(player.time(), 61 * SECOND);
    player.set_speed(1e9);
    assert_eq!(player.speed(), 64.0);
    player.set_speed(f64::NAN);
    assert_eq!(player.speed(), 1.0);
}

#[test]
fn following_stays_at_the_end_and_looking_back_leaves_it() {
    let events = sample::session();
    let whole = events.len();
    let mut source = Memory::growing(events, 12);
    let mut player = Player::new(&mut source).unwrap();
    player.following = true;
    player.advance(&mut source, Duration::ZERO).unwrap();
    let first = player.time();
    source.let_in(25);
    source.refresh().unwrap();
    assert!(player.advance(&mut source, Duration::ZERO).unwrap());
    assert!(player.time() > first);
    player.following = false;
    player.seek(&mut source, first).unwrap();
    source.let_in(whole);
    source.refresh().unwrap();
    player.advance(&mut source, Duration::from_secs(5)).unwrap();
    assert_eq!(player.time(), first);
    player.go_to_end(&mut source).unwrap();
    assert_eq!(player.screen(), &plain(61 * SECOND));
}
