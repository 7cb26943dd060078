//! System V shared memory, message queues and semaphores: making and finding them.

use libc::c_long;

use super::{Sys, check};

/// shmget(2), msgget(2) or semget(2), by number, with its words. The object's number; EEXIST, ENOENT, EACCES ….
pub fn get(number: c_long, words: [u64; 3]) -> Sys<i32> {
    debug_assert!([libc::SYS_shmget, libc::SYS_msgget, libc::SYS_semget].contains(&number));
    // SAFETY: these calls take integers only.
    check(unsafe { libc::syscall(number, words[0], words[1], words[2]) }).map(|id| id as i32)
}
