//! One thread that answers: the call at hand, the decision cache, and the ways to answer, record and perform.
//!
//! Invariant: every path out of a handler is an [`Answer`]; an error is an errno for the target, never a permission.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use super::act::Act;
use super::asking::Met;
use super::identity;
use super::links::Links;
use super::mounts::Mounts;
use super::procfs::{self, Guard};
use super::questions::Subject;
use super::resolve::{Resolver, Session};
use super::shared::{Rules, Shared};
use super::status::{Stat, Status};
use super::target::Thread;
use super::text::Copier;
use crate::event::{Event, Judged, Kind, Via};
use crate::policy::{Access, Decision, Layer, RuleId, Verdict};
use crate::sys::seccomp::{self, Notification};
use crate::sys::{Errno, Sys, file};

/// Entries of the decision cache before it starts anew: bounds memory against a target that tries a million names.
const CACHE: usize = 16_384;

/// The kernel's word for "start the call again after the signal"; only ever sent while a signal waits for the target.
pub const RESTART: Errno = Errno(512);

/// What the target gets.
#[derive(Debug)]
pub enum Answer {
    /// The kernel performs the call.
    Continue,
    Value(i64),
    Errno(Errno),
    Fd {
        fd: OwnedFd,
        cloexec: bool,
    },
}

impl From<Errno> for Answer {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

/// A notification and whom it comes from.
pub struct Call {
    pub n: Notification,
    pub thread: Arc<Thread>,
    /// Nanoseconds of the session's clock at receipt.
    pub started: u64,
}

impl Call {
    pub fn arg(&self, index: usize) -> u64 {
        self.n.args.get(index).copied().unwrap_or(0)
    }

    /// An argument that the kernel takes as int.
    pub fn int(&self, index: usize) -> i32 {
        self.arg(index) as i32
    }

    /// Copies from the caller's memory.
    pub fn copier(&self) -> Copier {
        Copier { tid: self.tid() }
    }

    pub fn tid(&self) -> i32 {
        self.thread.tid
    }

    pub fn pid(&self) -> i32 {
        self.thread.process.pid
    }
}

/// A decision with its words, ready for an event.
#[derive(Debug, Clone)]
pub struct Ruling {
    pub verdict: Verdict,
    pub id: RuleId,
    pub rule: Arc<str>,
    pub layer: Layer,
    /// A refusal says that nothing is there.
    pub hides: bool,
    /// Another name of something protected may be meant: holds for the name that the kernel has for it alone.
    pub is_doubtful: bool,
}

impl Ruling {
    pub fn built_in(verdict: Verdict, rule: &str) -> Self {
        Self {
            verdict,
            id: RuleId::DEFAULT,
            rule: rule.into(),
            layer: Layer::BuiltIn,
            hides: false,
            is_doubtful: false,
        }
    }

    /// Nothing is yielded, so nothing is asked: the kernel's own answer.
    pub fn unless_asked(self) -> Self {
        if self.verdict == Verdict::Ask {
            Self::built_in(Verdict::Allow, "built-in: nothing to ask about")
        } else {
            self
        }
    }

    pub fn allows(&self) -> bool {
        self.verdict == Verdict::Allow
    }

    /// What the target is told of a refusal.
    pub fn refusal(&self) -> Errno {
        Errno(if self.hides { libc::ENOENT } else { libc::EACCES })
    }

    pub fn denies(&self) -> bool {
        self.verdict == Verdict::Deny
    }
}

/// The parts of an event that differ from call to call.
pub struct Told<'a> {
    pub kind: Kind,
    pub op: &'static str,
    pub access: Access,
    pub path: &'a [u8],
    pub path2: &'a [u8],
    pub via: Via,
    pub errno: i32,
}

/// A thread that receives and answers.
pub struct Worker {
    pub shared: Arc<Shared>,
    /// What holds for the call at hand.
    pub rules: Arc<Rules>,
    /// By access bits, then by path.
    cache: HashMap<u8, HashMap<Vec<u8>, Ruling, foldhash::fast::RandomState>, foldhash::fast::RandomState>,
    pub links: Links,
    /// What the call at hand is asked about.
    pub met: Option<Met>,
    /// Answers for the call at hand.
    pub granted: Vec<(Subject, Ruling)>,
    /// The call at hand asks no more.
    pub last_round: bool,
}

