//! Colours and pipes of what a command prints.
//!
//! Invariant: colours only on a terminal, and neither with NO_COLOR nor in CI; a reader that goes away is no failure.

use std::io::{self, IsTerminal};

/// Colours, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// For text that goes to stdout.
    pub fn stdout() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self {
            on: io::stdout().is_terminal()
                && !set("NO_COLOR")
                && !dumb
                && std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        }
    }

    pub fn none() -> Self {
        Self { on: false }
    }

    pub fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    pub fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    /// What was refused or went wrong.
    pub fn warm(self, text: &str) -> String {
        self.with("31", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.on && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// `status`, also when whoever read the output has gone.
pub fn printed(outcome: io::Result<()>, status: i32) -> anyhow::Result<i32> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(status),
        Err(error) => Err(anyhow::Error::from(error).context("cannot write to stdout")),
        Ok(()) => Ok(status),
    }
}

/// The user's home directory for shortening paths; empty when there is none.
pub fn home() -> Vec<u8> {
    use std::os::unix::ffi::OsStringExt;
    std::env::var_os("HOME").map(OsStringExt::into_vec).unwrap_or_default()
}
