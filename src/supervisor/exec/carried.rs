//! What a program is given to run: the program behind the dynamic loader, the script of an interpreter.
//!
//! Invariant: whatever the kernel would refuse to run, the loader is not started for. That holds for the arguments that were
//! judged: a script or a loader can still be fed by other ways, which no rule on programs sees.
//! Leaves to others: reading the command line (`policy`), whether the arguments stayed the same (`check`).

use std::os::fd::AsFd;

use crate::policy::{Carried, Verdict, carried};
use crate::supervisor::resolve::Found;
use crate::supervisor::worker::{Call, Ruling, Worker};
use crate::sys::{Sys, file};

/// Programs that are given programs: `ld.so bash deploy.sh`.
const DEEPEST: usize = 4;

impl Worker {
    /// The refusal, or the question, of what this command line is given to run; None where nothing is said of it.
    pub(super) fn judge_carried(&mut self, call: &Call, path: &[u8], argv: &[Vec<u8>]) -> Sys<Option<Ruling>> {
        let (mut path, mut argv) = (path.to_vec(), argv.to_vec());
        for _ in 0..DEEPEST {
            let mut next = None;
            for given in carried(&path, &argv) {
                match given {
                    Carried::Script(at) => {
                        let behind = argv.get(at..).unwrap_or_default();
                        if let Some(worse) = self.judge_script(call, behind)? {
                            return Ok(Some(worse));
                        }
                    }
                    Carried::Program(at) => {
                        let behind = argv.get(at..).unwrap_or_default().to_vec();
                        match self.judge_loaded(call, &behind)? {
                            Err(worse) => return Ok(Some(worse)),
                            Ok(program) => next = Some((program, behind)),
                        }
                    }
                }
            }
            match next {
                Some(program) => (path, argv) = program,
                None => return Ok(None),
            }
        }
        Ok(Some(Ruling::built_in(Verdict::Deny, "built-in: loaders behind loaders")))
    }

    /// A script that does not exist is nothing to run: the interpreter will say so.
    fn judge_script(&mut self, call: &Call, behind: &[Vec<u8>]) -> Sys<Option<Ruling>> {
        let Some(Ok(found)) = behind.first().map(|word| self.find(call, word)) else { return Ok(None) };
        if file::stat(found.fd.as_fd())?.kind() != libc::S_IFREG {
            return Ok(None);
        }
        let said = self.rules.policy.decide_script(&found.path, behind);
        let ruling = said.map(|decision| self.settle_exec(call, self.ruling(decision), &found.path, behind));
        if let Some(worse) = ruling.filter(|ruling| !ruling.allows()) {
            return Ok(Some(worse));
        }
        if !self.rules.policy.denies_digests() {
            return Ok(None);
        }
        // What the target cannot read, its interpreter cannot either.
        let Ok((opened, _)) = self.head(call, &found) else { return Ok(None) };
        self.judge_bytes(&opened)
    }

    /// The program that a loader maps: its real path, or why it is not run. What cannot be found is not left to the loader,
    /// which looks in more places.
    fn judge_loaded(&mut self, call: &Call, behind: &[Vec<u8>]) -> Sys<Result<Vec<u8>, Ruling>> {
        let deny = |why: &str| Ok(Err(Ruling::built_in(Verdict::Deny, why)));
        let Some(word) = behind.first().filter(|word| word.contains(&b'/')) else {
            return deny("built-in: program for the loader without its path");
        };
        let Ok(found) = self.find(call, word) else { return deny("built-in: program for the loader not found") };
        let stat = file::stat(found.fd.as_fd())?;
        if stat.kind() != libc::S_IFREG || stat.links == 0 || !found.path.starts_with(b"/") {
            return deny("built-in: program without a name");
        }
        let decision = self.rules.policy.decide_exec(&found.path, behind);
        let ruling = self.settle_exec(call, self.ruling(decision), &found.path, behind);
        if !ruling.allows() {
            return Ok(Err(ruling));
        }
        let (opened, _) = self.head(call, &found)?;
        Ok(match self.judge_bytes(&opened)? {
            Some(denied) => Err(denied),
            None => Ok(found.path),
        })
    }

    fn find(&self, call: &Call, word: &[u8]) -> Sys<Found> {
        let resolver = self.resolver(call);
        let base = resolver.base(libc::AT_FDCWD, word, 0)?;
        resolver.existing(&base, word, true, 0)
    }
}
