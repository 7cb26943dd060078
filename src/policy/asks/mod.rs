//! What is asked before it is allowed, and the answers that are kept for later sessions.
//!
//! Invariant: an answer holds for what its pattern covers and beats an ask alone, never a deny; what is proposed as an answer
//! covers the request it was proposed for and nothing that the ask rule does not.
//! Leaves to others: asking (`supervisor::questions`), the order of verdicts (`compiled`), the file (`session::answers`).

mod argv;
mod call;
mod choose;
mod kept;

use std::collections::HashMap;

pub use argv::ArgvPattern;
pub use kept::{Kept, check_answers, read_answers};

use super::pattern::Pattern;
use super::{Access, Reach, Verdict};

/// All ask rules, by what they ask about, and the answers that are kept.
#[derive(Debug, Default)]
pub(super) struct Asks {
    pub files: Vec<AskedPath>,
    pub exec: Vec<AskedProgram>,
    /// How far answers reach by themselves, by rule.
    pub once: HashMap<u32, Touch>,
    /// In their authors' words, by rule.
    pub reasons: HashMap<u32, String>,
    pub answers: Vec<Answered>,
}

/// How far an answer about a file reaches by itself, until the session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touch {
    /// To the same file.
    File,
    /// To the files of the same directory, not of those in it.
    Directory,
}

/// A pattern of `files.ask`.
#[derive(Debug, Clone)]
pub(super) struct AskedPath {
    pub rule: u32,
    pub access: Access,
    pub pattern: Pattern,
}

/// A pattern of `exec.ask`.
#[derive(Debug, Clone)]
pub(super) struct AskedProgram {
    pub rule: u32,
    pub pattern: ArgvPattern,
    /// The pattern as an answer would have it.
    pub text: String,
}

/// An answer of an earlier session.
#[derive(Debug)]
pub(super) struct Answered {
    pub rule: u32,
    pub verdict: Verdict,
    pub kept: Kept,
}

/// What is asked for, as far as answers can tell requests apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// `access` holds those rights alone that are asked about.
    File {
        path: &'a [u8],
        access: Access,
    },
    Exec {
        path: &'a [u8],
        argv: &'a [Vec<u8>],
    },
    /// Whether connecting or sending makes no difference.
    Net(Reach<'a>),
    /// A call of an MCP server: the server, `tool`, `resource`, `prompt` or `method`, the name, and the arguments as JSON or
    /// nothing.
    Mcp(&'a [Vec<u8>]),
}

impl Asks {
    /// The kept answer to a question about `wanted`: a denial before a permission.
    pub fn answer(&self, wanted: &Wanted<'_>) -> Option<(Verdict, u32)> {
        let covering = |verdict| {
            let found = self.answers.iter().find(|answer| answer.verdict == verdict && answer.kept.covers(wanted));
            found.map(|answer| (verdict, answer.rule))
        };
        if self.answers.is_empty() {
            return None;
        }
        covering(Verdict::Deny).or_else(|| covering(Verdict::Allow))
    }
}
