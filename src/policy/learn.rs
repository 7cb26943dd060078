//! What sessions asked for → the rules of a small policy that allows it again.
//!
//! Invariant: what the floor refuses is never proposed, and no tree is proposed that holds a secret of the floor or is wider
//! than an application's own directory; the order in which requests are given makes no difference.
//! Leaves to others: reading recordings and writing files (`cmd::learn`), what a rule means (`load`).
//!
//! ```text
//! request ─ floor refuses? ──▶ refused, named        ─ base allows? ─▶ counted
//!         └ nothing was there? ▶ counted             └ else a need: place, rights, which programs, how often
//! needs ─ places ─▶ ${workdir}, ${tmp}, ~, / ─ trees ─▶ few: as they are · many: one directory ─ text ─▶ TOML
//! ```

mod names;
mod net;
mod places;
#[cfg(test)]
mod tests;
mod text;
mod trees;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::{Access, Host, Layer, NetOp, Policy, Request, UnixAddr, Vars, Verdict};

use places::Places;
pub use text::{Header, write};
pub use trees::Group;

/// How a recorded request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Allowed, and the kernel said that nothing is there.
    Absent,
    /// Allowed, and it failed for a reason of its own.
    Failed,
    Denied,
    /// Decided by the session itself, whatever the policy: its own processes, terminals and sockets.
    Own,
}

/// A request of a session, and who made it.
#[derive(Debug, Clone, Copy)]
pub struct Past<'r> {
    pub request: Request<'r>,
    pub outcome: Outcome,
    /// The program's name, without its directory.
    pub program: &'r str,
    pub times: u64,
}

/// Who needed something, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Use {
    pub times: u64,
    pub programs: BTreeMap<String, u64>,
}

impl Use {
    fn note(&mut self, program: &str, times: u64) {
        self.times = self.times.saturating_add(times);
        if !program.is_empty() {
            let count = self.programs.entry(program.to_owned()).or_default();
            *count = count.saturating_add(times);
        }
    }

    fn add(&mut self, other: &Use) {
        self.times = self.times.saturating_add(other.times);
        for (program, times) in &other.programs {
            let count = self.programs.entry(program.clone()).or_default();
            *count = count.saturating_add(*times);
        }
    }
}

/// A place on the network that was needed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum To {
    /// And port.
    Name(Host, u16),
    Addr(SocketAddr),
}

/// A path that was needed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Need {
    access: Access,
    /// Of a program: a command line it was run with, the least of those seen.
    argv: Option<Vec<Vec<u8>>>,
    by: Use,
}

/// What was left out, in requests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Left {
    /// Allowed by the base already.
    pub base: u64,
    /// Nothing was there.
    pub absent: u64,
    /// They failed for a reason of their own.
    pub failed: u64,
    /// Decided by the session itself.
    pub own: u64,
    /// Denied then, though the floor would not have: not needed, since the session went on.
    pub denied: BTreeMap<String, u64>,
    /// What the floor refuses: secrets, what is built in, sockets.
    pub refused: BTreeMap<String, u64>,
    /// What no rule can say.
    pub unsaid: BTreeMap<String, u64>,
}

/// What one session needed.
#[derive(Debug)]
pub struct Lesson<'p> {
    floor: &'p Policy,
    base: &'p Policy,
    places: Places,
    files: BTreeMap<Vec<u8>, Need>,
    net: BTreeMap<To, Use>,
    /// Paths, and names behind an `@`.
    sockets: BTreeMap<Vec<u8>, Use>,
    /// Also what was denied then.
    with_denied: bool,
    /// Requests that are to be allowed.
    pub needed: u64,
    pub left: Left,
}

/// One rule that is proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub key: Key,
    pub group: Group,
    /// The pattern as a policy has it.
    pub text: String,
    pub by: Use,
}

/// The list that a line stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    Write,
    Exec,
    Read,
    Socket,
    Network,
}

impl Key {
    /// As rules and messages name it: `files.write`.
    pub const fn word(self) -> &'static str {
        match self {
            Key::Write => "files.write",
            Key::Exec => "files.exec",
            Key::Read => "files.read",
            Key::Socket => "sockets.allow",
            Key::Network => "network.allow",
        }
    }
}

