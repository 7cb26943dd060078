//! The command line: what can be asked for, in types.
//!
//! Invariant: whatever leaves [`parse`] is valid in itself (numbers in range, words known); nothing here reads a file or acts.
//! Leaves to others: what a name means (`cmd`), and which policy or recording it finds.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, ValueHint};

mod laid;
mod learn;
mod mcp;
mod policy;
mod remote;
mod shelf;

pub use laid::{Laid, Trust, key_of, toggles};
pub use learn::{Learn, PolicyBacktest};
pub use mcp::{Mcp, McpConnect, McpDiff, McpImport, McpList, McpPin};
pub use policy::{Policy, PolicyCheck, PolicyDiff, PolicyExplain, PolicyList, PolicyReload, PolicyShow, PolicyTest};
pub use remote::{McpLogin, McpLogout, McpServe};
pub use shelf::{Answer, Holds, Key, KeyShow, Prune, Say, Search, Verify, Watch};

/// Exit status when govsh itself fails, wrong usage included: never mistaken for the agent's own.
pub const FAILED: i32 = 125;

/// The kinds of event that `show --kind` knows, as they stand in a recording.
pub const KINDS: [&str; 23] = [
    "start",
    "policy",
    "report",
    "output",
    "input",
    "redacted",
    "resize",
    "marker",
    "proc",
    "file",
    "exec",
    "net",
    "dns",
    "http",
    "credential",
    "mcp",
    "call",
    "ask",
    "answer",
    "alert",
    "limit",
    "lost",
    "exit",
];

const EXAMPLES: &str = "\
Examples:
  govsh -- codex                       run codex under the policy made for it
  govsh --policy locked-down -- bash   a shell that reaches almost nothing
  govsh --policy ./team.toml -- make   a policy of one's own
  govsh --with docker -- codex         and Docker, for this run
  echo 2+2 | govsh -- bc | cat         pipes stay pipes
  govsh show last                      what was run, written, reached and denied
  govsh doctor                         what this machine can enforce

Exit status: the command's own, 128+n when signal n ended it, 125 when govsh failed,
126 when the command was refused or is not executable, 127 when it was not found.";

/// Run a command-line agent under an enforced policy, and record every decision beside its terminal.
#[derive(Debug, Parser)]
#[command(
    name = "govsh",
    version,
    propagate_version = true,
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    override_usage = "govsh [OPTIONS] -- COMMAND [ARGS]...\n       govsh SUBCOMMAND ...",
    after_help = EXAMPLES
)]
pub struct Cli {
    #[command(subcommand)]
    pub subcommand: Option<Command>,
    #[command(flatten)]
    pub options: RunOptions,
    /// The command to run and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// `govsh [OPTIONS] -- COMMAND`, as [`Cli`] has it.
#[derive(Debug, Parser)]
#[command(name = "govsh")]
struct Direct {
    #[command(flatten)]
    options: RunOptions,
    #[arg(last = true)]
    command: Vec<OsString>,
}

/// What was asked for.
#[derive(Debug, Subcommand)]
pub enum Command {
    Run(Box<Run>),
    Learn(Learn),
    Ls(Ls),
    Show(Show),
    Replay(Replay),
    Watch(Watch),
    Answer(Answer),
    Verify(Verify),
    #[command(subcommand)]
    Key(Key),
    Search(Search),
    Prune(Prune),
    #[command(subcommand)]
    Policy(Policy),
    #[command(subcommand)]
    Mcp(Mcp),
    Trust(Trust),
    Doctor(Doctor),
    Completions(Completions),
    #[command(name = "__monitor", hide = true)]
    Monitor(Monitor),
}

/// Run a command under a policy; the word may be left out: govsh -- COMMAND
#[derive(Debug, Args)]
#[command(
    override_usage = "govsh run [OPTIONS] [--] COMMAND [ARGS]...",
    after_help = "Examples:\n  govsh run -- bash\n  govsh run --no-adapt -- codex\n  govsh run --record ./logs/ -- make -j4"
)]
pub struct Run {
    #[command(flatten)]
    pub options: RunOptions,
    /// The command to run and its arguments; the first word is looked up in PATH
    #[arg(required = true, trailing_var_arg = true, value_hint = ValueHint::CommandWithArguments, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

#[derive(Debug, Clone, Args)]
pub struct RunOptions {
    /// Policy to run under: a profile's name, or a file (anything with a '/' or ending in .toml);
    /// without it, the profile made for the command, else 'agent'
    #[arg(short, long, value_name = "NAME|FILE", value_hint = ValueHint::FilePath)]
    pub policy: Option<String>,
    /// What is audited: every open (full), or only those that write (writes, faster)
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub audit: Option<AuditLevel>,
    /// Where the recording goes: a directory (there already, or ending in '/'), or a file that does not exist yet
    #[arg(long, value_name = "DIR|FILE", value_hint = ValueHint::AnyPath, conflicts_with = "no_record")]
    pub record: Option<PathBuf>,
    /// Keep no recording
    #[arg(long)]
    pub no_record: bool,
    /// Let processes that outlive the command go on, still confined, until the last one ends
    #[arg(long)]
    pub keep_background: bool,
    /// How long a question waits for an answer before it is denied: 1 to 3600
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub ask_timeout: u64,
    /// Do not add the profile's arguments to the agent's command line
    #[arg(long)]
    pub no_adapt: bool,
    /// Print nothing before and after the run except errors
    #[arg(short, long)]
    pub quiet: bool,
    /// What opens govsh's panel over the agent's screen [default: ctrl-\ g]
    #[arg(long, value_name = "KEY|off")]
    pub hot_key: Option<String>,
    #[command(flatten)]
    pub laid: Laid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AuditLevel {
    /// Every open, so reads and denied reads are recorded
    Full,
    /// Opens that write, and changes of names; reads are left to Landlock alone
    Writes,
}

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

/// Look at a session again: its terminal beside a timeline of every decision
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  govsh replay last\n  govsh replay k3f9 --denied\n  govsh replay k3f9 --at 3:12 --speed 2\n  govsh replay last --plain --speed 1000 | less -R\n\n'?' shows the keys. Without a terminal, and with --plain, the recorded bytes are written instead."
)]
pub struct Replay {
    /// Session: its id, a unique prefix of it, 'last', or a file
    #[arg(default_value = "last", value_name = "SESSION", value_hint = ValueHint::FilePath)]
    pub session: OsString,
    /// Write the recorded bytes and nothing else
    #[arg(long, conflicts_with_all = ["event", "denied", "follow"])]
    pub plain: bool,
    /// Times as fast: 0.01 to 1000000; the view knows 0.25 to 64
    #[arg(long, default_value = "1", value_name = "N", value_parser = speed)]
    pub speed: f64,
    /// Shorten pauses to at most this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clock)]
    pub idle_limit: Option<Duration>,
    /// Begin here (seconds, m:ss or h:mm:ss)
    #[arg(long, value_name = "TIME", value_parser = clock)]
    pub at: Option<Duration>,
    /// Begin after the event with this number
    #[arg(long, value_name = "N", conflicts_with = "at")]
    pub event: Option<u64>,
    /// Begin at the first denial, with only denials listed
    #[arg(long, conflicts_with_all = ["at", "event"])]
    pub denied: bool,
    /// Begin at the end, and go on with a session that is still running
    #[arg(long, conflicts_with_all = ["at", "event", "denied"])]
    pub follow: bool,
}

