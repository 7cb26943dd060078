//! A session in two lines at the end of a run, and in Markdown for the page of a CI job.
//!
//! Invariant: first what went wrong, then what was done, then what to type next; nothing untrusted can break out of its place.

use std::fmt::Write;

use super::phrase::{clock, cut, home_short, lasted, size, some};
use super::{Denial, Paths, Spot, Summary};
use crate::recording::visible;

/// Denials named in the line; the rest is counted.
const NAMED: usize = 3;
/// Hosts named in the line.
const HOSTS: usize = 3;
/// Rows of a table.
const ROWS: usize = 30;

impl Summary {
    /// The two lines, without `govsh: ` and colours. `session` is what names the recording, None without one.
    pub fn closing_lines(&self, session: Option<&str>, home: &[u8]) -> [String; 2] {
        let mut parts = Vec::new();
        if let Some((_, what)) = self.alerts.first.first() {
            parts.push(format!("{}: {}", some(self.alerts.total, "alert"), visible(cut(what, 80).as_bytes())));
        }
        if self.lost > 0 {
            parts.push(format!("{} not recorded", some(self.lost, "event")));
        }
        if let Some((_, what)) = self.limits.first.first() {
            parts.push(format!("limit reached: {}", visible(cut(what, 60).as_bytes())));
        }
        parts.push(self.denied_in_words(home));
        if self.asked.total() > 0 {
            parts.push(self.asked_in_words());
        }
        parts.push(lasted(self.last));
        if self.programs.total() > 0 {
            parts.push(some(self.programs.total(), "program"));
        }
        if self.wrote.total() > 0 {
            parts.push(format!("{} written", some(self.wrote.total(), "file")));
        }
        parts.extend(self.hosts_in_words());
        let next = match session {
            Some(session) if self.denied.total() + self.alerts.total > 0 => {
                format!("look at it: govsh replay {} --denied", visible(session.as_bytes()))
            }
            Some(session) => format!("look at it: govsh show {}", visible(session.as_bytes())),
            None => "not recorded".to_owned(),
        };
        [parts.join(" · "), next]
    }

    fn denied_in_words(&self, home: &[u8]) -> String {
        if self.denied.total() == 0 {
            return "nothing denied".to_owned();
        }
        let kept = self.denied.telling();
        let mut words: Vec<String> =
            kept.iter().copied().take(NAMED).map(|denial| with_program(denial, home)).collect();
        if kept.len() > NAMED {
            words.push(format!("{} more", kept.len() - NAMED));
        }
        format!("{} denied: {}", self.denied.total(), words.join(", "))
    }

    /// `2 hosts: api.example.org, example.org, 4.1 MB in`.
    fn hosts_in_words(&self) -> Option<String> {
        let names = self.reached.names();
        let named: Vec<_> = names.iter().take(HOSTS).map(|name| visible(cut(name, 40).as_bytes())).collect();
        let more = if names.len() > HOSTS { ", …" } else { "" };
        let flown = match self.reached.bytes() {
            (0, 0) => String::new(),
            (up, down) => format!(", {} out, {} in", size(up), size(down)),
        };
        let hosts = some(names.len() as u64, "host");
        (!names.is_empty()).then(|| format!("{hosts}: {}{more}{flown}", named.join(", ")))
    }

    fn asked_in_words(&self) -> String {
        let asked = some(self.asked.total(), "question");
        match (self.asked.unattended(), self.asked.hint()) {
            (0, _) => asked,
            (_, "") => format!("{asked}, nobody there to answer"),
            (_, hint) => format!("{asked}, nobody there to answer (hint: {})", visible(hint.as_bytes())),
        }
    }

    fn title(&self) -> String {
        let program = self.start.as_ref().and_then(|start| start.argv.first());
        let program = program
            .map_or_else(|| "session".to_owned(), |path| visible(path.rsplit(|b| *b == b'/').next().unwrap_or(path)));
        let policy = self.policy.as_ref().map(|policy| format!(" under policy {}", code(&policy.name)));
        let end = match self.exit {
            Some((_, Some(signal))) => format!("ended by signal {signal}"),
            Some((status, None)) => format!("exit {status}"),
            None => "no end recorded".to_owned(),
        };
        format!("{}{} · {end} · {}", code(&program), policy.unwrap_or_default(), lasted(self.last))
    }
}

