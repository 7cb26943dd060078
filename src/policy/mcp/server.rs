//! `[mcp.servers.NAME]`: what govsh starts or reaches in the agent's place.

use super::super::{Layer, RuleId};

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// As rules and `govsh mcp connect` name it.
    pub name: String,
    pub launch: Launch,
    /// Variables that it gets beside those that its policy passes.
    pub env: Vec<(String, String)>,
    /// The policy it runs under, by name or file.
    pub policy: String,
    pub layer: Layer,
    pub rule: RuleId,
}

/// How a server is had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Launch {
    /// A program that speaks on its standard streams; at least one word.
    Command(Vec<String>),
    /// Streamable HTTP.
    Url(String),
}
