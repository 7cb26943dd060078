//! The object of a `#govsh` line back into an event.
//!
//! Invariant: gives back exactly what `encode` was given; members it does not know are skipped, kinds it does not know are None.
//! Leaves to others: which line belongs to which (`readback`).

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::Deserialize;

use super::words::{Word, access, interned};
use super::{base64, bound, errno, mcp, network};
use crate::event::{Answer, Ask, Choice, Event, Judged, Kind, PolicyUsed, Proc, Report, ReportLine, Start};
use crate::policy::Access;

/// What is wrong with a line, in a few words.
pub(super) type Fault = String;

/// The event of `kind` from an object with the remaining members; None for a kind of a later version.
pub(super) fn event(kind: &str, json: &[u8]) -> Result<Option<Event>, Fault> {
    Ok(Some(match kind {
        "net" if network::is_tunnel(json) => network::read_tunnel(from(json)?)?,
        "dns" => network::read_dns(from(json)?)?,
        "http" => network::read_http(from(json)?)?,
        "credential" => network::read_credential(from(json)?)?,
        "mcp" => return mcp::read(from(json)?),
        "file" | "exec" | "net" | "call" => judged(kind, from(json)?)?,
        "proc" => proc(from(json)?)?,
        "ask" => ask(from(json)?)?,
        "answer" => answer(&from(json)?)?,
        "start" => start(from(json)?)?,
        "policy" => policy(from(json)?)?,
        "report" => report(from(json)?),
        "redacted" => from::<RedactedLine>(json)?.into(),
        "alert" => from::<AlertLine>(json)?.into(),
        "limit" => from::<LimitLine>(json)?.into(),
        "lost" => from::<LostLine>(json)?.into(),
        _ => return Ok(None),
    }))
}

/// The event that [`super::object`] has written, from its other members; None where that cannot be.
pub fn from_object(kind: &str, json: &[u8]) -> Option<Event> {
    event(kind, json).ok().flatten()
}

/// A typed line from its JSON.
pub(super) fn from<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Fault> {
    serde_json::from_slice(json).map_err(|error| error.to_string())
}

/// The exact bytes: from base64 where that is given, else those of the text.
pub(super) fn exact(text: Cow<'_, str>, coded: Option<String>) -> Result<Vec<u8>, Fault> {
    match coded {
        None => Ok(text.into_owned().into_bytes()),
        Some(coded) => base64::decode(&coded).ok_or_else(|| "bad base64".to_owned()),
    }
}

pub(super) fn exact_list(texts: Vec<String>, coded: Option<Vec<String>>) -> Result<Vec<Vec<u8>>, Fault> {
    match coded {
        None => Ok(texts.into_iter().map(String::into_bytes).collect()),
        Some(coded) => coded.iter().map(|item| base64::decode(item).ok_or_else(|| "bad base64".to_owned())).collect(),
    }
}

pub(super) fn word<T: Word>(word: &str) -> Result<T, Fault> {
    T::from_word(word).ok_or_else(|| format!("unknown word '{}'", word.escape_default()))
}

fn rights(text: &str, op: &str) -> Result<Access, Fault> {
    access(text, op).ok_or_else(|| format!("unknown rights '{}'", text.escape_default()))
}

#[derive(Deserialize)]
struct JudgedLine<'a> {
    #[serde(borrow)]
    op: Cow<'a, str>,
    pid: i32,
    #[serde(borrow, default)]
    access: Cow<'a, str>,
    #[serde(borrow, default)]
    path: Cow<'a, str>,
    path_bytes: Option<String>,
    #[serde(borrow, default)]
    path2: Cow<'a, str>,
    path2_bytes: Option<String>,
    addr: Option<SocketAddr>,
    flowinfo: Option<u32>,
    host: Option<String>,
    #[serde(default)]
    port: u16,
    #[serde(default)]
    argv: Vec<String>,
    argv_bytes: Option<Vec<String>>,
    #[serde(borrow)]
    verdict: Cow<'a, str>,
    #[serde(borrow)]
    rule: Cow<'a, str>,
    #[serde(borrow)]
    layer: Cow<'a, str>,
    #[serde(borrow)]
    via: Cow<'a, str>,
    errno: Option<Errno>,
    #[serde(default)]
    dur: f64,
}

/// By name, or by number where it has no name.
#[derive(Deserialize)]
#[serde(untagged)]
enum Errno {
    Name(String),
    Number(i32),
}

