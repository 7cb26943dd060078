//! The whole summary as one JSON object. Members are only ever added.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::super::verify::in_short;
use super::Ending;
use crate::recording::summary::{Notes, Paths, Spot, Summary, Tool};
use crate::recording::{Word, errno};

pub(super) fn whole(summary: &Summary, ending: &Ending, path: &Path, out: &mut impl Write) -> io::Result<()> {
    let start = summary.start.as_ref();
    let value = json!({
        "id": start.map(|start| &start.id),
        "file": path.to_string_lossy(),
        "argv": start.map(|start| list(&start.argv)),
        "cwd": start.map(|start| text(&start.cwd)),
        "user": start.map(|start| &start.user),
        "host": start.map(|start| &start.host),
        "version": start.map(|start| &start.version),
        "started": start.map(|start| start.timestamp),
        "duration": seconds(summary.last),
        "exit": summary.exit.map(|exit| exit.0),
        "signal": summary.exit.and_then(|exit| exit.1),
        "complete": ending.is_complete(),
        "damaged": match ending { Ending::Damaged(what) => Some(what), Ending::Read(_) => None },
        "integrity": match ending { Ending::Read(integrity) => Some(in_short(integrity)), Ending::Damaged(_) => None },
        "policy": policy(summary),
        "events": summary.events,
        "lost": summary.lost,
        "output_bytes": summary.output,
        "input_bytes": summary.input,
        "denied": denied(summary),
        "asked": asked(summary),
        "alerts": notes(&summary.alerts),
        "limits": notes(&summary.limits),
        "markers": notes(&summary.markers),
        "programs": programs(summary),
        "wrote": files(&summary.wrote),
        "removed": files(&summary.removed),
        "read": files(&summary.read),
        "reached": reached(summary),
        "credentials": credentials(summary),
        "mcp": servers(summary),
    });
    crate::cmd::json::pretty(out, &value)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn list(argv: &[Vec<u8>]) -> Vec<String> {
    argv.iter().map(|word| text(word)).collect()
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

fn notes(notes: &Notes) -> Value {
    let list: Vec<_> = notes.first.iter().map(|(t, what)| json!({ "t": seconds(*t), "what": what })).collect();
    json!({ "total": notes.total, "list": list })
}

fn policy(summary: &Summary) -> Value {
    let lines = summary.report.iter().flat_map(|report| &report.lines);
    let lines: Vec<_> = lines.map(|line| json!({ "rule": &*line.rule, "how": line.how, "by": line.by })).collect();
    summary.policy.as_ref().map_or(Value::Null, |policy| {
        json!({
            "name": policy.name,
            "sources": policy.sources,
            "audit": policy.audit,
            "denies": policy.denies,
            "asks": policy.asks,
            "appended": policy.appended,
            "notices": policy.notices,
            "landlock_abi": summary.report.as_ref().map(|report| report.landlock_abi),
            "report": lines,
        })
    })
}

fn denied(summary: &Summary) -> Value {
    let list = summary.denied.kept().iter().map(|denial| {
        json!({
            "t": seconds(denial.first),
            "last": seconds(denial.last),
            "count": denial.count,
            "kind": denial.kind,
            "what": denial.verb,
            "object": text(&denial.object),
            "program": text(&denial.program),
            "pid": denial.pid,
            "rule": &*denial.rule,
            "layer": denial.layer.word(),
            "errno": errno::name(denial.errno),
        })
    });
    json!({ "total": summary.denied.total(), "list": list.collect::<Vec<_>>() })
}

fn asked(summary: &Summary) -> Value {
    let list = summary.asked.kept().iter().map(|question| {
        let answer = question.answer.as_ref().map(|answer| {
            json!({
                "verdict": answer.verdict.word(),
                "scope": answer.scope.word(),
                "by": answer.by.word(),
                "who": answer.who,
                "waited": seconds(answer.waited),
                "rule": answer.rule,
                "screen": answer.screen,
                "calls": answer.calls,
            })
        });
        json!({
            "t": seconds(question.t),
            "ask": question.id,
            "kind": question.of.word(),
            "what": question.verb,
            "object": text(&question.object),
            "rule": &*question.rule,
            "answer": answer,
        })
    });
    json!({ "total": summary.asked.total(), "list": list.collect::<Vec<_>>() })
}

fn programs(summary: &Summary) -> Value {
    let names: Map<_, _> = summary.programs.names().iter().map(|(name, count)| (text(name), json!(count))).collect();
    let list = summary.programs.kept().iter().map(|program| {
        json!({
            "t": seconds(program.from),
            "end": program.to.map(seconds),
            "pid": program.pid,
            "parent": program.parent,
            "exe": text(&program.exe),
            "argv": list(&program.argv),
            "argv_cut": program.argv_cut,
            "exit": program.exit,
            "signal": program.signal,
            "digest": program.digest.map(|digest| blake3::Hash::from(digest).to_string()),
        })
    });
    json!({ "total": summary.programs.total(), "names": names, "list": list.collect::<Vec<_>>() })
}

fn files(paths: &Paths) -> Value {
    let directories: Map<_, _> = paths.groups().iter().map(|(dir, group)| (text(dir), json!(group.count))).collect();
    json!({
        "total": paths.total(),
        "exact": paths.is_exact(),
        "directories": directories,
        "elsewhere": paths.elsewhere(),
        "files": list(paths.named()),
    })
}

fn reached(summary: &Summary) -> Value {
    let list = summary.reached.spots().map(|(spot, visit)| {
        let addrs: Vec<_> = visit.addrs.iter().map(ToString::to_string).collect();
        let programs: Vec<_> = visit.programs.iter().map(|name| text(name)).collect();
        let mut place = match spot {
            Spot::Host(host, port) => json!({ "host": host, "port": port, "addrs": addrs }),
            Spot::Internet(addr) => json!({ "addr": addr.to_string() }),
            Spot::Socket(path) => json!({ "path": text(path) }),
        };
        let more = json!({
            "count": visit.count,
            "denied": visit.denied,
            "requests": visit.requests,
            "up": visit.up,
            "down": visit.down,
            "programs": programs,
            "t": seconds(visit.first),
            "last": seconds(visit.last),
        });
        if let (Some(place), Value::Object(more)) = (place.as_object_mut(), more) {
            place.extend(more);
        }
        place
    });
    let list: Vec<_> = list.collect();
    let (up, down) = summary.reached.bytes();
    let reached = &summary.reached;
    json!({ "hosts": reached.hosts(), "up": up, "down": down, "beyond": reached.beyond(), "list": list })
}

fn servers(summary: &Summary) -> Value {
    let tool = |(name, tool): (&String, &Tool)| {
        json!({
            "name": name,
            "calls": tool.calls,
            "asked": tool.asked,
            "denied": tool.denied,
            "failed": tool.failed,
            "bytes": tool.size,
            "spent": seconds(tool.spent),
            "t": seconds(tool.first),
            "last": seconds(tool.last),
            "first_denied": tool.first_denied.map(seconds),
        })
    };
    let list = summary.servers.kept().map(|(name, server)| {
        json!({
            "server": name,
            "t": seconds(server.first),
            "starts": server.starts,
            "refused": server.refused,
            "dropped": server.dropped,
            "changes": server.changes,
            "tools": server.tools.iter().map(tool).collect::<Vec<_>>(),
        })
    });
    let list: Vec<_> = list.collect();
    json!({ "calls": summary.servers.calls(), "beyond": summary.servers.beyond(), "list": list })
}

fn credentials(summary: &Summary) -> Value {
    let list = summary.credentials.kept().map(|(name, host, held)| {
        json!({
            "id": name,
            "host": host,
            "t": seconds(held.first),
            "used": held.used,
            "blocked": held.blocked,
            "redacted": held.redacted,
        })
    });
    Value::Array(list.collect())
}
