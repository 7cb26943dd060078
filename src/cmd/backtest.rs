//! `govsh policy backtest`: recorded requests through another policy, and what would come out otherwise.
//!
//! Invariant: every recorded request is counted as judged or as one that cannot be, with the reason; each session is judged
//! with its own directories.
//! Leaves to others: reading recordings (`recording::requests`), deciding (`policy`), one session (`judge`), words (`report`).

mod judge;
mod report;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};

use super::json::pretty;
use super::library::{Disk, told};
use super::paint::printed;
use super::past;
use super::run::laid;
use crate::cli::{FAILED, PolicyBacktest};
use crate::policy::{Policy, Source, Vars};
use crate::recording::{ReadError, Recorded, visible};
use judge::{Change, Group, Session};

/// Exit status when nothing changes, and when something does.
const SAME: i32 = 0;
const CHANGED: i32 = 1;

/// Judges as asked.
pub fn backtest(options: &PolicyBacktest) -> Result<i32> {
    let cwd = std::env::current_dir().unwrap_or_else(|_| "/".into());
    let disk = Disk::new().with_flags(laid::sources(&options.laid, &cwd));
    let source = disk.find(&options.policy).map_err(|error| anyhow!(told(&error)))?;
    let files = past::files(&options.sessions)?;
    if files.is_empty() {
        bail!("no recordings there");
    }
    let begun = Instant::now();
    let policies = Policies { disk: &disk, source, loaded: Mutex::new(Vec::new()) };
    let judged = with_ticker(files.len(), |done| all(&files, &policies, done))?;
    let outcome = judged.finish(begun.elapsed());
    for (path, what) in &outcome.troubles {
        eprintln!("govsh: recording '{}': {}", visible(path.as_os_str().as_encoded_bytes()), visible(what.as_bytes()));
    }
    let status = match (&outcome.troubles.is_empty(), outcome.changes.is_empty()) {
        (false, _) => FAILED,
        (true, true) => SAME,
        (true, false) => CHANGED,
    };
    let mut out = io::stdout().lock();
    let written = match options.json {
        true => pretty(&mut out, &outcome.json(&options.policy)),
        false => out.write_all(outcome.text(&options.policy).as_bytes()),
    };
    printed(written.and_then(|()| out.flush()), status)
}

/// The policy under the variables of each session: read once for those that are equal.
struct Policies<'d> {
    disk: &'d Disk,
    source: Source,
    loaded: Mutex<Vec<(Vars, Arc<Policy>)>>,
}

/// Policies that are kept: sessions of one project follow each other.
const KEPT: usize = 8;

impl Policies<'_> {
    fn under(&self, vars: &Vars) -> Result<Arc<Policy>> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, policy)) = loaded.iter().find(|(known, _)| known == vars) {
            return Ok(Arc::clone(policy));
        }
        let policy = Policy::load(self.source.clone(), self.disk, vars).map_err(|error| anyhow!(told(&error)))?;
        let policy = Arc::new(policy);
        if loaded.len() >= KEPT {
            loaded.remove(0);
        }
        loaded.push((vars.clone(), Arc::clone(&policy)));
        Ok(policy)
    }
}

/// What was judged so far.
#[derive(Default)]
struct Judged {
    sessions: BTreeMap<PathBuf, Session>,
    changes: BTreeMap<Group, Change>,
    troubles: Vec<(PathBuf, String)>,
}

/// The outcome of all sessions.
struct Outcome {
    sessions: Vec<(PathBuf, Session)>,
    /// The most frequent first, denials before questions before what is newly allowed.
    changes: Vec<(Group, Change)>,
    troubles: Vec<(PathBuf, String)>,
    took: Duration,
}

impl Judged {
    fn finish(self, took: Duration) -> Outcome {
        let mut changes: Vec<(Group, Change)> = self.changes.into_iter().collect();
        changes.sort_by(|(a, x), (b, y)| (a.to as u8, y.times, a).cmp(&(b.to as u8, x.times, b)));
        Outcome { sessions: self.sessions.into_iter().collect(), changes, troubles: self.troubles, took }
    }
}

/// All files; several side by side, or one by all threads. An error is one of the policy.
fn all(files: &[PathBuf], policies: &Policies<'_>, done: &AtomicUsize) -> Result<Judged> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let beside = threads.min(files.len());
    let each = (threads / beside).max(1);
    let next = AtomicUsize::new(0);
    let broken = AtomicBool::new(false);
    let judged = Mutex::new(Judged::default());
    let failure: Mutex<Option<anyhow::Error>> = Mutex::new(None);
    thread::scope(|scope| {
        for _ in 0..beside {
            scope.spawn(|| {
                while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if broken.load(Ordering::Relaxed) {
                        break;
                    }
                    if let Err(error) = one(path, each, policies, &judged) {
                        broken.store(true, Ordering::Relaxed);
                        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(judged.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}

fn one(path: &Path, threads: usize, policies: &Policies<'_>, judged: &Mutex<Judged>) -> Result<()> {
    let trouble = |error: ReadError| -> Result<()> {
        let what = format!("{:#}", anyhow::Error::from(error));
        judged.lock().unwrap_or_else(PoisonError::into_inner).troubles.push((path.to_owned(), what));
        Ok(())
    };
    let recorded = match past::open(path).map_err(ReadError::from).and_then(Recorded::open) {
        Ok(recorded) => recorded,
        Err(error) => return trouble(error),
    };
    let vars = recorded.policy().and_then(|policy| policy.vars.as_deref());
    let (vars, exact) = past::vars(vars, recorded.start());
    let session = judge::session(recorded.start(), recorded.policy(), exact);
    let policy = policies.under(&vars)?;
    let read = match recorded.judged(|| past::open(path), threads, &|judged| judge::fate(judged, &policy)) {
        Ok(read) => read,
        Err(error) => return trouble(error),
    };
    let damage = read.damage.clone();
    let (session, changes) = session.sum(read);
    let mut judged = judged.lock().unwrap_or_else(PoisonError::into_inner);
    judged.troubles.extend(damage.map(|what| (path.to_owned(), what)));
    judged.sessions.insert(path.to_owned(), session);
    for (group, change) in changes {
        judged.changes.entry(group).or_default().add(change);
    }
    Ok(())
}

/// How far it is, on stderr where that is a terminal and it takes a while.
fn with_ticker<T>(files: usize, work: impl FnOnce(&AtomicUsize) -> T) -> T {
    let done = AtomicUsize::new(0);
    let over = (Mutex::new(false), std::sync::Condvar::new());
    let shows = io::stderr().is_terminal() && std::env::var_os("TERM").is_some_and(|term| term != "dumb");
    thread::scope(|scope| {
        if shows {
            scope.spawn(|| tick(&done, files, &over));
        }
        let outcome = work(&done);
        *over.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        over.1.notify_all();
        outcome
    })
}

fn tick(done: &AtomicUsize, files: usize, (over, ended): &(Mutex<bool>, std::sync::Condvar)) {
    let mut pause = Duration::from_millis(600);
    let mut shown = false;
    let mut guard = over.lock().unwrap_or_else(PoisonError::into_inner);
    while !*guard {
        let waited = ended.wait_timeout(guard, pause).unwrap_or_else(PoisonError::into_inner);
        guard = waited.0;
        if !*guard {
            pause = Duration::from_millis(100);
            shown = true;
            // Only for the eye: where it cannot be written nobody looks.
            let _ = write!(
                io::stderr(),
                "\r\x1b[K\x1b[2mjudging … {} of {files} recordings\x1b[0m",
                done.load(Ordering::Relaxed)
            );
        }
    }
    if shown {
        // As above.
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
}
