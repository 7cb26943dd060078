//! Where each panel stands, for every size of terminal.
//!
//! Invariant: pure; areas lie inside the terminal and overlap by their common border alone. The screen, the timeline's track and
//! the foot line are the last to go.
//! Leaves to others: what stands in them.
//!
//! ```text
//! small                   middle: from 100×30          large: from 160×45
//! ┌────────────────────┐  ┌───────────────────────┐    ┌────────────────────────────────┐
//! │header              │  │header                 │    │header                          │
//! │screen              │  │screen       │ events  │    │screen      │ events │ tree     │
//! │                    │  │             ├─────────│    │            │        │          │
//! │events, three lines │  │             │ detail  │    │────────────├────────├──────────│
//! │timeline, short     │  │timeline               │    │ detail     │        │ net      │
//! │foot                │  │foot                   │    │timeline, scale                 │
//! └────────────────────┘  └───────────────────────┘    │foot                            │
//!                                                      └────────────────────────────────┘
//! ```
//! Where the recorded screen is much lower than the terminal, the detail stands beneath it, across its width.

use ratatui::layout::{Margin, Rect};

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Panels are parted by a line above each; the events are a strip.
    Small,
    Middle,
    /// The tree and the places reached stand beside the events.
    Large,
}

/// What the layout depends on besides the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Columns and rows of the recorded terminal; better the largest of the session than the present, so that nothing jumps.
    pub screen: (u16, u16),
    /// The tree, the places or the detail were asked for. Where there is no room beside the events, they take the place of others.
    pub tree: bool,
    pub net: bool,
    pub detail: bool,
    /// The screen alone.
    pub zoom: bool,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { screen: (80, 24), tree: false, net: false, detail: false, zoom: false }
    }
}

/// The areas; None for what has no room, or was not asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Areas {
    pub form: Form,
    /// How panels are parted in this form.
    pub edge: super::Edge,
    pub header: Rect,
    pub screen: Option<Rect>,
    pub events: Option<Rect>,
    pub detail: Option<Rect>,
    pub tree: Option<Rect>,
    pub net: Option<Rect>,
    pub timeline: Rect,
    /// Keys, a prompt, a notice or progress.
    pub foot: Rect,
}

/// Columns of the events that are worth having.
const SIDE: (u16, u16) = (39, 64);
/// Columns from which a third column has room.
const THIRD: u16 = 78;
/// Rows of the detail beneath another panel, with its border.
const DETAIL: (u16, u16) = (8, 12);

/// The areas in `area`.
pub fn areas(area: Rect, wanted: Wanted) -> Areas {
    let form = match (area.width, area.height) {
        (160.., 45..) => Form::Large,
        (100.., 30..) => Form::Middle,
        _ => Form::Small,
    };
    let (header, rest) = from_top(area, u16::from(area.height > 4));
    let (rest, foot) = from_bottom(rest, u16::from(area.height > 2));
    let (middle, timeline) = from_bottom(rest, timeline_rows(form, area.height));
    let edge = if form == Form::Small { super::Edge::Line } else { super::Edge::Box };
    let mut areas = Areas {
        form,
        edge,
        header,
        screen: Some(middle),
        events: None,
        detail: None,
        tree: None,
        net: None,
        timeline,
        foot,
    };
    match form {
        _ if wanted.zoom => {}
        Form::Small => small(&mut areas, middle, wanted),
        Form::Middle | Form::Large => columns(&mut areas, middle, wanted),
    }
    areas
}

fn timeline_rows(form: Form, height: u16) -> u16 {
    match (form, height) {
        (Form::Large, _) | (Form::Middle, 40..) => 7,
        (Form::Middle, _) => 6,
        (Form::Small, 22..) => 4,
        (Form::Small, 16..) => 3,
        (Form::Small, 8..) => 1,
        (Form::Small, _) => 0,
    }
}

fn small(areas: &mut Areas, middle: Rect, wanted: Wanted) {
    let instead = if wanted.detail {
        &mut areas.detail
    } else if wanted.tree {
        &mut areas.tree
    } else {
        &mut areas.net
    };
    if wanted.detail || wanted.tree || wanted.net {
        *instead = Some(middle);
        areas.screen = None;
        return;
    }
    let strip = match middle.height {
        14.. => 4,
        9.. => 2,
        _ => 0,
    };
    let (screen, events) = from_bottom(middle, strip);
    (areas.screen, areas.events) = (Some(screen), some(events));
}

