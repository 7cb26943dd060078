//! What the whole way to an MCP server costs: a client and a server on pipes, with nothing between them, with a session
//! around them, and with `govsh mcp connect` and the front's relay between them; beside a proxy that others wrote.
//!
//! Invariant: client and server are this program in all cases, and the client measures: each call from its first byte to the
//! last of its answer. 200 rules are judged, of which the last one matches.
//! Leaves to others: the relay by itself (`relays`).

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::measure::{Bound, Case, Item, Pace, Sample};
use crate::relays::{EACH, MEDIAN, RULES, TAIL, at, call};
use crate::ways::{NATIVE, Profile, Way, Ways, words};

/// Most that a start may take longer, in ms.
const START: f64 = 10.0;
/// Calls under way at a time, where they do not wait for each other.
const WINDOW: usize = 64;
const PROXY: [&str; 2] = ["fastmcp==2.14.1", "mcp==1.30.0"];
const DIRECT: &str = "within govsh, its own pipes";
const CONNECT: &str = "govsh mcp connect";

/// What the client finds.
#[derive(Debug, Clone, Copy)]
enum Figure {
    Start,
    Half,
    Most,
    Row,
}

pub fn run(ways: &Ways<'_>, pace: &mut Pace, wants: &dyn Fn(&str) -> bool) -> Result<Vec<Item>> {
    let figures = [
        ("mcp on stdio, start to first answer", "ms", Figure::Start, Bound::Adds(START, DIRECT)),
        ("mcp on stdio, half of the calls", "µs", Figure::Half, Bound::Adds(MEDIAN, DIRECT)),
        ("mcp on stdio, 99 of 100 calls", "µs", Figure::Most, Bound::Adds(TAIL, DIRECT)),
        ("mcp on stdio, calls in a row", "µs", Figure::Row, Bound::AtMost(EACH)),
    ];
    if !figures.iter().any(|(name, ..)| wants(name)) {
        return Ok(Vec::new());
    }
    fs::write(ways.scratch.policy("mcp.toml"), policy(ways)?)?;
    let proxy = proxy(ways);
    let mut items = Vec::new();
    for (name, unit, figure, bound) in figures.into_iter().filter(|(name, ..)| wants(name)) {
        // A start needs no calls behind it.
        let calls = match figure {
            Figure::Start => 1,
            _ if pace.quick => 2_000,
            _ => 20_000,
        };
        let own = |way: Way, server: Vec<OsString>| move || measured(ways, way, calls, &server, figure);
        let mut cases = vec![Case::new(NATIVE, own(Way::Native, answering(ways)))];
        if let Some(govsh) = &ways.govsh {
            let within = Way::Govsh { policy: Profile::NoCarveOuts, audit: "full", record: true };
            cases.push(Case::new(DIRECT, own(within, answering(ways))));
            let connect = words(&[govsh, &"mcp", &"connect", &"bench"]);
            let run = move || {
                measured(
                    ways,
                    Way::Govsh { policy: Profile::Mcp, audit: "full", record: true },
                    calls,
                    &connect,
                    figure,
                )
            };
            cases.push(Case::new(CONNECT, run).bounds([bound]));
        }
        let proxy = proxy.as_ref().map_err(|why| format!("{why:#}")).cloned();
        cases.push(Case::new("fastmcp's proxy", move || match &proxy {
            Ok(proxy) => measured(ways, Way::Native, calls.min(2_000), proxy, figure),
            Err(why) => bail!("{why}"),
        }));
        items.push(pace.interleave(name, unit, 5, true, cases));
    }
    Ok(items)
}

fn answering(ways: &Ways<'_>) -> Vec<OsString> {
    words(&[&ways.scratch.bench(), &"__answer"])
}

/// The one without carve-outs, a server, and the rules for it.
fn policy(ways: &Ways<'_>) -> Result<String> {
    let under = ways.scratch.policy("no-carve-outs.toml");
    let mut text = fs::read_to_string(&under)?;
    if let Some(govsh) = &ways.govsh {
        text = text
            .replace("exec = [", &format!("exec = [{govsh:?}, "))
            .replace("read = [", &format!("read = [{govsh:?}, "));
    }
    text.push_str(&format!(
        "\n[mcp.servers.bench]\ncommand = [{:?}, \"__answer\"]\npolicy = {under:?}\n",
        ways.scratch.bench()
    ));
    for number in 0..RULES {
        let effect = if number.is_multiple_of(2) { "deny" } else { "allow" };
        text.push_str(&format!(
            "[[mcp.rules]]\nid = \"r{number}\"\neffect = \"{effect}\"\nserver = \"bench\"\ntools = [\"tool_{number}_*\"]\n"
        ));
    }
    Ok(text)
}

