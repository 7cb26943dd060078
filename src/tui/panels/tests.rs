//! Every panel over every size, and over hostile text.

use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::timeline::{Span, Tick, What};
use super::*;
use crate::tui::{Depth, Theme};

proptest! {
    #[test]
    fn no_size_is_too_small(width in 1u16..320, height in 1u16..90) {
        let theme = Theme::new(Depth::True);
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let spans = [Span { from: 0, to: 500, out: 9, exec: 2, file: 3, net: 1, denied: 1, asked: 1 }];
        let ticks = [Tick { t: 700, what: What::Marker }];
        let view = TimelineView { spans: &spans, known: 600, ticks: &ticks, now: 300, total: 1000, ..TimelineView::default() };
        terminal.draw(|frame| {
            let areas = areas(frame.area(), Wanted::default());
            timeline::draw(frame, areas.timeline, &view, &theme);
            header::draw(frame, areas.header, &HeaderView::default(), &theme);
            for area in [areas.events, areas.screen].into_iter().flatten() {
                events::draw(frame, area, &EventsView::default(), &theme);
                detail::draw(frame, area, &DetailView::default(), &theme);
                tree::draw(frame, area, &TreeView::default(), &theme);
                net::draw(frame, area, &NetView::default(), &theme);
                question::draw(frame, area, &QuestionView::default(), &theme);
                confirm::draw(frame, area, &ConfirmView::default(), &theme);
                help::draw(frame, area, &HelpView::of(crate::tui::KEYS, 3), &theme);
            }
            foot::draw(frame, areas.foot, &FootView::Prompt(foot::Prompt { text: "abc", cursor: 2, ..Default::default() }), &theme);
        }).unwrap();
    }
}
