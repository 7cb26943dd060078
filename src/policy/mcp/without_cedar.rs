//! In the place of `cedar` in a build without that feature: there are no statements, and a policy that names some is refused.

use super::{Call, Reach, Server, Subject};
use crate::policy::Verdict;

/// Whether this build understands Cedar.
pub const IS_BUILT: bool = false;

/// One `permit` or `forbid`: here there is none.
#[derive(Debug, PartialEq)]
pub enum Statement {}

/// A call as Cedar sees it: nobody does.
#[derive(Debug)]
pub enum Asked {}

/// An evaluation that had an error: it denies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed(pub String);

/// Why a file of statements cannot be used, and the byte offset of the statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub at: usize,
    pub reason: String,
}

/// Why a server may not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Index of the statement; None where none permits it.
    pub by: Option<usize>,
    pub reason: String,
}

/// The statements of a file: here always an error.
pub fn statements(_: &str) -> Result<Vec<Statement>, Fault> {
    Err(Fault { at: 0, reason: "this govsh was built without Cedar".to_owned() })
}

/// What the statements of all files say of a server. Where there are none, nobody asks.
pub fn registration(_: &[&Statement], _: &Server) -> Result<(), Refused> {
    Err(Refused { by: None, reason: "this govsh was built without Cedar".to_owned() })
}

impl Statement {
    pub fn at(&self) -> usize {
        match *self {}
    }

    pub fn effect(&self) -> Verdict {
        match *self {}
    }

    pub fn reason(&self) -> &str {
        match *self {}
    }

    pub fn label(&self) -> Option<&str> {
        match *self {}
    }

    pub fn is_inert(&self) -> bool {
        match *self {}
    }

    pub fn reach(&self, _: &str, _: Subject, _: &str) -> Reach {
        match *self {}
    }

    pub fn holds(&self, _: &Call<'_>, _: &mut Option<Asked>) -> Result<bool, Failed> {
        match *self {}
    }
}
