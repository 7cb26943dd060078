//! `govsh mcp …`: MCP servers of the policy.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::remote::{McpLogin, McpLogout, McpServe};

/// Servers of the Model Context Protocol that the policy declares
#[derive(Debug, Subcommand)]
pub enum Mcp {
    Connect(McpConnect),
    List(McpList),
    Pin(McpPin),
    Diff(McpDiff),
    Import(McpImport),
    Login(McpLogin),
    Logout(McpLogout),
    Serve(McpServe),
}

/// Speak to a server of the session's policy: what an agent runs in the place of the server's own command
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  govsh mcp connect github                       as the command of a server in an agent's configuration\n  codex -c 'mcp_servers.github.command=\"govsh\"' -c 'mcp_servers.github.args=[\"mcp\",\"connect\",\"github\"]'\n\nThe server is started outside the agent's sandbox, under a policy of its own; every call is judged by [[mcp.rules]].\nExit status: the server's own, 125 where there is none."
)]
pub struct McpConnect {
    /// The server's name in [mcp.servers]
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// List the servers of a policy: how each is had, what it runs under, its rules, and whether it is pinned
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  govsh mcp list\n  govsh mcp list --policy ./team.toml --json")]
pub struct McpList {
    /// A profile's name, or a file [default: agent]
    #[arg(short, long, value_name = "NAME|FILE", value_hint = ValueHint::FilePath)]
    pub policy: Option<String>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Show what is pinned of a server; accept what a session saw instead, or forget it
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  govsh mcp pin github\n  govsh mcp diff github && govsh mcp pin github --accept\n\nThe first use of a server pins it: its tools, its instructions, its program or URL."
)]
pub struct McpPin {
    /// The server's name in [mcp.servers]
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Pin what was seen last
    #[arg(long, conflicts_with = "forget")]
    pub accept: bool,
    /// Pin nothing: the next use is the first again
    #[arg(long)]
    pub forget: bool,
    /// A profile's name, or a file [default: agent]
    #[arg(short, long, value_name = "NAME|FILE", value_hint = ValueHint::FilePath)]
    pub policy: Option<String>,
    /// As JSON
    #[arg(long, conflicts_with_all = ["accept", "forget"])]
    pub json: bool,
}

/// Show how servers differ from what is pinned of them, as sessions saw them last
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  govsh mcp diff\n  govsh mcp diff github --json\n\nExit status: 0 when nothing differs, 1 when something does."
)]
pub struct McpDiff {
    /// The server's name in [mcp.servers]; without it, all that the policy declares
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// A profile's name, or a file [default: agent]
    #[arg(short, long, value_name = "NAME|FILE", value_hint = ValueHint::FilePath)]
    pub policy: Option<String>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Write the section of a policy for the servers that agents are configured with; secrets are named, never copied
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  govsh mcp import                    what codex, claude and gemini have, printed\n  govsh mcp import claude --to        into ~/.config/govsh/policy.d/mcp.toml\n  govsh mcp import ./.mcp.json --to ./servers.toml"
)]
pub struct McpImport {
    /// codex, claude, gemini, or a file of one of them; without it, all three
    #[arg(value_name = "codex|claude|gemini|FILE", value_hint = ValueHint::FilePath)]
    pub from: Option<String>,
    /// Write a file that is not there yet; without a name, of the user's layer
    #[arg(long, value_name = "FILE", num_args = 0..=1, value_hint = ValueHint::FilePath)]
    pub to: Option<Option<PathBuf>>,
    /// As JSON; writes nothing
    #[arg(long, conflicts_with = "to")]
    pub json: bool,
}
