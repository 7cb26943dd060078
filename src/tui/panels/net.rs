//! Connections that are open, and places reached and refused up to the present time.
//!
//! Invariant: bounded; what is open comes first, then what was refused, and none is left out for one that was reached.
//! Leaves to others: which events there are (the app feeds them in order).

use std::collections::HashMap;

use ratatui::Frame;
use ratatui::layout::Rect;

use super::Tone;
use super::edge::{Edge, Title, framed, put, rows};
use super::text::{bounded, middle, width};
use super::words::{Bearings, Object, failure};
use crate::event::{Event, Judged, Kind, Stamped};
use crate::policy::Verdict;
use crate::recording::summary::clock;
use crate::recording::{authority, qtype};
use crate::tui::Theme;

mod tunnels;

use self::tunnels::Tunnels;

/// Different places that are kept.
const KEPT: usize = 2_000;
/// Stands before what is open.
const OPEN: &str = "⇅";
/// Times that are kept of each; later ones count to the last of them.
const TIMES: usize = 256;

/// All places of a session, for any time in it.
#[derive(Debug, Default)]
pub struct Places {
    kept: Vec<Place>,
    same: HashMap<(String, Fate), usize>,
    /// Requests to places beyond those that are kept.
    beyond: u64,
    tunnels: Tunnels,
}

#[derive(Debug)]
struct Place {
    what: String,
    fate: Fate,
    why: String,
    /// With how many requests each stands for, in order.
    times: Vec<(u64, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Fate {
    Denied,
    Asked,
    Reached,
    /// Allowed, and nobody was there.
    Failed,
}

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceRow {
    /// Visible already: `10.0.0.1:443`, `~/.cache/agent.sock`.
    pub what: String,
    pub sign: &'static str,
    pub tone: Tone,
    /// What came of it, where that was an error; of what is open, what flows.
    pub why: String,
    /// Requests up to now, and the first and last of them in nanoseconds since the session's start.
    pub count: u64,
    pub t: [u64; 2],
}

/// What the panel shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetView<'a> {
    pub rows: &'a [PlaceRow],
    /// Says that the list is not whole yet; empty when it is.
    pub progress: &'a str,
    /// Rows scrolled away at the top.
    pub scroll: usize,
    pub focus: bool,
    pub edge: Edge,
}

impl Places {
    /// Takes in one event; those that are not of the network are left alone.
    pub fn add(&mut self, stamped: &Stamped, bearings: &Bearings) {
        match &stamped.event {
            Event::Judged(judged) if judged.kind == Kind::Net => self.judged(stamped.t, judged, bearings),
            Event::Tunnel(tunnel) => self.tunnels.add(stamped.t, tunnel),
            Event::Dns(dns) if dns.verdict == Verdict::Deny => {
                let kind = if matches!(dns.qtype, 1 | 28) { String::new() } else { format!(" {}", qtype(dns.qtype)) };
                let what = format!("lookup {}{kind}", bounded(dns.name.as_bytes(), 400));
                self.count(stamped.t, what, Fate::Denied, String::new());
            }
            Event::Http(http) if http.verdict == Verdict::Deny => {
                let (method, path) = (bounded(http.method.as_bytes(), 16), bounded(http.path.as_bytes(), 300));
                let what = format!("{method} {}{path}", authority(&http.host, http.port));
                self.count(stamped.t, what, Fate::Denied, String::new());
            }
            _ => {}
        }
    }

    fn judged(&mut self, t: u64, judged: &Judged, bearings: &Bearings) {
        let fate = match judged.verdict {
            Verdict::Deny => Fate::Denied,
            Verdict::Ask => Fate::Asked,
            Verdict::Allow if judged.errno == 0 || judged.errno == libc::EINPROGRESS => Fate::Reached,
            Verdict::Allow => Fate::Failed,
        };
        let object = Object::from(judged).shown(bearings, 400);
        let what = if judged.op == "connect" { object } else { format!("{} {object}", judged.op) };
        let why = if fate == Fate::Failed { failure(judged.errno).unwrap_or_default() } else { String::new() };
        self.count(t, what, fate, why);
    }

    fn count(&mut self, t: u64, what: String, fate: Fate, why: String) {
        let key = (what, fate);
        if let Some(place) = self.same.get(&key).and_then(|at| self.kept.get_mut(*at)) {
            let full = place.times.len() >= TIMES;
            return match place.times.last_mut().filter(|_| full) {
                Some(last) => last.1 += 1,
                None => place.times.push((t, 1)),
            };
        }
        if self.kept.len() >= KEPT {
            self.beyond += 1;
            return;
        }
        self.kept.push(Place { what: key.0.clone(), fate, why, times: vec![(t, 1)] });
        self.same.insert(key, self.kept.len() - 1);
    }

