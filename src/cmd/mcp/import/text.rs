//! Servers as the text of a policy: `[mcp.servers]`, rules that ask, and for servers with secrets policies of their own.
//!
//! Invariant: TOML that reads back as it was meant, whatever names and arguments hold; no value of a secret is in it.
//! Leaves to others: files (`import`).

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Configured;
use super::agents::Found;

/// What is to be written, and what is to be told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    pub servers: Vec<Server>,
    pub policy: String,
    /// Policies of servers: name and text.
    pub files: Vec<(String, String)>,
    pub notes: Vec<String>,
}

/// A server as the policy has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub name: String,
    pub from: String,
    pub launch: Vec<String>,
    pub url: bool,
    /// Variables that it is given from the environment of govsh: their values are not copied.
    pub secrets: Vec<String>,
}

pub fn json(server: &Server) -> Value {
    let Server { name, from, launch, url, secrets } = server;
    let launch = if *url { json!({ "url": launch.first() }) } else { json!({ "command": launch }) };
    json!({ "name": name, "from": from, "launch": launch, "secrets": secrets })
}

pub fn of(found: Vec<Found>) -> Written {
    let mut written = Written {
        policy: "# MCP servers, as agents were configured with them; written by 'govsh mcp import'.\nversion = 1\n"
            .to_owned(),
        ..Written::default()
    };
    for Found { server, place, of_project } in found {
        let name = named(&server.name);
        if name != server.name {
            written.notes.push(format!("{place}: '{}' is called '{name}' in the policy", server.name));
        }
        if of_project {
            written
                .notes
                .push(format!("{place}: '{name}' is from a file that an agent may write: look at its command"));
        }
        one(&mut written, &server, &name, &place);
    }
    written
}

/// Letters, digits, `-`, `_` and `.`, up to 64, none of them a point at the beginning.
fn named(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = name.chars().take(64).map(plain).collect();
    let name = name.trim_start_matches('.');
    if name.is_empty() { "server".to_owned() } else { name.to_owned() }
}

/// A TOML string: what JSON writes of a text is one, too.
fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

fn list(words: &[String]) -> String {
    let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
    format!("[{}]", words.join(", "))
}

/// Whether the value of a variable of this name, or this value, may be a secret.
fn is_secret(name: &str, value: &str) -> bool {
    const NAMES: [&str; 9] = ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "KEY", "CREDENTIAL", "AUTH", "PAT", "DSN"];
    let name = name.to_ascii_uppercase();
    let named = name.split('_').any(|part| NAMES.contains(&part)) || NAMES.iter().any(|part| name.ends_with(part));
    // Long, of one piece, and of letters and digits: a key rather than a word. A URL may hold a password.
    let looks = value.len() >= 20
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.=+/".contains(&b))
        && value.bytes().any(|b| b.is_ascii_digit())
        && value.bytes().any(|b| b.is_ascii_alphabetic())
        && !value.starts_with('/');
    named || looks || value.contains("://") && value.contains('@')
}

/// The variable that `${NAME}` or `$NAME` stands for.
fn reference(value: &str) -> Option<&str> {
    let name = value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).or_else(|| value.strip_prefix('$'))?;
    (!name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')).then_some(name)
}

fn one(written: &mut Written, server: &Configured, name: &str, place: &str) {
    let url = server.command.is_empty();
    let launch = match (&server.url, url) {
        (Some(address), true) => vec![address.clone()],
        (None, true) => {
            written.notes.push(format!("{place}: '{name}' has neither a command nor a URL: left out"));
            return;
        }
        _ => server.command.clone(),
    };
    let (secrets, plain): (Vec<_>, Vec<_>) =
        server.env.iter().partition(|(name, value)| is_secret(name, value) || reference(value).is_some());
    let policy = &mut written.policy;
    // Writing to a String does not fail.
    let _ = writeln!(policy, "\n# from {place}\n[mcp.servers.{}]", quoted(name));
    let _ = match url {
        true => writeln!(policy, "url = {}", quoted(&launch[0])),
        false => writeln!(policy, "command = {}", list(&launch)),
    };
    if !plain.is_empty() {
        let pairs: Vec<_> = plain.iter().map(|(name, value)| format!("{} = {}", quoted(name), quoted(value))).collect();
        let _ = writeln!(policy, "env = {{ {} }}", pairs.join(", "));
    }
    // By the name that the server knows it by, wherever the agent took its value from.
    let secrets: Vec<String> = secrets.iter().map(|(name, _)| name.clone()).collect();
    if !secrets.is_empty() && !url {
        let own = format!("mcp-{name}");
        let _ = writeln!(policy, "policy = {}", quoted(&own));
        written.files.push((own, policy_of(name, &secrets)));
        written.notes.push(format!(
            "{place}: the value of {} was not copied: have it in the environment that govsh is started in, where agents do not get it",
            secrets.join(", ")
        ));
    }
    rules(policy, server, name);
    remote(written, server, name, place);
    if !server.left_out.is_empty() {
        written.notes.push(format!("{place}: left out of '{name}': {}", server.left_out.join(", ")));
    }
    written.servers.push(Server { name: name.to_owned(), from: place.to_owned(), launch, url, secrets });
}

