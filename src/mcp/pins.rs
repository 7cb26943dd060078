//! What a server was when it was first used, and what has changed since: its tools, its instructions, its program or
//! address. Pure.
//!
//! ```text
//! initialize, server/discover ─ instructions ─┐
//! tools/list, page by page ─── tools ─────────┼─▶ Seen ─ compare ─▶ Change ─▶ diff for people
//! command or URL ───────────── Identity ──────┘            ▲
//!                                     pins file ─ Pinned ──┘
//! ```
//! Invariant: every byte of a tool that can reach a model is in its digest: the whole object but `_meta` and `icons`.
//! Leaves to others: the file (`session`), holding messages back (`relay`).

mod canonical;
mod diff;

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::policy::mcp::Value;
pub(super) use canonical::canonical;

/// The version of the pins file.
const VERSION: i128 = 1;
/// Of a tool object, what models are not shown.
const UNPINNED: [&str; 2] = ["_meta", "icons"];
/// Most tools that are pinned of one server.
pub const MOST_TOOLS: usize = 4096;

/// What a change leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnChange {
    /// What changed is not shown and not called.
    #[default]
    Deny,
    /// So until somebody accepts it.
    Ask,
    /// It is recorded, and passes.
    Log,
}

/// What a server is, whatever it calls itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    Command {
        argv: Vec<String>,
        /// Digests of the program and, for an interpreter, of the script, by absolute path.
        files: BTreeMap<String, String>,
    },
    Url {
        url: String,
        /// Digest of the certificate's public key (RFC 7469 §2.4), where it is pinned.
        certificate: Option<String>,
    },
}

/// One tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// Of `object`.
    pub digest: String,
    /// Canonical JSON.
    pub object: String,
}

/// What is known of one server: one pins file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    pub identity: Identity,
    pub instructions: Option<String>,
    pub tools: BTreeMap<String, Tool>,
}

/// One difference between what is pinned and what is seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Identity { was: Identity, is: Identity },
    Instructions { was: Option<String>, is: Option<String> },
    Added { name: String, is: Tool },
    Removed { name: String, was: Tool },
    Tool { name: String, was: Tool, is: Tool },
}

/// Why a pins file cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PinsError {
    #[error("the pins are no JSON: {0}")]
    Json(String),
    #[error("the pins have no '{0}' as it should be")]
    Shape(&'static str),
    #[error("the digest of tool '{0}' is not that of its object")]
    Digest(String),
    #[error("the pins are of version {0}, which this govsh does not read")]
    Version(i128),
}

/// `sha256:` and 64 digits.
pub fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let digits: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

impl Identity {
    /// Of the same address, with the certificate that was pinned of it: what it has now is seen when it is reached.
    pub fn keep_certificate(&mut self, pinned: &Identity) {
        if let (Identity::Url { url, certificate }, Identity::Url { url: same, certificate: was }) = (self, pinned)
            && url == same
        {
            certificate.clone_from(was);
        }
    }
}

impl Tool {
    /// Of an element of `tools/list`.
    pub fn of(object: &Value) -> Tool {
        let object = canonical(object, &UNPINNED);
        Tool { digest: sha256(object.as_bytes()), object }
    }
}

impl Pinned {
    pub fn new(identity: Identity) -> Pinned {
        Pinned { identity, instructions: None, tools: BTreeMap::new() }
    }

    /// The pins file: JSON, ending in a line feed.
    pub fn to_json(&self) -> String {
        let identity = match &self.identity {
            Identity::Command { argv, files } => json!({ "command": argv, "files": files }),
            Identity::Url { url, certificate } => json!({ "url": url, "certificate": certificate }),
        };
        let object = |tool: &Tool| serde_json::from_str(&tool.object).unwrap_or(Json::Null);
        let tool =
            |(name, tool): (&String, &Tool)| (name.clone(), json!({ "digest": tool.digest, "object": object(tool) }));
        let tools: serde_json::Map<String, Json> = self.tools.iter().map(tool).collect();
        let whole = json!({ "version": 1, "identity": identity, "instructions": self.instructions, "tools": tools });
        format!("{whole:#}\n")
    }

