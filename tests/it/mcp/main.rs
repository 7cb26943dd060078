//! MCP servers end to end: real servers in trees of their own, and an agent that reaches them by `govsh mcp connect`.
//!
//! Invariant: every server is one that others wrote, or a few lines of Python that say what is in their environment; what a
//! session denies is seen at the server, or by what it answers, not by a message alone.
//! Leaves to others: what the relay makes of each message (`mcp`), real agents (`tests/agents`).

#![allow(clippy::unwrap_used, reason = "a stage that cannot be set up fails its test")]

mod cedar;
mod held;
mod hostile;
#[allow(dead_code, reason = "shared with tests/agents")]
#[path = "../../agents/install.rs"]
mod install;
#[allow(dead_code, reason = "shared with tests/it/questions")]
#[path = "../questions/lab.rs"]
mod lab;
mod python;
mod questions;
mod servers;

use std::path::PathBuf;

use lab::Lab;

pub const GOVSH: &str = env!("CARGO_BIN_EXE_govsh");

/// What every client says first: what was never listed is not pinned, and not called.
pub const HELLO: [&str; 3] = [
    r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#,
    r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
    r#"{"jsonrpc":"2.0","id":"list","method":"tools/list"}"#,
];

/// A call of a tool.
pub fn call(id: u32, tool: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}}}}}"#
    )
}

/// The script of a package's server.
pub fn script(package: &str) -> PathBuf {
    install::servers_node_modules().join("@modelcontextprotocol").join(package).join("dist/index.js")
}

/// A lab whose policy declares `servers` and these rules; `server.toml` is the policy that servers run under.
pub fn lab(servers: &str, rules: &str) -> Lab {
    let lab = Lab::new("");
    lab.write("client.py", include_str!("client.py"));
    lab.write("small.py", SMALL);
    let modules = install::servers_node_modules();
    let (dir, modules) = (lab.path(""), modules.to_str().unwrap());
    let dir = dir.to_str().unwrap().trim_end_matches('/');
    let reads = format!("read = [\"{dir}/client.py\", \"{modules}/**\"]");
    let servers = servers.replace("DIR", dir);
    lab.write("policy.toml", &format!("version = 1\nextends = [\"agent\"]\n[files]\n{reads}\n{servers}\n{rules}"));
    lab.write(
        "server.toml",
        &format!(
            "version = 1\nextends = [\"mcp-server\"]\n[files]\nread = [\"{modules}/**\", \"{dir}/small.py\"]\nwrite = [\"{dir}/work/shared/**\"]\ndeny = [\"{dir}/state/**\"]\n"
        ),
    );
    std::fs::create_dir_all(lab.path("work/shared")).unwrap();
    lab
}

/// One of the small servers.
pub const OWN: &str = r#"
[mcp.servers.small]
command = ["python3", "DIR/small.py"]
policy = "DIR/server.toml"
env = { SERVERS_SECRET = "sesame" }
"#;

pub const ALLOW_ALL: &str = "[[mcp.rules]]\nid = \"all\"\neffect = \"allow\"\nserver = \"*\"\ntools = [\"**\"]\nresources = [\"**\"]\nprompts = [\"**\"]\nmethods = [\"**\"]\n";

/// Answers each call of `env` with a variable, of `pid` with its own number, of `touch` with what came of it, of `die` with
/// its end, of `flood` with much, of `hang` with nothing, and of everything else with its arguments.
const SMALL: &str = r#"
import json, os, sys
sys.stderr.write("small is up\n"); sys.stderr.flush()
for line in sys.stdin:
    m = json.loads(line)
    if "id" not in m or "method" not in m: continue
    p = m.get("params", {}); name = p.get("name"); a = p.get("arguments", {})
    if m["method"] == "tools/call":
        if name == "env": text = os.environ.get(a["name"], "none")
        elif name == "pid": text = str(os.getpid())
        elif name == "touch":
            try: open(a["path"], "w").write("x"); text = "written"
            except OSError as error: text = error.strerror
        elif name == "die": sys.exit(9)
        elif name == "hang": sys.stdin.read(); text = "woken"
        elif name == "flood": text = "x" * 400000
        else: text = json.dumps(a)
        r = {"content": [{"type": "text", "text": text}]}
    elif m["method"] == "tools/list": r = {"tools": [{"name": n, "inputSchema": {"type": "object"}} for n in ("env", "pid", "touch", "die", "hang", "flood", "other")]}
    else: r = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "small", "version": "1"}}
    print(json.dumps({"jsonrpc": "2.0", "id": m["id"], "result": r}), flush=True)
sys.exit(5)
"#;

/// Runs the client inside against a server, with these messages behind the greeting; its output and exit status.
pub fn talk(lab: &Lab, server: &str, messages: &[String]) -> (String, i32) {
    let client = lab.path("client.py");
    let mut words = vec!["python3", client.to_str().unwrap(), GOVSH, "mcp", "connect", server, "--"];
    words.extend(HELLO);
    words.extend(messages.iter().map(String::as_str));
    lab.start(&[], &words).end()
}
