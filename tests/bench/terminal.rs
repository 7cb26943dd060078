//! The terminal: how fast a flood of text gets through, and what a wrapper keeps in memory when nobody reads.
//!
//! Invariant: the benchmark is the outer terminal. It counts every byte; a run that loses one counts as failed.

use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use portable_pty::{CommandBuilder, MasterPty, PtyPair, PtySize, native_pty_system};

use crate::inner::LINE;
use crate::measure::{Bound, Case, Item, Pace, Sample};
use crate::ways::{Profile, Way, Ways, words};

const SCRIPT: &str = "script -qf";
/// What may come before and after the flood without counting: queries to the terminal, closing lines.
const MARGIN: u64 = 8_192;

/// A wrapper with the flood inside, as a command line.
type Flood = (&'static str, Vec<OsString>);

pub fn run(ways: &Ways<'_>, pace: &mut Pace, wants: &dyn Fn(&str) -> bool) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    if wants("flood") {
        let bytes = if pace.quick { 60_000_000 } else { 300_000_000 };
        let name = format!("flood, {} MB", bytes / 1_000_000);
        let cases = floods(ways, bytes)?.into_iter().map(|(name, argv)| {
            let bounds = name.starts_with("govsh").then_some(Bound::AtLeastTimes(0.97, SCRIPT));
            let free = (name == "govsh").then_some(Bound::AtLeastTimes(0.97, "govsh --no-record"));
            Case::new(name, move || throughput(ways, &argv, bytes)).bounds(bounds).bounds(free)
        });
        items.push(pace.interleave(&name, "MB/s", 5, false, cases.collect()));
    }
    if wants("memory, stalled terminal") {
        let bytes = if pace.quick { 50_000_000 } else { 150_000_000 };
        let cases = floods(ways, bytes)?.into_iter().filter(|(name, _)| *name != "native").map(|(name, argv)| {
            let bounds = name.starts_with("govsh").then_some(Bound::AtMost(32.0));
            Case::new(name, move || stalled(ways, &argv, bytes)).bounds(bounds)
        });
        items.push(pace.interleave("memory, stalled terminal", "MiB", 3, false, cases.collect()));
    }
    Ok(items)
}

fn floods(ways: &Ways<'_>, bytes: u64) -> Result<Vec<Flood>> {
    let inner = words(&[&ways.scratch.bench(), &"__flood", &bytes.to_string()]);
    let line = inner.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let mut floods = vec![
        ("native", inner.clone()),
        (SCRIPT, words(&[&"script", &"-q", &"-f", &"-c", &line, &ways.scratch.out("typescript")])),
        (
            "asciinema rec",
            words(&[&"asciinema", &"rec", &"-q", &"--overwrite", &"-c", &line, &ways.scratch.out("flood.cast")]),
        ),
    ];
    if ways.govsh.is_some() {
        let govsh = |record| ways.argv(Way::Govsh { policy: Profile::Agent, audit: "full", record }, &inner);
        floods.push(("govsh", govsh(true)?));
        floods.push(("govsh --no-record", govsh(false)?));
    }
    Ok(floods)
}

/// A command on a terminal of its own, whose other end is ours. Killed when dropped before its end.
struct Session {
    leader: Box<dyn MasterPty + Send>,
    child: Box<dyn portable_pty::Child + Send + Sync>,
}

impl Session {
    fn start(ways: &Ways<'_>, argv: &[OsString]) -> Result<Session> {
        let PtyPair { slave, master: leader } =
            native_pty_system().openpty(PtySize { rows: 40, cols: 120, pixel_width: 0, pixel_height: 0 })?;
        let mut command = CommandBuilder::from_argv(argv.to_vec());
        command.env_clear();
        for (name, value) in ways.environment() {
            command.env(name, value);
        }
        command.cwd(ways.scratch.work());
        let child = slave.spawn_command(command).map_err(|_| anyhow!("{} is not installed", argv[0].display()))?;
        drop(slave); // so that the leader reads end of file after the command's last byte
        Ok(Session { leader, child })
    }

    fn reader(&self) -> Result<Box<dyn Read + Send>> {
        self.leader.try_clone_reader()
    }

    fn end(mut self) -> Result<()> {
        let status = self.child.wait()?;
        if !status.success() {
            bail!("ended with {status:?}");
        }
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            let _ = self.child.kill(); // it may have ended between the two calls
        }
    }
}

/// Bytes that a terminal gets for a flood of `bytes`.
fn expected(bytes: u64) -> u64 {
    bytes.div_ceil(LINE.len() as u64) * (LINE.len() as u64 + 1)
}

/// Reads to the end; bytes and the time between the first and the last of them, margins aside.
fn drain(mut reader: impl Read, bytes: u64) -> Result<Duration> {
    let mut buffer = vec![0; 65_536];
    let (mut total, mut first, mut last) = (0, None, None);
    loop {
        let n = reader.read(&mut buffer).context("cannot read from the terminal")? as u64;
        if n == 0 {
            break;
        }
        total += n;
        if total > MARGIN {
            first.get_or_insert_with(Instant::now);
        }
        if total >= expected(bytes) {
            last.get_or_insert_with(Instant::now);
        }
    }
    match (first, last) {
        (Some(first), Some(last)) if total <= expected(bytes) + MARGIN => Ok(last - first),
        _ => bail!("{total} bytes came instead of {}", expected(bytes)),
    }
}

fn throughput(ways: &Ways<'_>, argv: &[OsString], bytes: u64) -> Result<Sample> {
    let session = Session::start(ways, argv)?;
    let time = drain(session.reader()?, bytes)?;
    session.end()?;
    ways.scratch.forget_recordings()?;
    Ok(Sample::from(bytes as f64 / 1e6 / time.as_secs_f64()))
}

/// Peak resident memory in MiB while nobody reads, measured when it has stood still for two seconds. Then everything is read and counted.
fn stalled(ways: &Ways<'_>, argv: &[OsString], bytes: u64) -> Result<Sample> {
    let session = Session::start(ways, argv)?;
    let pid = session.child.process_id().context("no process")?;
    let (start, mut changed, mut seen) = (Instant::now(), Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(30)
        && (changed.elapsed() < Duration::from_secs(2) || start.elapsed() < Duration::from_secs(4))
    {
        let peak = peak_kib(pid)?;
        // Before it executes its program, it is as large as we are.
        if peak.abs_diff(seen) > 64 {
            (seen, changed) = (peak, Instant::now());
        }
        std::thread::sleep(Duration::from_millis(20)); // the interval of the samples
    }
    drain(session.reader()?, bytes)?;
    session.end()?;
    ways.scratch.forget_recordings()?;
    Ok(Sample::from(seen as f64 / 1024.0))
}

/// `VmHWM` of a process, proc_pid_status(5).
fn peak_kib(pid: u32) -> Result<u64> {
    let status =
        fs::read_to_string(format!("/proc/{pid}/status")).context("it ended although nobody read its output")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .context("it ended although nobody read its output")?;
    line.trim().trim_end_matches(" kB").parse().context("VmHWM is not a number")
}
