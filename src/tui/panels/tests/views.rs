//! The view of a session at its sizes, and each box over it.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::super::header::{Play, Pulse, Seal};
use super::super::timeline::{Edge as End, Span, Tick, What};
use super::super::*;
use super::picture::{compare, drawn, text, theme};
use super::story::{CWD, HOME, MS, Story, ask, story};
use crate::event::{Event, Stamped};
use crate::policy::Verdict;
use crate::recording::{Summary, kind};

fn bearings() -> Bearings {
    Bearings { home: HOME.to_vec(), cwd: CWD.to_vec() }
}

/// Frames of at most two seconds, as a recording has them.
fn frames(events: &[Stamped]) -> Vec<&[Stamped]> {
    events.chunk_by(|a, b| a.t / (2_000 * MS) == b.t / (2_000 * MS)).collect()
}

fn span(frame: &[Stamped]) -> Span {
    let count = |word: &str| frame.iter().filter(|stamped| kind(&stamped.event) == word).count() as u64;
    let out = frame.iter().map(|stamped| match &stamped.event {
        Event::Output { data, .. } => data.len() as u64,
        _ => 0,
    });
    Span {
        from: frame[0].t,
        to: frame[frame.len() - 1].t,
        out: out.sum(),
        exec: count("exec"),
        file: count("file"),
        net: count("net"),
        mcp: count("mcp"),
        denied: 0,
        asked: 0,
    }
}

fn ticks(events: &[Stamped]) -> Vec<Tick> {
    let what = |event: &Event| match event {
        Event::Judged(judged) if judged.verdict == Verdict::Deny => Some(What::Denial),
        Event::Ask(_) => Some(What::Question),
        Event::Marker { .. } => Some(What::Marker),
        _ => None,
    };
    events.iter().filter_map(|stamped| Some(Tick { t: stamped.t, what: what(&stamped.event)? })).collect()
}

/// How the session is looked at.
struct Look {
    now: u64,
    wanted: Wanted,
    header: HeaderView,
    end: End,
    seq: usize,
}

impl Look {
    fn replay(story: &Story, seq: usize) -> Self {
        let now = story.events[seq].t;
        let header = HeaderView {
            id: "k3f9".into(),
            agent: "codex".into(),
            place: "~/src/shop".into(),
            date: "21 Nov 17:49".into(),
            policy: "codex@9f2c".into(),
            seal: Seal::Signed("laptop".into()),
            play: Play::Playing,
            speed: 16,
            now,
            total: story.last(),
            ..HeaderView::default()
        };
        Self { now, wanted: Wanted::default(), header, end: End::Closed, seq }
    }

    fn draw(&self, story: &Story, size: (u16, u16)) -> Buffer {
        drawn(size, |frame| self.panels(story, frame))
    }

    fn panels(&self, story: &Story, frame: &mut ratatui::Frame) {
        let (theme, bearings) = (theme(), bearings());
        let areas = areas(frame.area(), self.wanted);
        header::draw(frame, areas.header, &self.header, &theme);
        if let Some(area) = areas.screen {
            screen(frame, area, areas.edge, &theme);
        }
        let rows: Vec<_> = frames(&story.events)
            .into_iter()
            .flat_map(|frame| fold::rows(frame, |stamped| !fold::is_routine(&stamped.event), &bearings))
            .collect();
        let present = rows.iter().rposition(|row| row.t[0] <= self.now);
        if let Some(area) = areas.events {
            let view = EventsView { rows: &rows, present, filter: "all", edge: areas.edge, ..EventsView::default() };
            events::draw(frame, area, &view, &theme);
        }
        if let Some(area) = areas.detail {
            let said = detail::of(&story.events[self.seq], &doer(), None, &bearings);
            let view = DetailView { said: &said, edge: areas.edge, ..DetailView::default() };
            detail::draw(frame, area, &view, &theme);
        }
        self.sides(story, frame, &areas);
        let (spans, ticks) = (frames(&story.events).into_iter().map(span).collect::<Vec<_>>(), ticks(&story.events));
        let view = TimelineView {
            spans: &spans,
            known: story.last(),
            ticks: &ticks,
            now: self.now,
            total: story.last(),
            edge: self.end,
            counts: None,
        };
        timeline::draw(frame, areas.timeline, &view, &theme);
        let keys = crate::tui::keys::foot(crate::tui::KEYS, usize::from(areas.foot.width));
        foot::draw(frame, areas.foot, &FootView::Keys(&keys), &theme);
    }

