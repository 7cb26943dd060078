//! Resource limits (setrlimit(2)) and the Landlock version of the kernel.

use super::{Sys, check_int};

/// Sets a resource's soft and hard limit, neither above the hard limit in force.
pub fn set(resource: u32, soft: u64, hard: u64) -> Sys<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel fills the structure.
    check_int(unsafe { libc::getrlimit(resource as _, &raw mut limit) })?;
    let limit = libc::rlimit { rlim_cur: soft.min(limit.rlim_max), rlim_max: hard.min(limit.rlim_max) };
    // SAFETY: the kernel only reads the structure.
    check_int(unsafe { libc::setrlimit(resource as _, &raw const limit) }).map(drop)
}

/// Descriptors that this process may have open at one time: its soft limit.
pub fn open_files() -> Sys<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel fills the structure.
    check_int(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    Ok(limit.rlim_cur)
}

/// Bytes of a page of memory.
#[must_use]
pub fn page_size() -> u64 {
    // SAFETY: no pointers.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// landlock_create_ruleset(2) with LANDLOCK_CREATE_RULESET_VERSION; 0 when there is no Landlock.
#[must_use]
pub fn landlock_abi() -> i32 {
    // SAFETY: a null attribute with size 0 and the version flag asks for a number.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0, 1) };
    i32::try_from(version).unwrap_or(0).max(0)
}
