//! What will be enforced, computed from the policy before anything starts.
//!
//! Invariant: a tree is granted to the kernel only where the policy grants all of it; a pattern, or a path that does
//! not exist yet, is left to the broker and listed as late.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};

use super::places::{Kind, Places};
use super::{SandboxError, domain, filter};
use crate::event::{Report, ReportLine};
use crate::policy::{Access, Audit, Cover, Grant, Network, Policy, RuleId};
use crate::sys::{self, cred};

use super::limits::{self, Controllers};

/// CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, NET_BIND_SERVICE (capabilities(7)): what package managers
/// and builds as root need; nothing that reaches beyond files and processes.
pub(super) const KEPT_CAPABILITIES: u64 = 1 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 10;

/// What the run was asked for.
#[derive(Debug, Clone)]
pub struct Options {
    pub audit: Audit,
    pub env: Vec<(OsString, OsString)>,
    pub cwd: PathBuf,
    /// The session's runtime directory.
    pub session_dir: PathBuf,
    /// The follower of the session's PTY.
    pub pts: Option<PathBuf>,
    /// What a cgroup holds for the session.
    pub cgroup: Controllers,
}

/// A path, what is granted on it and beneath it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    pub path: PathBuf,
    pub access: Access,
}

#[derive(Serialize, Deserialize)]
struct TreeOnWire(Vec<u8>, u8);

impl Serialize for Tree {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        TreeOnWire(self.path.as_os_str().as_bytes().to_vec(), self.access.bits()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let TreeOnWire(path, bits) = TreeOnWire::deserialize(deserializer)?;
        Ok(Self { path: OsString::from_vec(path).into(), access: Access::from_bits_truncate(bits) })
    }
}

/// The floor under the broker itself.
#[derive(Debug, Clone, PartialEq)]
pub struct BrokerPlan {
    pub trees: Vec<Tree>,
    /// Directories and files granted by the policy that the kernel's rules cannot name (patterns, not existing yet):
    /// a thread outside the broker's domain performs what is allowed there, after judging it again.
    pub late: Vec<Vec<u8>>,
}

/// All that the monitor's child needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentPlan {
    pub trees: Vec<Tree>,
    /// The Landlock ABI to enforce with; what it has is enforced, or nothing starts.
    pub abi: i32,
    pub notify: Vec<(u16, u8, u8, u32)>,
    /// `(RLIMIT_* number, soft, hard)`.
    pub limits: Vec<(u32, u64, u64)>,
    /// Environment after the policy's rules. The monitor gets the whole of it in its orders.
    #[serde(skip)]
    pub env: Vec<(OsString, OsString)>,
}

/// Everything that will be enforced.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub broker: BrokerPlan,
    pub agent: AgentPlan,
    report: Report,
}

impl Plan {
    /// Errors: a `require` that this machine does not meet, `writes` with carve-outs among reads, no Landlock.
    pub fn new(policy: &Policy, options: &Options) -> Result<Self, SandboxError> {
        let abi = planned_abi(&options.env);
        if abi <= 0 {
            return Err(SandboxError::NoLandlock);
        }
        if let Some(wanted) = policy.require().landlock_abi
            && i64::from(abi) < i64::from(wanted)
        {
            let rule = policy.required_by("require.landlock_abi");
            let by = rule.map_or_else(String::new, |rule| {
                format!(" (require.landlock_abi of '{}' line {}, {} layer)", rule.source, rule.line, rule.layer.name())
            });
            return Err(SandboxError::Abi { wanted, found: abi, by });
        }
        // What the kernel alone decides is never asked about.
        let asks_reads = policy.asked_grants().iter().any(|grant| grant.access.contains(Access::READ));
        if options.audit == Audit::Writes && (policy.carves_reads() || asks_reads) {
            return Err(SandboxError::WritesWithCarveOuts);
        }
        let mut places = Places::default();
        let broker =
            BrokerPlan { trees: broker_trees(policy, options, &mut places), late: late_places(policy, &mut places) };
        let front = filter::Front {
            root: cred::euid() == 0,
            network: knows_network(policy),
            scoped: domain::scopes_signals(abi),
        };
        let program = filter::program(options.audit, front)?;
        let agent = AgentPlan {
            trees: agent_trees(policy, options.audit, &mut places),
            abi,
            notify: filter::to_words(&program),
            limits: limits::resources(policy.limits(), options.cgroup),
            env: environment(policy, &options.env),
        };
        let mut report = report(policy, options.audit, abi, &agent);
        report.lines.extend(limits::report(policy.limits(), options.cgroup));
        Ok(Self { broker, agent, report })
    }

    /// What is enforced, rule by rule.
    #[must_use]
    pub fn report(&self) -> Report {
        self.report.clone()
    }
}

/// What the policy leaves of an environment.
#[must_use]
pub fn environment(policy: &Policy, env: &[(OsString, OsString)]) -> Vec<(OsString, OsString)> {
    env.iter().filter(|(name, _)| policy.environment().keep(name.as_bytes())).cloned().collect()
}

