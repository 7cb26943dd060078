//! The page: a reviewer's first minute. Denials first; every line ends in something to type.

use std::io::{self, Write};

use super::super::ls::local;
use super::super::paint::Paint;
use super::super::verify::in_short;
use super::Ending;
use crate::event::Start;
use crate::recording::summary::{Asked, Denials, Paths, Server, Spot, Summary, clock, cut, home_short, lasted, size};
use crate::recording::visible;

/// Places that are listed.
const PLACES: usize = 40;
/// Denials that are listed; the events have all.
const DENIALS: usize = 100;

pub(super) fn draw(
    summary: &Summary,
    ending: &Ending,
    name: &str,
    home: &[u8],
    paint: Paint,
    out: &mut impl Write,
) -> io::Result<()> {
    let cwd = summary.start.as_ref().map_or(&[][..], |start| &start.cwd);
    let mut page = Page { home, cwd, paint, name, out };
    page.head(summary, ending)?;
    page.wrong(summary)?;
    page.denied(&summary.denied)?;
    page.asked(&summary.asked)?;
    page.programs(summary)?;
    page.files("wrote", &summary.wrote)?;
    page.files("removed", &summary.removed)?;
    page.files("read", &summary.read)?;
    page.reached(summary)?;
    page.sockets(summary)?;
    page.credentials(summary)?;
    page.servers(summary)
}

struct Page<'a, W> {
    home: &'a [u8],
    /// Where the session was started; empty for unknown.
    cwd: &'a [u8],
    paint: Paint,
    name: &'a str,
    out: &'a mut W,
}

