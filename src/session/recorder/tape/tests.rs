//! Disks that fail for a moment, for long, from the start and for good.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::event::Stream;
use crate::recording::Reader;

/// A disk that can be made full.
#[derive(Clone, Default)]
struct Fragile {
    full: Arc<AtomicBool>,
    file: Arc<Mutex<Vec<u8>>>,
}

impl Write for Fragile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        // Short writes are allowed, and must not matter.
        let count = bytes.len().min(1_000);
        self.file.lock().expect("no panic").extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Disk for Fragile {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Bench {
    disk: Fragile,
    stops: Arc<AtomicUsize>,
    seq: u64,
}

impl Bench {
    fn new() -> Self {
        Self { disk: Fragile::default(), stops: Arc::default(), seq: 0 }
    }

    fn tape(&self, on_failure: OnFailure) -> io::Result<Tape<Fragile>> {
        let (disk, stops) = (self.disk.clone(), Arc::clone(&self.stops));
        Tape::new(Setup {
            start: start(),
            path: "/nonexistent/recording".into(),
            on_failure,
            stop: Box::new(move |_| {
                stops.fetch_add(1, Ordering::SeqCst);
            }),
            create: Box::new(move || {
                let full = disk.full.load(Ordering::SeqCst);
                if full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(disk.clone()) }
            }),
        })
    }

    fn next(&mut self, event: Event) -> Stamped {
        self.seq += 1;
        Stamped { seq: self.seq - 1, t: self.seq * 1_000_000, event }
    }

    /// Bytes that do not compress, so that a full disk is noticed.
    fn noise(&mut self) -> Stamped {
        let mut state = self.seq | 1;
        let data = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            b'!' + (state >> 58) as u8
        });
        let data = data.take(32 << 10).collect();
        self.next(Event::Output { stream: Stream::Terminal, data })
    }

    fn read(&self) -> (Vec<Stamped>, bool) {
        let file = self.disk.file.lock().expect("no panic").clone();
        let mut reader = Reader::open(io::Cursor::new(file)).expect("a recording");
        let events = reader.by_ref().collect::<Result<_, _>>().expect("readable");
        (events, reader.truncated())
    }
}

fn start() -> Start {
    Start {
        id: "k3f9".to_owned(),
        timestamp: 0,
        argv: Vec::new(),
        cwd: Vec::new(),
        user: String::new(),
        uid: 0,
        host: String::new(),
        version: String::new(),
        cols: 80,
        rows: 24,
        term: String::new(),
        stdin_tty: false,
        stdout_tty: false,
        stderr_tty: false,
    }
}

fn retry_now(tape: &mut Tape<Fragile>) {
    if let Some(broken) = tape.broken.as_mut() {
        broken.at = Instant::now().checked_sub(2 * RETRY).expect("the machine has been up for a second");
    }
    tape.flush();
}

#[test]
fn a_disk_that_is_full_for_a_moment_loses_nothing() {
    let mut bench = Bench::new();
    let mut tape = bench.tape(OnFailure::Continue).expect("created");
    let mut all = Vec::new();
    for round in 0..30 {
        bench.disk.full.store((10..15).contains(&round), Ordering::SeqCst);
        all.push(bench.noise());
        tape.write(&all[round]);
        retry_now(&mut tape);
    }
    assert_eq!(tape.finish(None), (None, 0));
    assert_eq!(bench.read(), (all, false));
    assert_eq!(bench.stops.load(Ordering::SeqCst), 0);
}

#[test]
fn what_a_full_disk_loses_is_counted() {
    let mut bench = Bench::new();
    let mut tape = bench.tape(OnFailure::Continue).expect("created");
    let mut all = Vec::new();
    for round in 0..400 {
        bench.disk.full.store((100..300).contains(&round), Ordering::SeqCst);
        all.push(bench.noise());
        tape.write(&all[round]);
        retry_now(&mut tape);
    }
    let (failure, lost) = tape.finish(None);
    assert!(failure.expect("something is missing").contains("not complete"));
    let (back, truncated) = bench.read();
    assert!(!truncated);
    let at = back.iter().position(|stamped| matches!(stamped.event, Event::Lost { .. })).expect("a lost event");
    let Event::Lost { events, bytes, .. } = back[at].event else { panic!("found above") };
    assert_eq!(back[at].seq as usize, at);
    assert_eq!(back.len() as u64 - 1 + events, 400);
    assert_eq!((bytes, lost), (events * (32 << 10), events));
    assert_eq!(back[..at], all[..at]);
    assert_eq!(back[at + 1..], all[at + events as usize..]);
}

#[test]
fn a_file_that_comes_late_begins_with_the_session() {
    let mut bench = Bench::new();
    bench.disk.full.store(true, Ordering::SeqCst);
    let mut tape = bench.tape(OnFailure::Continue).expect("goes on without");
    let first = bench.next(Event::Start(Box::new(start())));
    let (second, third) = (bench.noise(), bench.noise());
    tape.write(&first);
    tape.write(&second);
    bench.disk.full.store(false, Ordering::SeqCst);
    retry_now(&mut tape);
    tape.write(&third);
    assert_eq!(tape.finish(None).1, 1);
    let (back, truncated) = bench.read();
    assert!(!truncated);
    assert_eq!((&back[0], &back[2]), (&first, &third));
    assert!(matches!(back[1], Stamped { seq: 1, event: Event::Lost { events: 1, .. }, .. }));
}

#[test]
fn a_failure_under_stop_ends_the_session_once() {
    let mut bench = Bench::new();
    let mut tape = bench.tape(OnFailure::Stop).expect("created");
    bench.disk.full.store(true, Ordering::SeqCst);
    for _ in 0..100 {
        let noise = bench.noise();
        tape.write(&noise);
        retry_now(&mut tape);
    }
    assert_eq!(bench.stops.load(Ordering::SeqCst), 1);
    assert!(tape.finish(None).0.expect("a failure").contains("cannot write recording"));
    assert!(bench.tape(OnFailure::Stop).is_err());
}

#[test]
fn a_recorder_that_panics_ends_the_session() {
    let bench = Bench::new();
    let tape = bench.tape(OnFailure::Stop).expect("created");
    let thread = std::thread::spawn(move || {
        let _tape = tape;
        panic!("on purpose");
    });
    assert!(thread.join().is_err());
    assert_eq!(bench.stops.load(Ordering::SeqCst), 1);
}
