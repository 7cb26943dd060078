//! The words of events that are no output: arguments, paths, addresses, markers.
//!
//! Invariant: text with the control characters made visible, as lists of events show it.
//! Leaves to others: output and input (`watch`, `plain`).

use std::net::SocketAddr;

use super::{Hit, Place, Places, Query};
use crate::event::{Event, Stamped, TunnelOp};
use crate::recording::{authority, mcp_phrase, place, visible};

/// Adds what an event has to `hits`.
pub(super) fn event(query: &Query, stamped: &Stamped, hits: &mut Vec<Hit>) {
    let mut seek = |place: Place, text: String| {
        let found = query.regex.find_iter(&text).map(|found| found.range()).filter(|range| !range.is_empty());
        let ranges: Vec<_> = found.take(1000).collect();
        if !ranges.is_empty() {
            let (before, after) = (Vec::new(), Vec::new());
            hits.push(Hit { t: stamped.t, seq: stamped.seq, place, text, ranges, row: None, before, after });
        }
    };
    let argv = |argv: &[Vec<u8>]| argv.iter().map(|word| visible(word)).collect::<Vec<_>>().join(" ");
    let wants = |place: Places| query.places.contains(place);
    match &stamped.event {
        Event::Start(start) if wants(Places::ARGV) => seek(Place::Argv, argv(&start.argv)),
        Event::Proc(proc) => {
            if wants(Places::ARGV) && !proc.argv.is_empty() {
                seek(Place::Argv, argv(&proc.argv));
            }
            if wants(Places::PATH) && !proc.exe.is_empty() {
                seek(Place::Path, visible(&proc.exe));
            }
        }
        Event::Judged(judged) => {
            asked(query, &judged.path, &judged.path2, &judged.argv, &mut seek);
            host(query, (judged.host.as_deref(), judged.addr, judged.port), &mut seek);
        }
        Event::Ask(ask) => {
            asked(query, &ask.path, &ask.path2, &ask.argv, &mut seek);
            host(query, (ask.host.as_deref(), ask.addr, ask.port), &mut seek);
        }
        // Its host and address were told by its decision; a name within it was not.
        Event::Tunnel(tunnel) if wants(Places::HOST) && tunnel.op == TunnelOp::Close => {
            host(query, (tunnel.host.as_deref(), tunnel.addr, tunnel.port), &mut seek);
            if let Some(sni) = tunnel.sni.as_deref().filter(|sni| Some(*sni) != tunnel.host.as_deref()) {
                seek(Place::Host, visible(sni.as_bytes()));
            }
        }
        Event::Dns(dns) if wants(Places::HOST) => seek(Place::Host, visible(dns.name.as_bytes())),
        // As one piece: an address is looked for as it would be typed.
        Event::Http(http) if query.places.intersects(Places::HOST | Places::PATH) => {
            let path = visible(http.path.as_bytes());
            match (wants(Places::HOST), wants(Places::PATH)) {
                (true, true) => seek(Place::Path, format!("{}{path}", authority(&http.host, http.port))),
                (true, false) => seek(Place::Host, authority(&http.host, http.port)),
                (false, _) => seek(Place::Path, path),
            }
        }
        Event::Credential(credential) if wants(Places::HOST) => {
            seek(Place::Host, visible(format!("{} {}", credential.name, credential.host).as_bytes()));
        }
        Event::Mcp(mcp) if wants(Places::MCP) => seek(Place::Mcp, mcp_phrase(mcp)),
        Event::Marker { label, .. } if wants(Places::MARKER) => seek(Place::Marker, visible(label.as_bytes())),
        Event::Alert { what, .. } if wants(Places::MARKER) => seek(Place::Marker, visible(what.as_bytes())),
        _ => {}
    }
}

/// A place by its name, with the address that this had.
fn host(
    query: &Query,
    (host, addr, port): (Option<&str>, Option<SocketAddr>, u16),
    seek: &mut impl FnMut(Place, String),
) {
    if !query.places.contains(Places::HOST) {
        return;
    }
    let ip = addr.filter(|_| host.is_some()).map(|addr| format!(" ({})", addr.ip()));
    if let Some(place) = place(host, addr, port) {
        seek(Place::Host, format!("{place}{}", ip.unwrap_or_default()));
    }
}

fn asked(query: &Query, path: &[u8], path2: &[u8], argv: &[Vec<u8>], seek: &mut impl FnMut(Place, String)) {
    if query.places.contains(Places::PATH) {
        [path, path2].into_iter().filter(|path| !path.is_empty()).for_each(|path| seek(Place::Path, visible(path)));
    }
    if query.places.contains(Places::ARGV) && !argv.is_empty() {
        let words: Vec<_> = argv.iter().map(|word| visible(word)).collect();
        seek(Place::Argv, words.join(" "));
    }
}
