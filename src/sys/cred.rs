//! Credentials of the calling thread: file-system ids, groups, capabilities, no_new_privs.
//!
//! The raw calls are used on purpose: glibc's wrappers change every thread of the process.

use super::{Sys, check, check_int};

/// Real user id of this process.
#[must_use]
pub fn uid() -> u32 {
    // SAFETY: takes nothing, cannot fail.
    unsafe { libc::getuid() }
}

/// Effective user id of this process.
#[must_use]
pub fn euid() -> u32 {
    // SAFETY: takes nothing, cannot fail.
    unsafe { libc::geteuid() }
}

/// Effective group id of this process.
#[must_use]
pub fn egid() -> u32 {
    // SAFETY: takes nothing, cannot fail.
    unsafe { libc::getegid() }
}

/// Supplementary groups of the calling thread.
pub fn groups() -> Sys<Vec<u32>> {
    let mut list = vec![0_u32; 65536];
    // SAFETY: the kernel writes at most as many ids as said.
    let n = check_int(unsafe { libc::getgroups(list.len() as i32, list.as_mut_ptr()) })?;
    list.truncate(n as usize);
    Ok(list)
}

/// Sets the supplementary groups of this thread alone. EPERM without CAP_SETGID.
pub fn set_groups(groups: &[u32]) -> Sys<()> {
    // SAFETY: pointer and length agree.
    check(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) }).map(drop)
}

/// Sets the file-system uid of this thread alone; returns whether it took.
#[must_use]
pub fn set_fsuid(uid: u32) -> bool {
    // SAFETY: integers only; the call reports the id that was in force before.
    unsafe {
        libc::syscall(libc::SYS_setfsuid, uid);
        libc::syscall(libc::SYS_setfsuid, u32::MAX) as u32 == uid
    }
}

/// Sets the file-system gid of this thread alone; returns whether it took.
#[must_use]
pub fn set_fsgid(gid: u32) -> bool {
    // SAFETY: integers only; the call reports the id that was in force before.
    unsafe {
        libc::syscall(libc::SYS_setfsgid, gid);
        libc::syscall(libc::SYS_setfsgid, u32::MAX) as u32 == gid
    }
}

/// Never gain rights by execve again (prctl(2)).
pub fn set_no_new_privs() -> Sys<()> {
    // SAFETY: integers only.
    check_int(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }).map(drop)
}

#[repr(C)]
struct CapHeader {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct CapSet {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

const CAP_VERSION_3: u32 = 0x2008_0522;
const LAST_CAP: u32 = 63;

/// Drops every capability not in `keep` (a bit mask) from the bounding, permitted, effective, inheritable and ambient sets.
pub fn keep_capabilities(keep: u64) -> Sys<()> {
    let header = CapHeader { version: CAP_VERSION_3, pid: 0 };
    let mut sets = [CapSet { effective: 0, permitted: 0, inheritable: 0 }; 2];
    // SAFETY: header and sets have the kernel's layout for version 3 (two words).
    check(unsafe { libc::syscall(libc::SYS_capget, &raw const header, sets.as_mut_ptr()) })?;
    if sets.iter().any(|s| s.permitted != 0) {
        for cap in 0..=LAST_CAP {
            if keep >> cap & 1 == 0 {
                // Without CAP_SETPCAP, or beyond the last capability, this fails; permitted is cut below all the same.
                // SAFETY: integers only.
                unsafe { libc::prctl(libc::PR_CAPBSET_DROP, cap, 0, 0, 0) };
            }
        }
    }
    // SAFETY: integers only; fails only on kernels without ambient capabilities.
    unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) };
    for (word, set) in sets.iter_mut().enumerate() {
        let keep = (keep >> (32 * word)) as u32;
        set.permitted &= keep;
        set.effective &= keep;
        set.inheritable = 0;
    }
    // SAFETY: as above; the kernel only reads.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) }).map(drop)
}
