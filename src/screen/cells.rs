//! What can be asked of a screen: cells, colours, the cursor, modes.
//!
//! Invariant: plain values, none of which refers to the model.
//! Leaves to others: drawing.

use bitflags::bitflags;

/// A colour as the agent chose it, before any theme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Colour {
    #[default]
    Default,
    /// 0–15 are the theme's, 16–255 fixed.
    Indexed(u8),
    Rgb(u8, u8, u8),
}

bitflags! {
    /// How a character is drawn.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct Attrs: u8 {
        const BOLD = 1;
        const DIM = 2;
        const ITALIC = 4;
        const UNDERLINE = 8;
        const BLINK = 16;
        const INVERSE = 32;
        const STRIKE = 64;
    }
}

/// One cell of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// A blank where nothing is, and in the second half of a wide character.
    pub text: char,
    /// 1; 2 for the first half of a wide character and 0 for its second.
    pub width: u8,
    pub fg: Colour,
    pub bg: Colour,
    pub attrs: Attrs,
}

/// How the next character will be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pen {
    pub fg: Colour,
    pub bg: Colour,
    pub attrs: Attrs,
}

/// Row and column count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor {
    pub row: u16,
    pub col: u16,
    pub visible: bool,
}

/// What decides how the next bytes act, beside the cells and the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modes {
    pub pen: Pen,
    /// The last column was written and the next character goes to the next row.
    pub pending_wrap: bool,
    /// First and last row of the scroll region, from 0.
    pub region: (u16, u16),
    /// DECOM: rows count from the region's first.
    pub origin: bool,
    /// IRM
    pub insert: bool,
    /// DECAWM
    pub autowrap: bool,
    /// LNM: LF implies CR.
    pub newline: bool,
    /// G0 and G1 hold the line-drawing characters.
    pub drawing: [bool; 2],
    /// SO: G1 is in use instead of G0.
    pub shifted: bool,
    /// DECKPAM
    pub keypad: bool,
    /// DECSCUSR, 0–6.
    pub cursor_style: u8,
    /// Kitty keyboard protocol: the flags in force.
    pub kitty: u8,
    /// XTMODKEYS resource 4.
    pub modify_other_keys: u8,
    /// The hyperlink that the next characters get, as OSC 8 gave it; empty for none.
    pub link: String,
    /// Private modes (`CSI ? n h`) that are set, of those in [`Modes::TRACKED`]; a bit each.
    pub(super) set: u32,
}

impl Modes {
    /// Synchronised output: the terminal shows nothing until it is reset.
    pub const SYNCHRONISED: u16 = 2026;
    pub const BRACKETED_PASTE: u16 = 2004;
    pub const FOCUS: u16 = 1004;

    /// Private modes that are tracked beside those of the model: cursor keys, reverse video, blinking cursor, left and right
    /// margins, backarrow, mouse, focus, alternate scroll, paste, synchronised output, in-band reports.
    pub const TRACKED: [u16; 20] =
        [1, 5, 9, 12, 45, 66, 67, 69, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1015, 1016, 2004, 2026];

    /// A private mode of [`Modes::TRACKED`] is set.
    pub fn is_set(&self, mode: u16) -> bool {
        self.set & bit(mode) != 0
    }

    /// Some mouse reports are asked for.
    pub fn mouse(&self) -> bool {
        [9, 1000, 1001, 1002, 1003].into_iter().any(|mode| self.is_set(mode))
    }
}

/// The bit of a tracked mode, 0 for others.
pub(super) fn bit(mode: u16) -> u32 {
    Modes::TRACKED.iter().position(|tracked| *tracked == mode).map_or(0, |at| 1 << at)
}

impl Default for Cell {
    fn default() -> Self {
        Cell { text: ' ', width: 1, fg: Colour::Default, bg: Colour::Default, attrs: Attrs::empty() }
    }
}

impl Cell {
    pub fn pen(&self) -> Pen {
        Pen { fg: self.fg, bg: self.bg, attrs: self.attrs }
    }

    pub(super) fn from_avt(cell: &avt::Cell) -> Self {
        let pen = cell.pen();
        let attrs = [
            (Attrs::BOLD, pen.is_bold()),
            (Attrs::DIM, pen.is_faint()),
            (Attrs::ITALIC, pen.is_italic()),
            (Attrs::UNDERLINE, pen.is_underline()),
            (Attrs::BLINK, pen.is_blink()),
            (Attrs::INVERSE, pen.is_inverse()),
            (Attrs::STRIKE, pen.is_strikethrough()),
        ];
        let attrs = attrs.into_iter().filter(|(_, on)| *on).map(|(flag, _)| flag).collect();
        let (fg, bg) = (Colour::from_avt(pen.foreground()), Colour::from_avt(pen.background()));
        Cell { text: cell.char(), width: cell.width(), fg, bg, attrs }
    }
}

impl Colour {
    pub(super) fn from_avt(colour: Option<avt::Color>) -> Self {
        match colour {
            None => Colour::Default,
            Some(avt::Color::Indexed(index)) => Colour::Indexed(index),
            Some(avt::Color::RGB(rgb)) => Colour::Rgb(rgb.r, rgb.g, rgb.b),
        }
    }
}
