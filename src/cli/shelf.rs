//! The command line of what is done with recordings beyond looking at one, and with running sessions.
//!
//! Invariant: as `cli`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand, ValueEnum, ValueHint};

/// Find text in recordings: in what was on the screen, typed, run, opened and reached
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  govsh search 'error|panic' last\n  govsh search -F 'rm -rf' --in argv\n  govsh search --json -C 2 token | jq -r .replay\n\nExit status: 0 when something was found, 1 when nothing was, 2 on errors."
)]
pub struct Search {
    /// Regular expression; letters compare exactly only if there is a capital among them
    #[arg(value_name = "PATTERN")]
    pub pattern: String,
    /// Sessions by id, unique prefix of one, 'last', or file; or directories; without any all, newest first
    #[arg(value_name = "SESSION", value_hint = ValueHint::AnyPath)]
    pub sessions: Vec<OsString>,
    /// The pattern is the text itself, no regular expression
    #[arg(short = 'F', long)]
    pub fixed_strings: bool,
    /// Capital and small letters are the same
    #[arg(short, long)]
    pub ignore_case: bool,
    /// Capital and small letters are never the same
    #[arg(short = 's', long, conflicts_with = "ignore_case")]
    pub case_sensitive: bool,
    /// Lines around each hit in output, up to 1000
    #[arg(short = 'C', long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = lines)]
    pub context: usize,
    /// Where to look, by default everywhere: output, input, argv, path, host, marker
    #[arg(long = "in", value_name = "PLACE", value_delimiter = ',',
        value_parser = PossibleValuesParser::new(["output", "input", "argv", "path", "host", "mcp", "marker"]))]
    pub places: Vec<String>,
    /// As JSON, one object a line
    #[arg(long)]
    pub json: bool,
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

/// Look at running sessions as they go: all of them in a list, or one
#[derive(Debug, Args)]
#[command(
    after_help = "Without a terminal, or with --json, what runs now is listed once.\n\nExamples:\n  govsh watch\n  govsh watch k3f9\n  govsh watch --json | jq -r '.[] | select(.state == \"asks\") | .id'"
)]
pub struct Watch {
    /// Session: its id, a unique prefix of it, or 'last'
    #[arg(value_name = "SESSION")]
    pub session: Option<String>,
    /// List what runs now as JSON, and exit
    #[arg(long)]
    pub json: bool,
}

/// Answer a question of a running session; without QUESTION: list those that wait
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 when it was answered or listed, 1 when somebody was quicker or it does not wait,\n125 when the session cannot be reached.\n\nExamples:\n  govsh answer k3f9\n  govsh answer k3f9 4 allow --for session\n  govsh answer last 5 deny --for never"
)]
pub struct Answer {
    /// Session: its id, a unique prefix of it, or 'last'
    #[arg(value_name = "SESSION")]
    pub session: String,
    /// The question's number
    #[arg(value_name = "QUESTION", requires = "verdict")]
    pub question: Option<u64>,
    /// What to say
    #[arg(value_enum, value_name = "allow|deny", hide_possible_values = true)]
    pub verdict: Option<Say>,
    /// How long it holds: the calls that wait, this session, the asking program in this session, always,
    /// or never ask again in this session (deny)
    #[arg(long = "for", value_enum, value_name = "SCOPE", default_value = "once", requires = "verdict")]
    pub scope: Holds,
    /// Which of the listed rules 'session' and 'always' add, from 1
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=9), requires = "verdict")]
    pub choice: u8,
    /// List, or tell what became of it, as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Say {
    Allow,
    Deny,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Holds {
    Once,
    Session,
    Program,
    Always,
    Never,
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

fn lines(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count <= 1_000).ok_or_else(|| "a number up to 1000 is wanted".into())
}

/// `90m`, `12h`, `30d`, `8w`.
fn age(text: &str) -> Result<Duration, String> {
    let seconds = match text.chars().next_back() {
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        Some('w') => 604_800,
        _ => 0,
    };
    let number = text.get(..text.len().saturating_sub(1)).and_then(|number| number.parse::<u64>().ok());
    match number.and_then(|number| number.checked_mul(seconds)).filter(|_| seconds > 0) {
        Some(seconds) => Ok(Duration::from_secs(seconds)),
        None => Err("a whole number with m, h, d or w is wanted, such as 30d".into()),
    }
}

/// `1000000`, `500M`, `2G`, `2GiB`: in steps of 1024.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let bits = match unit {
        "" | "B" => Some(0),
        "K" | "KiB" => Some(10),
        "M" | "MiB" => Some(20),
        "G" | "GiB" => Some(30),
        "T" | "TiB" => Some(40),
        _ => None,
    };
    let bytes = number.parse::<u64>().ok().zip(bits).and_then(|(number, bits)| number.checked_mul(1 << bits));
    bytes.ok_or_else(|| "bytes, or a whole number with K, M, G or T are wanted, such as 500M".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_sizes_are_checked() {
        assert_eq!(age("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!([size("2G"), size("10"), size("1KiB")], [Ok(2 << 30), Ok(10), Ok(1024)]);
        for wrong in ["", "d", "30", "-1d", "1.5h", "30ä", "99999999999999999999d", "9999999999999999999w"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "G", "-1", "1.5G", "2GB", "2ä", "99999999999T"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
