//! Settings over several files. In a profile the most derived file that says something wins; a layer laid over it can
//! only tighten.
//!
//! Invariant: what a file does not mention keeps its base's value; requirements add up everywhere.
//! Leaves to others: rules on paths, addresses and variables (`load`).
//!
//! | key | over the layers |
//! |---|---|
//! | `limits.*` | the smallest |
//! | `record.audit`, `record.on_failure` | `full` and `stop`, if any says so |
//! | `mcp.on_change` | `deny` before `ask` before `log` |
//! | `record.input`, `record.mcp`, `record.retention` | the most trusted that says it |
//! | `require.*` | the strictest |

use super::compiled::Policy;
use super::document::Document;
use super::table::Located;
use super::{Agent, Audit, Depth, Handover, Layer, Limits, OnChange, OnFailure, Record, Require, Retention};

/// What the files so far say.
#[derive(Debug, Default)]
pub struct Settings {
    agent: Agent,
    limits: Limits,
    record: Record,
    on_failure: Option<OnFailure>,
    on_change: Option<OnChange>,
    /// Whose `record.input`, `record.mcp` and `record.retention` hold.
    input_by: Option<Layer>,
    mcp_by: Option<Layer>,
    retention_by: Option<Layer>,
    require: Require,
}

/// How a file's settings meet those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// A file of the profile: what it says replaces what its bases say.
    Derives(Layer),
    /// A trusted layer.
    Layer(Layer),
    /// A file that can do nothing but tighten.
    Tightens,
}

/// A setting as a rule for people.
#[derive(Debug)]
pub struct Said {
    pub key: &'static str,
    pub text: String,
    /// Offset in its file.
    pub at: usize,
    /// It holds now, so far.
    pub holds: bool,
}

impl Settings {
    /// Takes over what the document says, and returns it for the list of rules.
    pub fn merge(&mut self, document: &Document, manner: Manner) -> Vec<Said> {
        let mut said = Vec::new();
        if matches!(manner, Manner::Derives(_)) {
            self.agent(document, &mut said);
        }
        self.limits(document, manner, &mut said);
        self.record(document, manner, &mut said);
        self.require(document, &mut said);
        said
    }

    fn agent(&mut self, document: &Document, said: &mut Vec<Said>) {
        let lists = [
            ("agent.match", &document.matches, &mut self.agent.matches),
            ("agent.append_args", &document.append_args, &mut self.agent.append_args),
        ];
        for (key, given, kept) in lists {
            if let Some(given) = given {
                let one = |text: &Located<String>| Said { key, text: text.value.clone(), at: text.at, holds: true };
                said.extend(given.iter().map(one));
                *kept = given.iter().map(|text| text.value.clone()).collect();
            }
        }
        take(&document.agent_mcp, "agent.mcp", handover_word, said, |value| {
            self.agent.mcp = Some(value);
            true
        });
    }

    fn limits(&mut self, document: &Document, manner: Manner, said: &mut Vec<Said>) {
        let limits = &mut self.limits;
        let all = [
            ("limits.processes", &document.processes, &mut limits.processes),
            ("limits.memory", &document.memory, &mut limits.memory),
            ("limits.open_files", &document.open_files, &mut limits.open_files),
            ("limits.file_size", &document.file_size, &mut limits.file_size),
            ("limits.wall_seconds", &document.wall_seconds, &mut limits.wall_seconds),
            ("limits.cpu_seconds", &document.cpu_seconds, &mut limits.cpu_seconds),
            ("limits.output_bytes", &document.output_bytes, &mut limits.output_bytes),
        ];
        for (key, given, kept) in all {
            take(
                given,
                key,
                |number| number.to_string(),
                said,
                |value| {
                    let holds = matches!(manner, Manner::Derives(_)) || kept.is_none_or(|kept| value < kept);
                    if holds {
                        *kept = Some(value);
                    }
                    holds
                },
            );
        }
    }