/// Whether a session under this policy has a way to the network: some place may be reached, perhaps after a question. Else
/// internet sockets reach what the session itself serves on loopback, and no more.
#[must_use]
pub fn knows_network(policy: &Policy) -> bool {
    !matches!(policy.network(), Network::None) || policy.asks_network()
}

impl AgentPlan {
    /// With what the session hands to its agent besides, which no policy names: where reads are left to the kernel its rules
    /// have to let it through. `dir` lies in the session's directory, all of which the broker may read.
    #[must_use]
    pub fn reading(&self, dir: Option<&Path>) -> AgentPlan {
        let mut plan = self.clone();
        plan.trees.extend(dir.map(|dir| Tree { path: dir.to_owned(), access: Access::READ }));
        plan
    }

    /// Whether Landlock lets no signal out of the session, so that the kernel may be left to deliver any.
    #[must_use]
    pub fn scopes_signals(&self) -> bool {
        domain::scopes_signals(self.abi)
    }

    pub(super) fn set_limits(&self) -> Result<(), SandboxError> {
        for &(resource, soft, hard) in &self.limits {
            sys::limits::set(resource, soft, hard)
                .map_err(|errno| SandboxError::System { act: "set a resource limit", errno })?;
        }
        Ok(())
    }
}

/// The kernel's Landlock ABI, or the lower one of GOVSH_LANDLOCK_ABI: what an older kernel would get. It can only be
/// lowered, and what a lower one lacks is held by the front or named in the report.
fn planned_abi(env: &[(OsString, OsString)]) -> i32 {
    let asked = env.iter().find(|(name, _)| name == "GOVSH_LANDLOCK_ABI");
    let asked = asked.and_then(|(_, value)| value.to_str()?.parse().ok()).filter(|asked| *asked > 0);
    domain::abi().min(asked.unwrap_or(i32::MAX))
}

fn path(bytes: &[u8]) -> PathBuf {
    OsStr::from_bytes(bytes).into()
}

/// What Landlock can hold for the agent. Where some deny may lie inside, only what execve needs (READ and EXECUTE):
/// every other read goes through the broker. A single directory would mean its whole tree, so it is left out; so is a
/// pattern, but for programs while every open is judged: execve then needs the kernel's leave for the directory.
fn agent_trees(policy: &Policy, audit: Audit, places: &mut Places) -> Vec<Tree> {
    let reads = !policy.carves_reads();
    let tree = |grant: &Grant| {
        let kind = places.at(&grant.path);
        let run = grant.access.contains(Access::EXEC);
        let looks = grant.access.contains(Access::READ);
        let access = match grant.cover {
            // What is not there needs no rule of the kernel's; whatever comes to stand there is late.
            _ if kind == Kind::Absent => return None,
            Cover::Tree if run => Access::READ | Access::EXEC,
            Cover::Exact if run && kind == Kind::File => Access::READ | Access::EXEC,
            Cover::Tree if reads && looks => Access::READ,
            // The kernel takes no rule for pipes and sockets.
            Cover::Exact if reads && looks && matches!(kind, Kind::File | Kind::Device) => Access::READ,
            Cover::Beneath if run && audit == Audit::Full => Access::EXEC,
            _ => return None,
        };
        Some(Tree { path: path(&grant.path), access })
    };
    policy.grants().iter().filter_map(tree).collect()
}

/// The union of what the policy mentions, and what monitor and broker need to work at all.
fn broker_trees(policy: &Policy, options: &Options, places: &mut Places) -> Vec<Tree> {
    let mut trees: Vec<Tree> = mentioned(policy)
        .filter(|grant| match places.at(&grant.path) {
            Kind::Absent => false,
            Kind::Directory => grant.cover == Cover::Tree,
            _ => grant.cover != Cover::Beneath,
        })
        .map(|grant| Tree { path: path(&grant.path), access: grant.access })
        .collect();
    let own = |text: &str, access| Tree { path: text.into(), access };
    let run = Access::READ | Access::EXEC;
    trees.extend([
        own("/proc", Access::READ | Access::CHANGES),
        own("/dev/pts", Access::READ | Access::CHANGES),
        own("/dev/ptmx", Access::READ | Access::CHANGES),
        own("/dev/null", Access::READ | Access::CHANGES),
        own("/lib", run),
        own("/lib64", run),
        own("/usr/lib", run),
        own("/usr/lib64", run),
        own("/etc/ld.so.cache", Access::READ),
        own("/proc/self/exe", run),
    ]);
    trees.push(Tree { path: options.session_dir.clone(), access: Access::READ | Access::CHANGES });
    trees
}

/// What the policy grants, and what it may grant after a question.
fn mentioned(policy: &Policy) -> impl Iterator<Item = &Grant> {
    policy.grants().iter().chain(policy.asked_grants())
}

