//! Events in words: what was asked for, of what, by whom.
//!
//! Invariant: every text that comes out is visible and bounded. Pure.
//! Leaves to others: lists of them (`fold`), everything about one (`detail`).

use super::text::{MOST, bounded, command};
use crate::event::{Ask, By, Judged, Kind, Proc, ProcOp, Scope};
use crate::policy::{Access, Verdict};
use crate::recording::{errno, place};

/// From where paths are told: both absolute, empty for unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bearings {
    /// The home directory of the session's user, shown as `~`.
    pub home: Vec<u8>,
    /// Where the agent was started: paths beneath it are shown from there.
    pub cwd: Vec<u8>,
}

impl Bearings {
    /// From the working directory where it is beneath that, from home, or absolute.
    pub fn near(&self, path: &[u8]) -> String {
        match beneath(path, &self.cwd) {
            // A name that could be taken for a path from home or from the root stays absolute.
            Some(rest) if !rest.is_empty() && !rest.starts_with(b"~") => bounded(rest, MOST),
            _ => self.from_home(path),
        }
    }

    /// From home, or absolute.
    pub fn from_home(&self, path: &[u8]) -> String {
        match beneath(path, &self.home) {
            Some(b"") => "~".to_owned(),
            Some(rest) => format!("~/{}", bounded(rest, MOST)),
            None => bounded(path, MOST),
        }
    }
}

/// What is left of `path` beneath `dir`, which is not the root; empty for `dir` itself.
pub(super) fn beneath<'p>(path: &'p [u8], dir: &[u8]) -> Option<&'p [u8]> {
    match path.strip_prefix(dir).filter(|_| dir.len() > 1)? {
        [] => Some(b""),
        [b'/', rest @ ..] => Some(rest),
        _ => None,
    }
}

/// One word, or the letters `r w x`, for what a request wants.
pub fn verb(op: &'static str, kind: Kind, access: Access) -> &'static str {
    match kind {
        Kind::Exec => "run",
        Kind::Net | Kind::Call | Kind::Mcp => op,
        Kind::File if op.starts_with("open") || op == "creat" => access.letters(),
        Kind::File => op,
    }
}

/// The same as a word for a sentence: `wants to read`.
pub fn want(op: &'static str, kind: Kind, access: Access) -> &'static str {
    match verb(op, kind, access) {
        "" | "r" => "read",
        "w" => "write",
        "rw" => "read and write",
        "x" | "rx" | "wx" | "rwx" => "run",
        other => other,
    }
}

/// The object of a request.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a> {
    pub kind: Kind,
    pub path: &'a [u8],
    pub path2: &'a [u8],
    pub addr: Option<std::net::SocketAddr>,
    pub host: Option<&'a str>,
    pub port: u16,
    pub argv: &'a [Vec<u8>],
}

impl<'a> From<&'a Judged> for Object<'a> {
    fn from(judged: &'a Judged) -> Self {
        let Judged { kind, path, path2, addr, host, port, argv, .. } = judged;
        Self { kind: *kind, path, path2, addr: *addr, host: host.as_deref(), port: *port, argv }
    }
}

impl<'a> From<&'a Ask> for Object<'a> {
    fn from(ask: &'a Ask) -> Self {
        let Ask { of, path, path2, addr, host, port, argv, .. } = ask;
        Self { kind: *of, path, path2, addr: *addr, host: host.as_deref(), port: *port, argv }
    }
}

impl Object<'_> {
    /// As one would write it; `most` bytes of it are looked at.
    pub fn shown(&self, bearings: &Bearings, most: usize) -> String {
        if let Some(place) = place(self.host, self.addr, self.port) {
            return bounded(place.as_bytes(), most);
        }
        match self.kind {
            Kind::Mcp => command(self.argv, most),
            Kind::Exec if !self.argv.is_empty() => program(self.path, self.argv, most),
            _ if !self.path2.is_empty() => {
                format!("{} → {}", bearings.near(self.path), bearings.near(self.path2))
            }
            Kind::Net if self.path.first() == Some(&0) => {
                format!("@{}", bounded(self.path.get(1..).unwrap_or(&[]), most))
            }
            Kind::Call => bounded(self.path, most),
            Kind::File | Kind::Exec | Kind::Net => bearings.near(self.path),
        }
    }
}

