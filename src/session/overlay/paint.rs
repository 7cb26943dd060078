//! The bytes that draw the panel on the user's terminal and afterwards leave it as the agent had it.
//!
//! Invariant: absolute positions only, nothing scrolls, no scroll region is set but the agent's own: its scrollback stays
//! as it is, and its saved cursor too (but see [`Way::Saved`]).
//!
//! A program on the alternate screen is painted over, and the covered cells are painted again from the model. One on the
//! primary screen may have lines above it that are not its own and that no model knows: the panel then stands on the
//! alternate screen, over the agent's rows as far as they are known, and the terminal itself brings everything back.
//! Leaves to others: what is drawn (`panel`), what was there (`screen`).

use std::fmt::Write;

use super::panel::{Area, Panel, Style};
use crate::screen::{Attrs, Cell, Colour, Modes, Pen, Screen};

/// What the terminal can show.
#[derive(Debug, Clone, Copy)]
pub struct Looks {
    pub colour: bool,
    /// Nothing but ASCII in frames.
    pub plain: bool,
}

impl Looks {
    /// From the environment: NO_COLOR, and the locale's character set.
    pub fn of_environment() -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let locale =
            set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG")).unwrap_or_default().to_lowercase();
        let is_utf8 = locale.contains("utf-8") || locale.contains("utf8");
        Looks { colour: set("NO_COLOR").is_none(), plain: !is_utf8 }
    }

    fn of(self, style: Style) -> &'static str {
        match (style, self.colour) {
            (Style::Plain, _) => "\x1b[0m",
            (Style::Dim, _) => "\x1b[0;2m",
            (Style::Strong, _) => "\x1b[0;1m",
            (Style::Warm, true) => "\x1b[0;1;33m",
            (Style::Key, true) => "\x1b[0;1;36m",
            (Style::Warm | Style::Key, false) => "\x1b[0;1m",
        }
    }
}

/// How the panel gets its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Over the cells, which the model knows.
    Over,
    /// On the alternate screen (mode 1047), the cursor is put back where the terminal said it was.
    Beside,
    /// On the alternate screen (mode 1049): the terminal did not say where the cursor is, so it must keep it.
    Saved,
}

// Writing to a String cannot fail, here and below.
fn put(out: &mut String, row: u16, col: u16) {
    let _ = write!(out, "\x1b[{};{}H", row + 1, col + 1);
}

/// Puts aside what would change how the panel is drawn, and holds the picture back until [`show`].
pub fn enter(modes: &Modes, way: Way, out: &mut String) {
    if modes.is_set(Modes::SYNCHRONISED) {
        out.push_str("\x1b[?2026l");
    }
    out.push_str("\x1b[?2026h\x1b[?25l\x1b[?7l");
    if modes.origin {
        out.push_str("\x1b[?6l");
    }
    if modes.insert {
        out.push_str("\x1b[4l");
    }
    if modes.drawing[0] {
        out.push_str("\x1b(B");
    }
    if modes.shifted {
        out.push('\x0f');
    }
    if !modes.is_set(Modes::BRACKETED_PASTE) {
        out.push_str("\x1b[?2004h");
    }
    if !modes.link.is_empty() {
        out.push_str("\x1b]8;;\x1b\\");
    }
    step_in(way, out);
}

/// Makes place for the panel; what another program has left on the alternate screen goes.
pub fn step_in(way: Way, out: &mut String) {
    out.push_str("\x1b[0m");
    match way {
        Way::Over => {}
        Way::Beside => out.push_str("\x1b[?1047h\x1b[?1047l\x1b[?1047h"),
        Way::Saved => out.push_str("\x1b[?1049h"),
    }
}

/// The agent's own screen again.
pub fn step_out(way: Way, out: &mut String) {
    match way {
        Way::Over => {}
        Way::Beside => out.push_str("\x1b[?1047l"),
        Way::Saved => out.push_str("\x1b[?1049l"),
    }
}

