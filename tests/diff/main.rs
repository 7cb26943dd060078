//! For random trees, policies and calls: what the policy decides, what a naive oracle says, and what the kernel really
//! did under govsh are the same.
//!
//! ```text
//! seed → tree, policy, calls ─┬─ the oracle refuses: not made │ else made here, errno kept ─→ expected, tree after
//!                             ├─ Policy::decide_file on every path that was met        ═══ the oracle
//!                             └─ the same tree anew, `attempt calls` under govsh       ═══ expected, tree after
//! ```
//! `GOVSH_DIFF_CASES` (100,000) calls in sessions of `GOVSH_DIFF_CALLS` (2,500); `GOVSH_DIFF_SEED` begins elsewhere.
//! Invariant: a refused call changes nothing: the trees are compared whole.
//! Leaves to others: races and everything that is not a file (`tests/escape`).
#![allow(clippy::undocumented_unsafe_blocks, reason = "the calls are made by number")]

mod oracle;
mod perform;
mod session;
mod shape;
mod world;

use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use govsh::policy::{Access, Verdict};

use oracle::{Oracle, Right};
use perform::{Line, perform};
use world::{Dice, Rule};

fn number(name: &str, otherwise: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

/// One session's world.
struct Trial {
    lab: tempfile::TempDir,
    rules: Vec<Rule>,
    seed: u64,
}

/// What should come of a call.
struct Expected {
    line: Line,
    /// As [`Oracle::refuses`].
    refused: Option<bool>,
    /// What the kernel said here, 0 when it did it; EACCES where it was not asked.
    errno: i32,
}

impl Expected {
    fn refused(&self) -> bool {
        self.refused == Some(true)
    }

    /// Refused is refused, whatever else is wrong with the call. Where the kernel refuses by itself, a name that is not
    /// granted may be told as such, and of two faults of one call either may be told.
    fn admits(&self, got: i32) -> bool {
        let other_fault = match (self.line.op.as_str(), self.errno) {
            ("link", libc::ENOENT | libc::ENOTDIR | libc::EEXIST | libc::EPERM | libc::ELOOP) => got != 0,
            ("open", libc::EISDIR | libc::ENOENT | libc::ENOTDIR) => self.line.path.ends_with('/') && got != 0,
            // The root of a granted tree cannot be removed; that it is a directory is the other fault.
            ("unlink", libc::EISDIR | libc::ENOTDIR) => got == libc::EACCES,
            _ => false,
        };
        match self.refused {
            Some(true) => got != 0,
            Some(false) => got == self.errno || other_fault,
            None => got == self.errno || other_fault || (self.errno != 0 && got == libc::EACCES),
        }
    }
}

impl Trial {
    fn new(seed: u64) -> Trial {
        let lab = tempfile::Builder::new().prefix("govsh-diff-").tempdir_in("/tmp").expect("a directory");
        let trial = Trial { lab, rules: Vec::new(), seed };
        trial.grow();
        let mut dice = Dice::new(seed ^ 0xabcd);
        let mut rules = world::rules(&mut dice, &trial.base());
        // A grant by way of a link that the agent could have made means less, and one of a single file stays with that
        // file when it is replaced; neither is what is tested here.
        let plainly =
            |pattern: &str| oracle::is_direct(pattern) && !Path::new(pattern.trim_end_matches("/**")).is_file();
        rules.retain(|(key, pattern)| ["deny", "readonly"].contains(key) || plainly(pattern));
        Trial { rules, ..trial }
    }

    fn base(&self) -> String {
        self.lab.path().join("work").to_string_lossy().into_owned()
    }

    fn grow(&self) {
        let base = self.base();
        if Path::new(&base).exists() {
            std::fs::remove_dir_all(&base).expect("remove");
        }
        world::grow(Path::new(&base), &mut Dice::new(self.seed));
    }

    fn tree(&self) -> Vec<String> {
        let mut told = Vec::new();
        world::describe(Path::new(&self.base()), "", &mut told);
        told
    }

    /// Makes the calls here, without those that the oracle refuses; also asks the policy about each path.
    fn rehearse(&self, calls: usize) -> Vec<Expected> {
        let base = self.base();
        let (oracle, policy) = (Oracle::new(&self.rules), session::load(&self.rules, self.lab.path()));
        let mut dice = Dice::new(self.seed ^ 0x1234);
        let dir = std::fs::File::open(&base).expect("the base");
        let mut all = Vec::new();
        while all.len() < calls {
            let line = world::call(&mut dice, &base);
            self.agree(&oracle, &policy, &line);
            let refused = oracle.refuses(&line, &base);
            let errno = if refused == Some(true) { libc::EACCES } else { perform(&line, dir.as_raw_fd()) };
            all.push(Expected { line, refused, errno });
        }
        all
    }

    /// The compiled policy and the oracle on every path of a call, right by right.
    fn agree(&self, oracle: &Oracle, policy: &govsh::policy::Policy, line: &Line) {
        let base = self.base();
        for path in [&line.path, &line.path2] {
            let full = if path.starts_with('/') { path.clone() } else { format!("{base}/{path}") };
            let (oracle::Place::There(path) | oracle::Place::Missing(path)) = oracle::place(&full, true) else {
                continue;
            };
            for (right, access) in RIGHTS {
                let decided = policy.decide_file(path.as_bytes(), access).verdict == Verdict::Allow;
                let said = oracle.allows(&path, right);
                assert_eq!(decided, said, "seed {}: {right:?} of {path} under {:#?}", self.seed, self.rules);
            }
        }
    }

    /// The same calls in a session, and what came of them.
    fn check(&self, calls: usize, refusals: &AtomicU64) {
        let expected = self.rehearse(calls);
        let after = self.tree();
        self.grow();
        let lines: Vec<&Line> = expected.iter().map(|expected| &expected.line).collect();
        let got = session::run(self.lab.path(), &self.rules, &lines);
        assert_eq!(got.len(), expected.len(), "seed {}: every call has an answer", self.seed);
        let mut wrong = Vec::new();
        for (at, (expected, got)) in expected.iter().zip(&got).enumerate() {
            refusals.fetch_add(u64::from(expected.refused() && *got == libc::EACCES), Ordering::Relaxed);
            if !expected.admits(*got) {
                let wanted = if expected.refused() { "a refusal".into() } else { errno(expected.errno) };
                wrong.push(format!(
                    "call {at} {:?}: expected {wanted}, got {}",
                    session::written(&expected.line),
                    errno(*got)
                ));
            }
        }
        let differ: Vec<String> = difference(&after, &self.tree());
        if !wrong.is_empty() || !differ.is_empty() {
            let shown: Vec<&String> = wrong.iter().take(5).collect();
            let text = format!("{} calls: {shown:#?}\ntree: {:#?}", wrong.len(), &differ[..differ.len().min(5)]);
            panic!("seed {}: {text}\nunder {:#?}", self.seed, self.rules);
        }
    }
}

const RIGHTS: [(Right, Access); 7] = [
    (Right::Read, Access::READ),
    (Right::Write, Access::WRITE),
    (Right::Exec, Access::EXEC),
    (Right::Create, Access::CREATE),
    (Right::Delete, Access::DELETE),
    (Right::Rename, Access::RENAME),
    (Right::Change, Access::CHANGE),
];

fn errno(number: i32) -> String {
    if number == 0 { "ok".into() } else { std::io::Error::from_raw_os_error(number).to_string() }
}

fn difference(one: &[String], two: &[String]) -> Vec<String> {
    let missing = one.iter().filter(|line| !two.contains(line)).map(|line| format!("expected {line}"));
    missing.chain(two.iter().filter(|line| !one.contains(line)).map(|line| format!("found {line}"))).collect()
}

#[test]
fn policy_oracle_and_kernel_agree() {
    let (cases, calls) = (number("GOVSH_DIFF_CASES", 100_000), number("GOVSH_DIFF_CALLS", 2_500));
    let first = number("GOVSH_DIFF_SEED", 1);
    let sessions = cases.div_ceil(calls);
    let (next, refusals) = (AtomicU64::new(first), AtomicU64::new(0));
    let wrong = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + sessions {
                        break;
                    }
                    let trial = std::panic::catch_unwind(|| Trial::new(seed).check(calls as usize, &refusals));
                    if trial.is_err() {
                        wrong.lock().expect("list").push(seed);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("list");
    assert!(wrong.is_empty(), "these seeds went wrong (each is told above): {wrong:?}");
    let refusals = refusals.into_inner();
    assert!(refusals * 20 > cases && refusals < cases, "{refusals} of {cases} calls were refused: too few to tell");
}
