//! Everything that can be seen of a pane of tmux, cell by cell.
//!
//! Invariant: two pictures are equal only when text, colours, history, cursor and modes are.

use std::process::Command;

use govsh::screen::{Cell, Screen};

/// What of a pane's state can be asked for, beside its cells.
const STATE: &str = "#{cursor_x},#{cursor_y} history #{history_size} alternate #{alternate_on} cursor #{cursor_flag} \
                     insert #{insert_flag} wrap #{wrap_flag} origin #{origin_flag} \
                     region #{scroll_region_upper}-#{scroll_region_lower} mouse #{mouse_any_flag} keypad #{keypad_flag}";

/// See the module.
#[derive(PartialEq)]
pub struct Picture {
    cells: Vec<Vec<Cell>>,
    pub state: String,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.state)?;
        for row in &self.cells {
            let row: String = row.iter().map(|cell| cell.text).collect();
            writeln!(f, "|{}", row.trim_end())?;
        }
        Ok(())
    }
}

impl Picture {
    /// Of the only pane of the server that `tmux` talks to, its history included.
    pub fn of(tmux: impl Fn() -> Command) -> Picture {
        let asked = |arguments: &[&str]| {
            let output = tmux().args(arguments).output().expect("tmux is installed");
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let state = asked(&["display-message", "-p", STATE]);
        let size = asked(&["display-message", "-p", "#{pane_width}"]);
        let cols: u16 = size.trim().parse().unwrap();
        let shown = asked(&["capture-pane", "-e", "-N", "-p", "-S", "-"]);
        let lines = shown.lines().count();
        let mut screen = Screen::new(cols + 1, lines as u16);
        screen.feed(shown.trim_end_matches('\n').replace('\n', "\r\n").as_bytes());
        let cells = (0..screen.size().1).map(|row| screen.row(row).collect()).collect();
        Picture { cells, state: state.trim().to_owned() }
    }

    /// The first cell that is not the same.
    pub fn difference(&self, other: &Picture) -> Option<String> {
        if self.state != other.state {
            return Some(format!("{}\n{}", self.state, other.state));
        }
        let rows = self.cells.iter().zip(&other.cells).enumerate();
        let mut cells =
            rows.flat_map(|(at, (one, two))| one.iter().zip(two).enumerate().map(move |(col, pair)| (at, col, pair)));
        let found = cells.find(|(_, _, (one, two))| one != two);
        let found = found.map(|(row, col, (one, two))| format!("row {row}, column {col}: {one:?} and {two:?}"));
        found.or_else(|| (self.cells.len() != other.cells.len()).then(|| "numbers of rows".to_owned()))
    }
}
