//! What a session did, in bounded memory, from its events in order.

use crate::event::{Event, Stamped};

#[derive(Debug, Default)]
pub struct Summary {
    last: u64,
    exit: Option<(i32, Option<i32>)>,
}

impl Summary {
    pub fn feed(&mut self, stamped: &Stamped) {
        self.last = stamped.t;
        if let Event::Exit { status, signal } = stamped.event {
            self.exit = Some((status, signal));
        }
    }

    /// The two lines at the end of a run, without `govsh: ` and colours: what went wrong and what was done, then what to type.
    pub fn closing_lines(&self, _recorded: bool) -> [String; 2] {
        [String::new(), String::new()]
    }
}

/// Markdown for `$GITHUB_STEP_SUMMARY`.
pub fn step_summary(_summary: &Summary) -> String {
    String::new()
}
