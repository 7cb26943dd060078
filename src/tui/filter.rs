//! Which events a list shows: a line of words into a test of events.
//!
//! Invariant: words of one sort widen (`exec net`), words of different sorts narrow (`net host:github`); an empty filter shows
//! every decision and everything that people or govsh did, but neither bytes nor sizes of the terminal.
//! Leaves to others: where events come from, drawing them.
//!
//! ```text
//! exec file net proc marker ask answer alert …   kinds, as in `govsh show --events --kind`
//! denied asked allowed                           what became of it
//! path:TEXT host:TEXT pid:N rule:TEXT            parts of it; anything else: somewhere in it
//! -WORD                                          not that
//! ```

use std::net::SocketAddr;
use std::sync::Arc;

use super::panels::fold::is_routine;
use crate::event::{Event, Kind, Stamped};
use crate::policy::Verdict;
use crate::recording::{Tally, Word, authority, is_denied, kind, mcp_phrase, pid_of, qtype, visible};

/// Kinds that only a filter naming them shows.
const QUIET: [&str; 5] = ["output", "input", "redacted", "resize", "report"];
/// Kinds that a filter can name.
const KINDS: [&str; 23] = [
    "start",
    "policy",
    "report",
    "output",
    "input",
    "redacted",
    "resize",
    "marker",
    "proc",
    "file",
    "exec",
    "net",
    "dns",
    "http",
    "credential",
    "mcp",
    "call",
    "ask",
    "answer",
    "alert",
    "limit",
    "lost",
    "exit",
];
/// The filters that one key goes through.
const USUAL: [&str; 8] =
    ["", "denied", "ask answer", "exec proc", "net dns http credential", "mcp", "file", "marker alert limit lost"];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    Denied,
    Allowed,
    Path(String),
    Host(String),
    Rule(String),
    Pid(i32),
    Text(String),
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    line: String,
    kinds: Vec<&'static str>,
    without: Vec<&'static str>,
    verdicts: Vec<Term>,
    parts: Vec<Term>,
    not: Vec<Term>,
}

impl Filter {
    pub fn new(line: &str) -> Self {
        let mut filter = Self { line: line.trim().to_owned(), ..Self::default() };
        for word in line.split_whitespace() {
            filter.word(word);
        }
        filter
    }

    fn word(&mut self, word: &str) {
        let (not, bare) = match word.strip_prefix(['-', '!']) {
            Some(bare) if !bare.is_empty() => (true, bare),
            _ => (false, word),
        };
        if let Some(kind) = KINDS.iter().find(|kind| **kind == bare) {
            return if not { self.without.push(kind) } else { self.kinds.push(kind) };
        }
        if bare == "asked" && !not {
            return self.kinds.extend(["ask", "answer"]);
        }
        let lower = |text: &str| text.to_lowercase();
        let term = match bare.split_once(':') {
            _ if bare == "denied" || bare == "deny" => Term::Denied,
            _ if bare == "allowed" || bare == "allow" => Term::Allowed,
            Some(("path", text)) => Term::Path(lower(text)),
            Some(("host", text)) => Term::Host(lower(text)),
            Some(("rule", text)) => Term::Rule(lower(text)),
            Some(("pid", text)) => text.parse().map_or_else(|_| Term::Text(lower(bare)), Term::Pid),
            _ => Term::Text(lower(bare)),
        };
        match (not, &term) {
            (true, _) => self.not.push(term),
            (false, Term::Denied | Term::Allowed) => self.verdicts.push(term),
            (false, _) => self.parts.push(term),
        }
    }

    /// As it was typed; empty for everything.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// The next of the usual ones.
    pub fn next(&self) -> Self {
        let at = USUAL.iter().position(|usual| *usual == self.line);
        Self::new(at.and_then(|at| USUAL.get(at + 1)).copied().unwrap_or(USUAL[0]))
    }

    /// Whether the list shows it.
    pub fn shows(&self, stamped: &Stamped) -> bool {
        let event = &stamped.event;
        let kind = kind(event);
        let wanted = if self.kinds.is_empty() {
            !QUIET.contains(&kind) && !is_routine(event)
        } else {
            self.kinds.contains(&kind)
        };
        // Reading the words of a term costs more than the kind: it comes last.
        wanted
            && !self.without.contains(&kind)
            && (self.verdicts.is_empty() || self.verdicts.iter().any(|term| term.holds(event)))
            && self.parts.iter().all(|term| term.holds(event))
            && !self.not.iter().any(|term| term.holds(event))
    }

