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
use crate::event::{Ask, Kind, Scope};
use crate::policy::Verdict;
use crate::recording::Word;
use crate::recording::summary::clock;
use crate::tui::Theme;

/// What a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// With the choice that the panel offers, where the scope keeps a rule.
    Answer(Verdict, Scope),
    /// Offers the next choice, after the widest the narrowest again.
    Wider,
    /// Closes the panel to look at the screen beneath it.
    Screen,
}

/// A key of the panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    pub key: char,
    pub act: Act,
    pub words: String,
    /// The rule that it would add or offer; empty for none.
    pub rule: String,
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
    /// What really runs, where the command does not say it in full; else empty.
    pub program: String,
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
    /// Place among the question's choices of the one that is offered.
    pub choice: usize,
    /// Where *always* writes to; empty where nothing can be kept.
    pub file: String,
    /// The guard delay is over: keys act.
    pub awake: bool,
    /// Row among the ways that the arrows chose.
    pub chosen: Option<usize>,
    /// What was said to the last answer, such as `answered by watch:ada@pts/3`; empty for none.
    pub notice: String,
}

/// The panel for `ask`, with `choice` among its choices offered.
pub fn of(
    ask: &Ask,
    left: Duration,
    (calls, waiting): (usize, usize),
    choice: usize,
    bearings: &Bearings,
) -> QuestionView {
    let object = match ask.of {
        Kind::File if ask.path2.is_empty() => bearings.from_home(&ask.path),
        _ => Object::from(ask).shown(bearings, 8 * MOST),
    };
    QuestionView {
        what: object,
        wants: format!("wants to {}", want(ask.op, ask.of, ask.access)),
        ancestry: ancestry(ask.ancestry.iter().map(Vec::as_slice)),
        place: bearings.from_home(&ask.cwd),
        program: program(ask),
        rule: format!("{} ({})", bounded(ask.rule.as_bytes(), MOST), ask.layer.word()),
        reason: bounded(ask.reason.as_bytes(), MOST),
        left,
        calls,
        waiting,
        ways: ways(ask, choice),
        choice,
        file: bounded(ask.file.as_bytes(), MOST),
        awake: true,
        chosen: None,
        notice: String::new(),
    }
}

/// The path of the program, which the first word of the command need not name: the same word means another one elsewhere.
fn program(ask: &Ask) -> String {
    let told = ask.argv.first().is_some_and(|first| *first == ask.path);
    if ask.of == Kind::Exec && !told { bounded(&ask.path, MOST) } else { String::new() }
}

/// What `key` means in this panel.
pub fn act(view: &QuestionView, key: char) -> Option<Act> {
    view.ways.iter().find(|way| way.key == key).map(|way| way.act)
}

fn ways(ask: &Ask, choice: usize) -> Vec<Way> {
    use Act::Answer;
    use Verdict::{Allow, Deny};

    let rule = |at: usize| {
        let choice = ask.choices.get(at)?;
        Some(format!("{} \"{}\"", bounded(choice.key.as_bytes(), 64), bounded(choice.text.as_bytes(), MOST)))
    };
    let way = |key, act, words: &str, tone| Way { key, act, words: words.to_owned(), rule: String::new(), tone };
    let mut ways = vec![
        way('o', Answer(Allow, Scope::Once), "once", Tone::Allow),
        way('d', Answer(Deny, Scope::Once), "deny", Tone::Deny),
        way('p', Answer(Allow, Scope::Program), "this program, this session", Tone::Allow),
        way('n', Answer(Deny, Scope::Never), "deny, and ask no more", Tone::Deny),
    ];
    if let Some(offered) = rule(choice) {
        let session = way('s', Answer(Allow, Scope::Session), "this session", Tone::Allow);
        ways.push(Way { rule: offered.clone(), ..session });
        if !ask.file.is_empty() {
            let always = way('a', Answer(Allow, Scope::Always), "always", Tone::Allow);
            ways.push(Way { rule: offered, ..always });
        }
    }
    if ask.choices.len() > 1 {
        let (next, words) = if choice + 1 < ask.choices.len() { (choice + 1, "wider") } else { (0, "narrower") };
        ways.push(Way { rule: rule(next).unwrap_or_default(), ..way('w', Act::Wider, words, Tone::Plain) });
    }
    ways.push(way('v', Act::Screen, "see the screen first", Tone::Plain));
    ways
}

