//! Recordings: what they cost while they are made, how large they become, and how fast any moment of them is there again.
//!
//! Invariant: what is measured is the recorder that sessions use, in a process of its own where memory is measured.
//! Leaves to others: the flood through a whole session (`terminal`).

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use govsh::bus::bus;
use govsh::event::{Event, Judged, Kind, Start, Stream, Via};
use govsh::policy::{Access, Layer, OnFailure, Verdict};
use govsh::recording::{Archive, Reader};
use govsh::session::control::Pulse;
use govsh::session::recorder::{self, Target};

use crate::measure::{Bound, Case, Item, Measured, Pace, Sample, xorshift};
use crate::ways::{Profile, Way, Ways, words};

/// Jumps for the 99th percentile.
const JUMPS: usize = 400;
/// Decisions for the sustained rate.
const DECISIONS: u64 = 500_000;

pub fn run(ways: &Ways<'_>, pace: &mut Pace, wants: &dyn Fn(&str) -> bool) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    if wants("recording, long session") {
        items.extend(long(ways, pace)?);
    }
    if wants("recording, size") {
        items.push(sizes()?);
    }
    if wants("recording, ten hours") {
        items.extend(crate::hours::run(ways, pace)?);
    }
    if wants("search") {
        items.extend(crate::search::run(ways, pace)?);
    }
    if wants("recording, decisions") {
        let case = Case::new("recorder", || decisions(ways)).bounds([Bound::AtMost(10.0)]);
        items.push(pace.interleave("recording, decisions, none lost", "µs each", 5, true, vec![case]));
    }
    if wants("recording, killed") && ways.govsh.is_some() {
        let case = Case::new("govsh", || killed(ways)).bounds([Bound::AtMost(250.0)]);
        items.push(pace.interleave("recording, lost to SIGKILL", "ms", 7, false, vec![case]));
    }
    Ok(items)
}

/// One session of gigabytes: memory while it is made, size, and the way back into it.
fn long(ways: &Ways<'_>, pace: &mut Pace) -> Result<Vec<Item>> {
    let bytes: u64 = if pace.quick { 300_000_000 } else { 3_500_000_000 };
    let file = ways.scratch.out("long.cast.zst");
    let made = Command::new(ways.scratch.bench())
        .arg("__record")
        .arg(&file)
        .arg(bytes.to_string())
        .env("XDG_STATE_HOME", ways.scratch.out("state"))
        .output()?;
    if !made.status.success() {
        bail!("the session could not be made: {}", String::from_utf8_lossy(&made.stderr));
    }
    let said = String::from_utf8(made.stdout)?;
    let mut numbers = said.split_whitespace().map(str::parse::<f64>);
    let mut number = || numbers.next().context("two numbers").and_then(|number| Ok(number?));
    let (peak, rate) = (number()?, number()?);
    let gigabytes = bytes as f64 / 1e9;
    let name = |what: &str| format!("recording, {gigabytes:.1} GB of output: {what}");
    let memory = Item { name: name("memory"), unit: "MiB", cases: vec![once("recorder's process", peak, Some(48.0))] };
    let speed = Item { name: name("speed"), unit: "MB/s", cases: vec![once("recorder", rate, None)] };
    let size =
        Item { name: name("size"), unit: "× zstd -3", cases: vec![once("file", against_stream(&file)?, Some(1.05))] };
    let first = Case::new("first screen", || opened(&file, 0)).bounds([Bound::AtMost(50.0)]);
    let last = Case::new("last screen", || opened(&file, u64::MAX)).bounds([Bound::AtMost(50.0)]);
    let opening = pace.interleave(&name("open"), "ms", 9, true, vec![first, last]);
    let jumps = Case::new("99th percentile", || jumps(&file)).bounds([Bound::AtMost(20.0)]);
    let seek = pace.interleave(&name("seek"), "ms", 3, true, vec![jumps]);
    fs::remove_file(&file)?;
    Ok(vec![memory, speed, size, opening, seek])
}

pub fn once(name: &str, value: f64, most: Option<f64>) -> Measured {
    let bounds = most.map(Bound::AtMost).into_iter().collect();
    Measured { name: name.into(), bounds, samples: vec![Sample::from(value)], failure: None }
}

/// Milliseconds from nothing to a screen.
pub fn opened(file: &Path, t: u64) -> Result<Sample> {
    let start = Instant::now();
    let mut archive = Archive::open(File::open(file)?)?;
    let screen = archive.screen_at(t)?;
    let time = start.elapsed();
    drop(screen);
    Ok(Sample::from(time.as_secs_f64() * 1e3))
}

