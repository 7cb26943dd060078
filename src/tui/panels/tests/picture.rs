//! Pictures as text: what is drawn, and in which role each cell is, compared whole with a file.
//!
//! `GOVSH_RENEW_VIEWS=1 cargo test --lib tui::panels` writes the files anew; look at the difference before it is kept.

use std::fmt::Write;
use std::path::PathBuf;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Modifier, Style};

use crate::tui::{Depth, Theme};

/// A theme in which roles are told apart by their colours.
pub fn theme() -> Theme {
    Theme::new(Depth::True)
}

/// Draws into a terminal of that size.
pub fn drawn((width, height): (u16, u16), draw: impl FnOnce(&mut ratatui::Frame)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(draw).unwrap();
    terminal.backend().buffer().clone()
}

/// The cells as text, the empty ends of lines left out.
pub fn text(buffer: &Buffer) -> String {
    lines(buffer, |buffer, x, y| buffer[(x, y)].symbol().to_owned())
}

/// For each cell the letter of its role: `.` plain, capitals stand on the ground of what is chosen.
fn roles(buffer: &Buffer, theme: &Theme) -> String {
    let letters = [
        ('D', theme.deny),
        ('?', theme.ask),
        ('v', theme.allow),
        ('x', theme.exec),
        ('f', theme.file),
        ('n', theme.net),
        ('a', theme.accent),
        ('d', theme.dim),
        ('b', theme.border),
        ('=', theme.found),
    ];
    lines(buffer, |buffer, x, y| {
        let cell = &buffer[(x, y)];
        let style = cell.style();
        let same = |role: &Style| role.fg == style.fg && cell.symbol() != " ";
        let letter = match letters.iter().find(|(_, role)| same(role)) {
            _ if style.bg == theme.chosen.bg && style.fg == theme.chosen.fg => '#',
            Some((letter, _)) => *letter,
            None if cell.symbol() == " " => ' ',
            None if cell.modifier.contains(Modifier::BOLD) => '!',
            None => '.',
        };
        letter.to_string()
    })
}

fn lines(buffer: &Buffer, cell: impl Fn(&Buffer, u16, u16) -> String) -> String {
    let area = buffer.area;
    let mut out = String::new();
    for y in 0..area.height {
        let (mut line, mut x) = (String::new(), 0);
        while x < area.width {
            line.push_str(&cell(buffer, x, y));
            x += u16::try_from(unicode_width::UnicodeWidthStr::width(buffer[(x, y)].symbol()).max(1)).unwrap();
        }
        writeln!(out, "{}", line.trim_end()).unwrap();
    }
    out
}

/// Compares with `tests/data/views/NAME.txt`.
pub fn compare(name: &str, buffer: &Buffer) {
    let is = format!("{}\n── roles ──\n{}", text(buffer), roles(buffer, &theme()));
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/views/{name}.txt"));
    if std::env::var_os("GOVSH_RENEW_VIEWS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &is).unwrap();
        return;
    }
    let was = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        was == is,
        "{name} is not as in {}\nto take it as it is now: GOVSH_RENEW_VIEWS=1 cargo test --lib tui::panels\n\nwas:\n{was}\nis:\n{is}",
        path.display()
    );
}
