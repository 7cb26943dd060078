//! Which toggles would allow what is denied.
//!
//! Invariant: each was tried as `--with` has it: what would not be allowed then, or may not be typed here, is not told.

use crate::cli::{Laid, key_of};
use crate::cmd::policy::disk;
use crate::policy::shipped::parts;
use crate::policy::{Policy, Request, Source, Vars, Verdict};

/// The list of a policy and the name in it, for each toggle that brings files along.
pub(super) fn that_allow(
    laid: &Laid,
    source: &Source,
    vars: &Vars,
    request: &Request<'_>,
) -> Vec<(&'static str, &'static str)> {
    if !matches!(request, Request::File { .. } | Request::Exec { .. }) {
        return Vec::new();
    }
    let allows = |toggle: &str| {
        let with = [laid.with.as_slice(), &[toggle.to_owned()]].concat();
        let disk = disk(&Laid { with, ..laid.clone() });
        Policy::load(source.clone(), &disk, vars).is_ok_and(|policy| policy.decide(request).verdict == Verdict::Allow)
    };
    parts().map(|(_, name, _)| name).filter(|name| allows(name)).map(|name| (key_of(name), name)).collect()
}
