//! State into the plain structures that panels draw.
//!
//! Invariant: drawing changes nothing that a key or the clock would see, but where things stand for the mouse.
//! Leaves to others: every cell (`panels`, `screen_pane`).

use ratatui::Frame;
use ratatui::layout::Rect;

use super::{App, Pane};
use crate::recording::summary::{clock, home_short};
use crate::recording::{pid_of, visible};
use crate::tui::panels::header::{Play, Pulse};
use crate::tui::panels::timeline::{self, Edge as End, Tick, What};
use crate::tui::panels::{
    Areas, DetailView, Edge, EventsView, HeaderView, McpView, NetView, TimelineView, Title, TreeView, Wanted, areas,
    ascii, detail, events, framed, header, mcp, net, tree,
};
use crate::tui::screen_pane::{self, Found, ScreenView};
use crate::tui::search;
use crate::tui::source::Condition;
use crate::tui::watch::short;

/// Hits that are marked on the timeline.
const HITS: usize = 2_000;
/// Columns of the widest, lowest screen that the layout makes room for.
const SCREEN: (u16, u16) = (200, 60);

impl App {
    /// Draws everything.
    pub fn draw(&mut self, frame: &mut Frame) {
        self.dirty = false;
        let largest = (self.largest.0.min(SCREEN.0), self.largest.1.min(SCREEN.1));
        let net = self.net || self.mcp;
        let wanted = Wanted { screen: largest, tree: self.tree, net, detail: self.detail, zoom: self.zoom };
        let mut areas = areas(frame.area(), wanted);
        if self.zoom {
            // Every column is the screen's.
            areas.edge = Edge::Line;
        }
        self.areas = Some(areas);
        self.gather(&areas);
        let header = self.header();
        header::draw(frame, areas.header, &header, &self.theme);
        self.draw_screen(frame, &areas);
        self.draw_panels(frame, &areas);
        self.draw_timeline(frame, &areas);
        self.draw_over(frame, &areas);
        if self.options.ascii {
            ascii::replace(frame.buffer_mut());
        }
    }

    /// Reads what the panels are to show.
    fn gather(&mut self, areas: &Areas) {
        let height = areas.events.map_or(8, |area| usize::from(area.height)).max(4);
        let seq = self.player.seq();
        let filled = match self.player.before(&mut *self.source) {
            Ok(place) => self.list.fill(&mut *self.source, (place.frame, seq), &self.filter, &self.bearings, height),
            Err(error) => Err(error),
        };
        self.ran(filled);
        let event = self.list.event(&mut *self.source, seq);
        let event = self.ran(event).flatten();
        let found = self.survey.look();
        self.said = event.as_ref().map_or_else(Vec::new, |stamped| {
            let doer = pid_of(&stamped.event).map_or_else(Default::default, |pid| found.doer(pid, stamped.t));
            let asked = match &stamped.event {
                crate::event::Event::Answer(answer) => found.asked(answer.ask),
                _ => None,
            };
            detail::of(stamped, &doer, asked, &self.bearings)
        });
        self.chosen = event.as_ref().and_then(|stamped| pid_of(&stamped.event));
        let exact = found.frames;
        drop(found);
        let spans = self.spans.refresh(&mut *self.source, exact);
        self.ran(spans);
    }

    fn header(&self) -> HeaderView {
        let start = self.source.start();
        let agent = start.and_then(|start| start.argv.first()).map_or(&b""[..], Vec::as_slice);
        let agent = agent.rsplit(|byte| *byte == b'/').next().unwrap_or(agent);
        let play = match (self.player.following, self.player.playing) {
            (true, _) => Play::Following,
            (false, true) => Play::Playing,
            (false, false) if self.live.is_some() && self.grows() => Play::Back,
            (false, false) => Play::Paused,
        };
        HeaderView {
            id: visible(self.options.name.as_bytes()),
            agent: visible(agent),
            place: start.map(|start| home_short(&start.cwd, &self.options.home)).unwrap_or_default(),
            date: start.map(|start| date(start.timestamp)).unwrap_or_default(),
            policy: self.source.policy().map(|policy| visible(policy.name.as_bytes())).unwrap_or_default(),
            seal: self.seal.clone(),
            play,
            speed: (self.player.speed() * 4.0) as u32,
            skips: self.player.skip_idle,
            now: self.player.time(),
            total: self.total(),
            pulse: self.pulse(),
        }
    }

    fn pulse(&self) -> Option<Pulse> {
        let condition = self.live.as_ref()?.condition();
        let asks = self.live.as_ref()?.waiting().len();
        let state = match (condition.over, condition.idle, condition.rates) {
            (true, ..) => "over".to_owned(),
            (false, Some(idle), _) => format!("idle {}", short(idle)),
            (false, None, Some(_)) => "working".to_owned(),
            (false, None, None) => String::new(),
        };
        let Condition { frozen, rates, watchers, missed, .. } = condition;
        Some(Pulse { state, frozen, rates, watchers, missed, asks })
    }

    /// The end of the axis: the last event known.
    pub(super) fn total(&self) -> u64 {
        self.source.duration().max(self.player.time())
    }

    fn draw_screen(&mut self, frame: &mut Frame, areas: &Areas) {
        let Some(area) = areas.screen else {
            self.placement = None;
            return;
        };
        let (screen, back) = match &self.history {
            Some(history) => (&history.screen, history.back),
            None => (self.player.screen(), 0),
        };
        let (cols, rows) = screen.size();
        let title = match screen.title() {
            "" => format!("screen {cols}×{rows}"),
            title => format!("screen {cols}×{rows} · {}", visible(title.as_bytes())),
        };
        let mut view = ScreenView { screen, back, pan: self.pan, selection: self.selection, found: &[] };
        let inside = inner(area, areas.edge);
        let placement = screen_pane::Placement::of(inside, &view);
        let right = part(&placement, (cols, rows), back);
        let focus = self.focus == Pane::Screen;
        let inner = framed(frame, area, Title { left: &title, right: &right, focus }, areas.edge, &self.theme);
        let found = self.found_on(screen, back);
        view.found = &found;
        self.placement = Some(screen_pane::draw(frame.buffer_mut(), inner, &view, &self.theme));
    }

