//! The first line: which session, under which policy, whether it can be trusted, and how it is being looked at.
//!
//! Invariant: of what does not fit, the least telling goes first; a broken seal and the time never go.
//! Leaves to others: checking the seal (`recording::verify`).

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::Tone;
use super::edge::row;
use super::text::{front, middle, width};
use super::words::round;
use crate::recording::summary::clock;
use crate::tui::Theme;

/// What is known of the recording's integrity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Seal {
    /// Nobody looked yet.
    #[default]
    Unknown,
    /// Being looked at: per cent.
    Checking(u8),
    /// Intact, and signed by this name.
    Signed(String),
    /// Intact and closed, without a signature.
    Unsigned,
    /// Intact as far as it goes, not closed.
    Open,
    /// What is wrong, in a few words.
    Altered(String),
    /// The session is not recorded: there is nothing to seal.
    Unrecorded,
}

/// How the session is being looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Play {
    #[default]
    Paused,
    Playing,
    /// A running session, at its right edge.
    Following,
    /// A running session, looked back at.
    Back,
}

/// What a running session does now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pulse {
    /// `working`, `idle 22m`, `asks`.
    pub state: String,
    pub frozen: bool,
    /// Events and bytes of output in the last second, where that is known.
    pub rates: Option<(u64, u64)>,
    /// Watchers, this one included; 0 where that is not known.
    pub watchers: usize,
    /// News that were left out, because this watcher did not read in time.
    pub missed: u64,
    /// Questions that wait.
    pub asks: usize,
}

/// What the header shows. Texts are visible already.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderView {
    /// `k3f9`, or the file's name.
    pub id: String,
    pub agent: String,
    /// `~/src/shop`.
    pub place: String,
    /// `21 Nov 17:49`.
    pub date: String,
    /// `codex@9f2c`.
    pub policy: String,
    pub seal: Seal,
    pub play: Play,
    /// In quarters: 4 is as fast as it was.
    pub speed: u32,
    /// Pauses are skipped.
    pub skips: bool,
    /// The present time and the end, in nanoseconds since the session's start.
    pub now: u64,
    pub total: u64,
    /// Of a running session.
    pub pulse: Option<Pulse>,
}

/// A piece of the header in several lengths, the longest first.
struct Piece {
    forms: Vec<String>,
    tone: Tone,
    /// Goes the sooner, the lower.
    worth: u8,
}

pub fn draw(frame: &mut Frame, area: Rect, view: &HeaderView, theme: &Theme) {
    let area = area.intersection(frame.area());
    let right = right(view, area.width);
    let taken: usize = right.iter().map(|(text, _)| width(text)).sum();
    let left = fitted(pieces(view), usize::from(area.width).saturating_sub(taken + 2));
    let mut parts: Vec<(&str, Style)> = vec![(" ", theme.plain)];
    for (index, (text, tone)) in left.iter().enumerate() {
        if index > 0 {
            parts.push((" · ", theme.dim));
        }
        parts.push((text, tone.style(theme)));
    }
    let right: Vec<_> = right.iter().map(|(text, tone)| (text.as_str(), tone.style(theme))).collect();
    row(frame.buffer_mut(), area, &parts, &right);
}

fn pieces(view: &HeaderView) -> Vec<Piece> {
    let (seal, short, tone) = seal(&view.seal);
    let name = format!("{} {}", view.id, view.agent);
    let mut pieces = vec![
        Piece { forms: vec![name.clone(), middle(&name, 18), middle(&view.id, 10)], tone: Tone::Strong, worth: 8 },
        Piece {
            forms: vec![view.place.clone(), middle(&view.place, 24), middle(&view.place, 12)],
            tone: Tone::Plain,
            worth: 3,
        },
        Piece { forms: vec![view.date.clone()], tone: Tone::Dim, worth: 1 },
        Piece { forms: vec![format!("policy {}", view.policy), middle(&view.policy, 16)], tone: Tone::Plain, worth: 2 },
        Piece { forms: vec![seal, short.to_owned()], tone, worth: if tone == Tone::Deny { 9 } else { 5 } },
    ];
    if let Some(pulse) = &view.pulse {
        let (state, tone) = match pulse {
            Pulse { asks: 1.., .. } => (format!("asks {}", pulse.asks), Tone::Ask),
            Pulse { frozen: true, .. } => ("frozen".to_owned(), Tone::Accent),
            _ => (pulse.state.clone(), Tone::Allow),
        };
        pieces.push(Piece { forms: vec![state], tone, worth: 7 });
        if pulse.frozen && pulse.asks > 0 {
            pieces.push(Piece { forms: vec!["frozen".to_owned()], tone: Tone::Accent, worth: 7 });
        }
        if let Some((events, out)) = pulse.rates {
            let rates = format!("{} events/s  {}B/s", round(events), round(out));
            pieces.push(Piece { forms: vec![rates, format!("{}/s", round(events))], tone: Tone::Dim, worth: 2 });
        }
        if pulse.watchers > 1 {
            pieces.push(Piece { forms: vec![format!("{} watching", pulse.watchers)], tone: Tone::Dim, worth: 4 });
        }
        if pulse.missed > 0 {
            let forms = vec![format!("{} updates missed", pulse.missed), format!("missed {}", pulse.missed)];
            pieces.push(Piece { forms, tone: Tone::Ask, worth: 6 });
        }
    }
    pieces.retain(|piece| piece.forms.first().is_some_and(|form| !form.trim().is_empty()));
    pieces
}

