//! A screen as bytes, and back; and the modes, which are read from the same bytes.
//!
//! Invariant: `restore` takes any bytes without panic and without more memory than `Screen::MAX_CELLS` asks for.
//! Leaves to others: the history, which is not kept.
//!
//! ```text
//! "GVSC" version:u8=1 cols:u16 rows:u16 history:u32
//! set:u32 flags:u8 cursor_style:u8 modify_other_keys:u8 charsets:u8×3
//! kitty:(count:u8 flags:u8…)×2  title:(length:u16 UTF-8)  link:(length:u16 UTF-8)
//! terminal:(length:u32 escape sequences that set up an empty terminal of that size)
//! unfinished:(length:u32 bytes)                                     all numbers little-endian
//! ```

use avt::Charset;
use avt::parser::{AnsiMode, DecMode, Function, Parser, SgrOp};

use super::cells::{Attrs, Colour, Modes, Pen};
use super::tracker::{Charsets, LONGEST_LINK, MOST_FLAGS, Tracker};
use super::{LONGEST_STRING, Screen};

const MAGIC: &[u8] = b"GVSC\x01";

pub(super) fn dump(screen: &Screen) -> Vec<u8> {
    let (cols, rows) = screen.size();
    let terminal = screen.terminal.dump();
    let tracker = &screen.tracker;
    let mut out = Vec::with_capacity(terminal.len() + screen.unfinished.len() + 64);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&cols.to_le_bytes());
    out.extend_from_slice(&rows.to_le_bytes());
    out.extend_from_slice(&(screen.history as u32).to_le_bytes());
    out.extend_from_slice(&tracker.set.to_le_bytes());
    out.push(u8::from(tracker.keypad) | u8::from(tracker.margins) << 1);
    out.extend_from_slice(&[tracker.cursor_style, tracker.modify_other_keys]);
    out.extend([tracker.charsets, tracker.saved[0], tracker.saved[1]].map(Charsets::pack));
    for stack in &tracker.kitty {
        out.push(stack.len() as u8);
        out.extend_from_slice(stack);
    }
    for text in [&tracker.title, &tracker.link] {
        out.extend_from_slice(&(text.len() as u16).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    out.extend_from_slice(&(terminal.len() as u32).to_le_bytes());
    out.extend_from_slice(terminal.as_bytes());
    out.extend_from_slice(&(screen.unfinished.len() as u32).to_le_bytes());
    out.extend_from_slice(&screen.unfinished);
    out
}

/// What a dump says, read but not yet believed.
struct Parts<'a> {
    size: (u16, u16),
    history: u32,
    tracker: Tracker,
    terminal: &'a str,
    unfinished: &'a [u8],
}

fn parts(dump: &[u8]) -> Option<Parts<'_>> {
    let mut rest = Rest(dump.strip_prefix(MAGIC)?);
    let (size, history) = ((rest.u16()?, rest.u16()?), rest.u32()?);
    let set = rest.u32()?;
    let [flags, cursor_style, modify_other_keys, now, primary, alternate] = rest.array()?;
    let mut kitty = [Vec::new(), Vec::new()];
    for stack in &mut kitty {
        let count = usize::from(rest.u8()?);
        *stack = rest.take(count).filter(|flags| flags.len() <= MOST_FLAGS)?.to_vec();
    }
    let title = rest.text()?;
    let link = rest.text().filter(|link| link.len() <= LONGEST_LINK)?;
    let terminal = rest.u32()?;
    let terminal = std::str::from_utf8(rest.take(terminal as usize)?).ok()?;
    let unfinished = rest.u32()?;
    let unfinished = rest.take(unfinished as usize).filter(|bytes| bytes.len() <= LONGEST_STRING + 8)?;
    let tracker = Tracker {
        set,
        keypad: flags & 1 != 0,
        margins: flags & 2 != 0,
        cursor_style,
        modify_other_keys,
        kitty,
        charsets: Charsets::unpack(now),
        saved: [Charsets::unpack(primary), Charsets::unpack(alternate)],
        title,
        link,
    };
    rest.0.is_empty().then_some(Parts { size, history, tracker, terminal, unfinished })
}

/// `lines`: of history to keep from now on, instead of as many as the first one kept.
pub(super) fn restore(dump: &[u8], lines: Option<usize>) -> Option<Screen> {
    let Parts { size, history, tracker, terminal, unfinished } = parts(dump)?;
    if super::clamped(size.0, size.1) != size {
        return None;
    }
    let mut screen = Screen::with_scrollback(size.0, size.1, lines.unwrap_or(history as usize));
    screen.feed(terminal.as_bytes());
    // Safe whatever the dump says: without this, text might be skipped that does not scroll away.
    let margins = tracker.margins || screen.tracker.margins;
    screen.tracker = Tracker { margins, ..tracker };
    screen.feed(unfinished);
    Some(screen)
}

/// The part of a dump that another model of a terminal's text can make use of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Script<'a> {
    /// Columns and rows.
    pub size: (u16, u16),
    /// Escape sequences that set up an empty terminal.
    pub terminal: &'a str,
    /// The sequence or character under way.
    pub unfinished: &'a [u8],
    /// For the primary and the alternate screen: whether G0 and G1 of what DECSC saved hold line-drawing characters, and
    /// whether G1 is in use.
    pub saved: [([bool; 2], bool); 2],
}

