//! The closed sets of words in a recording, both ways.
//!
//! Invariant: every word reads back as the value it was written for; a word that this version does not know is None, never a guess.
//! Leaves to others: where the words stand (`encode`, `parse`).

use std::collections::HashSet;
use std::sync::Mutex;

use crate::event::{By, Event, Kind, ProcOp, Scope, Stream, Via};
use crate::policy::{Access, Layer, Verdict};

/// A value with a word for it.
pub trait Word: Copy + PartialEq + 'static {
    /// Every value with its word.
    const WORDS: &'static [(Self, &'static str)];

    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|entry| entry.0 == self).map_or("", |entry| entry.1)
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|entry| entry.1 == word).map(|entry| entry.0)
    }
}

impl Word for Verdict {
    const WORDS: &'static [(Self, &'static str)] = &[(Self::Allow, "allow"), (Self::Deny, "deny"), (Self::Ask, "ask")];
}

impl Word for Layer {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::BuiltIn, "built-in"),
        (Self::Org, "org"),
        (Self::Machine, "machine"),
        (Self::User, "user"),
        (Self::Shipped, "shipped"),
        (Self::Project, "project"),
        (Self::CommandLine, "command-line"),
    ];
}

impl Word for Via {
    const WORDS: &'static [(Self, &'static str)] =
        &[(Self::Kernel, "kernel"), (Self::Continued, "continued"), (Self::Brokered, "brokered")];
}

impl Word for Kind {
    const WORDS: &'static [(Self, &'static str)] = &[(Self::File, "file"), (Self::Exec, "exec"), (Self::Net, "net")];
}

impl Word for ProcOp {
    const WORDS: &'static [(Self, &'static str)] = &[(Self::Exec, "exec"), (Self::Exit, "exit")];
}

impl Word for Stream {
    const WORDS: &'static [(Self, &'static str)] =
        &[(Self::Terminal, "terminal"), (Self::Stdout, "stdout"), (Self::Stderr, "stderr")];
}

impl Word for Scope {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Once, "once"),
        (Self::Session, "session"),
        (Self::Program, "program"),
        (Self::Always, "always"),
        (Self::Never, "never"),
    ];
}

impl Word for By {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Terminal, "terminal"),
        (Self::Watch, "watch"),
        (Self::Command, "command"),
        (Self::Timeout, "timeout"),
        (Self::Nobody, "nobody"),
        (Self::Withdrawn, "withdrawn"),
    ];
}

/// `r`, `w` and `x` in this order; empty for none.
impl Word for Access {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::empty(), ""),
        (Self::READ, "r"),
        (Self::WRITE, "w"),
        (Self::READ.union(Self::WRITE), "rw"),
        (Self::EXEC, "x"),
        (Self::READ.union(Self::EXEC), "rx"),
        (Self::WRITE.union(Self::EXEC), "wx"),
        (Self::all(), "rwx"),
    ];
}

/// The word for the kind of an event, as `show --kind` takes it.
pub fn kind(event: &Event) -> &'static str {
    match event {
        Event::Start(_) => "start",
        Event::Policy(_) => "policy",
        Event::Report(_) => "report",
        Event::Output { .. } => "output",
        Event::Input { .. } => "input",
        Event::Redacted { .. } => "redacted",
        Event::Resize { .. } => "resize",
        Event::Marker { .. } => "marker",
        Event::Proc(_) => "proc",
        Event::Judged(judged) => judged.kind.word(),
        Event::Ask(_) => "ask",
        Event::Answer(_) => "answer",
        Event::Alert { .. } => "alert",
        Event::Limit { .. } => "limit",
        Event::Lost { .. } => "lost",
        Event::Exit { .. } => "exit",
    }
}

/// Words of open sets (names of calls) as they are read back: each is kept once for the life of the process.
/// Bounded, so that a hostile file cannot fill the memory: past that it is `other`.
pub(super) fn interned(word: &str) -> &'static str {
    const MOST: usize = 512;
    const LONGEST: usize = 64;

    // A word is printed as it is: what drives a terminal is none.
    if !word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b' ')) {
        return "other";
    }
    static KNOWN: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);

    let mut guard = KNOWN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let known = guard.get_or_insert_default();
    if let Some(same) = known.get(word) {
        return same;
    }
    if known.len() >= MOST || word.len() > LONGEST {
        return "other";
    }
    let kept: &'static str = Box::leak(word.to_owned().into_boxed_str());
    known.insert(kept);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both_ways<T: Word + std::fmt::Debug>() {
        for (value, word) in T::WORDS {
            assert_eq!((value.word(), T::from_word(word)), (*word, Some(*value)));
        }
    }

    #[test]
    fn every_word_reads_back() {
        both_ways::<Verdict>();
        both_ways::<Layer>();
        both_ways::<Via>();
        both_ways::<Kind>();
        both_ways::<ProcOp>();
        both_ways::<Stream>();
        both_ways::<Scope>();
        both_ways::<By>();
        both_ways::<Access>();
        assert_eq!(Access::WORDS.len(), usize::from(Access::all().bits()) + 1);
    }

    #[test]
    fn interning_is_bounded() {
        assert_eq!(interned("open"), "open");
        assert!(std::ptr::eq(interned("rename"), interned(&String::from("rename"))));
        assert_eq!(interned(&"x".repeat(65)), "other");
        assert_eq!(interned("open\x1b[2J"), "other");
    }
}