fn late_places(policy: &Policy, places: &mut Places) -> Vec<Vec<u8>> {
    // A name is the directory's: what makes, moves or removes a single one needs rights that the kernel would give on all.
    let names = Access::CREATE | Access::DELETE | Access::RENAME;
    let late = |grant: &&Grant| {
        grant.cover == Cover::Beneath
            || grant.cover == Cover::Exact && grant.access.intersects(names)
            || match places.at(&grant.path) {
                Kind::Absent => true,
                kind => (kind == Kind::Directory) == (grant.cover == Cover::Exact),
            }
    };
    let mut late: Vec<Vec<u8>> = mentioned(policy).filter(late).map(|grant| grant.path.clone()).collect();
    late.sort();
    late.dedup();
    late
}

fn report(policy: &Policy, audit: Audit, abi: i32, agent: &AgentPlan) -> Report {
    let mut lines = mechanisms(policy, audit, abi);
    let mut told = HashSet::from([RuleId::DEFAULT]);
    let mut kernel: HashMap<&[u8], Vec<Access>, RandomState> = HashMap::default();
    for tree in &agent.trees {
        kernel.entry(tree.path.as_os_str().as_bytes()).or_default().push(tree.access);
    }
    for grant in policy.grants() {
        told.insert(grant.rule);
        let reads = grant.access - Access::CHANGES;
        let kernel = kernel.get(grant.path.as_slice()).is_some_and(|held| held.iter().any(|held| held.contains(reads)));
        let whole = kernel && !grant.access.changes();
        lines.push(ReportLine {
            rule: policy.rule(grant.rule).name.clone(),
            how: if whole && audit == Audit::Writes { "enforced" } else { "brokered" },
            by: match (kernel, whole) {
                (true, true) if audit == Audit::Writes => "Landlock; reads are not recorded".into(),
                (true, true) => "front judges each open, Landlock underneath".into(),
                (true, false) => "front opens and changes; Landlock holds reading and executing".into(),
                _ => "front opens; nothing is granted to the agent itself".into(),
            },
        });
    }
    for (index, rule) in policy.rules().iter().enumerate() {
        if !told.contains(&RuleId(index as u32)) && !rule.key.starts_with("limits.") {
            lines.push(ReportLine {
                rule: rule.name.clone(),
                how: "brokered",
                by: match rule.key {
                    "files.ask" | "exec.ask" | "network.ask" => "front asks, and refuses without an answer".into(),
                    "answers" => "front takes it for the answer".into(),
                    _ => "front refuses before the kernel acts".into(),
                },
            });
        }
    }
    Report { landlock_abi: abi, lines }
}

/// What holds whatever the rules say; what this kernel lacks is named with its loss.
fn mechanisms(policy: &Policy, audit: Audit, abi: i32) -> Vec<ReportLine> {
    let line = |rule: &str, how, by: &'static str| ReportLine { rule: rule.into(), how, by: by.into() };
    let at_least = |needed: i32, rule: &str, by: &'static str, lost: &'static str| {
        if abi >= needed { line(rule, "enforced", by) } else { line(rule, "missing", lost) }
    };
    vec![
        line("system calls", "enforced", "BPF allow-list; unknown numbers and foreign architectures get ENOSYS"),
        line("files", "enforced", "Landlock: no write right at all in the agent's domain"),
        at_least(
            4,
            "tcp",
            "Landlock: no connect and no bind in the agent's domain",
            "ABI 4 is needed; BPF and the front hold",
        ),
        if domain::scopes_signals(abi) {
            line("signals", "enforced", "Landlock scope: none to processes outside")
        } else {
            line(
                "signals",
                "brokered",
                "front sends them, to processes of the session that it holds; ABI 6 would enforce it",
            )
        },
        at_least(
            6,
            "abstract sockets",
            "Landlock scope, and the front",
            "ABI 6 is needed; the front still judges every connect",
        ),
        at_least(5, "device ioctls", "Landlock", "ABI 5 is needed; terminal injection is refused by BPF all the same"),
        at_least(9, "unix sockets", "Landlock and the front", "ABI 9 is needed; the front still judges every connect"),
        line(
            "programs",
            "brokered",
            "judged at execve, checked again at the new image's first notified call; Landlock EXECUTE underneath",
        ),
        match audit {
            Audit::Full => line("reads", "brokered", "every open is judged and recorded"),
            Audit::Writes => line("reads", "enforced", "Landlock alone; reads are not recorded"),
        },
        match (knows_network(policy), policy.names_outside()) {
            (false, _) => line("internet", "enforced", "sockets are made by the front and tied to the loopback device"),
            (true, false) => line(
                "internet",
                "enforced",
                "sockets are tied to the loopback device; the front judges and makes connections",
            ),
            (true, true) => line(
                "internet",
                "brokered",
                "front judges and makes connections, and sends datagrams; only stream sockets are tied to the loopback device",
            ),
        },
        line("metadata (stat, access, readlink)", "observed", "not mediated: names and sizes can be seen"),
    ]
}

/// Whether `path` is `root` or beneath it, both absolute and normal.
#[must_use]
pub fn beneath(path: &[u8], root: &[u8]) -> bool {
    let root = root.strip_suffix(b"/").unwrap_or(root);
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}