    /// Where the search's text stands on what is shown.
    fn found_on(&self, screen: &crate::screen::Screen, back: usize) -> Vec<Found> {
        let Some(search) = self.search.as_ref().filter(|search| search.within() == search::Within::Screen) else {
            return Vec::new();
        };
        let history = screen.scrollback();
        let first = history - back.min(history);
        let above = screen.scrollback_text(first).enumerate().map(|(at, text)| (first + at, text));
        let own = screen.text().into_iter().enumerate().map(|(at, text)| (history + at, text));
        let mut found = Vec::new();
        for (row, text) in above.chain(own) {
            for hit in search.expression().find_iter(&text).filter(|hit| !hit.is_empty()).take(100) {
                let (from, to) = (columns(&text, hit.start()), columns(&text, hit.end()));
                found.push(Found { row, from, to });
            }
        }
        found
    }

    fn draw_panels(&self, frame: &mut Frame, areas: &Areas) {
        let edge = areas.edge;
        let survey = self.survey.look();
        let progress = if survey.whole || survey.frames == 0 {
            String::new()
        } else {
            format!("reading {} %", survey.frames * 100 / self.source.len().max(1))
        };
        if let Some(area) = areas.events {
            let filter =
                if self.filter.line().is_empty() { "all".to_owned() } else { visible(self.filter.line().as_bytes()) };
            let view = EventsView {
                rows: self.list.rows(),
                present: self.list.present(),
                filter: &filter,
                empty: "nothing like that near here",
                focus: self.focus == Pane::Events,
                edge,
            };
            events::draw(frame, area, &view, &self.theme);
        }
        if let Some(area) = areas.detail {
            let focus = self.focus == Pane::Detail;
            let view = DetailView { said: &self.said, scroll: self.scrolls.detail, focus, edge };
            detail::draw(frame, area, &view, &self.theme);
        }
        let now = self.player.time();
        if let Some(area) = areas.tree {
            let programs = survey.programs.kept();
            let rows = tree::rows_at(programs, now, self.chosen);
            let focus = self.focus == Pane::Tree;
            let scroll = self.scrolls.tree.filter(|_| focus);
            let view = TreeView { programs, rows: &rows, progress: &progress, scroll, focus, edge };
            tree::draw(frame, area, &view, &self.theme);
        }
        if let Some(area) = areas.net.filter(|_| self.mcp) {
            let (rows, focus) = (survey.calls.rows_at(now), self.focus == Pane::Mcp);
            let view = McpView { rows: &rows, progress: &progress, scroll: self.scrolls.net, focus, edge };
            mcp::draw(frame, area, &view, &self.theme);
        } else if let Some(area) = areas.net {
            let rows = survey.places.rows_at(now);
            let focus = self.focus == Pane::Net;
            let view = NetView { rows: &rows, progress: &progress, scroll: self.scrolls.net, focus, edge };
            net::draw(frame, area, &view, &self.theme);
        }
    }

    fn draw_timeline(&self, frame: &mut Frame, areas: &Areas) {
        let mut ticks = self.survey.look().ticks.clone();
        if let Some(search) = &self.search {
            ticks.extend(search.times(HITS).into_iter().map(|t| Tick { t, what: What::Hit }));
        }
        let total = self.total();
        let edge = match (self.source.end().is_some(), self.grows()) {
            (true, _) => End::Closed,
            (false, true) => End::Live,
            (false, false) => End::Cut,
        };
        let view = TimelineView {
            spans: self.spans.all(),
            known: total,
            ticks: &ticks,
            now: self.player.time(),
            total,
            edge,
            counts: None,
        };
        timeline::draw(frame, areas.timeline, &view, &self.theme);
    }
}

/// The inside of a panel of this edge, as `framed` gives it back.
fn inner(area: Rect, edge: Edge) -> Rect {
    match edge {
        Edge::Box => area.inner(ratatui::layout::Margin::new(1, 1)),
        Edge::Line => Rect { y: area.y + area.height.min(1), height: area.height.saturating_sub(1), ..area },
    }
}

/// Which part of a screen is in sight, in words; empty for all of it.
fn part(placement: &screen_pane::Placement, (cols, rows): (u16, u16), back: usize) -> String {
    if back > 0 {
        return format!("{back} lines back, esc returns");
    }
    let (area, origin) = (placement.area, placement.origin);
    let mut words = Vec::new();
    if area.width < cols {
        words.push(format!("columns {}–{}", origin.col + 1, origin.col + area.width));
    }
    if area.height < rows {
        words.push(format!("rows {}–{}", origin.row + 1, origin.row + usize::from(area.height)));
    }
    words.join(", ")
}

/// The column at which byte `at` of a row stands.
fn columns(text: &str, at: usize) -> u16 {
    let before = text.get(..at).unwrap_or(text);
    u16::try_from(unicode_width::UnicodeWidthStr::width(before)).unwrap_or(u16::MAX)
}

/// `21 Nov 17:49`, in the viewer's time zone.
fn date(timestamp: i64) -> String {
    let Ok(time) = jiff::Timestamp::from_second(timestamp) else { return clock(0) };
    time.to_zoned(jiff::tz::TimeZone::system()).strftime("%-d %b %H:%M").to_string()
}
