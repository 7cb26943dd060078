//! `[mcp]` as it is written.

use super::super::{Layer, Library, Policy, PolicyError, Source, Vars, Verdict};
use super::*;

struct Bare;

impl Library for Bare {
    fn load(&self, name: &str, _: &Source) -> Result<Source, PolicyError> {
        Err(PolicyError::whole(name, "no such policy", None))
    }

    fn realpath(&self, path: &[u8]) -> Option<Vec<u8>> {
        Some(path.to_vec())
    }
}

fn load(text: &str) -> Result<Policy, String> {
    let text = format!("version = 1\n{text}");
    let source = Source { name: "t.toml".into(), text, layer: Layer::User, path: None };
    Policy::load(source, &Bare, &Vars { workdir: b"/w".to_vec(), ..Vars::default() }).map_err(|error| error.to_string())
}

#[test]
fn servers_and_rules_are_read() {
    let policy = load(
        r#"
[mcp.servers.github]
command = ["npx", "-y", "server-github@2025.4.8"]
env = { GITHUB_API = "https://api.example.org" }
[mcp.servers.remote]
url = "https://mcp.example.org/mcp"
policy = "own"
[[mcp.rules]]
id = "issues-in-sandbox-repos"
effect = "allow"
server = "github"
tools = ["create_issue", "list_*"]
args = { repo = { glob = "acme/sandbox-*" }, labels = { each = ["bug", "docs"], max_length = 5 }, amount = { type = "integer", max = 500 }, path = { under = "${workdir}" }, url = { host = ["*.acme.com"], scheme = "https" }, "*" = "forbid" }
rate = { calls = 30, per = "1m" }
when = { time = "Mon-Fri 08:00-19:00", terminal = true }
"#,
    )
    .unwrap();
    let names: Vec<&str> = policy.servers().iter().map(|server| server.name.as_str()).collect();
    assert_eq!(names, ["github", "remote"]);
    assert_eq!(policy.servers()[0].policy, "mcp-server");
    let rules = policy.mcp_rules();
    let judged = |arguments: &str| {
        let arguments = Value::parse(arguments.as_bytes()).unwrap();
        let moment = Moment { unix: 0, weekday: 1, minute: 600 };
        let (server, subject, name) = ("github", Subject::Tool, "create_issue");
        let call = Call { server, subject, name, arguments: Some(&arguments), moment, terminal: true };
        let decision = decide(rules, &call);
        (decision.verdict, decision.argument.map(str::to_owned))
    };
    let good =
        r#"{"repo": "acme/sandbox-1", "labels": ["bug"], "amount": 5, "path": "/w/x", "url": "https://a.acme.com/"}"#;
    assert_eq!(judged(good).0, Verdict::Allow);
    for (was, is, argument) in [
        ("sandbox-1", "prod", "repo"),
        ("\"bug\"", "\"bug\", \"urgent\"", "labels"),
        ("5", "501", "amount"),
        ("/w/x", "/w/../etc", "path"),
        ("a.acme.com", "acme.com.evil.example", "url"),
        ("https:", "http:", "url"),
        ("\"amount\"", "\"more\": 1, \"amount\"", "*"),
    ] {
        let changed = good.replace(was, is);
        assert_eq!(judged(&changed), (Verdict::Deny, Some(argument.to_owned())), "{changed}");
    }
}

#[test]
fn what_is_not_understood_is_refused_where_it_stands() {
    let rule = |rest: &str| format!("[[mcp.rules]]\nid = 'r'\neffect = 'allow'\nserver = 's'\n{rest}");
    for (text, words) in [
        (rule("args = { a = { globb = 'x' } }"), "unknown key 'globb'"),
        (rule("args = { a = { regex = '(' } }"), "is no expression"),
        (rule("args = { a = {} }"), "says nothing"),
        (rule("args = { a = 1.5 }"), "'a' wants"),
        (rule("args = { '*' = 'maybe' }"), "'maybe' is no value of '*'"),
        (rule("tool = 'x'"), "unknown key 'tool'"),
        (rule("rate = { calls = 0, per = '1m' }"), "0 is no value of 'calls'"),
        (rule("when = { time = 'Someday' }"), "is no time of the week"),
        ("[[mcp.rules]]\nid = 'r'\neffect = 'allow'".to_owned(), "without 'server'"),
        ("[[mcp.rules]]\nid = 'r'\nserver = 's'".to_owned(), "without 'effect'"),
        ("[mcp.servers.x]\n".to_owned(), "wants either 'command' or 'url'"),
        ("[mcp.servers.\"../x\"]\ncommand = ['a']".to_owned(), "is no name of a server"),
        ("[mcp]\nserver = 1".to_owned(), "unknown key 'server'"),
    ] {
        let error = load(&text).map(|_| ()).unwrap_err();
        assert!(error.contains(words) && error.contains("line"), "{text}: {error}");
    }
}
