//! `govsh mcp login`, `logout`, `serve`: servers behind URLs.

use clap::Args;

/// Log in to a server behind a URL: in a browser, once; govsh keeps the tokens and puts them into its requests
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  govsh mcp login linear\n  govsh mcp login --policy team --scope read --scope write linear\n  GOVSH_CLIENT_SECRET=… govsh mcp login --client-id abc123 corp\n\nThe tokens lie in ~/.config/govsh/mcp, which no agent can read."
)]
pub struct McpLogin {
    /// The server's name in [mcp.servers]
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Policy that declares it: a profile's name or a file [default: agent]
    #[arg(short, long, value_name = "NAME|FILE")]
    pub policy: Option<String>,
    /// What to ask for, instead of what the server says; may be repeated
    #[arg(long, value_name = "SCOPE")]
    pub scope: Vec<String>,
    /// As whom the authorization server knows govsh, where it registers nobody; a secret is read from GOVSH_CLIENT_SECRET
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,
    /// Only say where to log in
    #[arg(long)]
    pub no_browser: bool,
}

/// Forget the tokens of a server
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  govsh mcp logout linear")]
pub struct McpLogout {
    /// The server's name in [mcp.servers]
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// Serve a server behind a URL to programs that speak HTTP: every message judged by [[mcp.rules]], on loopback
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  govsh mcp serve linear                         prints the URL to use\n  govsh mcp serve --policy team --port 8931 --path /mcp linear\n\nWithout --path the URL has an unguessable one: whoever knows it may use the server with your tokens.\nThe server is held to what is pinned of it. Outside of a session nobody is asked, so what a rule asks about is denied, and nothing is recorded."
)]
pub struct McpServe {
    /// The server's name in [mcp.servers]
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Policy that declares it: a profile's name or a file [default: agent]
    #[arg(short, long, value_name = "NAME|FILE")]
    pub policy: Option<String>,
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value = "0")]
    pub port: u16,
    /// The only path that is answered
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,
}