    /// Forgets everything: for another session, or to begin anew.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Those up to `t`: open, refused, asked, reached, failed; in each the latest first, of what is open the busiest.
    pub fn rows_at(&self, t: u64) -> Vec<PlaceRow> {
        let mut rows: Vec<_> = self.kept.iter().filter_map(|place| Some((place.fate as u8, place.row(t)?))).collect();
        rows.sort_by_key(|(fate, row)| (*fate, std::cmp::Reverse(row.t[1])));
        let mut open: Vec<_> = self.tunnels.open_at(t).into_iter().collect();
        open.sort_by_key(|(_, flow)| std::cmp::Reverse((flow.up_rate.saturating_add(flow.down_rate), flow.from)));
        let open = open.into_iter().map(|(place, flow)| PlaceRow {
            what: place.to_owned(),
            sign: OPEN,
            tone: Tone::Net,
            why: flow.words(),
            count: flow.count,
            t: [flow.from, flow.from],
        });
        open.chain(rows.into_iter().map(|(_, row)| row)).collect()
    }

    /// Requests to places that are not kept, of the whole session.
    pub fn beyond(&self) -> u64 {
        self.beyond
    }
}

impl Place {
    fn row(&self, t: u64) -> Option<PlaceRow> {
        let up_to = self.times.partition_point(|(at, _)| *at <= t);
        let times = self.times.get(..up_to)?;
        let (first, last) = (times.first()?.0, times.last()?.0);
        let (sign, tone) = match self.fate {
            Fate::Denied => ("✘", Tone::Deny),
            Fate::Asked => ("?", Tone::Ask),
            Fate::Reached => ("✔", Tone::Allow),
            Fate::Failed => ("·", Tone::Dim),
        };
        let count = times.iter().map(|(_, count)| count).sum();
        Some(PlaceRow { what: self.what.clone(), sign, tone, why: self.why.clone(), count, t: [first, last] })
    }
}

pub fn draw(frame: &mut Frame, area: Rect, view: &NetView, theme: &Theme) {
    let refused = view.rows.iter().filter(|row| row.tone == Tone::Deny).count();
    let open: u64 = view.rows.iter().filter(|row| row.sign == OPEN).map(|row| row.count).sum();
    let reached = view.rows.iter().filter(|row| row.sign != OPEN && row.tone != Tone::Deny).count();
    let counts = [(open, "open"), (reached as u64, "reached"), (refused as u64, "denied")];
    let words = |leaves: bool| {
        let told = counts.iter().filter(|(count, what)| *count > 0 || *what == "reached");
        let told = told.filter(|(_, what)| !(leaves && *what == "reached"));
        told.map(|(count, what)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
    };
    // Places that were reached stand below; what is open or was refused is said where there is not room for all three.
    let narrow = width(&words(false)) + width("network") + 6 > usize::from(area.width);
    let mut state = words(narrow && open + refused as u64 > 0);
    if !view.progress.is_empty() {
        view.progress.clone_into(&mut state);
    }
    let title = Title { left: "network", right: &state, focus: view.focus };
    let inner = framed(frame, area, title, view.edge, theme);
    let buffer = frame.buffer_mut();
    if view.rows.is_empty() {
        put(buffer, inner, 1, "nothing was reached", theme.dim);
    }
    for (row, line) in view.rows.iter().skip(view.scroll).zip(rows(inner)) {
        let line = Rect { x: line.x + line.width.min(1), width: line.width.saturating_sub(2), ..line };
        let times = if row.count > 1 { format!("×{}", row.count) } else { String::new() };
        let why = if row.why.is_empty() { String::new() } else { format!("{} ", row.why) };
        let facts = match line.width {
            // Of a narrow line it is what flows that is wanted.
            _ if row.sign == OPEN && line.width < 60 => format!("{why}{times:>4}"),
            44.. if row.sign == OPEN => format!("{why}{times:>5}  since {}", clock(row.t[0])),
            44.. => format!("{why}{times:>5}  {} {}", if row.count > 1 { "last" } else { "at" }, clock(row.t[1])),
            _ => times,
        };
        let end = usize::from(line.width).saturating_sub(width(&facts));
        put(buffer, line, 0, row.sign, row.tone.style(theme));
        let body = if row.tone == Tone::Deny { theme.deny } else { theme.plain };
        put(buffer, line, 2, &middle(&row.what, end.saturating_sub(3)), body);
        put(buffer, line, end, &facts, theme.dim);
    }
}