/// Milliseconds within which 99 of 100 jumps to a random time have their screen.
pub fn jumps(file: &Path) -> Result<Sample> {
    let mut archive = Archive::open(File::open(file)?)?;
    let mut state = 7;
    let mut times = Vec::with_capacity(JUMPS);
    for _ in 0..JUMPS {
        let t = xorshift(&mut state) % archive.duration().max(1);
        let start = Instant::now();
        drop(archive.screen_at(t)?);
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(Sample::from(times[JUMPS * 99 / 100]))
}

/// The golden recordings: real sessions.
fn sizes() -> Result<Item> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/recordings");
    let mut cases = Vec::new();
    for name in ["codex", "claude", "cargo", "htop"] {
        let file = PathBuf::from(format!("{dir}/{name}.cast.zst"));
        cases.push(once(name, against_stream(&file)?, Some(1.05)));
    }
    Ok(Item { name: "recording, size of real sessions".into(), unit: "× zstd -3", cases })
}

/// The file's size by that of its lines as one stream.
fn against_stream(file: &Path) -> Result<f64> {
    let mut lines = zstd::Decoder::new(File::open(file)?)?;
    let mut stream = zstd::Encoder::new(Counted(0), 3)?;
    std::io::copy(&mut lines, &mut stream)?;
    let Counted(whole) = stream.finish()?;
    Ok(fs::metadata(file)?.len() as f64 / whole as f64)
}

struct Counted(u64);

impl std::io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub fn start() -> Start {
    Start {
        id: "bnch".to_owned(),
        timestamp: 1_795_283_344,
        argv: vec![b"agent".to_vec()],
        cwd: b"/home/dev/shop".to_vec(),
        user: "dev".to_owned(),
        uid: 1000,
        host: "shop".to_owned(),
        version: "0".to_owned(),
        cols: 120,
        rows: 40,
        term: "xterm-256color".to_owned(),
        stdin_tty: true,
        stdout_tty: true,
        stderr_tty: true,
    }
}

/// What goes through the recorder: `feed` publishes it. The file must not exist.
pub fn recorded(file: &Path, feed: impl FnOnce(&govsh::bus::Bus)) -> Result<()> {
    let (bus, tap) = bus(Instant::now());
    let start = start();
    let options = recorder::Options {
        target: Target::At(file.to_owned()),
        start: &start,
        on_failure: OnFailure::Continue,
        pulse: Arc::new(Pulse::default()),
        seen: Box::new(|_| {}),
        stop: Box::new(|_| {}),
    };
    let recorder = recorder::start(tap, options)?;
    bus.publish(Event::Start(Box::new(start.clone())));
    feed(&bus);
    bus.publish(Event::Exit { status: 0, signal: None });
    bus.close();
    let outcome = recorder.join();
    if let Some(failure) = outcome.failure {
        bail!("{failure}");
    }
    if outcome.summary.lost > 0 {
        bail!("{} events were lost", outcome.summary.lost);
    }
    Ok(())
}

/// Microseconds that a decision takes from being published to being in the file, at full speed from two threads.
fn decisions(ways: &Ways<'_>) -> Result<Sample> {
    let file = ways.scratch.out("decisions.cast.zst");
    let begun = Instant::now();
    decided(&file, DECISIONS, 7_919)?;
    let time = begun.elapsed();
    let read = Reader::open(File::open(&file)?)?.map(|item| item.map(|_| 1)).sum::<Result<u64, _>>()?;
    if read != DECISIONS + 2 {
        bail!("{read} events instead of {}", DECISIONS + 2);
    }
    fs::remove_file(&file)?;
    Ok(Sample::from(time.as_secs_f64() * 1e6 / DECISIONS as f64))
}

/// A recording of so many decisions on so many different files, published at full speed from two threads.
pub fn decided(file: &Path, decisions: u64, different: u64) -> Result<()> {
    let rule: Arc<str> = Arc::from("\"/usr/**\" agent.toml:12");
    let event = |n: u64| {
        Event::Judged(Judged {
            kind: Kind::File,
            op: "open",
            pid: 4_000 + (n % 50) as i32,
            access: Access::READ,
            path: format!("/usr/lib/x86_64/part-{}/file-{}.so", n % different % 311, n % different).into_bytes(),
            path2: Vec::new(),
            addr: None,
            host: None,
            port: 0,
            argv: Vec::new(),
            verdict: Verdict::Allow,
            rule: Arc::clone(&rule),
            layer: Layer::Shipped,
            via: Via::Brokered,
            errno: 0,
            duration: 4_000 + n % 9_000,
        })
    };
    recorded(file, |bus| {
        std::thread::scope(|scope| {
            for half in 0..2 {
                let event = &event;
                scope.spawn(move || (0..decisions / 2).for_each(|n| bus.publish(event(2 * n + half))));
            }
        });
    })
}