    /// Whether a frame with these figures can hold something that it shows.
    pub fn may_show(&self, tally: &Tally) -> bool {
        let any = if self.kinds.is_empty() {
            KINDS.iter().any(|kind| !QUIET.contains(kind) && tally.count(kind) > 0)
        } else {
            self.kinds.iter().any(|kind| tally.count(kind) > 0)
        };
        let denied = [Term::Denied] != *self.verdicts || has_denial(tally);
        any && denied
    }
}

impl Term {
    fn holds(&self, event: &Event) -> bool {
        match self {
            Term::Denied => is_denial(event),
            Term::Allowed => match event {
                Event::Answer(answer) => answer.verdict == Verdict::Allow,
                _ => event.verdict() == Some(Verdict::Allow),
            },
            Term::Pid(pid) => pid_of(event) == Some(*pid),
            Term::Path(text) => paths(event).iter().any(|path| contains(path, text)),
            Term::Host(text) => hosts(event).iter().any(|host| host.to_lowercase().contains(text)),
            Term::Rule(text) => match event {
                Event::Judged(judged) => judged.rule.to_lowercase().contains(text),
                Event::Tunnel(tunnel) => tunnel.rule.to_lowercase().contains(text),
                Event::Dns(dns) => dns.rule.to_lowercase().contains(text),
                Event::Http(http) => http.rule.to_lowercase().contains(text),
                Event::Mcp(mcp) => mcp.rule().is_some_and(|(rule, _)| rule.to_lowercase().contains(text)),
                Event::Ask(ask) => ask.rule.to_lowercase().contains(text),
                Event::Answer(answer) => answer.rule.to_lowercase().contains(text),
                _ => false,
            },
            Term::Text(text) => text_of(event).to_lowercase().contains(text),
        }
    }
}

fn contains(path: &[u8], text: &str) -> bool {
    visible(path).to_lowercase().contains(text)
}

fn paths(event: &Event) -> Vec<&[u8]> {
    match event {
        Event::Judged(judged) => vec![&judged.path, &judged.path2],
        Event::Ask(ask) => vec![&ask.path, &ask.path2],
        Event::Http(http) => vec![http.path.as_bytes()],
        Event::Proc(proc) => vec![&proc.exe, &proc.cwd],
        _ => Vec::new(),
    }
}

/// Names and addresses that an event is about.
fn hosts(event: &Event) -> Vec<String> {
    let both = |host: &Option<Arc<str>>, addr: Option<SocketAddr>, port: u16| -> Vec<String> {
        let port = addr.map_or(port, |addr| addr.port());
        let host = host.as_deref().map(|host| authority(host, port));
        host.into_iter().chain(addr.map(|addr| addr.to_string())).collect()
    };
    match event {
        Event::Judged(judged) => both(&judged.host, judged.addr, judged.port),
        Event::Ask(ask) => both(&ask.host, ask.addr, ask.port),
        Event::Tunnel(tunnel) => {
            let sni = tunnel.sni.as_ref().map(|sni| visible(sni.as_bytes()));
            both(&tunnel.host, tunnel.addr, tunnel.port).into_iter().chain(sni).collect()
        }
        Event::Dns(dns) => {
            [visible(dns.name.as_bytes())].into_iter().chain(dns.answers.iter().map(ToString::to_string)).collect()
        }
        Event::Http(http) => vec![authority(&http.host, http.port)],
        Event::Credential(credential) => vec![visible(credential.host.as_bytes())],
        _ => Vec::new(),
    }
}

/// Something was refused, or must not have happened. What no rule names and is not there would not have opened either: that is
/// none, as in `govsh show`.
pub fn is_denial(event: &Event) -> bool {
    match event {
        Event::Judged(judged) => {
            judged.verdict == Verdict::Deny && !(judged.errno == libc::ENOENT && &*judged.rule == "default")
        }
        Event::Alert { .. } => true,
        _ => is_denied(event),
    }
}

/// Whether a frame with these figures can hold an [`is_denial`].
pub fn has_denial(tally: &Tally) -> bool {
    tally.denied > 0 || tally.count("alert") > 0
}

/// A connection, or an attempt at one.
pub fn is_connection(event: &Event) -> bool {
    match event {
        Event::Judged(judged) => judged.kind == Kind::Net,
        // What was refused after the connect.
        Event::Tunnel(_) => is_denied(event),
        _ => false,
    }
}

