//! Which answers are proposed for a question: the narrowest first, the ask rule's own pattern last.
//!
//! Invariant: every proposal covers the request, and none is wider than the ask rule.

use super::Asks;
use super::Wanted;
use super::argv::ArgvPattern;
use super::kept::Kept;
use crate::policy::Vars;
use crate::policy::network::{NetRule, all_addresses};
use crate::policy::pattern::Pattern;

/// Proposals for one question.
const MOST: usize = 4;

impl Asks {
    /// Key and pattern of each answer that can be kept for `wanted`, which `rule` asks about.
    pub fn choices(&self, rule: u32, wanted: &Wanted<'_>) -> Vec<(&'static str, String)> {
        let (key, program) = match wanted {
            Wanted::File { access, .. } if access.changes() => ("files.write", &b""[..]),
            Wanted::File { .. } => ("files.read", &b""[..]),
            Wanted::Exec { path, .. } => ("exec", *path),
            Wanted::Net { .. } => ("network", &b""[..]),
        };
        let mut texts = match wanted {
            Wanted::File { path, .. } => self.file_texts(rule, path),
            Wanted::Exec { path, argv } => self.exec_texts(rule, path, argv),
            Wanted::Net { addr } => self.net_texts(rule, addr),
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

    fn net_texts(&self, rule: u32, addr: &std::net::SocketAddr) -> Vec<String> {
        let asked = self.network.iter().find(|asked| asked.rule.0 == rule && asked.matches(addr));
        let is_asked = |all: &NetRule| self.network.contains(all);
        let host = match addr.ip().to_canonical() {
            std::net::IpAddr::V4(ip) => ip.to_string(),
            std::net::IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let any_port = asked.is_some_and(|asked| asked.ports == (0..=u16::MAX));
        let texts = [
            Some(format!("{host}:{}", addr.port())),
            any_port.then(|| host.clone()),
            asked.map(
                |asked| if all_addresses(asked.rule).iter().all(is_asked) { "all".to_owned() } else { asked.text() },
            ),
        ];
        texts.into_iter().flatten().collect()
    }
}
