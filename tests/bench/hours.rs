//! A session of ten hours, by its clock: a frame every two seconds.
//!
//! Invariant: the times are given, not waited for; everything else is as the recorder writes it.
//! Leaves to others: the recorder's own thread and its flushing (`recordings`).

use std::ffi::OsString;
use std::fs::{self, File};
use std::process::Command;

use anyhow::{Context, Result, bail};
use govsh::event::{Event, Stamped, Stream};
use govsh::recording::Writer;

use crate::measure::{Bound, Case, Item, Pace};
use crate::recordings::{Agent, jumps, once, opened, peak, start};
use crate::ways::Ways;

/// Frames: ten hours of two seconds.
const FRAMES: u64 = 18_000;
/// Bytes of output in each; with their escapes enough text for a frame of its own.
const BYTES: usize = 34_000;
/// Nanoseconds between frames.
const SPAN: u64 = 2_000_000_000;

pub fn run(ways: &Ways<'_>, pace: &mut Pace) -> Result<Vec<Item>> {
    let frames = if pace.quick { FRAMES / 10 } else { FRAMES };
    let file = ways.scratch.out("hours.cast.zst");
    let made = Command::new(ways.scratch.bench()).arg("__hours").arg(&file).arg(frames.to_string()).output()?;
    if !made.status.success() {
        bail!("the session could not be made: {}", String::from_utf8_lossy(&made.stderr));
    }
    let memory = String::from_utf8(made.stdout)?.trim().parse()?;
    let name = |what: &str| format!("recording, {frames} frames of two seconds: {what}");
    let memory = Item { name: name("memory"), unit: "MiB", cases: vec![once("writer's process", memory, Some(48.0))] };
    let first = Case::new("first screen", || opened(&file, 0)).bounds([Bound::AtMost(50.0)]);
    let last = Case::new("last screen", || opened(&file, u64::MAX)).bounds([Bound::AtMost(50.0)]);
    let opening = pace.interleave(&name("open"), "ms", 9, true, vec![first, last]);
    let jumps = Case::new("99th percentile", || jumps(&file)).bounds([Bound::AtMost(20.0)]);
    let seek = pace.interleave(&name("seek"), "ms", 3, true, vec![jumps]);
    fs::remove_file(&file)?;
    Ok(vec![memory, opening, seek])
}

/// `__hours FILE FRAMES`: writes such a session; prints the peak of memory in MiB.
pub fn record(args: &[OsString]) -> Result<u8> {
    let [file, frames] = args else { bail!("usage: __hours FILE FRAMES") };
    let frames: u64 = frames.to_str().context("a number")?.parse()?;
    let start = start();
    let mut writer = Writer::new(File::create_new(file)?, &start)?;
    let mut seq = 0;
    let mut write = |t: u64, event: Event| {
        seq += 1;
        writer.write(&Stamped { seq: seq - 1, t, event })
    };
    write(0, Event::Start(Box::new(start.clone())))?;
    let mut agent = Agent::new(42);
    for frame in 0..frames {
        let (mut done, mut part) = (0, 0);
        while done < BYTES {
            let mut data = Vec::new();
            agent.draw(&mut data);
            done += data.len();
            write(frame * SPAN + part * 1_000_000, Event::Output { stream: Stream::Terminal, data })?;
            part += 1;
        }
    }
    write(frames * SPAN, Event::Exit { status: 0, signal: None })?;
    writer.finish()?;
    println!("{}", peak()?);
    Ok(0)
}
