//! Events of the network as objects, both ways: tunnels, names, requests, credentials.
//!
//! Invariant: what is read back equals what was written; a type of record without a name is `TYPE` and its number (RFC 3597 §5).
//! Leaves to others: requests that were judged (`encode`, `parse`).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde::Deserialize;

use super::json::Object;
use super::parse::{Fault, micros, word};
use super::visible::visible;
use super::words::{Word, interned};
use crate::event::{Credential, Dns, Event, Http, Tunnel};
use crate::policy::{Layer, Verdict};

/// Types of records that are called by name.
const TYPES: [(u16, &str); 19] = [
    (1, "A"),
    (2, "NS"),
    (5, "CNAME"),
    (6, "SOA"),
    (10, "NULL"),
    (12, "PTR"),
    (15, "MX"),
    (16, "TXT"),
    (28, "AAAA"),
    (33, "SRV"),
    (35, "NAPTR"),
    (43, "DS"),
    (46, "RRSIG"),
    (48, "DNSKEY"),
    (64, "SVCB"),
    (65, "HTTPS"),
    (252, "AXFR"),
    (255, "ANY"),
    (257, "CAA"),
];

/// What a type of record is called.
pub fn qtype(number: u16) -> String {
    TYPES.iter().find(|entry| entry.0 == number).map_or_else(|| format!("TYPE{number}"), |entry| entry.1.to_owned())
}

/// The number of a type of record.
pub fn number_of(qtype: &str) -> Option<u16> {
    let named = TYPES.iter().find(|entry| entry.1 == qtype).map(|entry| entry.0);
    named.or_else(|| qtype.strip_prefix("TYPE")?.parse().ok())
}

/// `host:port`, with brackets around an IPv6 address; visible.
pub fn authority(host: &str, port: u16) -> String {
    let host = visible(host.as_bytes());
    match (host.contains(':'), port) {
        (_, 0) => host,
        (true, port) => format!("[{host}]:{port}"),
        (false, port) => format!("{host}:{port}"),
    }
}

/// Where a request goes, as people write it: by name where one was judged, else by address; visible. None for none.
pub fn place(host: Option<&str>, addr: Option<SocketAddr>, port: u16) -> Option<String> {
    match (host, addr) {
        (Some(host), addr) => Some(authority(host, addr.map_or(port, |addr| addr.port()))),
        (None, Some(addr)) => Some(addr.to_string()),
        (None, None) => (port != 0).then(|| format!("port {port}")),
    }
}

/// What was refused, in a few words; None for other events than those of the network and of MCP.
pub(super) fn label(event: &Event) -> Option<String> {
    Some(match event {
        Event::Dns(dns) => format!("lookup {} {}", qtype(dns.qtype), visible(dns.name.as_bytes())),
        Event::Http(http) => {
            let (method, path) = (visible(http.method.as_bytes()), visible(http.path.as_bytes()));
            format!("{method} {}{path}", authority(&http.host, http.port))
        }
        Event::Credential(credential) => {
            let (name, host) = (visible(credential.name.as_bytes()), visible(credential.host.as_bytes()));
            format!("{} for {host}: {name}", credential.what.word())
        }
        Event::Mcp(mcp) => super::mcp::label(mcp),
        _ => return None,
    })
}

/// Where a tunnel leads.
pub fn leads(tunnel: &Tunnel) -> String {
    place(tunnel.host.as_deref(), tunnel.addr, tunnel.port).unwrap_or_else(|| "nowhere".to_owned())
}

fn decision(object: &mut Object<'_>, verdict: Verdict, rule: &str, layer: Layer) {
    object.text("verdict", verdict.word());
    object.text("rule", rule);
    object.text("layer", layer.word());
}

fn some_text(object: &mut Object<'_>, name: &str, text: Option<&str>) {
    if let Some(text) = text {
        object.text(name, text);
    }
}

fn some_pid(object: &mut Object<'_>, pid: i32) {
    if pid != 0 {
        object.number("pid", pid);
    }
}

pub(super) fn tunnel(object: &mut Object<'_>, tunnel: &Tunnel) {
    object.number("tunnel", tunnel.id);
    object.text("op", tunnel.op.word());
    decision(object, tunnel.verdict, &tunnel.rule, tunnel.layer);
    some_pid(object, tunnel.pid);
    if let Some(addr) = tunnel.addr {
        object.text("addr", &addr.to_string());
    }
    some_text(object, "host", tunnel.host.as_deref());
    object.number("port", tunnel.port);
    some_text(object, "sni", tunnel.sni.as_deref());
    object.number("up", tunnel.up);
    object.number("down", tunnel.down);
    some_text(object, "end", Some(tunnel.end).filter(|end| !end.is_empty()));
    object.micros("dur", tunnel.duration);
}

pub(super) fn dns(object: &mut Object<'_>, dns: &Dns) {
    object.text("name", &dns.name);
    object.text("qtype", &qtype(dns.qtype));
    decision(object, dns.verdict, &dns.rule, dns.layer);
    some_pid(object, dns.pid);
    object.text("rcode", dns.rcode);
    let answers: Vec<_> = dns.answers.iter().map(IpAddr::to_string).collect();
    object.text_list("answers", &answers);
    object.micros("dur", dns.duration);
}

