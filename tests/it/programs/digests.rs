//! Digests of programs: in events, in what is shown, and in rules.

use serde_json::Value;

use crate::bench::Bench;

fn hash(path: &str) -> String {
    blake3::hash(&std::fs::read(path).expect("a program")).to_hex().to_string()
}

#[test]
fn every_program_that_ran_has_its_digest() {
    let bench = Bench::new("");
    let script = bench.program("work/script", b"#!/bin/sh\n/usr/bin/true; /usr/bin/true; /usr/bin/echo x\n");
    let ran = bench.sh("./script; ./script");
    let starts: Vec<&Value> = ran.kind("proc").filter(|event| event["op"] == "exec").collect();
    assert_eq!(starts.len(), 9, "{starts:?}");
    for event in starts {
        let exe = event["exe"].as_str().expect("a path");
        assert_eq!(event["digest"], hash(exe), "{event}");
    }
    let shown = bench.show(&["--programs", "--json"], &ran.recording);
    assert!(shown.contains(&hash(&script.to_string_lossy())), "{shown}");
    let shown = bench.show(&["--programs"], &ran.recording);
    assert!(shown.contains(&format!("blake3:{}", &hash("/usr/bin/true")[..16])), "{shown}");
}

#[test]
fn a_program_is_denied_by_its_bytes_under_any_name() {
    let bench = Bench::new(&format!("[exec]\ndeny = [{{ digest = 'blake3:{}' }}]", hash("/usr/bin/printf")));
    for line in [
        "/usr/bin/printf reached",
        "cp /usr/bin/printf ./x; ./x reached",
        "cp /usr/bin/true ./x; ./x; cat /usr/bin/printf > x; ./x reached",
        "/lib64/ld-linux-*.so* /usr/bin/printf reached",
    ] {
        let ran = bench.sh(line);
        assert!(ran.denied(&hash("/usr/bin/printf")), "{line}: {} {:?}", ran.stderr, ran.events);
        assert!(!ran.stdout.contains("reached"), "{line}");
    }
    let ran = bench.sh("cp /usr/bin/printf ./x; printf x >> x; ./x reached");
    assert_eq!(ran.stdout, "reached", "as the manual says: {}", ran.stderr);
}
