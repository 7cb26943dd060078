//! The Python SDK on both sides: its client inside, its server in a tree of its own.

use crate::lab::Lab;
use crate::{GOVSH, install, lab};

const SERVER: &str = r#"
import sys
sys.path.insert(0, "SDK")
from mcp.server.fastmcp import FastMCP, Context

server = FastMCP("numbers", instructions="Adds.")

@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b

@server.tool()
async def count(to: int, context: Context) -> str:
    """Counts, and tells how far it is."""
    for number in range(to):
        await context.report_progress(number, to)
    return f"counted to {to}"

@server.tool()
def erase() -> str:
    """Erases all of it."""
    return "erased"

@server.resource("number://{n}")
def number(n: str) -> str:
    return f"the number {n}"

server.run()
"#;

const CLIENT: &str = r#"
import asyncio, sys
sys.path.insert(0, "SDK")
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.shared.exceptions import McpError

async def main():
    there = StdioServerParameters(command="GOVSH", args=["mcp", "connect", "numbers"])
    async with stdio_client(there) as (read, write), ClientSession(read, write) as session:
        greeting = await session.initialize()
        print("server", greeting.serverInfo.name, greeting.instructions)
        print("tools", sorted(tool.name for tool in (await session.list_tools()).tools))
        three = await session.call_tool("add", {"a": 1, "b": 2})
        print("add", three.content[0].text, three.structuredContent, three.isError)
        denied = await session.call_tool("add", {"a": 1, "b": 2000})
        print("denied", denied.isError, denied.content[0].text)
        told = []
        async def progress(done, total, message): told.append(done)
        counted = await session.call_tool("count", {"to": 3}, progress_callback=progress)
        print("count", counted.content[0].text, told)
        print("resource", (await session.read_resource("number://7")).contents[0].text)
        for refused in (lambda: session.read_resource("number://8"), lambda: session.call_tool("erase", {})):
            try:
                result = await refused()
                print("not refused", result)
            except McpError as error:
                print("refused", error.error.code, error.error.message)

asyncio.run(main())
"#;

const RULES: &str = r#"
[[mcp.rules]]
id = "small"
effect = "allow"
server = "numbers"
tools = ["add"]
args = { b = { max = 1000 } }
[[mcp.rules]]
id = "rest"
effect = "allow"
server = "numbers"
tools = ["count"]
resources = ["number://7"]
"#;

fn stage() -> Lab {
    let servers = "[mcp.servers.numbers]\ncommand = [\"python3\", \"DIR/adder.py\"]\npolicy = \"DIR/server.toml\"\n";
    let lab = lab(servers, RULES);
    let sdk = install::python_sdk().to_str().unwrap();
    lab.write("adder.py", &SERVER.replace("SDK", sdk));
    lab.write("work/agent.py", &CLIENT.replace("SDK", sdk).replace("GOVSH", GOVSH));
    for name in ["policy.toml", "server.toml"] {
        let text = std::fs::read_to_string(lab.path(name)).unwrap();
        let script = lab.path("adder.py");
        let more = format!("read = [\"{sdk}/**\", \"{}\", ", script.display());
        lab.write(name, &text.replacen("read = [", &more, 1));
    }
    lab
}

#[test]
fn its_client_and_its_server_speak_and_are_judged() {
    let lab = stage();
    let (out, status) = lab.start(&[], &["python3", "agent.py"]).end();
    let has = |line: &str| assert!(out.lines().any(|one| one.starts_with(line)), "{line} in:\n{out}");
    has("server numbers Adds.");
    has("tools ['add', 'count']");
    has("add 3 {'result': 3} False");
    has("denied True Denied by policy small. Decided by argument 'b'.");
    has("count counted to 3 [0.0, 1.0, 2.0]");
    has("resource the number 7");
    has("refused 403 ");
    has("refused -32602 Unknown tool: erase");
    assert_eq!(status, 0, "{out}");
}
