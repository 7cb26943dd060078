//! An event as one JSON object: what stands behind `#govsh` and what `show --events --json` prints.
//!
//! Invariant: `seq`, `t` and `kind` are the first three members, in this order: readers rely on it.
//! Leaves to others: the asciicast lines (`lines`), reading back (`parse`).

use std::net::SocketAddr;
use std::sync::Arc;

use super::json::Object;
use super::words::{Word, kind};
use super::{bound, errno, mcp, network};
use crate::event::{Answer, Ask, Event, Judged, Kind, PolicyUsed, Proc, Report, Stamped, Start, Via};
use crate::policy::{Access, Layer, Verdict};

/// Appends the whole object, terminal bytes included, without a line break.
pub fn object(stamped: &Stamped, out: &mut Vec<u8>) {
    let mut object = begin(stamped, out);
    match &stamped.event {
        Event::Start(start) => self::start(&mut object, start),
        Event::Policy(policy) => self::policy(&mut object, policy),
        Event::Report(report) => self::report(&mut object, report),
        Event::Output { stream, data } => {
            object.text("stream", stream.word());
            object.bytes("data", "data_bytes", data);
        }
        Event::Input { data } => object.bytes("data", "data_bytes", data),
        Event::Redacted { bytes } => object.number("bytes", *bytes),
        Event::Resize { cols, rows } => {
            object.number("cols", *cols);
            object.number("rows", *rows);
        }
        Event::Marker { label, by } => {
            object.text("label", label);
            self::by(&mut object, by);
        }
        Event::Proc(proc) => self::proc(&mut object, proc),
        Event::Judged(judged) => self::judged(&mut object, judged),
        Event::Tunnel(tunnel) => network::tunnel(&mut object, tunnel),
        Event::Dns(dns) => network::dns(&mut object, dns),
        Event::Http(http) => network::http(&mut object, http),
        Event::Credential(credential) => network::credential(&mut object, credential),
        Event::Mcp(mcp) => mcp::write(&mut object, mcp),
        Event::Ask(ask) => self::ask(&mut object, ask),
        Event::Answer(answer) => self::answer(&mut object, answer),
        Event::Alert { pid, what } => {
            object.number("pid", *pid);
            object.text("what", what);
        }
        Event::Limit { what } => object.text("what", what),
        Event::Lost { events, bytes, why } => {
            object.number("events", *events);
            object.number("bytes", *bytes);
            object.text("why", why);
        }
        Event::Exit { status, signal } => {
            object.number("status", *status);
            object.some_number("signal", *signal);
        }
    }
    object.end();
}

/// The object with its place, time and kind.
pub(super) fn begin<'a>(stamped: &Stamped, out: &'a mut Vec<u8>) -> Object<'a> {
    let mut object = Object::begin(out);
    object.number("seq", stamped.seq);
    object.seconds("t", stamped.t);
    object.text("kind", kind(&stamped.event));
    object
}

/// Who set a marker, where that is known.
pub(super) fn by(object: &mut Object<'_>, by: &str) {
    if !by.is_empty() {
        object.text("by", by);
    }
}

fn start(object: &mut Object<'_>, start: &Start) {
    object.text("id", &start.id);
    object.number("timestamp", start.timestamp);
    object.byte_list("argv", "argv_bytes", &start.argv);
    object.bytes("cwd", "cwd_bytes", &start.cwd);
    object.text("user", &start.user);
    object.number("uid", start.uid);
    object.text("host", &start.host);
    object.text("version", &start.version);
    object.number("cols", start.cols);
    object.number("rows", start.rows);
    object.text("term", &start.term);
    object.flag("stdin_tty", start.stdin_tty);
    object.flag("stdout_tty", start.stdout_tty);
    object.flag("stderr_tty", start.stderr_tty);
}

fn policy(object: &mut Object<'_>, policy: &PolicyUsed) {
    object.text("name", &policy.name);
    object.text_list("sources", &policy.sources);
    object.text("audit", &policy.audit);
    object.number("denies", policy.denies);
    object.number("asks", policy.asks);
    object.text_list("appended", &policy.appended);
    if !policy.notices.is_empty() {
        object.text_list("notices", &policy.notices);
    }
    if let Some(vars) = &policy.vars {
        object.object("vars", |object| bound::write(object, vars));
    }
}

fn report(object: &mut Object<'_>, report: &Report) {
    object.number("landlock_abi", report.landlock_abi);
    object.list("lines", &report.lines, |out, line| {
        let mut object = Object::begin(out);
        object.text("rule", &line.rule);
        object.text("how", line.how);
        object.text("by", &line.by);
        object.end();
    });
}

fn proc(object: &mut Object<'_>, proc: &Proc) {
    object.text("op", proc.op.word());
    object.number("pid", proc.pid);
    object.number("parent", proc.parent);
    object.bytes("exe", "exe_bytes", &proc.exe);
    object.byte_list("argv", "argv_bytes", &proc.argv);
    if proc.argv_cut {
        object.flag("argv_cut", true);
    }
    object.bytes("cwd", "cwd_bytes", &proc.cwd);
    object.some_number("exit", proc.exit);
    object.some_number("signal", proc.signal);
    if let Some(digest) = proc.digest {
        object.text("digest", &blake3::Hash::from(digest).to_hex());
    }
}

fn judged(object: &mut Object<'_>, judged: &Judged) {
    object.text("op", judged.op);
    ruling(object, judged);
    request(object, judged);
}