fn columns(areas: &mut Areas, middle: Rect, wanted: Wanted) {
    // Two cells for its border, one of which is also the next panel's.
    let ideal = wanted.screen.0.saturating_add(2).max(52);
    let least = SIDE.0 - 1;
    let most = if areas.form == Form::Large { middle.width * 5 / 8 } else { middle.width - least };
    let left = ideal.clamp(middle.width - middle.width * 3 / 5, most.max(52));
    let (screen, side) = beside(middle, left);
    let (screen, beneath) = lower_screen(screen, wanted);
    areas.screen = Some(screen);
    areas.detail = beneath;
    if areas.form == Form::Large {
        return large(areas, side, wanted);
    }
    let events = if beneath.is_some() {
        side
    } else {
        let (events, detail) = above(side, side.height - detail_rows(side.height, wanted.detail));
        areas.detail = Some(detail);
        events
    };
    match (wanted.tree, wanted.net) {
        (false, false) => areas.events = Some(events),
        (true, false) => areas.tree = Some(events),
        (false, true) => areas.net = Some(events),
        (true, true) => {
            let (tree, net) = above(events, events.height * 3 / 5);
            (areas.tree, areas.net) = (Some(tree), Some(net));
        }
    }
}

fn large(areas: &mut Areas, side: Rect, wanted: Wanted) {
    let (events, others) = if side.width >= THIRD {
        beside(side, (side.width * 11 / 20).clamp(SIDE.0, SIDE.1))
    } else {
        above(side, side.height / 2)
    };
    areas.events = Some(events);
    if areas.detail.is_none() {
        let (events, detail) = above(events, events.height - detail_rows(events.height, wanted.detail));
        (areas.events, areas.detail) = (Some(events), Some(detail));
    }
    // Both unless one alone was asked for.
    (areas.tree, areas.net) = match (wanted.tree, wanted.net) {
        (true, false) => (Some(others), None),
        (false, true) => (None, Some(others)),
        _ => {
            let (tree, net) = above(others, others.height * 2 / 3);
            (Some(tree), Some(net))
        }
    };
}

/// The screen as high as what was recorded, and what is left beneath it, where that is worth a panel.
fn lower_screen(screen: Rect, wanted: Wanted) -> (Rect, Option<Rect>) {
    let rows = wanted.screen.1.saturating_add(2).max(14);
    if screen.height < rows.saturating_add(DETAIL.0) {
        return (screen, None);
    }
    let (screen, detail) = above(screen, rows);
    (screen, Some(detail))
}

fn detail_rows(height: u16, wanted: bool) -> u16 {
    if wanted { height * 2 / 3 } else { (height / 3).clamp(DETAIL.0, DETAIL.1).min(height / 2) }
}

/// An area of `width` × `height`, or less, in the middle of `area`: for what must be answered first.
pub fn in_the_middle(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect::new(area.x + (area.width - width) / 2, area.y + (area.height - height) / 2, width, height)
}

/// Where a question stands: at the lower end of the screen, or of what is there in its place, within its border. `size` says
/// what it needs in so many columns; from the screen's own line of a small terminal it takes what it needs beyond that.
pub fn over_the_screen(areas: &Areas, size: impl Fn(u16) -> (u16, u16)) -> Rect {
    let instead = areas.detail.or(areas.tree).or(areas.net);
    let Some(whole) = areas.screen.or(instead) else { return Rect::ZERO };
    let inner = match areas.edge {
        super::Edge::Box => whole.inner(Margin::new(1, 1)),
        super::Edge::Line => Rect { height: whole.height + areas.events.map_or(0, |events| events.height), ..whole },
    };
    let (width, height) = size(inner.width);
    let (width, height) = (width.min(inner.width), height.min(inner.height));
    let bottom = if height > whole.height { inner.bottom() } else { inner.bottom().min(whole.bottom()) };
    Rect::new(inner.x + (inner.width - width) / 2, bottom - height, width, height)
}

fn some(area: Rect) -> Option<Rect> {
    (!area.is_empty()).then_some(area)
}

