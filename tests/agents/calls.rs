//! Real agents call a tool of a real MCP server that the policy declares: handed over at their start, judged by argument.
//!
//! Invariant: nothing of the agent's own configuration names the server, and the agent cannot run it by itself.
//! Leaves to others: the relay's every rule (`tests/it`).

use serde_json::{Value, json};

use crate::evidence::Evidence;
use crate::install::{node_modules, servers_node_modules};
use crate::model::{CLOSING, Model};
use crate::others::GEMINI;
use crate::scripted::{CLAUDE, CODEX};
use crate::stage::{Stage, User, hard_link};

const SERVER: &str = "servers/node_modules/@modelcontextprotocol/server-everything/dist/index.js";

/// One call that a rule allows, and one that its argument denies.
fn script() -> String {
    let echo = |message: &str| json!({ "server": "everything", "tool": "echo", "arguments": { "message": message } });
    format!("mcp:{}", json!([echo("ok-1"), echo("geheim-2")]))
}

fn stage() -> Stage {
    let stage = Stage::new(User::Own);
    stage.install(node_modules());
    std::fs::create_dir(stage.path("servers")).unwrap();
    hard_link(servers_node_modules(), &stage.path("servers/node_modules"));
    stage.write(
        "server.toml",
        &format!("version = 1\nextends = [\"mcp-server\"]\n[files]\nread = [\"{}/**\"]\n", stage.text("servers")),
    );
    stage
}

fn policy(stage: &Stage, agent: &str, port: u16, depth: &str) -> String {
    let text = format!(
        "version = 1\nextends = [\"{}\"]\n[network]\nallow = [\"127.0.0.1:{port}\"]\n[record]\nmcp = \"{depth}\"\n\
         [mcp.servers.everything]\ncommand = [\"node\", \"{}\", \"stdio\"]\npolicy = \"{}\"\n\
         [[mcp.rules]]\nid = \"echo-ok\"\neffect = \"allow\"\nserver = \"everything\"\ntools = [\"echo\"]\n\
         args = {{ message = {{ prefix = \"ok-\" }}, \"*\" = \"forbid\" }}\n",
        agent,
        stage.text(SERVER),
        stage.text("server.toml"),
    );
    stage.write("team.toml", &text).to_str().unwrap().to_owned()
}

/// Runs an agent, by the profile of its name, with the model server's port for its settings.
fn calls_of(agent: &str, settle: impl FnOnce(&mut Stage, u16), turn: &[&str], depth: &str) -> (Evidence, Vec<Value>) {
    let mut stage = stage();
    let model = Model::start(&stage.path(""), &script());
    settle(&mut stage, model.port);
    let policy = policy(&stage, agent, model.port, depth);
    let arguments = ["--policy", &policy, "--"];
    let output = stage.govsh(arguments.iter().chain(turn)).output().unwrap();
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains(CLOSING), "{output:?}");
    (Evidence::of_last(&stage), model.requests())
}

/// Of the recording: one call allowed, one denied by its argument, both by the rule that stands in the policy.
fn assert_judged(evidence: &Evidence) {
    let calls = evidence.of("mcp", "op", "call");
    let echoes: Vec<_> = calls.into_iter().filter(|call| call["name"] == "echo").collect();
    let verdicts: Vec<_> = echoes.iter().filter_map(|call| call["verdict"].as_str()).collect();
    assert_eq!(verdicts, ["allow", "deny"], "{echoes:#?}");
    assert_eq!((&echoes[1]["argument"], &echoes[1]["server"]), (&"message".into(), &"everything".into()));
    assert!(echoes[0]["rule"].as_str().is_some_and(|rule| rule.contains("team.toml")), "{}", echoes[0]);
    assert_eq!((&echoes[0]["keys"][0][0], &echoes[1]["keys"][0][0]), (&"message".into(), &"message".into()));
    assert_ne!(echoes[0]["keys"][0][1], echoes[1]["keys"][0][1]);
    let table =
        evidence.shown.lines().find(|line| line.contains("everything") && line.contains("echo ") && line.contains('✘'));
    assert!(table.is_some_and(|line| line.contains("×1") && line.contains("replay ")), "{}", evidence.shown);
}

/// Of what came back to the model: the echo, and a denial that names the rule and no value.
fn assert_answered(requests: &[Value]) {
    let last = requests.iter().rev().find(|request| request["results"].as_array().is_some_and(|all| all.len() == 2));
    let results = last.unwrap_or_else(|| panic!("two results never came back: {requests:#?}"))["results"].clone();
    let (first, second) = (results[0].as_str().unwrap().to_owned(), results[1].as_str().unwrap().to_owned());
    assert!(first.contains("ok-1"), "{first}");
    assert!(second.contains("Denied by policy echo-ok"), "{second}");
}

#[test]
fn codex_calls_a_tool_that_was_handed_over_and_is_refused_another_argument() {
    // It would begin its one turn without the server's tools, were it not told to wait for them.
    let wait = ["codex", "exec", "-c", "mcp_servers.everything.required=true"];
    let turn = [&wait, &CODEX.turn[2..]].concat();
    let (evidence, requests) = calls_of("codex", |stage, port| CODEX.settle(stage, port), &turn, "digest");
    assert_judged(&evidence);
    assert_answered(&requests);
    // What was put in front of its arguments is in the record.
    let used =
        evidence.events.iter().find(|event| event["kind"] == "policy").map(|event| event["appended"].to_string());
    assert!(used.as_ref().is_some_and(|words| words.contains("mcp_servers.everything.command=")), "{used:?}");
    // Unless the policy says so, no value is in the record of what was called.
    let mcp: Vec<_> = evidence.events.iter().filter(|event| event["kind"] == "mcp").map(Value::to_string).collect();
    assert!(!mcp.iter().any(|event| event.contains("geheim") || event.contains("ok-1")), "{mcp:#?}");
}

#[test]
fn claude_calls_a_tool_that_was_handed_over_and_is_refused_another_argument() {
    let turn = ["claude", "-p", "do the work", "--allowedTools", "mcp__everything__echo"];
    let settle = |stage: &mut Stage, port| {
        CLAUDE.settle(stage, port);
        // It would begin without the server's tools, or have them looked for first.
        let waits = [("MCP_CONNECTION_NONBLOCKING", "false"), ("ENABLE_TOOL_SEARCH", "false")];
        stage.variables.extend(waits.map(|(name, value)| (name, value.to_owned())));
    };
    let (evidence, requests) = calls_of("claude", settle, &turn, "full");
    assert_judged(&evidence);
    assert_answered(&requests);
    let echoes = evidence.of("mcp", "name", "echo");
    let arguments: Vec<_> = echoes.iter().filter_map(|event| event["arguments"].as_str()).collect();
    assert_eq!(arguments, ["{\"message\":\"ok-1\"}", "{\"message\":\"geheim-2\"}"]);
    assert!(
        echoes.iter().any(|event| event["result"].as_str().is_some_and(|result| result.contains("ok-1"))),
        "{echoes:#?}"
    );
}

#[test]
fn gemini_calls_a_tool_that_was_handed_over_and_is_refused_another_argument() {
    let (evidence, requests) = calls_of("gemini", GEMINI.settle, GEMINI.turn, "digest");
    assert_judged(&evidence);
    assert_answered(&requests);
}
