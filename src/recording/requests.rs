//! The requests of a recording, each different one judged once: for whoever judges a session again.
//!
//! Invariant: the counts add up to the events; an entry stands for events that differ only in number, time, process and
//! duration, which no policy looks at.
//! Leaves to others: judging them (`cmd::backtest`), reading a line's object (`parse`), what is read once (`memo`).
//!
//! ```text
//! #govsh {"seq":9,"t":1.250000,"kind":"file",…,"errno":"ENOENT","pid":4183,"path":"/x","dur":6.120}
//!                              └──────────── compared ────────┘          └─ compared ┘
//!
//! frames ─▶ threads: lines ─▶ hash of what is compared ─▶ counted, or read and judged (once for each thread)
//!                                                          └─▶ shards ─▶ threads: joined
//! ```
//! Lines are told apart by 128 bits of keyed hashes, whose keys are drawn for each run: whoever wrote the recording knows
//! none, and by chance two lines are taken for one in fewer than one of 10^24 recordings of a million lines.

mod memo;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::io::{self, Read, Seek};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use foldhash::fast::RandomState;
use memchr::memmem::Finder;
use memchr::{memchr_iter, memrchr};

use super::ReadError;
use super::archive::Archive;
use super::lines::COMMENT;
use super::readback::Place;
use crate::event::{Event, Judged, PolicyUsed, Start};
use memo::Memo;

/// A request that was made once or more often.
#[derive(Debug, Clone, PartialEq)]
pub struct Repeated<T> {
    /// What became of it.
    pub fate: T,
    pub count: u64,
    /// Of the first one: sequence number and nanoseconds since the session's start.
    pub seq: u64,
    pub t: u64,
}

/// What one recording asked for.
#[derive(Debug)]
pub struct Requests<T> {
    /// In no order.
    pub all: Vec<Repeated<T>>,
    /// Events that the recording says it lost.
    pub lost: u64,
    /// What could not be read, where something could not.
    pub damage: Option<String>,
}

/// A recording whose requests are to be judged.
pub struct Recorded<R: Read + Seek> {
    archive: Archive<R>,
}

impl<R: Read + Seek> Recorded<R> {
    pub fn open(source: R) -> Result<Self, ReadError> {
        Archive::open(source).map(|archive| Recorded { archive })
    }

    pub fn start(&self) -> Option<&Start> {
        self.archive.start()
    }

    pub fn policy(&self) -> Option<&PolicyUsed> {
        self.archive.policy()
    }

    /// Judges all requests, on so many threads, which `open` the same recording. A request may be judged by several of
    /// them; what one of them says is taken.
    pub fn judged<T: Send>(
        mut self,
        open: impl Fn() -> io::Result<R> + Sync,
        threads: usize,
        judge: &(impl Fn(&Judged) -> T + Sync),
    ) -> Result<Requests<T>, ReadError> {
        let archive = &mut self.archive;
        let count = archive.frames().len();
        let (next, keys) = (AtomicUsize::new(0), Keys::default());
        let sums = Mutex::new(Vec::new());
        let give = |sum: Sum<T>| sums.lock().unwrap_or_else(PoisonError::into_inner).push(sum);
        // The frame under way, which only this archive has read.
        let mut first = Sum::default();
        if archive.len() > count {
            for stamped in archive.events(count)?.iter() {
                first.event(&keys, stamped.seq, stamped.t, &stamped.event, judge);
            }
        }
        let work = |archive: &mut Archive<R>, mut sum: Sum<T>| {
            let mut memo = Memo::default();
            loop {
                let frame = next.fetch_add(1, Ordering::Relaxed);
                if frame >= count {
                    break;
                }
                match archive.text(frame) {
                    Ok(text) => sum.lines(&keys, &mut memo, text, judge),
                    Err(error) => sum.fault(&error.to_string()),
                }
            }
            give(sum);
        };
        let others = threads.clamp(1, count.max(1)) - 1;
        thread::scope(|scope| {
            for _ in 0..others {
                // Where another cannot be opened, this thread does the work alone.
                scope.spawn(|| {
                    open()
                        .map_err(ReadError::from)
                        .and_then(Archive::open)
                        .map(|mut archive| work(&mut archive, Sum::default()))
                });
            }
            work(archive, first);
        });
        let mut requests = joined(sums.into_inner().unwrap_or_else(PoisonError::into_inner), others + 1);
        requests.damage = requests.damage.or_else(|| archive.damage().map(str::to_owned));
        Ok(requests)
    }
}

