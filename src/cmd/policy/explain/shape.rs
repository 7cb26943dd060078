//! Git directories that are known by what lies in them: what a session would refuse there, as the disk is now.
//!
//! Leaves to others: names (`policy::repository::shape`), what holds it (`mechanism`).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::policy::repository::shape::{Deed, HALVES, Role, parts};
use crate::policy::{Decision, Explanation, Other, Policy, Request, Verdict};

/// The explanation, with the protection of such directories as its decision where that is what refuses.
pub(super) fn told(policy: &Policy, request: &Request<'_>, explanation: Explanation) -> Explanation {
    let Request::File { path, access } = *request else { return explanation };
    let is_whole = |dir: &[u8]| {
        let there = |name: &std::ffi::CStr| {
            Path::new(OsStr::from_bytes(dir)).join(OsStr::from_bytes(name.to_bytes())).symlink_metadata().is_ok()
        };
        HALVES.iter().all(|name| there(name))
    };
    let is_there = Path::new(OsStr::from_bytes(path)).is_dir();
    let refuses = parts(path).any(|part| {
        part.refuses(access, Deed::Other) && (part.role == Role::Worktree || !is_there && is_whole(part.dir))
    });
    if explanation.decision.verdict == Verdict::Deny || !refuses || !policy.keeps_shape(path) {
        return explanation;
    }
    let why = "git reads this file, or runs it, wherever such a directory lies".to_owned();
    let mut others = explanation.others;
    others.insert(0, Other { rule: explanation.decision.rule, why });
    Explanation { decision: Decision { verdict: Verdict::Deny, rule: policy.shape_rule() }, others }
}
