//! A question that waits: who, what, why, for how long, and exactly what *always* would write.
//!
//! Invariant: what is asked for is never cut at its end; while the guard delay runs, the keys look as dead as they are.
//! Leaves to others: deciding, keys (the app), the same panel in the session's own terminal (`session::overlay`).

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::Rect;

use super::Tone;
use super::edge::{Title, over, put, row, rows};
use super::text::{MOST, bounded, few, middle, width, wrap};
use super::words::{Bearings, Object, ancestry, want};
use crate::event::{Ask, Kind};
use crate::recording::Word;
use crate::recording::summary::clock;
use crate::tui::Theme;

/// An answer that can be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    pub key: String,
    pub words: String,
    /// The rule it would add, where it adds one, and where that is written.
    pub rule: Option<(String, String)>,
    pub tone: Tone,
}

/// What the panel shows. Texts are visible already.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QuestionView {
    /// The object: a command, a path, an address.
    pub what: String,
    /// `wants to run`.
    pub wants: String,
    /// `codex › bash -lc › git`.
    pub ancestry: String,
    pub place: String,
    /// With file and line, and the layer.
    pub rule: String,
    /// In the words of the rule's author; may be empty.
    pub reason: String,
    pub left: Duration,
    /// Calls that wait for this answer.
    pub calls: usize,
    /// Questions behind this one.
    pub waiting: usize,
    pub ways: Vec<Way>,
    /// The guard delay is over: keys act.
    pub awake: bool,
    /// Row among the ways that the arrows chose.
    pub chosen: Option<usize>,
    /// What was said to the last answer, such as `answered by watch:ada@pts/3`; empty for none.
    pub notice: String,
}

/// The keys that choose a rule to add, the narrowest first.
pub const ALWAYS: [&str; 4] = ["a", "w", "W", "A"];

/// The panel for `ask`.
pub fn of(ask: &Ask, left: Duration, calls: usize, waiting: usize, bearings: &Bearings) -> QuestionView {
    let object = match ask.of {
        Kind::File if ask.path2.is_empty() => bearings.from_home(&ask.path),
        _ => Object::from(ask).shown(bearings, 8 * MOST),
    };
    QuestionView {
        what: object,
        wants: format!("wants to {}", want(ask.op, ask.of, ask.access)),
        ancestry: ancestry(ask.ancestry.iter().map(Vec::as_slice)),
        place: bearings.from_home(&ask.cwd),
        rule: format!("{} ({})", bounded(ask.rule.as_bytes(), MOST), ask.layer.word()),
        reason: bounded(ask.reason.as_bytes(), MOST),
        left,
        calls,
        waiting,
        ways: ways(ask),
        awake: true,
        chosen: None,
        notice: String::new(),
    }
}

fn ways(ask: &Ask) -> Vec<Way> {
    let way = |key: &str, words: &str, tone| Way { key: key.to_owned(), words: words.to_owned(), rule: None, tone };
    let mut ways = vec![
        way("o", "once", Tone::Allow),
        way("s", "this session", Tone::Allow),
        way("p", "this program, this session", Tone::Allow),
        way("d", "deny", Tone::Deny),
        way("n", "deny, and ask no more", Tone::Deny),
    ];
    let kept = ask.choices.iter().zip(ALWAYS).enumerate().filter(|_| !ask.file.is_empty());
    ways.extend(kept.map(|(index, (choice, key))| {
        let rule = format!("{} \"{}\"", bounded(choice.key.as_bytes(), 64), bounded(choice.text.as_bytes(), MOST));
        let words = if index == 0 { "always" } else { "wider" };
        Way {
            key: key.to_owned(),
            words: words.to_owned(),
            rule: Some((rule, bounded(ask.file.as_bytes(), MOST))),
            tone: Tone::Plain,
        }
    }));
    ways
}

/// Columns that the panel likes to have, and the rows it needs in `width` columns.
pub fn size(view: &QuestionView, width: u16) -> (u16, u16) {
    let columns = width.min(84);
    let inner = usize::from(columns).saturating_sub(4);
    let what = wrap(&view.what, inner).len().min(4);
    let plain = view.ways.iter().filter(|way| way.rule.is_none()).count().div_ceil(2);
    let kept = view.ways.iter().filter(|way| way.rule.is_some()).count();
    let file = usize::from(kept > 0);
    let extra = usize::from(!view.reason.is_empty()) + usize::from(!view.notice.is_empty());
    let crowded = width_of_first(view) >= inner;
    let rows = 2 + what + 3 + usize::from(crowded) + extra + 1 + plain + kept + file + 1;
    (columns, u16::try_from(rows).unwrap_or(u16::MAX))
}

