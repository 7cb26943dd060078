//! Servers held: to what is pinned of them, to their own limits, and still.

use std::time::Instant;

use serde_json::json;

use crate::lab::{Lab, PATIENCE};
use crate::{ALLOW_ALL, GOVSH, HELLO, OWN, call, lab};

/// A client that says these things to `small` and nothing else.
fn says(lab: &Lab, messages: &[String]) -> Vec<String> {
    let client = lab.path("client.py").to_str().unwrap().to_owned();
    let words = ["python3", &client, GOVSH, "mcp", "connect", "small", "--"].map(str::to_owned);
    words.into_iter().chain(messages.iter().cloned()).collect()
}

fn start(lab: &Lab, messages: &[String]) -> crate::lab::Session {
    let words = says(lab, messages);
    lab.start(&[], &words.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn a_client_that_never_asks_for_the_list_can_call_what_is_on_it() {
    let lab = lab(OWN, ALLOW_ALL);
    let greeting = || HELLO[..2].iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    let calls = || [greeting(), vec![call(1, "pid", "{}"), call(2, "unlisted", "{}")]].concat();
    let (out, _) = start(&lab, &calls()).end();
    assert!(out.contains("\"result\"") && out.contains("Denied by policy pins: the tool was never listed"), "{out}");
    assert!(!out.contains("govsh-tools"), "the list is for nobody: {out}");
    let pins = std::fs::read_to_string(lab.path("config/govsh/pins/small.json")).unwrap();
    assert!(pins.contains("\"touch\"") && !pins.contains("unlisted"), "{pins}");
    let seen = lab.events("mcp");
    let of = |name: &str| seen.iter().find(|event| event["op"] == "call" && event["name"] == name).unwrap().clone();
    assert_eq!((&of("unlisted")["rule"], &of("unlisted")["verdict"]), (&json!("pins"), &json!("deny")));
    // Which process it was that answered stands in the record.
    let pid = seen.iter().find(|event| event["op"] == "result" && event["name"] == "pid").unwrap()["pid"].clone();
    assert!(out.contains(&format!("\"text\": \"{pid}\"")), "{pid} {out}");
}

#[test]
fn what_a_servers_own_policy_limits_ends_it() {
    for (limit, tool) in [("wall_seconds = 2", "hang"), ("output_bytes = 100000", "flood")] {
        let lab = lab(OWN, ALLOW_ALL);
        let policy = std::fs::read_to_string(lab.path("server.toml")).unwrap();
        lab.write("server.toml", &format!("{policy}[limits]\n{limit}\n"));
        let messages = HELLO.iter().map(|line| (*line).to_owned()).chain([call(1, tool, "{}"), call(2, "hang", "{}")]);
        let (out, status) = start(&lab, &messages.collect::<Vec<_>>()).end();
        // By SIGTERM, as its client is told.
        assert!(out.contains("closed") && status == 143, "{status} {out}");
        let name = limit.split(' ').next().unwrap();
        let told = lab.events("limit");
        let is_it = |event: &serde_json::Value| {
            event["what"].as_str().is_some_and(|what| what.starts_with(name) && what.contains("'small'"))
        };
        assert!(told.iter().any(is_it), "{told:?}");
    }
}

#[test]
fn with_the_session_its_servers_stand_still_and_go_on() {
    let lab = lab(OWN, ALLOW_ALL);
    let (up, goes_on) = (lab.path("work/shared/up"), lab.path("work/goes-on"));
    let touch = call(1, "touch", &format!(r#"{{"path":"{}"}}"#, up.display()));
    let greeting = HELLO.iter().map(|line| (*line).to_owned());
    let steps = greeting.chain([call(0, "pid", "{}").replace("\"id\":0", "\"id\":7"), touch]);
    let steps: Vec<String> = steps.chain([format!("@{}", goes_on.display()), call(2, "pid", "{}")]).collect();
    let session = start(&lab, &steps);
    let deadline = Instant::now() + PATIENCE;
    let until = |is_so: &dyn Fn() -> bool| {
        while !is_so() {
            assert!(Instant::now() < deadline);
            std::thread::park_timeout(std::time::Duration::from_millis(5));
        }
    };
    until(&|| up.exists());
    let small = lab.path("small.py");
    let states = || -> Vec<char> {
        let runs = |pid: &String| {
            let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let last = format!("\0{}\0", small.display());
            words.ends_with(last.as_bytes()) && String::from_utf8_lossy(&words).contains("python")
        };
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let pids = processes.filter_map(|entry| entry.file_name().into_string().ok()).filter(runs);
        let state = |pid: String| {
            std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?.rsplit_once(") ")?.1.chars().next()
        };
        pids.filter_map(state).collect()
    };
    assert_eq!(states().len(), 1, "the server runs, else this proves nothing");
    let mut person = session.person();
    assert_eq!(person.try_say(json!({ "op": "freeze" }))["ok"], true);
    until(&|| states() == ['T']);
    assert_eq!(person.try_say(json!({ "op": "thaw" }))["ok"], true);
    until(&|| matches!(states()[..], ['S' | 'R']));
    lab.write("work/goes-on", "");
    let (out, _) = session.end();
    assert!(out.contains("\"id\": 2"), "{out}");
}
