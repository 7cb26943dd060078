//! A call that a rule asks about: the question is noted while it is judged, put when every lock is dropped, and the call is
//! judged again from its arguments with the answer at hand.
//!
//! ```text
//! answer ─▶ judged ─ settle: asks ─▶ question noted, nothing done, nothing told
//!    ▲                                   │ parked, without a lock
//!    └── granted: for this very subject ─┘  (a renamed file, a swapped pointer, another argument: asked anew)
//! ```
//! Invariant: an answer holds for the subject it was given for, compared as a whole after everything was copied and resolved
//! again; a call that cannot be settled in a few rounds is denied.
//! Leaves to others: the table and people (`questions`), what is asked about (`policy`).

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use super::exec::{command_line, exe_path};
use super::questions::{Outcome, Put, Still, Subject};
use super::status::{Stat, Status};
use super::worker::{Answer, Call, RESTART, Ruling, Worker};
use crate::event::{Ask, Choice, Kind};
use crate::policy::{Access, Host, Kept, Verdict};
use crate::sys::Errno;

/// Questions that one call may lead to: rules can ask about a script and its interpreter.
const ROUNDS: usize = 8;
/// Processes above the asking one that are shown, and arguments and bytes of each.
const ANCESTORS: usize = 16;
const WORDS: usize = 32;
const BYTES: usize = 2_048;

/// A question that a handler met.
pub struct Met {
    pub subject: Subject,
    /// The address that led to the question.
    pub addr: Option<SocketAddr>,
    pub ruling: Ruling,
}

impl Worker {
    /// Answers one call, asking where a rule says so.
    pub fn answer(&mut self, call: &Call) -> Answer {
        self.met = None;
        let answer = self.attempt_answer(call);
        if self.met.is_none() { answer } else { self.answer_after_asking(call) }
    }

    fn answer_after_asking(&mut self, call: &Call) -> Answer {
        let mut answer = Answer::Errno(Errno(libc::EACCES));
        for round in 0..=ROUNDS {
            let Some(met) = self.met.take() else { break };
            match self.put(call, &met) {
                Outcome::Given(given) => {
                    let rule: Arc<str> = format!("{} (ask {})", given.words, met.ruling.rule).into();
                    let ruling = Ruling { verdict: given.verdict, rule, ..met.ruling };
                    self.granted.push((met.subject, ruling));
                }
                Outcome::Signalled => {
                    answer = RESTART.into();
                    break;
                }
                Outcome::Gone => {
                    answer = Errno(libc::EINTR).into();
                    break;
                }
            }
            self.last_round = round == ROUNDS;
            self.refresh();
            answer = self.attempt_answer(call);
        }
        self.met = None;
        self.granted.clear();
        self.last_round = false;
        answer
    }

    /// Parks this thread until there is an answer.
    fn put(&self, call: &Call, met: &Met) -> Outcome {
        let program = match met.subject.of {
            Kind::Exec => met.subject.path.clone(),
            Kind::File | Kind::Net | Kind::Call | Kind::Mcp => exe_path(call.pid()),
        };
        let ask = || self.ask_event(call, met);
        let once = self.once(met);
        let put = Put { subject: met.subject.clone(), rule: met.ruling.id, program, once, ask: &ask };
        let mut still = || {
            if !self.still_waits(call) {
                Still::Gone
            } else if Status::of(call.tid()).is_ok_and(|status| status.deliverable != 0) {
                Still::Signalled
            } else {
                Still::Waits
            }
        };
        self.shared.questions.ask(&put, &mut still)
    }

    /// What an answer comes to where the rule asks about each file once. Not where another rule asks as well.
    fn once(&self, met: &Met) -> Vec<Kept> {
        let policy = &self.rules.policy;
        let rule = met.ruling.id;
        let of_rule = |(path, access): &(Vec<u8>, Access)| {
            if policy.decide_file(path, *access).rule != rule {
                return None;
            }
            policy.holds_once(rule, path, *access)
        };
        met.subject.about.iter().map(of_rule).collect::<Option<_>>().unwrap_or_default()
    }

    /// A ruling that asks becomes the answer to `subject`, when this call has it; else the question is noted.
    pub fn settle(&mut self, ruling: Ruling, subject: impl FnOnce() -> Subject) -> Ruling {
        if ruling.verdict != Verdict::Ask {
            return ruling;
        }
        let subject = subject();
        if let Some((_, given)) = self.granted.iter().find(|granted| granted.0 == subject) {
            return given.clone();
        }
        if self.last_round {
            return Ruling::built_in(Verdict::Deny, "built-in: the request changed whenever it was answered");
        }
        self.met = Some(Met { subject, addr: None, ruling: ruling.clone() });
        ruling
    }

