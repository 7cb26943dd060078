//! Where each statement of a Cedar file begins, and how deep it may go.
//!
//! Invariant: comments and strings end where Cedar's lexer ends them (`//` at a line feed or carriage return, strings at a
//! quote that no backslash precedes). Leaves to others: what a statement says (Cedar's parser).

enum State {
    Code,
    Comment,
    Text,
    Escape,
}

/// One statement, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece<'t> {
    /// Byte offset of its first word.
    pub at: usize,
    /// Up to its `;`.
    pub text: &'t str,
    /// Operators and brackets outside of strings: it nests no deeper.
    pub marks: usize,
}

/// All statements. What follows the last `;` is one more, so that it is refused by whoever parses it.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut state, mut start, mut marks) = (Vec::new(), State::Code, None, 0);
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        state = match state {
            State::Escape => State::Text,
            State::Text if c == '\\' => State::Escape,
            State::Text if c == '"' => State::Code,
            State::Comment if matches!(c, '\n' | '\r') => State::Code,
            State::Code if c == '/' && chars.peek().is_some_and(|(_, next)| *next == '/') => State::Comment,
            State::Code if !c.is_whitespace() => {
                let begin = *start.get_or_insert(at);
                marks += usize::from("&|+-*.!<>=([{".contains(c));
                if c == ';' {
                    pieces.extend(text.get(begin..=at).map(|text| Piece { at: begin, text, marks }));
                    (start, marks) = (None, 0);
                }
                if c == '"' { State::Text } else { State::Code }
            }
            same => same,
        };
    }
    if let Some(begin) = start {
        pieces.extend(text.get(begin..).map(|text| Piece { at: begin, text, marks }));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_hide_no_statement() {
        let text = "// a; b\nforbid(\"x;\\\"//\"); // c;\r@id(\"//\") permit ();\n tail // d;";
        let found: Vec<(&str, usize)> = pieces(text).into_iter().map(|piece| (piece.text, piece.marks)).collect();
        let first = ("forbid(\"x;\\\"//\");", 1);
        assert_eq!(found, [first, ("@id(\"//\") permit ();", 2), ("tail // d;", 0)]);
        assert!(pieces(" \n// nothing; at all").is_empty());
    }
}