/// Everything that may be called asks, until somebody says more.
fn rules(policy: &mut String, server: &Configured, name: &str) {
    let tools = if server.tools.is_empty() { vec!["*".to_owned()] } else { server.tools.clone() };
    let _ = write!(
        policy,
        "\n[[mcp.rules]]\nid = {}\neffect = \"ask\"\nserver = {}\ntools = {}\n",
        quoted(&cut(name, "-asks")),
        quoted(name),
        list(&tools)
    );
    if !server.without.is_empty() {
        let (id, tools) = (quoted(&cut(name, "-never")), list(&server.without));
        let _ = write!(
            policy,
            "\n[[mcp.rules]]\nid = {id}\neffect = \"deny\"\nserver = {}\ntools = {tools}\n",
            quoted(name)
        );
    }
}

/// Ids have at most 64 characters.
fn cut(name: &str, end: &str) -> String {
    format!("{}{end}", name.get(..64 - end.len()).unwrap_or(name))
}

/// What a remote server is told of who asks: by name alone.
fn remote(written: &mut Written, server: &Configured, name: &str, place: &str) {
    let host =
        server.url.as_deref().and_then(|url| url.split("://").nth(1)).and_then(|rest| rest.split(['/', '?']).next());
    let bearer = server.bearer.as_deref();
    let asks = bearer.is_some() || server.headers.iter().any(|header| header.eq_ignore_ascii_case("authorization"));
    if let (Some(host), true) = (host, asks) {
        let plain: String =
            name.to_ascii_uppercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let variable = bearer.map_or_else(|| format!("{plain}_TOKEN"), str::to_owned);
        let _ = write!(
            written.policy,
            "\n[credentials.{}]\nsource = {}\nhost = {}\nheader = \"authorization: Bearer {{}}\"\n",
            quoted(name),
            quoted(&format!("env:{variable}")),
            quoted(host)
        );
        written.notes.push(format!(
            "{place}: the token of '{name}' was not copied: have it in {variable} when govsh is started"
        ));
    }
    let others: Vec<_> = server.headers.iter().filter(|header| !header.eq_ignore_ascii_case("authorization")).collect();
    if !others.is_empty() {
        let names: Vec<_> = others.iter().map(|header| format!("header '{header}'")).collect();
        written.notes.push(format!("{place}: left out of '{name}': {}", names.join(", ")));
    }
}

fn policy_of(name: &str, secrets: &[String]) -> String {
    format!(
        "# MCP server {name}: as mcp-server, with the variables that it needs. Written by 'govsh mcp import'.\nversion = 1\nextends = [\"mcp-server\"]\n\n[environment]\npass = {}\n",
        list(secrets)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(server: Configured) -> Found {
        Found { server, place: "~/.codex/config.toml".into(), of_project: false }
    }

    #[test]
    fn no_secret_goes_into_a_policy() {
        let env = [
            ("GITHUB_TOKEN", "ghp_geheim"),
            ("MODE", "fast"),
            ("X", "a1b2c3d4e5f6g7h8i9j0k1"),
            ("DB", "postgres://u:geheim@h/d"),
            ("Y", "${OTHER}"),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let command = vec!["npx".into(), "-y".into(), "s@1\u{7f}\"".into()];
        let written = of(vec![found(Configured { name: "git hub".into(), command, env, ..Configured::default() })]);
        let all = format!("{written:?}");
        assert!(!all.contains("geheim") && !all.contains("a1b2c3"), "{all}");
        let policy: toml::Table = written.policy.parse().unwrap();
        let server = &policy["mcp"]["servers"]["git-hub"];
        assert_eq!(server["command"][2].as_str(), Some("s@1\u{7f}\""));
        assert_eq!(server["env"]["MODE"].as_str(), Some("fast"));
        assert_eq!(written.servers[0].secrets, ["GITHUB_TOKEN", "X", "DB", "Y"]);
        assert!(written.files[0].1.parse::<toml::Table>().is_ok() && written.files[0].0 == "mcp-git-hub");
    }

    #[test]
    fn remote_servers_get_a_credential_by_reference() {
        let server = Configured {
            name: "linear".into(),
            url: Some("https://mcp.linear.test/mcp".into()),
            headers: vec!["Authorization".into(), "X-Team".into()],
            ..Configured::default()
        };
        let written = of(vec![found(server)]);
        let policy: toml::Table = written.policy.parse().unwrap();
        assert_eq!(policy["credentials"]["linear"]["source"].as_str(), Some("env:LINEAR_TOKEN"));
        assert_eq!(policy["credentials"]["linear"]["host"].as_str(), Some("mcp.linear.test"));
        assert!(written.notes.iter().any(|note| note.contains("header 'X-Team'")), "{written:?}");
    }
}
