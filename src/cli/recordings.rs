//! The commands on recordings.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand, ValueHint};

use super::KINDS;
use super::values::{age, clock, size, speed};

/// List recordings, newest first
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  govsh ls\n  govsh ls --json | jq -r '.[].id'\n  govsh ls ./logs")]
pub struct Ls {
    /// Directory to look in instead of govsh's own
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Say what a session did: programs, files, places reached, everything denied
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  govsh show last\n  govsh show k3f9 --events --denied\n  govsh show last --events --kind exec --json"
)]
pub struct Show {
    /// Session: its id, a unique prefix of it, 'last', or a file
    #[arg(default_value = "last", value_name = "SESSION", value_hint = ValueHint::FilePath)]
    pub session: OsString,
    /// The programs that ran, as a tree with their arguments
    #[arg(long, conflicts_with = "events")]
    pub programs: bool,
    /// One line for each event, in order
    #[arg(long)]
    pub events: bool,
    /// Only events of this kind; may be repeated
    #[arg(long, value_name = "KIND", requires = "events", value_parser = PossibleValuesParser::new(KINDS))]
    pub kind: Vec<String>,
    /// Only what was denied
    #[arg(long, requires = "events")]
    pub denied: bool,
    /// As JSON; events as one object a line
    #[arg(long)]
    pub json: bool,
}

/// Play a session's terminal output again
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  govsh replay last --idle-limit 1\n  govsh replay k3f9 --at 3:12 --speed 2\n  govsh replay last --plain --speed 1000 | less -R"
)]
pub struct Replay {
    /// Session: its id, a unique prefix of it, 'last', or a file
    #[arg(default_value = "last", value_name = "SESSION", value_hint = ValueHint::FilePath)]
    pub session: OsString,
    /// Write the recorded bytes and nothing else (in this version the only way, so it may be left out)
    #[arg(long)]
    pub plain: bool,
    /// Times as fast: 0.01 to 1000000
    #[arg(long, default_value = "1", value_name = "N", value_parser = speed)]
    pub speed: f64,
    /// Shorten pauses to at most this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clock)]
    pub idle_limit: Option<Duration>,
    /// Begin here (seconds, m:ss or h:mm:ss): what came before is written at once
    #[arg(long, value_name = "TIME", value_parser = clock)]
    pub at: Option<Duration>,
}

/// Remove recordings that are too old, too many or too large; without --yes only say which
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  govsh prune --older-than 30d\n  govsh prune --keep 200 --max-size 2G --keep-denied --yes\n\nSessions that are running and files that are no recordings are never removed.\nExit status: 1 when something could not be removed."
)]
pub struct Prune {
    /// Directory to look in instead of govsh's own
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
    /// Those last changed longer ago than this: 12h, 30d, 8w
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub older_than: Option<Duration>,
    /// All but this many of the newest
    #[arg(long, value_name = "N")]
    pub keep: Option<u64>,
    /// The oldest, until all that stay together are no larger than this: bytes, or 500M, 2G
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub max_size: Option<u64>,
    /// But none with a denial in it
    #[arg(long)]
    pub keep_denied: bool,
    /// Remove them
    #[arg(long)]
    pub yes: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Say whether recordings are what was written, and who signed them
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  govsh verify last\n  govsh verify ./logs/*.cast.zst --key laptop.pub --json\n\nExit status: 0 intact and signed; 3 nothing wrong as far as can be seen, but not signed or not closed;\n4 altered; 125 a file could not be read; of several files, the highest."
)]
pub struct Verify {
    /// Sessions or files
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<OsString>,
    /// Only a signature by this key counts: its text 'ed25519:…', or a file with that in it
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// The key with which this machine signs recordings
#[derive(Debug, Subcommand)]
pub enum Key {
    Show(KeyShow),
}

/// Print the public key, its fingerprint and where the secret one lies; made if there is none yet
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  govsh key show > laptop.pub\n  govsh key show --json | jq -r .fingerprint")]
pub struct KeyShow {
    /// As JSON
    #[arg(long)]
    pub json: bool,
}
