//! Numbers (RFC 8259 §6).
//!
//! Invariant: valid is what serde_json takes, range included. Leaves to others: where they stand (`scan`).

use crate::policy::mcp::Value;

/// Longest number, in bytes.
pub const LONGEST: usize = 4096;

pub fn is_part(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
}

pub fn is_valid(token: &[u8]) -> bool {
    // Most are short and whole: no range to check.
    let digits = token.strip_prefix(b"-").unwrap_or(token);
    if digits.len() <= 18 && !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) {
        return digits.len() == 1 || digits.first() != Some(&b'0');
    }
    matches!(Value::parse(token), Ok(Value::Int(_) | Value::Real(_)))
}