impl<'p> Lesson<'p> {
    /// `floor` says what is never proposed, `base` what is allowed anyway; both with the session's own variables, which
    /// `vars` are, without symbolic links in them.
    pub fn new(floor: &'p Policy, base: &'p Policy, vars: &Vars, with_denied: bool) -> Lesson<'p> {
        Lesson {
            floor,
            base,
            places: Places::new(vars, floor),
            files: BTreeMap::new(),
            net: BTreeMap::new(),
            sockets: BTreeMap::new(),
            with_denied,
            needed: 0,
            left: Left::default(),
        }
    }

    /// Takes in one request.
    pub fn take(&mut self, past: &Past<'_>) {
        let Past { request, outcome, times, .. } = *past;
        let count = |sum: &mut u64| *sum = sum.saturating_add(times);
        match outcome {
            Outcome::Own => return count(&mut self.left.own),
            Outcome::Absent => return count(&mut self.left.absent),
            Outcome::Failed => return count(&mut self.left.failed),
            Outcome::Done | Outcome::Denied => {}
        }
        if self.floor.decide(&request).verdict != Verdict::Allow && !self.is_allowed_socket(past) {
            return count(self.left.refused.entry(told(&request)).or_default());
        }
        if outcome == Outcome::Denied && !self.with_denied {
            return count(self.left.denied.entry(told(&request)).or_default());
        }
        if self.base.decide(&request).verdict == Verdict::Allow {
            return count(&mut self.left.base);
        }
        if matches!(request, Request::Net(reach) if reach.op == NetOp::Bind) {
            return count(self.left.unsaid.entry(told(&request)).or_default());
        }
        count(&mut self.needed);
        self.need(past);
    }

    /// A socket that a policy of the user allowed then: the floor, which allows none, has no say.
    fn is_allowed_socket(&self, past: &Past<'_>) -> bool {
        past.outcome == Outcome::Done && matches!(past.request, Request::Unix { .. })
    }

    fn need(&mut self, past: &Past<'_>) {
        let note = |by: &mut Use| by.note(past.program, past.times);
        match past.request {
            Request::Net(reach) => {
                let to = match (reach.host, reach.addr) {
                    (Some(host), _) => To::Name(host.clone(), reach.port),
                    (None, Some(addr)) => To::Addr(addr),
                    (None, None) => return,
                };
                note(self.net.entry(to).or_default());
            }
            Request::Unix { addr: UnixAddr::Path(path) } => note(self.sockets.entry(path.to_vec()).or_default()),
            Request::Unix { addr: UnixAddr::Abstract(name) } => {
                note(self.sockets.entry([b"@", name].concat()).or_default());
            }
            Request::File { path, access } => {
                let need = self.file(path);
                need.access |= access;
                note(&mut need.by);
            }
            Request::Exec { path, argv } => {
                let need = self.file(path);
                need.access |= Access::EXEC;
                if need.argv.as_deref().is_none_or(|least| argv < least) {
                    need.argv = Some(argv.to_vec());
                }
                note(&mut need.by);
            }
        }
    }

    fn file(&mut self, path: &[u8]) -> &mut Need {
        let empty = || Need { access: Access::empty(), argv: None, by: Use::default() };
        self.files.entry(path.to_vec()).or_insert_with(empty)
    }

    /// The needs that `policy` does not allow: path and whether it is to be run or changed.
    fn unmet<'l>(&'l self, policy: &'l Policy) -> impl Iterator<Item = (&'l [u8], &'l Need)> {
        let allowed = |request: &Request<'_>| policy.decide(request).verdict == Verdict::Allow;
        self.files.iter().map(|(path, need)| (path.as_slice(), need)).filter(move |(path, need)| {
            let by_path = allowed(&Request::File { path, access: need.access });
            let by_argv = need.argv.as_ref().is_none_or(|argv| allowed(&Request::Exec { path, argv }));
            !(by_path && by_argv)
        })
    }

    /// Something that the floor refuses and `policy` allows: the path and the rule that does.
    fn leak(&self, policy: &Policy) -> Option<(String, String)> {
        let secrets = self.floor.files.placed.iter().filter(|rule| rule.key.narrows());
        let probes = secrets.map(|rule| rule.pattern.literal_prefix().0);
        let held = self.floor.files.held.iter().map(|(_, pattern)| pattern.literal_prefix().0);
        for path in probes.chain(held) {
            for access in [Access::READ, Access::WRITE, Access::EXEC] {
                let request = Request::File { path: &path, access };
                let decision = policy.decide(&request);
                if decision.verdict == Verdict::Allow && self.floor.decide(&request).verdict != Verdict::Allow {
                    return Some((told(&request), policy.rule(decision.rule).text.to_string()));
                }
            }
        }
        None
    }
}

