//! Raw system calls and the memory they point at, without libc's wrappers and fall-backs in between.
//!
//! Invariant: what reaches the kernel is exactly the number and the words given here, upper halves included.
//! Leaves to others: what to call.

use std::ffi::CString;

use crate::report::Try;

/// One system call with up to six words.
pub fn call(number: i64, words: &[usize]) -> Try {
    let mut six = [0usize; 6];
    six[..words.len()].copy_from_slice(words);
    let got = unsafe { libc::syscall(number, six[0], six[1], six[2], six[3], six[4], six[5]) };
    if got == -1 { Err(errno()) } else { Ok(got) }
}

/// The last call's errno.
pub fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// `AT_FDCWD` as a register holds it.
pub const CWD: usize = libc::AT_FDCWD as isize as usize;

/// Bit 32: set in a word that the kernel reads as an `int`, it must not get past a check of that word.
pub const HIGH: usize = 1 << 32;

/// The address of a C string.
pub fn at(text: &CString) -> usize {
    text.as_ptr() as usize
}

pub fn c(text: &str) -> CString {
    CString::new(text).expect("no NUL in an argument")
}

/// The address of any value, for the kernel to read or write.
pub fn to<T: ?Sized>(value: &T) -> usize {
    std::ptr::from_ref(value).cast::<u8>() as usize
}

/// As `to`, where the kernel writes.
pub fn into<T: ?Sized>(value: &mut T) -> usize {
    std::ptr::from_mut(value).cast::<u8>() as usize
}

/// Runs `body` in a forked child and gives its exit status (0 to 255), or 256 when a signal ended it.
pub fn forked(body: impl FnOnce() -> i32) -> i32 {
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let status = body();
        unsafe { libc::_exit(status) };
    }
    reap(pid)
}

/// Waits for a child: its exit status, or 256 when a signal ended it, or 257 when there is none.
pub fn reap(pid: i32) -> i32 {
    let mut status = 0;
    loop {
        let got = unsafe { libc::waitpid(pid, &mut status, libc::__WALL) };
        if got == pid {
            return if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 256 };
        }
        if got == -1 && errno() != libc::EINTR {
            return 257;
        }
    }
}

/// A child's exit status as an outcome: 0 worked, anything else is the errno.
pub fn child(status: i32) -> Try {
    if status == 0 { Ok(0) } else { Err(status) }
}

/// Reads up to 4 KiB from a descriptor.
pub fn read_some(fd: i64) -> Result<Vec<u8>, i32> {
    let mut bytes = vec![0u8; 4096];
    let got = call(libc::SYS_read, &[fd as usize, into(&mut bytes[..]), 4096])?;
    bytes.truncate(got as usize);
    Ok(bytes)
}

/// Anonymous private memory, not shared with anything, never freed: an attempt lives for one call.
pub fn pages(bytes: usize, flags: i32) -> *mut u8 {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | flags;
    let got = unsafe { libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
    assert!(got != libc::MAP_FAILED, "no memory");
    got.cast()
}
