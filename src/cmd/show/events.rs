//! Event by event: a line for people, or an object for programs.
//!
//! Invariant: streams, so that it works on recordings of any size; `--json` prints exactly what the recording holds.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::super::json;
use super::super::paint::{Paint, home, printed};
use super::{ShowOptions, complain};
use crate::event::{Answer, Ask, Event, Judged, Kind, Proc, ProcOp, Stamped};
use crate::policy::Verdict;
use crate::recording::summary::{cut, home_short, lasted};
use crate::recording::{Reader, Word, errno, is_denied, kind, object, place, visible};

mod network;

pub(super) fn list(reader: Reader<File>, path: &Path, opts: &ShowOptions) -> anyhow::Result<i32> {
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    let (mut status, mut buffer) = (0, Vec::new());
    let drawing = Drawing { paint: Paint::stdout(), home: home() };
    for item in reader {
        let stamped = match item {
            Ok(stamped) => stamped,
            Err(error) => {
                // The lines before go out first, then the one that says why there are no more.
                out.flush().or_else(gone)?;
                complain(path, error);
                status = 1;
                break;
            }
        };
        if !wanted(&stamped, opts) {
            continue;
        }
        buffer.clear();
        if opts.json {
            object(&stamped, &mut buffer);
            if let Cow::Owned(escaped) = json::escaped(&buffer) {
                buffer = escaped;
            }
        } else {
            buffer.extend_from_slice(drawing.line(&stamped).as_bytes());
        }
        buffer.push(b'\n');
        if let Err(error) = out.write_all(&buffer) {
            return printed(Err(error), status);
        }
    }
    printed(out.flush(), status)
}

fn gone(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) }
}

fn wanted(stamped: &Stamped, opts: &ShowOptions) -> bool {
    (opts.kinds.is_empty() || opts.kinds.iter().any(|word| word == kind(&stamped.event)))
        && (!opts.denied || is_denied(&stamped.event))
}

struct Drawing {
    paint: Paint,
    home: Vec<u8>,
}

impl Drawing {
    fn line(&self, stamped: &Stamped) -> String {
        let millis = stamped.t / 1_000_000;
        let time = format!("{:02}:{:02}.{:03}", millis / 60_000, millis / 1_000 % 60, millis % 1_000);
        format!("{}  {:<8} {}", self.paint.dim(&time), kind(&stamped.event), self.text(&stamped.event))
    }

    fn text(&self, event: &Event) -> String {
        match event {
            Event::Start(start) => format!("{} in {}", words(&start.argv), home_short(&start.cwd, &self.home)),
            Event::Policy(policy) => visible(format!("{}: {}", policy.name, policy.sources.join(", ")).as_bytes()),
            Event::Report(report) => format!("landlock ABI {}, {} lines", report.landlock_abi, report.lines.len()),
            Event::Output { stream, data } => format!("{} {}", stream.word(), ends(data)),
            Event::Input { data } => ends(data),
            Event::Redacted { bytes } => format!("{bytes} bytes typed without echo"),
            Event::Resize { cols, rows } => format!("{cols}×{rows}"),
            Event::Marker { label, by } if by.is_empty() => visible(label.as_bytes()),
            Event::Marker { label, by } => {
                let who = self.paint.dim(&format!("by {}", visible(by.as_bytes())));
                format!("{}  {who}", visible(label.as_bytes()))
            }
            Event::Proc(proc) => self.proc(proc),
            Event::Judged(judged) => self.judged(judged),
            Event::Tunnel(_) | Event::Dns(_) | Event::Http(_) | Event::Credential(_) | Event::Mcp(_) => {
                self.network(event)
            }
            Event::Ask(ask) => self.ask(ask),
            Event::Answer(answer) => self.answer(answer),
            Event::Alert { pid, what } => self.paint.warm(&format!("{} (pid {pid})", visible(what.as_bytes()))),
            Event::Limit { what } => self.paint.warm(&visible(what.as_bytes())),
            Event::Lost { events, bytes, why } => {
                let why = visible(why.as_bytes());
                self.paint.warm(&format!("{events} events with {bytes} bytes of terminal: {why}"))
            }
            Event::Exit { status, signal: None } => format!("status {status}"),
            Event::Exit { status, signal: Some(signal) } => format!("status {status}, signal {signal}"),
        }
    }

