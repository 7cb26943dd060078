//! Every key is read; every fault has a place and a hint.

use super::*;
use crate::policy::Layer;

fn parse(text: &str) -> Result<Document, PolicyError> {
    Document::parse(&Source { name: "team.toml".into(), text: text.into(), layer: Layer::User, path: None })
}

fn refusal(text: &str) -> (String, String) {
    let error = parse(text).unwrap_err();
    (error.to_string(), error.hint().unwrap_or_default().to_owned())
}

#[test]
fn reads_every_key() {
    let text = r#"
        version = 1
        extends = ["agent"]
        [agent]
        match = ["x"]
        append_args = ["--y"]
        [files]
        read = ["/a"]
        deny = ["/b", { path = "/c", except = ["/c/d"] }]
        [network]
        allow = "none"
        [limits]
        memory = "2GiB"
        wall_seconds = "2h"
        processes = 0x10
        [record]
        audit = "writes"
        input = false
        on_failure = "continue"
        retention = { days = 30, count = 200, size = "2G", keep_denied = true }
        [require]
        landlock_abi = 4
    "#;
    let document = parse(text).unwrap();
    let text_at = |value: &str, needle: &str| Text { value: value.into(), at: text.find(needle).unwrap() };
    assert_eq!(document.extends, [text_at("agent", "\"agent\"")]);
    assert_eq!(document.files.len(), 3);
    assert_eq!(document.files[2].except, [text_at("/c/d", "\"/c/d\"")]);
    assert_eq!(document.memory.map(|m| m.value), Some(2 << 30));
    assert_eq!(document.wall_seconds.map(|m| m.value), Some(7200));
    assert_eq!(document.processes.map(|m| m.value), Some(16));
    assert_eq!(document.record_input.map(|m| m.value), Some(false));
    let kept = Retention { days: Some(30), count: Some(200), size: Some(2 << 30), keep_denied: true };
    assert_eq!(document.retention.map(|retention| retention.value), Some(kept));
    assert!(matches!(document.network, Some(NetworkEntry::None(_))));
}

#[test]
fn refuses_with_place_and_hint() {
    let cases = [
        (
            "version = 1\n[files]\nreed = []",
            "line 3, column 1: unknown key 'reed' in [files]",
            "did you mean 'read'? keys: read, write, exec, allow, deny, readonly, ask",
        ),
        (
            "version = 1\n[sockets]\nask = [\"/x\"]",
            "line 3, column 1: 'ask' in [sockets] cannot be enforced by this version: only files, programs, hosts and addresses are asked about",
            "a rule that cannot be enforced as written is refused, not ignored: remove it",
        ),
        (
            "version = 1\n[files]\nask = [{ path = \"/x\", access = \"all\" }]",
            "line 3, column 32: 'all' is no value of 'access'",
            "one of: read, write, exec, create, delete, rename, change",
        ),
        (
            "version = 1\n[exec]\nask = [{ path = \"/x\" }]",
            "line 3, column 10: unknown key 'path' in a rule of exec.ask",
            "keys: argv, reason",
        ),
        ("version = 2", "line 1, column 11: version 2 is not known to this version of govsh", "write 'version = 1'"),
        (
            "version = 99999999999999999999999999999999",
            "line 1, column 11: version 99999999999999999999999999999999 is not known to this version of govsh",
            "write 'version = 1'",
        ),
        ("", "line 1, column 1: 'version' is missing", "write 'version = 1'"),
        ("version = 1\nfiles = 3", "line 2, column 9: 'files' wants a table, not a whole number", ""),
        ("version = 1\n[files]\nread = \"/x\"", "line 3, column 8: 'read' wants an array of strings, not a string", ""),
        (
            "version = 1\n[files]\nread = [1]",
            "line 3, column 9: 'read' wants an array of strings, not a whole number",
            "",
        ),
        (
            "version = 1\n[limits]\nmemory = 99999999999999999999",
            "line 3, column 10: 99999999999999999999 is no value of 'memory'",
            "a whole number from 1 to 9223372036854775807, or a string with a unit: KiB, MiB, GiB, TiB, K, M, G, T",
        ),
        (
            "version = 1\n[limits]\nprocesses = -1",
            "line 3, column 13: -1 is no value of 'processes'",
            "a whole number from 1 to 4194304",
        ),
        (
            "version = 1\n[record]\naudit = \"all\"",
            "line 3, column 9: 'all' is no value of 'audit'",
            "one of: full, writes",
        ),
        (
            "version = 1\n[files]\nread = [{ path = \"/x\", except = [] }]",
            "line 3, column 24: 'except' in files.read: only deny and readonly have exceptions",
            "add a deny for it instead",
        ),
        (
            "version = 1\n[mcp.servers.x]\n",
            "line 2, column 14: server 'x' wants either 'command' or 'url'",
            "command = [\"npx\", \"-y\", \"PACKAGE@VERSION\"], or url = \"https://…\"",
        ),
    ];
    for (text, reason, hint) in cases {
        assert_eq!(refusal(text), (format!("policy 'team.toml' {reason}"), hint.to_owned()));
    }
}

#[test]
fn points_into_broken_toml() {
    let (message, _) = refusal("version = 1\n[files\n");
    assert!(message.starts_with("policy 'team.toml' line 2, column "), "{message}");
    let (message, _) = refusal(&"[".repeat(100_000));
    assert!(message.starts_with("policy 'team.toml' line 1"), "{message}");
}

#[test]
fn a_project_cannot_have_recordings_removed() {
    let text = "version = 1\n[record]\nretention = { count = 1 }".to_owned();
    let of = |layer| Document::parse(&Source { name: "p.toml".into(), text: text.clone(), layer, path: None });
    let refused = of(Layer::Project).unwrap_err().to_string();
    assert!(refused.contains("line 3, column 1: a project cannot have recordings removed"), "{refused}");
    assert!(of(Layer::User).is_ok());
}
