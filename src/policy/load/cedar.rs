//! `mcp.cedar`: files of Cedar policies → rules, each with its place in its own file; and the servers that they refuse.
//!
//! Invariant: only a file that may grant names any, none of them is the project's, and the agent writes none; a server that
//! they do not permit to register is an error of the whole policy.
//! Leaves to others: what a statement means (`policy::mcp`).

use std::sync::Arc;

use super::{Build, File, built_in};
use crate::policy::document::{Document, FileKey, Text};
use crate::policy::mcp::{HAS_CEDAR, McpRule, Names, Refused, Segments, Statement, When, registration, statements};
use crate::policy::pattern::{Fault, Pattern};
use crate::policy::{Layer, Library, PolicyError, RuleId, Source};

/// Longest name of a file in the id of a statement, in bytes.
const LONGEST_NAME: usize = 48;

impl Build<'_> {
    pub(super) fn cedar(
        &mut self,
        file: &File<'_>,
        document: &Document,
        library: &dyn Library,
    ) -> Result<(), PolicyError> {
        for name in &document.cedar {
            let source = source(file, name, library)?;
            let own = File::new(&source, file.grants, file.group);
            let place = |at: usize, reason: String| own.fault(at, Fault { reason, hint: None });
            let all = statements(&source.text).map_err(|fault| place(fault.at, fault.reason))?;
            self.policy.sources.push(own.shown.to_string());
            for (index, statement) in all.into_iter().enumerate() {
                let id = self.statement_id(&source.name, index + 1);
                let text = statement.label().map_or_else(|| id.clone(), |label| format!("{id} {label}"));
                let rule = RuleId(self.add(own.rule("mcp.cedar", &text, statement.at())));
                self.policy.mcp_rules.push(rule_of(rule, id, statement));
            }
            if let Some(path) = &source.path {
                let text = String::from_utf8_lossy(path).into_owned();
                let kept = self.add(built_in("built-in: a Cedar policy in use", "files.readonly", &text));
                self.restrict(FileKey::Readonly, kept, Pattern::literal(path, true), Vec::new());
            }
        }
        Ok(())
    }

    /// `FILE#NUMBER`, which no other rule has.
    fn statement_id(&self, name: &str, number: usize) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
        let file: String = name.rsplit('/').next().unwrap_or_default().chars().take(LONGEST_NAME).map(plain).collect();
        let is_free = |id: &String| self.policy.mcp_rules.iter().all(|rule| rule.id != *id);
        let ids = (1_u32..).map(|again| match again {
            1 => format!("{file}#{number}"),
            again => format!("{file}~{again}#{number}"),
        });
        ids.into_iter().find(is_free).unwrap_or_default()
    }

    /// Servers that no statement permits, where there are statements.
    pub(super) fn registered(&self) -> Result<(), PolicyError> {
        let rules: Vec<&McpRule> = self.policy.mcp_rules.iter().filter(|rule| rule.cedar.is_some()).collect();
        let statements: Vec<&Statement> = rules.iter().filter_map(|rule| rule.cedar.as_deref()).collect();
        if statements.is_empty() {
            return Ok(());
        }
        for server in &self.policy.servers {
            let Err(Refused { by, reason }) = registration(&statements, server) else { continue };
            let rule = |id: RuleId| usize::try_from(id.0).ok().and_then(|index| self.policy.rules.get(index));
            let by = by.and_then(|index| rules.get(index)).and_then(|by| rule(by.rule));
            let reason = match by {
                Some(by) => format!("server '{}' may not be registered: {} {reason}", server.name, by.name),
                None => format!("server '{}' may not be registered: {reason}", server.name),
            };
            let hint = "Cedar policies decide which servers there are: permit (principal, action == \
                        MCP::Action::\"register\", resource == MCP::Server::\"NAME\");";
            return Err(match rule(server.rule) {
                Some(rule) => PolicyError::At {
                    policy: rule.source.to_string(),
                    line: rule.line,
                    column: rule.column,
                    reason: crate::policy::error::visible(&reason),
                    hint: Some(hint.to_owned()),
                },
                None => PolicyError::whole(&self.policy.name, reason, Some(hint)),
            });
        }
        Ok(())
    }
}

/// The file behind a name.
fn source(file: &File<'_>, name: &Text, library: &dyn Library) -> Result<Source, PolicyError> {
    let refuse = |reason: String, hint: &str| file.fault(name.at, Fault { reason, hint: Some(hint.to_owned()) });
    if !file.grants || file.source.layer == Layer::Project {
        let reason = "Cedar policies permit, and this file may only narrow".to_owned();
        return Err(refuse(reason, "name them in a policy of the user, the machine or the organisation"));
    }
    if !HAS_CEDAR {
        let reason = format!("'{}': this govsh was built without Cedar", name.value);
        return Err(refuse(reason, "build it with 'cargo build --release --features cedar', or write [[mcp.rules]]"));
    }
    // A name alone is a file beside the policy, never a profile.
    let path = if name.value.contains('/') { name.value.clone() } else { format!("./{}", name.value) };
    let source = library.load(&path, file.source)?;
    if source.layer == Layer::Project {
        return Err(refuse(format!("'{}' is the project's", name.value), "a file outside of what the agent works on"));
    }
    Ok(source)
}

fn rule_of(rule: RuleId, id: String, statement: Statement) -> McpRule {
    McpRule {
        rule,
        id,
        effect: statement.effect(),
        servers: vec![Segments::parse("**")],
        names: Names::default(),
        arguments: Vec::new(),
        forbids_others: false,
        rate: None,
        when: When::default(),
        reason: statement.reason().to_owned(),
        cedar: Some(Arc::new(statement)),
    }
}