/// Two keyed hashes.
#[derive(Default)]
struct Keys([RandomState; 2]);

type Key = [u64; 2];

impl Keys {
    fn of(&self, parts: &[&[u8]]) -> Key {
        let hash = |state: &RandomState| {
            let mut hasher = state.build_hasher();
            // With their lengths, so that no two lists of parts are written alike.
            parts.iter().for_each(|part| {
                hasher.write_usize(part.len());
                hasher.write(part);
            });
            hasher.finish()
        };
        let [first, second] = &self.0;
        [hash(first), hash(second)]
    }
}

/// A key is a hash already.
#[derive(Default)]
struct Half(u64);

impl Hasher for Half {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, half: u64) {
        self.0 = half;
    }
}

/// Equal lines, by what is left of a [`Key`] when its shard is known.
type Seen<T> = HashMap<Half64, Repeated<T>, BuildHasherDefault<Half>>;

/// A [`Key`] that hashes as its second half.
#[derive(PartialEq, Eq)]
struct Half64(Key);

impl std::hash::Hash for Half64 {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[1]);
    }
}

/// Parts of a sum that are joined by themselves.
const SHARDS: usize = 16;

fn shard([first, _]: &Key) -> usize {
    (first % SHARDS as u64) as usize
}

/// What one thread found.
struct Sum<T> {
    seen: [Seen<T>; SHARDS],
    lost: u64,
    damage: Option<String>,
}

impl<T> Default for Sum<T> {
    fn default() -> Self {
        Sum { seen: std::array::from_fn(|_| Seen::default()), lost: 0, damage: None }
    }
}

impl<T> Sum<T> {
    fn lines(&mut self, keys: &Keys, memo: &mut Memo, text: &[u8], judge: &impl Fn(&Judged) -> T) {
        let mut from = 0;
        for end in memchr_iter(b'\n', text).chain([text.len()]) {
            let line = text.get(from..end).unwrap_or_default();
            from = end + 1;
            if let Some(json) = line.strip_prefix(COMMENT)
                && let Err(what) = self.comment(keys, memo, json, judge)
            {
                self.fault(&what);
            }
        }
    }

    fn comment(
        &mut self,
        keys: &Keys,
        memo: &mut Memo,
        json: &[u8],
        judge: &impl Fn(&Judged) -> T,
    ) -> Result<(), String> {
        let (place, rest) = Place::parse(json).ok_or("no seq, t and kind at the start")?;
        let members = json.get(rest..).unwrap_or_default();
        match place.kind {
            "file" | "exec" | "net" => {}
            "lost" => {
                let Some(Event::Lost { events, .. }) = memo::event(place.kind, members)? else { return Ok(()) };
                self.lost = self.lost.saturating_add(events);
                return Ok(());
            }
            _ => return Ok(()),
        }
        let [before, after] = split(members);
        let key = keys.of(&[place.kind.as_bytes(), before, after]);
        match self.shard(&key).entry(Half64(key)) {
            Entry::Occupied(mut known) => known.get_mut().again(place.seq, place.t, 1),
            Entry::Vacant(fresh) => {
                if let Some(judged) = memo.judged(place.kind, members, before, after)? {
                    fresh.insert(Repeated { fate: judge(judged), count: 1, seq: place.seq, t: place.t });
                }
            }
        }
        Ok(())
    }

    /// An event that was read already: only few are.
    fn event(&mut self, keys: &Keys, seq: u64, t: u64, event: &Event, judge: &impl Fn(&Judged) -> T) {
        match event {
            Event::Lost { events, .. } => self.lost = self.lost.saturating_add(*events),
            Event::Judged(judged) => {
                let key = keys.of(&[b"under way", &seq.to_le_bytes()]);
                self.shard(&key).insert(Half64(key), Repeated { fate: judge(judged), count: 1, seq, t });
            }
            _ => {}
        }
    }

