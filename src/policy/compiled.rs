//! The compiled policy: every question that the rest of govsh asks.
//!
//! Invariant: an answer depends on the request and the rules alone, and names the rule that gave it.
//! Leaves to others: how rules got here (`load`), matching (`trie`).

use std::collections::{HashMap, HashSet};

use super::asks::{Asks, Wanted};
use super::narrow::Withheld;
use super::pattern::Pattern;
use super::programs::Programs;
use super::reach::Net;
use super::sockets::Abstract;
use super::trie::{Hits, Slot, Trie};
use super::{
    Access, Agent, Credential, Decision, Environment, Grant, Layer, Limits, Network, Record, Require, Rule, RuleId,
    UnixAddr, Upstream, Vars, Verdict,
};

/// All rules of one session, validated and compiled.
#[derive(Debug)]
pub struct Policy {
    pub(super) name: String,
    pub(super) sources: Vec<String>,
    pub(super) rules: Vec<Rule>,
    pub(super) files: Files,
    pub(super) programs: Programs,
    pub(super) asks: Asks,
    pub(super) answers_key: String,
    pub(super) sockets: Sockets,
    pub(super) network: Network,
    pub(super) net: Net,
    pub(super) credentials: Vec<Credential>,
    pub(super) servers: Vec<super::mcp::Server>,
    pub(super) on_change: super::OnChange,
    pub(super) mcp_rules: Vec<super::mcp::McpRule>,
    /// None: nobody says.
    pub(super) direct_servers: Option<super::mcp::Direct>,
    pub(super) upstream: Upstream,
    /// Where the machine is enrolled, as `file:line`.
    pub(super) enrolled: Option<String>,
    /// Rules from here on are those of files that may only narrow.
    pub(super) narrow_from: u32,
    pub(super) withheld: Vec<Withheld>,
    /// The strictest rule of each key of `[require]`.
    pub(super) requires: HashMap<&'static str, u32>,
    pub(super) fixed: Fixed,
    pub(super) environment: Environment,
    pub(super) limits: Limits,
    pub(super) record: Record,
    pub(super) require: Require,
    pub(super) agent: Agent,
    pub(super) vars: Vars,
}

/// Rules on paths.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub trie: Trie,
    /// What stands in it for `[files]` and what is built in, for explanations: as written, then by real path.
    pub placed: Vec<super::load::PathRule>,
    /// Built-in protections against writing: rule and pattern.
    pub held: Vec<(u32, Pattern)>,
    /// Those of them that protect git repositories, in which git itself is at work.
    pub repositories: HashSet<u32>,
    pub lifts: Vec<Lift>,
    /// Rules that lift the protection of git directories by their shape (`repository::shape`).
    pub shapes: Vec<Pattern>,
    pub grants: Vec<Grant>,
    /// What answers may grant.
    pub asked: Vec<Grant>,
    /// Roots of writable trees: used, but not moved or replaced.
    pub roots: HashSet<Vec<u8>>,
    pub denied: Vec<Vec<u8>>,
    /// What protects, in lower case; made when it is first asked for.
    pub folded: std::sync::OnceLock<Trie>,
    /// Some rule tells one change from another, or reading from changing, where a whole tree does not.
    pub is_fine: bool,
    pub carves_reads: bool,
}

/// A rule that names protected paths, and the protections that it lifts.
#[derive(Debug)]
pub(super) struct Lift {
    pub pattern: Pattern,
    pub held: Vec<u32>,
}

/// `sockets.allow`.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    pub paths: Trie,
    pub abstracts: Vec<(Abstract, u32)>,
    /// `sockets.deny`, which nothing outdoes.
    pub denied: Trie,
    pub abstracts_deny: Vec<(Abstract, u32)>,
    /// Rules that name a service: they hold against a deny on files.
    pub named: HashSet<u32>,
}

/// Rules with a part to play outside the lists.
#[derive(Debug, Default)]
pub(super) struct Fixed {
    /// `network.allow`, where it is one word.
    pub network: u32,
    pub bind: u32,
    pub metadata: u32,
    pub special: u32,
    pub private: u32,
    pub http: u32,
    pub git: u32,
    pub registry: u32,
    /// Of `repository::shape`.
    pub shape: u32,
}

pub(super) fn allow(rule: u32) -> Decision {
    Decision { verdict: Verdict::Allow, rule: RuleId(rule) }
}

pub(super) fn deny(rule: u32) -> Decision {
    Decision { verdict: Verdict::Deny, rule: RuleId(rule) }
}

fn ask(rule: u32) -> Decision {
    Decision { verdict: Verdict::Ask, rule: RuleId(rule) }
}

/// The rights, those first that a denial is best told by.
const ORDER: [Access; 7] =
    [Access::EXEC, Access::WRITE, Access::CREATE, Access::DELETE, Access::RENAME, Access::CHANGE, Access::READ];

/// What the rules say of a path, before answers are looked for.
pub(super) enum Said {
    Plainly(Decision),
    /// The rule that asks, and about which of the rights.
    Asks(u32, Access),
}