/// What many requests in a row have in common: see [`Rulings`].
fn ruling(object: &mut Object<'_>, judged: &Judged) {
    if !judged.access.is_empty() {
        object.text("access", judged.access.words());
    }
    object.text("verdict", judged.verdict.word());
    object.text("rule", &judged.rule);
    object.text("layer", judged.layer.word());
    object.text("via", judged.via.word());
    match errno::name(judged.errno) {
        Some(name) => object.text("errno", name),
        None if judged.errno != 0 => object.number("errno", judged.errno),
        None => {}
    }
}

/// What is the request's own.
fn request(object: &mut Object<'_>, judged: &Judged) {
    object.number("pid", judged.pid);
    wanted(object, &judged.path, &judged.path2, judged.addr, &judged.argv);
    named(object, judged.host.as_deref(), judged.port);
    if judged.duration != 0 {
        object.micros("dur", judged.duration);
    }
}

/// What a request is for; what it has none of is absent.
fn wanted(object: &mut Object<'_>, path: &[u8], path2: &[u8], addr: Option<SocketAddr>, argv: &[Vec<u8>]) {
    if !path.is_empty() {
        object.bytes("path", "path_bytes", path);
    }
    if !path2.is_empty() {
        object.bytes("path2", "path2_bytes", path2);
    }
    if let Some(addr) = addr {
        object.text("addr", &addr.to_string());
        if let SocketAddr::V6(v6) = addr
            && v6.flowinfo() != 0
        {
            object.number("flowinfo", v6.flowinfo());
        }
    }
    if !argv.is_empty() {
        object.byte_list("argv", "argv_bytes", argv);
    }
}

/// The name that was judged, and the port that no address has.
fn named(object: &mut Object<'_>, host: Option<&str>, port: u16) {
    if let Some(host) = host {
        object.text("host", host);
    }
    if port != 0 {
        object.number("port", port);
    }
}

fn ask(object: &mut Object<'_>, ask: &Ask) {
    object.number("ask", ask.id);
    object.text("of", ask.of.word());
    object.text("op", ask.op);
    if !ask.access.is_empty() {
        object.text("access", ask.access.words());
    }
    object.number("pid", ask.pid);
    wanted(object, &ask.path, &ask.path2, ask.addr, &ask.argv);
    named(object, ask.host.as_deref(), ask.port);
    object.byte_lists("ancestry", "ancestry_bytes", &ask.ancestry);
    object.bytes("cwd", "cwd_bytes", &ask.cwd);
    object.text("rule", &ask.rule);
    object.text("layer", ask.layer.word());
    if !ask.reason.is_empty() {
        object.text("reason", &ask.reason);
    }
    object.list("choices", &ask.choices, |out, choice| {
        let mut object = Object::begin(out);
        object.text("key", &choice.key);
        object.text("text", &choice.text);
        object.end();
    });
    object.text("file", &ask.file);
    object.seconds("timeout", ask.timeout);
}

fn answer(object: &mut Object<'_>, answer: &Answer) {
    object.number("ask", answer.ask);
    object.text("verdict", answer.verdict.word());
    object.text("scope", answer.scope.word());
    object.text("by", answer.by.word());
    for (name, text) in [("who", &answer.who), ("rule", &answer.rule), ("hint", &answer.hint)] {
        if !text.is_empty() {
            object.text(name, text);
        }
    }
    object.seconds("waited", answer.waited);
    object.some_number("screen", answer.screen);
    object.number("calls", answer.calls);
}

/// Everything of a judged event that does not change from one request to the next.
#[derive(Debug, Clone, PartialEq)]
struct Ruling {
    kind: Kind,
    op: &'static str,
    access: Access,
    verdict: Verdict,
    /// Compared by address: two rules with the same name cost one more entry, no mistake.
    rule: Arc<str>,
    layer: Layer,
    via: Via,
    errno: i32,
}

impl Ruling {
    fn is_of(&self, judged: &Judged) -> bool {
        Arc::ptr_eq(&self.rule, &judged.rule)
            && self.errno == judged.errno
            && self.kind == judged.kind
            && self.op == judged.op
            && self.access == judged.access
            && self.verdict == judged.verdict
            && self.layer == judged.layer
            && self.via == judged.via
    }
}

/// The last few rulings as JSON: builds ask for a hundred thousand files under a handful of rules.
#[derive(Debug, Default)]
pub(super) struct Rulings {
    known: Vec<(Ruling, Vec<u8>)>,
    oldest: usize,
}

impl Rulings {
    /// Rulings that are kept.
    const KEPT: usize = 16;

    /// As [`object`], for a judged event.
    pub(super) fn object(&mut self, stamped: &Stamped, judged: &Judged, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.number("seq", stamped.seq);
        object.seconds("t", stamped.t);
        object.members(self.json(judged));
        request(&mut object, judged);
        object.end();
    }

    fn json(&mut self, judged: &Judged) -> &[u8] {
        let at = self.known.iter().position(|(ruling, _)| ruling.is_of(judged)).unwrap_or_else(|| self.learn(judged));
        self.known.get(at).map_or(&[], |(_, json)| json)
    }

    fn learn(&mut self, judged: &Judged) -> usize {
        let Judged { kind, op, access, verdict, layer, via, errno, .. } = *judged;
        let ruling = Ruling { kind, op, access, verdict, rule: Arc::clone(&judged.rule), layer, via, errno };
        let mut json = Vec::new();
        let mut object = Object::begin(&mut json);
        object.text("kind", kind.word());
        object.text("op", op);
        self::ruling(&mut object, judged);
        // Members only: the object they go into has its own braces.
        json.remove(0);
        if self.known.len() < Self::KEPT {
            self.known.push((ruling, json));
            return self.known.len() - 1;
        }
        let at = self.oldest;
        self.oldest = (at + 1) % Self::KEPT;
        if let Some(entry) = self.known.get_mut(at) {
            *entry = (ruling, json);
        }
        at
    }
}
