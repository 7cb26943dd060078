//! `govsh search`: finds text in recordings, newest first, and says how to look at it.
//!
//! Invariant: hits come in the order of the recordings and of each session; exit status as grep's: 0 found, 1 not, 2 trouble.
//! Leaves to others: searching one recording (`recording::search`).

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use anyhow::{Context, bail};

use super::find::{find, recordings};
use crate::cli::Search;
use crate::recording::ReadError;
use crate::recording::search::{Case, Hit, Place, Places, Progress, Query, search as search_one};
use crate::recording::visible;
use crate::session::recorder::default_dir;

mod lines;
mod ticker;

use lines::Printer;
use ticker::Ticker;

/// Exit status when something was found, nothing was, something went wrong.
const FOUND: i32 = 0;
const NOTHING: i32 = 1;
const TROUBLE: i32 = 2;

/// Files of at most so many bytes are searched side by side, one thread each; larger ones one after the other by all.
const SMALL: u64 = 4 << 20;
/// Files that are searched side by side before the next are begun.
const BATCH: usize = 64;
/// Hits of one file that may wait for those before it to be printed.
const WAITING: usize = 64;

/// Searches as asked.
pub fn search(options: &Search) -> anyhow::Result<i32> {
    match try_search(options) {
        Ok(status) => Ok(status),
        Err(error) if super::is_closed_pipe(&error) => Ok(FOUND),
        Err(error) => {
            eprintln!("govsh: {error:#}");
            Ok(TROUBLE)
        }
    }
}

fn try_search(options: &Search) -> anyhow::Result<i32> {
    let query = query(options)?;
    let files = files(&options.sessions)?;
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let progress = Progress::default();
    let ticker = Ticker::default();
    let mut printer = Printer::new(options, &ticker);
    let trouble = thread::scope(|scope| {
        let beside = scope.spawn(|| ticker.run(&progress, files.len()));
        let outcome = run(&files, &query, threads, &progress, &ticker, &mut printer);
        ticker.end();
        // It only prints: whatever became of it is no matter.
        let _ = beside.join();
        outcome
    });
    let printed = printer.finish();
    match printed {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(FOUND),
        other => other.context("cannot write to stdout")?,
    }
    Ok(match (trouble, printer.count()) {
        (true, _) => TROUBLE,
        (false, 0) => NOTHING,
        (false, _) => FOUND,
    })
}

fn query(options: &Search) -> anyhow::Result<Query> {
    let case = match (options.ignore_case, options.case_sensitive) {
        (true, _) => Case::Ignored,
        (_, true) => Case::Exact,
        _ => Case::Smart,
    };
    let named = |word: &String| Place::ALL.iter().find(|entry| entry.2 == word.as_str()).map(|entry| entry.1);
    let places = options.places.iter().filter_map(named).fold(Places::empty(), Places::union);
    let places = if places.is_empty() { Places::all() } else { places };
    Query::new(&options.pattern, options.fixed_strings, case, places, options.context).map_err(|error| {
        let error = error.to_string();
        let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let hint = if options.fixed_strings { "" } else { "\nhint: --fixed-strings looks for the text as it is" };
        anyhow::anyhow!("'{}' is no regular expression: {reason}{hint}", visible(options.pattern.as_bytes()))
    })
}

/// The recordings that are meant; without a name all of them, newest first.
fn files(sessions: &[std::ffi::OsString]) -> anyhow::Result<Vec<PathBuf>> {
    if sessions.is_empty() {
        return listed(&default_dir()?);
    }
    let mut files = Vec::new();
    for session in sessions {
        let path = find(OsStr::new(session))?;
        if path.is_dir() {
            files.extend(listed(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

fn listed(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let all = recordings(dir)?;
    if all.is_empty() {
        bail!("no recordings in '{}'", visible(dir.as_os_str().as_encoded_bytes()));
    }
    Ok(all.into_iter().rev().map(|found| found.path).collect())
}

/// Searches all of them; whether there was trouble.
fn run(
    files: &[PathBuf],
    query: &Query,
    threads: usize,
    progress: &Progress,
    ticker: &Ticker,
    printer: &mut Printer<'_>,
) -> bool {
    let small = |path: &PathBuf| path.metadata().is_ok_and(|metadata| metadata.len() <= SMALL);
    let mut rest = files;
    let mut trouble = false;
    while let Some(first) = rest.first() {
        let beside = rest.iter().take(BATCH).take_while(|path| small(path)).count();
        if beside > 1 {
            let (batch, after) = rest.split_at(beside);
            trouble |= side_by_side(batch, query, threads, progress, ticker, printer);
            rest = after;
        } else {
            let outcome = one(first, query, threads, progress, &mut |hit| printer.hit(first, &hit));
            trouble |= told(first, outcome, ticker);
            rest = rest.get(1..).unwrap_or_default();
        }
        ticker.file(files.len() - rest.len());
        if progress.stop.load(Ordering::Relaxed) || printer.failed() {
            break;
        }
    }
    trouble
}

/// What a thread has to say of its file.
enum Word {
    Hit(Box<Hit>),
    End(Result<(), ReadError>),
}

fn side_by_side(
    batch: &[PathBuf],
    query: &Query,
    threads: usize,
    progress: &Progress,
    ticker: &Ticker,
    printer: &mut Printer<'_>,
) -> bool {
    let (senders, receivers): (Vec<SyncSender<Word>>, Vec<Receiver<Word>>) =
        batch.iter().map(|_| sync_channel(WAITING)).unzip();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..threads.min(batch.len()) {
            let (senders, next) = (senders.clone(), &next);
            scope.spawn(move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let (Some(path), Some(sender)) = (batch.get(at), senders.get(at)) else { break };
                    let outcome =
                        one(path, query, 1, progress, &mut |hit| sender.send(Word::Hit(Box::new(hit))).is_ok());
                    // Nobody listens once the output is closed.
                    let _ = sender.send(Word::End(outcome));
                }
            });
        }
        drop(senders);
        let mut trouble = false;
        for (path, receiver) in batch.iter().zip(receivers) {
            for word in receiver {
                match word {
                    Word::Hit(hit) => {
                        if !printer.hit(path, &hit) {
                            progress.stop.store(true, Ordering::Relaxed);
                            return trouble;
                        }
                    }
                    Word::End(outcome) => {
                        trouble |= told(path, outcome, ticker);
                        break;
                    }
                }
            }
        }
        trouble
    })
}

fn one(
    path: &Path,
    query: &Query,
    threads: usize,
    progress: &Progress,
    found: &mut dyn FnMut(Hit) -> bool,
) -> Result<(), ReadError> {
    search_one(|| open(path), query, threads, progress, found)
}

/// Never waits for what is no file.
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if file.metadata()?.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(file) }
}

/// Says what went wrong; whether anything did.
fn told(path: &Path, outcome: Result<(), ReadError>, ticker: &Ticker) -> bool {
    let Err(error) = outcome else { return false };
    let shown = visible(path.as_os_str().as_encoded_bytes());
    ticker.clear(|| {
        let error = format!("{:#}", anyhow::Error::from(error));
        eprintln!("govsh: recording '{shown}': {}", visible(error.as_bytes()));
    });
    true
}
