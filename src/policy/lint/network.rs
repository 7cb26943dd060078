//! Rules of `[network]` and `[credentials]` that are wider than they look, or can never decide.
//!
//! Invariant: what is called dead is so for every name of its pattern that is tried: the name itself, or one beneath it.

use super::Look;
use crate::policy::mcp::Launch;
use crate::policy::network::{Entry, HostPattern, Purpose, What, parse};
use crate::policy::reach::Reach;
use crate::policy::{Host, RuleId, Verdict};

/// Resolvers over HTTPS (RFC 8484): whoever reaches one asks it for any name, and carries data out in names.
const RESOLVERS: [&str; 20] = [
    "dns.google",
    "dns.google.com",
    "cloudflare-dns.com",
    "mozilla.cloudflare-dns.com",
    "chrome.cloudflare-dns.com",
    "one.one.one.one",
    "security.cloudflare-dns.com",
    "family.cloudflare-dns.com",
    "dns.quad9.net",
    "dns9.quad9.net",
    "dns10.quad9.net",
    "dns11.quad9.net",
    "doh.opendns.com",
    "dns.nextdns.io",
    "dns.adguard-dns.com",
    "dns.adguard.com",
    "doh.cleanbrowsing.org",
    "dns.mullvad.net",
    "dns.controld.com",
    "doh.dns.sb",
];

/// All of it.
pub(super) fn check(look: &mut Look<'_>) {
    wide(look);
    requests(look);
    secrets(look);
}

fn entries(look: &Look<'_>, key: &str, purpose: Purpose) -> Vec<(u32, Vec<Entry>)> {
    let rules = look.policy.rules().iter().zip(0..).filter(|(rule, _)| rule.key == key);
    let read = rules.filter_map(|(rule, id)| Some((id, parse(&rule.text, purpose, RuleId(id)).ok()?)));
    read.filter(|(id, _)| look.own(*id)).collect()
}

/// Grants that reach more than their author has in mind.
fn wide(look: &mut Look<'_>) {
    for (rule, entries) in entries(look, "network.allow", Purpose::Allow) {
        for entry in &entries {
            let found = match &entry.what {
                What::Name(pattern) if pattern.is_shared() => Some((
                    format!("anyone can have a name beneath it: whatever matches {pattern} may be somebody else's"),
                    "name the hosts that are one's own",
                )),
                What::Name(pattern) => resolver(pattern),
                What::Range(range) if range.prefix == 0 => Some((
                    "lets the agent reach every address, whatever its name".to_owned(),
                    "name the hosts; 'govsh learn' finds them",
                )),
                What::Range(_) | What::Everything => None,
            };
            if let Some((says, hint)) = found {
                look.warn(rule, "wide", says, Some(hint));
                break;
            }
        }
    }
    for (rule, entries) in entries(look, "network.private", Purpose::Deny) {
        if entries.iter().any(Entry::is_every_name) {
            let says = "lets every name stand for an address of this machine and its networks".to_owned();
            look.warn(rule, "wide", says, Some("name the domain of the network"));
        }
    }
}

fn resolver(pattern: &HostPattern) -> Option<(String, &'static str)> {
    let known = RESOLVERS.iter().filter_map(|name| Host::parse(name).ok());
    let host = known.into_iter().find(|host| pattern.matches(host))?;
    let says = format!("{host} looks names up over HTTPS: of denied hosts too, and data leaves in what is asked");
    Some((says, "leave it out: names are looked up by the session"))
}

/// Rules on requests to hosts that nothing lets be reached.
fn requests(look: &mut Look<'_>) {
    let policy = look.policy;
    let mut seen = Vec::new();
    for rule in policy.net.http.all() {
        let unreached = rule.host.sample().is_some_and(|host| policy.may_name(&host).verdict == Verdict::Deny);
        if unreached && look.own(rule.rule) && !seen.contains(&rule.rule) {
            seen.push(rule.rule);
            let says = format!("never decides: nothing allows {}", rule.host);
            look.warn(
                rule.rule,
                "dead",
                says,
                Some("network.allow is the ceiling that these rules carve: add the host"),
            );
        }
    }
}

/// Whether an MCP server is reached there by the front itself, which needs no grant for the agent.
fn is_of_server(look: &Look<'_>, host: &Host) -> bool {
    let authority =
        |url: &str| url.split_once("://").map(|(_, rest)| rest.split(['/', '?', '#']).next().map(str::to_owned));
    look.policy.servers().iter().any(|server| match &server.launch {
        Launch::Url(url) => authority(url).flatten().is_some_and(|found| {
            let name = found.rsplit_once(':').map_or(found.as_str(), |(name, _)| name);
            name.eq_ignore_ascii_case(host)
        }),
        Launch::Command(_) => false,
    })
}

/// Secrets for hosts that nothing lets be reached.
fn secrets(look: &mut Look<'_>) {
    let policy = look.policy;
    for credential in policy.credentials() {
        let Some(host) = credential.host.sample() else { continue };
        let reached = policy.decide_reach(&Reach::named(&host, credential.port)).verdict != Verdict::Deny;
        if !reached && !is_of_server(look, &host) && look.own(credential.rule.0) {
            let says = format!("is never sent: nothing allows {}:{}", credential.host, credential.port);
            look.warn(credential.rule.0, "dead", says, Some("add the host to network.allow"));
        }
    }
}
