//! One recording, read once: which requests it holds, who made them, and in which place.
//!
//! Invariant: equal requests of one program are one entry with a count.
//! Leaves to others: which of them matter (`policy::learn`).

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use anyhow::{Context, Result};

use crate::cmd::past;
use crate::event::{Event, Judged, Proc, ProcOp, Start};
use crate::policy::Vars;
use crate::policy::learn::{Outcome, Past};
use crate::recording::{Reader, visible};

/// What was read.
pub(super) struct Notes {
    pub id: String,
    pub audit: String,
    pub vars: Vars,
    /// The first word of the command line.
    pub program: OsString,
    /// The command line, shortened, and the day.
    command: String,
    day: String,
    requests: Vec<(Judged, String, u64)>,
}

/// What makes two recorded requests the same.
#[derive(PartialEq, Eq, Hash)]
struct Same {
    program: String,
    outcome: u8,
    judged: (crate::event::Kind, &'static str, u8),
    path: Vec<u8>,
    path2: Vec<u8>,
    addr: Option<std::net::SocketAddr>,
    argv: Vec<Vec<u8>>,
}

impl Notes {
    pub(super) fn read(path: &Path) -> Result<Notes> {
        let shown = visible(path.as_os_str().as_bytes());
        let file = past::open(path).with_context(|| format!("cannot open '{shown}'"))?;
        let reader = Reader::open(file).with_context(|| format!("cannot read '{shown}'"))?;
        let mut start: Option<Start> = None;
        let (mut audit, mut recorded) = (String::new(), None);
        let mut programs: HashMap<i32, String> = HashMap::new();
        let mut seen: HashMap<Same, usize> = HashMap::new();
        let mut requests: Vec<(Judged, String, u64)> = Vec::new();
        for stamped in reader {
            match stamped.with_context(|| format!("cannot read '{shown}'"))?.event {
                Event::Start(event) => start = Some(*event),
                Event::Policy(policy) => (audit, recorded) = (policy.audit, policy.vars),
                Event::Proc(proc) => meet(&mut programs, &proc),
                Event::Judged(judged) => {
                    let program = programs.get(&judged.pid).cloned().unwrap_or_default();
                    let same = same(&judged, &program);
                    let at = *seen.entry(same).or_insert(requests.len());
                    match requests.get_mut(at) {
                        Some(known) => known.2 += 1,
                        None => requests.push((judged, program, 1)),
                    }
                }
                _ => {}
            }
        }
        let (vars, _) = past::vars(recorded.as_deref(), start.as_ref());
        let first = start.as_ref().and_then(|start| start.argv.first()).cloned().unwrap_or_default();
        let (id, command, day) = start.map_or_else(Default::default, |start| {
            let when = jiff::Timestamp::from_second(start.timestamp).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
            (start.id, command(&start.argv), when.strftime("%Y-%m-%d").to_string())
        });
        Ok(Notes { id, audit, vars, program: OsString::from_vec(first), command, day, requests })
    }

    /// With real paths where they have changed: requests are recorded by those.
    pub(super) fn real_vars(&self) -> Vars {
        let real = |path: &[u8]| {
            let found = std::fs::canonicalize(OsStr::from_bytes(path));
            found.map_or_else(|_| path.to_vec(), |path| path.into_os_string().into_vec())
        };
        let vars = &self.vars;
        Vars { home: real(&vars.home), tmp: real(&vars.tmp), workdir: real(&vars.workdir), ..vars.clone() }
    }

    /// Every different request, with how often it was made.
    pub(super) fn each(&self, mut take: impl FnMut(&Past<'_>)) {
        for (judged, program, times) in &self.requests {
            let outcome = past::outcome(judged);
            let host = past::host(judged);
            for request in past::requests(judged, host.as_ref()) {
                take(&Past { request, outcome, program, times: *times });
            }
        }
    }
}

fn meet(programs: &mut HashMap<i32, String>, proc: &Proc) {
    if proc.op == ProcOp::Exec {
        programs.insert(proc.pid, past::name_of(&proc.exe));
    }
}

fn same(judged: &Judged, program: &str) -> Same {
    let outcome = match past::outcome(judged) {
        Outcome::Done => 0,
        Outcome::Absent => 1,
        Outcome::Failed => 2,
        Outcome::Denied => 3,
        Outcome::Own => 4,
    };
    Same {
        program: program.to_owned(),
        outcome,
        judged: (judged.kind, judged.op, judged.access.bits()),
        path: judged.path.clone(),
        path2: judged.path2.clone(),
        addr: judged.addr,
        argv: judged.argv.clone(),
    }
}

/// The first words of a command line.
fn command(argv: &[Vec<u8>]) -> String {
    const LONGEST: usize = 60;
    let words: Vec<String> = argv.iter().map(|word| visible(word).to_string()).collect();
    let line = words.join(" ");
    if line.chars().count() <= LONGEST {
        return line;
    }
    let cut: String = line.chars().take(LONGEST - 1).collect();
    format!("{cut}…")
}

/// All of them in a few words: `'cargo build' (session k3f9, 2026-11-22)`.
pub(super) fn together(notes: &[Notes]) -> String {
    match notes {
        [one] => format!("'{}' (session {}, {})", one.command, one.id, one.day),
        several => {
            let ids: Vec<&str> = several.iter().take(6).map(|notes| notes.id.as_str()).collect();
            let more = if several.len() > ids.len() { " …" } else { "" };
            format!("{} sessions ({}{more})", several.len(), ids.join(", "))
        }
    }
}
