//! Settings over several files: the most derived file that says something wins; requirements add up.
//!
//! Invariant: what a file does not mention keeps its base's value.
//! Leaves to others: rules on paths, addresses and variables (`load`).

use super::compiled::Policy;
use super::document::Document;
use super::table::Located;
use super::{Agent, Audit, Limits, OnFailure, Record, Require, Retention};

/// What the files so far say.
#[derive(Debug, Default)]
pub struct Settings {
    agent: Agent,
    limits: Limits,
    record: Record,
    require: Require,
}

/// A setting as a rule for people: key, text, offset in its file.
pub type Said = (&'static str, String, usize);

impl Settings {
    /// Takes over what the document says, and returns it for the list of rules.
    pub fn merge(&mut self, document: &Document) -> Vec<Said> {
        let mut said = Vec::new();
        self.agent(document, &mut said);
        self.limits(document, &mut said);
        let record = &mut self.record;
        take(&document.record_audit, "record.audit", audit_word, &mut said, |value| record.audit = Some(value));
        take(
            &document.record_input,
            "record.input",
            |input| input.to_string(),
            &mut said,
            |value| record.input = value,
        );
        take(&document.on_failure, "record.on_failure", failure_word, &mut said, |value| record.on_failure = value);
        take(&document.retention, "record.retention", retention_words, &mut said, |value| record.retention = value);
        let require = &mut self.require;
        take(
            &document.landlock_abi,
            "require.landlock_abi",
            |abi| abi.to_string(),
            &mut said,
            |value| {
                let abi = u32::try_from(value).unwrap_or(u32::MAX);
                require.landlock_abi = require.landlock_abi.max(Some(abi));
            },
        );
        take(&document.require_audit, "require.audit", audit_word, &mut said, |value| {
            if require.audit != Some(Audit::Full) {
                require.audit = Some(value);
            }
        });
        take(
            &document.require_recording,
            "require.recording",
            |yes| yes.to_string(),
            &mut said,
            |value| {
                require.recording |= value;
            },
        );
        said
    }

    fn agent(&mut self, document: &Document, said: &mut Vec<Said>) {
        let lists = [
            ("agent.match", &document.matches, &mut self.agent.matches),
            ("agent.append_args", &document.append_args, &mut self.agent.append_args),
        ];
        for (key, given, kept) in lists {
            if let Some(given) = given {
                said.extend(given.iter().map(|text| (key, text.value.clone(), text.at)));
                *kept = given.iter().map(|text| text.value.clone()).collect();
            }
        }
    }

    fn limits(&mut self, document: &Document, said: &mut Vec<Said>) {
        let limits = &mut self.limits;
        let all = [
            ("limits.processes", &document.processes, &mut limits.processes),
            ("limits.memory", &document.memory, &mut limits.memory),
            ("limits.open_files", &document.open_files, &mut limits.open_files),
            ("limits.file_size", &document.file_size, &mut limits.file_size),
            ("limits.wall_seconds", &document.wall_seconds, &mut limits.wall_seconds),
            ("limits.cpu_seconds", &document.cpu_seconds, &mut limits.cpu_seconds),
        ];
        for (key, given, kept) in all {
            take(given, key, |number| number.to_string(), said, |value| *kept = Some(value));
        }
    }

    /// Puts the result into the policy.
    pub fn store(self, policy: &mut Policy) {
        policy.agent = self.agent;
        policy.limits = self.limits;
        policy.record = self.record;
        policy.require = self.require;
    }
}

fn take<T: Copy>(
    given: &Option<Located<T>>,
    key: &'static str,
    text: impl Fn(T) -> String,
    said: &mut Vec<Said>,
    store: impl FnOnce(T),
) {
    if let Some(given) = given {
        said.push((key, text(given.value), given.at));
        store(given.value);
    }
}

fn audit_word(audit: Audit) -> String {
    match audit {
        Audit::Full => "full".into(),
        Audit::Writes => "writes".into(),
    }
}

fn failure_word(on_failure: OnFailure) -> String {
    match on_failure {
        OnFailure::Stop => "stop".into(),
        OnFailure::Continue => "continue".into(),
    }
}

fn retention_words(kept: Retention) -> String {
    let bounds = [("days", kept.days), ("count", kept.count), ("size", kept.size)];
    let mut words: Vec<String> =
        bounds.iter().filter_map(|(name, bound)| bound.map(|bound| format!("{name} {bound}"))).collect();
    if kept.keep_denied {
        words.push("denied ones stay".to_owned());
    }
    if words.is_empty() { "all".to_owned() } else { words.join(", ") }
}