    fn proc(&self, proc: &Proc) -> String {
        let facts = format!("pid {} from {}", proc.pid, proc.parent);
        match proc.op {
            ProcOp::Exec => format!("{}  {}", words(&proc.argv), self.paint.dim(&facts)),
            ProcOp::Exit => {
                let end = match (proc.exit, proc.signal) {
                    (_, Some(signal)) => format!("signal {signal}"),
                    (Some(status), None) => format!("status {status}"),
                    (None, None) => "status unknown".to_owned(),
                };
                format!("{} ended, {end}  {}", visible(&proc.exe), self.paint.dim(&facts))
            }
        }
    }

    /// Tunnels, names, requests, credentials and what is called of MCP servers.
    fn network(&self, event: &Event) -> String {
        let (what, why) = match event {
            Event::Tunnel(tunnel) => network::tunnel(tunnel),
            Event::Dns(dns) => network::dns(dns),
            Event::Http(http) => network::http(http),
            Event::Credential(credential) => network::credential(credential),
            Event::Mcp(mcp) => network::mcp(mcp),
            _ => return String::new(),
        };
        let what = match event.verdict() {
            Some(Verdict::Deny) => self.paint.warm(&format!("✘ {what}")),
            Some(Verdict::Ask) => format!("? {what}"),
            _ => format!("  {what}"),
        };
        format!("{what}  {}", self.paint.dim(&why))
    }

    fn ask(&self, ask: &Ask) -> String {
        let object = match place(ask.host.as_deref(), ask.addr, ask.port) {
            Some(place) => place,
            None if !ask.argv.is_empty() => words(&ask.argv),
            None => home_short(&ask.path, &self.home),
        };
        let why = format!("{}, pid {}", visible(ask.rule.as_bytes()), ask.pid);
        format!("? {} {} {object}  {}", ask.id, ask.op, self.paint.dim(&why))
    }

    fn answer(&self, answer: &Answer) -> String {
        let who = match (answer.who.as_str(), answer.hint.as_str()) {
            ("", "") => answer.by.word().to_owned(),
            ("", hint) => format!("{}; {}", answer.by.word(), visible(hint.as_bytes())),
            (who, _) => format!("{} ({})", visible(who.as_bytes()), answer.by.word()),
        };
        let facts = self.paint.dim(&format!("by {who} after {}", lasted(answer.waited)));
        let text = format!("{} {} {}", answer.ask, answer.verdict.word(), answer.scope.word());
        let text = if answer.verdict == Verdict::Deny { self.paint.warm(&text) } else { text };
        format!("{text}  {facts}")
    }

    fn judged(&self, judged: &Judged) -> String {
        let object = match (judged.kind, place(judged.host.as_deref(), judged.addr, judged.port)) {
            (_, Some(place)) => match judged.addr.filter(|_| judged.host.is_some()) {
                Some(addr) => format!("{place} ({})", addr.ip()),
                None => place,
            },
            (Kind::Exec, None) if !judged.argv.is_empty() => {
                format!("{} ({})", visible(&judged.path), words(&judged.argv))
            }
            (Kind::Call | Kind::Mcp, None) => visible(&judged.path),
            (Kind::File | Kind::Exec | Kind::Net, None) => home_short(&judged.path, &self.home),
        };
        let second = if judged.path2.is_empty() {
            String::new()
        } else {
            format!(" → {}", home_short(&judged.path2, &self.home))
        };
        let what = format!("{:<8} {:<3} {object}{second}", judged.op, judged.access.letters());
        let errno = match errno::name(judged.errno) {
            Some(name) => format!(" {name}"),
            None => String::new(),
        };
        let why = format!("{}, {}, pid {}", visible(judged.rule.as_bytes()), judged.via.word(), judged.pid);
        let what = match judged.verdict {
            Verdict::Deny => self.paint.warm(&format!("✘ {what}")),
            Verdict::Ask => format!("? {what}"),
            Verdict::Allow => format!("  {what}"),
        };
        format!("{what}{errno}  {}", self.paint.dim(&why))
    }
}

fn words(argv: &[Vec<u8>]) -> String {
    cut(&argv.iter().map(|word| visible(word)).collect::<Vec<_>>().join(" "), 160)
}

/// The beginning of terminal bytes, and how many there are.
fn ends(data: &[u8]) -> String {
    let text = visible(data.get(..60).unwrap_or(data));
    if data.len() > 60 { format!("{text}… {} bytes", data.len()) } else { text }
}