impl Policy {
    /// A profile's name without `.toml`, or the path of the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Name without `.toml` of the file in which answers to its questions are kept.
    pub fn answers_key(&self) -> &str {
        &self.answers_key
    }

    /// Files that make it up, most derived last.
    pub fn sources(&self) -> &[String] {
        &self.sources
    }

    /// The rule of a decision.
    pub fn rule(&self, id: RuleId) -> &Rule {
        self.rules.get(id.0 as usize).unwrap_or(&self.rules[0])
    }

    /// All rules; `RuleId` counts them.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// `path` is absolute, normalised, resolved. With several access bits: the worst verdict.
    pub fn decide_file(&self, path: &[u8], access: Access) -> Decision {
        match self.judge(path, access, &self.files.trie.hits(path)) {
            Said::Plainly(decision) => decision,
            Said::Asks(rule, access) => self.answered(rule, &Wanted::File { path, access }),
        }
    }

    /// A question, unless an answer to it was kept.
    pub(super) fn answered(&self, rule: u32, wanted: &Wanted<'_>) -> Decision {
        match self.asks.answer(wanted) {
            Some((verdict, rule)) => Decision { verdict, rule: RuleId(rule) },
            None => ask(rule),
        }
    }

    /// Without what files say that may only narrow (`narrow`): `hits` are without theirs.
    pub(super) fn by_wide_rules(&self, path: &[u8], access: Access, hits: &Hits) -> Said {
        if let Some(rule) = hits.rule(Slot::Deny) {
            return Said::Plainly(deny(rule));
        }
        if let Some(rule) = hits.rule(Slot::Held).filter(|_| access.changes() && !self.lifted(path)) {
            return Said::Plainly(deny(rule));
        }
        if let Some(rule) = hits.refused(access) {
            return Said::Plainly(deny(rule));
        }
        let mut allowed = None;
        let mut asked: Option<(u32, Access)> = None;
        for bit in ORDER {
            if !access.contains(bit) {
                continue;
            }
            match right(hits, bit) {
                Decision { verdict: Verdict::Deny, rule } => return Said::Plainly(deny(rule.0)),
                Decision { verdict: Verdict::Ask, rule } => {
                    asked = Some(asked.map_or((rule.0, bit), |(first, bits)| (first, bits | bit)));
                }
                Decision { verdict: Verdict::Allow, rule } => {
                    allowed.get_or_insert(rule.0);
                }
            }
        }
        match (asked, allowed) {
            (Some((rule, bits)), _) => Said::Asks(rule, bits),
            (None, Some(rule)) => Said::Plainly(allow(rule)),
            (None, None) => Said::Plainly(deny(0)),
        }
    }

    /// Which of these rights on `path` are asked about; empty when the verdict is not a question.
    pub fn asked_rights(&self, path: &[u8], access: Access) -> Access {
        match self.judge(path, access, &self.files.trie.hits(path)) {
            Said::Asks(_, bits) => bits,
            Said::Plainly(_) => Access::empty(),
        }
    }

    /// Why the rule asks, in its author's words; empty when it does not say.
    pub fn reason(&self, rule: RuleId) -> &str {
        self.asks.reasons.get(&rule.0).map_or("", String::as_str)
    }

    /// What was answered in an earlier session to a question about `wanted`, whichever rule asks.
    pub fn kept_answer(&self, wanted: &Wanted<'_>) -> Option<Decision> {
        self.asks.answer(wanted).map(|(verdict, rule)| Decision { verdict, rule: RuleId(rule) })
    }

    /// Key and pattern of every answer that can be kept for `wanted`, which `rule` asks about; the narrowest first.
    pub fn choices(&self, rule: RuleId, wanted: &Wanted<'_>) -> Vec<(&'static str, String)> {
        self.asks.choices(&[&self.net.ask, &self.net.narrow_ask, &self.net.ask_else], rule.0, wanted)
    }

    /// Whether every built-in protection of `path` is lifted by a rule that names it.
    pub fn lifted(&self, path: &[u8]) -> bool {
        let files = &self.files;
        let lifts: Vec<&Lift> = files.lifts.iter().filter(|lift| lift.pattern.matches(path)).collect();
        let open = |held: &u32| lifts.iter().any(|lift| lift.held.contains(held));
        !lifts.is_empty() && files.held.iter().filter(|(_, pattern)| pattern.matches(path)).all(|(held, _)| open(held))
    }

    /// Only what `[sockets]` names. What the session itself bound is the supervisor's to allow.
    pub fn decide_unix(&self, addr: UnixAddr<'_>) -> Decision {
        match addr {
            UnixAddr::Abstract(name) => {
                let sockets = &self.sockets;
                let of = |list: &[(Abstract, u32)]| {
                    list.iter().find(|(pattern, _)| pattern.matches(name)).map(|(_, rule)| *rule)
                };
                of(&sockets.abstracts_deny).map(deny).or_else(|| of(&sockets.abstracts).map(allow)).unwrap_or(deny(0))
            }
            UnixAddr::Path(path) => {
                if let Some(rule) = self.sockets.denied.hits(path).rule(Slot::Deny) {
                    return deny(rule);
                }
                let named = self.sockets.paths.hits(path).rule(Slot::Read);
                let denied = self.files.trie.hits(path).rule(Slot::Deny);
                match (named, denied) {
                    (Some(rule), Some(_)) if self.sockets.named.contains(&rule) => allow(rule),
                    (_, Some(rule)) => deny(rule),
                    (Some(rule), None) => allow(rule),
                    (None, None) => deny(0),
                }
            }
        }
    }

