//! What the relay of MCP servers costs: alone, and with a connection around it, beside the same connection without either.
//!
//! Invariant: the server is an echo in this process, so what is measured is the way to it; 200 rules are judged, none of
//! which matches but the last. Leaves to others: servers in processes of their own, and starting them (`stdio`).

use std::ffi::OsString;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use govsh::mcp::connection::{Asks, Setup, Tells, run as carry};
use govsh::mcp::pins::Pinned;
use govsh::mcp::relay::{Changed, Now, Question, Relay, Side, Step, Told};
use govsh::policy::mcp::{McpRule, Moment, Names, Segments, When};
use govsh::policy::{RuleId, Verdict};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex};
use tokio::sync::{oneshot, watch};

use crate::measure::{Bound, Case, Item, Pace, Sample};
use crate::scratch::Scratch;

/// Rules that are judged.
pub const RULES: usize = 200;
/// Most that a call may take longer, in µs: half of them, and 99 of 100.
pub const MEDIAN: f64 = 60.0;
pub const TAIL: f64 = 250.0;
/// 20,000 calls in a second, as µs for each.
pub const EACH: f64 = 50.0;
/// MiB of a result, and of memory that it may take.
const RESULT: usize = 100;
const MEMORY: f64 = 24.0;

const NOW: Now = Now { at: 1, moment: Moment { unix: 0, weekday: 0, minute: 0 }, terminal: false };

pub fn run(scratch: &Scratch, pace: &mut Pace, wants: &dyn Fn(&str) -> bool) -> Result<Vec<Item>> {
    const NAMES: [&str; 4] =
        ["mcp, half of the calls", "mcp, 99 of 100 calls", "mcp, calls in a row", "mcp, long result"];
    const DIRECT: &str = "without a relay";
    let mut items = Vec::new();
    let [median, tail, row, long] = NAMES;
    let calls = if pace.quick { 2_000 } else { 20_000 };
    for (name, share, most) in [(median, 0.5, MEDIAN), (tail, 0.99, TAIL)] {
        if wants(name) {
            let cases = vec![
                Case::new("the relay alone", move || Ok(Sample::from(at(alone(calls), share))))
                    .bounds([Bound::AtMost(most)]),
                Case::new(DIRECT, move || Ok(Sample::from(at(round_trips(calls, false)?, share)))),
                Case::new("connection and relay", move || Ok(Sample::from(at(round_trips(calls, true)?, share))))
                    .bounds([Bound::Adds(most, DIRECT)]),
            ];
            items.push(pace.interleave(name, "µs", 5, true, cases));
        }
    }
    if wants(row) {
        let each = move || {
            let begun = Instant::now();
            alone(calls);
            Ok(Sample::from(begun.elapsed().as_secs_f64() * 1e6 / calls as f64))
        };
        items.push(pace.interleave(
            row,
            "µs",
            5,
            true,
            vec![Case::new("the relay alone", each).bounds([Bound::AtMost(EACH)])],
        ));
    }
    if wants(long) {
        let memory = |mebibytes: usize| {
            let said = Command::new(scratch.bench()).args(["__result", &mebibytes.to_string()]).output()?;
            let text = String::from_utf8_lossy(&said.stdout).into_owned();
            Ok(Sample::from(text.trim().parse::<f64>().with_context(|| format!("not a number: {text:?}"))?))
        };
        let most = Case::new(format!("{RESULT} MiB"), move || memory(RESULT)).bounds([Bound::AtMost(MEMORY)]);
        items.push(pace.interleave(long, "MiB", 3, false, vec![Case::new("1 MiB", move || memory(1)), most]));
    }
    Ok(items)
}

fn rules() -> Arc<[McpRule]> {
    let rule = |number: usize| McpRule {
        rule: RuleId(1),
        id: format!("r{number}"),
        effect: if number.is_multiple_of(2) { Verdict::Deny } else { Verdict::Allow },
        servers: vec![Segments::parse("bench")],
        names: Names { tools: vec![Segments::parse(&format!("tool_{number}_*"))], ..Names::default() },
        arguments: Vec::new(),
        forbids_others: false,
        rate: None,
        when: When::default(),
        reason: String::new(),
        cedar: None,
    };
    (0..RULES).map(rule).collect()
}

