//! The rows of the event list around the present time.
//!
//! Invariant: rows are made frame by frame, so that the same event lies in the same row from wherever it is looked at; no more frames
//! are read than the list has room for, and of those that hold nothing for it no more than a bound.
//! Leaves to others: folding and drawing (`panels`).

use std::collections::HashMap;
use std::sync::Arc;

use super::filter::Filter;
use super::panels::fold::{self, EventRow};
use super::panels::words::Bearings;
use super::player::Place;
use super::source::Source;
use crate::event::Stamped;
use crate::recording::ReadError;

/// Frames that are read in one direction for one filling.
const FAR: usize = 24;
/// Frames whose rows are kept.
const KEPT: usize = 128;

/// The rows of a frame, made of so many events.
struct Made {
    events: usize,
    rows: Arc<Vec<EventRow>>,
}

/// See the module.
#[derive(Default)]
pub struct List {
    filter: Filter,
    made: HashMap<usize, Made>,
    rows: Vec<EventRow>,
    /// The frame of each row.
    frames: Vec<usize>,
    present: Option<usize>,
}

impl List {
    pub fn rows(&self) -> &[EventRow] {
        &self.rows
    }

    /// The last row at or before the present time.
    pub fn present(&self) -> Option<usize> {
        self.present
    }

    /// Fills the list with up to `height` rows on both sides of the event `seq`, the last that happened, in `frame`.
    pub fn fill(
        &mut self,
        source: &mut dyn Source,
        (frame, seq): (usize, Option<u64>),
        filter: &Filter,
        bearings: &Bearings,
        height: usize,
    ) -> Result<(), ReadError> {
        if *filter != self.filter {
            self.made.clear();
            self.filter = filter.clone();
        }
        if self.made.len() > KEPT {
            self.made.retain(|kept, _| kept.abs_diff(frame) < KEPT / 4);
        }
        let mut around = vec![(frame, self.of(source, frame, bearings)?)];
        let happened = |rows: &[EventRow]| rows.iter().filter(|row| seq.is_some_and(|seq| row.seq[0] <= seq)).count();
        let here = around.first().map_or(0, |(_, rows)| happened(rows));
        let mut before = here;
        let mut after = around.first().map_or(0, |(_, rows)| rows.len()) - here;
        let mut read = 0;
        for earlier in (0..frame).rev() {
            if before >= height || read == FAR {
                break;
            }
            if self.may_hold(source, earlier) {
                read += usize::from(!self.made.contains_key(&earlier));
                let rows = self.of(source, earlier, bearings)?;
                before += rows.len();
                around.insert(0, (earlier, rows));
            }
        }
        read = 0;
        for later in frame + 1..source.len() {
            if after >= height || read == FAR {
                break;
            }
            if self.may_hold(source, later) {
                read += usize::from(!self.made.contains_key(&later));
                let rows = self.of(source, later, bearings)?;
                after += rows.len();
                around.push((later, rows));
            }
        }
        self.keep(around, before, height);
        Ok(())
    }

    /// Cuts what was gathered to `height` rows on both sides of the `before`th.
    fn keep(&mut self, around: Vec<(usize, Arc<Vec<EventRow>>)>, before: usize, height: usize) {
        let skipped = before.saturating_sub(height);
        let all = around.iter().flat_map(|(frame, rows)| rows.iter().map(move |row| (*frame, row)));
        let kept = all.skip(skipped).take(before - skipped + height);
        (self.frames, self.rows) = kept.map(|(frame, row)| (frame, row.clone())).unzip();
        self.present = (before - skipped).checked_sub(1);
    }

    fn may_hold(&self, source: &dyn Source, frame: usize) -> bool {
        source.frames().get(frame).is_none_or(|index| self.filter.may_show(&index.tally))
    }

    fn of(
        &mut self,
        source: &mut dyn Source,
        frame: usize,
        bearings: &Bearings,
    ) -> Result<Arc<Vec<EventRow>>, ReadError> {
        // Rows that were made while the frame was under way lack what came after.
        let whole = source.frames().get(frame).map(|index| index.seq[1].saturating_sub(index.seq[0]) + 1);
        if let Some(made) = self.made.get(&frame).filter(|made| whole == Some(made.events as u64)) {
            return Ok(Arc::clone(&made.rows));
        }
        let events = source.events(frame)?;
        if let Some(made) = self.made.get(&frame).filter(|made| made.events == events.len()) {
            return Ok(Arc::clone(&made.rows));
        }
        let rows = Arc::new(fold::rows(events.iter(), |stamped| self.filter.shows(stamped), bearings));
        self.made.insert(frame, Made { events: events.len(), rows: Arc::clone(&rows) });
        Ok(rows)
    }

    /// Where the first event of a row lies.
    pub fn place(&self, source: &mut dyn Source, row: usize) -> Result<Option<Place>, ReadError> {
        let (Some(frame), Some(row)) = (self.frames.get(row), self.rows.get(row)) else { return Ok(None) };
        let events = source.events(*frame)?;
        let index = events.iter().position(|stamped| stamped.seq == row.seq[0]);
        Ok(index.map(|index| Place { frame: *frame, index }))
    }

    /// The event that the present row tells of: of those that it folds, the last that happened.
    pub fn event(&self, source: &mut dyn Source, seq: Option<u64>) -> Result<Option<Stamped>, ReadError> {
        let Some((frame, row)) = self.present.and_then(|at| Some((self.frames.get(at)?, self.rows.get(at)?))) else {
            return Ok(None);
        };
        let last = seq.unwrap_or(0).clamp(row.seq[0], row.seq[1]);
        let events = source.events(*frame)?;
        let within = events.iter().rev().filter(|stamped| (row.seq[0]..=last).contains(&stamped.seq));
        Ok(within.into_iter().find(|stamped| self.filter.shows(stamped)).cloned())
    }
}

/// Where the event with this number lies.
pub fn place_of(source: &mut dyn Source, seq: u64) -> Result<Option<Place>, ReadError> {
    let frame = source.frames().partition_point(|index| index.seq[1] < seq);
    if frame >= source.len() {
        return Ok(None);
    }
    let events = source.events(frame)?;
    let index = events.binary_search_by(|stamped| stamped.seq.cmp(&seq)).ok();
    Ok(index.map(|index| Place { frame, index }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::player::Player;
    use crate::tui::sample::{self, SECOND};
    use crate::tui::source::memory::Memory;

    #[test]
    fn the_list_follows_the_time() {
        let mut source = Memory::new(sample::session());
        let mut player = Player::new(&mut source).unwrap();
        let (mut list, all) = (List::default(), Filter::default());
        for t in 0..62 {
            player.seek(&mut source, t * SECOND).unwrap();
            let at = (player.before(&mut source).unwrap().frame, player.seq());
            list.fill(&mut source, at, &all, &Bearings::default(), 3).unwrap();
            assert!(list.rows().len() <= 6);
            let present = list.present().map(|at| &list.rows()[at]);
            assert!(present.is_none_or(|row| row.t[0] <= t * SECOND), "{t}: {present:?}");
            let next = list.rows().get(list.present().map_or(0, |at| at + 1));
            assert!(next.is_none_or(|row| row.t[0] > t * SECOND), "{t}: {next:?}");
        }
        let event = list.event(&mut source, player.seq()).unwrap().unwrap();
        assert_eq!(event.t, 61 * SECOND);
        let place = list.place(&mut source, list.present().unwrap()).unwrap();
        assert_eq!(place, place_of(&mut source, event.seq).unwrap());
        assert_eq!(place_of(&mut source, 9_999).unwrap(), None);
    }
}