/// Begins a picture that is shown at once.
pub fn hold(out: &mut String) {
    out.push_str("\x1b[?2026h\x1b[?25l");
}

/// Shows what was drawn.
pub fn show(out: &mut String) {
    out.push_str("\x1b[0m\x1b[?2026l");
}

/// The panel. Call between [`hold`] or [`enter`] and [`show`].
pub fn panel(panel: &Panel, looks: Looks, out: &mut String) {
    for (at, row) in (panel.area.row..).zip(&panel.rows) {
        put(out, at, panel.area.col);
        for span in row.iter().filter(|span| !span.text.is_empty()) {
            out.push_str(looks.of(span.style));
            if looks.plain {
                out.extend(span.text.chars().map(ascii));
            } else {
                out.push_str(&span.text);
            }
        }
    }
    if let Some((row, col)) = panel.cursor {
        put(out, row, col);
        out.push_str("\x1b[?25h");
    }
}

/// Our own marks where the terminal has no more than ASCII; foreign text is written out by then.
fn ascii(character: char) -> char {
    match character {
        '›' => '>',
        '→' => '>',
        '↓' => 'v',
        '…' => '~',
        '✘' => 'x',
        plain if plain.is_ascii() => plain,
        _ => '?',
    }
}

/// What the model has in `area`, on the terminal again. The model's first row is the terminal's row `shift`.
pub fn cover(screen: &Screen, area: Area, shift: i32, out: &mut String) {
    let (cols, _) = screen.size();
    for row in area.row..area.row.saturating_add(area.rows) {
        let known = u16::try_from(i32::from(row) - shift).ok().filter(|known| *known < screen.size().1);
        let cells: Vec<Cell> = known.map(|known| screen.row(known).collect()).unwrap_or_default();
        let width = |col: u16| cells.get(usize::from(col)).map_or(1, |cell| cell.width);
        let (mut from, mut to) = (area.col, area.col.saturating_add(area.cols).min(cols));
        // Drawing over one half of a wide character has erased the other.
        while from > 0 && width(from) == 0 {
            from -= 1;
        }
        while to < cols && width(to) == 0 {
            to += 1;
        }
        // Where nothing follows, the row ends where it ended, as far as terminals keep that.
        let blank = Cell::default();
        if cells.get(usize::from(to)..).is_some_and(|rest| rest.iter().all(|cell| *cell == blank)) {
            to = cols;
        }
        put(out, row, from);
        match cells.get(usize::from(from)..usize::from(to)) {
            Some(covered) => {
                let wraps = known.is_some_and(|known| screen.is_wrapped(known));
                row_cells(covered, from, to == cols && !wraps, out);
            }
            None => {
                let _ = write!(out, "\x1b[0m\x1b[{}X", to - from);
            }
        }
    }
}

/// The rows of the model that have something on them.
pub fn backdrop(screen: &Screen, shift: i32, out: &mut String) {
    let (cols, rows) = screen.size();
    let blank = Cell::default();
    for row in 0..rows {
        let at = u16::try_from(i32::from(row) + shift).ok().filter(|at| *at < rows);
        if let Some(at) = at.filter(|_| screen.row(row).any(|cell| cell != blank)) {
            cover(screen, Area { row: at, col: 0, cols, rows: 1 }, shift, out);
        }
    }
}