fn judged(kind: &str, line: JudgedLine<'_>) -> Result<Event, Fault> {
    let errno = match line.errno {
        None => 0,
        Some(Errno::Number(number)) => number,
        Some(Errno::Name(name)) => errno::number(&name).ok_or_else(|| "unknown errno".to_owned())?,
    };
    Ok(Event::Judged(Judged {
        kind: word::<Kind>(kind)?,
        op: interned(&line.op),
        pid: line.pid,
        access: rights(&line.access, &line.op)?,
        path: exact(line.path, line.path_bytes)?,
        path2: exact(line.path2, line.path2_bytes)?,
        addr: with_flow(line.addr, line.flowinfo),
        host: line.host.map(Arc::from),
        port: line.port,
        argv: exact_list(line.argv, line.argv_bytes)?,
        verdict: word(&line.verdict)?,
        rule: Arc::from(line.rule),
        layer: word(&line.layer)?,
        via: word(&line.via)?,
        errno,
        duration: micros(line.dur),
    }))
}

/// Microseconds with three digits after the point, in nanoseconds; exact up to 52 days.
pub(super) fn micros(micros: f64) -> u64 {
    (micros * 1_000.0).round() as u64
}

fn with_flow(mut addr: Option<SocketAddr>, flowinfo: Option<u32>) -> Option<SocketAddr> {
    if let (Some(SocketAddr::V6(v6)), Some(flowinfo)) = (&mut addr, flowinfo) {
        v6.set_flowinfo(flowinfo);
    }
    addr
}

/// Seconds with up to nine digits after the point, in nanoseconds; exact up to 13 days.
fn nanos(seconds: f64) -> u64 {
    (seconds * 1e9).round() as u64
}

#[derive(Deserialize)]
struct AskLine {
    ask: u64,
    of: String,
    op: String,
    #[serde(default)]
    access: String,
    pid: i32,
    #[serde(default)]
    path: String,
    path_bytes: Option<String>,
    #[serde(default)]
    path2: String,
    path2_bytes: Option<String>,
    addr: Option<SocketAddr>,
    flowinfo: Option<u32>,
    host: Option<String>,
    #[serde(default)]
    port: u16,
    #[serde(default)]
    argv: Vec<String>,
    argv_bytes: Option<Vec<String>>,
    ancestry: Vec<Vec<String>>,
    ancestry_bytes: Option<Vec<Vec<String>>>,
    cwd: String,
    cwd_bytes: Option<String>,
    rule: String,
    layer: String,
    #[serde(default)]
    reason: String,
    choices: Vec<ChoiceLine>,
    file: String,
    timeout: f64,
}

#[derive(Deserialize)]
struct ChoiceLine {
    key: String,
    text: String,
}

fn ask(line: AskLine) -> Result<Event, Fault> {
    let ancestry = match line.ancestry_bytes {
        None => line.ancestry.into_iter().map(|argv| exact_list(argv, None)).collect::<Result<_, _>>()?,
        Some(coded) => coded.into_iter().map(|argv| exact_list(Vec::new(), Some(argv))).collect::<Result<_, _>>()?,
    };
    Ok(Event::Ask(Box::new(Ask {
        id: line.ask,
        of: word(&line.of)?,
        op: interned(&line.op),
        access: rights(&line.access, &line.op)?,
        path: exact(line.path.into(), line.path_bytes)?,
        path2: exact(line.path2.into(), line.path2_bytes)?,
        addr: with_flow(line.addr, line.flowinfo),
        host: line.host.map(Arc::from),
        port: line.port,
        argv: exact_list(line.argv, line.argv_bytes)?,
        pid: line.pid,
        ancestry,
        cwd: exact(line.cwd.into(), line.cwd_bytes)?,
        rule: Arc::from(line.rule),
        layer: word(&line.layer)?,
        reason: line.reason,
        choices: line.choices.into_iter().map(|ChoiceLine { key, text }| Choice { key, text }).collect(),
        file: line.file,
        timeout: nanos(line.timeout),
    })))
}

#[derive(Deserialize)]
struct AnswerLine {
    ask: u64,
    verdict: String,
    scope: String,
    by: String,
    #[serde(default)]
    who: String,
    #[serde(default)]
    rule: String,
    #[serde(default)]
    hint: String,
    waited: f64,
    screen: Option<u64>,
    calls: u64,
}

fn answer(line: &AnswerLine) -> Result<Event, Fault> {
    Ok(Event::Answer(Box::new(Answer {
        ask: line.ask,
        verdict: word(&line.verdict)?,
        scope: word(&line.scope)?,
        by: word(&line.by)?,
        who: line.who.clone(),
        waited: nanos(line.waited),
        rule: line.rule.clone(),
        hint: line.hint.clone(),
        screen: line.screen,
        calls: line.calls,
    })))
}

