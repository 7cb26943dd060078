//! The command line: what can be asked for, in types.
//!
//! Invariant: whatever leaves [`parse`] is valid in itself (numbers in range, words known); nothing here reads a file or acts.
//! Leaves to others: what a name means (`cmd`), and which policy or recording it finds.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint};

mod recordings;
mod values;

pub use recordings::{Key, KeyShow, Ls, Prune, Replay, Show, Verify};

/// Exit status when govsh itself fails, wrong usage included: never mistaken for the agent's own.
pub const FAILED: i32 = 125;

/// The kinds of event that `show --kind` knows, as they stand in a recording.
pub const KINDS: [&str; 18] = [
    "start", "policy", "report", "output", "input", "redacted", "resize", "marker", "proc", "file", "exec", "net",
    "ask", "answer", "alert", "limit", "lost", "exit",
];

const EXAMPLES: &str = "\
Examples:
  govsh -- codex                       run codex under the policy made for it
  govsh --policy locked-down -- bash   a shell that reaches almost nothing
  govsh --policy ./team.toml -- make   a policy of one's own
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

/// What was asked for.
#[derive(Debug, Subcommand)]
pub enum Command {
    Run(Run),
    Ls(Ls),
    Show(Show),
    Replay(Replay),
    Watch(Watch),
    Answer(Answer),
    Verify(Verify),
    #[command(subcommand)]
    Key(Key),
    Prune(Prune),
    #[command(subcommand)]
    Policy(Policy),
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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AuditLevel {
    /// Every open, so reads and denied reads are recorded
    Full,
    /// Opens that write, and changes of names; reads are left to Landlock alone
    Writes,
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

/// List, show and check policies
#[derive(Debug, Subcommand)]
pub enum Policy {
    List(PolicyList),
    Show(PolicyShow),
    Check(PolicyCheck),
}

/// List the profiles that --policy knows by name
#[derive(Debug, Args)]
pub struct PolicyList {
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Print a policy as it was written or, with --effective, as it holds
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  govsh policy show agent\n  govsh policy show ./team.toml --effective")]
pub struct PolicyShow {
    /// A profile's name, or a file
    #[arg(default_value = "agent", value_name = "NAME|FILE", value_hint = ValueHint::FilePath)]
    pub policy: String,
    /// Every rule that holds, inherited and built-in ones included, each with its origin
    #[arg(long)]
    pub effective: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Check a policy file: silent success, or the first error with line and column
#[derive(Debug, Args)]
pub struct PolicyCheck {
    /// A policy file, or a profile's name
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub policy: String,
    /// As JSON
    #[arg(long)]
    pub json: bool,
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
    let cli = Cli::try_parse_from(words).map_err(with_hint)?;
    if let Some(command) = cli.subcommand {
        return Ok(command);
    }
    if cli.command.is_empty() {
        let message = "no command to run\nhint: govsh [OPTIONS] -- COMMAND [ARGS]...";
        return Err(Cli::command().error(ErrorKind::MissingRequiredArgument, message));
    }
    Ok(Command::Run(Run { options: cli.options, command: cli.command }))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Command, clap::Error> {
        parse_from(line.split(' ').map(OsString::from))
    }

    fn run(line: &str) -> Run {
        match words(line) {
            Ok(Command::Run(run)) => run,
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
    fn a_word_that_is_no_subcommand_is_not_run() {
        for line in ["govsh bash", "govsh bash -c true", "govsh --quiet bash", "govsh shw last"] {
            let message = words(line).expect_err(line).to_string();
            assert!(message.contains("hint: to run it: govsh -- "), "{line}: {message}");
        }
        assert!(words("govsh --quiet").expect_err("no command").to_string().contains("no command to run"));
        assert!(words("govsh run").is_err());
    }
}
