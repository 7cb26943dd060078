//! `govsh policy explain`: one request, from every side.
//!
//! Invariant: what is judged is what a session would judge: real paths, addresses, the file that would run.
//! Leaves to others: the verdict (`policy`), what would alter it (`policy::change`), what holds it (`mechanism`).

mod mcp;
mod mechanism;
mod shape;
mod toggles;
mod wanted;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::{disk, here, load, print, rule_json, rule_text, verdict_word};
use crate::cli::PolicyExplain;
use crate::cmd::library::{Disk, answers_file, own_policies};
use crate::cmd::paint::Paint;
use crate::policy::change::{Change, Desk, Unchangeable, narrowest};
use crate::policy::{Explanation, Policy, Source, Verdict};
use crate::recording::visible;
use crate::sys::process;

use mechanism::Mechanism;
use wanted::Wanted;

/// One request, explained.
struct Answer {
    wanted: Wanted,
    explanation: Explanation,
    mechanism: Mechanism,
    change: Result<Vec<Change>, Unchangeable>,
    /// Names that would allow it, each with the list it stands in.
    toggles: Vec<(&'static str, &'static str)>,
}

/// Explains each request that was asked for: the worst verdict is the exit status.
pub fn explain(options: &PolicyExplain) -> Result<i32> {
    let disk = disk(&options.laid);
    let (source, policy) = load(&disk, &options.policy)?;
    if let Some(place) = &options.mcp {
        return mcp::explain(&policy, place, options);
    }
    let mut answers = Vec::new();
    for wanted in wanted::find(options)? {
        let explanation = shape::told(&policy, &wanted.request(), policy.explain(&wanted.request()));
        let mechanism = mechanism::of(&policy, &wanted.request(), explanation.decision);
        let change = alter(&disk, &source, &policy, &wanted, &explanation);
        let by_shape = explanation.decision.rule == policy.shape_rule();
        let is_denied = explanation.decision.verdict == Verdict::Deny && !by_shape;
        let toggles = match is_denied {
            true => toggles::that_allow(&options.laid, &source, &here(), &wanted.request()),
            false => Vec::new(),
        };
        answers.push(Answer { wanted, explanation, mechanism, change, toggles });
    }
    if options.json {
        let all: Vec<Value> = answers.iter().map(|answer| answer.json(&policy)).collect();
        let all = json!({ "policy": policy.name(), "sources": policy.sources(), "explanations": all });
        print(&format!("{all:#}\n"))?;
    } else {
        let paint = Paint::stdout();
        let texts: Result<Vec<String>, _> = answers.iter().map(|answer| answer.text(&policy, paint)).collect();
        print(&texts?.join("\n"))?;
    }
    let verdicts = || answers.iter().map(|answer| answer.explanation.decision.verdict);
    Ok(match verdicts().any(|verdict| verdict == Verdict::Deny) {
        true => 1,
        false if verdicts().any(|verdict| verdict == Verdict::Ask) => 2,
        false => 0,
    })
}

fn alter(
    disk: &Disk,
    source: &Source,
    policy: &Policy,
    wanted: &Wanted,
    explanation: &Explanation,
) -> Result<Vec<Change>, Unchangeable> {
    let vars = here();
    let own = own_policies().to_string_lossy().into_owned();
    let writable = |path: &[u8]| {
        let Ok(name) = std::ffi::CString::new(path) else { return false };
        process::may_access(&name, libc::W_OK).is_ok()
    };
    let desk = Desk {
        source,
        library: disk,
        vars: &vars,
        own: &own,
        answers: &|key| answers_file(key).to_string_lossy().into_owned(),
        writable: &writable,
        exists: &|path| Path::new(path).symlink_metadata().is_ok(),
    };
    narrowest(&desk, policy, &wanted.request(), explanation.decision)
}

