//! Searching recordings: how long a hundred megabytes of output take, as agents and their tools write it.
//!
//! Invariant: what is searched for is there, rarely: nothing is found by not looking.
//! Leaves to others: making the recordings (`recordings`).

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use govsh::event::Stream;
use govsh::recording::search::{Case as Letters, Places, Progress, Query, search};

use crate::measure::{Bound, Case, Item, Pace, Sample, xorshift};
use crate::recordings::{Agent, recorded};
use crate::ways::Ways;

/// Bytes of output of each session.
const BYTES: usize = 100_000_000;
/// 200 MB/s in milliseconds for [`BYTES`].
const MOST: f64 = 500.0;
/// What is searched for, and how often it was written.
const NEEDLE: &str = "error\\[E\\d+\\]";
const NEEDLES: usize = 5;

pub fn run(ways: &Ways<'_>, pace: &mut Pace) -> Result<Vec<Item>> {
    let mut made = Vec::new();
    for (name, draw) in [("plain", plain as Draw), ("coloured", coloured), ("full screen", full_screen)] {
        let file = ways.scratch.out(&format!("search-{}.cast.zst", made.len()));
        make(&file, draw)?;
        made.push((name, file));
    }
    let threads = std::thread::available_parallelism()?.get();
    let case = |(name, file): &(&str, PathBuf), clock: fn() -> Result<f64>, share: f64| {
        let (name, file) = (name.to_string(), file.clone());
        Case::new(name, move || searched(&file, threads, clock, share)).bounds([Bound::AtMost(MOST)])
    };
    let wall = made.iter().map(|made| case(made, wall_seconds, 1.0)).collect();
    let wall = pace.interleave("search, 100 MB of output", "ms", 5, true, wall);
    // On a machine that others use, too, this is what a quiet one would take.
    let cpu = made.iter().map(|made| case(made, cpu_seconds, 1.0 / threads as f64)).collect();
    let cpu = pace.interleave("search, 100 MB of output, CPU time by cores", "ms", 5, true, cpu);
    made.iter().try_for_each(|(_, file)| fs::remove_file(file))?;
    Ok(vec![wall, cpu])
}

type Draw = fn(&mut u64, &mut Vec<u8>);

fn make(file: &Path, draw: Draw) -> Result<()> {
    recorded(file, |bus| {
        let (mut state, mut done, mut needles) = (7, 0, 0);
        let mut piece = Vec::new();
        while done < BYTES {
            piece.clear();
            while piece.len() < 65_536 {
                draw(&mut state, &mut piece);
            }
            if done / (BYTES / NEEDLES) >= needles {
                needles += 1;
                piece.extend_from_slice(format!("\r\nerror[E{needles:04}]: mismatched types\r\n").as_bytes());
            }
            piece.chunks(4_096).for_each(|part| bus.output(Stream::Terminal, part));
            done += piece.len();
        }
    })
}

fn words(state: &mut u64, count: usize) -> String {
    let words = ["Compiling", "warning:", "src/recording/search.rs", "unused", "test", "ok", "in", "0.31s", "é", "->"];
    (0..count).map(|_| words[(xorshift(state) % words.len() as u64) as usize]).collect::<Vec<_>>().join(" ")
}

fn plain(state: &mut u64, out: &mut Vec<u8>) {
    let count = 4 + (xorshift(state) % 9) as usize;
    out.extend_from_slice(format!("{}\r\n", words(state, count)).as_bytes());
}

fn coloured(state: &mut u64, out: &mut Vec<u8>) {
    let (first, rest) = (words(state, 1), words(state, 6));
    out.extend_from_slice(format!("\x1b[1m\x1b[32m   {first}\x1b[0m {rest} \x1b[38;5;12m|\x1b[0m\r\n").as_bytes());
}

fn full_screen(state: &mut u64, out: &mut Vec<u8>) {
    let mut agent = Agent::new(xorshift(state));
    (0..32).for_each(|_| agent.draw(out));
}

/// Milliseconds of `clock` for one search, by `share`.
fn searched(file: &Path, threads: usize, clock: fn() -> Result<f64>, share: f64) -> Result<Sample> {
    let query = Query::new(NEEDLE, false, Letters::Smart, Places::all(), 0)?;
    let mut hits = 0;
    let begun = clock()?;
    search(|| File::open(file), &query, threads, &Progress::default(), &mut |_| {
        hits += 1;
        true
    })?;
    let time = clock()? - begun;
    if hits < NEEDLES {
        bail!("{hits} hits");
    }
    Ok(Sample::from(time * share * 1e3))
}

fn wall_seconds() -> Result<f64> {
    static BEGUN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    Ok(BEGUN.get_or_init(Instant::now).elapsed().as_secs_f64())
}

/// Of all threads of this process; proc_pid_stat(5).
fn cpu_seconds() -> Result<f64> {
    const TICKS: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(") ").context("a name in parentheses")?.1;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / TICKS)
}
