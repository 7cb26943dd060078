//! The last line: the keys that help most now, or what is being typed, said or waited for.
//!
//! Invariant: the cursor of a prompt is in sight however long the text is.
//! Leaves to others: which keys (`keys::foot`), editing (the app).

use ratatui::Frame;
use ratatui::layout::{Position, Rect};

use super::Tone;
use super::edge::{put, row};
use super::text::{front, width};
use crate::tui::Theme;

/// What the line shows. Texts are visible already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FootView<'a> {
    /// Keys and what they do.
    Keys(&'a [(&'a str, &'a str)]),
    Prompt(Prompt<'a>),
    Progress(Progress<'a>),
    /// Something to be told.
    Notice {
        text: &'a str,
        tone: Tone,
    },
}

/// A line being typed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prompt<'a> {
    /// `/`, `go to`, `filter`, `marker`.
    pub label: &'a str,
    pub text: &'a str,
    /// Characters of `text` in front of the cursor.
    pub cursor: usize,
    /// What may be typed, shown dim at the right.
    pub hint: &'a str,
    /// What is wrong with it, in place of the hint.
    pub wrong: &'a str,
}

/// Something that takes a while.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress<'a> {
    /// `searching for "error"`.
    pub what: &'a str,
    /// In thousandths.
    pub done: u16,
    /// `3 hits`, `1.2 of 3.4 GB`.
    pub says: &'a str,
    /// Key that stops it.
    pub stop: &'a str,
}

pub fn draw(frame: &mut Frame, area: Rect, view: &FootView, theme: &Theme) {
    let area = area.intersection(frame.area());
    match view {
        FootView::Keys(keys) => draw_keys(frame, area, keys, theme),
        FootView::Prompt(prompt) => draw_prompt(frame, area, prompt, theme),
        FootView::Progress(progress) => draw_progress(frame, area, progress, theme),
        FootView::Notice { text, tone } => {
            let text = front(text, usize::from(area.width).saturating_sub(2));
            put(frame.buffer_mut(), area, 1, &text, tone.style(theme));
        }
    }
}

fn draw_keys(frame: &mut Frame, area: Rect, keys: &[(&str, &str)], theme: &Theme) {
    let mut at = 1;
    for (key, words) in keys {
        if at + width(key) + 1 + width(words) > usize::from(area.width) {
            break;
        }
        at = put(frame.buffer_mut(), area, at, key, theme.accent);
        at = put(frame.buffer_mut(), area, at + 1, words, theme.dim) + 2;
    }
}

fn draw_prompt(frame: &mut Frame, area: Rect, prompt: &Prompt, theme: &Theme) {
    let (note, style) = if prompt.wrong.is_empty() { (prompt.hint, theme.dim) } else { (prompt.wrong, theme.deny) };
    let label = if prompt.label == "/" { "/".to_owned() } else { format!("{} ", prompt.label) };
    let room = usize::from(area.width).saturating_sub(width(&label) + 2);
    let split = prompt.text.char_indices().nth(prompt.cursor).map_or(prompt.text.len(), |(at, _)| at);
    let (before, after) = prompt.text.split_at(split);
    // A line too long for the room is moved to the left until the cursor is in it.
    let mut shown = before;
    while width(shown) > room.saturating_sub(1) {
        let mut characters = shown.chars();
        characters.next();
        shown = characters.as_str();
    }
    let buffer = frame.buffer_mut();
    let text = format!("{shown}{after}");
    let note = if width(&text) + width(note) + 4 < room { format!("{note} ") } else { String::new() };
    row(buffer, area, &[(" ", theme.plain), (&label, theme.accent)], &[(&note, style)]);
    let from = 1 + width(&label);
    put(buffer, area, from, &text, if prompt.wrong.is_empty() { theme.plain } else { theme.deny });
    let x = u16::try_from(from + width(shown)).unwrap_or(u16::MAX);
    if x < area.width && area.height > 0 {
        frame.set_cursor_position(Position::new(area.x + x, area.y));
    }
}

fn draw_progress(frame: &mut Frame, area: Rect, progress: &Progress, theme: &Theme) {
    let percent = format!("{:>3} %", progress.done.min(1000) / 10);
    let stop = if progress.stop.is_empty() { String::new() } else { format!("  {} stops ", progress.stop) };
    let says = format!(" {percent}  {}{stop}", progress.says);
    let what = front(progress.what, usize::from(area.width / 3));
    let buffer = frame.buffer_mut();
    let at = put(buffer, area, 1, &what, theme.plain) + 1;
    let bar = usize::from(area.width).saturating_sub(at + width(&says)).min(60);
    let done = bar * usize::from(progress.done.min(1000)) / 1000;
    let at = put(buffer, area, at, &"█".repeat(done), theme.accent);
    let at = put(buffer, area, at, &"░".repeat(bar - done), theme.dim);
    put(buffer, area, at, &says, theme.dim);
}
