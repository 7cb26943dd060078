//! `[mcp]` → servers and rules in the order of the files.
//!
//! Invariant: a file that may not widen adds no server and no rule that allows; the same server twice is the more trusted
//! file's. Leaves to others: judging (`policy::mcp`), starting servers (`session`).

use super::{Build, File, PathRule, built_in};
use crate::policy::document::{ConditionEntry, Document, FileKey, McpEntry, ServerEntry, Text};
use crate::policy::mcp::{Argument, Direct, Launch, Matcher, McpRule, Names, Segments, Server};
use crate::policy::pattern::{Fault, Pattern};
use crate::policy::{Library, PolicyError, RuleId, Verdict};

impl Build<'_> {
    pub(super) fn mcp(&mut self, file: &File<'_>, document: &Document) -> Result<(), PolicyError> {
        for entry in &document.servers {
            if self.hears(file, "mcp.servers", &entry.name.value, entry.name.at)? {
                let rule = RuleId(self.add(file.rule("mcp.servers", &entry.name.value, entry.name.at)));
                let server = self.server(file, entry, rule)?;
                match self.policy.servers.iter_mut().find(|known| known.name == server.name) {
                    Some(known) if server.layer <= known.layer => *known = server,
                    Some(_) => {}
                    None => self.policy.servers.push(server),
                }
            }
        }
        match &document.direct {
            Some(direct) if direct.value == Direct::Deny => self.policy.direct_servers = Some(Direct::Deny),
            Some(direct) if self.hears(file, "mcp.direct", "log", direct.at)? => {
                // Whoever says that they are denied has the last word.
                self.policy.direct_servers.get_or_insert(Direct::Log);
            }
            Some(_) | None => {}
        }
        for entry in &document.mcp_rules {
            let widens = entry.effect == Verdict::Allow;
            if !widens || self.hears(file, "mcp.rules", &entry.id.value, entry.id.at)? {
                let rule = RuleId(self.add(file.rule("mcp.rules", &entry.id.value, entry.id.at)));
                let rule = self.mcp_rule(file, entry, rule)?;
                self.policy.mcp_rules.push(rule);
            }
        }
        Ok(())
    }

    /// Where there are servers, the agent runs govsh itself to reach them, wherever it is installed. What it may run it
    /// must not write: it could put another program there, and so run what no rule lets it run.
    pub(super) fn own_program(&mut self, library: &dyn Library) {
        let program = if self.policy.servers.is_empty() { None } else { library.own_program() };
        let Some(path) = program else { return };
        let (text, pattern) = (String::from_utf8_lossy(&path).into_owned(), Pattern::literal(&path, false));
        let kept = self.add(built_in("built-in: govsh itself", "files.readonly", &text));
        self.restrict(FileKey::Readonly, kept, pattern.clone(), Vec::new());
        let rule = self.add(built_in("built-in: govsh itself, to reach MCP servers", "files.exec", &text));
        let (key, access) = (FileKey::Exec, FileKey::Exec.access());
        let except = Vec::new();
        self.paths.push(PathRule { key, rule, pattern: pattern.clone(), except, access, hide: false, file: None });
        self.permit_program(rule, &pattern);
    }

    fn server(&self, file: &File<'_>, entry: &ServerEntry, rule: RuleId) -> Result<Server, PolicyError> {
        let words = || entry.command.iter().map(|word| word.value.clone()).collect();
        let launch = match &entry.url {
            None => Launch::Command(words()),
            Some(url) => Launch::Url(url.value.clone()),
        };
        let env = entry.env.iter().map(|(name, value)| (name.clone(), value.value.clone())).collect();
        Ok(Server {
            name: entry.name.value.clone(),
            launch,
            env,
            policy: entry.policy.as_ref().map_or("mcp-server".to_owned(), |policy| policy.value.clone()),
            layer: file.source.layer,
            rule,
        })
    }

    fn mcp_rule(&self, file: &File<'_>, entry: &McpEntry, rule: RuleId) -> Result<McpRule, PolicyError> {
        let globs = |texts: &[Text]| texts.iter().map(|text| Segments::parse(&text.value)).collect();
        let mut arguments = Vec::new();
        for argument in &entry.arguments {
            let matchers = self.matchers(file, &argument.conditions)?;
            arguments.push(Argument { key: argument.key.value.clone(), matchers });
        }
        Ok(McpRule {
            rule,
            id: entry.id.value.clone(),
            effect: entry.effect,
            servers: globs(&entry.servers),
            names: Names {
                tools: globs(&entry.tools),
                resources: globs(&entry.resources),
                prompts: globs(&entry.prompts),
                methods: globs(&entry.methods),
            },
            arguments,
            forbids_others: entry.forbids_others,
            rate: entry.rate,
            when: entry.when.clone(),
            reason: entry.reason.clone(),
            cedar: None,
        })
    }

    fn matchers(&self, file: &File<'_>, conditions: &[ConditionEntry]) -> Result<Vec<Matcher>, PolicyError> {
        let tree = |text: &Text| {
            let pattern = Pattern::parse(&text.value, self.vars).map_err(|fault| file.fault(text.at, fault))?;
            if pattern.is_literal() {
                return Ok(pattern.literal_prefix().0);
            }
            let hint = Some("a directory: what lies beneath is meant".to_owned());
            Err(file.fault(text.at, Fault { reason: format!("'{}' is no one directory", text.value), hint }))
        };
        let one = |condition: &ConditionEntry| match condition {
            ConditionEntry::Whole(matcher) => Ok(matcher.clone()),
            ConditionEntry::Under(trees) => Ok(Matcher::Under(trees.iter().map(tree).collect::<Result<_, _>>()?)),
            ConditionEntry::Each(inner) => Ok(Matcher::Each(Box::new(self.matchers(file, inner)?))),
        };
        conditions.iter().map(one).collect()
    }
}
