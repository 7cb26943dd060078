//! The first events of a session.
//!
//! Invariant: published before the agent's program is executed.
//! Leaves to others: everything later.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use super::Run;
use super::control::protocol::{self, Hello};
use super::streams::Kind;
use crate::bus::Bus;
use crate::event::{Event, PolicyUsed, Start};
use crate::policy::Audit;
use crate::sandbox::Plan;
use crate::sys::tty::Size;
use crate::sys::{cred, process};

/// What a screen is taken to be when there is none, in cells.
const NO_SCREEN: (u16, u16) = (80, 24);

pub fn start_event(run: &Run, kinds: [Kind; 3], size: Size) -> Start {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let on_terminal = kinds.contains(&Kind::Terminal);
    let (cols, rows) = if size.cols > 0 && size.rows > 0 { (size.cols, size.rows) } else { NO_SCREEN };
    Start {
        id: run.id.clone(),
        timestamp: i64::try_from(seconds).unwrap_or(0),
        argv: run.argv.iter().map(|word| word.as_bytes().to_vec()).collect(),
        cwd: run.cwd.as_os_str().as_bytes().to_vec(),
        user: run.user.clone(),
        uid: cred::euid(),
        host: process::host_name(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        cols,
        rows,
        term: if on_terminal { std::env::var("TERM").unwrap_or_default() } else { String::new() },
        stdin_tty: kinds[0] == Kind::Terminal,
        stdout_tty: kinds[1] == Kind::Terminal,
        stderr_tty: kinds[2] == Kind::Terminal,
    }
}

/// The session as watchers are told of it.
pub fn hello(run: &Run, start: &Start, recording: Option<&Path>) -> Hello {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let agent = run.argv.first().map(Path::new).and_then(Path::file_name).unwrap_or_default();
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    Hello {
        version: protocol::VERSION,
        id: start.id.clone(),
        agent: text(agent.as_bytes()),
        argv: start.argv.iter().map(|word| text(word)).collect(),
        cwd: text(&start.cwd),
        policy: run.policy.name().to_owned(),
        user: start.user.clone(),
        pid: std::process::id(),
        started: start.timestamp,
        govsh: start.version.clone(),
        recording: recording.map(|path| text(absolute(path).as_os_str().as_bytes())),
        cols: start.cols,
        rows: start.rows,
    }
}

/// Start, policy, report.
pub fn publish(bus: &Bus, start: Start, run: &Run, plan: &Plan) {
    bus.publish(Event::Start(Box::new(start)));
    let (denies, asks) = run.policy.counts();
    let audit = match run.audit {
        Audit::Full => "full",
        Audit::Writes => "writes",
    };
    bus.publish(Event::Policy(Box::new(PolicyUsed {
        name: run.policy.name().to_owned(),
        sources: run.policy.sources().to_vec(),
        audit: audit.to_owned(),
        denies,
        asks,
        appended: run.handed.arguments.iter().chain(&run.appended).cloned().collect(),
        notices: run.notice.clone(),
        vars: Some(Box::new(run.policy.vars().clone())),
    })));
    bus.publish(Event::Report(Box::new(plan.report())));
}

/// What the recorder calls when it fails: the pump reads the other end of the pipe.
pub fn stopper(fail: OwnedFd, why: Arc<Mutex<String>>) -> Box<dyn FnOnce(&str) + Send> {
    let mut fail = File::from(fail);
    Box::new(move |reason| {
        if let Ok(mut why) = why.lock() {
            reason.clone_into(&mut why);
        }
        // Nobody reads it once the session is over, and then it does not matter.
        let _ = fail.write_all(&[1]);
    })
}
