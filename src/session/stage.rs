//! All of a session that there is before anything of the agent's runs: terminal, plan, recording, questions, way out.
//!
//! Invariant: whatever fails here fails before the agent has run an instruction.
//! Leaves to others: the run itself (`play`).

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::cgroup::Cgroup;
use super::control::{self, Control, Desk, Pulse};
use super::launch::{self, Begun, Ground, Pty};
use super::outside::{self, Opened, Outside};
use super::overlay::Recent;
use super::recorder::{self, Recorder, Target};
use super::reload::Reload;
use super::streams::{self, Kind};
use super::terminal::Terminal;
use super::{MARKER, Run, SessionError, begin, lines};
use crate::bus::{self, Bus};
use crate::event::Stamped;
use crate::sandbox::{self, Plan};
use crate::supervisor::questions::Questions;
use crate::sys::unix;

/// What lives as long as the recording.
pub struct Session {
    pub run: Run,
    pub bus: Bus,
    pub questions: Questions,
    pub recorder: Recorder,
    pub control: Control,
    /// For the pump.
    pub desk: Option<Desk>,
    pub recent: Recent,
    pub plan: Arc<Plan>,
    /// None where the policy knows no network.
    pub outside: Option<Arc<Outside>>,
    pub reload: Arc<Reload>,
    /// What the agent is given.
    pub env: Vec<(OsString, OsString)>,
    /// Certificates that the agent may read.
    pub trust: Option<PathBuf>,
    /// Holds memory and processes to their limits, where one was to be had.
    pub cgroup: Option<Cgroup>,
    pub kinds: [Kind; 3],
    pub terminal: Option<Terminal>,
    /// The follower of the session's PTY.
    pub pts: Option<PathBuf>,
    /// None once the agent runs.
    pub begun: Option<Begun>,
    /// Readable once the recording has failed, and why it did.
    pub stop: Option<OwnedFd>,
    pub why: Arc<Mutex<String>>,
}

impl Session {
    /// All that can fail before anything runs, and the recording.
    pub fn open(mut run: Run) -> Result<Self, SessionError> {
        let kinds = streams::kinds().map_err(SessionError::system("look at the standard streams"))?;
        let terminal = Terminal::of_stdio().transpose().map_err(SessionError::system("open the terminal"))?;
        let size = terminal.as_ref().map(Terminal::size).unwrap_or_default();
        let pty = match &terminal {
            Some(terminal) => Some(Pty::open(size, terminal.attributes().ok())?),
            None => None,
        };
        let cgroup = Cgroup::make(&run.id, run.policy.limits());
        let options = sandbox::Options {
            cgroup: cgroup.as_ref().map(Cgroup::holds).unwrap_or_default(),
            audit: run.audit,
            env: std::env::vars_os().filter(|(name, _)| name != MARKER).collect(),
            cwd: run.cwd.clone(),
            session_dir: run.runtime.path().to_owned(),
            pts: pty.as_ref().map(|pty| pty.path.clone()),
        };
        let (bus, tap) = bus::bus(Instant::now());
        let file = lines::shown(&run.answers);
        let questions = Questions::new(bus.clone(), run.ask_timeout, file).of_session(run.id.clone());
        // Both take as long as all the rest, so they come up beside it.
        let env = sandbox::environment(&run.policy, &options.env);
        let opening = outside::begin(&run.policy, (&bus, &questions), run.runtime.path(), env.clone())?;
        let plan = Arc::new(Plan::new(&run.policy, &options)?);
        let pts = options.pts.clone();
        let ground = Ground { plan: plan.clone(), pty, cwd: run.cwd.clone(), dir: run.runtime.path().to_owned() };
        let begun = Some(launch::begin(ground)?);
        let load = run.load.take().unwrap_or_else(|| Box::new(|| Err("this session cannot reload".to_owned())));
        let reload = Arc::new(Reload::new(load, run.policy.clone(), plan.clone(), options, bus.clone()));
        let (stop, fail) = unix::pipe().map_err(SessionError::system("make a pipe"))?;
        let why = Arc::new(Mutex::new(String::new()));
        let start = begin::start_event(&run, kinds, size);
        let on_failure = run.policy.record().on_failure;
        let tell = begin::stopper(fail, Arc::clone(&why));
        let pulse = Arc::new(match run.record {
            Target::Nowhere => Pulse::with_screen(start.cols, start.rows),
            Target::Default | Target::At(_) => Pulse::default(),
        });
        let target = run.record.clone();
        let recent = Recent::new(lines::home());
        let noted = recent.clone();
        let seen = Box::new(move |stamped: &Stamped| noted.note(stamped));
        let pulsed = Arc::clone(&pulse);
        let options = recorder::Options { target, start: &start, on_failure, pulse: pulsed, seen, stop: tell };
        let recorder = recorder::start(tap, options)?;
        let failed = SessionError::system("open the control socket");
        let (desk, bell) = control::desk().map_err(&failed)?;
        let hello = begin::hello(&run, &start, recorder.path());
        let (dir, answers) = (run.runtime.path(), run.answers.clone());
        let asked = questions.clone();
        let setup = control::Setup {
            dir,
            hello,
            bell,
            pulse,
            bus: bus.clone(),
            questions: asked,
            answers,
            reload: reload.clone(),
        };
        let control = control::start(setup).map_err(failed)?;
        let (outside, mut env, mut trust) = match opening.join()? {
            Some(Opened { outside, env, trust, notice }) => {
                run.notice.extend(notice);
                (Some(outside), env, trust)
            }
            None => (None, env, None),
        };
        let place = (run.runtime.path(), outside::TRUST);
        run.handed.put(&mut env, &mut trust, place).map_err(SessionError::system("hand over the MCP servers"))?;
        begin::publish(&bus, start, &run, &plan);
        let (desk, stop) = (Some(desk), Some(stop));
        Ok(Session {
            run,
            bus,
            questions,
            recent,
            recorder,
            control,
            desk,
            plan,
            outside,
            reload,
            env,
            trust,
            cgroup,
            kinds,
            terminal,
            pts,
            begun,
            stop,
            why,
        })
    }
}