    fn sides(&self, story: &Story, frame: &mut ratatui::Frame, areas: &Areas) {
        if let Some(area) = areas.tree {
            let mut summary = Summary::default();
            story.events.iter().for_each(|stamped| summary.feed(stamped));
            let rows = tree::rows_at(summary.programs.kept(), self.now, Some(4183));
            let view =
                TreeView { programs: summary.programs.kept(), rows: &rows, edge: areas.edge, ..TreeView::default() };
            tree::draw(frame, area, &view, &theme());
        }
        if let Some(area) = areas.net {
            let mut places = net::Places::default();
            story.events.iter().for_each(|stamped| places.add(stamped, &bearings()));
            let rows = places.rows_at(self.now);
            let view = NetView { rows: &rows, edge: areas.edge, ..NetView::default() };
            net::draw(frame, area, &view, &theme());
        }
    }
}

fn screen(frame: &mut ratatui::Frame, area: Rect, edge: Edge, theme: &crate::tui::Theme) {
    let inner = framed(frame, area, Title { left: "screen 80×24", right: "", focus: true }, edge, theme);
    let text = ["› Fix the login redirect", "", "• Running cargo test -q", "  12 passed, 1 failed", "", "• 漢字 wide"];
    for (line, at) in text.iter().zip(edge::rows(inner)) {
        edge::put(frame.buffer_mut(), at, 0, line, theme.plain);
    }
}

fn doer() -> detail::Doer {
    let argv = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
    let line =
        vec![argv(&["codex"]), argv(&["bash", "-lc", "cat ~/.ssh/id_rsa"]), argv(&["cat", "/home/ada/.ssh/id_rsa"])];
    detail::Doer { line }
}

fn denial(story: &Story) -> usize {
    let denied = |stamped: &Stamped| matches!(&stamped.event, Event::Judged(judged) if judged.verdict == Verdict::Deny);
    story.events.iter().position(denied).unwrap()
}

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

#[test]
fn replay_at_a_denial() {
    let story = story();
    let look = Look::replay(&story, denial(&story));
    for (width, height) in SIZES {
        compare(&format!("replay-{width}x{height}"), &look.draw(&story, (width, height)));
    }
}

#[test]
fn a_running_session() {
    let story = story();
    let seq = story.events.len() - 1;
    let mut look = Look::replay(&story, seq);
    look.end = End::Live;
    look.header.seal = Seal::Open;
    look.header.play = Play::Following;
    let state = "working".into();
    look.header.pulse =
        Some(Pulse { state, frozen: false, rates: Some((212, 4_100)), watchers: 2, missed: 0, asks: 1 });
    for (width, height) in SIZES {
        let picture = drawn((width, height), |frame| {
            look.panels(&story, frame);
            let mut view = question::of(&ask(), Duration::from_secs(47), (2, 2), 0, &bearings());
            view.chosen = Some(0);
            let areas = areas(frame.area(), look.wanted);
            let area = layout::over_the_screen(&areas, |columns| question::size(&view, columns));
            question::draw(frame, area, &view, &theme());
        });
        compare(&format!("live-question-{width}x{height}"), &picture);
    }
}

#[test]
fn the_tree_and_the_places_in_place_of_others() {
    let story = story();
    let mut look = Look::replay(&story, story.events.len() - 1);
    look.wanted = Wanted { tree: true, ..Wanted::default() };
    compare("tree-80x24", &look.draw(&story, (80, 24)));
    look.wanted = Wanted { net: true, ..Wanted::default() };
    compare("net-80x24", &look.draw(&story, (80, 24)));
    look.wanted = Wanted { tree: true, net: true, ..Wanted::default() };
    compare("tree-net-120x40", &look.draw(&story, (120, 40)));
}

#[test]
fn details_of_every_kind() {
    let story = story();
    let kinds = ["start", "exec", "file", "net", "proc", "marker", "ask", "answer"];
    for size in [(80, 24), (200, 60)] {
        let picture = drawn(size, |frame| {
            let columns = if size.0 > 100 { 2 } else { 1 };
            let shown = kinds.iter().skip(if columns == 1 { 6 } else { 0 });
            let height = size.1 / if columns == 1 { 2 } else { 4 };
            for (at, kind) in (0..).zip(shown) {
                let stamped = story.events.iter().rev().find(|stamped| crate::recording::kind(&stamped.event) == *kind);
                let said = detail::of(stamped.unwrap(), &doer(), Some(&ask()), &bearings());
                let width = size.0 / columns;
                let area = Rect::new(at % columns * width, at / columns * height, width, height);
                detail::draw(frame, area, &DetailView { said: &said, ..DetailView::default() }, &theme());
            }
        });
        compare(&format!("details-{}x{}", size.0, size.1), &picture);
    }
}

