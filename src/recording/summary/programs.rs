//! The programs that ran, as a tree.
//!
//! Invariant: bounded; beyond it programs are counted, and their names still known while they run.

use std::collections::{BTreeMap, HashMap};

use crate::event::{Proc, ProcOp};

/// Programs that are kept with their arguments.
const KEPT: usize = 4_096;
/// Bytes of arguments kept of each.
const ARGUMENTS: usize = 400;
/// Bytes of a path, and of its last component, that are kept.
const PATH: usize = 1 << 10;
const NAME: usize = 64;
/// Names that are told apart, and processes whose name is known.
const NAMES: usize = 500;
const RUNNING: usize = 32 << 10;

#[derive(Debug, Default)]
pub struct Programs {
    kept: Vec<Program>,
    /// The program that each process runs.
    running: HashMap<i32, Running>,
    names: BTreeMap<Vec<u8>, u64>,
    total: u64,
}

#[derive(Debug)]
struct Running {
    name: Vec<u8>,
    /// Its place among the kept.
    at: Option<usize>,
}

/// One image that a process ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    pub pid: i32,
    /// Place in [`Programs::kept`] of the program that started it; None at the root, or when that was not kept.
    pub parent: Option<usize>,
    pub exe: Vec<u8>,
    pub argv: Vec<Vec<u8>>,
    /// There were more arguments.
    pub argv_cut: bool,
    /// In nanoseconds since the session's start.
    pub from: u64,
    pub to: Option<u64>,
    pub exit: Option<i32>,
    pub signal: Option<i32>,
    /// BLAKE3 of `exe`.
    pub digest: Option<[u8; 32]>,
}

impl Programs {
    /// Takes in what happened to a process at `t`; in order of time.
    pub fn add(&mut self, t: u64, proc: &Proc) {
        match proc.op {
            ProcOp::Exec => self.began(t, proc),
            ProcOp::Exit => {
                let at = self.running.remove(&proc.pid).and_then(|running| running.at);
                if let Some(program) = at.and_then(|at| self.kept.get_mut(at)) {
                    (program.to, program.exit, program.signal) = (Some(t), proc.exit, proc.signal);
                }
            }
        }
    }

    fn began(&mut self, t: u64, proc: &Proc) {
        self.total += 1;
        let name = last_component(&proc.exe);
        if self.names.len() < NAMES || self.names.contains_key(name) {
            *self.names.entry(name.to_vec()).or_default() += 1;
        }
        // A process that runs another image is beneath the one it ran before.
        let place = |pid: &i32| self.running.get(pid).and_then(|running| running.at);
        let parent = place(&proc.pid).or_else(|| place(&proc.parent));
        let at = (self.kept.len() < KEPT).then_some(self.kept.len());
        if at.is_some() {
            let (argv, cut) = shortened(&proc.argv);
            self.kept.push(Program {
                pid: proc.pid,
                parent,
                exe: proc.exe.get(..PATH).unwrap_or(&proc.exe).to_vec(),
                argv,
                argv_cut: cut || proc.argv_cut,
                from: t,
                to: None,
                exit: None,
                signal: None,
                digest: proc.digest,
            });
        }
        if self.running.len() < RUNNING || self.running.contains_key(&proc.pid) {
            self.running.insert(proc.pid, Running { name: name.to_vec(), at });
        }
    }

    /// The name of the program that process `pid` runs now; empty when it is not known.
    pub fn name(&self, pid: i32) -> &[u8] {
        self.running.get(&pid).map_or(&[], |running| &running.name)
    }

    /// How many programs were started.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The first ones, in the order in which they were started.
    pub fn kept(&self) -> &[Program] {
        &self.kept
    }

    /// How often each name, most often first; names beyond a bound are missing.
    pub fn names(&self) -> Vec<(&[u8], u64)> {
        let mut all: Vec<_> = self.names.iter().map(|(name, count)| (&name[..], *count)).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        all
    }
}

/// The name of a program, or the beginning of it.
fn last_component(path: &[u8]) -> &[u8] {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    name.get(..NAME).unwrap_or(name)
}

/// The arguments that fit, and whether any did not.
fn shortened(argv: &[Vec<u8>]) -> (Vec<Vec<u8>>, bool) {
    let (mut kept, mut room, mut cut) = (Vec::new(), ARGUMENTS, false);
    for argument in argv {
        if room == 0 {
            return (kept, true);
        }
        let length = argument.len().min(room);
        cut |= length < argument.len();
        kept.push(argument.get(..length).unwrap_or_default().to_vec());
        // Each argument costs a little, so that a million empty ones are not kept.
        room = room.saturating_sub(length + 4);
    }
    (kept, cut)
}
