//! Declared servers: started, spoken to, held to their own policy, ended.

use std::process::Command;
use std::time::Instant;

use crate::lab::PATIENCE;
use crate::{ALLOW_ALL, GOVSH, HELLO, OWN, call, lab, script, talk};

fn node(name: &str, package: &str, arguments: &str) -> String {
    let script = script(package);
    let script = script.to_str().unwrap();
    format!("[mcp.servers.{name}]\ncommand = [\"node\", \"{script}\"{arguments}]\npolicy = \"DIR/server.toml\"\n")
}

#[test]
fn the_reference_server_shows_and_does_what_the_rules_say() {
    let rules = "[[mcp.rules]]\nid = \"some\"\neffect = \"allow\"\nserver = \"everything\"\ntools = [\"echo\", \"get-sum\"]\n\
                 [[mcp.rules]]\nid = \"not-that\"\neffect = \"deny\"\nserver = \"everything\"\ntools = [\"echo\"]\nargs = { message = { glob = \"*secret*\" } }\nreason = \"secrets stay here\"\n";
    let lab = lab(&node("everything", "server-everything", ""), rules);
    let (out, status) = talk(
        &lab,
        "everything",
        &[
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#.to_owned(),
            call(2, "echo", r#"{"message":"hello"}"#),
            call(3, "echo", r#"{"message":"a secret thing"}"#),
            call(4, "get-env", "{}"),
        ],
    );
    assert_eq!(status, 0, "{out}");
    let line = |id: u32| {
        let found = out
            .lines()
            .find(|line| serde_json::from_str::<serde_json::Value>(line).is_ok_and(|message| message["id"] == id));
        found.unwrap_or_else(|| panic!("{id}: {out}")).to_owned()
    };
    let list: serde_json::Value = serde_json::from_str(&line(1)).unwrap();
    let names: Vec<_> = list["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect();
    assert_eq!(names, ["echo", "get-sum"]);
    assert!(line(2).contains("Echo: hello"), "{out}");
    assert!(line(3).contains("Denied by policy not-that: secrets stay here") && !line(3).contains("a secret"), "{out}");
    assert!(line(4).contains("Unknown tool: get-env"), "{out}");
    assert!(out.contains("Starting default (STDIO) server"), "its stderr: {out}");
    let seen = lab.events("mcp");
    let called = |name: &str| seen.iter().filter(|event| event["op"] == "call" && event["name"] == name).count();
    assert!(called("echo") == 2 && called("get-env") == 1, "{seen:#?}");
    assert!(!seen.iter().any(|event| event.to_string().contains("a secret thing")), "{seen:#?}");
}

#[test]
fn under_a_policy_that_allows_everything_no_byte_is_another() {
    let lab = lab(&node("everything", "server-everything", ""), ALLOW_ALL);
    let messages = [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#.to_owned(),
        call(2, "echo", r#"{"message":"é\u0000\\ \"x\" 𝄞"}"#),
        r#"{ "jsonrpc" : "2.0", "id":"text", "method":"resources/list" }"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":4,"method":"prompts/list"}"#.to_owned(),
        call(5, "get-tiny-image", "{}"),
        call(6, "get-structured-content", r#"{"location":"New York"}"#),
        r#"{"jsonrpc":"2.0","id":8,"method":"no/such/method"}"#.to_owned(),
    ];
    let direct = Command::new("python3")
        .arg(lab.path("client.py"))
        .args(["node", script("server-everything").to_str().unwrap(), "--"])
        .args(HELLO)
        .args(&messages)
        .output()
        .unwrap();
    let direct = String::from_utf8(direct.stdout).unwrap();
    let (relayed, _) = talk(&lab, "everything", &messages);
    let answers = |text: &str| text.lines().filter(|line| line.starts_with('{')).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(answers(&direct).len(), 9, "{direct}");
    assert_eq!(answers(&direct), answers(&relayed), "{relayed}");
}

#[test]
fn a_server_is_held_to_its_own_policy_whatever_it_is_asked() {
    // It would serve the whole of /tmp: its policy denies what is the session's.
    let lab = lab(&node("files", "server-filesystem", ", \"/tmp\""), ALLOW_ALL);
    let (inside, outside) = (lab.path("work/shared/in.txt"), lab.path("state/out.txt"));
    let write = |id, path: &std::path::Path| {
        call(id, "write_file", &format!(r#"{{"path":"{}","content":"x"}}"#, path.display()))
    };
    let (out, _) = talk(&lab, "files", &[write(1, &inside), write(2, &outside)]);
    assert!(out.contains("Successfully wrote") && inside.exists(), "{out}");
    assert!(
        !outside.exists() && (out.contains("EACCES") || out.contains("ermission denied") || out.contains("denied")),
        "{out}"
    );
    let denied = lab.events("file");
    let path = outside.parent().unwrap().to_str().unwrap();
    assert!(denied.iter().any(|e| e["verdict"] == "deny" && e["path"].as_str().is_some_and(|p| p.starts_with(path))));
}

#[test]
fn it_ends_with_its_client_and_its_status_is_told() {
    let lab = lab(OWN, ALLOW_ALL);
    let (out, _) = talk(&lab, "small", &[call(1, "pid", "{}")]);
    // With the end of its input it exits by itself.
    assert!(out.contains("exit 5") && out.contains("small is up"), "{out}");
    let (out, status) = talk(&lab, "small", &[call(1, "die", "{}"), call(2, "pid", "{}")]);
    assert!(out.contains("closed"), "{out}");
    assert_eq!(status, 9, "{out}");
}

#[test]
fn a_server_that_died_is_started_again_by_its_client() {
    let lab = lab(OWN, ALLOW_ALL);
    let client = lab.path("client.py");
    let one = |message: &str| {
        let hello = HELLO.map(|line| format!("'{line}'")).join(" ");
        format!("python3 {} {GOVSH} mcp connect small -- {hello} '{message}'", client.display())
    };
    let script =
        format!("{}; {}; {}", one(&call(1, "die", "{}")), one(&call(2, "pid", "{}")), one(&call(3, "pid", "{}")));
    let (out, _) = lab.start(&[], &["sh", "-c", &script]).end();
    assert!(out.contains("closed") && out.matches("exit 5").count() == 2, "{out}");
}

#[test]
fn a_server_whose_policy_cannot_be_read_is_the_end_before_the_beginning() {
    let lab = lab(OWN, ALLOW_ALL);
    lab.write("server.toml", "version = 1\n[files]\nreed = [\"/\"]\n");
    let (out, status) = lab.start(&[], &["touch", "x"]).end();
    assert!(status == 126 && out.contains("'small'") && out.contains("server.toml"), "{status} {out}");
    assert!(!lab.path("work/x").exists());
}

#[test]
fn outside_of_a_session_there_is_nothing_to_connect_to() {
    let output = Command::new(GOVSH).args(["mcp", "connect", "small"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(125) && told.contains("no MCP servers are to be had here"), "{told}");
}

#[test]
fn when_the_front_is_killed_the_servers_are_gone_too() {
    let lab = lab(OWN, ALLOW_ALL);
    let client = lab.path("client.py");
    let mut words = vec!["python3", client.to_str().unwrap(), GOVSH, "mcp", "connect", "small", "--"];
    words.extend(HELLO);
    let touch = call(1, "touch", &format!(r#"{{"path":"{}"}}"#, lab.path("work/shared/up").display()));
    let wait = format!("@{}", lab.path("work/never").display());
    words.extend([touch.as_str(), &wait]);
    let session = lab.start(&[], &words);
    let deadline = Instant::now() + PATIENCE;
    let small = lab.path("small.py");
    let runs = || {
        let found = Command::new("pgrep").arg("-f").arg(format!("python[0-9.]* {}", small.display())).output().unwrap();
        !found.stdout.is_empty()
    };
    let pause = || {
        assert!(Instant::now() < deadline);
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    };
    while !(lab.path("work/shared/up").exists() && runs()) {
        pause();
    }
    // SIGKILL for the front.
    drop(session);
    while runs() {
        pause();
    }
}

#[test]
fn another_policy_holds_for_the_next_call() {
    let lab = lab(OWN, ALLOW_ALL);
    let client = lab.path("client.py");
    let mut words = vec!["python3", client.to_str().unwrap(), GOVSH, "mcp", "connect", "small", "--"];
    words.extend(HELLO);
    let up = call(1, "touch", &format!(r#"{{"path":"{}"}}"#, lab.path("work/shared/up").display()));
    let wait = format!("@{}", lab.path("work/reloaded").display());
    let (again, list) = (call(2, "other", "{}"), r#"{"jsonrpc":"2.0","id":3,"method":"tools/list"}"#);
    words.extend([up.as_str(), &wait, &again, list]);
    let session = lab.start(&[], &words);
    let deadline = Instant::now() + PATIENCE;
    while !lab.path("work/shared/up").exists() {
        assert!(Instant::now() < deadline);
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
    let policy = std::fs::read_to_string(lab.path("policy.toml")).unwrap();
    let deny = "[[mcp.rules]]\nid = \"later\"\neffect = \"deny\"\nserver = \"small\"\ntools = [\"other\"]\n";
    lab.write("policy.toml", &format!("{policy}{deny}"));
    let reloaded = lab.govsh(&["policy", "reload"]).output().unwrap();
    assert!(reloaded.status.success(), "{}", String::from_utf8_lossy(&reloaded.stderr));
    lab.write("work/reloaded", "");
    let (out, _) = session.end();
    assert!(out.contains("Unknown tool: other"), "{out}");
    assert!(!out.lines().any(|line| line.contains("\"name\": \"other\"") && line.contains("\"id\": 3")), "{out}");
}
