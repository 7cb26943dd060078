//! Tunnels, names, requests, credentials and MCP, each as what it was and why.
//!
//! Invariant: every text is visible.

use crate::event::{Credential, Dns, Http, Mcp, Tunnel};
use crate::recording::summary::{cut, lasted, size};
use crate::recording::{Word, authority, leads, mcp_phrase, qtype, visible};

pub(super) fn tunnel(tunnel: &Tunnel) -> (String, String) {
    let mut what = format!("{:<8} {} ↑{} ↓{}", tunnel.op.word(), leads(tunnel), size(tunnel.up), size(tunnel.down));
    if let Some(sni) = &tunnel.sni {
        what.push_str(&format!(" sni {}", visible(sni.as_bytes())));
    }
    if !tunnel.end.is_empty() {
        what.push_str(&format!(" {} after {}", tunnel.end, lasted(tunnel.duration)));
    }
    (what, format!("{}, tunnel {}{}", visible(tunnel.rule.as_bytes()), tunnel.id, by(tunnel.pid)))
}

pub(super) fn dns(dns: &Dns) -> (String, String) {
    let answers: Vec<_> = dns.answers.iter().map(ToString::to_string).collect();
    let (name, answers) = (visible(dns.name.as_bytes()), cut(&answers.join(" "), 120));
    let what = format!("{:<5} {name} {} {answers}", qtype(dns.qtype), dns.rcode);
    (what.trim_end().to_owned(), format!("{}{}", visible(dns.rule.as_bytes()), by(dns.pid)))
}

pub(super) fn http(http: &Http) -> (String, String) {
    let (method, path) = (visible(http.method.as_bytes()), visible(http.path.as_bytes()));
    let status = if http.status == 0 { "-".to_owned() } else { http.status.to_string() };
    let flown = format!("↑{} ↓{} {}", size(http.up), size(http.down), lasted(http.duration));
    let what = format!("{method} {}{} {status} {flown}", authority(&http.host, http.port), cut(&path, 160));
    (what, format!("{}, tunnel {}{}", visible(http.rule.as_bytes()), http.tunnel, by(http.pid)))
}

pub(super) fn credential(credential: &Credential) -> (String, String) {
    let (name, host) = (visible(credential.name.as_bytes()), visible(credential.host.as_bytes()));
    let what = format!("{name} {} {host}", credential.what.word());
    (what, format!("tunnel {}{}", credential.tunnel, by(credential.pid)))
}

pub(super) fn mcp(mcp: &Mcp) -> (String, String) {
    let rule = mcp.rule().map_or_else(String::new, |(rule, _)| format!("{}, ", visible(rule.as_bytes())));
    (format!("{:<7} {}", mcp.what.op(), mcp_phrase(mcp)), format!("{rule}connection {}{}", mcp.connection, by(mcp.pid)))
}

fn by(pid: i32) -> String {
    if pid == 0 { String::new() } else { format!(", pid {pid}") }
}
