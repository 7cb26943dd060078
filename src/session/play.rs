//! A session from its first line on the terminal to its last: launched, pumped, closed.
//!
//! Invariant: when it is closed, no process of the session lives, and the terminal is as it was.
//! Leaves to others: what there was before (`stage`).

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

use super::cgroup::Cgroup;
use super::keep::Keeper;
use super::launch::{Launch, Launched};
use super::monitor::Watched;
use super::overlay::{self, Overlay};
use super::pump::{self, Finished, Pump, Setup};
use super::recorder::Target;
use super::stage::Session;
use super::streams::Streams;
use super::wire::{Bytes, Orders};
use super::{Inherited, MARKER, SessionError, lines, reap, retention, servers};
use crate::event::Event;
use crate::policy;
use crate::supervisor::gate::Gate;
use crate::supervisor::questions::Questions;
use crate::supervisor::{Job, Warden};
use crate::sys::signals::{Set, SignalFd};

/// How long what a failed launch has left may take to go.
const LAUNCH_PATIENCE: Duration = Duration::from_secs(1);

impl Session {
    /// From the first line on the terminal to the agent's last byte.
    pub fn play(&mut self, inherited: &Inherited, keeper: Keeper) -> Result<Finished, SessionError> {
        let record = *self.run.policy.record();
        let streams = Streams::new(self.kinds, record.input).map_err(SessionError::system("relay the streams"))?;
        let signals = SignalFd::new(Set::of(&pump::HEEDED)).map_err(SessionError::system("receive signals"))?;
        lines::opening(&self.run, self.recorder.path());
        let engaged = match &mut self.terminal {
            Some(terminal) if !terminal.is_shared() && terminal.is_foreground() => {
                terminal.engage().map_err(SessionError::system("set up the terminal"))?;
                true
            }
            _ => false,
        };
        let overlay = self.overlay().map_err(SessionError::system("set up the panel"))?;
        let attend = overlay.as_ref().map(|_| self.questions.clone());
        // Before the agent can ask anything.
        let attendance = attend.as_ref().filter(|_| engaged).map(Questions::attend);
        let orders = self.orders(inherited, &streams, engaged);
        let servers = self.servers(inherited)?;
        let door = self.cgroup.as_ref().map(Cgroup::door).transpose();
        let relay =
            servers.as_ref().map(|opened| opened.relay.try_clone()).transpose().map_err(SessionError::Servers)?;
        let begun = self.begun.take().ok_or(SessionError::Broker)?;
        let launched = begun.launch(Launch {
            orders,
            sent: streams.sent,
            job: self.job(relay)?,
            door: door.map_err(SessionError::system("open the session's cgroup"))?,
        });
        if launched.is_err() {
            // The monitor may be there already. Whether it is gone in time changes nothing about the error.
            let _ = reap::end_all(LAUNCH_PATIENCE);
        }
        let Launched { link, supervisor, leader, .. } = launched?;
        let servers = servers.map(|opened| opened.servers);
        let held = servers.clone();
        self.reload.started(supervisor.reloader(), self.outside.clone(), servers.clone());
        let stop = self.stop.take().ok_or(SessionError::Broker)?;
        let desk = self.desk.take().ok_or(SessionError::Broker)?;
        let pump = Pump::new(Setup {
            overlay,
            attend,
            attendance,
            bus: self.bus.clone(),
            signals,
            ignored: inherited.ignored,
            link,
            pauser: supervisor.pauser(),
            terminal: self.terminal.take(),
            leader,
            relays: streams.relays,
            keep_input: record.input,
            stop,
            why: Arc::clone(&self.why),
            wall: self.run.policy.limits().wall_seconds.map(Duration::from_secs),
            output: self.run.policy.limits().output_bytes,
            cgroup: self.cgroup.take(),
            desk,
            still: Box::new(move |still| {
                if let Some(servers) = &held {
                    servers.hold(still);
                }
            }),
            ending: Box::new(move || {
                if let Some(servers) = servers {
                    servers.close();
                }
            }),
            kept: Box::new(move |ended| keeper.let_go(ended.status())),
        });
        let finished = pump.map_err(SessionError::system("set up the streams"))?.run();
        supervisor.finish();
        finished
    }

    /// What stands between the agent and the policy's MCP servers, where it declares any.
    fn servers(&mut self, inherited: &Inherited) -> Result<Option<servers::Opened>, SessionError> {
        let Some(declared) = self.run.servers.take() else { return Ok(None) };
        let start = servers::Start {
            blocked: inherited.blocked.0,
            ignored: inherited.ignored.0,
            open_files: (inherited.open_files.soft, inherited.open_files.hard),
        };
        let (bus, questions) = (self.bus.clone(), self.questions.clone());
        let setup = servers::Setup {
            bus,
            questions,
            id: self.run.id.clone(),
            cwd: self.run.cwd.clone(),
            dir: self.run.runtime.path(),
            policy: Arc::clone(&self.run.policy),
            declared,
            start,
        };
        servers::open(setup)
    }

