//! `govsh mcp …`: MCP servers of the policy.

use clap::{Args, Subcommand};

/// Servers of the Model Context Protocol that the policy declares
#[derive(Debug, Subcommand)]
pub enum Mcp {
    Connect(McpConnect),
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