#[derive(Deserialize)]
struct ProcLine {
    op: String,
    pid: i32,
    parent: i32,
    exe: String,
    exe_bytes: Option<String>,
    argv: Vec<String>,
    argv_bytes: Option<Vec<String>>,
    #[serde(default)]
    argv_cut: bool,
    cwd: String,
    cwd_bytes: Option<String>,
    exit: Option<i32>,
    signal: Option<i32>,
    digest: Option<String>,
}

fn proc(line: ProcLine) -> Result<Event, Fault> {
    let digest = |hex: String| blake3::Hash::from_hex(hex).map(|hash| *hash.as_bytes());
    let digest = line.digest.map(digest).transpose().map_err(|_| "digest is not 64 hexadecimal digits".to_owned())?;
    Ok(Event::Proc(Box::new(Proc {
        pid: line.pid,
        parent: line.parent,
        op: word(&line.op)?,
        exe: exact(line.exe.into(), line.exe_bytes)?,
        argv: exact_list(line.argv, line.argv_bytes)?,
        argv_cut: line.argv_cut,
        cwd: exact(line.cwd.into(), line.cwd_bytes)?,
        exit: line.exit,
        signal: line.signal,
        digest,
    })))
}

#[derive(Deserialize)]
struct StartLine {
    id: String,
    timestamp: i64,
    argv: Vec<String>,
    argv_bytes: Option<Vec<String>>,
    cwd: String,
    cwd_bytes: Option<String>,
    user: String,
    uid: u32,
    host: String,
    version: String,
    cols: u16,
    rows: u16,
    term: String,
    stdin_tty: bool,
    stdout_tty: bool,
    stderr_tty: bool,
}

fn start(line: StartLine) -> Result<Event, Fault> {
    Ok(Event::Start(Box::new(Start {
        id: line.id,
        timestamp: line.timestamp,
        argv: exact_list(line.argv, line.argv_bytes)?,
        cwd: exact(line.cwd.into(), line.cwd_bytes)?,
        user: line.user,
        uid: line.uid,
        host: line.host,
        version: line.version,
        cols: line.cols,
        rows: line.rows,
        term: line.term,
        stdin_tty: line.stdin_tty,
        stdout_tty: line.stdout_tty,
        stderr_tty: line.stderr_tty,
    })))
}

#[derive(Deserialize)]
struct PolicyLine {
    name: String,
    sources: Vec<String>,
    audit: String,
    denies: usize,
    asks: usize,
    appended: Vec<String>,
    #[serde(default)]
    notices: Vec<String>,
    vars: Option<bound::VarsLine>,
}

fn policy(line: PolicyLine) -> Result<Event, Fault> {
    let PolicyLine { name, sources, audit, denies, asks, appended, notices, vars } = line;
    let vars = vars.map(bound::read).transpose()?.map(Box::new);
    let used = PolicyUsed { name, sources, audit, denies, asks, appended, notices, vars };
    Ok(Event::Policy(Box::new(used)))
}

#[derive(Deserialize)]
struct ReportBody {
    landlock_abi: i32,
    lines: Vec<RuleLine>,
}

#[derive(Deserialize)]
struct RuleLine {
    rule: String,
    how: String,
    by: String,
}

fn report(body: ReportBody) -> Event {
    let line = |line: RuleLine| ReportLine { rule: line.rule.into(), how: interned(&line.how), by: line.by.into() };
    Event::Report(Box::new(Report {
        landlock_abi: body.landlock_abi,
        lines: body.lines.into_iter().map(line).collect(),
    }))
}

#[derive(Deserialize)]
struct RedactedLine {
    bytes: u64,
}

impl From<RedactedLine> for Event {
    fn from(line: RedactedLine) -> Event {
        Event::Redacted { bytes: line.bytes }
    }
}

#[derive(Deserialize)]
struct AlertLine {
    pid: i32,
    what: String,
}

impl From<AlertLine> for Event {
    fn from(line: AlertLine) -> Event {
        Event::Alert { pid: line.pid, what: line.what }
    }
}

#[derive(Deserialize)]
struct LimitLine {
    what: String,
}

impl From<LimitLine> for Event {
    fn from(line: LimitLine) -> Event {
        Event::Limit { what: line.what }
    }
}

#[derive(Deserialize)]
struct LostLine {
    events: u64,
    bytes: u64,
    why: String,
}

impl From<LostLine> for Event {
    fn from(line: LostLine) -> Event {
        Event::Lost { events: line.events, bytes: line.bytes, why: line.why }
    }
}
