//! Acting with the target's file-system credentials where they differ from the front's.
//!
//! Invariant: when the act returns, the thread has its own credentials again, or the process aborts.

use std::sync::OnceLock;

use super::target::Credentials;
use crate::sys::{Errno, Sys, cred};

/// The front's own credentials, read once.
fn own() -> &'static Credentials {
    static OWN: OnceLock<Credentials> = OnceLock::new();
    OWN.get_or_init(|| Credentials { uid: cred::euid(), gid: cred::egid(), groups: cred::groups().unwrap_or_default() })
}

/// Whether these are the front's own.
#[must_use]
pub fn is_own(credentials: &Credentials) -> bool {
    credentials == own()
}

fn become_them(credentials: &Credentials) -> bool {
    cred::set_groups(&credentials.groups).is_ok()
        && cred::set_fsgid(credentials.gid)
        && cred::set_fsuid(credentials.uid)
}

/// Runs `act` with those file-system ids and groups; with the front's own when None. EPERM where the front may not.
pub fn acting_as<T>(credentials: Option<&Credentials>, act: impl FnOnce() -> Sys<T>) -> Sys<T> {
    let Some(credentials) = credentials.filter(|c| !is_own(c)) else { return act() };
    let outcome = if become_them(credentials) { act() } else { Err(Errno(libc::EPERM)) };
    // Order matters: with uid 0 back the capabilities are back, and groups can be set again.
    if !(cred::set_fsuid(own().uid) && cred::set_fsgid(own().gid) && cred::set_groups(&own().groups).is_ok()) {
        // A thread that kept foreign credentials would act for others with them.
        std::process::abort();
    }
    outcome
}
