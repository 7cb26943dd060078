//! The programs that ran, each beneath the one that started it.

use std::io::{self, Write};

use super::super::paint::Paint;
use crate::recording::summary::{Program, Summary, clock, cut, lasted};
use crate::recording::visible;

/// Deepest indentation: chains of programs can be made as long as an agent likes.
const DEEPEST: usize = 24;

pub(super) fn draw(summary: &Summary, paint: Paint, out: &mut impl Write) -> io::Result<()> {
    let kept = summary.programs.kept();
    let mut children = vec![Vec::new(); kept.len()];
    let mut waiting = Vec::new();
    for (index, program) in kept.iter().enumerate() {
        match program.parent.and_then(|parent| children.get_mut(parent)) {
            Some(list) => list.push(index),
            None => waiting.push((index, 0)),
        }
    }
    waiting.reverse();
    // Depth first without recursion; parents come before their children, so every program is drawn once.
    while let Some((index, depth)) = waiting.pop() {
        if let (Some(program), Some(below)) = (kept.get(index), children.get(index)) {
            writeln!(out, "{}", line(program, depth, paint))?;
            waiting.extend(below.iter().rev().map(|child| (*child, depth + 1)));
        }
    }
    let more = summary.programs.total().saturating_sub(kept.len() as u64);
    if more > 0 {
        writeln!(out, "{}", paint.dim(&format!("{more} more: show --events --kind proc")))?;
    }
    Ok(())
}

fn line(program: &Program, depth: usize, paint: Paint) -> String {
    let indent = "  ".repeat(depth.min(DEEPEST));
    let argv: Vec<_> = program.argv.iter().map(|word| quoted(&visible(word))).collect();
    let cut_off = if program.argv_cut { " …" } else { "" };
    let mut facts = vec![format!("pid {}", program.pid)];
    if let Some(to) = program.to {
        facts.push(lasted(to.saturating_sub(program.from)));
    }
    if let Some(digest) = program.digest {
        facts.push(format!("blake3:{:.16}", blake3::Hash::from(digest).to_hex()));
    }
    let end = match (program.exit, program.signal) {
        (_, Some(signal)) => paint.warm(&format!(" signal {signal}")),
        (Some(0) | None, None) => String::new(),
        (Some(status), None) => paint.warm(&format!(" exit {status}")),
    };
    let command = cut(&argv.join(" "), 200);
    let command = if command.is_empty() { visible(&program.exe) } else { command };
    format!("{} {indent}{command}{cut_off}  {}{end}", paint.dim(&clock(program.from)), paint.dim(&facts.join(" · ")))
}

/// As one would type it, where blanks would make two words of one.
fn quoted(word: &str) -> String {
    let plain = !word.is_empty()
        && !word.contains([' ', '\'', '"', '$', '`', '\\', '*', '?', ';', '&', '|', '<', '>', '(', ')']);
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}