/// The rules that allow what the lessons needed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proposal {
    pub lines: Vec<Line>,
}

/// What the lessons say together. Not yet checked: see [`Proposal::mend`].
pub fn propose(lessons: &[Lesson<'_>]) -> Proposal {
    let mut lines = trees::lines(lessons);
    lines.extend(net::lines(lessons));
    lines.sort_by(|a, b| (a.key, a.group, &a.text).cmp(&(b.key, b.group, &b.text)));
    Proposal { lines }
}

impl Proposal {
    /// Whether the policy that came of it does what it must for one lesson; else it is changed, and must be read again:
    /// needs that are not met are added as they are, lines that let a secret out are taken away.
    pub fn mend(&mut self, lesson: &Lesson<'_>, policy: &Policy) -> bool {
        let mut sound = true;
        if let Some((_, text)) = lesson.leak(policy) {
            let before = self.lines.len();
            self.lines.retain(|line| line.text != text);
            sound = false;
            if self.lines.len() < before {
                return sound;
            }
        }
        for (path, need) in lesson.unmet(policy) {
            for line in trees::exact(&lesson.places, path, need) {
                if !self.lines.iter().any(|known| known.key == line.key && known.text == line.text) {
                    self.lines.push(line);
                    sound = false;
                }
            }
        }
        self.lines.sort_by(|a, b| (a.key, a.group, &a.text).cmp(&(b.key, b.group, &b.text)));
        sound
    }

    /// The first need of `lesson` that `policy` does not meet, for people.
    pub fn missing(lesson: &Lesson<'_>, policy: &Policy) -> Option<String> {
        let (path, need) = lesson.unmet(policy).next()?;
        Some(told(&Request::File { path, access: need.access }))
    }

    /// The first secret of `lesson` that `policy` lets out, for people.
    pub fn leaking(lesson: &Lesson<'_>, policy: &Policy) -> Option<String> {
        lesson.leak(policy).map(|(what, _)| what)
    }
}

/// A request for people, control characters made visible: `read /etc/shadow`.
pub fn told(request: &Request<'_>) -> String {
    let shown = |bytes: &[u8]| super::error::visible(&String::from_utf8_lossy(bytes));
    match request {
        Request::File { path, access } => {
            let verb = if access.changes() {
                "write"
            } else if access.contains(Access::EXEC) {
                "run"
            } else {
                "read"
            };
            format!("{verb} {}", shown(path))
        }
        Request::Exec { path, .. } => format!("run {}", shown(path)),
        Request::Net(reach) => {
            let verb = match reach.op {
                NetOp::Connect => "connect to",
                NetOp::Bind => "bind",
                NetOp::Send => "send to",
            };
            format!("{verb} {reach}")
        }
        Request::Unix { addr: UnixAddr::Path(path) } => format!("socket {}", shown(path)),
        Request::Unix { addr: UnixAddr::Abstract(name) } => format!("socket @{}", shown(name)),
    }
}

/// Whether a deny of the floor stands in one place, at or beneath `dir`: not one like `**/.env`, which holds anywhere.
fn holds_secret(floor: &Policy, dir: &[u8]) -> bool {
    use super::pattern::Segment;
    floor.files.placed.iter().filter(|rule| rule.key.narrows()).any(|rule| {
        let own = floor.rules.get(rule.rule as usize).is_none_or(|rule| rule.layer == Layer::BuiltIn);
        let (prefix, count) = rule.pattern.literal_prefix();
        let floats = rule.pattern.segments.get(count) == Some(&Segment::Deep);
        !own && !floats && beneath(&prefix, dir)
    })
}

/// Whether `path` is `dir` or lies beneath it.
fn beneath(path: &[u8], dir: &[u8]) -> bool {
    let dir = dir.strip_suffix(b"/").unwrap_or(dir);
    path.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}