/// Milliseconds before a SIGKILL of the front of which the recording has nothing.
fn killed(ways: &Ways<'_>) -> Result<Sample> {
    let script = "while :; do read -r up rest </proc/uptime; echo $up; done";
    let inner = words(&[&"sh", &"-c", &script]);
    let argv = ways.argv(Way::Govsh { policy: Profile::Agent, audit: "full", record: true }, &inner)?;
    let mut front = ways.command(&argv).stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(front.stdout.take().context("a pipe")?).lines();
    let begun = Instant::now();
    let mut last = 0.0;
    while begun.elapsed() < Duration::from_millis(1_500) {
        last = lines.next().context("it ended")??.trim().parse()?;
    }
    front.kill()?;
    front.wait()?;
    let file = ways.scratch.recordings()?.pop().context("no recording")?;
    let mut text = Vec::new();
    for stamped in Reader::open(File::open(&file)?)? {
        if let Event::Output { data, .. } = stamped?.event {
            text.extend(data);
        }
    }
    let kept = String::from_utf8_lossy(&text);
    // The last line may be cut.
    let kept = kept.rsplit('\n').nth(1).unwrap_or_default().trim();
    ways.scratch.forget_recordings()?;
    let kept: f64 = kept.parse().context("no line was kept")?;
    Ok(Sample::from((last - kept).max(0.0) * 1e3))
}

/// `__record FILE BYTES`: records so much output as agents draw it; prints the peak of memory in MiB, and MB/s.
pub fn record(args: &[OsString]) -> Result<u8> {
    let [file, bytes] = args else { bail!("usage: __record FILE BYTES") };
    let bytes: u64 = bytes.to_str().context("a number")?.parse()?;
    let begun = Instant::now();
    recorded(Path::new(file), |bus| {
        let mut agent = Agent::new(42);
        let mut done = 0;
        let mut piece = Vec::new();
        while done < bytes {
            piece.clear();
            agent.draw(&mut piece);
            // As the pump reads it.
            piece.chunks(4_096).for_each(|part| bus.output(Stream::Terminal, part));
            done += piece.len() as u64;
        }
    })?;
    let time = begun.elapsed().as_secs_f64();
    let peak = peak()?;
    println!("{peak} {}", bytes as f64 / 1e6 / time);
    Ok(0)
}

/// The most memory that this process has had, in MiB.
pub fn peak() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
    Ok(peak.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

/// Something that draws as agents do: a spinner, text that grows, and now and then the whole screen again.
pub struct Agent {
    state: u64,
    line: u64,
}

impl Agent {
    pub fn new(state: u64) -> Agent {
        Agent { state, line: 0 }
    }

    pub fn draw(&mut self, out: &mut Vec<u8>) {
        use std::io::Write as _;
        const WORDS: [&str; 24] = [
            "the",
            "route",
            "handler",
            "returns",
            "early",
            "when",
            "a",
            "session",
            "token",
            "is",
            "missing",
            "so",
            "login",
            "redirect",
            "never",
            "fires",
            "fixed",
            "tests",
            "pass",
            "src/routes.rs",
            "cargo",
            "run",
            "€",
            "客",
        ];
        let mut word = || WORDS[(xorshift(&mut self.state) % WORDS.len() as u64) as usize];
        let mut text = |words: usize| (0..words).map(|_| word()).collect::<Vec<_>>().join(" ");
        // Writing to a vector cannot fail.
        let _ = match self.line % 16 {
            0 => {
                let rows: String = (1..40)
                    .map(|row| format!("\x1b[{row};1H\x1b[2K\x1b[38;5;{}m{}\x1b[m", 16 + row, text(11)))
                    .collect();
                write!(out, "\x1b[?2026h\x1b[2J{rows}\x1b[?2026l")
            }
            1..=9 => {
                write!(out, "\x1b[?2026h\x1b[40;1H\x1b[2K\x1b[36m•\x1b[m {}s esc to interrupt\x1b[?2026l", self.line)
            }
            _ => write!(out, "\x1b[?2026h\x1b[38;1H\r\n\x1b[1m•\x1b[m {}\x1b[K\x1b[?2026l", text(14)),
        };
        self.line += 1;
    }
}
