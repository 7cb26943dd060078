//! The command line of learning a policy, and of judging the past by one.
//!
//! Invariant: as `cli`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueHint};

/// Run a command under a floor that protects secrets, and write the small policy that it needs
#[derive(Debug, Args)]
#[command(
    override_usage = "govsh learn [OPTIONS] -- COMMAND [ARGS]...\n       govsh learn [OPTIONS] --from SESSION [--from SESSION]...",
    after_help = "While it learns, secrets, sockets of services and what is built in are refused, and everything is recorded.\nWithout --output and --save the policy is shown, and on a terminal a name is asked for.\n\nExamples:\n  govsh learn --save build -- cargo build\n  govsh learn --output team.toml -- codex\n  govsh learn --from last --from k3f9 --merge team > wider.toml\n\nExit status: that of the command, 125 when govsh failed."
)]
pub struct Learn {
    /// Learn from this recording instead of running something: id, unique prefix, 'last', or file; may be repeated
    #[arg(long, value_name = "SESSION", value_hint = ValueHint::FilePath, conflicts_with_all = ["command", "no_adapt"])]
    pub from: Vec<OsString>,
    /// Of recordings: also allow what was denied then, but never a secret
    #[arg(long, requires = "from")]
    pub denied: bool,
    /// Build on this policy and add what it lacks, instead of on 'base'
    #[arg(long, value_name = "NAME|FILE", value_hint = ValueHint::FilePath)]
    pub merge: Option<String>,
    /// Give the command this variable although it looks like a secret, and let the policy do so; may be repeated
    #[arg(long, value_name = "VARIABLE")]
    pub pass: Vec<String>,
    /// Write the policy to this file, which does not exist yet; '-' for standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "save")]
    pub output: Option<PathBuf>,
    /// Keep the policy under this name among your own, where --policy finds it
    #[arg(long, value_name = "NAME")]
    pub save: Option<String>,
    /// As JSON: the policy's text, each rule with who needed it, and what was left out
    #[arg(long, conflicts_with_all = ["output", "save"])]
    pub json: bool,
    /// Do not add the profile's arguments to the agent's command line
    #[arg(long)]
    pub no_adapt: bool,
    /// Say only what goes wrong
    #[arg(short, long)]
    pub quiet: bool,
    /// The command to run and its arguments
    #[arg(last = true, required_unless_present = "from", value_hint = ValueHint::CommandWithArguments, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// Judge what recorded sessions asked for by another policy: what would newly be denied, asked or allowed
#[derive(Debug, Args)]
#[command(
    after_help = "Each session is judged with its own directories: ~, ${workdir}, ${tmp} and the others are what they were.\n\nExamples:\n  govsh policy backtest ./team.toml last\n  govsh policy backtest locked-down k3f9 m0aa --json | jq '.changes[].object'\n  govsh policy backtest ./team.toml ~/.local/state/govsh/recordings\n\nExit status: 0 when nothing changes, 1 when something does, 125 on errors."
)]
pub struct PolicyBacktest {
    /// A profile's name, or a policy file
    #[arg(value_name = "POLICY", value_hint = ValueHint::FilePath)]
    pub policy: String,
    /// Sessions by id, unique prefix of one, 'last', or file; or directories of recordings
    #[arg(required = true, value_name = "SESSION", value_hint = ValueHint::AnyPath)]
    pub sessions: Vec<OsString>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub laid: Box<super::Laid>,
}