/// Try, by doing, every mechanism that govsh builds on, and say what this machine has
#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0 when everything a default run needs is there, else 1.")]
pub struct Doctor {
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Print the completion script of a shell
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  govsh completions bash > ~/.local/share/bash-completion/completions/govsh\n  govsh completions zsh > ~/.zfunc/_govsh\n  govsh completions fish > ~/.config/fish/completions/govsh.fish"
)]
pub struct Completions {
    /// The shell to complete for
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// The process between the front and the agent; govsh starts it itself
#[derive(Debug, Args)]
pub struct Monitor {
    /// The front's socket
    pub socket: PathBuf,
}

/// Parses the process's arguments; prints help, version or a usage error and exits where there is nothing to run.
pub fn parse() -> Command {
    match parse_from(std::env::args_os()) {
        Ok(command) => command,
        Err(error) => {
            let status = if error.use_stderr() { FAILED } else { 0 };
            // a closed stdout or stderr leaves nobody to tell
            let _ = error.print();
            std::process::exit(status)
        }
    }
}

/// As [`parse`], from any words (the first is the program's name) and without acting on an error.
pub fn parse_from(words: impl IntoIterator<Item = OsString>) -> Result<Command, clap::Error> {
    let words: Vec<OsString> = words.into_iter().collect();
    if let Some(command) = at_once(&words) {
        return Ok(command);
    }
    let cli = Cli::try_parse_from(words).map_err(with_hint)?;
    if let Some(command) = cli.subcommand {
        return Ok(command);
    }
    if cli.command.is_empty() {
        let message = "no command to run\nhint: govsh [OPTIONS] -- COMMAND [ARGS]...";
        return Err(Cli::command().error(ErrorKind::MissingRequiredArgument, message));
    }
    Ok(Command::Run(Box::new(Run { options: cli.options, command: cli.command })))
}

/// What starts sessions, by its own definitions alone: making those of all subcommands takes longer than reading the words.
/// None: the whole has to be looked at, if only to say what is wrong.
fn at_once(words: &[OsString]) -> Option<Command> {
    let run = match words {
        [_, word, socket] if word == "__monitor" && Path::new(socket).is_absolute() => {
            return Some(Command::Monitor(Monitor { socket: socket.into() }));
        }
        [_, word, ..] if word == "run" => {
            let matches = Run::augment_args(clap::Command::new("run")).try_get_matches_from(words.get(1..)?);
            Run::from_arg_matches(&matches.ok()?).ok()?
        }
        words if words.iter().any(|word| word == "--") => {
            let Direct { options, command } = Direct::try_parse_from(words).ok()?;
            Run { options, command }
        }
        _ => return None,
    };
    (!run.command.is_empty()).then(|| Command::Run(Box::new(run)))
}

/// `govsh CMD` could be a misspelt subcommand: it is never run, but told how to be.
fn with_hint(error: clap::Error) -> clap::Error {
    let word = match (error.kind(), error.get(ContextKind::InvalidSubcommand), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::InvalidSubcommand, Some(ContextValue::String(word)), _) => word,
        (ErrorKind::UnknownArgument, _, Some(ContextValue::String(word))) if !word.starts_with('-') => word,
        _ => return error,
    };
    let similar = match error.get(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::Strings(names)) if !names.is_empty() => {
            format!(", or did you mean 'govsh {}'?", names[0])
        }
        _ => String::new(),
    };
    let message = format!("'{word}' is not a subcommand\nhint: to run it: govsh -- {word} …{similar}");
    Cli::command().error(ErrorKind::InvalidSubcommand, message)
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(n) if (0.01..=1_000_000.0).contains(&n) => Ok(n),
        _ => Err("a number from 0.01 to 1000000 is wanted".into()),
    }
}