fn with_program(denial: &Denial, home: &[u8]) -> String {
    let what = denial.what(home, 60);
    match &denial.program[..] {
        [] => what,
        program => format!("{what} ({})", cut(&visible(program), 24)),
    }
}

/// Markdown for `$GITHUB_STEP_SUMMARY`: the denials as a table, then what was done.
pub fn step_summary(summary: &Summary, home: &[u8]) -> String {
    let mut out = format!("### govsh: {}\n\n", summary.title());
    for (_, what) in summary.alerts.first.iter().take(ROWS) {
        line(&mut out, &format!("- **alert** {}", code(what)));
    }
    if summary.lost > 0 {
        line(&mut out, &format!("- **{} not recorded**", some(summary.lost, "event")));
    }
    if summary.denied.total() > 0 {
        line(
            &mut out,
            &format!(
                "\n**{} denied**\n\n| time | what | program | rule |\n| --- | --- | --- | --- |",
                summary.denied.total()
            ),
        );
        for denial in summary.denied.telling().into_iter().take(ROWS) {
            let times = if denial.count > 1 { format!(" ×{}", denial.count) } else { String::new() };
            let (what, program) = (code(&denial.what(home, 200)), code(&visible(&denial.program)));
            line(
                &mut out,
                &format!("| {} | {what}{times} | {program} | {} |", clock(denial.first), code(&denial.rule)),
            );
        }
        line(&mut out, "");
    } else {
        line(&mut out, "Nothing was denied.\n");
    }
    for question in summary.asked.kept().iter().take(ROWS) {
        let (what, outcome) = (code(&question.what(home, 200)), code(&question.outcome()));
        line(&mut out, &format!("- asked at {}: {what} {outcome}", clock(question.t)));
    }
    let names = summary.programs.names();
    let names: Vec<_> = names.iter().take(8).map(|(name, count)| format!("{} {count}", code(&visible(name)))).collect();
    line(&mut out, &format!("- {}: {}", some(summary.programs.total(), "program"), names.join(" · ")));
    line(&mut out, &format!("- {}", places("written", &summary.wrote, home)));
    line(&mut out, &format!("- {}", places("read", &summary.read, home)));
    reached(&mut out, summary);
    out
}

/// Hosts as a table, sockets of other programs in a line.
fn reached(out: &mut String, summary: &Summary) {
    let places = summary.reached.places();
    if !places.is_empty() {
        line(out, "\n| reached | connections | out | in | program |\n| --- | --- | --- | --- | --- |");
    }
    for (spot, visit) in places.into_iter().take(ROWS) {
        let denied = if visit.denied > 0 { format!(" (denied {})", visit.denied) } else { String::new() };
        let program = visit.programs.first().map(|name| code(&visible(name))).unwrap_or_default();
        let (place, up, down) = (code(&spot.place()), size(visit.up), size(visit.down));
        line(out, &format!("| {place}{denied} | {} | {up} | {down} | {program} |", visit.count));
    }
    let sockets = summary.reached.spots().filter(|(spot, visit)| matches!(spot, Spot::Socket(_)) && visit.count > 0);
    let sockets: Vec<_> = sockets.take(8).map(|(spot, _)| code(&spot.place())).collect();
    if !sockets.is_empty() {
        line(out, &format!("\n- sockets: {}", sockets.join(" · ")));
    }
}

fn places(verb: &str, paths: &Paths, home: &[u8]) -> String {
    let groups = paths.groups();
    let groups: Vec<_> =
        groups.iter().take(6).map(|(dir, group)| format!("{} {}", code(&home_short(dir, home)), group.count)).collect();
    format!("{} {verb}: {}", some(paths.total(), "file"), groups.join(" · "))
}

fn line(out: &mut String, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{text}");
}

/// As code in a table cell of GitHub's Markdown: no break, no bar, and no backtick to end it early.
fn code(text: &str) -> String {
    let text = visible(text.as_bytes()).replace('`', "'").replace('|', "\\|");
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}