pub fn call(id: usize) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{{\"name\":\"tool_{}_x\",\"arguments\":{{\"path\":\"/w/src/main.rs\",\"lines\":[1,200],\"text\":\"{}\"}}}}}}\n",
        RULES - 1,
        "some text ".repeat(20)
    )
}

fn answer(id: usize) -> String {
    format!(
        "{{\"result\":{{\"content\":[{{\"type\":\"text\",\"text\":\"{}\"}}]}},\"jsonrpc\":\"2.0\",\"id\":{id}}}\n",
        "line ".repeat(80)
    )
}

/// Of sorted times, the one below which so many are.
pub fn at(mut times: Vec<f64>, share: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get((times.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN)
}

/// µs that each call and its answer are in the relay.
fn alone(calls: usize) -> Vec<f64> {
    let mut relay = Relay::new("bench", rules());
    let mut times = Vec::with_capacity(calls);
    for id in 0..calls {
        let (call, answer) = (call(id), answer(id));
        let begun = Instant::now();
        let asked = relay.read(Side::Client, call.as_bytes(), NOW);
        let answered = relay.read(Side::Server, answer.as_bytes(), NOW);
        times.push(begun.elapsed().as_secs_f64() * 1e6);
        debug_assert!(matches!(asked[..], [Step::Server(_), Step::Told(_)]) && answered.len() == 2);
    }
    times
}

struct Quiet;

impl Asks for Quiet {
    fn ask(&self, _: Question) -> oneshot::Receiver<bool> {
        oneshot::channel().1
    }
}

impl Tells for Quiet {
    fn now(&self) -> Now {
        NOW
    }

    fn told(&self, _: Told) {}

    fn changed(&self, _: Changed) {}

    fn pin(&self, _: Pinned) {}

    fn dropped(&self, _: Side, _: &str) {}
}

/// µs of each call from a client to a server and back, by way of a connection or without one.
fn round_trips(calls: usize, relayed: bool) -> Result<Vec<f64>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    runtime.block_on(async move {
        let (client, near) = duplex(64 << 10);
        let server = if relayed {
            let (far, server) = duplex(64 << 10);
            let (_keep, rules_of) = watch::channel(rules());
            let relay = Relay::new("bench", rules());
            let setup = Setup { relay, asks: Arc::new(Quiet), tells: Arc::new(Quiet), rules: rules_of };
            tokio::spawn(carry(near, far, setup));
            server
        } else {
            near
        };
        tokio::spawn(serve(server));
        let mut client = BufReader::new(client);
        let mut times = Vec::with_capacity(calls);
        let mut line = String::new();
        for id in 0..calls {
            let call = call(id);
            let begun = Instant::now();
            client.write_all(call.as_bytes()).await?;
            line.clear();
            if client.read_line(&mut line).await? == 0 {
                bail!("the server is gone");
            }
            times.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        Ok(times)
    })
}

/// Answers calls in their order, until there are none.
async fn serve(stream: DuplexStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    for id in 0.. {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            break;
        }
        stream.write_all(answer(id).as_bytes()).await?;
    }
    Ok(())
}

/// `__result MIB`: passes a result of that size through a relay and prints the most memory that this process has had, in
/// MiB.
pub fn result(args: &[OsString]) -> Result<u8> {
    let size: usize = args.first().and_then(|size| size.to_str()?.parse().ok()).context("usage: __result MIB")?;
    let mut relay = Relay::new("bench", rules());
    relay.read(Side::Client, call(1).as_bytes(), NOW);
    let piece = "0123456789abcde\\n".repeat(4096).into_bytes();
    let (mut sent, mut passed) = (0, 0);
    let mut pass = |bytes: &[u8]| {
        sent += bytes.len();
        for step in relay.read(Side::Server, bytes, NOW) {
            match step {
                Step::Client(bytes) => passed += bytes.len(),
                Step::Close { why, .. } => bail!("{why}"),
                _ => {}
            }
        }
        Ok(())
    };
    pass(b"{\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"")?;
    for _ in 0..size * 1024 * 1024 / piece.len() {
        pass(&piece)?;
    }
    pass(b"\"}]},\"jsonrpc\":\"2.0\",\"id\":1}\n")?;
    if passed != sent {
        bail!("{passed} of {sent} bytes passed");
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let most =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<f64>().ok());
    println!("{}", most.context("no VmHWM")? / 1024.0);
    Ok(0)
}
