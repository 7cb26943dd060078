//! The closed sets of words in a recording, both ways.
//!
//! Invariant: every word reads back as the value it was written for; a word that this version does not know is None, never a guess.
//! Leaves to others: where the words stand (`encode`, `parse`).

use std::collections::HashSet;
use std::sync::Mutex;

use crate::event::{By, CredentialUse, Event, Kind, McpSide, ProcOp, Scope, Stream, TunnelOp, Via};
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
    const WORDS: &'static [(Self, &'static str)] =
        &[(Self::File, "file"), (Self::Exec, "exec"), (Self::Net, "net"), (Self::Call, "call"), (Self::Mcp, "mcp")];
}

impl Word for McpSide {
    const WORDS: &'static [(Self, &'static str)] = &[(Self::Client, "client"), (Self::Server, "server")];
}

impl Word for ProcOp {
    const WORDS: &'static [(Self, &'static str)] = &[(Self::Exec, "exec"), (Self::Exit, "exit")];
}

impl Word for Stream {
    const WORDS: &'static [(Self, &'static str)] =
        &[(Self::Terminal, "terminal"), (Self::Stdout, "stdout"), (Self::Stderr, "stderr")];
}

impl Word for TunnelOp {
    const WORDS: &'static [(Self, &'static str)] =
        &[(Self::Open, "open"), (Self::Flow, "flow"), (Self::Close, "close")];
}

impl Word for CredentialUse {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Used, "used"),
        (Self::PlaceholderBlocked, "placeholder blocked"),
        (Self::SecretBlocked, "secret blocked"),
        (Self::Redacted, "redacted"),
    ];
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

/// The rights that `op` wanted, by their words; or as `r`, `w` and `x` in this order, as recordings had them before the kinds
/// of change were told apart.
pub(super) fn access(text: &str, op: &str) -> Option<Access> {
    if text.is_empty() || !text.bytes().all(|letter| b"rwx".contains(&letter)) {
        return Access::from_words(text);
    }
    let changes = match op {
        "mkdir" | "mknod" | "symlink" | "bind" => Access::CREATE,
        "unlink" | "rmdir" => Access::DELETE,
        "chmod" | "chown" | "utimes" | "setxattr" | "removexattr" => Access::CHANGE,
        "rename" => Access::RENAME | Access::WRITE | Access::CREATE | Access::DELETE,
        "link" => Access::WRITE | Access::CREATE | Access::CHANGE,
        _ => Access::WRITE,
    };
    let right = |letter: u8, right: Access| if text.bytes().any(|b| b == letter) { right } else { Access::empty() };
    let access = right(b'r', Access::READ) | right(b'w', changes) | right(b'x', Access::EXEC);
    (access.letters() == text).then_some(access)
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
        Event::Tunnel(_) => Kind::Net.word(),
        Event::Dns(_) => "dns",
        Event::Http(_) => "http",
        Event::Credential(_) => "credential",
        Event::Mcp(_) => Kind::Mcp.word(),
        Event::Ask(_) => "ask",
        Event::Answer(_) => "answer",
        Event::Alert { .. } => "alert",
        Event::Limit { .. } => "limit",
        Event::Lost { .. } => "lost",
        Event::Exit { .. } => "exit",
    }
}

/// The process that an event is about.
pub fn pid_of(event: &Event) -> Option<i32> {
    let pid = match event {
        Event::Judged(judged) => judged.pid,
        Event::Tunnel(tunnel) => tunnel.pid,
        Event::Dns(dns) => dns.pid,
        Event::Http(http) => http.pid,
        Event::Credential(credential) => credential.pid,
        Event::Mcp(mcp) => mcp.pid,
        Event::Ask(ask) => ask.pid,
        Event::Proc(proc) => proc.pid,
        Event::Alert { pid, .. } => *pid,
        _ => return None,
    };
    (pid != 0).then_some(pid)
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
        both_ways::<McpSide>();
        both_ways::<ProcOp>();
        both_ways::<Stream>();
        both_ways::<TunnelOp>();
        both_ways::<CredentialUse>();
        both_ways::<Scope>();
        both_ways::<By>();
        assert_eq!(access("create delete", "rename"), Some(Access::CREATE | Access::DELETE));
    }

    #[test]
    fn letters_of_older_recordings_are_read() {
        assert_eq!(access("rw", "open"), Some(Access::READ | Access::WRITE));
        assert_eq!((access("w", "unlink"), access("x", "exec")), (Some(Access::DELETE), Some(Access::EXEC)));
        assert_eq!((access("", ""), access("wr", "open"), access("reed", "")), (Some(Access::empty()), None, None));
    }

    #[test]
    fn interning_is_bounded() {
        assert_eq!(interned("open"), "open");
        assert!(std::ptr::eq(interned("rename"), interned(&String::from("rename"))));
        assert_eq!(interned(&"x".repeat(65)), "other");
        assert_eq!(interned("open\x1b[2J"), "other");
    }
}