/// `12`, `1.5`, `3:12`, `1:02:03`: up to a year.
fn clock(text: &str) -> Result<Duration, String> {
    let wrong = || "seconds, m:ss or h:mm:ss are wanted".to_string();
    let mut seconds = 0.0;
    for (place, part) in text.split(':').enumerate() {
        let n: f64 = part.parse().map_err(|_| wrong())?;
        let limit = if place == 0 { 31_536_000.0 } else { 60.0 };
        if place > 2 || !(0.0..=limit).contains(&n) {
            return Err(wrong());
        }
        seconds = seconds * 60.0 + n;
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Command, clap::Error> {
        parse_from(line.split(' ').map(OsString::from))
    }

    fn run(line: &str) -> Run {
        match words(line) {
            Ok(Command::Run(run)) => *run,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn definitions_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_command_is_what_follows_the_dashes() {
        assert_eq!(run("govsh -- ls -l").command, ["ls", "-l"]);
        assert_eq!(run("govsh run -- ls -l").command, ["ls", "-l"]);
        assert_eq!(run("govsh run ls -l -- x").command, ["ls", "-l", "--", "x"]);
        let with_options = run("govsh --policy a.toml --quiet -- show last");
        assert_eq!(with_options.command, ["show", "last"]);
        assert_eq!(with_options.options.policy.as_deref(), Some("a.toml"));
        assert!(with_options.options.quiet);
    }

    #[test]
    fn what_is_read_at_once_is_read_as_by_all_definitions() {
        let lines = [
            "govsh -- ls -l",
            "govsh --policy show --quiet --audit writes -- show last -- x",
            "govsh --with docker --no-record -- codex --policy y",
            "govsh run ls -l -- x",
            "govsh run --ask-timeout 5 -- ls",
            "govsh run --policy run run",
            "govsh run",
            "govsh run --help",
            "govsh run --version",
            "govsh --version -- x",
            "govsh --",
            "govsh show -- last",
            "govsh --policy -- x",
            "govsh run --ask-timeout 0 -- ls",
            "govsh policy explain codex --exec -- ls",
        ];
        for line in lines {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let Some(at_once) = at_once(&words) else { continue };
            let cli = Cli::try_parse_from(&words).unwrap();
            let all = match cli.subcommand {
                Some(command) => command,
                None => Command::Run(Box::new(Run { options: cli.options, command: cli.command })),
            };
            assert_eq!(format!("{at_once:?}"), format!("{all:?}"), "{line}");
        }
        let count = |of: &[&str]| {
            of.iter().filter(|line| at_once(&line.split(' ').map(OsString::from).collect::<Vec<_>>()).is_some()).count()
        };
        assert_eq!((count(&lines[..6]), count(&lines[6..])), (6, 0));
    }

    #[test]
    fn a_word_that_is_no_subcommand_is_not_run() {
        for line in ["govsh bash", "govsh bash -c true", "govsh --quiet bash", "govsh shw last"] {
            let message = words(line).expect_err(line).to_string();
            assert!(message.contains("hint: to run it: govsh -- "), "{line}: {message}");
        }
        assert!(words("govsh --quiet").expect_err("no command").to_string().contains("no command to run"));
        assert!(words("govsh run").is_err());
    }

    #[test]
    fn times_and_speeds_are_checked() {
        assert_eq!(clock("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(clock("3:12"), Ok(Duration::from_secs(192)));
        assert_eq!(clock("1:02:03"), Ok(Duration::from_secs(3723)));
        for wrong in ["", "-1", "nan", "inf", "1:99", "1:2:3:4", "1e300", "x"] {
            assert!(clock(wrong).is_err(), "{wrong}");
        }
        for wrong in ["0", "-1", "nan", "inf", "fast"] {
            assert!(speed(wrong).is_err(), "{wrong}");
        }
    }
}