    /// The panel, where there is a terminal of our own that can show it.
    fn overlay(&self) -> std::io::Result<Option<Overlay>> {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let Some(terminal) = self.terminal.as_ref().filter(|terminal| !terminal.is_shared() && !is_dumb) else {
            return Ok(None);
        };
        let size = terminal.size();
        if size.cols == 0 || size.rows == 0 {
            return Ok(None);
        }
        let who = format!("{}@{}", self.run.user, terminal.name());
        let desk = overlay::Terminals { questions: self.questions.clone(), answers: self.run.answers.clone(), who };
        let setup = overlay::Setup {
            desk: Some(Box::new(desk)),
            hot_key: self.run.hot_key,
            recent: self.recent.clone(),
            bus: self.bus.clone(),
            home: lines::home(),
            cols: size.cols,
            rows: size.rows,
        };
        Overlay::new(setup).map(Some)
    }

    fn orders(&self, inherited: &Inherited, streams: &Streams, foreground: bool) -> Orders {
        let mut env: Vec<Bytes> = self.env.iter().map(|(name, value)| Bytes::pair(name, value)).collect();
        env.push(Bytes::pair(MARKER.as_ref(), self.run.id.as_ref()));
        Orders {
            plan: self.plan.agent.reading(self.trust.as_deref()),
            program: Bytes(self.run.program.as_os_str().as_bytes().to_vec()),
            argv: self.run.argv.iter().map(|word| Bytes(word.as_bytes().to_vec())).collect(),
            env,
            stdio: streams.stdio,
            sent: streams.sent.len(),
            blocked: inherited.blocked.0,
            ignored: inherited.ignored.0,
            open_files: (inherited.open_files.soft, inherited.open_files.hard),
            foreground,
            keep_background: self.run.keep_background,
            watched: self.watched(),
        }
    }

    /// What the kernel does not hold for the session as a whole.
    fn watched(&self) -> Watched {
        let (limits, holds) = (self.run.policy.limits(), self.cgroup.as_ref().map(Cgroup::holds).unwrap_or_default());
        Watched { processes: limits.processes.filter(|_| !holds.pids), memory: limits.memory.filter(|_| !holds.memory) }
    }

    /// The supervisor's job, but for what only the launch can know.
    fn job(&self, relay: Option<OwnedFd>) -> Result<Box<dyn FnOnce(OwnedFd, i32, i32) -> Job + Send>, SessionError> {
        let (policy, plan, bus) = (Arc::clone(&self.run.policy), Arc::clone(&self.plan), self.bus.clone());
        let questions = self.questions.clone();
        let warden = Warden::start(Arc::clone(&policy)).map_err(SessionError::system("start the warden's thread"))?;
        let gate = self.outside.clone().map(|outside| outside as Arc<dyn Gate>);
        let trust = self.trust.clone();
        let pts = self.pts.clone();
        Ok(Box::new(move |listener, monitor, agent| Job {
            policy,
            gate,
            trust,
            relay,
            plan,
            bus,
            questions,
            listener,
            warden,
            monitor,
            agent,
            pts,
        }))
    }

    /// Puts the terminal back, ends the recording, says how it went.
    pub fn close(self, finished: Result<Finished, SessionError>) -> Result<i32, SessionError> {
        drop(self.terminal);
        let (status, signal) = match &finished {
            Ok(finished) => (finished.ended.status(), finished.ended.signal()),
            Err(error) => (error.status(), None),
        };
        self.questions.close();
        if let Some(outside) = &self.outside {
            outside.close();
        }
        self.bus.publish(Event::Exit { status, signal });
        self.bus.close();
        let outcome = self.recorder.join();
        self.control.close(status);
        lines::closing(&self.run, &outcome);
        if let (Target::Default, Some(own)) = (&self.run.record, &outcome.path)
            && let Err(error) = retention::apply(self.run.policy.record().retention, own)
        {
            lines::say(&self.run, &format!("cannot remove old recordings: {error}"));
        }
        let finished = finished?;
        if let Some(why) = outcome.failure
            && self.run.policy.record().on_failure == policy::OnFailure::Stop
        {
            return Err(SessionError::Recording(why));
        }
        if finished.engaged && signal == Some(libc::SIGINT) {
            drop(self.run.runtime);
            pump::die_of_interrupt();
        }
        Ok(status)
    }
}
