//! `govsh mcp list`: the servers of a policy, how each is had, what it runs under, and what is pinned of it.
//!
//! Invariant: variables are told by name; nothing is started.

use std::fmt::Write as _;
use std::io;

use anyhow::Result;
use serde_json::{Value, json};

use super::Loaded;
use crate::cli::McpList;
use crate::cmd::policy::word;
use crate::policy::mcp::{Launch, Server};
use crate::policy::{Policy, Verdict};
use crate::recording::visible;

pub fn list(options: &McpList) -> Result<i32> {
    let Loaded { policy, pins } = super::loaded(options.policy.as_deref())?;
    let pinned = |server: &Server| pins.has(&server.name);
    if options.json {
        let servers: Vec<_> = policy.servers().iter().map(|server| as_json(&policy, server, pinned(server))).collect();
        crate::cmd::json::pretty(&mut io::stdout().lock(), &servers)?;
        return Ok(0);
    }
    let mut text = String::new();
    if policy.servers().is_empty() {
        writeln!(text, "policy '{}' declares no MCP servers", visible(policy.name().as_bytes()))?;
        writeln!(text, "hint: 'govsh mcp import' writes the section from what agents are configured with")?;
    }
    let width = policy.servers().iter().map(|server| server.name.len()).max().unwrap_or(0);
    for server in policy.servers() {
        let rule = policy.rule(server.rule);
        let [allow, ask, deny] = rules(&policy, server);
        let under = match server.launch {
            Launch::Command(_) => format!("under {}", visible(server.policy.as_bytes())),
            Launch::Url(_) => "remote".to_owned(),
        };
        let env: Vec<_> = server.env.iter().map(|(name, _)| visible(name.as_bytes())).collect();
        let env = if env.is_empty() { String::new() } else { format!(" · sets {}", env.join(", ")) };
        let pinned = if pinned(server) { "pinned" } else { "not used yet" };
        let (name, launch) = (&server.name, visible(words(server).join(" ").as_bytes()));
        writeln!(text, "{name:width$}  {launch}")?;
        let place = format!("{}:{} ({})", rule.source, rule.line, word(rule.layer));
        writeln!(text, "{:width$}  {under}{env} · allow {allow}, ask {ask}, deny {deny} · {pinned} · {place}", "")?;
    }
    super::print(&text)
}

fn words(server: &Server) -> Vec<String> {
    match &server.launch {
        Launch::Command(words) => words.clone(),
        Launch::Url(url) => vec![url.clone()],
    }
}

/// How many rules allow, ask and deny something of it.
fn rules(policy: &Policy, server: &Server) -> [usize; 3] {
    let of = |effect: Verdict| {
        let rules = policy.mcp_rules().iter().filter(|rule| rule.effect == effect);
        rules.filter(|rule| rule.servers.iter().any(|glob| glob.matches(&server.name))).count()
    };
    [of(Verdict::Allow), of(Verdict::Ask), of(Verdict::Deny)]
}

fn as_json(policy: &Policy, server: &Server, pinned: bool) -> Value {
    let rule = policy.rule(server.rule);
    let [allow, ask, deny] = rules(policy, server);
    let (command, url) = match &server.launch {
        Launch::Command(words) => (Some(words), None),
        Launch::Url(url) => (None, Some(url)),
    };
    let env: Vec<_> = server.env.iter().map(|(name, _)| name).collect();
    json!({
        "name": server.name, "command": command, "url": url, "policy": server.policy, "env": env, "pinned": pinned,
        "rules": { "allow": allow, "ask": ask, "deny": deny },
        "source": &*rule.source, "line": rule.line, "layer": word(rule.layer),
    })
}
