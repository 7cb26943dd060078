//! `govsh policy test`: a policy against its expectations.

use std::fmt::Write as _;

use anyhow::{Result, anyhow, bail};
use serde_json::{Value, json};

use super::{here, loaded, print, rule_json, rule_text, verdict_word};
use crate::cli::PolicyTest;
use crate::cmd::library::{Disk, told};
use crate::cmd::paint::Paint;
use crate::policy::expect::{self, Expectation};
use crate::policy::{Decision, Library, Policy};

/// 0 when every expectation holds, else 1.
pub fn test(options: &PolicyTest) -> Result<i32> {
    let disk = Disk::new();
    let file = disk.find(&options.file).map_err(|error| anyhow!(told(&error)))?;
    let expected = expect::read(&file, &here()).map_err(|error| anyhow!(told(&error)))?;
    if expected.tests.is_empty() {
        bail!("'{}' expects nothing\nhint: [[test]] entries, in it or in a file that says policy = \"…\"", file.name);
    }
    let name = file.name.clone();
    let source = match &expected.policy {
        Some(policy) => disk.load(policy, &file).map_err(|error| anyhow!(told(&error)))?,
        None => file,
    };
    let policy = loaded(&disk, source)?;
    let held: Vec<(&Expectation, Decision, bool)> = expected
        .tests
        .iter()
        .map(|test| (test, test.hold(&policy)))
        .map(|(test, (got, held))| (test, got, held))
        .collect();
    let failed = held.iter().filter(|(.., held)| !held).count();
    if options.json {
        let tests: Vec<Value> = held.iter().map(|(test, got, held)| result(&policy, test, *got, *held)).collect();
        let all = json!({ "file": name, "policy": policy.name(), "tests": tests, "failed": failed, "ok": failed == 0 });
        print(&format!("{all:#}\n"))?;
    } else {
        let mut text = String::new();
        for (test, got, _) in held.iter().filter(|(.., held)| !held) {
            failure(&mut text, &name, &policy, test, *got)?;
        }
        writeln!(text, "{} of {} as expected of {}", held.len() - failed, held.len(), policy.name())?;
        print(&text)?;
    }
    Ok(i32::from(failed > 0))
}

fn failure(text: &mut String, file: &str, policy: &Policy, test: &Expectation, got: Decision) -> std::fmt::Result {
    let paint = Paint::stdout();
    let place = paint.bold(&format!("{file}:{}:{}", test.line, test.column));
    let by = test.rule.as_ref().map(|rule| format!(" by \"{rule}\"")).unwrap_or_default();
    let (wanted, said) = (verdict_word(test.expect), verdict_word(got.verdict));
    writeln!(text, "{place}: {} {}: expected {wanted}{by}, got {said}", paint.warm("not as expected"), test.shown)?;
    writeln!(text, "  rule  {}", rule_text(policy, got.rule))?;
    for other in test.wish.request().map(|request| policy.explain(&request).others).unwrap_or_default() {
        writeln!(text, "  also  {}\n        {}", rule_text(policy, other.rule), paint.dim(&other.why))?;
    }
    Ok(())
}

fn result(policy: &Policy, test: &Expectation, got: Decision, held: bool) -> Value {
    json!({
        "line": test.line, "column": test.column, "request": test.shown, "expect": verdict_word(test.expect),
        "got": verdict_word(got.verdict), "rule": rule_json(policy, got.rule), "ok": held,
    })
}