/// The command as it was typed; what really runs is named where it has another name.
fn program(path: &[u8], argv: &[Vec<u8>], most: usize) -> String {
    let typed = command(argv, most);
    let called = argv.first().map_or(&[][..], |first| name(first));
    if path.is_empty() || name(path) == called.strip_prefix(b"-").unwrap_or(called) {
        typed
    } else {
        format!("{} as {typed}", bounded(path, MOST))
    }
}

/// The last component.
pub(super) fn name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// `bash -lc`: a process by its program's name and what kind of call it was.
fn short(argv: &[Vec<u8>]) -> String {
    let called = argv.first().map_or("?".to_owned(), |first| bounded(name(first), 32));
    match argv.get(1) {
        Some(option) if option.starts_with(b"-") && (2..=6).contains(&option.len()) => {
            format!("{called} {}", bounded(option, 8))
        }
        _ => called,
    }
}

/// `codex › bash -lc › cat`: the processes from the agent down; the middle of a long line of them is left out.
pub fn ancestry<'a>(line: impl IntoIterator<Item = &'a [Vec<u8>]>) -> String {
    const KEPT: usize = 8;
    let mut names: Vec<String> = line.into_iter().map(short).collect();
    // A shell that runs another image in its own place says nothing twice.
    names.dedup();
    if names.len() > KEPT {
        let left = names.len() - KEPT;
        names.splice(3..3 + left, [format!("… {left} …")]);
    }
    names.join(" › ")
}

/// `ended with 1`, `killed by signal 9`.
pub fn ended(proc: &Proc) -> String {
    match (proc.exit, proc.signal) {
        (_, Some(signal)) => format!("killed by signal {signal}"),
        (Some(status), None) => format!("ended with {status}"),
        (None, None) => "ended".to_owned(),
    }
}

/// What a process does now: its command.
pub fn runs(proc: &Proc) -> String {
    match (proc.op, proc.argv.is_empty()) {
        (ProcOp::Exec, false) => command(&proc.argv, MOST),
        _ => bounded(&proc.exe, MOST),
    }
}

/// The name of the program that a process runs; empty when it is not known.
pub fn program_of(proc: &Proc) -> String {
    let called = if proc.exe.is_empty() { proc.argv.first().map_or(&[][..], Vec::as_slice) } else { &proc.exe };
    bounded(name(called), 64)
}

/// `allowed once`, `denied for this session`.
pub fn answered(verdict: Verdict, scope: Scope) -> String {
    let what = match verdict {
        Verdict::Allow => "allowed",
        Verdict::Deny | Verdict::Ask => "denied",
    };
    let how = match scope {
        Scope::Once => "once",
        Scope::Session => "for this session",
        Scope::Program => "for this program, this session",
        Scope::Always => "always",
        Scope::Never => "and not asked again, this session",
    };
    format!("{what} {how}")
}

/// By whom, and where they were.
pub fn answerer(by: By, who: &str) -> String {
    let who = bounded(who.as_bytes(), 200);
    match by {
        By::Terminal => format!("by {who} in the session's terminal"),
        By::Watch => format!("by {who} in watch"),
        By::Command => format!("by {who} with govsh answer"),
        By::Timeout => "because nobody answered in time".to_owned(),
        By::Nobody => "because nobody was there to ask".to_owned(),
        By::Withdrawn => "because the asking process went away".to_owned(),
    }
}

