//! Random access gives what reading in order gives, also while the file grows.

use std::cell::RefCell;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::rc::Rc;

use govsh::recording::{Archive, draw};
use govsh::screen::Screen;

use super::*;

/// A file that grows while it is read.
#[derive(Clone, Default)]
struct Growing {
    file: Rc<RefCell<Vec<u8>>>,
    at: u64,
}

impl Read for Growing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let file = self.file.borrow();
        let mut cursor = Cursor::new(&file[..]);
        cursor.set_position(self.at);
        let count = cursor.read(buffer)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Growing {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(back) => self.file.borrow().len().saturating_add_signed(back as isize) as u64,
            SeekFrom::Current(by) => self.at.saturating_add_signed(by),
        };
        Ok(self.at)
    }
}

fn all<R: Read + Seek>(archive: &mut Archive<R>) -> Vec<Stamped> {
    (0..archive.len()).flat_map(|frame| archive.events(frame).expect("readable").to_vec()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn frames_hold_all_events_in_order(events in events(), cut in any::<prop::sample::Index>()) {
        let file = written(&events, 4);
        let mut archive = Archive::open(Cursor::new(&file)).expect("readable");
        prop_assert_eq!(all(&mut archive), &events[..]);
        prop_assert_eq!(archive.len(), archive.frames().len());
        prop_assert!(archive.end().is_some() && archive.damage().is_none());
        prop_assert_eq!(archive.duration(), events.last().map_or(0, |last| last.t));

        let cut = cut.index(file.len());
        let mut archive = Archive::open(Cursor::new(&file[..cut])).expect("a cut file is no error");
        prop_assert_eq!(all(&mut archive), read(&file[..cut]).expect("readable").0);
    }

    #[test]
    fn a_growing_file_is_followed(events in events(), mut cuts in vec(any::<prop::sample::Index>(), 0..12)) {
        let whole = written(&events, 2);
        let mut cuts: Vec<_> = cuts.drain(..).map(|cut| cut.index(whole.len())).collect();
        cuts.sort_unstable();
        let source = Growing::default();
        source.file.borrow_mut().extend_from_slice(&whole[..cuts.first().copied().unwrap_or(0)]);
        let mut archive = Archive::open(source.clone()).expect("a cut file is no error");
        for cut in cuts.into_iter().chain([whole.len()]) {
            let length = source.file.borrow().len();
            source.file.borrow_mut().extend_from_slice(&whole[length..cut]);
            archive.refresh().expect("readable");
            prop_assert_eq!(all(&mut archive), read(&whole[..cut]).expect("readable").0);
        }
        prop_assert!(archive.end().is_some());
        let complete = Archive::open(Cursor::new(&whole)).expect("readable");
        prop_assert_eq!(archive.frames(), complete.frames());
        prop_assert_eq!(archive.start(), complete.start());
        prop_assert_eq!(archive.policy(), complete.policy());
    }

    #[test]
    fn a_time_is_in_the_frame_that_holds_it(events in events(), t in 0u64..1 << 42) {
        let file = written(&events, 4);
        let mut archive = Archive::open(Cursor::new(&file)).expect("readable");
        let frame = archive.frame_at(t);
        match events.iter().rev().find(|stamped| stamped.t <= t) {
            Some(last) => prop_assert!(archive.events(frame).expect("readable").contains(last)),
            None => prop_assert_eq!(frame, 0),
        }
    }

    #[test]
    fn a_screen_is_that_of_replaying_from_the_start(events in events(), times in vec(any::<prop::sample::Index>(), 1..6)) {
        let file = written(&events, 4);
        let mut archive = Archive::open(Cursor::new(&file)).expect("readable");
        let size = archive.start().map_or((80, 24), |start| (start.cols, start.rows));
        for at in times {
            let t = events.get(at.index(events.len() + 1)).map_or(u64::MAX, |stamped| stamped.t);
            let mut screen = Screen::new(size.0, size.1);
            for stamped in events.iter().take_while(|stamped| stamped.t <= t) {
                draw(&mut screen, &stamped.event);
            }
            prop_assert_eq!(archive.screen_at(t).expect("readable"), screen);
        }
    }

    #[test]
    fn a_changed_byte_panics_nowhere(events in events(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut file = written(&events, 5);
        let at = at.index(file.len());
        file[at] = byte;
        if let Ok(mut archive) = Archive::open(Cursor::new(&file)) {
            for frame in 0..archive.len() {
                let _ = archive.events(frame);
            }
        }
    }
}
