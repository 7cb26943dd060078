//! Every decision is in the recording exactly once, under four processes of four threads each.
//!
//! Invariant: distinct names make each event tell itself apart, so a lost and a doubled one cannot cancel out.
//! Leaves to others: what an event holds (`tests/prop`).

use std::collections::HashMap;

use serde_json::Value;

use crate::lab::Lab;
use crate::rules::Rules;

/// Openings of each thread.
fn opens() -> usize {
    std::env::var("GOVSH_ESCAPE_OPENS").ok().and_then(|text| text.parse().ok()).unwrap_or(1000)
}

fn storm(how: &str, rules: &Rules) -> HashMap<String, usize> {
    let lab = Lab::new();
    lab.dir("work/storm");
    lab.file("work/storm/same", "same\n");
    let (said, events) = lab.inside(rules, &format!("storm {how} 4 4 {} {{work}}/storm", opens()));
    assert!(said.worked(), "{how}: {said:?}");
    for (next, event) in events.iter().enumerate() {
        assert_eq!(event["seq"], next, "sequence numbers have no gap");
    }
    assert!(!events.iter().any(|event| event["kind"] == "lost"), "nothing is lost");
    let beneath = format!("{}/", lab.path("work/storm").to_string_lossy());
    let mut counts = HashMap::new();
    let opened = |event: &&Value| event["op"] == "open";
    for path in events.iter().filter(opened).filter_map(|event| event["path"].as_str()) {
        if let Some(name) = path.strip_prefix(&beneath) {
            *counts.entry(name.to_owned()).or_default() += 1;
        }
    }
    counts
}

fn policies() -> [Rules; 2] {
    [Rules::new(), Rules::new().deny("**/.env")]
}

#[test]
fn the_same_file() {
    for rules in policies() {
        for how in ["same", "write"] {
            assert_eq!(storm(how, &rules), HashMap::from([("same".to_owned(), 16 * opens())]), "{how}");
        }
    }
}

#[test]
fn names_that_are_not_there() {
    for rules in policies() {
        let counts = storm("distinct", &rules);
        assert_eq!(counts.len(), 16 * opens(), "names recorded");
        let twice: Vec<_> = counts.iter().filter(|(_, times)| **times != 1).take(5).collect();
        assert!(twice.is_empty(), "recorded more than once: {twice:?}");
    }
}
