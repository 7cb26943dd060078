//! The command line of what is laid over a policy for one run, and of trust in projects' policies.
//!
//! Invariant: as `cli`.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueHint};

use crate::policy::SOCKETS;
use crate::policy::shipped::{self, PartKind};

/// Rules for this run alone; on an enrolled machine only those that take away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Rules for this run")]
pub struct Laid {
    /// Deny all access to PATTERN: a path, a directory with all beneath it, or a pattern as in a policy
    #[arg(long, value_name = "PATTERN", value_hint = ValueHint::AnyPath)]
    pub deny: Vec<String>,
    /// Deny changing PATTERN
    #[arg(long, value_name = "PATTERN", value_hint = ValueHint::AnyPath)]
    pub readonly: Vec<String>,
    /// Ask before PATTERN is read or changed
    #[arg(long, value_name = "PATTERN", value_hint = ValueHint::AnyPath)]
    pub ask: Vec<String>,
    /// Allow reading PATTERN
    #[arg(long, value_name = "PATTERN", value_hint = ValueHint::AnyPath)]
    pub allow_read: Vec<String>,
    /// Allow reading and changing PATTERN
    #[arg(long, value_name = "PATTERN", value_hint = ValueHint::AnyPath)]
    pub allow_write: Vec<String>,
    /// Allow running PATTERN
    #[arg(long, value_name = "PATTERN", value_hint = ValueHint::AnyPath)]
    pub allow_exec: Vec<String>,
    /// Deny a program: its name, its path, or a command line such as 'git push **'
    #[arg(long, value_name = "PROGRAM")]
    pub deny_exec: Vec<String>,
    /// Ask before a program runs, likewise
    #[arg(long, value_name = "PROGRAM")]
    pub ask_exec: Vec<String>,
    /// Deny reaching an address: IP, IP:PORT, CIDR, or 'all'
    #[arg(long, value_name = "ADDRESS")]
    pub deny_net: Vec<String>,
    /// Allow reaching an address, likewise
    #[arg(long, value_name = "ADDRESS")]
    pub allow_net: Vec<String>,
    /// Allow a socket: its path, or a service such as ssh-agent
    #[arg(long, value_name = "SOCKET")]
    pub allow_socket: Vec<String>,
    /// Switch on a toolchain, a device or a service's socket by its name, with the files that come with it
    #[arg(long, value_name = "TOGGLE", value_parser = PossibleValuesParser::new(toggles()), hide_possible_values = true)]
    pub with: Vec<String>,
}

/// Everything that can be switched on by a name: toolchains, devices, services with a socket.
pub fn toggles() -> Vec<&'static str> {
    let parts = [PartKind::Toolchain, PartKind::Device].into_iter().flat_map(shipped::part_names);
    parts.chain(SOCKETS.iter().copied()).collect()
}

/// The list of a policy that a toggle stands in.
pub fn key_of(toggle: &str) -> &'static str {
    let is = |kind| shipped::part_names(kind).any(|name| name == toggle);
    if is(PartKind::Toolchain) {
        "toolchains.allow"
    } else if is(PartKind::Device) {
        "devices.allow"
    } else {
        "sockets.allow"
    }
}

impl Laid {
    /// Each option with its value, as typed: option, key in a policy, value, whether the value is a path.
    pub fn rules(&self) -> impl Iterator<Item = (&'static str, &'static str, &str, bool)> {
        let lists = [
            ("--deny", "files.deny", &self.deny, true),
            ("--readonly", "files.readonly", &self.readonly, true),
            ("--ask", "files.ask", &self.ask, true),
            ("--allow-read", "files.read", &self.allow_read, true),
            ("--allow-write", "files.write", &self.allow_write, true),
            ("--allow-exec", "files.exec", &self.allow_exec, true),
            ("--deny-exec", "exec.deny", &self.deny_exec, false),
            ("--ask-exec", "exec.ask", &self.ask_exec, false),
            ("--deny-net", "network.deny", &self.deny_net, false),
            ("--allow-net", "network.allow", &self.allow_net, false),
            ("--allow-socket", "sockets.allow", &self.allow_socket, false),
        ];
        let lists = lists.into_iter().flat_map(|(option, key, values, path)| {
            values.iter().map(move |value| (option, key, value.as_str(), path))
        });
        lists.chain(self.with.iter().map(|toggle| ("--with", key_of(toggle), toggle.as_str(), false)))
    }
}

/// Trust what a project's policy grants, or take that back; it asks, and shows first what it would widen
#[derive(Debug, Args)]
#[command(
    after_help = "Denials and limits of a project's .govsh/policy.toml always hold; what it grants holds once its text is trusted\nhere, and until it is changed. Exit status: 1 when it was not trusted.\n\nExamples:\n  govsh trust\n  govsh trust ~/src/shop --yes\n  govsh trust --list\n  govsh trust --revoke"
)]
pub struct Trust {
    /// A directory, for the project's policies there and above it, or a policy file in a directory .govsh
    #[arg(default_value = ".", value_name = "DIR|FILE", value_hint = ValueHint::AnyPath)]
    pub place: PathBuf,
    /// Trust it without being asked
    #[arg(long, conflicts_with_all = ["list", "revoke"])]
    pub yes: bool,
    /// List what is trusted
    #[arg(long, conflicts_with_all = ["place", "revoke"])]
    pub list: bool,
    /// Trust it no longer, whatever it says now
    #[arg(long)]
    pub revoke: bool,
    /// As JSON; without --yes nothing is trusted
    #[arg(long)]
    pub json: bool,
}
