//! Figures of frames as figures of columns.
//!
//! Invariant: whatever lies in a column is counted there: many frames add up in one, one frame is spread over many by time, and
//! counts of single things are kept whole, so that one program stays one mark.

use super::{Scale, Span, TimelineView, What};

/// What one column stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Column {
    pub out: u64,
    pub exec: u64,
    pub file: u64,
    pub net: u64,
    pub mcp: u64,
    pub denied: bool,
    pub asked: bool,
    pub marker: bool,
    pub hit: bool,
    /// Nothing at all happened.
    pub idle: bool,
    /// The index reaches here.
    pub known: bool,
}

impl Column {
    /// Requests of any kind.
    pub fn acts(&self) -> u64 {
        self.exec.saturating_add(self.file).saturating_add(self.net).saturating_add(self.mcp)
    }
}

/// All columns of the axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    pub cells: Vec<Column>,
    /// Where the present time is.
    pub ball: Option<usize>,
    /// Denials and questions that are drawn.
    pub wrong: (u64, u64),
}

impl Columns {
    pub fn new(view: &TimelineView, scale: &Scale) -> Self {
        let mut cells = vec![Column { idle: true, known: true, ..Column::default() }; usize::from(scale.width)];
        let known = usize::from(scale.index(view.known));
        let unknown = if view.known >= view.total { cells.len() } else { known + 1 };
        cells.iter_mut().skip(unknown).for_each(|cell| cell.known = false);
        let mut columns = Self { cells, ball: Some(usize::from(scale.index(view.now))), wrong: (0, 0) };
        view.spans.iter().for_each(|span| columns.add(span, scale));
        for tick in view.ticks {
            columns.mark(usize::from(scale.index(tick.t)), tick.what);
        }
        columns
    }

    fn add(&mut self, span: &Span, scale: &Scale) {
        let (from, to) = (usize::from(scale.index(span.from)), usize::from(scale.index(span.to.max(span.from))));
        let Some(cells) = self.cells.get_mut(from..=to) else { return };
        let n = cells.len();
        for (index, cell) in cells.iter_mut().enumerate() {
            cell.idle = false;
            cell.known = true;
            // Bytes flow; a column beneath one byte of them still shows that something was written.
            cell.out = cell.out.saturating_add(share(span.out, index, n).max(u64::from(span.out > 0)));
            cell.exec = cell.exec.saturating_add(share(span.exec, index, n));
            cell.file = cell.file.saturating_add(share(span.file, index, n));
            cell.net = cell.net.saturating_add(share(span.net, index, n));
            cell.mcp = cell.mcp.saturating_add(share(span.mcp, index, n));
        }
        if let Some(first) = cells.first_mut() {
            first.denied |= span.denied > 0;
            first.asked |= span.asked > 0;
        }
        self.wrong = (self.wrong.0.saturating_add(span.denied), self.wrong.1.saturating_add(span.asked));
    }

    fn mark(&mut self, at: usize, what: What) {
        let Some(cell) = self.cells.get_mut(at) else { return };
        match what {
            What::Denial => (cell.denied, self.wrong.0) = (true, self.wrong.0 + 1),
            What::Alert => cell.denied = true,
            What::Question => (cell.asked, self.wrong.1) = (true, self.wrong.1 + 1),
            What::Marker => cell.marker = true,
            What::Hit => cell.hit = true,
        }
    }
}

/// The part of `figure` that falls to column `index` of `n`: whole numbers that add up to it, evenly spread.
fn share(figure: u64, index: usize, n: usize) -> u64 {
    let up_to = |index: usize| u128::from(figure) * index as u128 / n.max(1) as u128;
    u64::try_from(up_to(index + 1) - up_to(index)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Tick;
    use super::*;

    #[test]
    fn one_frame_is_spread_and_many_add_up() {
        let spans = [Span { from: 0, to: 49, out: 100, exec: 1, denied: 1, ..Span::default() }];
        let view = TimelineView { spans: &spans, known: 100, total: 100, ..TimelineView::default() };
        let columns = Columns::new(&view, &Scale::new(0, 10, 100));
        assert_eq!(columns.cells.iter().map(|cell| cell.out).collect::<Vec<_>>(), [20, 20, 20, 20, 20, 0, 0, 0, 0, 0]);
        assert_eq!(columns.cells.iter().map(|cell| cell.exec).sum::<u64>(), 1);
        assert_eq!(columns.cells.iter().filter(|cell| cell.denied).count(), 1);
        assert!(columns.cells[5].idle && !columns.cells[4].idle);

        let spans: Vec<_> = (0..1000).map(|at| Span { from: at, to: at, file: 1, ..Span::default() }).collect();
        let view = TimelineView { spans: &spans, known: 1000, total: 1000, ..TimelineView::default() };
        let columns = Columns::new(&view, &Scale::new(0, 10, 1000));
        assert!(columns.cells.iter().all(|cell| cell.file == 100), "{columns:?}");
    }

    #[test]
    fn what_is_not_known_yet_says_so() {
        let view = TimelineView { known: 50, total: 100, now: 50, ..TimelineView::default() };
        let columns = Columns::new(&view, &Scale::new(0, 10, 100));
        assert_eq!(columns.cells.iter().filter(|cell| cell.known).count(), 6);
        assert_eq!(columns.ball, Some(5));
    }

    proptest! {
        #[test]
        fn nothing_is_lost(spans in prop::collection::vec((0u64..1000, 0u64..100, 0u64..50, 0u64..3), 0..40), width in 1u16..300, ticks in prop::collection::vec(0u64..1000, 0..5)) {
            let spans: Vec<_> = spans.into_iter()
                .map(|(from, length, file, denied)| Span { from, to: from + length, file, denied, ..Span::default() }).collect();
            let ticks: Vec<_> = ticks.into_iter().map(|t| Tick { t, what: What::Denial }).collect();
            let view = TimelineView { spans: &spans, ticks: &ticks, known: 1000, total: 1000, ..TimelineView::default() };
            let scale = Scale::new(0, width, 1000);
            let columns = Columns::new(&view, &scale);
            prop_assert_eq!(columns.cells.iter().map(|cell| cell.file).sum::<u64>(), spans.iter().map(|span| span.file).sum::<u64>());
            for tick in &ticks {
                prop_assert!(columns.cells[usize::from(scale.index(tick.t))].denied);
            }
            for span in spans.iter().filter(|span| span.denied > 0) {
                prop_assert!(columns.cells[usize::from(scale.index(span.from))].denied);
            }
        }
    }
}
