//! Rows of tunnels, names, requests and credentials.
//!
//! Invariant: every text is visible and bounded; what was refused has the sign of a refusal.

use super::super::Tone;
use super::super::text::{MOST, bounded};
use super::{EventRow, Group, Place};
use crate::event::{Credential, CredentialUse, Dns, Event, Http, Tunnel, TunnelOp};
use crate::policy::{Access, Verdict};
use crate::recording::summary::{lasted, size};
use crate::recording::{Word, authority, leads, qtype};

/// Fills the row of an event of the network; others are left as they are.
pub(super) fn fill(row: &mut EventRow, event: &Event) {
    match event {
        Event::Tunnel(tunnel) => self::tunnel(row, tunnel),
        Event::Dns(dns) => self::dns(row, dns),
        Event::Http(http) => self::http(row, http),
        Event::Credential(credential) => self::credential(row, credential),
        _ => return,
    }
    // The same twice in a row is one row.
    row.group = Some(Group { access: Access::empty(), place: Place::Same });
}

/// What the list says of a verdict.
fn judged(row: &mut EventRow, verdict: Verdict, calm: Tone) {
    (row.tone, row.sign, row.sign_tone) = match verdict {
        Verdict::Deny => (Tone::Deny, "✘", Tone::Deny),
        Verdict::Ask => (Tone::Ask, "?", Tone::Ask),
        Verdict::Allow => (calm, "", Tone::Plain),
    };
}

fn tunnel(row: &mut EventRow, tunnel: &Tunnel) {
    judged(row, tunnel.verdict, Tone::Dim);
    let place = bounded(leads(tunnel).as_bytes(), MOST);
    let flown = format!("↑{} ↓{}", size(tunnel.up), size(tunnel.down));
    (row.verb, row.text) = match tunnel.op {
        TunnelOp::Open => ("open".to_owned(), place),
        TunnelOp::Flow => ("flow".to_owned(), format!("{place} {flown}")),
        TunnelOp::Close => ("close".to_owned(), format!("{place} {flown} {}, {}", lasted(tunnel.duration), tunnel.end)),
    };
}

fn dns(row: &mut EventRow, dns: &Dns) {
    judged(row, dns.verdict, Tone::Dim);
    let name = bounded(dns.name.as_bytes(), MOST);
    let name = if matches!(dns.qtype, 1 | 28) { name } else { format!("{name} {}", qtype(dns.qtype)) };
    row.text = match (dns.verdict, &dns.answers[..]) {
        (Verdict::Deny, _) => name,
        (_, []) => format!("{name}: {}", dns.rcode),
        (_, [one]) => format!("{name} → {one}"),
        (_, [first, others @ ..]) => format!("{name} → {first} +{}", others.len()),
    };
}

fn http(row: &mut EventRow, http: &Http) {
    judged(row, http.verdict, Tone::Net);
    row.verb = bounded(http.method.as_bytes(), 16);
    let place = if http.port == 443 { bounded(http.host.as_bytes(), MOST) } else { authority(&http.host, http.port) };
    let status = if http.status == 0 { String::new() } else { format!(" {}", http.status) };
    row.text = format!("{place}{}{status}", bounded(http.path.as_bytes(), MOST));
}

fn credential(row: &mut EventRow, credential: &Credential) {
    let (name, host) = (bounded(credential.name.as_bytes(), MOST), bounded(credential.host.as_bytes(), MOST));
    let (tone, sign, text) = match credential.what {
        CredentialUse::Used => (Tone::Net, "", format!("{name} for {host}")),
        CredentialUse::Redacted => (Tone::Ask, "!", format!("{name} taken out of what {host} answered")),
        blocked => (Tone::Deny, "✘", format!("{name} kept from {host}: {}", blocked.word())),
    };
    (row.tone, row.sign, row.sign_tone, row.text) = (tone, sign, tone, text);
}