pub(super) fn http(object: &mut Object<'_>, http: &Http) {
    object.number("tunnel", http.tunnel);
    object.text("method", &http.method);
    object.text("host", &http.host);
    object.number("port", http.port);
    object.text("path", &http.path);
    decision(object, http.verdict, &http.rule, http.layer);
    some_pid(object, http.pid);
    if http.status != 0 {
        object.number("status", http.status);
    }
    object.number("up", http.up);
    object.number("down", http.down);
    object.micros("dur", http.duration);
}

pub(super) fn credential(object: &mut Object<'_>, credential: &Credential) {
    object.text("id", &credential.name);
    object.text("what", credential.what.word());
    object.text("host", &credential.host);
    if credential.tunnel != 0 {
        object.number("tunnel", credential.tunnel);
    }
    some_pid(object, credential.pid);
}

/// Whether an object of kind `net` is of a tunnel.
pub(super) fn is_tunnel(json: &[u8]) -> bool {
    // Nearly all are not: a quotation mark within a string has a backslash before it, so that this is never found in one.
    memchr::memmem::find(json, b"\"tunnel\":").is_some()
}

#[derive(Deserialize)]
pub(super) struct TunnelLine {
    tunnel: u64,
    op: String,
    verdict: String,
    rule: String,
    layer: String,
    #[serde(default)]
    pid: i32,
    addr: Option<SocketAddr>,
    host: Option<String>,
    #[serde(default)]
    port: u16,
    sni: Option<String>,
    #[serde(default)]
    up: u64,
    #[serde(default)]
    down: u64,
    #[serde(default)]
    end: String,
    #[serde(default)]
    dur: f64,
}

pub(super) fn read_tunnel(line: TunnelLine) -> Result<Event, Fault> {
    Ok(Event::Tunnel(Box::new(Tunnel {
        id: line.tunnel,
        op: word(&line.op)?,
        pid: line.pid,
        addr: line.addr,
        host: line.host.map(Arc::from),
        port: line.port,
        sni: line.sni,
        verdict: word(&line.verdict)?,
        rule: Arc::from(line.rule),
        layer: word(&line.layer)?,
        up: line.up,
        down: line.down,
        duration: micros(line.dur),
        end: interned(&line.end),
    })))
}

#[derive(Deserialize)]
pub(super) struct DnsLine {
    name: String,
    qtype: String,
    verdict: String,
    rule: String,
    layer: String,
    #[serde(default)]
    pid: i32,
    rcode: String,
    #[serde(default)]
    answers: Vec<IpAddr>,
    #[serde(default)]
    dur: f64,
}

pub(super) fn read_dns(line: DnsLine) -> Result<Event, Fault> {
    let qtype = number_of(&line.qtype);
    Ok(Event::Dns(Box::new(Dns {
        pid: line.pid,
        name: line.name,
        qtype: qtype.ok_or_else(|| format!("unknown type of record '{}'", line.qtype.escape_default()))?,
        verdict: word(&line.verdict)?,
        rule: Arc::from(line.rule),
        layer: word(&line.layer)?,
        rcode: interned(&line.rcode),
        answers: line.answers,
        duration: micros(line.dur),
    })))
}

#[derive(Deserialize)]
pub(super) struct HttpLine {
    #[serde(default)]
    tunnel: u64,
    method: String,
    host: String,
    #[serde(default)]
    port: u16,
    path: String,
    verdict: String,
    rule: String,
    layer: String,
    #[serde(default)]
    pid: i32,
    #[serde(default)]
    status: u16,
    #[serde(default)]
    up: u64,
    #[serde(default)]
    down: u64,
    #[serde(default)]
    dur: f64,
}

pub(super) fn read_http(line: HttpLine) -> Result<Event, Fault> {
    Ok(Event::Http(Box::new(Http {
        tunnel: line.tunnel,
        pid: line.pid,
        host: Arc::from(line.host),
        port: line.port,
        method: line.method,
        path: line.path,
        status: line.status,
        verdict: word(&line.verdict)?,
        rule: Arc::from(line.rule),
        layer: word(&line.layer)?,
        up: line.up,
        down: line.down,
        duration: micros(line.dur),
    })))
}

#[derive(Deserialize)]
pub(super) struct CredentialLine {
    id: String,
    what: String,
    host: String,
    #[serde(default)]
    tunnel: u64,
    #[serde(default)]
    pid: i32,
}

pub(super) fn read_credential(line: CredentialLine) -> Result<Event, Fault> {
    Ok(Event::Credential(Box::new(Credential {
        name: Arc::from(line.id),
        tunnel: line.tunnel,
        pid: line.pid,
        host: Arc::from(line.host),
        what: word(&line.what)?,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_records_have_names_both_ways() {
        for number in 0..=300 {
            assert_eq!(number_of(&qtype(number)), Some(number));
        }
        assert_eq!((qtype(65), qtype(65_280), number_of("TYPE99999")), ("HTTPS".into(), "TYPE65280".into(), None));
    }

    #[test]
    fn authorities_are_written_as_in_a_url() {
        assert_eq!(authority("example.org", 443), "example.org:443");
        assert_eq!((authority("::1", 80), authority("a\x1b", 0)), ("[::1]:80".into(), "a\\x1b".into()));
    }
}
