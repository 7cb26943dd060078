//! What is wrong with a policy: where it stands, and how to put it right.
//!
//! Invariant: one line without control characters, with line and column when the fault has a place in the text.
//! Leaves to others: printing the `hint:` line.

use std::borrow::Cow;

use super::Source;

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

    /// The fault without the place it was found at.
    pub fn reason(&self) -> &str {
        match self {
            PolicyError::At { reason, .. } | PolicyError::Whole { reason, .. } => reason,
        }
    }

    /// The file that is wrong, as shown.
    pub fn policy(&self) -> &str {
        match self {
            PolicyError::At { policy, .. } | PolicyError::Whole { policy, .. } => policy,
        }
    }

    /// With one more thing to do about it.
    pub fn advise(mut self, more: &str) -> PolicyError {
        let (PolicyError::At { hint, .. } | PolicyError::Whole { hint, .. }) = &mut self;
        *hint = Some(hint.take().map_or_else(|| more.to_owned(), |hint| format!("{hint}; {more}")));
        self
    }

    /// A fault of the whole file.
    pub fn whole(policy: &str, reason: impl Into<String>, hint: Option<&str>) -> PolicyError {
        let policy = visible(policy);
        PolicyError::Whole { policy, reason: visible(&reason.into()), hint: hint.map(visible) }
    }

    /// A fault at a byte offset of the text.
    pub(super) fn at(source: &Source, offset: usize, reason: impl Into<String>, hint: Option<String>) -> PolicyError {
        let (line, column) = place(&source.text, offset);
        let reason = visible(&reason.into());
        PolicyError::At { policy: visible(&source.name), line, column, reason, hint: hint.as_deref().map(visible) }
    }
}

/// Line and column of a byte offset, both from 1, columns in characters.
pub(super) fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}

/// Text from a policy with its control characters made visible, and cut where it goes on for too long.
pub(super) fn visible(text: &str) -> String {
    shown(text).into_owned()
}

/// As [`visible`], as it is where it can stay so.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    const LONGEST: usize = 300;
    if text.len() <= LONGEST && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return Cow::Borrowed(text);
    }
    let mut shown = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == LONGEST {
            shown.push('…');
            break;
        }
        if c.is_control() || hides(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Whether the character reorders or hides text.
pub(super) fn hides(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_characters() {
        assert_eq!(place("ä = 1\nöb", 9), (2, 2));
        assert_eq!(place("", 0), (1, 1));
        assert_eq!(place("a\n", 99), (2, 1));
    }

    #[test]
    fn shows_no_control_characters() {
        assert_eq!(visible("a\u{1b}[2J\nb\u{202e}"), "a\\u{1b}[2J\\nb\\u{202e}");
    }
}