/// Columns that the panel likes to have, and the rows it needs in `width` columns.
pub fn size(view: &QuestionView, width: u16) -> (u16, u16) {
    let columns = width.min(84);
    let inner = usize::from(columns).saturating_sub(4);
    let what = wrap(&view.what, inner).len().min(4);
    let (plain, kept) = (pairs(view).len().div_ceil(2), view.ways.iter().filter(|way| !way.rule.is_empty()).count());
    let file = usize::from(!view.file.is_empty());
    let extra = usize::from(!view.reason.is_empty()) + usize::from(!view.notice.is_empty());
    let crowded = width_of_first(view) >= inner;
    let rows = 2 + what + 2 + place(view, inner).len() + usize::from(crowded) + extra + 1 + plain + kept + file + 1;
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

/// Where, and which program: in one line where they fit.
fn place(view: &QuestionView, room: usize) -> Vec<Line<'_>> {
    let place = if view.place.is_empty() { String::new() } else { format!("in {}", view.place) };
    let program = if view.program.is_empty() { String::new() } else { format!("runs {}", view.program) };
    if width(&place) + width(&program) < room {
        return if width(&place) + width(&program) == 0 { Vec::new() } else { vec![Line::Ends(place, program)] };
    }
    [program, place].iter().map(|text| Line::Text(middle(text, room), Tone::Dim)).collect()
}

fn calls(view: &QuestionView) -> String {
    if view.calls > 1 { format!(" ({} calls)", view.calls) } else { String::new() }
}

/// Who, and what they want: in one line where it fits.
fn width_of_first(view: &QuestionView) -> usize {
    width(&view.ancestry) + width(&view.wants) + width(&calls(view))
}

/// The ways that add no rule, with their places: they stand beside each other.
fn pairs(view: &QuestionView) -> Vec<(usize, &Way)> {
    let plain = |way: &Way| way.rule.is_empty() && way.act != Act::Screen;
    view.ways.iter().enumerate().filter(|(_, way)| plain(way)).collect()
}

enum Line<'a> {
    Text(String, Tone),
    Ends(String, String),
    /// Beside each other, with their place among all.
    Ways(Vec<(usize, &'a Way)>),
}

fn lines(view: &QuestionView, room: usize, height: usize) -> Vec<Line<'_>> {
    let mut below: Vec<Line> = pairs(view).chunks(2).map(|pair| Line::Ways(pair.to_vec())).collect();
    for (at, way) in view.ways.iter().enumerate().filter(|(_, way)| !way.rule.is_empty()) {
        below.push(Line::Ways(vec![(at, way)]));
        if way.act == Act::Answer(Verdict::Allow, Scope::Always) {
            below.push(Line::Text(format!("    → {}", middle(&view.file, room.saturating_sub(6))), Tone::Dim));
        }
    }
    let more = if view.waiting > 0 { format!("{} more waiting", view.waiting) } else { String::new() };
    let look = view.ways.iter().find(|way| way.act == Act::Screen);
    below.push(Line::Ends(more, look.map_or(String::new(), |way| format!("{}  {}", way.key, way.words))));

    let calls = calls(view);
    let mut above = vec![
        Line::Ends(middle(&view.ancestry, room), format!("{}{calls}", view.wants)),
        Line::Text(format!("rule: {}", middle(&view.rule, room.saturating_sub(6))), Tone::Dim),
    ];
    above.splice(1..1, place(view, room));
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
        let words = if way.rule.is_empty() { way.words.clone() } else { format!("{}: ", way.words) };
        let at = put(buffer, part, at, &words, alive(way.tone.style(theme)));
        let strong = if way.act == Act::Wider { theme.plain } else { theme.strong };
        put(buffer, part, at, &middle(&way.rule, usize::from(part.width).saturating_sub(at)), alive(strong));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::story::ask;
    use super::*;

    #[test]
    fn a_key_means_what_the_panel_says() {
        let view = |choice| of(&ask(), Duration::from_secs(1), (1, 0), choice, &Bearings::default());
        assert_eq!(act(&view(0), 'o'), Some(Act::Answer(Verdict::Allow, Scope::Once)));
        assert_eq!(act(&view(0), 'n'), Some(Act::Answer(Verdict::Deny, Scope::Never)));
        assert_eq!((act(&view(0), 'w'), act(&view(0), 'y')), (Some(Act::Wider), None));
        let rules = |choice| view(choice).ways.into_iter().map(|way| (way.key, way.rule)).skip(4).collect::<Vec<_>>();
        let (narrow, wide) = ("exec \"git push origin agent/**\"".to_owned(), "exec \"git push **\"".to_owned());
        let none = ('v', String::new());
        assert_eq!(rules(0), [('s', narrow.clone()), ('a', narrow.clone()), ('w', wide.clone()), none.clone()]);
        assert_eq!(rules(1), [('s', wide.clone()), ('a', wide), ('w', narrow), none]);
    }

    #[test]
    fn nothing_is_always_where_it_cannot_be_written() {
        let view = of(&Ask { file: String::new(), ..ask() }, Duration::ZERO, (1, 0), 0, &Bearings::default());
        assert_eq!(act(&view, 'a'), None);
        assert!(act(&view, 's').is_some());
    }
}
