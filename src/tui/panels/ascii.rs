//! Cells for terminals whose locale is not UTF-8: every cell gets a character that any terminal shows.
//!
//! Invariant: afterwards a buffer holds printable ASCII alone; what was a sign stays a sign of its own.
//! Leaves to others: when to do it (the app, once for each picture).

use ratatui::buffer::Buffer;
use ratatui::style::Modifier;

/// Whether the locale says that the terminal takes UTF-8: `LC_ALL`, `LC_CTYPE`, `LANG`, the first that is set, as `variable`
/// tells them (locale(7)).
pub fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable).find(|value| !value.is_empty());
    set.is_some_and(|value| {
        let value = value.to_ascii_lowercase();
        value.contains("utf-8") || value.contains("utf8")
    })
}

/// Replaces what is not ASCII.
pub fn replace(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        let symbol = cell.symbol();
        if symbol.is_ascii() {
            continue;
        }
        let character = symbol.chars().next().map_or(' ', plain);
        // What was told by shape alone between bars and signs is told by weight as well.
        if character == '?' {
            cell.modifier.insert(Modifier::DIM);
        }
        cell.set_char(character);
    }
}

/// The nearest of ASCII; `?` where nothing is near.
fn plain(character: char) -> char {
    match character {
        '─' | '╌' | '┄' | '┈' | '━' | '═' | '–' | '—' | '╴' | '╶' | '╾' | '╼' => '-',
        '│' | '┊' | '┆' | '╎' | '┃' | '║' | '╷' | '╵' | '╽' | '╿' => '|',
        '┌' | '┐' | '└' | '┘' | '├' | '┤' | '┬' | '┴' | '┼' | '╭' | '╮' | '╰' | '╯' | '╔' | '╗' | '╚' | '╝' | '╠'
        | '╣' | '╦' | '╩' | '╬' | '┏' | '┓' | '┗' | '┛' | '┣' | '┫' | '┳' | '┻' | '╋' => '+',
        '▁' | '▂' => '.',
        '▃' | '▄' => ':',
        '▅' | '▆' => '+',
        '▇' | '█' => '#',
        '░' | '▒' | '▓' => '%',
        '✘' | '╳' => 'X',
        '✔' => 'v',
        '●' | '◉' => 'O',
        '◆' => '*',
        '▸' | '▶' | '▷' | '›' | '→' => '>',
        '◀' | '‹' | '←' => '<',
        '↑' | '▲' => '^',
        '↓' | '▾' | '▼' => 'v',
        '·' | '•' => '.',
        '…' => '^',
        '×' => 'x',
        'µ' => 'u',
        '¼' | '½' => '/',
        '⏸' => '=',
        '\u{a0}' => ' ',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn the_locale_says_it() {
        let of = |set: &[(&str, &str)]| {
            is_utf8(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        assert!(of(&[("LANG", "de_DE.UTF-8")]) && of(&[("LC_ALL", ""), ("LC_CTYPE", "C.utf8")]));
        assert!(!of(&[]) && !of(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]) && !of(&[("LANG", "de_DE.ISO-8859-1")]));
    }

    #[test]
    fn every_cell_becomes_ascii() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 14, 1));
        buffer.set_string(0, 0, "│✘ ✔ ▁█ 漢 a…b", Style::new());
        replace(&mut buffer);
        let text: String = buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect();
        assert_eq!(text, "|X v .# ?  a^b");
    }
}