    /// What is granted, as written and by real path, for the kernel's rules.
    pub fn grants(&self) -> &[Grant] {
        &self.files.grants
    }

    /// What may be granted by an answer, likewise.
    pub fn asked_grants(&self) -> &[Grant] {
        &self.files.asked
    }

    /// Some deny or question may match inside a read or exec grant.
    pub fn carves_reads(&self) -> bool {
        self.files.carves_reads
    }

    /// A literal deny, readonly or built-in protects `dir` or a path beneath it, or `dir` is the root of a writable
    /// tree: it may be made as a directory and used, but not moved, removed, replaced, or made as a link.
    pub fn carves_beneath(&self, dir: &[u8]) -> bool {
        self.files.roots.contains(dir) || self.files.trie.beneath(dir).anchored
    }

    /// A deny or readonly with a glob in it may match beneath `dir`: moving it needs a scan.
    pub fn floating_beneath(&self, dir: &[u8]) -> bool {
        self.files.trie.beneath(dir).floating
    }

    /// A rule, and not the default, refuses reading or writing `path`.
    pub fn forbidden(&self, path: &[u8]) -> bool {
        !self.refused_rights(path).is_empty()
    }

    /// [`Policy::forbidden`], or a rule asks about it.
    pub fn protected(&self, path: &[u8]) -> bool {
        self.forbidden(path) || !self.asked_about(path).is_empty()
    }

    /// Literal paths of deny rules (file or tree root), to find hard links to them.
    pub fn denied_exact(&self) -> &[Vec<u8>] {
        &self.files.denied
    }

    /// MCP servers that govsh starts or reaches.
    pub fn servers(&self) -> &[super::mcp::Server] {
        &self.servers
    }

    /// The server whose URL is at this place: the agent has to go by `govsh mcp connect`.
    pub fn server_at(&self, host: &super::Host, port: u16) -> Option<&str> {
        let there = |server: &&super::mcp::Server| {
            server.place().is_some_and(|(place, own)| own == port && place == super::Place::Name(host.clone()))
        };
        self.servers.iter().find(there).map(|server| server.name.as_str())
    }

    /// The same as the policy of a server: what it says of servers is the agent's.
    #[must_use]
    pub fn of_server(mut self) -> Policy {
        self.servers.clear();
        self.mcp_rules.clear();
        self
    }

    /// What is done about servers that the agent reaches by itself.
    pub fn direct_servers(&self) -> super::mcp::Direct {
        self.direct_servers.unwrap_or_default()
    }

    /// Rules on what is called of them.
    pub fn mcp_rules(&self) -> &[super::mcp::McpRule] {
        &self.mcp_rules
    }

    /// Secrets that are put into requests.
    pub fn credentials(&self) -> &[Credential] {
        &self.credentials
    }

    /// The proxy and the authorities of the machine's company.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub fn record(&self) -> &Record {
        &self.record
    }

    /// What follows when an MCP server is not what was pinned.
    pub fn on_change(&self) -> super::OnChange {
        self.on_change
    }

    pub fn require(&self) -> &Require {
        &self.require
    }

    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// What its variables stand for, without the environment that it does not look at.
    pub fn vars(&self) -> &Vars {
        &self.vars
    }

    /// How many denies and asks the files hold; built-ins are not counted.
    pub fn counts(&self) -> (usize, usize) {
        let of = |keys: [&str; 3]| {
            let own = self.rules.iter().filter(|rule| rule.layer != Layer::BuiltIn);
            own.filter(|rule| keys.contains(&rule.key)).count()
        };
        (of(["files.deny", "files.readonly", "exec.deny"]), of(["files.ask", "exec.ask", "network.ask"]))
    }
}

/// The verdict on one right, where no deny holds. What is asked about counts as granted once somebody says so, but for
/// running: the kernel's own rules must have granted that before.
fn right(hits: &Hits, bit: Access) -> Decision {
    let granted = |slot| hits.rule(slot).map(allow);
    let asked = |slot| hits.rule(slot).map(ask);
    let decision = if bit == Access::EXEC {
        granted(Slot::Exec).map(|granted| asked(Slot::AskExec).unwrap_or(granted))
    } else if bit.changes() {
        // What is asked about before it is read cannot be taken away under another name.
        let granted = hits.granted(bit).map(allow).map(|granted| asked(Slot::AskRead).unwrap_or(granted));
        hits.asked(bit).map(ask).or(granted)
    } else {
        // Writing implies reading.
        asked(Slot::AskRead).or_else(|| granted(Slot::Read)).or_else(|| asked(Slot::AskWrite))
    };
    decision.unwrap_or(deny(0))
}
