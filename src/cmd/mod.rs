//! One file per subcommand; here, which is which.
//!
//! Invariant: an exit status comes back, whatever happened; errors are told on stderr in one or two lines.
//! Leaves to others: the work.

pub mod answer;
pub mod backtest;
pub mod completions;
pub mod doctor;
pub mod find;
pub mod json;
pub mod key;
pub mod learn;
pub mod library;
pub mod ls;
pub mod mcp;
pub mod paint;
pub mod past;
pub mod policy;
pub mod prune;
pub mod replay;
pub mod run;
pub mod search;
pub mod show;
pub mod trust;
pub mod verify;
pub mod watch;

use crate::cli::{Command, FAILED, Key, Replay, Show};

/// Does what was asked for; the exit status.
pub fn dispatch(command: Command) -> i32 {
    let outcome = match command {
        Command::Run(options) => return run::run(*options),
        Command::Monitor(options) => return crate::session::monitor(&options.socket),
        Command::Ls(options) => ls::ls(options.dir.as_deref(), options.json),
        Command::Show(options) => show(options),
        Command::Replay(options) => replay(options),
        Command::Watch(options) => watch::watch(&options),
        Command::Answer(options) => answer::answer(&options),
        Command::Verify(options) => verify::run(&options),
        Command::Key(Key::Show(options)) => key::show(options.json),
        Command::Search(options) => search::search(&options),
        Command::Prune(options) => prune::prune(&options),
        Command::Learn(options) => learn::learn(&options),
        Command::Policy(options) => policy::run(options),
        Command::Mcp(options) => mcp::run(&options),
        Command::Trust(options) => trust::trust(&options),
        Command::Doctor(options) => doctor::run(&options),
        Command::Completions(options) => completions::run(&options),
    };
    outcome.unwrap_or_else(|error| {
        if !is_closed_pipe(&error) {
            eprintln!("govsh: {error:#}");
        }
        FAILED
    })
}

fn show(Show { session, programs, events, kind: kinds, denied, json }: Show) -> anyhow::Result<i32> {
    show::show(&session, &show::ShowOptions { json, programs, events, kinds, denied })
}

fn replay(options: Replay) -> anyhow::Result<i32> {
    let Replay { session, plain, speed, idle_limit, at, event, denied, follow } = options;
    let begin = match (at, event) {
        (Some(at), _) => replay::Begin::At(u64::try_from(at.as_nanos()).unwrap_or(u64::MAX)),
        (None, Some(event)) => replay::Begin::Event(event),
        (None, None) if denied => replay::Begin::Denied,
        (None, None) if follow => replay::Begin::Follow,
        (None, None) => replay::Begin::Start,
    };
    replay::replay(&session, &replay::ReplayOptions { plain, speed, idle_limit, begin })
}

/// `govsh ls | head -1`: the reader has what it wanted.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error.root_cause().downcast_ref::<std::io::Error>();
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}
