//! Profiles that are made for a role and not for one agent, with real programs in it: servers of the Model Context Protocol from
//! npm, and an office agent's errands.
//!
//! Invariant: what the profile is there to refuse is refused beside what it is there to allow.
//! Leaves to others: a job's and a person's programs (`tools`).

use std::io::Write;
use std::net::TcpListener;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::evidence::Evidence;
use crate::install::servers_node_modules;
use crate::stage::{KEY, Stage, User};

/// A server under the profile `mcp-server`, with what a policy of the user's adds; what it answers to these requests, by number.
fn conversation(stage: &Stage, rules: &str, server: &[&str], requests: &[Value]) -> (Output, Vec<Value>) {
    let policy = stage.write("server.toml", &format!("version = 1\nextends = [\"mcp-server\"]\n{rules}"));
    let arguments = ["--quiet", "--policy", policy.to_str().unwrap(), "--"];
    let mut command = stage.govsh(arguments.iter().chain(server));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let hello =
        json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    let mut lines = vec![json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello })];
    lines.push(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    let asked = requests
        .iter()
        .zip(1..)
        .map(|(call, id)| json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": call }));
    lines.extend(asked);
    let mut stdin = child.stdin.take().unwrap();
    lines.iter().for_each(|line| writeln!(stdin, "{line}").unwrap());
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let answers: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answer = |id: usize| answers.iter().find(|answer| answer["id"] == id);
    let all = (0..=requests.len()).map(|id| answer(id).unwrap_or_else(|| panic!("no answer {id}: {output:?}")).clone());
    let all = all.collect();
    (output, all)
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_default()
}

#[test]
fn a_server_of_files_works_on_what_it_is_given() {
    for user in [User::Own, User::Ordinary] {
        let stage = Stage::new(user);
        stage.install(servers_node_modules());
        let notes = stage.write("home/notes/one.txt", "first\n");
        let (notes, key) = (notes.parent().unwrap().to_str().unwrap().to_owned(), stage.text("home/.ssh"));
        let rules = format!("[files]\nwrite = [\"{notes}/**\"]\n");
        let path = |name: &str| format!("{notes}/{name}");
        // Told of both directories, it would read the key: what it is given is the profile's to say.
        let server = ["mcp-server-filesystem", &notes, &key];
        let calls = [
            json!({ "name": "read_text_file", "arguments": { "path": path("one.txt") } }),
            json!({ "name": "write_file", "arguments": { "path": path("two.txt"), "content": "second\n" } }),
            json!({ "name": "read_text_file", "arguments": { "path": format!("{key}/id_rsa") } }),
        ];
        let (output, answers) = conversation(&stage, &rules, &server, &calls);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(answers[0]["result"]["serverInfo"]["name"], "secure-filesystem-server", "{answers:#?}");
        assert!(text(&answers[1]).contains("first"), "{answers:#?}");
        assert_eq!(std::fs::read_to_string(path("two.txt")).unwrap(), "second\n", "{answers:#?}");
        assert!(!answers[3].to_string().contains(KEY) && text(&answers[3]).contains("EACCES"), "{answers:#?}");
        let evidence = Evidence::of_last(&stage);
        evidence.decided("file", "path", &format!("{key}/id_rsa"), "deny");
        let others = evidence.denials().into_iter().filter(|denial| !denial.contains("/.ssh/id_rsa "));
        assert_eq!(others.collect::<Vec<_>>(), Vec::<String>::new(), "the profile lacks something");
    }
}

#[test]
fn a_server_of_everything_works() {
    for user in [User::Own, User::Ordinary] {
        let stage = Stage::new(user);
        stage.install(servers_node_modules());
        let calls = [
            json!({ "name": "echo", "arguments": { "message": "heard" } }),
            json!({ "name": "get-sum", "arguments": { "a": 20, "b": 22 } }),
        ];
        let (output, answers) = conversation(&stage, "", &["mcp-server-everything"], &calls);
        assert!(output.status.success(), "{output:?}");
        assert!(text(&answers[1]).contains("heard") && text(&answers[2]).contains("42"), "{answers:#?}");
        assert_eq!(Evidence::of_last(&stage).denials(), Vec::<String>::new(), "the profile lacks something");
    }
}

#[test]
fn an_office_agent_reaches_its_service_and_nothing_else() {
    for user in [User::Own, User::Ordinary] {
        let stage = Stage::new(user);
        let (service, other) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let policy =
            format!("version = 1\nextends = [\"office\"]\n[network]\nallow = [\"127.0.0.1:{}\"]\n", port(&service));
        let policy = stage.write("team.toml", &policy);
        stage.write("project/plan.txt", "a plan\n");
        let script = "import socket, sys\n\
                      for port in sys.argv[1:]:\n    \
                      try: socket.create_connection(('127.0.0.1', int(port)), 20).close(); print('reached')\n    \
                      except OSError: print('refused')\n\
                      for path in ('plan.txt', '/etc/hosts'):\n    \
                      try: print(len(open(path).read()) > 0)\n    \
                      except OSError: print('closed')\n";
        let ports = [port(&service).to_string(), port(&other).to_string()];
        let words =
            ["--quiet", "--policy", policy.to_str().unwrap(), "--", "python3", "-c", script, &ports[0], &ports[1]];
        let output = stage.govsh(words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(said, "reached\nrefused\nclosed\nTrue\n", "{output:?}");
        let evidence = Evidence::of_last(&stage);
        evidence.decided("file", "path", &stage.text("project/plan.txt"), "deny");
    }
}