impl Answer {
    fn text(&self, policy: &Policy, paint: Paint) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let verdict = self.explanation.decision.verdict;
        let word = match verdict {
            Verdict::Allow => paint.bold("allowed"),
            Verdict::Deny => paint.warm("denied"),
            Verdict::Ask => paint.warm("asks"),
        };
        writeln!(text, "{word}: {}", visible(self.wanted.shown.as_bytes()))?;
        for line in &self.wanted.judged {
            writeln!(text, "  judged     {}", visible(line.as_bytes()))?;
        }
        writeln!(text, "  rule       {}", rule_text(policy, self.explanation.decision.rule))?;
        let reason = policy.reason(self.explanation.decision.rule);
        if !reason.is_empty() {
            writeln!(text, "  reason     {reason}")?;
        }
        writeln!(text, "  held by    {}: {}", self.mechanism.how, self.mechanism.by)?;
        if !self.explanation.others.is_empty() {
            writeln!(text, "  also matches, and did not decide:")?;
        }
        for other in &self.explanation.others {
            writeln!(text, "    {}\n      {}", rule_text(policy, other.rule), paint.dim(&other.why))?;
        }
        self.change_text(&mut text, paint)?;
        for (key, name) in &self.toggles {
            writeln!(text, "  or switch on {name}: {}", paint.bold(&format!("govsh --with {name} -- …")))?;
            writeln!(text, "    in a policy: {key} = [\"{name}\"]")?;
        }
        Ok(text)
    }

    fn change_text(&self, text: &mut String, paint: Paint) -> std::fmt::Result {
        let opposite = if self.explanation.decision.verdict == Verdict::Allow { "deny" } else { "allow" };
        let changes = match &self.change {
            Ok(changes) => changes,
            Err(why) => return writeln!(text, "  to {opposite} it  {why}"),
        };
        for (at, change) in changes.iter().enumerate() {
            let Change { file, copy_of, whole, line, text: as_is, what, entry } = change;
            let start = if at == 0 { format!("to {opposite} it") } else { "and".to_owned() };
            let file = visible(file.as_bytes());
            writeln!(text, "  {start}: {}", visible(what.as_bytes()))?;
            match (copy_of, whole) {
                (Some(profile), _) => {
                    writeln!(text, "    govsh policy show {profile} > {file}")?;
                    writeln!(text, "    and there, line {line}:")?;
                }
                (None, Some(whole)) => {
                    writeln!(text, "    a new file {file}:")?;
                    for line in whole.lines().filter(|line| !line.is_empty()) {
                        writeln!(text, "      {}", paint.bold(&visible(line.as_bytes())))?;
                    }
                    continue;
                }
                (None, None) => writeln!(text, "    {file}:{line}")?,
            }
            let shown = if as_is.chars().count() > LONGEST { format!("… {entry}, …") } else { as_is.clone() };
            writeln!(text, "      {}", paint.bold(&visible(shown.as_bytes())))?;
        }
        Ok(())
    }

    fn json(&self, policy: &Policy) -> Value {
        let others: Vec<Value> = self
            .explanation
            .others
            .iter()
            .map(|other| json!({ "rule": rule_json(policy, other.rule), "why": other.why }))
            .collect();
        let change = |change: &Change| {
            let Change { file, copy_of, whole, line, text, what, entry } = change;
            json!({
                "file": file, "copy_of": copy_of, "contents": whole, "line": line, "text": text, "what": what,
                "entry": entry,
            })
        };
        let (changes, why_not): (Vec<Value>, Option<String>) = match &self.change {
            Ok(changes) => (changes.iter().map(change).collect(), None),
            Err(why) => (Vec::new(), Some(why.to_string())),
        };
        json!({
            "request": self.wanted.json(),
            "verdict": verdict_word(self.explanation.decision.verdict),
            "rule": rule_json(policy, self.explanation.decision.rule),
            "reason": policy.reason(self.explanation.decision.rule),
            "mechanism": { "how": self.mechanism.how, "by": self.mechanism.by },
            "others": others, "changes": changes, "unchangeable": why_not,
            "toggles": self.toggles.iter().map(|(key, name)| json!({ "key": key, "name": name })).collect::<Vec<_>>(),
        })
    }
}

/// A line longer than this is shown by the entry alone, in characters.
const LONGEST: usize = 160;