/// The cells of a row from `col` on. `erase`: blanks at the end are erased instead of written.
fn row_cells(cells: &[Cell], col: u16, erase: bool, out: &mut String) {
    let blank = Cell::default();
    let written = match cells.iter().rposition(|cell| *cell != blank) {
        _ if !erase => cells.len(),
        last => last.map_or(0, |last| last + 1),
    };
    let mut pen = None;
    for (at, cell) in (col..).zip(cells.iter().take(written)).filter(|(_, cell)| cell.width > 0) {
        if pen != Some(cell.pen()) {
            self::pen(cell.pen(), out);
            pen = Some(cell.pen());
        }
        out.push(cell.text);
        // Terminals differ in how wide they draw such characters: the next one has its own place.
        if cell.width > 1 || cell.text >= '\u{1100}' && !('\u{2500}'..'\u{2600}').contains(&cell.text) {
            let _ = write!(out, "\x1b[{}G", at + u16::from(cell.width) + 1);
        }
    }
    if written < cells.len() {
        let _ = write!(out, "\x1b[0m\x1b[{}X", cells.len() - written);
    }
}

/// The pen, whatever it was before.
fn pen(pen: Pen, out: &mut String) {
    out.push_str("\x1b[0");
    let attrs = [
        (Attrs::BOLD, ";1"),
        (Attrs::DIM, ";2"),
        (Attrs::ITALIC, ";3"),
        (Attrs::UNDERLINE, ";4"),
        (Attrs::BLINK, ";5"),
        (Attrs::INVERSE, ";7"),
        (Attrs::STRIKE, ";9"),
    ];
    attrs.into_iter().filter(|(flag, _)| pen.attrs.contains(*flag)).for_each(|(_, code)| out.push_str(code));
    for (colour, base) in [(pen.fg, 30), (pen.bg, 40)] {
        let _ = match colour {
            Colour::Default => Ok(()),
            Colour::Indexed(index @ 0..8) => write!(out, ";{}", base + u16::from(index)),
            Colour::Indexed(index @ 8..16) => write!(out, ";{}", base + 52 + u16::from(index)),
            Colour::Indexed(index) => write!(out, ";{};5;{index}", base + 8),
            Colour::Rgb(r, g, b) => write!(out, ";{};2;{r};{g};{b}", base + 8),
        };
    }
    out.push('m');
}

/// Where the terminal's cursor was: row and column from 0, the row as CUP counts it in the agent's origin mode.
pub type Place = (u16, u16);

/// Leaves the terminal as the agent had it; everything is covered or stepped out of by then. `at`: where its cursor was;
/// None where the terminal has put it back itself.
pub fn leave(screen: &Screen, modes: &Modes, at: Option<Place>, out: &mut String) {
    let (cols, rows) = screen.size();
    // It moves the cursor, so only where we know how to put that back.
    if modes.region != (0, rows - 1) && at.is_some() {
        let _ = write!(out, "\x1b[{};{}r", modes.region.0 + 1, modes.region.1 + 1);
    }
    if modes.origin {
        out.push_str("\x1b[?6h");
    }
    if modes.autowrap {
        out.push_str("\x1b[?7h");
    }
    if let Some((row, col)) = at {
        put(out, row, col);
    }
    if modes.pending_wrap {
        // Written again, the row's last character leaves the wrap pending as it was.
        let row = screen.cursor().row;
        let wide = cols > 1 && screen.cell(row, cols - 1).width == 0;
        let col = cols - 1 - u16::from(wide);
        let last = screen.cell(row, col);
        let _ = write!(out, "\x1b[{}G", col + 1);
        pen(last.pen(), out);
        out.push(last.text);
    }
    pen(modes.pen, out);
    if modes.drawing[0] {
        out.push_str("\x1b(0");
    }
    if modes.shifted {
        out.push('\x0e');
    }
    if modes.insert {
        out.push_str("\x1b[4h");
    }
    if !modes.is_set(Modes::BRACKETED_PASTE) {
        out.push_str("\x1b[?2004l");
    }
    if !modes.link.is_empty() {
        let _ = write!(out, "\x1b]8;{}\x1b\\", modes.link);
    }
    if screen.cursor().visible {
        out.push_str("\x1b[?25h");
    }
    out.push_str("\x1b[?2026l");
    if modes.is_set(Modes::SYNCHRONISED) {
        out.push_str("\x1b[?2026h");
    }
}
