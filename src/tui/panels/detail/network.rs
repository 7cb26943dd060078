//! Everything about a tunnel, a name, a request, a credential.
//!
//! Invariant: as of the panel; what was refused comes first, in its colour.

use super::super::Tone;
use super::super::text::{MOST, WHOLE, bounded};
use super::super::words::took;
use super::{Doer, Page};
use crate::event::{Credential, CredentialUse, Dns, Event, Http, Tunnel, TunnelOp};
use crate::policy::{Layer, Verdict};
use crate::recording::summary::size;
use crate::recording::{Word, authority, leads, qtype};

/// Tells of an event of the network; others are left alone.
pub(super) fn tell(page: &mut Page<'_>, event: &Event, doer: &Doer) {
    match event {
        Event::Tunnel(tunnel) => self::tunnel(page, tunnel, doer),
        Event::Dns(dns) => self::dns(page, dns, doer),
        Event::Http(http) => self::http(page, http, doer),
        Event::Credential(credential) => self::credential(page, credential, doer),
        _ => {}
    }
}

/// The first line, the process, and the rule.
pub(super) fn head(page: &mut Page<'_>, verdict: Verdict, what: &str, (pid, doer): (i32, &Doer)) {
    let (sign, tone) = match verdict {
        Verdict::Deny => ("✘ ", Tone::Deny),
        Verdict::Ask => ("? ", Tone::Ask),
        Verdict::Allow => ("", Tone::Strong),
    };
    page.say(tone, format!("{sign}{what}"));
    if pid != 0 {
        page.doer(pid, &doer.line);
    }
}

pub(super) fn why(page: &mut Page<'_>, verdict: Verdict, rule: &str, layer: Layer) {
    let (tone, word) = match verdict {
        Verdict::Deny => (Tone::Deny, "denied"),
        Verdict::Ask => (Tone::Ask, "asked"),
        Verdict::Allow => (Tone::Plain, "allowed"),
    };
    page.say(tone, format!("{word}: {} ({})", bounded(rule.as_bytes(), MOST), layer.word()));
}

fn tunnel(page: &mut Page<'_>, tunnel: &Tunnel, doer: &Doer) {
    let now = match tunnel.op {
        TunnelOp::Open => "connected to",
        TunnelOp::Flow => "bytes flow to",
        TunnelOp::Close if tunnel.verdict == Verdict::Deny => "connection refused to",
        TunnelOp::Close => "connection over to",
    };
    let what = format!("{now} {}", bounded(leads(tunnel).as_bytes(), WHOLE));
    head(page, tunnel.verdict, &what, (tunnel.pid, doer));
    why(page, tunnel.verdict, &tunnel.rule, tunnel.layer);
    if let Some(addr) = tunnel.addr.filter(|_| tunnel.host.is_some()) {
        page.say(Tone::Plain, format!("at {addr}"));
    }
    if let Some(sni) = &tunnel.sni {
        page.say(Tone::Plain, format!("TLS for {}", bounded(sni.as_bytes(), MOST)));
    }
    let flown = format!("{} out, {} in, {}", size(tunnel.up), size(tunnel.down), took(tunnel.duration));
    page.say(Tone::Plain, flown);
    let end = if tunnel.end.is_empty() { String::new() } else { format!(", {}", tunnel.end) };
    page.say(Tone::Dim, format!("tunnel {}{end}", tunnel.id));
}

fn dns(page: &mut Page<'_>, dns: &Dns, doer: &Doer) {
    let what = format!("look up {} of {}", qtype(dns.qtype), bounded(dns.name.as_bytes(), WHOLE));
    head(page, dns.verdict, &what, (dns.pid, doer));
    why(page, dns.verdict, &dns.rule, dns.layer);
    for answer in dns.answers.iter().take(16) {
        page.say(Tone::Plain, format!("is {answer}"));
    }
    page.say(Tone::Dim, format!("told {}, {}", dns.rcode, took(dns.duration)));
}

fn http(page: &mut Page<'_>, http: &Http, doer: &Doer) {
    let (method, path) = (bounded(http.method.as_bytes(), 64), bounded(http.path.as_bytes(), WHOLE));
    let what = format!("{method} {}{path}", authority(&http.host, http.port));
    head(page, http.verdict, &what, (http.pid, doer));
    why(page, http.verdict, &http.rule, http.layer);
    let status = if http.status == 0 { "no response".to_owned() } else { format!("status {}", http.status) };
    let flown = format!("{status}, {} out, {} in, {}", size(http.up), size(http.down), took(http.duration));
    page.say(Tone::Plain, flown);
    page.say(Tone::Dim, format!("in tunnel {}", http.tunnel));
}

fn credential(page: &mut Page<'_>, credential: &Credential, doer: &Doer) {
    let (name, host) = (bounded(credential.name.as_bytes(), MOST), bounded(credential.host.as_bytes(), MOST));
    let (verdict, what) = match credential.what {
        CredentialUse::Used => (Verdict::Allow, format!("credential {name} used for {host}")),
        CredentialUse::Redacted => (Verdict::Allow, format!("credential {name} taken out of what {host} answered")),
        CredentialUse::PlaceholderBlocked => {
            (Verdict::Deny, format!("the placeholder of credential {name} kept from {host}"))
        }
        CredentialUse::SecretBlocked => (Verdict::Deny, format!("credential {name} itself kept from {host}")),
    };
    head(page, verdict, &what, (credential.pid, doer));
    if credential.tunnel != 0 {
        page.say(Tone::Dim, format!("in tunnel {}", credential.tunnel));
    }
}
