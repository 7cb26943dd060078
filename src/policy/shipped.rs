//! The profiles that come with govsh, compiled in.
//!
//! Invariant: every one of them loads (a test says so), so a session can always fall back to `agent`.
//! Leaves to others: profiles of the machine and the user (`cmd::library`).

use super::{Layer, Source};

/// Name, one line for people, text.
macro_rules! profiles {
    ($($name:literal $line:literal)*) => {
        &[$(($name, $line, include_str!(concat!("../../policies/", $name, ".toml")))),*]
    };
}

const PROFILES: &[(&str, &str, &str)] = profiles! {
    "accounts" "grants nothing, takes away what agents log in with"
    "agent" "works in a project: toolchains, caches, known hosts; no secrets"
    "aider" "agent, for Aider: its state and API keys"
    "amp" "agent, for Amp: its state and token"
    "base" "the system's programs, reading; what 'govsh learn' builds on"
    "ci" "agent, for a job of continuous integration: recorded, limited, no settings of people"
    "claude" "agent, for Claude Code: its state and API keys"
    "codex" "agent, for Codex: its state and API keys"
    "copilot" "agent, for GitHub Copilot CLI: its state and token"
    "cursor-agent" "agent, for Cursor's agent: its state and API key"
    "gemini" "agent, for Gemini CLI: its state and API keys"
    "goose" "agent, for Goose: its state and API keys"
    "learn" "everything but secrets and the built-in protections: for 'govsh learn'"
    "locked-down" "the working directory without its secrets and the system's programs, no network"
    "mcp-server" "a server of MCP: toolchains' caches and network, no project"
    "observe" "everything but the built-in protections, everything recorded"
    "office" "mail, calendar, records: no project, every host asked about"
    "opencode" "agent, for OpenCode: its state and API keys"
    "other" "agent, for an agent without a profile: what it keeps under its own name, and API keys"
    "secrets" "grants nothing, takes away keys, tokens and what was typed"
    "shell" "agent, for a person's shell: ssh-agent and gpg-agent"
};

/// What a part is switched on by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    /// `toolchains.allow`
    Toolchain,
    /// `devices.allow`
    Device,
    /// `sockets.allow`: what the users of the socket read beside it
    Socket,
}

impl PartKind {
    /// As it stands in the part's name.
    pub fn word(self) -> &'static str {
        match self {
            PartKind::Toolchain => "toolchain",
            PartKind::Device => "device",
            PartKind::Socket => "socket",
        }
    }
}

/// A part of each kind: path rules under a name.
macro_rules! parts {
    ($($kind:ident $name:literal $line:literal)*) => {
        &[$((PartKind::$kind, $name, $line, include_str!(concat!("../../policies/", parts!(@dir $kind), "/", $name, ".toml")))),*]
    };
    (@dir Toolchain) => { "toolchain" };
    (@dir Device) => { "device" };
    (@dir Socket) => { "socket" };
}

const PARTS: &[(PartKind, &str, &str, &str)] = parts! {
    Toolchain "node" "Node.js, Bun, Deno and their package managers"
    Toolchain "python" "Python, pip, uv, pipx, poetry, conda"
    Toolchain "rust" "rustup, cargo, sccache"
    Toolchain "go" "Go"
    Toolchain "java" "JDKs, Maven, Gradle, sbt"
    Toolchain "ruby" "rbenv, gems, Bundler"
    Toolchain "native" "compiler caches of C and C++, Zig, Bazel"
    Toolchain "others" ".NET, PHP, Haskell, OCaml, Julia, Elixir, and the version managers asdf and mise"
    Device "gpu" "graphics processors, for rendering and computing"
    Socket "docker" "Docker's contexts and plugins"
    Socket "gpg-agent" "public keys and settings of GnuPG"
    Socket "x11" "the cookie of the X server"
};

/// The profile for programs that no other one matches.
pub const DEFAULT: &str = "agent";

/// A profile's source, or a part's by its whole name, such as `toolchain:node`.
pub fn source(name: &str) -> Option<Source> {
    if let Some((kind, name)) = name.split_once(':') {
        let (kind, ..) = parts().find(|(of, known, _)| of.word() == kind && *known == name)?;
        return part(kind, name);
    }
    let (name, _, text) = PROFILES.iter().find(|(known, _, _)| *known == name)?;
    Some(Source { name: format!("{name}.toml"), text: (*text).to_owned(), layer: Layer::Shipped, path: None })
}

/// Name and one line for people of each profile.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    PROFILES.iter().map(|(name, line, _)| (*name, *line))
}

/// A part's source.
pub fn part(kind: PartKind, name: &str) -> Option<Source> {
    let (kind, name, _, text) = PARTS.iter().find(|(of, known, _, _)| *of == kind && *known == name)?;
    let name = format!("{}/{name}.toml", kind.word());
    Some(Source { name, text: (*text).to_owned(), layer: Layer::Shipped, path: None })
}

/// The names of one kind.
pub fn part_names(kind: PartKind) -> impl Iterator<Item = &'static str> {
    parts().filter(move |(of, _, _)| *of == kind).map(|(_, name, _)| name)
}

/// Kind, name and one line for people of each part.
pub fn parts() -> impl Iterator<Item = (PartKind, &'static str, &'static str)> {
    PARTS.iter().map(|(kind, name, line, _)| (*kind, *name, *line))
}

#[cfg(test)]
mod tests;
