//! `govsh policy check`: the first error, or what is odd.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::{Value, json};

use super::{disk, here, print};
use crate::cli::PolicyCheck;
use crate::cmd::library::told;
use crate::cmd::paint::Paint;
use crate::policy::lint::{self, Finding, Severity};
use crate::policy::{Policy, PolicyError, expect};

/// Silence and 0 when there is nothing to say; errors go to stderr, findings to stdout.
pub fn check(options: &PolicyCheck) -> Result<i32> {
    let disk = disk(&options.laid);
    let found = disk.find(&options.policy).and_then(|source| {
        let policy = Policy::load(source.clone(), &disk, &here())?;
        expect::read(&source, &here())?;
        Ok((policy, lint::check(&source, &disk, &here())?))
    });
    let (policy, found) = match found {
        Ok(found) => found,
        Err(error) if options.json => {
            print(&format!("{:#}\n", error_json(&error)))?;
            return Ok(1);
        }
        Err(error) => {
            eprintln!("govsh: {}", told(&error));
            return Ok(1);
        }
    };
    let worst = found.iter().map(|finding| finding.severity).min();
    let bad = worst.is_some_and(|worst| worst == Severity::Error || options.strict && worst == Severity::Warning);
    if options.json {
        let findings: Vec<Value> = found.iter().map(finding_json).collect();
        let all = json!({ "ok": !bad, "name": policy.name(), "sources": policy.sources(), "findings": findings });
        print(&format!("{all:#}\n"))?;
    } else {
        print(&text(&found, Paint::stdout())?)?;
    }
    Ok(i32::from(bad))
}

fn text(found: &[Finding], paint: Paint) -> Result<String> {
    let mut text = String::new();
    for finding in found {
        let Finding { severity, code, source, line, column, text: rule, says, hint } = finding;
        let word = severity_word(*severity);
        let word = if *severity == Severity::Note { paint.dim(word) } else { paint.warm(word) };
        writeln!(text, "{}: {word} ({code}): \"{rule}\" {says}", paint.bold(&format!("{source}:{line}:{column}")))?;
        if let Some(hint) = hint {
            writeln!(text, "  {}", paint.dim(hint))?;
        }
    }
    Ok(text)
}

fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn finding_json(finding: &Finding) -> Value {
    let Finding { severity, code, source, line, column, text, says, hint } = finding;
    json!({
        "severity": severity_word(*severity), "code": code, "policy": source, "line": line, "column": column,
        "rule": text, "says": says, "hint": hint,
    })
}

fn error_json(error: &PolicyError) -> Value {
    match error {
        PolicyError::At { policy, line, column, reason, hint } => {
            json!({ "ok": false, "policy": policy, "line": line, "column": column, "reason": reason, "hint": hint })
        }
        PolicyError::Whole { policy, reason, hint } => {
            json!({ "ok": false, "policy": policy, "reason": reason, "hint": hint })
        }
    }
}
