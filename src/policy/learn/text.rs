//! A proposal as a policy file that people read.
//!
//! Invariant: what is written reads back as the rules that were proposed; nothing that an agent chose leaves its comment.
//! Leaves to others: dates and names of sessions (`cmd::learn`).

use super::super::error::visible;
use super::{Group, Key, Line, Proposal, Use};

/// What the proposal itself does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    /// Lines of comment, the first of which is shown by `govsh policy list`.
    pub comment: Vec<String>,
    /// A profile, or a file.
    pub extends: String,
    /// `agent.match` and `agent.append_args`, of the profile made for the program.
    pub matches: Vec<String>,
    pub append_args: Vec<String>,
    /// Variables that the base keeps back and the program needs.
    pub pass: Vec<String>,
}

/// The whole file.
pub fn write(header: &Header, proposal: &Proposal) -> String {
    let mut text = String::new();
    for line in &header.comment {
        text.push_str(format!("# {}", visible(line)).trim_end());
        text.push('\n');
    }
    text.push_str(&format!("version = 1\nextends = [{}]\n", quoted(&header.extends)));
    text.push_str(&header.agent());
    let mut table = "";
    for key in [Key::Write, Key::Exec, Key::Read, Key::Socket, Key::Network] {
        let lines: Vec<&Line> = proposal.lines.iter().filter(|line| line.key == key).collect();
        let (section, name) = key.word().split_once('.').unwrap_or_default();
        if lines.is_empty() {
            continue;
        }
        if section != table {
            table = section;
            text.push_str(&format!("\n[{section}]\n"));
        }
        text.push_str(&format!("{name} = [\n"));
        entries(&lines, &mut text);
        text.push_str("]\n");
    }
    text.push_str(&header.environment());
    text
}

impl Header {
    /// `[agent]` and `[environment]`: what a program needs beside requests.
    pub fn tables(&self) -> String {
        format!("{}{}", self.agent(), self.environment())
    }

    fn agent(&self) -> String {
        if self.matches.is_empty() && self.append_args.is_empty() {
            return String::new();
        }
        format!("\n[agent]\n{}{}", list("match", &self.matches), list("append_args", &self.append_args))
    }

    fn environment(&self) -> String {
        if self.pass.is_empty() {
            return String::new();
        }
        let all: Vec<String> = std::iter::once("*".to_owned()).chain(self.pass.iter().cloned()).collect();
        format!("\n[environment]\n# held back by the base; the program logs in with them\n{}", list("pass", &all))
    }
}

fn entries(lines: &[&Line], text: &mut String) {
    let patterns: Vec<String> = lines.iter().map(|line| format!("{},", quoted(&line.text))).collect();
    let width = patterns.iter().map(|pattern| pattern.chars().count()).max().unwrap_or(0).min(48);
    let mut group = Group::Plain;
    for (line, pattern) in lines.iter().zip(patterns) {
        if line.group != group {
            group = line.group;
            text.push_str(&format!("  # {}\n", heading(group)));
        }
        text.push_str(format!("  {pattern:width$}  # {}", why(&line.by)).trim_end());
        text.push('\n');
    }
}

fn heading(group: Group) -> &'static str {
    match group {
        Group::Project => "the project",
        Group::Temporary => "temporary files",
        Group::Home => "in the home",
        Group::System => "in the system",
        Group::Plain => "others",
    }
}

/// `cargo, rustc and 2 more, 812 times`.
fn why(by: &Use) -> String {
    const NAMED: usize = 3;
    let mut programs: Vec<(&String, &u64)> = by.programs.iter().collect();
    programs.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let named: Vec<String> = programs.iter().take(NAMED).map(|(name, _)| visible(name)).collect();
    let more = match programs.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let times = if by.times == 1 { "once".to_owned() } else { format!("{} times", by.times) };
    if named.is_empty() { times } else { format!("{}{more}, {times}", named.join(", ")) }
}

fn list(name: &str, items: &[String]) -> String {
    if items.is_empty() {
        return String::new();
    }
    let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
    format!("{name} = [{}]\n", items.join(", "))
}

/// A TOML string, in double quotes.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() || super::super::error::hides(c) => {
                quoted.push_str(&format!("\\u{:04X}", u32::from(c)))
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