    fn record(&mut self, document: &Document, manner: Manner, said: &mut Vec<Said>) {
        let record = &mut self.record;
        // What is not said at all: the strict value holds.
        let first = |said: bool| match manner {
            Manner::Derives(_) => true,
            Manner::Layer(_) => !said,
            Manner::Tightens => false,
        };
        take(&document.record_audit, "record.audit", audit_word, said, |value| {
            let holds = first(record.audit.is_some()) || value == Audit::Full;
            if holds {
                record.audit = Some(value);
            }
            holds
        });
        let on_failure = &mut self.on_failure;
        take(&document.on_failure, "record.on_failure", failure_word, said, |value| {
            let holds = first(on_failure.is_some()) || value == OnFailure::Stop;
            if holds {
                *on_failure = Some(value);
            }
            holds
        });
        let on_change = &mut self.on_change;
        take(&document.on_change, "mcp.on_change", change_word, said, |value| {
            let holds = first(on_change.is_some()) || on_change.is_none_or(|known| value > known);
            if holds {
                *on_change = Some(value);
            }
            holds
        });
        let decides = |by: &mut Option<Layer>| {
            let holds = match manner {
                Manner::Derives(layer) => Some(layer),
                Manner::Layer(layer) => Some(layer).filter(|layer| by.is_none_or(|by| *layer < by)),
                Manner::Tightens => None,
            };
            *by = holds.or(*by);
            holds.is_some()
        };
        take(
            &document.record_input,
            "record.input",
            |input| input.to_string(),
            said,
            |value| {
                let holds = decides(&mut self.input_by);
                if holds {
                    record.input = value;
                }
                holds
            },
        );
        take(&document.record_mcp, "record.mcp", depth_word, said, |value| {
            let holds = decides(&mut self.mcp_by);
            if holds {
                record.mcp = value;
            }
            holds
        });
        take(&document.retention, "record.retention", retention_words, said, |value| {
            let holds = decides(&mut self.retention_by);
            if holds {
                record.retention = value;
            }
            holds
        });
    }

    /// Requirements add up whoever makes them: none makes a session possible that was not.
    fn require(&mut self, document: &Document, said: &mut Vec<Said>) {
        let require = &mut self.require;
        take(
            &document.landlock_abi,
            "require.landlock_abi",
            |abi| abi.to_string(),
            said,
            |value| {
                let abi = Some(u32::try_from(value).unwrap_or(u32::MAX));
                let holds = abi > require.landlock_abi;
                require.landlock_abi = require.landlock_abi.max(abi);
                holds
            },
        );
        take(&document.require_audit, "require.audit", audit_word, said, |value| {
            let holds = require.audit.is_none() || require.audit != Some(Audit::Full) && value == Audit::Full;
            if holds {
                require.audit = Some(value);
            }
            holds
        });
        take(
            &document.require_recording,
            "require.recording",
            |yes| yes.to_string(),
            said,
            |value| {
                let holds = value && !require.recording;
                require.recording |= value;
                holds
            },
        );
    }

    /// Puts the result into the policy.
    pub fn store(mut self, policy: &mut Policy) {
        self.record.on_failure = self.on_failure.unwrap_or_default();
        policy.agent = self.agent;
        policy.on_change = self.on_change.unwrap_or_default();
        policy.limits = self.limits;
        policy.record = self.record;
        policy.require = self.require;
    }
}

/// `store` says whether the value holds.
fn take<T: Copy>(
    given: &Option<Located<T>>,
    key: &'static str,
    text: impl Fn(T) -> String,
    said: &mut Vec<Said>,
    store: impl FnOnce(T) -> bool,
) {
    if let Some(given) = given {
        said.push(Said { key, text: text(given.value), at: given.at, holds: store(given.value) });
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

fn depth_word(depth: Depth) -> String {
    match depth {
        Depth::Digest => "digest".into(),
        Depth::Full => "full".into(),
    }
}

fn handover_word(handover: Handover) -> String {
    match handover {
        Handover::Codex => "codex".into(),
        Handover::Claude => "claude".into(),
        Handover::Gemini => "gemini".into(),
        Handover::Opencode => "opencode".into(),
    }
}

fn change_word(on_change: OnChange) -> String {
    match on_change {
        OnChange::Deny => "deny".into(),
        OnChange::Ask => "ask".into(),
        OnChange::Log => "log".into(),
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
