//! Cedar policies of Docker's `MCP` namespace, beside a policy: in a session, and as `policy explain` and `check` tell of them.

use crate::{OWN, call, lab, talk};

const POLICIES: &str = r#"// What the small server may be, and what is called of it.
permit (principal, action == MCP::Action::"register", resource == MCP::Server::"small")
when { resource.command == "python3" };
permit (principal, action == MCP::Action::"invokeTool", resource == MCP::Tool::"other");
@id("no-production")
forbid (principal, action == MCP::Action::"invokeTool", resource == MCP::Tool::"other")
when { context.args.repo like "acme/prod*" };
@requireApproval("it is dear")
permit (principal, action == MCP::Action::"invokeTool", resource == MCP::Tool::"pid");
"#;

const CEDAR: &str = "[mcp]\ncedar = [\"mcp.cedar\"]\n";

fn cedar(policies: &str, rules: &str) -> crate::lab::Lab {
    let lab = lab(CEDAR, &format!("{}{rules}", OWN.replace("DIR", "PLACE")));
    let dir = lab.path("").to_str().unwrap().trim_end_matches('/').to_owned();
    let policy = std::fs::read_to_string(lab.path("policy.toml")).unwrap().replace("PLACE", &dir);
    lab.write("policy.toml", &policy);
    lab.write("mcp.cedar", policies);
    lab
}

/// Exit status, and what is printed on either stream.
fn told(lab: &crate::lab::Lab, words: &[&str]) -> (Option<i32>, String) {
    let policy = lab.path("policy.toml");
    let words: Vec<&str> =
        words.iter().map(|word| if *word == "POLICY" { policy.to_str().unwrap() } else { word }).collect();
    let output = lab.govsh(&words).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[cfg(feature = "cedar")]
#[test]
fn calls_and_lists_are_what_its_statements_say() {
    let lab = cedar(
        POLICIES,
        "[[mcp.rules]]\nid = \"pins\"\neffect = \"deny\"\nserver = \"small\"\ntools = [\"other\"]\nargs = { \"*\" = \"allow\", body = { exists = true } }\n",
    );
    let (out, status) = talk(
        &lab,
        "small",
        &[
            call(1, "other", r#"{"repo":"acme/x"}"#),
            call(2, "other", r#"{"repo":"acme/prod"}"#),
            call(3, "other", "{}"),
            call(4, "other", r#"{"repo":"acme/x","body":"x"}"#),
            call(5, "pid", "{}"),
            call(6, "env", r#"{"name":"SERVERS_SECRET"}"#),
        ],
    );
    let line = |id: &str| {
        let id: serde_json::Value = serde_json::from_str(id).unwrap();
        let answers = |line: &&str| serde_json::from_str::<serde_json::Value>(line).is_ok_and(|m| m["id"] == id);
        out.lines().find(answers).unwrap_or_else(|| panic!("{id} ({status}): {out}"))
    };
    let list: serde_json::Value = serde_json::from_str(line("\"list\"")).unwrap();
    let names: Vec<_> = list["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect();
    assert_eq!(names, ["pid", "other"]);
    assert!(line("1").contains(r#"\"repo\": \"acme/x\""#), "{out}");
    // A missing argument denies as one that is forbidden does.
    assert!(line("2").contains("Denied by policy mcp.cedar#3."), "{out}");
    assert!(line("3").contains("Denied by policy mcp.cedar#3."), "{out}");
    assert!(line("4").contains("Denied by policy pins."), "{out}");
    assert!(line("5").contains("Denied by policy mcp.cedar#4: nobody approved it"), "{out}");
    assert!(line("6").contains("Unknown tool: env") && !out.contains("sesame"), "{out}");
    let seen = lab.events("mcp");
    let by = |event: &&serde_json::Value| {
        let event = event.to_string();
        event.contains("no-production") && event.contains("mcp.cedar:5")
    };
    assert_eq!(seen.iter().filter(by).count(), 2, "{seen:#?}");
}

#[cfg(feature = "cedar")]
#[test]
fn statements_are_explained_and_checked_by_name_and_place() {
    let lab =
        cedar(POLICIES, "[[mcp.rules]]\nid = \"idle\"\neffect = \"allow\"\nserver = \"small\"\ntools = [\"env\"]\n");
    let place = "mcp.cedar:5:1";
    let explain = ["policy", "explain", "POLICY", "--mcp", "small/other", "--args"];
    let (status, text) = told(&lab, &[&explain[..], &[r#"{"repo": "acme/prod"}"#]].concat());
    assert!(status == Some(1) && text.contains("no-production") && text.contains(place), "{text}");
    let (status, text) = told(&lab, &[&explain[..], &["{}"]].concat());
    assert!(status == Some(1) && text.contains("what cannot be evaluated denies") && text.contains(place), "{text}");
    let (status, text) = told(&lab, &[&explain[..], &[r#"{"repo": "acme/x"}"#]].concat());
    assert!(status == Some(0) && text.contains("mcp.cedar#2"), "{text}");
    let (status, text) = told(&lab, &["policy", "explain", "POLICY", "--mcp", "small/pid"]);
    assert!(status == Some(2) && text.contains("it is dear"), "{text}");
    let (status, text) = told(&lab, &["policy", "check", "POLICY"]);
    assert!(status == Some(0) && text.contains("\"idle\" grants nothing: where there are Cedar policies"), "{text}");
    // A mistake has its place in its own file, and a server that no statement permits in the policy's.
    lab.write(
        "mcp.cedar",
        &format!("{POLICIES}\nforbid (principal, action, resource) when {{ resource.nmae == \"x\" }};\n"),
    );
    let (status, text) = told(&lab, &["policy", "check", "POLICY"]);
    assert!(status == Some(1) && text.contains("mcp.cedar' line 11, column 1: 'resource.nmae'"), "{text}");
    lab.write("mcp.cedar", &POLICIES.replace("python3", "node"));
    let (status, text) = told(&lab, &["policy", "check", "POLICY"]);
    let refused = "server 'small' may not be registered: no statement permits it";
    assert!(status == Some(1) && text.contains("policy.toml' line") && text.contains(refused), "{text}");
    let (_, text) = told(&lab, &["run", "--policy", "POLICY", "--", "true"]);
    assert!(text.contains(refused), "{text}");
}

/// A build without the feature: `cargo test --test mcp` alone.
#[cfg(not(feature = "cedar"))]
#[test]
fn without_the_feature_such_a_policy_is_refused_in_one_line() {
    let (status, text) = told(&cedar(POLICIES, ""), &["policy", "check", "POLICY"]);
    let says =
        "'mcp.cedar': this govsh was built without Cedar\nhint: build it with 'cargo build --release --features cedar'";
    assert!(status == Some(1) && text.contains(says), "{text}");
    let _ = (call, talk);
}
