//! The policy's MCP servers, handed to the agent at its start in the way that it understands.
//!
//! Invariant: what is handed over names `govsh mcp connect NAME` and nothing of the server: neither its command nor its
//! variables. Nothing of the user's own configuration is written.
//! Leaves to others: reaching servers (`session::servers`).

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::policy::{Handover, Policy};
use crate::session::Handed;

/// What `agent.mcp` of the policy says, for the servers that it declares. `govsh` is our own program; `patience` how long a
/// question may take, in seconds.
pub fn of(policy: &Policy, govsh: &Path, patience: u64) -> Handed {
    let names: Vec<&str> = policy.servers().iter().map(|server| server.name.as_str()).collect();
    let Some(way) = policy.agent().mcp.filter(|_| !names.is_empty()) else { return Handed::default() };
    let govsh = govsh.to_string_lossy();
    let mut handed = match way {
        Handover::Codex => codex(&names, &govsh, patience),
        Handover::Claude => claude(&names, &govsh),
        Handover::Gemini => gemini(&names, &govsh, patience),
        Handover::Opencode => opencode(&names, &govsh),
    };
    handed.told = format!("MCP servers handed over: {} (--no-adapt to leave them out)", names.join(", "));
    handed
}

fn connect(name: &str) -> [&str; 3] {
    ["mcp", "connect", name]
}

/// A TOML string: what JSON writes of a text without surrogates is one, too.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A path of keys for `-c` is parted at every point, and names of servers are letters, digits, `_` and `-` there.
fn codex(names: &[&str], govsh: &str, patience: u64) -> Handed {
    let mut arguments = Vec::new();
    for name in names {
        let key = format!("mcp_servers.{}", name.replace('.', "_"));
        let words: Vec<String> = connect(name).map(quoted).to_vec();
        let settings = [
            format!("{key}.command={}", quoted(govsh)),
            format!("{key}.args=[{}]", words.join(", ")),
            // A question that is asked here must not run out there.
            format!("{key}.tool_timeout_sec={}", patience.saturating_add(60)),
        ];
        arguments.extend(settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]));
    }
    Handed { arguments, ..Handed::default() }
}

fn servers(names: &[&str], one: impl Fn(&str) -> Value) -> Value {
    names.iter().map(|name| ((*name).to_owned(), one(name))).collect::<Map<_, _>>().into()
}

fn claude(names: &[&str], govsh: &str) -> Handed {
    let one = |name: &str| json!({ "type": "stdio", "command": govsh, "args": connect(name) });
    let config = json!({ "mcpServers": servers(names, one) }).to_string();
    // The option takes any number of values: the next one ends it.
    let arguments = vec!["--mcp-config".to_owned(), config, "--strict-mcp-config".to_owned()];
    Handed { arguments, ..Handed::default() }
}

fn gemini(names: &[&str], govsh: &str, patience: u64) -> Handed {
    let timeout = patience.saturating_add(60).saturating_mul(1_000);
    let one = |name: &str| json!({ "command": govsh, "args": connect(name), "timeout": timeout });
    let text = format!("{:#}\n", json!({ "mcpServers": servers(names, one) }));
    Handed { file: Some(("GEMINI_CLI_SYSTEM_SETTINGS_PATH", text)), ..Handed::default() }
}

fn opencode(names: &[&str], govsh: &str) -> Handed {
    let one = |name: &str| {
        let command = [&[govsh][..], &connect(name)[..]].concat();
        json!({ "type": "local", "command": command, "enabled": true })
    };
    let config = json!({ "mcp": servers(names, one) }).to_string();
    Handed { variables: vec![("OPENCODE_CONFIG_CONTENT".into(), config.into())], ..Handed::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOVSH: &str = "/opt/a \"b\"/govsh";

    #[test]
    fn codex_takes_values_of_toml() {
        let handed = codex(&["github", "a.b"], GOVSH, 60);
        assert_eq!(handed.arguments.len(), 12);
        for setting in handed.arguments.iter().filter(|word| *word != "-c") {
            assert!(setting.parse::<toml::Table>().is_ok(), "{setting}");
        }
        assert_eq!(handed.arguments[3], "mcp_servers.github.args=[\"mcp\", \"connect\", \"github\"]");
        assert!(handed.arguments[7].starts_with("mcp_servers.a_b.command="));
    }

    #[test]
    fn what_is_handed_over_names_govsh_alone() {
        let text = &claude(&["github"], GOVSH).arguments[1];
        let config: Value = serde_json::from_str(text).unwrap();
        assert_eq!(config["mcpServers"]["github"]["command"], GOVSH);
        assert_eq!(config["mcpServers"]["github"]["args"][2], "github");
        let (name, text) = gemini(&["x"], GOVSH, 60).file.unwrap();
        assert_eq!(name, "GEMINI_CLI_SYSTEM_SETTINGS_PATH");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["mcpServers"]["x"]["timeout"], 120_000);
        let variables = opencode(&["x"], GOVSH).variables;
        let config: Value = serde_json::from_str(variables[0].1.to_str().unwrap()).unwrap();
        assert_eq!(config["mcp"]["x"]["command"][3], "x");
    }
}