impl Worker {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self {
            rules: shared.rules.load_full(),
            shared,
            cache: HashMap::default(),
            links: Links::default(),
            met: None,
            granted: Vec::new(),
            last_round: false,
        }
    }

    /// Takes over what holds now: before a call is judged, and before it is judged again.
    pub fn refresh(&mut self) {
        let now = self.shared.rules.load();
        if !Arc::ptr_eq(&now, &self.rules) {
            self.rules = now.clone();
            self.cache.clear();
        }
    }

    pub fn resolver<'a>(&'a self, call: &'a Call) -> Resolver<'a> {
        Resolver { thread: &call.thread, session: &*self.shared, refused: std::cell::Cell::new(false) }
    }

    /// The policy's word on a resolved path.
    pub fn judge(&mut self, path: &[u8], access: Access) -> Ruling {
        if !path.starts_with(b"/") {
            // Outside every mount we can see, such as `(unreachable)/x`: no rule can mean it.
            return Ruling::built_in(Verdict::Deny, "built-in: no path leads there");
        }
        if access == Access::READ
            && let Some(trust) = &self.shared.trust
            && crate::sandbox::beneath(path, trust)
        {
            return Ruling::built_in(Verdict::Allow, "built-in: certificates of the session");
        }
        let cache = self.cache.entry(access.bits()).or_default();
        if let Some(known) = cache.get(path) {
            return known.clone();
        }
        let mut ruling = ruling_on(&self.shared.mounts, &self.rules, path, access);
        ruling.hides = ruling.denies() && self.rules.policy.hides(path);
        ruling.is_doubtful = !ruling.denies() && self.rules.policy.is_doubtful(path);
        if cache.len() >= CACHE {
            cache.clear();
        }
        cache.insert(path.to_vec(), ruling.clone());
        ruling
    }

    /// Whether the agent can change nothing of `path`, nor have another thing stand there.
    pub fn is_fixed(&mut self, path: &[u8]) -> bool {
        // One refusal speaks for all changes where no rule tells them apart.
        let told_apart = self.rules.policy.tells_changes_apart();
        let kinds = if told_apart { Access::CHANGES.iter().collect() } else { vec![Access::CHANGES] };
        kinds.into_iter().all(|kind| self.judge(path, kind).denies())
    }

    /// As [`Worker::judge`], after the guard of `/proc` and of terminals. The second value is the terminal to open
    /// instead of `/dev/tty`.
    pub fn judge_guarded(&mut self, call: &Call, path: &[u8], access: Access) -> (Ruling, Option<Vec<u8>>) {
        let shared = self.shared.clone();
        match procfs::guard(path, access, |pid| pid == call.pid() || shared.contains(pid)) {
            Guard::Policy if procfs::is_nameless(path) => {
                // The target holds it already.
                (Ruling::built_in(Verdict::Allow, "built-in: own descriptor"), None)
            }
            Guard::Policy => (self.judge(path, access), None),
            Guard::Own(why) => (Ruling::built_in(Verdict::Allow, why), None),
            Guard::Refused(why) => (Ruling::built_in(Verdict::Deny, why), None),
            Guard::Pty(number) => (self.shared.terminal(number), None),
            Guard::Terminal => match Stat::of(call.pid()).map(|s| s.tty) {
                Ok(tty) if tty != 0 && libc::major(u64::from(tty)) >= 136 && libc::major(u64::from(tty)) < 144 => {
                    let number = (libc::major(u64::from(tty)) - 136) * 256 + libc::minor(u64::from(tty));
                    (self.shared.terminal(number), Some(format!("/dev/pts/{number}").into_bytes()))
                }
                // The kernel's own answer: nothing is withheld.
                _ => (Ruling::built_in(Verdict::Allow, "built-in: no terminal of its own"), None),
            },
        }
    }

    /// Records a decision, unless it is a question still. `path2` is empty but for renames and links.
    pub fn tell(&self, call: &Call, told: &Told<'_>, ruling: &Ruling) {
        let Some(verdict) = self.verdict_of(ruling) else { return };
        let duration = self.shared.bus.elapsed().saturating_sub(call.started);
        self.shared.bus.publish(Event::Judged(Judged {
            kind: told.kind,
            op: told.op,
            pid: call.pid(),
            access: told.access,
            path: told.path.to_vec(),
            path2: told.path2.to_vec(),
            addr: None,
            host: None,
            port: 0,
            argv: Vec::new(),
            verdict,
            rule: ruling.rule.clone(),
            layer: ruling.layer,
            via: told.via,
            errno: told.errno,
            duration,
        }));
    }

    /// The verdict to record; None for a question that was noted. One that nobody noted has denied.
    pub fn verdict_of(&self, ruling: &Ruling) -> Option<Verdict> {
        match ruling.verdict {
            Verdict::Ask if self.met.is_some() => None,
            Verdict::Ask => Some(Verdict::Deny),
            verdict => Some(verdict),
        }
    }

    /// Refuses a call that no policy allows, or that reaches out of the session, and records the attempt.
    pub fn refuse(&self, call: &Call, op: &'static str, object: &[u8], errno: Errno) -> Answer {
        let access = Access::empty();
        let told = Told { kind: Kind::Call, op, access, path: object, path2: b"", via: Via::Brokered, errno: errno.0 };
        self.tell(call, &told, &Ruling::built_in(Verdict::Deny, "built-in: no policy allows this"));
        errno.into()
    }

    /// An attack, or what looks like one.
    pub fn alert(&self, call: &Call, what: String) {
        self.shared.bus.publish(Event::Alert { pid: call.pid(), what });
    }

    /// Performs an act with the target's identity and umask; where the broker's own domain cannot reach, the warden
    /// judges and performs it. A signal for the target ends a wait with [`RESTART`].
    pub fn perform(&self, call: &Call, act: Act, creates: bool) -> Sys<Option<OwnedFd>> {
        let umask = if creates { Some(call.thread.process.umask(call.tid())?) } else { None };
        match self.attempt(call, || act.run(umask)) {
            Err(Errno(libc::EACCES | libc::EXDEV)) if self.is_late(&act) => {
                let credentials = if self.shared.root { Some(call.thread.credentials()?) } else { None };
                self.shared.warden.perform(act, umask, credentials, || self.still_waits(call))
            }
            outcome => outcome,
        }
    }

    /// Performs something with the target's identity, again when a signal of ours interrupted it; one for the target
    /// ends it with [`RESTART`].
    pub fn attempt<T>(&self, call: &Call, mut act: impl FnMut() -> Sys<T>) -> Sys<T> {
        let credentials = if self.shared.root { Some(call.thread.credentials()?) } else { None };
        loop {
            match identity::acting_as(credentials.as_deref(), &mut act) {
                Err(Errno(libc::EINTR)) => {
                    if !self.still_waits(call) {
                        return Err(Errno(libc::EINTR));
                    }
                    if Status::of(call.tid()).is_ok_and(|s| s.deliverable != 0) {
                        return Err(RESTART);
                    }
                }
                other => return other,
            }
        }
    }

    /// Whether the act lies where the policy grants what the broker's domain cannot.
    fn is_late(&self, act: &Act) -> bool {
        act.touches().is_ok_and(|touched| touched.iter().any(|(path, _)| self.rules.is_late(path)))
    }

    /// Whether the target still waits for this call's answer.
    pub fn still_waits(&self, call: &Call) -> bool {
        seccomp::is_valid(self.shared.listener.as_fd(), call.n.id)
    }

    /// Whether an opened file is a hard link to one that a rule denies by its exact path.
    pub fn is_denied_inode(&self, fd: &OwnedFd) -> bool {
        !self.rules.denied_inodes.is_empty()
            && file::stat(fd.as_fd())
                .map_or(true, |s| s.links > 1 && self.rules.denied_inodes.contains(&(s.dev, s.ino)))
    }

    /// A decision in words.
    pub fn ruling(&self, decision: Decision) -> Ruling {
        self.rules.ruling(decision)
    }
}

/// The policy's word on a path, and what it denies the same file under another.
fn ruling_on(mounts: &Mounts, rules: &Rules, path: &[u8], access: Access) -> Ruling {
    if mounts.is_other_proc(path) {
        // Its `self` would be the front, and its processes those of everybody.
        return Ruling::built_in(Verdict::Deny, "built-in: another mount of /proc");
    }
    let ruling = rules.ruling(rules.policy.decide_file(path, access));
    if ruling.denies() {
        return ruling;
    }
    let denied = |other: &Vec<u8>| {
        let decision = rules.policy.decide_file(other, access);
        (decision.verdict == Verdict::Deny && decision.rule != RuleId::DEFAULT).then(|| rules.ruling(decision))
    };
    mounts.others(path).find_map(|other| denied(&other)).unwrap_or(ruling)
}

impl Rules {
    /// A decision of this policy in words.
    pub fn ruling(&self, decision: Decision) -> Ruling {
        let rule = self.policy.rule(decision.rule);
        let (verdict, id) = (decision.verdict, decision.rule);
        Ruling { verdict, id, rule: rule.name.clone(), layer: rule.layer, hides: false, is_doubtful: false }
    }
}
