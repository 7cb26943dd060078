//! Where agents keep the servers that they are configured with, and how they write them.
//!
//! Invariant: what is not understood is named, never passed over in silence.
//! Leaves to others: what becomes of it (`text`).

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use serde_json::{Map, Value};

use super::Configured;

/// A configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub path: PathBuf,
    /// Whoever works in the project can write it.
    pub of_project: bool,
}

/// A server and where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub server: Configured,
    pub place: String,
    pub of_project: bool,
}

/// Of an agent by name, of a file, or of all agents that are known.
pub fn places(from: Option<&str>, home: &Path, cwd: &Path) -> Vec<Place> {
    let own = |path: &str| Place { path: home.join(path), of_project: false };
    let project = |path: &str| Place { path: cwd.join(path), of_project: true };
    let codex = || vec![own(".codex/config.toml")];
    let claude = || vec![own(".claude.json"), project(".mcp.json")];
    let gemini = || vec![own(".gemini/settings.json"), project(".gemini/settings.json")];
    match from {
        Some("codex") => codex(),
        Some("claude") => claude(),
        Some("gemini") => gemini(),
        Some(file) => {
            let path = cwd.join(file);
            let of_project = path.starts_with(cwd);
            vec![Place { path, of_project }]
        }
        None => [codex(), claude(), gemini()].concat(),
    }
}

/// The servers that a file configures for the working directory `cwd`.
pub fn read(place: &Place, text: &str, cwd: &Path) -> Result<Vec<Found>> {
    let toml = place.path.extension().is_some_and(|extension| extension == "toml");
    let value: Value =
        if toml { serde_json::to_value(text.parse::<toml::Table>()?)? } else { serde_json::from_str(text)? };
    let top = value.as_object().ok_or_else(|| anyhow!("it is no object"))?;
    let mut tables: Vec<&Value> = ["mcp_servers", "mcpServers"].iter().filter_map(|key| top.get(*key)).collect();
    // Claude keeps some by the directory they are for.
    let project = top.get("projects").and_then(|projects| projects.get(cwd.to_str()?)?.get("mcpServers"));
    tables.extend(project);
    let mut found = Vec::new();
    for table in tables {
        let servers = table.as_object().ok_or_else(|| anyhow!("its servers are no object"))?;
        for (name, entry) in servers {
            let entry = entry.as_object().ok_or_else(|| anyhow!("server '{name}' is no object"))?;
            let place_of = super::shown(&place.path);
            found.push(Found { server: server(name, entry), place: place_of, of_project: place.of_project });
        }
    }
    Ok(found)
}

fn server(name: &str, entry: &Map<String, Value>) -> Configured {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
    let words = |key: &str| -> Vec<String> {
        let items = entry.get(key).and_then(Value::as_array).into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let pairs = |key: &str| -> Vec<(String, String)> {
        let fields = entry.get(key).and_then(Value::as_object).into_iter().flatten();
        fields
            .map(|(name, value)| (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
            .collect()
    };
    // Some write the whole command as one list.
    let command = match text("command") {
        Some(program) => std::iter::once(program).chain(words("args")).collect(),
        None => words("command"),
    };
    let mut env = pairs("env");
    env.extend(pairs("environment"));
    env.extend(words("env_vars").into_iter().map(|name| (name.clone(), format!("${{{name}}}"))));
    let headers = ["headers", "http_headers", "env_http_headers"].into_iter().flat_map(pairs);
    const KNOWN: [&str; 21] = [
        "command",
        "args",
        "url",
        "httpUrl",
        "serverUrl",
        "env",
        "environment",
        "env_vars",
        "headers",
        "http_headers",
        "env_http_headers",
        "bearer_token_env_var",
        "enabled_tools",
        "disabled_tools",
        "includeTools",
        "excludeTools",
        "type",
        "transport",
        "enabled",
        "disabled",
        "trust",
    ];
    let mut left_out: Vec<String> =
        entry.keys().filter(|key| !KNOWN.contains(&key.as_str())).map(|key| format!("'{key}'")).collect();
    if entry.get("enabled") == Some(&Value::Bool(false)) || entry.get("disabled") == Some(&Value::Bool(true)) {
        left_out.push("that it was switched off".to_owned());
    }
    Configured {
        name: name.to_owned(),
        command,
        url: text("httpUrl").or_else(|| text("url")).or_else(|| text("serverUrl")),
        env,
        headers: headers.map(|(name, _)| name).collect(),
        bearer: text("bearer_token_env_var"),
        tools: [words("enabled_tools"), words("includeTools")].concat(),
        without: [words("disabled_tools"), words("excludeTools")].concat(),
        left_out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, text: &str) -> Vec<Configured> {
        let place = Place { path: Path::new("/home/u").join(name), of_project: false };
        let found = read(&place, text, Path::new("/src/shop")).unwrap();
        found.into_iter().map(|found| found.server).collect()
    }

    #[test]
    fn each_agent_writes_them_its_own_way() {
        let codex = of(
            "config.toml",
            "model = 'x'\n[mcp_servers.github]\ncommand = 'npx'\nargs = ['-y', 's@1']\nenabled_tools = ['a']\nstartup_timeout_sec = 20\n[mcp_servers.github.env]\nGITHUB_TOKEN = 'ghp_1'\n",
        );
        assert_eq!((codex[0].command.join(" "), codex[0].tools.join(" ")), ("npx -y s@1".into(), "a".into()));
        assert_eq!(codex[0].left_out, ["'startup_timeout_sec'"]);
        let claude = of(
            "claude.json",
            r#"{"mcpServers": {"a": {"type": "http", "url": "https://x.test/mcp", "headers": {"Authorization": "Bearer s"}}},
                "projects": {"/src/shop": {"mcpServers": {"b": {"command": "b"}}}, "/other": {"mcpServers": {"c": {}}}}}"#,
        );
        let names: Vec<_> = claude.iter().map(|server| server.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(
            (claude[0].url.as_deref(), &claude[0].headers[..]),
            (Some("https://x.test/mcp"), &["Authorization".to_owned()][..])
        );
        let gemini =
            of("settings.json", r#"{"mcpServers": {"g": {"httpUrl": "https://g.test", "excludeTools": ["z"]}}}"#);
        assert_eq!((gemini[0].url.as_deref(), &gemini[0].without[..]), (Some("https://g.test"), &["z".to_owned()][..]));
    }
}
