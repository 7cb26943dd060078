//! Which programs may run: `[exec]` by path, name, command line and digest, above the execute right of `[files]`.
//!
//! Invariant: deny > ask > allow > what `exec.allow` does not name; where a command line can be read in several ways, a deny
//! and a question hold for each of them, and an allow for none but the one that the caller cannot choose.
//! Leaves to others: what really runs (`supervisor::exec`), answers (`asks`), paths and links (`trie`, `links`).

mod calls;
mod lines;

use std::collections::HashMap;

use foldhash::fast::RandomState;

pub use calls::{Carried, carried, is_option};
pub use lines::Lines;

use super::asks::Wanted;
use super::compiled::{Policy, Said, allow, deny};
use super::mcp::Direct;
use super::trie::{Slot, Trie};
use super::{Access, Decision, Verdict};

/// BLAKE3 of a program's bytes.
pub type Digest = [u8; 32];

/// `[exec]`, compiled.
#[derive(Debug, Default)]
pub(super) struct Programs {
    /// By path: `ExecDeny`, `AskExec`, and `Exec` for what is allowed.
    pub paths: Trie,
    pub deny: Lines,
    pub ask: Lines,
    pub allow: Lines,
    pub digests: HashMap<Digest, u32, RandomState>,
    /// The rule that refuses what the profile's `exec.allow` does not name; None where no file of it has the key.
    pub unlisted: Option<u32>,
    /// The lists of the layers: what runs must be named by each of them.
    pub laid: Vec<Listed>,
}

/// `exec.allow` of a layer.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// As `chain::Link::group`.
    pub group: usize,
    /// `Exec` alone.
    pub paths: Trie,
    pub lines: Lines,
    pub unlisted: u32,
}

impl Programs {
    /// The lowest rule of `exec.deny` that means this.
    fn denies(&self, path: &[u8], argv: &[Vec<u8>]) -> Option<u32> {
        lowest(self.paths.hits(path).rule(Slot::ExecDeny), self.deny.meant(path, argv))
    }

    /// The lowest rule of `exec.ask` that means this.
    fn asks(&self, path: &[u8], argv: &[Vec<u8>]) -> Option<u32> {
        lowest(self.paths.hits(path).rule(Slot::AskExec), self.ask.meant(path, argv))
    }

    /// The first layer's refusal of what its `exec.allow` does not name.
    fn left_out(&self, path: &[u8], argv: &[Vec<u8>]) -> Option<u32> {
        let lacks =
            |list: &&Listed| list.paths.hits(path).rule(Slot::Exec).is_none() && list.lines.named(path, argv).is_none();
        self.laid.iter().find(lacks).map(|list| list.unlisted)
    }

    /// The lowest rule of `exec.allow` that names this.
    fn allows(&self, path: &[u8], argv: &[Vec<u8>]) -> Option<u32> {
        lowest(self.paths.hits(path).rule(Slot::Exec), self.allow.named(path, argv))
    }
}

fn lowest(a: Option<u32>, b: Option<u32>) -> Option<u32> {
    a.into_iter().chain(b).min()
}

impl Policy {
    /// The execute right by path, and what `[exec]` says. A program is one question, whether its path or its arguments are
    /// asked about. `path` is absolute, normalised, resolved; `argv` as the caller gave it, argv[0] included.
    pub fn decide_exec(&self, path: &[u8], argv: &[Vec<u8>]) -> Decision {
        self.decide_program(path, argv, true)
    }

    /// As [`Policy::decide_exec`], for what the kernel starts to read a script that was judged: `exec.allow` named the
    /// script, and need not name its interpreter, which then can be given nothing else.
    pub fn decide_interpreter(&self, path: &[u8], argv: &[Vec<u8>]) -> Decision {
        self.decide_program(path, argv, false)
    }

    fn decide_program(&self, path: &[u8], argv: &[Vec<u8>], listed: bool) -> Decision {
        let hits = self.files.trie.hits(path);
        if hits.rule(Slot::Deny).is_none()
            && let Some(rule) = self.programs.denies(path, argv)
        {
            return deny(rule);
        }
        if let Some(server) = self.servers().iter().find(|server| server.is_started_by(path, argv))
            && self.direct_servers() == Direct::Deny
        {
            return deny(server.rule.0);
        }
        let by_path = self.judge(path, Access::EXEC, &hits);
        if let Said::Plainly(decision) = &by_path
            && decision.verdict == Verdict::Deny
        {
            return *decision;
        }
        if let Some(rule) = self.programs.left_out(path, argv).filter(|_| listed) {
            return deny(rule);
        }
        let asked = self.programs.asks(path, argv);
        // A question of a file that may only narrow does not open what the list leaves out.
        if let Some(rule) = asked.filter(|rule| *rule < self.narrow_from) {
            return self.answered(rule, &Wanted::Exec { path, argv });
        }
        let unlisted = self.programs.unlisted.filter(|_| listed);
        let named = unlisted.and_then(|_| self.programs.allows(path, argv));
        if let (Some(rule), None) = (unlisted, named) {
            return deny(rule);
        }
        if let Some(rule) = asked {
            return self.answered(rule, &Wanted::Exec { path, argv });
        }
        match by_path {
            Said::Asks(rule, _) => self.answered(rule, &Wanted::Exec { path, argv }),
            Said::Plainly(decision) => named.map_or(decision, allow),
        }
    }

    /// A file that a program is given to run: `deploy.sh` of `bash deploy.sh`. What `[exec]` refuses or asks about as a program
    /// of its own; None where it says nothing. `argv` begins with the file.
    pub fn decide_script(&self, path: &[u8], argv: &[Vec<u8>]) -> Option<Decision> {
        let asked = || Some(self.answered(self.programs.asks(path, argv)?, &Wanted::Exec { path, argv }));
        self.programs.denies(path, argv).map(deny).or_else(asked)
    }

    /// Some program is refused by its bytes.
    pub fn denies_digests(&self) -> bool {
        !self.programs.digests.is_empty()
    }

    /// The refusal of a program with these bytes.
    pub fn decide_digest(&self, digest: &Digest) -> Option<Decision> {
        self.programs.digests.get(digest).map(|rule| deny(*rule))
    }
}

#[cfg(test)]
mod tests;
