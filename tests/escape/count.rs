//! Every decision is in the recording exactly once, under four processes of four threads each.
//!
//! Invariant: distinct names make each event tell itself apart, so a lost and a doubled one cannot cancel out.
//! Leaves to others: what an event holds (`tests/prop`).

use std::collections::HashMap;

use crate::lab::{Lab, opens};
use crate::rules::Rules;

fn storm(how: &str, rules: &Rules) -> HashMap<String, usize> {
    let lab = Lab::new();
    lab.dir("work/storm");
    lab.file("work/storm/same", "same\n");
    let (said, recording) = lab.recorded(rules, &format!("storm {how} 4 4 {} {{work}}/storm", opens()));
    assert!(said.worked(), "{how}: {said:?}");
    let beneath = format!("{}/", lab.path("work/storm").to_string_lossy());
    let mut counts = HashMap::new();
    let mut next = 0;
    lab.each_event(&recording, |event| {
        assert_eq!(event["seq"], next, "sequence numbers have no gap");
        next += 1;
        assert_ne!(event["kind"], "lost", "nothing is lost");
        let opened = event["path"].as_str().filter(|_| event["op"] == "open");
        if let Some(name) = opened.and_then(|path| path.strip_prefix(&beneath)) {
            *counts.entry(name.to_owned()).or_default() += 1;
        }
    });
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

/// Programs that run as soon as they are written, as compilers and test runners have them: nobody else has them open then.
#[test]
fn programs_that_were_just_written() {
    let lab = Lab::new();
    for place in ["out/fresh", "work/fresh"] {
        lab.dir(place);
    }
    assert!(lab.outside("fresh 2 50 {out}/fresh", false).worked());
    let (said, _) = lab.recorded(&Rules::new().exec("{work}/**"), "fresh 2 1000 {work}/fresh");
    assert!(said.worked(), "{said:?}");
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