#[test]
fn help_for_both_sizes() {
    for (width, height) in [(80, 24), (200, 60)] {
        let view = HelpView::of(crate::tui::KEYS, 0);
        let picture = drawn((width, height), |frame| {
            let (columns, rows) = help::size(&view, width);
            help::draw(frame, layout::in_the_middle(frame.area(), columns, rows), &view, &theme());
        });
        compare(&format!("help-{width}x{height}"), &picture);
    }
}

#[test]
fn small_things() {
    let confirm = ConfirmView {
        title: "end k3f9?",
        says: "codex and all it started (7 processes) are killed. The recording is closed and kept.",
        no: ("esc", "no"),
        yes: ("K", "end it"),
        grave: true,
    };
    let foots = [
        FootView::Prompt(foot::Prompt { label: "/", text: "id_rsa", cursor: 6, hint: "tab: in events", wrong: "" }),
        FootView::Prompt(foot::Prompt { label: "go to", text: "12:99", cursor: 5, hint: "", wrong: "no such time" }),
        FootView::Progress(foot::Progress { what: "searching for id_rsa", done: 412, says: "3 hits", stop: "esc" }),
        FootView::Notice { text: "copied 3 lines", tone: Tone::Dim },
        FootView::Notice { text: "✘ the session does not answer", tone: Tone::Deny },
    ];
    for (width, height) in [(80, 24), (200, 60)] {
        let picture = drawn((width, height), |frame| {
            let (columns, rows) = confirm::size(&confirm, width);
            confirm::draw(frame, layout::in_the_middle(frame.area(), columns, rows), &confirm, &theme());
            for (y, view) in (0..).zip(&foots) {
                foot::draw(frame, Rect::new(0, y, width, 1), view, &theme());
            }
        });
        compare(&format!("small-{width}x{height}"), &picture);
    }
}

#[test]
fn without_colours_the_same_is_read() {
    use crate::tui::{Depth, Theme};
    use ratatui::style::Color;

    let story = story();
    let bearings = bearings();
    let rows = fold::rows(&story.events, |stamped| !fold::is_routine(&stamped.event), &bearings);
    let present = rows.iter().position(|row| row.sign == "✘");
    let view = EventsView { rows: &rows, present, filter: "all", ..EventsView::default() };
    let (spans, ticks) = (frames(&story.events).into_iter().map(span).collect::<Vec<_>>(), ticks(&story.events));
    let line = TimelineView {
        spans: &spans,
        known: story.last(),
        ticks: &ticks,
        total: story.last(),
        ..TimelineView::default()
    };
    let picture = |theme: &Theme| {
        drawn((100, 40), |frame| {
            events::draw(frame, Rect::new(0, 0, 100, 30), &view, theme);
            timeline::draw(frame, Rect::new(0, 31, 100, 7), &line, theme);
        })
    };
    let (bare, full) = (picture(&Theme::new(Depth::None)), picture(&theme()));
    assert_eq!(text(&bare), text(&full));
    assert!(bare.content.iter().all(|cell| (cell.fg, cell.bg) == (Color::Reset, Color::Reset)));
    assert!(text(&bare).contains("r ~/.ssh/id_rsa") && text(&bare).contains('✘'));
}

#[test]
fn a_timeline_from_20_to_300_columns() {
    let story = story();
    let (spans, ticks) = (frames(&story.events).into_iter().map(span).collect::<Vec<_>>(), ticks(&story.events));
    let known = story.last() * 3 / 4;
    let (spans, ticks): (Vec<_>, Vec<_>) = (
        spans.into_iter().filter(|span| span.to <= known).collect(),
        ticks.into_iter().filter(|tick| tick.t <= known).collect(),
    );
    let view = TimelineView {
        spans: &spans,
        known,
        ticks: &ticks,
        now: story.last() / 2,
        total: story.last(),
        edge: End::Cut,
        counts: None,
    };
    let picture = drawn((300, 34), |frame| {
        let mut y = 0;
        for (width, height) in [(300, 7), (200, 6), (100, 5), (80, 4), (40, 3), (20, 7), (20, 2)] {
            timeline::draw(frame, Rect::new(0, y, width, height), &view, &theme());
            y += height;
        }
    });
    compare("timeline", &picture);
}

#[test]
fn without_utf8_every_cell_is_ascii_and_signs_stay_apart() {
    let story = story();
    let look = Look::replay(&story, denial(&story));
    for size in [(80, 24), (200, 60)] {
        let mut picture = look.draw(&story, size);
        ascii::replace(&mut picture);
        assert!(text(&picture).is_ascii());
        compare(&format!("ascii-{}x{}", size.0, size.1), &picture);
    }
}
