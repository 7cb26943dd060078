//! `govsh run`: from words to a session that is fully decided: program, policy, place.
//!
//! Invariant: whatever can be refused is refused before a process is started or a file made, in one line and a hint.
//! Leaves to others: the run itself (`session`).

mod handover;
pub(super) mod laid;
pub(super) mod place;
pub(super) mod program;
mod servers;

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use place::Place;
use program::{Program, ProgramError};

use super::library::{self, Disk};
use crate::cli::{self, AuditLevel, RunOptions};
use crate::policy::{Audit, Layer, Policy, PolicyError, Rule, Source, Verdict, Withheld};
use crate::recording::visible;
use crate::session::keep::{self, Keeper};
use crate::session::overlay::{HotKey, HotKeyError};
use crate::session::recorder::{self, Target};
use crate::session::runtime::{Runtime, RuntimeError};
use crate::session::{self, Handed, Run, SessionError};
use crate::sys::process;

/// Why nothing was run, or it did not end well.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("this is inside govsh session {0} already, and the kernel allows one supervisor only")]
    Nested(String),
    #[error("cannot start the background process")]
    Keep(#[source] std::io::Error),
    #[error(transparent)]
    Place(#[from] place::PlaceError),
    #[error(transparent)]
    Program(#[from] ProgramError),
    #[error("policy '{policy}' does not allow running '{program}': {rule}")]
    Refused { policy: String, program: String, rule: String },
    #[error("{0} requires a recording (require.recording)")]
    MustRecord(String),
    #[error("{0} requires --audit full (require.audit)")]
    MustAudit(String),
    #[error("this machine is enrolled ({by}): the command line can only narrow, and {option} does not")]
    Enrolled { by: String, option: &'static str },
    #[error("project policy '{0}' is not trusted, and so grants nothing")]
    Untrusted(String),
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error("{0}")]
    Server(String),
    #[error(transparent)]
    HotKey(#[from] HotKeyError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl RunError {
    fn hint(&self) -> Option<&str> {
        match self {
            Self::Nested(_) => {
                Some("what runs here is confined and recorded by it; leave it first, or run the command as it is")
            }
            Self::Program(error) => error.hint(),
            Self::Refused { .. } => {
                Some("'govsh policy show --effective' lists the rules; --policy chooses another policy")
            }
            Self::MustRecord(_) => Some("leave --no-record out"),
            Self::Untrusted(_) => {
                Some("'govsh trust FILE' shows what it grants and asks; without --policy it narrows another one")
            }
            Self::Policy(error) => error.hint(),
            Self::Session(error) => error.hint(),
            Self::Place(error) => error.hint(),
            Self::Enrolled { .. } => Some("leave it out"),
            Self::Keep(_) | Self::Server(_) | Self::MustAudit(_) | Self::HotKey(_) | Self::Runtime(_) => None,
        }
    }

    fn status(&self) -> i32 {
        match self {
            Self::Program(error) => error.status(),
            Self::Refused { .. } | Self::Server(_) => session::REFUSED,
            Self::Session(error) => error.status(),
            _ => session::FAILED,
        }
    }
}

/// Runs the command; the exit status, as DESIGN §9 has it.
pub fn run(options: cli::Run) -> i32 {
    try_run(options, None).map_or_else(|error| told(&error), |(status, _)| status)
}

/// As [`run`], under this policy; the status, and the session's id where there was one.
pub fn under(options: cli::Run, policy: Source) -> (i32, Option<String>) {
    match try_run(options, Some(policy)) {
        Ok((status, id)) => (status, Some(id)),
        Err(error) => (told(&error), None),
    }
}

/// Says why nothing was run; the exit status.
fn told(error: &RunError) -> i32 {
    let mut line = format!("govsh: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        line = format!("{line}: {cause}");
        source = cause.source();
    }
    let hint = error.hint().map(|hint| format!("\nhint: {}", visible(hint.as_bytes()))).unwrap_or_default();
    eprintln!("{}{hint}", visible(line.as_bytes()));
    error.status()
}

fn try_run(cli::Run { options, command }: cli::Run, source: Option<Source>) -> Result<(i32, String), RunError> {
    if let Ok(outer) = std::env::var(session::MARKER)
        && process::seccomp_mode() != 0
    {
        return Err(RunError::Nested(outer));
    }
    // Before there is a second thread, and before anything that both would own.
    let keeper = if options.keep_background { keep::divide().map_err(RunError::Keep)? } else { Keeper::none() };
    let hot_key = hot_key(&options)?;
    let place = Place::find()?;
    let program = Program::find(&command, &place)?;
    let id = recorder::new_id();
    let runtime = Runtime::create(&id)?;
    let own: Vec<_> = options.record.iter().map(|record| place.cwd.join(record)).collect();
    let disk = Disk::new().with_flags(laid::sources(&options.laid, &place.cwd));
    let load = source.is_none().then(|| again(&options, &command, (runtime.path(), &own), &place.cwd));
    let policy = match source {
        Some(source) => library::load_source(source, &disk, &base_name(&command), runtime.path(), &own)?,
        None => library::load(&disk, options.policy.as_deref(), &base_name(&command), runtime.path(), &own)?,
    };
    let audit = audit(&options, &policy)?;
    let handed = handed(&options, &command, &policy);
    let (argv, appended) = arguments(&options, command, &policy, &handed);
    let notice = [program.notice(), untrusted(&options, &policy)?].into_iter().flatten().collect();
    check_program(&policy, &program, &argv)?;
    let answers = library::answers_file(policy.answers_key());
    let servers = servers::declared(&policy, runtime.path(), &own, audit, &place.cwd).map_err(RunError::Server)?;
    let policy = Arc::new(policy);
    // It lives as long as the process does: freeing ten thousand rules one by one at the end would be waited for.
    std::mem::forget(Arc::clone(&policy));
    let run = Run {
        id: id.clone(),
        user: place.user,
        runtime,
        policy,
        load,
        servers: Some(servers),
        audit,
        notice,
        program: program.path,
        argv,
        appended,
        handed,
        cwd: place.cwd,
        record: target(&options),
        answers,
        ask_timeout: Duration::from_secs(options.ask_timeout),
        keep_background: options.keep_background,
        quiet: options.quiet,
        hot_key,
    };
    Ok((session::run(run, keeper)?, id))
}

/// Loads the policy as this run has loaded it, as it is written by then.
fn again(
    options: &RunOptions,
    command: &[OsString],
    (session, own): (&Path, &[PathBuf]),
    cwd: &Path,
) -> session::reload::Load {
    let (choice, argv0) = (options.policy.clone(), base_name(command));
    let (laid, cwd) = (options.laid.clone(), cwd.to_owned());
    let (session, own) = (session.to_owned(), own.to_vec());
    Box::new(move || {
        let disk = Disk::new().with_flags(laid::sources(&laid, &cwd));
        library::load_again(&disk, choice.as_deref(), &argv0, &session, &own).map_err(|error| library::told(&error))
    })
}

/// From the option, else the environment, else as it always is.
fn hot_key(options: &RunOptions) -> Result<Option<HotKey>, HotKeyError> {
    let asked = options.hot_key.clone().or_else(|| std::env::var("GOVSH_HOT_KEY").ok().filter(|key| !key.is_empty()));
    match asked.as_deref() {
        None => Ok(Some(HotKey::default())),
        Some("off") => Ok(None),
        Some(key) => key.parse().map(Some),
    }
}

fn audit(options: &RunOptions, policy: &Policy) -> Result<Audit, RunError> {
    let asked = options.audit.map(|level| match level {
        AuditLevel::Full => Audit::Full,
        AuditLevel::Writes => Audit::Writes,
    });
    let own = policy.record().audit.unwrap_or(Audit::Full);
    let audit = asked.unwrap_or(own);
    let by = |key: &str| {
        let rule = policy.required_by(key);
        let place = |rule: &Rule| format!("policy '{}' line {} ({} layer)", rule.source, rule.line, rule.layer.name());
        rule.map_or_else(|| format!("policy '{}'", policy.name()), place)
    };
    if policy.require().audit == Some(Audit::Full) && audit != Audit::Full {
        return Err(RunError::MustAudit(by("require.audit")));
    }
    if policy.require().recording && options.no_record {
        return Err(RunError::MustRecord(by("require.recording")));
    }
    let loosens =
        [("--audit writes", audit == Audit::Writes && own == Audit::Full), ("--no-record", options.no_record)];
    match (policy.enrolled(), loosens.iter().find(|(_, loosens)| *loosens)) {
        (Some(by), Some((option, _))) => Err(RunError::Enrolled { by: by.to_owned(), option }),
        _ => Ok(audit),
    }
}

/// What is said of projects' policies that want more than they may.
fn untrusted(options: &RunOptions, policy: &Policy) -> Result<Option<String>, RunError> {
    let withheld: Vec<&Withheld> = policy.withheld().iter().filter(|file| file.layer == Layer::Project).collect();
    let Some(first) = withheld.first() else { return Ok(None) };
    // The very policy that was chosen; of its name only where it is known by its place.
    if options.policy.is_some() && withheld.iter().any(|file| file.source == policy.name()) {
        return Err(RunError::Untrusted(policy.name().to_owned()));
    }
    let grants: usize = withheld.iter().map(|file| file.rules.len()).sum();
    let (count, plural) = (withheld.len(), if grants == 1 { "grant does" } else { "grants do" });
    let files = if count == 1 { first.source.clone() } else { format!("{} and {} more", first.source, count - 1) };
    Ok(Some(match policy.enrolled() {
        Some(by) => {
            format!("{files}: this machine is enrolled ({by}), so its {grants} {plural} not count, its denials do")
        }
        None => format!(
            "{files} is not trusted: its {grants} {plural} not count, its denials do. To see and trust it: govsh trust"
        ),
    }))
}

/// The command line with what the profile adds to that of its own agent.
fn arguments(
    options: &RunOptions,
    mut command: Vec<OsString>,
    policy: &Policy,
    handed: &Handed,
) -> (Vec<OsString>, Vec<String>) {
    let appended = if adapts(options, &command, policy) { policy.agent().append_args.clone() } else { Vec::new() };
    // In front, where they are no argument of a subcommand and no part of a prompt.
    let first = usize::from(!command.is_empty());
    command.splice(first..first, handed.arguments.iter().map(OsString::from));
    command.extend(appended.iter().map(OsString::from));
    (command, appended)
}

/// Whether the command is the profile's own agent, to be started as the profile says.
fn adapts(options: &RunOptions, command: &[OsString], policy: &Policy) -> bool {
    let name = base_name(command);
    !options.no_adapt && policy.agent().matches.iter().any(|own| own.as_bytes() == name.as_bytes())
}

/// The policy's MCP servers for its own agent.
fn handed(options: &RunOptions, command: &[OsString], policy: &Policy) -> Handed {
    match std::env::current_exe() {
        Ok(govsh) if adapts(options, command, policy) => handover::of(policy, &govsh, options.ask_timeout),
        _ => Handed::default(),
    }
}

fn base_name(command: &[OsString]) -> OsString {
    command.first().and_then(|word| Path::new(word).file_name()).unwrap_or_default().to_owned()
}

/// Refused here it costs nothing and is said plainly; the supervisor would refuse it all the same.
fn check_program(policy: &Policy, program: &Program, argv: &[OsString]) -> Result<(), RunError> {
    let words: Vec<Vec<u8>> = argv.iter().map(|word| word.clone().into_vec()).collect();
    let decision = policy.decide_exec(program.real.as_os_str().as_bytes(), &words);
    // What is asked about is asked when it starts.
    if decision.verdict != Verdict::Deny {
        return Ok(());
    }
    Err(RunError::Refused {
        policy: policy.name().to_owned(),
        program: program.real.to_string_lossy().into_owned(),
        rule: policy.rule(decision.rule).name.to_string(),
    })
}

fn target(options: &RunOptions) -> Target {
    match &options.record {
        _ if options.no_record => Target::Nowhere,
        Some(path) => Target::At(path.clone()),
        None => Target::Default,
    }
}