/// What the target got, unless it went well: `EACCES`.
pub fn failure(number: i32) -> Option<String> {
    (number != 0).then(|| errno::name(number).map_or_else(|| format!("errno {number}"), str::to_owned))
}

/// `6 µs`, `1.2 ms`, `3.4s`: from nanoseconds.
pub fn took(nanos: u64) -> String {
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => format!("{} µs", nanos / 1_000),
        1_000_000..1_000_000_000 => format!("{}.{} ms", nanos / 1_000_000, nanos / 100_000 % 10),
        _ => crate::recording::summary::lasted(nanos),
    }
}

/// `03:12.4` or `1:03:12.4`: a place in the session to a tenth of a second.
pub fn tenths(nanos: u64) -> String {
    format!("{}.{}", crate::recording::summary::clock(nanos), nanos / 100_000_000 % 10)
}

/// `812`, `4.1k`, `12M`: at most four cells.
pub fn round(figure: u64) -> String {
    const UNITS: [(u64, &str); 5] =
        [(1_000_000_000_000_000, "P"), (1_000_000_000_000, "T"), (1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
    match UNITS.iter().find(|(unit, _)| figure >= *unit) {
        None => figure.to_string(),
        Some((unit, sign)) if figure / unit < 10 => format!("{}.{}{sign}", figure / unit, figure % unit / (unit / 10)),
        Some((unit, sign)) => format!("{}{sign}", (figure / unit).min(999)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(words: &[&str]) -> Vec<Vec<u8>> {
        words.iter().map(|word| word.as_bytes().to_vec()).collect()
    }

    #[test]
    fn paths_are_told_from_where_one_stands() {
        let bearings = Bearings { home: b"/home/u".to_vec(), cwd: b"/home/u/shop".to_vec() };
        let near = |path: &str| bearings.near(path.as_bytes());
        assert_eq!(near("/home/u/shop/src/a.rs"), "src/a.rs");
        assert_eq!(near("/home/u/shop"), "~/shop");
        assert_eq!(near("/home/u/.ssh/id_rsa"), "~/.ssh/id_rsa");
        assert_eq!(near("/home/under"), "/home/under");
        assert_eq!(near("/home/u/shop/~/.ssh/id_rsa"), "~/shop/~/.ssh/id_rsa");
        assert_eq!(Bearings::default().near(b"/a\x1b[2J"), "/a\\x1b[2J");
    }

    #[test]
    fn a_program_under_another_name_is_named() {
        assert_eq!(program(b"/usr/bin/git", &argv(&["git", "push"]), MOST), "git push");
        assert_eq!(program(b"/usr/bin/bash", &argv(&["-bash"]), MOST), "-bash");
        assert_eq!(program(b"/tmp/x/evil", &argv(&["git", "push"]), MOST), "/tmp/x/evil as git push");
    }

    #[test]
    fn a_long_line_of_ancestors_keeps_both_ends() {
        let line = [argv(&["/usr/bin/codex"]), argv(&["bash", "-lc", "cat x"]), argv(&["cat", "x"])];
        assert_eq!(ancestry(line.iter().map(Vec::as_slice)), "codex › bash -lc › cat");
        let many: Vec<_> = (0..40).map(|at| argv(&[&format!("sh{at}")])).collect();
        assert_eq!(
            ancestry(many.iter().map(Vec::as_slice)),
            "sh0 › sh1 › sh2 › … 32 … › sh35 › sh36 › sh37 › sh38 › sh39"
        );
    }

    #[test]
    fn figures_stay_short() {
        assert_eq!([0, 812, 4_120, 12_300_000, u64::MAX].map(round), ["0", "812", "4.1k", "12M", "999P"]);
        assert_eq!([800, 6_400, 1_250_000, 3_400_000_000].map(took), ["800 ns", "6 µs", "1.2 ms", "3.4s"]);
        assert_eq!([192_412_000_000, 3_792_000_000_000].map(tenths), ["03:12.4", "1:03:12.0"]);
    }
}
