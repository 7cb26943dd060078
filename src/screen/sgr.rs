//! Graphic renditions that avt would misread: underline styles, underline colour, double underline.
//!
//! Invariant: what is not understood is left out, never read as something else.
//! Leaves to others: the rest of SGR (avt).

use avt::parser::{Function, Parser};

/// `sequence` is a complete `CSI … m`. None: avt reads it right. `Some(None)`: nothing of it is left.
pub(super) fn corrected(sequence: &[u8]) -> Option<Option<Function>> {
    let text = std::str::from_utf8(sequence).ok()?;
    let text = text.strip_prefix("\u{1b}[").or_else(|| text.strip_prefix('\u{9b}'))?.strip_suffix('m')?;
    let doubtful = |part: &str| part == "21" || part == "58" || part.starts_with("4:") || part.starts_with("58:");
    if !text.split(';').any(doubtful) {
        return None;
    }
    let mut parts = text.split(';');
    let mut kept: Vec<&str> = Vec::new();
    while let Some(part) = parts.next() {
        match part {
            "4:0" => kept.push("24"),
            // Curly, dotted, dashed and double ones are underlines to the model.
            "21" => kept.push("4"),
            part if part.starts_with("4:") => kept.push("4"),
            part if part.starts_with("58:") => {}
            "58" => skip_colour(&mut parts),
            // Colours with semicolons: their arguments are not renditions.
            "38" | "48" => keep_colour(part, &mut parts, &mut kept),
            part => kept.push(part),
        }
    }
    if kept.is_empty() {
        return Some(None);
    }
    let mut parser = Parser::new();
    Some(format!("\u{1b}[{}m", kept.join(";")).chars().filter_map(|ch| parser.feed(ch)).last())
}

fn arguments(kind: Option<&str>) -> usize {
    match kind {
        Some("2") => 3,
        Some("5") => 1,
        _ => 0,
    }
}

fn skip_colour<'a>(parts: &mut impl Iterator<Item = &'a str>) {
    for _ in 0..arguments(parts.next()) {
        parts.next();
    }
}

fn keep_colour<'a>(part: &'a str, parts: &mut impl Iterator<Item = &'a str>, kept: &mut Vec<&'a str>) {
    kept.push(part);
    let kind = parts.next();
    kept.extend(kind);
    kept.extend(parts.take(arguments(kind)));
}