/// A proxy of another project between the same two, installed from its registry.
fn proxy(ways: &Ways<'_>) -> Result<Vec<OsString>> {
    let dir = ways.scratch.out("fastmcp");
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore"];
    let installed = Command::new("python3").args(install).arg("--target").arg(&dir).args(PROXY).output()?;
    if !installed.status.success() {
        bail!("cannot install {PROXY:?}: {}", String::from_utf8_lossy(&installed.stderr).trim_end());
    }
    let script = format!(
        "import sys\nsys.path.insert(0, {dir:?})\nfrom fastmcp import FastMCP\n\
         config = {{'mcpServers': {{'bench': {{'command': {:?}, 'args': ['__answer']}}}}}}\n\
         FastMCP.as_proxy(config, name='proxy').run(show_banner=False)\n",
        ways.scratch.bench()
    );
    Ok(words(&[&"python3", &"-c", &script]))
}

fn measured(ways: &Ways<'_>, way: Way, calls: usize, server: &[OsString], figure: Figure) -> Result<Sample> {
    let mut command = words(&[&ways.scratch.bench(), &"__speak", &calls.to_string()]);
    command.extend_from_slice(server);
    let (said, _) = ways.run(&ways.argv(way, &command)?)?;
    let figures: Vec<f64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [start, half, most, row] = figures[..] else { bail!("not four numbers: {said:?}") };
    Ok(Sample::from(match figure {
        Figure::Start => start,
        Figure::Half => half,
        Figure::Most => most,
        Figure::Row => row,
    }))
}

/// A server and what it is spoken to by.
struct Spoken {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    line: String,
}

impl Spoken {
    fn say(&mut self, line: &str) -> Result<()> {
        self.to.write_all(line.as_bytes()).context("the server takes nothing")
    }

    fn hear(&mut self) -> Result<&str> {
        self.line.clear();
        match self.from.read_line(&mut self.line)? {
            0 => bail!("the server is gone"),
            _ => Ok(&self.line),
        }
    }

    /// Past what is no answer.
    fn answer(&mut self) -> Result<Value> {
        loop {
            let message: Value = serde_json::from_str(self.hear()?)?;
            if message.get("method").is_none() {
                return Ok(message);
            }
        }
    }

    fn ask(&mut self, id: &str, method: &str, params: &Value) -> Result<Value> {
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.say(&format!("{request}\n"))?;
        self.answer()
    }
}

/// `__speak CALLS COMMAND…`: calls the server, one call after the other and then many at a time; prints ms to the first
/// answer, µs of half and of 99 of 100 calls, and µs for each of those in a row.
pub fn speak(args: &[OsString]) -> Result<u8> {
    let (Some(calls), Some(program)) = (args.first(), args.get(1)) else { bail!("usage: __speak CALLS COMMAND…") };
    let calls: usize = calls.to_str().and_then(|calls| calls.parse().ok()).context("not a number")?;
    let begun = Instant::now();
    let mut child = Command::new(program).args(&args[2..]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (to, from) = (child.stdin.take().context("no pipe")?, child.stdout.take().context("no pipe")?);
    let mut server = Spoken { child, to, from: BufReader::with_capacity(256 << 10, from), line: String::new() };
    let client = json!({ "name": "bench", "version": "1" });
    let hello = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client });
    server.ask("hello", "initialize", &hello)?;
    let start = begun.elapsed().as_secs_f64() * 1e3;
    server.say("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n")?;
    server.ask("list", "tools/list", &json!({}))?;
    let mut times = Vec::with_capacity(calls);
    for id in 0..calls {
        let call = call(id);
        let begun = Instant::now();
        server.say(&call)?;
        let answer = server.hear()?;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
        if id == 0 && !answer.contains("line line") {
            bail!("not an answer: {answer}");
        }
    }
    let begun = Instant::now();
    let mut answered = 0;
    for id in 0..calls {
        server.say(&call(calls + id))?;
        while id + 1 - answered >= WINDOW {
            server.hear()?;
            answered += 1;
        }
    }
    while answered < calls {
        server.hear()?;
        answered += 1;
    }
    let row = begun.elapsed().as_secs_f64() * 1e6 / calls as f64;
    drop(server.to);
    server.child.wait()?;
    println!("{start} {} {} {row}", at(times.clone(), 0.5), at(times, 0.99));
    Ok(0)
}

/// `__answer`: the server.
pub fn answer(_: &[OsString]) -> Result<u8> {
    let (mut from, mut to) = (BufReader::with_capacity(256 << 10, std::io::stdin().lock()), std::io::stdout().lock());
    let text = "line ".repeat(80);
    let mut line = String::new();
    loop {
        line.clear();
        if from.read_line(&mut line)? == 0 {
            return Ok(0);
        }
        let message: Value = serde_json::from_str(&line)?;
        let (Some(id), Some(method)) = (message.get("id"), message["method"].as_str()) else { continue };
        let result = match method {
            "initialize" => json!({
                "protocolVersion": message["params"]["protocolVersion"],
                "capabilities": { "tools": {} },
                "serverInfo": { "name": "bench", "version": "1" },
            }),
            "tools/list" => {
                let name = format!("tool_{}_x", RULES - 1);
                json!({ "tools": [{ "name": name, "inputSchema": { "type": "object" } }] })
            }
            _ => json!({ "content": [{ "type": "text", "text": text }] }),
        };
        let answer = json!({ "jsonrpc": "2.0", "id": id, "result": result });
        to.write_all(format!("{answer}\n").as_bytes()).and_then(|()| to.flush())?;
    }
}
