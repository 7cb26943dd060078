//! CPU affinity: sched_setaffinity(2).

use super::{Sys, check};

/// A CPU mask as the kernel takes it: up to 1,024 CPUs.
pub type Mask = [u64; 16];

/// The mask of a thread.
pub fn affinity(tid: i32) -> Sys<Mask> {
    let mut mask = [0; 16];
    // SAFETY: the kernel writes at most `size_of_val(&mask)` bytes.
    check(unsafe { libc::syscall(libc::SYS_sched_getaffinity, tid, size_of_val(&mask), mask.as_mut_ptr()) })?;
    Ok(mask)
}

/// Sets the mask of a thread of one's own uid.
pub fn set_affinity(tid: i32, mask: &Mask) -> Sys<()> {
    // SAFETY: the kernel only reads the mask.
    check(unsafe { libc::syscall(libc::SYS_sched_setaffinity, tid, size_of_val(mask), mask.as_ptr()) }).map(drop)
}

/// The CPU this thread runs on now.
#[must_use]
pub fn current_cpu() -> usize {
    // SAFETY: takes nothing, returns an integer.
    usize::try_from(unsafe { libc::sched_getcpu() }).unwrap_or(0)
}

/// A mask with one CPU.
#[must_use]
pub fn only(cpu: usize) -> Mask {
    let mut mask = [0; 16];
    if let Some(word) = mask.get_mut(cpu / 64) {
        *word = 1 << (cpu % 64);
    }
    mask
}