    pub fn parse(text: &str) -> Result<Pinned, PinsError> {
        let value = Value::parse(text.as_bytes()).map_err(PinsError::Json)?;
        match value.field("version") {
            Some(Value::Int(VERSION)) => {}
            Some(Value::Int(other)) => return Err(PinsError::Version(*other)),
            _ => return Err(PinsError::Shape("version")),
        }
        let identity = value.field("identity").and_then(identity).ok_or(PinsError::Shape("identity"))?;
        let instructions = match value.field("instructions") {
            Some(Value::Null) | None => None,
            Some(Value::Text(text)) => Some(text.clone()),
            Some(_) => return Err(PinsError::Shape("instructions")),
        };
        let Some(Value::Object(fields)) = value.field("tools") else { return Err(PinsError::Shape("tools")) };
        let mut tools = BTreeMap::new();
        for (name, entry) in fields {
            let tool = Tool::of(entry.field("object").ok_or(PinsError::Shape("object"))?);
            if entry.field("digest").and_then(Value::text) != Some(&tool.digest) {
                return Err(PinsError::Digest(name.clone()));
            }
            tools.insert(name.clone(), tool);
        }
        Ok(Pinned { identity, instructions, tools })
    }
}

fn identity(value: &Value) -> Option<Identity> {
    if let Some(url) = value.field("url") {
        let certificate = value.field("certificate").and_then(Value::text).map(str::to_owned);
        return Some(Identity::Url { url: url.text()?.to_owned(), certificate });
    }
    let argv = value.field("command")?.items()?.iter().map(|word| word.text().map(str::to_owned));
    let Some(Value::Object(files)) = value.field("files") else { return None };
    let files = files.iter().map(|(path, digest)| Some((path.clone(), digest.text()?.to_owned())));
    Some(Identity::Command { argv: argv.collect::<Option<_>>()?, files: files.collect::<Option<_>>()? })
}

/// What differs, of all that there is: identity, instructions, tools by name.
pub fn compare(pinned: &Pinned, seen: &Pinned) -> Vec<Change> {
    let mut changes = Vec::new();
    if pinned.identity != seen.identity {
        changes.push(Change::Identity { was: pinned.identity.clone(), is: seen.identity.clone() });
    }
    changes.extend(compare_instructions(pinned, seen.instructions.as_deref()));
    for (name, was) in &pinned.tools {
        if !seen.tools.contains_key(name) {
            changes.push(Change::Removed { name: name.clone(), was: was.clone() });
        }
    }
    changes.extend(seen.tools.iter().filter_map(|(name, is)| compare_tool(pinned, name, is)));
    changes
}

/// The same of instructions alone.
pub fn compare_instructions(pinned: &Pinned, is: Option<&str>) -> Option<Change> {
    let differs = pinned.instructions.as_deref() != is;
    differs.then(|| Change::Instructions { was: pinned.instructions.clone(), is: is.map(str::to_owned) })
}

/// The same of one tool that is there.
pub fn compare_tool(pinned: &Pinned, name: &str, is: &Tool) -> Option<Change> {
    match pinned.tools.get(name) {
        Some(was) if was.digest == is.digest => None,
        Some(was) => Some(Change::Tool { name: name.to_owned(), was: was.clone(), is: is.clone() }),
        None => Some(Change::Added { name: name.to_owned(), is: is.clone() }),
    }
}

impl Change {
    /// The tool that it is about.
    pub fn tool(&self) -> Option<&str> {
        match self {
            Change::Identity { .. } | Change::Instructions { .. } => None,
            Change::Added { name, .. } | Change::Removed { name, .. } | Change::Tool { name, .. } => Some(name),
        }
    }

    /// What changed and how, in a few words.
    pub fn title(&self) -> String {
        match self {
            Change::Identity { .. } => "the server itself changed".to_owned(),
            Change::Instructions { .. } => "the server's instructions changed".to_owned(),
            Change::Added { name, .. } => format!("tool '{}' is new", diff::visible(name)),
            Change::Removed { name, .. } => format!("tool '{}' is gone", diff::visible(name)),
            Change::Tool { name, .. } => format!("tool '{}' changed", diff::visible(name)),
        }
    }

    /// Line by line, `-` before what was and `+` before what is; controls made visible, so that it can be shown as it is.
    pub fn diff(&self) -> String {
        let (was, is) = match self {
            Change::Identity { was, is } => (identity_text(was), identity_text(is)),
            Change::Instructions { was, is } => (was.clone().unwrap_or_default(), is.clone().unwrap_or_default()),
            Change::Added { is, .. } => (String::new(), diff::readable(&is.object)),
            Change::Removed { was, .. } => (diff::readable(&was.object), String::new()),
            Change::Tool { was, is, .. } => (diff::readable(&was.object), diff::readable(&is.object)),
        };
        diff::lines(&was, &is)
    }