    #[allow(clippy::expect_used, reason = "a remainder by the number of shards is one of them")]
    fn shard(&mut self, key: &Key) -> &mut Seen<T> {
        self.seen.get_mut(shard(key)).expect("a remainder by the number of shards is one of them")
    }

    fn fault(&mut self, what: &str) {
        self.damage.get_or_insert_with(|| what.to_owned());
    }
}

/// All sums as one; each shard by one of so many threads.
fn joined<T: Send>(sums: Vec<Sum<T>>, threads: usize) -> Requests<T> {
    let mut requests = Requests { all: Vec::new(), lost: 0, damage: None };
    let mut shards: Vec<Vec<Seen<T>>> = (0..SHARDS).map(|_| Vec::new()).collect();
    for sum in sums {
        requests.lost = requests.lost.saturating_add(sum.lost);
        requests.damage = requests.damage.or(sum.damage);
        shards.iter_mut().zip(sum.seen).for_each(|(shard, seen)| shard.push(seen));
    }
    let left = Mutex::new(shards);
    let take = || left.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let join = || {
        let mut all = Vec::new();
        while let Some(shard) = take() {
            all.extend(one(shard));
        }
        all
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(SHARDS)).map(|_| scope.spawn(join)).collect();
        requests.all = join();
        for other in others {
            match other.join() {
                Ok(all) => requests.all.extend(all),
                // What it had counted is gone, and so is the sum.
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    requests
}

/// One shard of all threads.
fn one<T>(mut shard: Vec<Seen<T>>) -> impl Iterator<Item = Repeated<T>> {
    shard.sort_by_key(HashMap::len);
    let mut all = shard.pop().unwrap_or_default();
    for (key, repeated) in shard.into_iter().flatten() {
        match all.entry(key) {
            Entry::Occupied(mut known) => known.get_mut().again(repeated.seq, repeated.t, repeated.count),
            Entry::Vacant(fresh) => {
                fresh.insert(repeated);
            }
        }
    }
    all.into_values()
}

impl<T> Repeated<T> {
    fn again(&mut self, seq: u64, t: u64, count: u64) {
        self.count = self.count.saturating_add(count);
        if seq < self.seq {
            (self.seq, self.t) = (seq, t);
        }
    }
}

/// What stands before the process's number, and what stands between it and the duration or the end. A quotation mark
/// within a string has a backslash before it, so neither name is found in one; a line without them is compared as a whole.
fn split(json: &[u8]) -> [&[u8]; 2] {
    const PID: &[u8] = b",\"pid\":";
    const DURATION: &[u8] = b",\"dur\":";
    static FINDER: std::sync::LazyLock<Finder<'static>> = std::sync::LazyLock::new(|| Finder::new(PID));

    let Some(at) = FINDER.find(json) else { return [json, b""] };
    let (before, rest) = json.split_at(at);
    let rest = rest.get(PID.len()..).unwrap_or_default();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'-').count();
    let rest = rest.get(digits..).unwrap_or_default();
    // The duration is the last member, where there is one.
    let last = memrchr(b',', rest).filter(|last| rest.get(*last..).is_some_and(|last| last.starts_with(DURATION)));
    let end = last.unwrap_or(rest.len() - usize::from(rest.ends_with(b"}")));
    [before, rest.get(..end).unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_differ_only_in_process_and_duration_are_the_same() {
        let line = |pid: &str, dur: &str| {
            format!(",\"rule\":\"a\\\",\\\"pid\\\":9\",\"pid\":{pid},\"path\":\"/x,\\\"dur\\\":1\"{dur}}}")
        };
        let keys = Keys::default();
        let key = |text: &str| keys.of(&split(text.as_bytes()));
        assert_eq!(key(&line("1", ",\"dur\":6.120")), key(&line("4183", ",\"dur\":0.001")));
        assert_eq!(key(&line("1", ",\"dur\":6.120")), key(&line("4183", "")));
        assert!(split(line("1", ",\"dur\":2.0").as_bytes())[1].ends_with(b"1\""));
        assert_ne!(key(&line("1", "")), key(&line("1", "").replace("/x", "/y")));
        assert_ne!(keys.of(&[b"ab", b"c"]), keys.of(&[b"a", b"bc"]));
    }
}