/// The seal in words, in short, and how it looks.
fn seal(seal: &Seal) -> (String, &'static str, Tone) {
    match seal {
        Seal::Unknown => (String::new(), "", Tone::Dim),
        Seal::Checking(done) => (format!("checking {done} %"), "…", Tone::Dim),
        Seal::Signed(by) => (format!("✔ intact, signed by {by}"), "✔ signed", Tone::Allow),
        Seal::Unsigned => ("✔ intact, not signed".to_owned(), "✔ intact", Tone::Plain),
        Seal::Open => ("open".to_owned(), "open", Tone::Dim),
        Seal::Altered(what) => (format!("✘ ALTERED: {what}"), "✘ ALTERED", Tone::Deny),
        Seal::Unrecorded => ("not recorded".to_owned(), "not recorded", Tone::Dim),
    }
}

/// From this worth on a piece is shortened rather than left out, as long as any can be.
const KEPT: u8 = 5;

/// Shortens pieces and leaves them out, the least telling first, until they fit.
fn fitted(mut pieces: Vec<Piece>, room: usize) -> Vec<(String, Tone)> {
    let first = |piece: &Piece| piece.forms.first().map_or(0, |form| width(form));
    let total = |pieces: &[Piece]| pieces.iter().map(|piece| first(piece) + 3).sum::<usize>().saturating_sub(2);
    while total(&pieces) > room {
        let least = pieces.iter().map(|piece| piece.worth).min().unwrap_or(0);
        let widest = pieces.iter_mut().filter(|piece| piece.forms.len() > 1 && (least >= KEPT || piece.worth == least));
        if let Some(piece) = widest.max_by_key(|piece| first(piece)) {
            piece.forms.remove(0);
        } else if pieces.len() > 1 {
            let at = pieces.iter().position(|piece| piece.worth == least).unwrap_or(0);
            pieces.remove(at);
        } else {
            break;
        }
    }
    let shown = pieces.into_iter().filter_map(|piece| Some((piece.forms.into_iter().next()?, piece.tone)));
    shown.map(|(form, tone)| (front(&form, room), tone)).collect()
}

/// Play state, speed and time, at the right end.
fn right(view: &HeaderView, width: u16) -> Vec<(String, Tone)> {
    let (sign, words, tone) = match view.play {
        Play::Playing => ("▶", "", Tone::Accent),
        Play::Paused => ("‖", "paused", Tone::Dim),
        Play::Following => ("●", "live", Tone::Allow),
        Play::Back => ("◀", "looking back", Tone::Accent),
    };
    let words = if width >= 100 || view.play == Play::Following { words } else { "" };
    let speed = match (view.play, view.speed) {
        (Play::Following, _) | (_, 0 | 4) => String::new(),
        (_, 1) => "¼×".to_owned(),
        (_, 2) => "½×".to_owned(),
        (_, quarters) => format!("{}×", quarters / 4),
    };
    let skips = if view.skips && width >= 60 && view.play != Play::Following { "no pauses" } else { "" };
    let state: Vec<_> = [sign, words, &speed, skips].into_iter().filter(|part| !part.is_empty()).collect();
    let time = match view.play {
        Play::Following => clock(view.total),
        _ => format!("{} / {}", clock(view.now), clock(view.total)),
    };
    vec![(format!("{}  ", state.join(" ")), tone), (format!("{time} "), Tone::Strong)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_most_stays() {
        let view = HeaderView {
            id: "k3f9".to_owned(),
            agent: "codex".to_owned(),
            place: "~/src/shop".to_owned(),
            date: "21 Nov 17:49".to_owned(),
            policy: "codex@9f2c".to_owned(),
            seal: Seal::Altered("frame 12".to_owned()),
            ..HeaderView::default()
        };
        let shown =
            |room| fitted(pieces(&view), room).into_iter().map(|(text, _)| text).collect::<Vec<_>>().join(" · ");
        assert_eq!(shown(100), "k3f9 codex · ~/src/shop · 21 Nov 17:49 · policy codex@9f2c · ✘ ALTERED: frame 12");
        assert_eq!(shown(60), "k3f9 codex · ~/src/shop · codex@9f2c · ✘ ALTERED: frame 12");
        assert_eq!(shown(30), "k3f9 codex · ✘ ALTERED");
        assert_eq!(shown(10), "✘ ALTERED");
        assert_eq!(shown(4), "✘ A…");
        let pulse = Pulse { state: "working".to_owned(), missed: 12, ..Pulse::default() };
        let view = HeaderView { pulse: Some(pulse), seal: Seal::Open, ..view };
        let shown = fitted(pieces(&view), 60).into_iter().map(|(text, _)| text).collect::<Vec<_>>().join(" · ");
        assert_eq!(shown, "k3f9 codex · open · working · 12 updates missed");
    }
}
