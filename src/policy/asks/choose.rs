//! Which answers are proposed for a question: the narrowest first, the ask rule's own pattern last.
//!
//! Invariant: every proposal covers the request, and none is wider than the ask rule.

use super::Asks;
use super::Wanted;
use super::argv::ArgvPattern;
use super::kept::Kept;
use crate::policy::network::{EVERY_PORT, Entry, Purpose, parse};
use crate::policy::pattern::Pattern;
use crate::policy::{Places, Reach, RuleId, Vars};

/// Proposals for one question.
const MOST: usize = 4;

impl Asks {
    /// Key and pattern of each answer that can be kept for `wanted`, which `rule` asks about.
    pub fn choices(&self, asked: &[&Places], rule: u32, wanted: &Wanted<'_>) -> Vec<(&'static str, String)> {
        let (key, program) = match wanted {
            Wanted::File { access, .. } if access.changes() => ("files.write", &b""[..]),
            Wanted::File { .. } => ("files.read", &b""[..]),
            Wanted::Exec { path, .. } => ("exec", *path),
            Wanted::Net(_) => ("network", &b""[..]),
            Wanted::Mcp(_) => ("mcp", &b""[..]),
        };
        let mut texts = match wanted {
            Wanted::File { path, .. } => self.file_texts(rule, path),
            Wanted::Exec { path, argv } => self.exec_texts(rule, path, argv),
            Wanted::Net(reach) => net_texts(asked, rule, reach),
            Wanted::Mcp(call) => super::call::texts(call),
        };
        // What does not read back as a pattern that covers the request is not proposed.
        let none = Vars::default();
        texts.retain(|text| Kept::parse(key, text, program, &none).is_ok_and(|kept| kept.covers(wanted)));
        let mut choices: Vec<(&'static str, String)> = Vec::new();
        for text in texts {
            if choices.len() < MOST && choices.iter().all(|choice| choice.1 != text) {
                choices.push((key, text));
            }
        }
        choices
    }

    fn file_texts(&self, rule: u32, path: &[u8]) -> Vec<String> {
        let asked = self.files.iter().find(|asked| asked.rule == rule && asked.pattern.matches(path));
        let slash = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        let dir = path.get(..slash).filter(|dir| !dir.is_empty());
        // A rule for a tree that holds the directory holds all in it.
        let dir = dir.filter(|dir| asked.is_some_and(|asked| asked.pattern.tree && asked.pattern.matches(dir)));
        let texts = [
            Pattern::literal(path, false).text(),
            dir.and_then(|dir| Pattern::literal(dir, true).text()),
            asked.and_then(|asked| asked.pattern.text()),
        ];
        texts.into_iter().flatten().collect()
    }

    fn exec_texts(&self, rule: u32, path: &[u8], argv: &[Vec<u8>]) -> Vec<String> {
        let of_rule = self.exec.iter().filter(|asked| asked.rule == rule);
        let asked = of_rule.clone().find(|asked| asked.pattern.matches(path, argv));
        // A rule about the path asks whatever the arguments are.
        let by_path = of_rule.clone().next().is_none();
        let opens = by_path || of_rule.clone().any(|asked| asked.pattern.matches_any_last(path, argv));
        let any = argv.get(..1).and_then(ArgvPattern::exact).filter(|_| by_path).map(|name| format!("{name} **"));
        let texts = [
            ArgvPattern::exact(argv),
            ArgvPattern::but_for_the_last(argv).filter(|_| opens),
            asked.map(|asked| asked.text.clone()),
            any,
        ];
        texts.into_iter().flatten().collect()
    }
}

/// The place itself, wider ones as the rule that asks goes, and what the rule says.
fn net_texts(asked: &[&Places], rule: u32, reach: &Reach<'_>) -> Vec<String> {
    let entries = asked.iter().flat_map(|places| places.entries()).filter(|entry| entry.rule.0 == rule);
    let asked = entries.into_iter().find(|entry| entry.means(reach));
    let any_port = asked.is_some_and(|asked| asked.ports == EVERY_PORT);
    let mut texts = Vec::new();
    if let Some(host) = reach.host {
        texts.push(format!("{host}:{}", reach.port));
        let beneath = host.split_once('.').map(|(_, rest)| rest).filter(|rest| rest.contains('.'));
        let wider = beneath.map(|rest| format!("*.{rest}:{}", reach.port));
        let within = |text: &String| {
            let parsed = parse(text, Purpose::Allow, RuleId(rule)).unwrap_or_default();
            !parsed.is_empty() && asked.is_some_and(|asked| parsed.iter().all(|entry| asked.holds(entry)))
        };
        texts.extend(wider.filter(within));
        texts.extend(any_port.then(|| format!("{host}:*")));
    } else if let Some(addr) = reach.addr {
        let host = match addr.ip().to_canonical() {
            std::net::IpAddr::V4(ip) => ip.to_string(),
            std::net::IpAddr::V6(ip) => format!("[{ip}]"),
        };
        texts.push(format!("{host}:{}", addr.port()));
        texts.extend(any_port.then_some(host));
    }
    texts.extend(asked.map(Entry::text));
    texts
}
