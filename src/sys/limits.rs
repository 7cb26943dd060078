//! Resource limits (setrlimit(2)) and the Landlock version of the kernel.

use super::{Sys, check_int};

/// Sets soft and hard limit of a resource, never above the hard limit in force.
pub fn set(resource: u32, value: u64) -> Sys<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel fills the structure.
    check_int(unsafe { libc::getrlimit(resource as _, &raw mut limit) })?;
    let value = value.min(limit.rlim_max);
    let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: the kernel only reads the structure.
    check_int(unsafe { libc::setrlimit(resource as _, &raw const limit) }).map(drop)
}

/// landlock_create_ruleset(2) with LANDLOCK_CREATE_RULESET_VERSION; 0 when there is no Landlock.
#[must_use]
pub fn landlock_abi() -> i32 {
    // SAFETY: a null attribute with size 0 and the version flag asks for a number.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0, 1) };
    i32::try_from(version).unwrap_or(0).max(0)
}