    /// Writes the change into what is pinned.
    pub fn accept(&self, pinned: &mut Pinned) {
        match self {
            Change::Identity { is, .. } => pinned.identity = is.clone(),
            Change::Instructions { is, .. } => pinned.instructions = is.clone(),
            Change::Removed { name, .. } => drop(pinned.tools.remove(name)),
            Change::Added { name, is } | Change::Tool { name, is, .. } => {
                pinned.tools.insert(name.clone(), is.clone());
            }
        }
    }
}

fn identity_text(identity: &Identity) -> String {
    match identity {
        Identity::Command { argv, files } => {
            let files: String = files.iter().map(|(path, digest)| format!("\n{path} {digest}")).collect();
            format!("command {}{files}", argv.join(" "))
        }
        Identity::Url { url, certificate } => {
            format!("url {url}\ncertificate {}", certificate.as_deref().unwrap_or("not pinned"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(text: &str) -> Tool {
        Tool::of(&Value::parse(text.as_bytes()).unwrap())
    }

    fn pinned() -> Pinned {
        let files = BTreeMap::from([("/usr/bin/node".to_owned(), sha256(b"node"))]);
        let mut pinned = Pinned::new(Identity::Command { argv: vec!["node".into(), "s.js".into()], files });
        pinned.instructions = Some("be kind".into());
        pinned
            .tools
            .insert("read".into(), tool(r#"{"name":"read","description":"Reads.\nA file.","n":9007199254740993}"#));
        pinned
    }

    #[test]
    fn digests_are_of_all_that_a_model_may_see() {
        let base = tool(r#"{"name":"a","description":"d","_meta":{"x":1},"icons":[1]}"#);
        assert_eq!(base, tool(r#"{"description": "d", "name": "a"}"#));
        for changed in [
            r#"{"name":"a","description":"e"}"#,
            r#"{"name":"a","description":"d","title":"t"}"#,
            r#"{"name":"a","description":"d","annotations":{"readOnlyHint":true}}"#,
            r#"{"name":"a","description":"d","outputSchema":{}}"#,
            r#"{"name":"a","description":"d","execution":{}}"#,
            r#"{"name":"a","description":"d","inputSchema":{"_meta":1}}"#,
        ] {
            assert_ne!(base.digest, tool(changed).digest, "{changed}");
        }
        assert_eq!(sha256(b""), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn the_file_reads_back_and_shows_tampering() {
        let pins = pinned();
        assert_eq!(Pinned::parse(&pins.to_json()), Ok(pins.clone()));
        let remote = Pinned::new(Identity::Url { url: "https://a.example/mcp".into(), certificate: None });
        assert_eq!(Pinned::parse(&remote.to_json()), Ok(remote));
        let tampered = pins.to_json().replace("Reads.", "Sends.");
        assert_eq!(Pinned::parse(&tampered), Err(PinsError::Digest("read".into())));
        let later = pins.to_json().replace("\"version\": 1", "\"version\": 2");
        assert_eq!(Pinned::parse(&later), Err(PinsError::Version(2)));
        assert_eq!(Pinned::parse("{\"version\":1}"), Err(PinsError::Shape("identity")));
    }

    #[test]
    fn every_difference_is_told_and_can_be_accepted() {
        let (was, mut is) = (pinned(), pinned());
        assert_eq!(compare(&was, &is), []);
        is.identity = Identity::Url { url: "u".into(), certificate: None };
        is.instructions = None;
        is.tools
            .insert("read".into(), tool(r#"{"name":"read","description":"Reads.\nAll files.","n":9007199254740993}"#));
        is.tools.insert("new".into(), tool(r#"{"name":"new"}"#));
        let changes = compare(&was, &is);
        let titles: Vec<String> = changes.iter().map(Change::title).collect();
        assert_eq!(
            titles,
            [
                "the server itself changed",
                "the server's instructions changed",
                "tool 'new' is new",
                "tool 'read' changed"
            ]
        );
        assert_eq!(changes[1].diff(), "- be kind\n");
        let diff = changes[3].diff();
        assert!(
            diff.contains("- ") && diff.contains("A file.") && diff.contains("+ ") && diff.contains("All files."),
            "{diff}"
        );
        let mut accepted = was.clone();
        changes.iter().for_each(|change| change.accept(&mut accepted));
        assert_eq!(accepted, is);
        let gone = compare(&is, &was);
        assert!(gone.iter().any(|change| matches!(change, Change::Removed { name, .. } if name == "new")));
    }
}