    /// [`Worker::settle`] for a file; `about` are the paths that rules ask about, each with the rights that are wanted.
    pub fn settle_file(
        &mut self,
        ruling: Ruling,
        op: &'static str,
        access: Access,
        paths: &[&[u8]],
        about: &[(&[u8], Access)],
    ) -> Ruling {
        let policy = self.rules.policy.clone();
        self.settle(ruling, || {
            // What is answered already need not be covered again.
            let asks = |about: &&(&[u8], Access)| policy.decide_file(about.0, about.1).verdict == Verdict::Ask;
            let rights = about.iter().filter(asks);
            let mut about: Vec<_> =
                rights.map(|(path, access)| (path.to_vec(), policy.asked_rights(path, *access))).collect();
            about.dedup();
            let of = |index: usize| paths.get(index).map(|path| path.to_vec()).unwrap_or_default();
            Subject {
                of: Kind::File,
                op,
                access,
                path: of(0),
                path2: of(1),
                addr: None,
                host: None,
                port: 0,
                argv: Vec::new(),
                cwd: Vec::new(),
                about,
            }
        })
    }

    /// [`Worker::settle`] for an internet address, or for the host that it is asked about as.
    pub fn settle_net(&mut self, ruling: Ruling, op: &'static str, addr: SocketAddr, host: Option<Host>) -> Ruling {
        let ruling = self.settle(ruling, || Subject::of_net(op, addr, host));
        if let Some(met) = &mut self.met {
            met.addr = Some(addr);
        }
        ruling
    }

    /// The question as people are shown it.
    fn ask_event(&self, call: &Call, met: &Met) -> Ask {
        let Met { subject, ruling, .. } = met;
        let policy = &self.rules.policy;
        let mut choices = subject.wanted().first().map(|wanted| policy.choices(ruling.id, wanted)).unwrap_or_default();
        let own = choices.first().map(|(_, text)| format!("{text}/**"));
        if subject.of == Kind::File && is_plain_file(&subject.path) {
            // All that lies in a file is no wider than the file, and reads as if it were.
            choices.retain(|(_, text)| Some(text) != own.as_ref());
        }
        let cwd = match subject.of {
            Kind::Exec => subject.cwd.clone(),
            Kind::File | Kind::Net | Kind::Call | Kind::Mcp => self.cwd_of(call),
        };
        Ask {
            id: 0,
            of: subject.of,
            op: subject.op,
            access: subject.access,
            path: subject.path.clone(),
            path2: subject.path2.clone(),
            addr: met.addr.or(subject.addr),
            host: subject.host.as_ref().map(|host| Arc::from(host.as_str())),
            port: subject.port,
            argv: subject.argv.clone(),
            pid: call.pid(),
            ancestry: ancestry(call.pid()),
            cwd,
            rule: ruling.rule.clone(),
            layer: ruling.layer,
            reason: policy.reason(ruling.id).to_owned(),
            choices: choices.into_iter().map(|(key, text)| Choice { key: key.to_owned(), text }).collect(),
            file: String::new(),
            timeout: 0,
        }
    }

    pub fn cwd_of(&self, call: &Call) -> Vec<u8> {
        call.thread.process.cwd(call.tid()).map(|dir| dir.path.clone()).unwrap_or_default()
    }
}

/// The arguments of every process from the agent's first down to `pid`.
#[must_use]
pub fn ancestry(pid: i32) -> Vec<Vec<Vec<u8>>> {
    let front = i32::try_from(std::process::id()).unwrap_or(0);
    let parent_of = |pid| Stat::of(pid).map(|stat| stat.parent);
    let mut lines = Vec::new();
    let mut at = pid;
    for _ in 0..ANCESTORS {
        lines.push(command_line(at).map(shortened).unwrap_or_default());
        match parent_of(at) {
            // The monitor is the front's child.
            Ok(parent) if parent > 1 && parent_of(parent) != Ok(front) => at = parent,
            _ => break,
        }
    }
    lines.reverse();
    lines
}

/// As much of a command line as says what a process is.
fn shortened(mut argv: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    argv.truncate(WORDS);
    let mut left = BYTES;
    for word in &mut argv {
        word.truncate(left);
        left -= word.len();
    }
    argv
}

/// As it is now: only for what is proposed, never for what is allowed.
fn is_plain_file(path: &[u8]) -> bool {
    std::fs::symlink_metadata(OsStr::from_bytes(path)).is_ok_and(|seen| seen.is_file())
}