pub(super) fn script(dump: &[u8]) -> Option<Script<'_>> {
    let Parts { size, tracker, terminal, unfinished, .. } = parts(dump)?;
    if super::clamped(size.0, size.1) != size {
        return None;
    }
    let saved = tracker.saved.map(|saved| (saved.drawing, saved.shifted));
    Some(Script { size, terminal, unfinished, saved })
}

impl Charsets {
    fn pack(self) -> u8 {
        u8::from(self.drawing[0]) | u8::from(self.drawing[1]) << 1 | u8::from(self.shifted) << 2
    }

    fn unpack(byte: u8) -> Self {
        Charsets { drawing: [byte & 1 != 0, byte & 2 != 0], shifted: byte & 4 != 0 }
    }
}

/// What is left to be read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// Without control characters, whatever the dump has.
    fn text(&mut self) -> Option<String> {
        let length = usize::from(self.u16()?);
        Some(std::str::from_utf8(self.take(length)?).ok()?.chars().filter(|ch| !ch.is_control()).collect())
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }
}

/// avt shows its state only in its dump: the last word on each mode is the one in force.
pub(super) fn modes(screen: &Screen) -> Modes {
    let (cols, rows) = screen.size();
    let tracker = &screen.tracker;
    let mut modes = Modes {
        pen: Pen::default(),
        pending_wrap: screen.terminal.cursor().col >= usize::from(cols),
        region: (0, rows - 1),
        origin: false,
        insert: false,
        autowrap: true,
        newline: false,
        drawing: [false; 2],
        shifted: false,
        keypad: tracker.keypad,
        cursor_style: tracker.cursor_style,
        kitty: tracker.kitty[usize::from(screen.is_alternate())].last().copied().unwrap_or(0),
        modify_other_keys: tracker.modify_other_keys,
        set: tracker.set,
        link: tracker.link.clone(),
    };
    let mut parser = Parser::new();
    for function in screen.terminal.dump().chars().filter_map(|ch| parser.feed(ch)) {
        note(&function, &mut modes);
    }
    modes
}

fn note(function: &Function, modes: &mut Modes) {
    match function {
        Function::Decstbm(top, bottom) => modes.region = (top.saturating_sub(1), bottom.saturating_sub(1)),
        Function::Decset(list) => list.as_slice().iter().for_each(|mode| private(*mode, true, modes)),
        Function::Decrst(list) => list.as_slice().iter().for_each(|mode| private(*mode, false, modes)),
        Function::Sm(list) | Function::Rm(list) => {
            let on = matches!(function, Function::Sm(_));
            for mode in list.as_slice() {
                match mode {
                    AnsiMode::Insert => modes.insert = on,
                    AnsiMode::NewLine => modes.newline = on,
                }
            }
        }
        Function::Gzd4(charset) => modes.drawing[0] = *charset == Charset::Drawing,
        Function::G1d4(charset) => modes.drawing[1] = *charset == Charset::Drawing,
        Function::So => modes.shifted = true,
        Function::Sgr(list) => list.as_slice().iter().for_each(|op| rendition(*op, &mut modes.pen)),
        _ => {}
    }
}

fn private(mode: DecMode, on: bool, modes: &mut Modes) {
    match mode {
        DecMode::Origin => modes.origin = on,
        DecMode::AutoWrap => modes.autowrap = on,
        _ => {}
    }
}

fn rendition(op: SgrOp, pen: &mut Pen) {
    match op {
        SgrOp::Reset => *pen = Pen::default(),
        SgrOp::SetBoldIntensity => {
            pen.attrs.remove(Attrs::DIM);
            pen.attrs.insert(Attrs::BOLD);
        }
        SgrOp::SetFaintIntensity => {
            pen.attrs.remove(Attrs::BOLD);
            pen.attrs.insert(Attrs::DIM);
        }
        SgrOp::ResetIntensity => pen.attrs.remove(Attrs::BOLD | Attrs::DIM),
        SgrOp::SetItalic => pen.attrs.insert(Attrs::ITALIC),
        SgrOp::SetUnderline => pen.attrs.insert(Attrs::UNDERLINE),
        SgrOp::SetBlink => pen.attrs.insert(Attrs::BLINK),
        SgrOp::SetInverse => pen.attrs.insert(Attrs::INVERSE),
        SgrOp::SetStrikethrough => pen.attrs.insert(Attrs::STRIKE),
        SgrOp::ResetItalic => pen.attrs.remove(Attrs::ITALIC),
        SgrOp::ResetUnderline => pen.attrs.remove(Attrs::UNDERLINE),
        SgrOp::ResetBlink => pen.attrs.remove(Attrs::BLINK),
        SgrOp::ResetInverse => pen.attrs.remove(Attrs::INVERSE),
        SgrOp::ResetStrikethrough => pen.attrs.remove(Attrs::STRIKE),
        SgrOp::SetForegroundColor(colour) => pen.fg = Colour::from_avt(Some(colour)),
        SgrOp::ResetForegroundColor => pen.fg = Colour::Default,
        SgrOp::SetBackgroundColor(colour) => pen.bg = Colour::from_avt(Some(colour)),
        SgrOp::ResetBackgroundColor => pen.bg = Colour::Default,
    }
}