pub fn draw(frame: &mut Frame, area: Rect, view: &QuestionView, theme: &Theme) {
    let left = clock(u64::try_from(view.left.as_nanos()).unwrap_or(u64::MAX));
    let title = Title { left: "govsh asks", right: &left, focus: true };
    let inner = over(frame, area, title, theme.ask, theme);
    let buffer = frame.buffer_mut();
    let room = usize::from(inner.width);
    let lines = lines(view, room, usize::from(inner.height));
    for (line, at) in lines.iter().zip(rows(inner)) {
        match line {
            Line::Text(text, tone) => {
                put(buffer, at, 0, text, tone.style(theme));
            }
            Line::Ends(one, other) => {
                row(buffer, at, &[(one, theme.plain)], &[(other, theme.dim)]);
            }
            Line::Ways(ways) => draw_ways(buffer, at, ways, view, theme),
        }
    }
}

fn calls(view: &QuestionView) -> String {
    if view.calls > 1 { format!(" ({} calls)", view.calls) } else { String::new() }
}

/// Who, and what they want: in one line where it fits.
fn width_of_first(view: &QuestionView) -> usize {
    width(&view.ancestry) + width(&view.wants) + width(&calls(view))
}

enum Line<'a> {
    Text(String, Tone),
    Ends(String, String),
    /// Beside each other, with their place among all.
    Ways(Vec<(usize, &'a Way)>),
}

fn lines(view: &QuestionView, room: usize, height: usize) -> Vec<Line<'_>> {
    let plain: Vec<_> = view.ways.iter().enumerate().filter(|(_, way)| way.rule.is_none()).collect();
    let kept: Vec<_> = view.ways.iter().enumerate().filter(|(_, way)| way.rule.is_some()).collect();
    let mut below: Vec<Line> = plain.chunks(2).map(|pair| Line::Ways(pair.to_vec())).collect();
    below.extend(kept.iter().map(|way| Line::Ways(vec![*way])));
    if let Some((_, file)) = kept.first().and_then(|(_, way)| way.rule.as_ref()) {
        below.push(Line::Text(format!("   written to {}", middle(file, room.saturating_sub(14))), Tone::Dim));
    }
    let more = if view.waiting > 0 { format!("↓ {} more waiting", view.waiting) } else { String::new() };
    below.push(Line::Ends(more, "v  see the screen first".to_owned()));

    let calls = calls(view);
    let mut above = vec![
        Line::Ends(middle(&view.ancestry, room), format!("{}{calls}", view.wants)),
        Line::Text(format!("in {}", middle(&view.place, room.saturating_sub(3))), Tone::Dim),
        Line::Text(format!("rule: {}", middle(&view.rule, room.saturating_sub(6))), Tone::Dim),
    ];
    if width_of_first(view) >= room {
        above.insert(0, Line::Text(format!("{}{calls}", view.wants), Tone::Plain));
    }
    if !view.reason.is_empty() {
        above.push(Line::Text(format!("because: {}", middle(&view.reason, room.saturating_sub(9))), Tone::Plain));
    }
    if !view.notice.is_empty() {
        above.push(Line::Text(middle(&view.notice, room), Tone::Accent));
    }
    // The answers are always in sight; what is asked for takes what is left, up to four lines, cut in the middle.
    let spare = height.saturating_sub(above.len() + below.len()).clamp(1, 4);
    let mut all: Vec<Line> =
        few(wrap(&view.what, room), spare).into_iter().map(|line| Line::Text(line, Tone::Strong)).collect();
    all.extend(above);
    let free = height.saturating_sub(all.len() + below.len());
    all.extend((0..free.min(1)).map(|_| Line::Text(String::new(), Tone::Plain)));
    let cut = (all.len() + below.len()).saturating_sub(height).min(all.len().saturating_sub(1));
    all.truncate(all.len() - cut);
    all.extend(below);
    all
}

fn draw_ways(
    buffer: &mut ratatui::buffer::Buffer,
    line: Rect,
    ways: &[(usize, &Way)],
    view: &QuestionView,
    theme: &Theme,
) {
    let half = line.width / 2;
    for (index, (place, way)) in ways.iter().enumerate() {
        let part = match ways.len() {
            1 => line,
            _ => Rect { x: line.x + if index == 0 { 0 } else { half }, width: half, ..line },
        };
        let alive = |style| if view.awake { style } else { theme.dim };
        if view.chosen == Some(*place) {
            buffer.set_style(part, theme.chosen);
        }
        let at = put(buffer, part, 1, &format!("{}  ", way.key), alive(theme.accent));
        let Some((rule, _)) = &way.rule else {
            put(buffer, part, at, &way.words, alive(way.tone.style(theme)));
            continue;
        };
        let at = put(buffer, part, at, &format!("{}: ", way.words), alive(theme.plain));
        put(buffer, part, at, &middle(rule, usize::from(part.width).saturating_sub(at)), alive(theme.strong));
    }
}
