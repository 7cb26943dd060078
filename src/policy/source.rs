//! Where policy text comes from, and the values that its variables stand for.
//!
//! Invariant: nothing here touches the disk; a `Library` does, on the caller's side.
//! Leaves to others: reading files (`cmd::library`), meaning (`document`).

use std::ffi::OsString;

use super::registries::{Registry, Setting};
use super::{Layer, PolicyError};

/// One policy text and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// As shown: `agent.toml` for a shipped profile, or a path.
    pub name: String,
    pub text: String,
    pub layer: Layer,
    /// The file it was read from, resolved: the agent may not write it. None for what is compiled in.
    pub path: Option<Vec<u8>>,
}

/// Finds what policies extend, and real paths. A test's library is a map.
pub trait Library {
    /// The source that `from` extends: a profile's name or a file, relative ones beside `from`.
    fn load(&self, name_or_file: &str, from: &Source) -> Result<Source, PolicyError>;
    /// The answers kept under this name, from the user's own directory; None when there are none.
    fn answers(&self, key: &str) -> Result<Option<Source>, PolicyError> {
        let _ = key;
        Ok(None)
    }
    /// What is laid over every profile here: of the organisation, the machine, the user, the project and the command
    /// line, most trusted first. Whatever is there and cannot be used is an error.
    fn layers(&self) -> Result<Vec<Source>, PolicyError> {
        Ok(Vec::new())
    }
    /// Whether the user trusts this project file, at this place and with exactly this text.
    fn trusts(&self, source: &Source) -> Result<bool, PolicyError> {
        let _ = source;
        Ok(false)
    }
    /// What the configuration of an ecosystem's tools says of its registries: of the user and the machine, never of the
    /// project, which the agent writes.
    fn registry(&self, which: Registry) -> Vec<Setting> {
        let _ = which;
        Vec::new()
    }
    /// The path without symbolic links, or None if it does not exist.
    fn realpath(&self, literal: &[u8]) -> Option<Vec<u8>>;
    /// The program that the agent runs to reach its MCP servers: this one, by its real path.
    fn own_program(&self) -> Option<Vec<u8>> {
        None
    }
    /// What stands at a path whose directory is known to be real: cheaper than `realpath`, and asked first.
    fn kind(&self, path: &[u8]) -> Kind {
        let _ = path;
        Kind::Unknown
    }
}

impl Layer {
    /// As it stands in events and messages.
    pub fn name(self) -> &'static str {
        match self {
            Layer::BuiltIn => "built-in",
            Layer::Org => "org",
            Layer::Machine => "machine",
            Layer::User => "user",
            Layer::Shipped => "shipped",
            Layer::Project => "project",
            Layer::CommandLine => "command-line",
        }
    }
}

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Absent,
    /// Anything but a symbolic link.
    Plain,
    /// A symbolic link, or the library has no quick answer.
    Unknown,
}

/// What `~`, `${workdir}` and the other variables and the named sockets stand for. Paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vars {
    pub home: Vec<u8>,
    pub workdir: Vec<u8>,
    pub tmp: Vec<u8>,
    pub session: Vec<u8>,
    /// `${git}`: the git directory of the repository that `workdir` belongs to, if it lies outside of it.
    pub git: Vec<Vec<u8>>,
    /// `${repo}`: the top of the work tree that `workdir` lies in, if it is above it.
    pub repo: Vec<Vec<u8>>,
    /// `${command}`: where the command that was started keeps its own, by its name; empty for a command that has none.
    pub command: Vec<Vec<u8>>,
    pub uid: u32,
    /// The environment of the caller, for named sockets only.
    pub env: Vec<(OsString, OsString)>,
    /// govsh's own recordings, keys, runtime and configuration: no access at all.
    pub state_dirs: Vec<Vec<u8>>,
}

/// The variables of the environment that decide what a policy means: where sockets and configuration lie. None is a secret.
const MEANT: &[&str] = &[
    "SSH_AUTH_SOCK",
    "GNUPGHOME",
    "DOCKER_HOST",
    "DBUS_SESSION_BUS_ADDRESS",
    "TMUX",
    "TMUX_TMPDIR",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "ZDOTDIR",
];

impl Vars {
    /// Without the part of the environment that no policy looks at: the same policy means the same under them.
    #[must_use]
    pub fn meant(&self) -> Vars {
        let env = self.env.iter().filter(|(name, _)| MEANT.iter().any(|meant| name == meant)).cloned().collect();
        Vars { env, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_environment_only_what_policies_look_at_is_kept() {
        let pair = |name: &str| (OsString::from(name), OsString::from("/x"));
        let vars = Vars { env: vec![pair("GITHUB_TOKEN"), pair("SSH_AUTH_SOCK"), pair("PATH")], ..Vars::default() };
        assert_eq!(vars.meant().env, [pair("SSH_AUTH_SOCK")]);
    }

    #[test]
    fn every_variable_that_policies_look_at_is_kept() {
        let sources = concat!(include_str!("sockets.rs"), include_str!("builtin.rs"));
        let asked = sources.match_indices("env(\"").filter_map(|(at, found)| {
            let rest = sources.get(at + found.len()..)?;
            rest.split('"').next()
        });
        for name in asked {
            assert!(MEANT.contains(&name), "{name}");
        }
    }
}