fn from_top(area: Rect, rows: u16) -> (Rect, Rect) {
    let rows = rows.min(area.height);
    let top = Rect { height: rows, ..area };
    (top, Rect { y: area.y + rows, height: area.height - rows, ..area })
}

fn from_bottom(area: Rect, rows: u16) -> (Rect, Rect) {
    from_top(area, area.height.saturating_sub(rows))
}

/// Left and right, with a common border.
fn beside(area: Rect, left: u16) -> (Rect, Rect) {
    let left = left.clamp(1, area.width.max(1));
    let right = Rect { x: area.x + left - 1, width: area.width - (left - 1), ..area };
    (Rect { width: left, ..area }, right)
}

/// Upper and lower, with a common border.
fn above(area: Rect, upper: u16) -> (Rect, Rect) {
    let upper = upper.clamp(1, area.height.max(1));
    let lower = Rect { y: area.y + upper - 1, height: area.height - (upper - 1), ..area };
    (Rect { height: upper, ..area }, lower)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(width: u16, height: u16, wanted: Wanted) -> Areas {
        areas(Rect::new(0, 0, width, height), wanted)
    }

    fn shown(areas: &Areas) -> Vec<Rect> {
        [areas.screen, areas.events, areas.detail, areas.tree, areas.net].into_iter().flatten().collect()
    }

    #[test]
    fn a_small_terminal_keeps_most_of_it_for_the_screen() {
        let areas = at(80, 24, Wanted::default());
        assert_eq!((areas.form, areas.header), (Form::Small, Rect::new(0, 0, 80, 1)));
        assert_eq!((areas.screen, areas.events), (Some(Rect::new(0, 1, 80, 14)), Some(Rect::new(0, 15, 80, 4))));
        assert_eq!((areas.timeline, areas.foot), (Rect::new(0, 19, 80, 4), Rect::new(0, 23, 80, 1)));
        let tree = at(80, 24, Wanted { tree: true, ..Wanted::default() });
        assert_eq!((tree.screen, tree.tree), (None, Some(Rect::new(0, 1, 80, 18))));
    }

    #[test]
    fn a_large_terminal_has_the_tree_beside() {
        let areas = at(200, 60, Wanted { screen: (120, 32), ..Wanted::default() });
        assert_eq!(areas.form, Form::Large);
        assert_eq!(areas.screen, Some(Rect::new(0, 1, 122, 34)));
        assert_eq!(areas.detail, Some(Rect::new(0, 34, 122, 18)));
        assert_eq!(areas.events.map(|area| (area.x, area.width, area.height)), Some((121, 43, 51)));
        assert_eq!(areas.tree.map(|area| (area.x, area.right())), Some((163, 200)));
        assert_eq!(areas.net.map(|area| area.bottom()), Some(52));
    }

    #[test]
    fn nothing_is_parted_from_the_screen_when_it_is_alone() {
        let areas = at(120, 40, Wanted { zoom: true, ..Wanted::default() });
        assert_eq!(shown(&areas), [Rect::new(0, 1, 120, 31)]);
    }

    proptest! {
        #[test]
        fn areas_lie_inside_and_share_no_more_than_a_border(
            size in (1u16..320, 1u16..100), screen in (1u16..400, 1u16..200), flags in any::<[bool; 4]>(),
        ) {
            let [tree, net, detail, zoom] = flags;
            let whole = Rect::new(0, 0, size.0, size.1);
            let areas = areas(whole, Wanted { screen, tree, net, detail, zoom });
            let mut all = shown(&areas);
            for area in &all {
                prop_assert_eq!(whole.intersection(*area), *area);
            }
            for (index, one) in all.iter().enumerate() {
                for other in &all[..index] {
                    let common = one.intersection(*other);
                    prop_assert!(common.is_empty() || common.width == 1 || common.height == 1, "{one} and {other}");
                }
            }
            // With borders taken as belonging to one of the two, no row of the terminal is left without a panel.
            all.extend([areas.header, areas.timeline, areas.foot]);
            for row in whole.rows() {
                for cell in row.columns() {
                    let position = ratatui::layout::Position::new(cell.x, cell.y);
                    prop_assert!(all.iter().any(|area| area.contains(position)), "{position} of {areas:?}");
                }
            }
        }
    }
}
