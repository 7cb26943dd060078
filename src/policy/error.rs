//! What is wrong with a policy: where it stands, and how to put it right.
//!
//! Invariant: one line without control characters, with line and column when the fault has a place in the text.
//! Leaves to others: printing the `hint:` line.

/// Why a policy was refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The text is wrong at one place. Line and column count from 1, columns in characters.
    #[error("policy '{policy}' line {line}, column {column}: {reason}")]
    At { policy: String, line: usize, column: usize, reason: String, hint: Option<String> },
    /// The file as a whole cannot be used.
    #[error("cannot use policy '{policy}': {reason}")]
    Whole { policy: String, reason: String, hint: Option<String> },
}

impl PolicyError {
    /// The second line for people, without its `hint: `.
    pub fn hint(&self) -> Option<&str> {
        match self {
            PolicyError::At { hint, .. } | PolicyError::Whole { hint, .. } => hint.as_deref(),
        }
    }
}
