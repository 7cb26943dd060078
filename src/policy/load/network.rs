//! Rules on requests, repositories, registries and the way out among the rules.
//!
//! Invariant: a file that may not widen adds only what takes away: its rules on requests and repositories hold beside those
//! of all others, never in their place.
//! Leaves to others: lists of places (`laid`), verdicts (`reach`, `http`).

use std::net::{IpAddr, SocketAddr};

use super::{Build, File};
use crate::policy::document::{Document, GitEntry, HttpEntry, RegistryEntry, Text, UpstreamEntry};
use crate::policy::http::{GitRule, HttpRule, RegistryRule};
use crate::policy::network::{Entry, HostPattern, Purpose, What, parse};
use crate::policy::pattern::{Fault, Pattern};
use crate::policy::registries::Origin;
use crate::policy::{Library, PathPattern, Place, PolicyError, RuleId, Upstream, Verdict, upstream};

/// Port of HTTPS, and of whatever names none.
const HTTPS: u16 = 443;
/// Port of DNS.
const DNS: u16 = 53;

impl Build<'_> {
    /// All of `[network]` but its lists of places.
    pub(super) fn requests(
        &mut self,
        file: &File<'_>,
        document: &Document,
        library: &dyn Library,
    ) -> Result<(), PolicyError> {
        for entry in &document.http {
            self.http(file, entry)?;
        }
        for entry in &document.git {
            self.git(file, entry)?;
        }
        for entry in &document.registries {
            self.registry(file, entry, library)?;
        }
        for text in &document.private {
            if self.hears(file, "network.private", &text.value, text.at)? {
                let rule = RuleId(self.add(file.rule("network.private", &text.value, text.at)));
                let pattern =
                    HostPattern::parse(&text.value, Purpose::Deny).map_err(|fault| file.fault(text.at, fault))?;
                self.net.private.push(every_port(pattern, rule));
            }
        }
        for text in &document.splice {
            if self.hears(file, "network.splice", &text.value, text.at)? {
                let rule = RuleId(self.add(file.rule("network.splice", &text.value, text.at)));
                let parsed = parse(&text.value, Purpose::Deny, rule).map_err(|fault| file.fault(text.at, fault))?;
                self.net.splice.extend(parsed);
            }
        }
        for text in &document.resolvers {
            if self.hears(file, "network.resolvers", &text.value, text.at)? {
                self.add(file.rule("network.resolvers", &text.value, text.at));
                let server = resolver(&text.value).map_err(|fault| file.fault(text.at, fault))?;
                self.policy.net.resolvers.push(server);
            }
        }
        match &document.upstream {
            Some(upstream) => self.upstream(file, &upstream.value, upstream.at),
            None => Ok(()),
        }
    }

    fn http(&mut self, file: &File<'_>, entry: &HttpEntry) -> Result<(), PolicyError> {
        const KEY: &str = "network.http";
        let at = entry.host.at;
        let methods: Vec<String> = entry.methods.iter().map(|method| method.value.clone()).collect();
        let path = match &entry.path {
            Some(path) => Some(PathPattern::parse(&path.value).map_err(|fault| file.fault(path.at, fault))?),
            None => None,
        };
        let shown = http_text(entry);
        // What permits takes the place of nothing in a file that may only narrow: it must permit what others permit.
        let rule = self.add(file.rule(KEY, &shown, at));
        // On every port that may be reached there; `**` of a host beneath which all stand is fine, since it only narrows.
        let hosts = parse(&entry.host.value, Purpose::Deny, RuleId(rule)).map_err(|fault| file.fault(at, fault))?;
        for place in hosts {
            let What::Name(pattern) = place.what else { continue };
            let one = HttpRule {
                rule,
                host: pattern,
                ports: place.ports,
                methods: methods.clone(),
                path: path.clone(),
                effect: entry.effect,
                upgrade: entry.upgrade,
                narrows: !file.grants,
            };
            self.net.http.push(one);
        }
        let named = self.net.http.last().is_some_and(|last| last.rule == rule);
        if !named {
            let hint = Some("a name or a pattern of names, such as \"api.example.org\"".to_owned());
            let reason = format!("'{}' is no host whose requests can be told apart", entry.host.value);
            return Err(file.fault(at, Fault { reason, hint }));
        }
        Ok(())
    }

    fn git(&mut self, file: &File<'_>, entry: &GitEntry) -> Result<(), PolicyError> {
        const KEY: &str = "network.git";
        let at = entry.repo.at;
        let fault = |fault: Fault| file.fault(at, fault);
        let (host, port, path) = repository(&entry.repo.value).map_err(fault)?;
        let mut branches = Vec::new();
        for branch in &entry.branches {
            branches.push(refs(&branch.value).map_err(|fault| file.fault(branch.at, fault))?);
        }
        let shown = format!("{} {}", if entry.push { "push" } else { "fetch" }, entry.repo.value);
        let rule = self.add(file.rule(KEY, &shown, at));
        let ports = port..=port;
        if file.grants {
            let place = Entry { what: What::Name(HostPattern::of(&host)), ports, rule: RuleId(rule) };
            self.net.git_places.push(place);
        }
        let (push, delete, narrows) = (entry.push, entry.delete, !file.grants);
        self.net.git.push(GitRule { rule, host, port, path, push, branches, delete, narrows });
        Ok(())
    }

    fn registry(&mut self, file: &File<'_>, entry: &RegistryEntry, library: &dyn Library) -> Result<(), PolicyError> {
        const KEY: &str = "network.registries";
        let shown = if entry.publish { format!("{} (publish)", entry.text.value) } else { entry.text.value.clone() };
        if !self.hears(file, KEY, &shown, entry.text.at)? {
            return Ok(());
        }
        let rule = self.add(file.rule(KEY, &shown, entry.text.at));
        for Origin { host, port, configured } in entry.which.origins(&library.registry(entry.which)) {
            let ports = port..=port;
            match host {
                Place::Name(host) => {
                    let pattern = HostPattern::of(&host);
                    if configured {
                        self.net.private.push(every_port(pattern.clone(), RuleId(rule)));
                    }
                    let place = Entry { what: What::Name(pattern), ports, rule: RuleId(rule) };
                    self.net.registry_places.push(place);
                    let publish = entry.publish;
                    self.net.registries.push(RegistryRule { rule, which: entry.which, host, port, publish });
                }
                // An address in a configuration is reached as one; nothing looks into the connection.
                Place::Addr(ip) if configured => {
                    let range = crate::policy::IpRange { first: ip, prefix: if ip.is_ipv4() { 32 } else { 128 } };
                    self.net.registry_places.push(Entry { what: What::Range(range), ports, rule: RuleId(rule) });
                }
                Place::Addr(_) => {}
            }
        }
        Ok(())
    }

    fn upstream(&mut self, file: &File<'_>, entry: &UpstreamEntry, at: usize) -> Result<(), PolicyError> {
        let text = entry.proxy.as_ref().map_or("", |proxy| &proxy.value);
        self.add(file.rule("network.upstream", text, at));
        let mut upstream = Upstream::default();
        if let Some(proxy) = &entry.proxy {
            upstream.proxy = Some(upstream::proxy(&proxy.value).map_err(|fault| file.fault(proxy.at, fault))?);
        }
        if let Some(source) = &entry.authorization {
            let words = std::slice::from_ref(source);
            let read = super::credentials::source(words, false, self.vars);
            upstream.authorization = Some(read.map_err(|fault| file.fault(source.at, fault))?);
        }
        for text in &entry.direct {
            upstream.direct.push(upstream::direct(&text.value).map_err(|fault| file.fault(text.at, fault))?);
        }
        for text in &entry.ca {
            upstream.ca.push(self.whole_path(file, text)?);
        }
        // The organisation's comes first.
        if self.policy.upstream == Upstream::default() {
            self.policy.upstream = upstream;
        }
        Ok(())
    }

    fn whole_path(&self, file: &File<'_>, text: &Text) -> Result<Vec<u8>, PolicyError> {
        let pattern = Pattern::parse(&text.value, self.vars).map_err(|fault| file.fault(text.at, fault))?;
        if pattern.is_literal() && !pattern.tree {
            return Ok(pattern.literal_prefix().0);
        }
        Err(PolicyError::at(file.source, text.at, "one file is meant here", Some("without '*'".to_owned())))
    }
}

