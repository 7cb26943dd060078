//! What the recording of a test's session says.
//!
//! Invariant: it is read back with `govsh show`, as a user would, never from the file's bytes.
//! Leaves to others: what must be in it.

use serde_json::Value;

use crate::stage::Stage;

/// The events of a stage's latest session.
pub struct Evidence {
    pub events: Vec<Value>,
    /// What `govsh show` prints about it.
    pub shown: String,
}

impl Evidence {
    pub fn of_last(stage: &Stage) -> Evidence {
        let json = text(stage, &["show", "last", "--events", "--json"]);
        let values = serde_json::Deserializer::from_str(&json).into_iter::<Value>();
        let events = values.map(|value| value.unwrap()).flat_map(|value| match value {
            Value::Array(events) => events,
            event => vec![event],
        });
        Evidence { events: events.collect(), shown: text(stage, &["show", "last"]) }
    }

    /// The events of one kind for which `field` is `value`.
    pub fn of(&self, kind: &str, field: &str, value: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["kind"] == kind && event[field] == value).collect()
    }

    /// Every event that was refused, one line each; a file that is not there would not have opened natively, either.
    pub fn denials(&self) -> Vec<String> {
        let denied = self.events.iter().filter(|event| event["verdict"] == "deny" && event["errno"] != "ENOENT");
        denied.map(line).collect()
    }

    /// The programs that ran, as their argument vectors.
    pub fn programs(&self) -> Vec<Vec<String>> {
        let execs = self.events.iter().filter(|event| event["kind"] == "exec" && event["verdict"] == "allow");
        execs.map(|event| words(&event["argv"])).collect()
    }

    /// Asserts that a decision of `kind` on this `field` was recorded with its rule and layer, and returns it.
    pub fn decided(&self, kind: &str, field: &str, value: &str, verdict: &str) -> &Value {
        let about = self.of(kind, field, value);
        let found = about.iter().find(|event| event["verdict"] == verdict);
        let event = found.unwrap_or_else(|| panic!("no {verdict} of {kind} {value} in the recording, only {about:#?}"));
        for named in ["rule", "layer", "via"] {
            assert!(event[named].as_str().is_some_and(|text| !text.is_empty()), "no {named} in {event}");
        }
        event
    }
}

fn text(stage: &Stage, arguments: &[&str]) -> String {
    let output = stage.govsh(arguments).output().unwrap();
    assert!(output.status.success(), "govsh {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn words(argv: &Value) -> Vec<String> {
    argv.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn line(event: &Value) -> String {
    let word = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let object = ["path", "addr", "path2"].map(word).join(" ");
    format!("{} {} {} ({}, {})", word("kind"), word("op"), object.trim(), word("rule"), word("errno"))
}