/// All words of an event, safe to draw: what text is looked for in. Of bytes only those that are short.
pub fn text_of(event: &Event) -> String {
    let joined = |argv: &[Vec<u8>]| argv.iter().map(|word| visible(word)).collect::<Vec<_>>().join(" ");
    let places = || hosts(event).join(" ");
    match event {
        Event::Judged(j) => {
            format!(
                "{} {} {} {} {} {} pid {}",
                j.op,
                visible(&j.path),
                visible(&j.path2),
                places(),
                joined(&j.argv),
                visible(j.rule.as_bytes()),
                j.pid
            )
        }
        Event::Proc(proc) => format!("{} {} pid {}", visible(&proc.exe), joined(&proc.argv), proc.pid),
        Event::Ask(ask) => format!(
            "{} {} {} {} {} {}",
            ask.op,
            visible(&ask.path),
            places(),
            joined(&ask.argv),
            visible(ask.rule.as_bytes()),
            visible(ask.reason.as_bytes())
        ),
        Event::Tunnel(tunnel) => format!("{} {} {} pid {}", tunnel.op.word(), places(), tunnel.end, tunnel.pid),
        Event::Dns(dns) => format!("{} {} {}", qtype(dns.qtype), places(), visible(dns.rule.as_bytes())),
        Event::Http(http) => {
            let (method, path) = (visible(http.method.as_bytes()), visible(http.path.as_bytes()));
            let rule = visible(http.rule.as_bytes());
            // As one piece, so that a whole address is found.
            format!("{method} {}{path} {} {} {rule}", visible(http.host.as_bytes()), http.status, places())
        }
        Event::Credential(credential) => {
            format!("{} {} {}", visible(credential.name.as_bytes()), credential.what.word(), places())
        }
        Event::Mcp(mcp) => {
            let rule = mcp.rule().map_or_else(String::new, |(rule, _)| visible(rule.as_bytes()));
            format!("{} {} {rule}", mcp.what.op(), mcp_phrase(mcp))
        }
        Event::Answer(answer) => visible(format!("{} {}", answer.who, answer.rule).as_bytes()),
        Event::Marker { label, by } => visible(format!("{label} {by}").as_bytes()),
        Event::Alert { what, .. } | Event::Limit { what } => visible(what.as_bytes()),
        Event::Lost { why, .. } => visible(why.as_bytes()),
        Event::Start(start) => joined(&start.argv),
        Event::Policy(policy) => visible(policy.name.as_bytes()),
        Event::Input { data } => visible(data.get(..4096).unwrap_or(data)),
        Event::Report(_)
        | Event::Output { .. }
        | Event::Redacted { .. }
        | Event::Resize { .. }
        | Event::Exit { .. } => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::sample;

    fn shown(line: &str) -> Vec<u64> {
        let filter = Filter::new(line);
        sample::session().iter().filter(|stamped| filter.shows(stamped)).map(|stamped| stamped.seq).collect()
    }

    #[test]
    fn words_widen_and_sorts_narrow() {
        let all = shown("");
        assert!(shown("net").iter().all(|seq| all.contains(seq)));
        assert_eq!(shown("net exec").len(), shown("net").len() + shown("exec").len());
        assert_eq!(shown("denied").len(), 2);
        assert_eq!(shown("denied net").len(), 1);
        assert_eq!(shown("path:id_rsa").len(), 1);
        assert_eq!(shown("ID_RSA").len(), 1);
        assert_eq!(shown("host:10.1.2.3"), shown("net denied"));
        assert_eq!(shown("denied -net"), shown("path:id_rsa"));
        assert!(shown("output").len() > 5);
        assert!(shown("path:nowhere").is_empty());
    }

    #[test]
    fn what_is_shown_lies_in_a_frame_that_may_show_it() {
        for line in ["", "denied", "net", "exec denied", "path:id_rsa", "marker", "output", "asked"] {
            let filter = Filter::new(line);
            for stamped in sample::session() {
                let mut tally = Tally::default();
                tally.add(&stamped.event);
                assert!(!filter.shows(&stamped) || filter.may_show(&tally), "{line}: {stamped:?}");
            }
        }
    }

    #[test]
    fn the_usual_ones_come_round() {
        let mut filter = Filter::default();
        for _ in 0..USUAL.len() {
            filter = filter.next();
        }
        assert_eq!(filter, Filter::default());
    }
}