impl<W: Write> Page<'_, W> {
    fn head(&mut self, summary: &Summary, ending: &Ending) -> io::Result<()> {
        let mut parts = Vec::new();
        if let Some(start) = &summary.start {
            parts.push(self.paint.bold(&command(start)));
            parts.push(home_short(&start.cwd, self.home));
            parts.push(when(start, summary.last));
        } else {
            parts.push(format!("({})", lasted(summary.last)));
        }
        match summary.exit {
            Some((_, Some(signal))) => parts.push(self.paint.warm(&format!("ended by signal {signal}"))),
            Some((status, None)) => parts.push(format!("exit {status}")),
            None => {}
        }
        parts.push(match ending {
            Ending::Read(integrity) if ending.is_complete() => in_short(integrity),
            Ending::Read(integrity) => self.paint.warm(&in_short(integrity)),
            Ending::Damaged(what) => self.paint.warm(what),
        });
        writeln!(self.out, "{}", parts.join(" · "))?;
        if let Some(policy) = &summary.policy {
            let appended = match policy.appended.as_slice() {
                [] => String::new(),
                words => format!(" · added to the command: {}", visible(words.join(" ").as_bytes())),
            };
            let (name, audit) = (visible(policy.name.as_bytes()), visible(policy.audit.as_bytes()));
            let text = format!("policy {name} (deny {}, ask {}) · audit {audit}{appended}", policy.denies, policy.asks);
            writeln!(self.out, "{}", self.paint.dim(&text))?;
            for notice in &policy.notices {
                writeln!(self.out, "{}", self.paint.warm(&visible(notice.as_bytes())))?;
            }
        }
        Ok(())
    }

    /// Alerts, limits, and what the recording does not hold.
    fn wrong(&mut self, summary: &Summary) -> io::Result<()> {
        for (label, notes) in [("alerts", &summary.alerts), ("limits", &summary.limits)] {
            for (index, (t, what)) in notes.first.iter().take(20).enumerate() {
                let label = if index == 0 { self.label(label, notes.total) } else { self.label("", 0) };
                let text = self.paint.warm(&format!("{} {}", clock(*t), visible(what.as_bytes())));
                writeln!(self.out, "{label}{text}")?;
            }
        }
        if summary.lost > 0 {
            let label = self.label("lost", summary.lost);
            writeln!(self.out, "{label}{}", self.paint.warm("events that could not be recorded"))?;
        }
        Ok(())
    }

    fn denied(&mut self, denied: &Denials) -> io::Result<()> {
        let label = self.label("denied", denied.total());
        if denied.total() == 0 {
            return writeln!(self.out, "{label}nothing");
        }
        for (index, denial) in denied.telling().into_iter().take(DENIALS).enumerate() {
            let label = if index == 0 { label.clone() } else { self.label("", 0) };
            let what = self.paint.warm(&padded(&denial.what(self.home, 60), 34));
            let times = if denial.count > 1 { format!(" ×{}", denial.count) } else { String::new() };
            let program = padded(&cut(&visible(&denial.program), 16), 8);
            let rule = visible(denial.rule.as_bytes());
            let hint = self.paint.dim(&format!("replay {} --at {}", self.name, at(denial.first)));
            writeln!(self.out, "{label}{} {what} {program} {rule}{times}   {hint}", clock(denial.first))?;
        }
        let listed: u64 = denied.telling().iter().take(DENIALS).map(|denial| denial.count).sum();
        if listed < denied.total() {
            let more = format!("{} more: show {} --events --denied", denied.total() - listed, self.name);
            let label = self.label("", 0);
            writeln!(self.out, "{label}{}", self.paint.dim(&more))?;
        }
        Ok(())
    }

    /// What was asked, and who said what.
    fn asked(&mut self, asked: &Asked) -> io::Result<()> {
        for (index, question) in asked.kept().iter().take(DENIALS).enumerate() {
            let label = if index == 0 { self.label("asked", asked.total()) } else { self.label("", 0) };
            let what = padded(&question.what(self.home, 60), 34);
            let hint = self.paint.dim(&format!("replay {} --at {}", self.name, at(question.t)));
            writeln!(self.out, "{label}{} {what} {}   {hint}", clock(question.t), question.outcome())?;
        }
        let listed = asked.kept().len().min(DENIALS) as u64;
        if listed < asked.total() {
            let more = format!("{} more: show {} --events --kind ask", asked.total() - listed, self.name);
            let label = self.label("", 0);
            writeln!(self.out, "{label}{}", self.paint.dim(&more))?;
        }
        Ok(())
    }

    fn programs(&mut self, summary: &Summary) -> io::Result<()> {
        let names = summary.programs.names();
        let shown: Vec<_> = names.iter().take(8).map(|(name, count)| format!("{} {count}", visible(name))).collect();
        let more = if names.len() > 8 { format!(" · {} others", names.len() - 8) } else { String::new() };
        let label = self.label("programs", summary.programs.total());
        let hint = self.paint.dim("   --programs for the tree");
        writeln!(self.out, "{label}{}{more}{hint}", shown.join(" · "))
    }

    /// `path` from the working directory, which the first line names, where it lies beneath it.
    fn near(&self, path: &[u8]) -> String {
        let rest = path.strip_prefix(self.cwd).and_then(|rest| rest.strip_prefix(b"/"));
        match rest.filter(|rest| self.cwd.len() > 1 && !rest.is_empty() && !rest.starts_with(b"~")) {
            Some(rest) => visible(rest),
            None => home_short(path, self.home),
        }
    }

    fn files(&mut self, what: &str, paths: &Paths) -> io::Result<()> {
        if paths.total() == 0 {
            return Ok(());
        }
        let label = self.label(what, paths.total());
        let groups = paths.groups();
        let mut shown = Vec::new();
        for (directory, group) in groups.iter().take(10) {
            if what == "read" {
                shown.push(format!("{} {}", cut(&home_short(directory, self.home), 60), group.count));
            } else if group.count <= 3 && group.first.len() as u64 == group.count {
                shown.extend(group.first.iter().map(|path| cut(&self.near(path), 60)));
            } else if *directory == self.cwd {
                // What lies right in it, and nothing beneath.
                shown.push(format!("* ({})", group.count));
            } else {
                shown.push(format!("{}/** ({})", cut(self.near(directory).trim_end_matches('/'), 60), group.count));
            }
        }
        if groups.len() > 10 {
            shown.push(format!("{} other places", groups.len() - 10));
        }
        let about = if paths.is_exact() { "" } else { "   (too many to tell apart: some count twice)" };
        writeln!(self.out, "{label}{}{about}", shown.join(" · "))
    }

    /// The places of the network, one a line: where, at which address, how often, how much, who, when first.
    fn reached(&mut self, summary: &Summary) -> io::Result<()> {
        let places = summary.reached.places();
        for (index, (spot, visit)) in places.iter().take(PLACES).enumerate() {
            let label = if index == 0 { self.label("reached", summary.reached.hosts()) } else { self.label("", 0) };
            let place = padded(&cut(&visible(spot.place().as_bytes()), 44), 34);
            let place = if visit.count == 0 { self.paint.warm(&place) } else { place };
            let addr = visit.addrs.first().map(ToString::to_string).unwrap_or_default();
            let denied =
                if visit.denied > 0 { self.paint.warm(&format!(" ✘{}", visit.denied)) } else { String::new() };
            let flown = format!("{:>7} ↑ {:>7} ↓", size(visit.up), size(visit.down));
            let flown = if visit.bytes() == 0 { padded("", flown.chars().count()) } else { flown };
            let count = if visit.count == 0 { String::new() } else { format!("×{}", visit.count) };
            let programs: Vec<_> = visit.programs.iter().map(|name| cut(&visible(name), 16)).collect();
            let programs = padded(&programs.join(" "), 8);
            let hint = self.paint.dim(&format!("replay {} --at {}", self.name, at(visit.first)));
            let clock = clock(visit.first);
            writeln!(self.out, "{label}{place} {addr:<15} {count:>5} {flown} {programs} {clock}{denied}   {hint}")?;
        }
        if places.len() > PLACES {
            let more = format!("{} others: show {} --events --kind net", places.len() - PLACES, self.name);
            let label = self.label("", 0);
            writeln!(self.out, "{label}{}", self.paint.dim(&more))?;
        }
        Ok(())
    }

    /// Sockets of other programs.
    fn sockets(&mut self, summary: &Summary) -> io::Result<()> {
        let all = summary.reached.spots().filter_map(|(spot, visit)| match spot {
            Spot::Socket(path) if visit.count > 0 => Some((path, visit.count)),
            _ => None,
        });
        let all: Vec<_> = all.collect();
        if all.is_empty() {
            return Ok(());
        }
        let shown = all.iter().take(12).map(|(path, times)| {
            let place = cut(&home_short(path, self.home), 60);
            if *times > 1 { format!("{place} ×{times}") } else { place }
        });
        let mut shown: Vec<_> = shown.collect();
        if all.len() > 12 {
            shown.push(format!("{} others", all.len() - 12));
        }
        let label = self.label("sockets", all.len() as u64);
        writeln!(self.out, "{label}{}", shown.join(" · "))
    }

    /// Which credential went where, by name.
    fn credentials(&mut self, summary: &Summary) -> io::Result<()> {
        for (index, (name, host, held)) in summary.credentials.kept().take(PLACES).enumerate() {
            let count = summary.credentials.kept().count() as u64;
            let label = if index == 0 { self.label("secrets", count) } else { self.label("", 0) };
            let mut parts = Vec::new();
            for (count, what) in [(held.used, "used"), (held.redacted, "taken out of answers")] {
                if count > 0 {
                    parts.push(format!("{what} ×{count}"));
                }
            }
            if held.blocked > 0 {
                parts.push(self.paint.warm(&format!("kept from it ×{}", held.blocked)));
            }
            let (name, host) = (visible(name.as_bytes()), visible(host.as_bytes()));
            writeln!(self.out, "{label}{} {name} at {host}: {}", clock(held.first), parts.join(", "))?;
        }
        Ok(())
    }

    /// What was called of MCP servers: how often, how much came back, what was refused, when first.
    fn servers(&mut self, summary: &Summary) -> io::Result<()> {
        let mut label = self.label("mcp", summary.servers.calls());
        let mut next = |page: &Self| std::mem::replace(&mut label, page.label("", 0));
        for (name, server) in summary.servers.kept().take(PLACES) {
            let name = padded(&cut(&visible(name.as_bytes()), 24), 14);
            let more = self.of_server(server);
            if server.tools.is_empty() || !more.is_empty() {
                let lead = next(self);
                writeln!(self.out, "{lead}{name} {} {more}", clock(server.first))?;
            }
            for (tool, figures) in server.tools.iter().take(PLACES) {
                let tool = padded(&cut(&visible(tool.as_bytes()), 44), 26);
                let calls = if figures.calls == 0 { String::new() } else { format!("×{}", figures.calls) };
                let asked = if figures.asked == 0 { String::new() } else { format!(" ?{}", figures.asked) };
                let denied = match figures.denied {
                    0 => String::new(),
                    denied => self.paint.warm(&format!(" ✘{denied}")),
                };
                let failed = if figures.failed == 0 { String::new() } else { format!(" {} failed", figures.failed) };
                let spent = figures.spent.checked_div(figures.calls).map(lasted).unwrap_or_default();
                let flown = format!("{:>8} ↓ {spent:>7}", size(figures.size));
                let first = figures.first_denied.unwrap_or(figures.first);
                let hint = self.paint.dim(&format!("replay {} --at {}", self.name, at(first)));
                let (lead, clock) = (next(self), clock(figures.first));
                writeln!(self.out, "{lead}{name} {tool} {calls:>5} {flown} {clock}{asked}{denied}{failed}   {hint}")?;
            }
            if server.tools.len() > PLACES {
                let more = format!("{} others: show {} --events --kind mcp", server.tools.len() - PLACES, self.name);
                let lead = next(self);
                writeln!(self.out, "{lead}{name} {}", self.paint.dim(&more))?;
            }
        }
        Ok(())
    }

    /// What is worth saying of a server beside its tools.
    fn of_server(&self, server: &Server) -> String {
        let mut parts = Vec::new();
        if server.tools.is_empty() && server.starts > 0 {
            parts.push(format!("started ×{}, nothing called", server.starts));
        }
        if server.refused > 0 {
            parts.push(self.paint.warm(&format!("refused ×{}", server.refused)));
        }
        if server.dropped > 0 {
            let plural = if server.dropped == 1 { "" } else { "s" };
            parts.push(self.paint.warm(&format!("{} message{plural} dropped", server.dropped)));
        }
        if !server.changes.is_empty() {
            let changes = visible(cut(&server.changes.join("; "), 160).as_bytes());
            parts.push(self.paint.warm(&format!("not as pinned: {changes}")));
        }
        parts.join(" · ")
    }

    /// The left column: what, and how many of it.
    fn label(&self, label: &str, count: u64) -> String {
        let count = if label.is_empty() { String::new() } else { count.to_string() };
        let width = 12usize.saturating_sub(label.len());
        format!("{}{count:>width$}  ", self.paint.bold(label))
    }
}

/// The command line, in one piece.
fn command(start: &Start) -> String {
    let mut words = start.argv.iter().map(|word| visible(word));
    let program = words.next().unwrap_or_default();
    let program = program.rsplit('/').next().unwrap_or_default().to_owned();
    cut(&std::iter::once(program).chain(words).collect::<Vec<_>>().join(" "), 60)
}

/// `21 Nov 2026 17:49 → 18:01 (12m 03s)`.
fn when(start: &Start, last: u64) -> String {
    let ended = start.timestamp.saturating_add_unsigned(last / 1_000_000_000);
    let (from, to) = (local(start.timestamp, "%-d %b %Y %H:%M"), local(ended, "%H:%M"));
    format!("{from} → {to} ({})", lasted(last))
}

/// As `--at` takes it.
fn at(nanos: u64) -> String {
    let clock = clock(nanos);
    clock.strip_prefix('0').map_or(clock.clone(), str::to_owned)
}

fn padded(text: &str, width: usize) -> String {
    format!("{text:<width$}")
}
