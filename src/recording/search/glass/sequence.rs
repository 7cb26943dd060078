//! The sequences that full-screen programs use most, read without a state machine.
//!
//! Invariant: what is read here is what avt's parser makes of it; anything it does not know in full is left to that.

use avt::parser::{EdScope, ElScope, Function};

/// Digits of a number: more are left to the parser, which bounds them.
const DIGITS: usize = 4;
/// Private modes without effect on text: blinking, visible cursor, focus, paste, synchronised output.
const QUIET: [u16; 5] = [12, 25, 1004, 2004, 2026];

/// A sequence behind its ESC: its length, and what it does to text, if anything. None for one that is not known here.
pub(super) fn read(after: &[u8]) -> Option<(usize, Option<Function>)> {
    let body = after.strip_prefix(b"[")?;
    if let Some(mode) = body.strip_prefix(b"?") {
        let (number, digits) = number(mode)?;
        let quiet = matches!(mode.get(digits), Some(b'h' | b'l')) && QUIET.contains(&number);
        return quiet.then_some((digits + 3, None));
    }
    let numbers = body.iter().take_while(|byte| byte.is_ascii_digit() || matches!(byte, b';' | b':')).count();
    let last = *body.get(numbers)?;
    let length = numbers + 2;
    if last == b'm' {
        return Some((length, None));
    }
    let (first, digits) = number(body)?;
    let (second, digits) = match body.get(digits) {
        Some(b';') => {
            let (second, more) = number(body.get(digits + 1..)?)?;
            (Some(second), digits + 1 + more)
        }
        _ => (None, digits),
    };
    if digits != numbers {
        return None;
    }
    let function = match (last, first, second) {
        (b'H', row, col) => Function::Cup(row, col.unwrap_or(0)),
        (b'K', 0, None) => Function::El(ElScope::ToRight),
        (b'K', 1, None) => Function::El(ElScope::ToLeft),
        (b'K', 2, None) => Function::El(ElScope::All),
        (b'J', 0, None) => Function::Ed(EdScope::Below),
        (b'J', 2, None) => Function::Ed(EdScope::All),
        (b'A', count, None) => Function::Cuu(count),
        (b'B', count, None) => Function::Cud(count),
        (b'C', count, None) => Function::Cuf(count),
        (b'D', count, None) => Function::Cub(count),
        (b'G', col, None) => Function::Cha(col),
        (b'd', row, None) => Function::Vpa(row),
        (b'X', count, None) => Function::Ech(count),
        _ => return None,
    };
    Some((length, Some(function)))
}

/// A number and its length; 0 where there is none.
fn number(text: &[u8]) -> Option<(u16, usize)> {
    let digits = text.iter().take(DIGITS + 1).take_while(|byte| byte.is_ascii_digit()).count();
    let value = text.iter().take(digits.min(DIGITS)).fold(0, |value, digit| value * 10 + u16::from(digit - b'0'));
    (digits <= DIGITS).then_some((value, digits))
}

/// Bytes up to the first that is not ASCII.
pub(super) fn ascii(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.bytes().position(|byte| !byte.is_ascii()).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use avt::parser::{Parser, State};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_read_as_by_the_parser(body in "\\[\\??[0-9;:]{0,8}[A-Za-z]") {
            if let Some((length, read)) = read(body.as_bytes()) {
                prop_assert_eq!(length, body.len());
                let mut parser = Parser::new();
                parser.feed('\u{1b}');
                let parsed = body.chars().filter_map(|ch| parser.feed(ch)).last();
                prop_assert!(parser.state == State::Ground);
                match read {
                    Some(function) => prop_assert_eq!(Some(function), parsed),
                    None => prop_assert!(matches!(parsed, None | Some(Function::Sgr(_) | Function::Decset(_) | Function::Decrst(_)))),
                }
            }
        }
    }
}