fn every_port(pattern: HostPattern, rule: RuleId) -> Entry {
    Entry { what: What::Name(pattern), ports: 0..=u16::MAX, rule }
}

/// As one reads it: `GET api.github.com /repos/**`.
fn http_text(entry: &HttpEntry) -> String {
    let methods = entry.methods.iter().map(|method| method.value.as_str()).collect::<Vec<_>>().join(",");
    let effect = match entry.effect {
        Verdict::Allow => "",
        Verdict::Deny => "deny ",
        Verdict::Ask => "ask ",
    };
    let methods = if methods.is_empty() { "any" } else { &methods };
    let path = entry.path.as_ref().map_or(String::new(), |path| format!(" {}", path.value));
    format!("{effect}{methods} {}{path}", entry.host.value)
}

/// `10.0.0.2`, `10.0.0.2:5353`, `[fd00::1]:53`.
fn resolver(text: &str) -> Result<SocketAddr, Fault> {
    let plain = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, DNS));
    plain.or_else(|_| text.parse()).map_err(|_| Fault {
        reason: format!("'{text}' is no address of a name server"),
        hint: Some("such as \"10.0.0.2\", \"10.0.0.2:5353\" or \"[fd00::1]:53\"".to_owned()),
    })
}

/// `github.com/acme/**`, a port behind the host where it is another than 443.
fn repository(text: &str) -> Result<(crate::policy::Host, u16, PathPattern), Fault> {
    const HINT: &str = "such as \"github.com/acme/**\" or \"git.example.org:8443/team/app\"";
    let fault = |reason: String| Fault { reason, hint: Some(HINT.to_owned()) };
    let text_of = text.strip_prefix("https://").unwrap_or(text);
    let (authority, path) =
        text_of.split_once('/').ok_or_else(|| fault(format!("'{text}' names no repository, only a host")))?;
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => {
            let port = port.parse().ok().filter(|port| *port > 0);
            (host, port.ok_or_else(|| fault(format!("'{text}' has no port from 1 to 65535")))?)
        }
        None => (authority, HTTPS),
    };
    let host = crate::policy::Host::parse(host).map_err(|why| fault(format!("'{text}': {why}")))?;
    let path = path.strip_suffix(".git").unwrap_or(path);
    if path.is_empty() {
        return Err(fault(format!("'{text}' names no repository, only a host")));
    }
    Ok((host, port, PathPattern::parse(&format!("/{path}"))?))
}

/// `agent/**` is `refs/heads/agent/**`.
fn refs(text: &str) -> Result<PathPattern, Fault> {
    let whole = if text.starts_with("refs/") { format!("/{text}") } else { format!("/refs/heads/{text}") };
    PathPattern::parse(&whole).map_err(|fault| Fault {
        reason: format!("'{text}' is no branch: {}", fault.reason),
        hint: Some("such as \"agent/**\" or \"refs/heads/agent/**\"".to_owned()),
    })
}
