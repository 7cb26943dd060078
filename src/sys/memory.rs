//! Reading and writing another process's memory: proc_pid_mem(5), process_vm_writev(2).

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use super::{Errno, Sys, check, file};

/// The memory of a thread's process as a file (proc_pid_mem(5)): cheaper to read than by process id. It stays with the
/// memory it was opened for, so it must not be used across execve.
pub fn open(tid: i32) -> Sys<OwnedFd> {
    let path = std::ffi::CString::new(format!("/proc/{tid}/mem")).map_err(|_| Errno(libc::EINVAL))?;
    file::open(None, &path, libc::O_RDONLY, 0)
}

/// Copies up to `buf.len()` bytes from `addr`; returns how many there were. EFAULT where nothing is.
pub fn read_at(memory: BorrowedFd<'_>, addr: u64, buf: &mut [u8]) -> Sys<usize> {
    // SAFETY: the kernel writes at most `buf.len()` bytes; the offset is only interpreted in the target.
    let n = unsafe { libc::pread64(memory.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len(), addr.cast_signed()) };
    match check(n as libc::c_long) {
        Ok(0) | Err(Errno(libc::EIO)) => Err(Errno(libc::EFAULT)),
        Ok(n) => Ok(n as usize),
        Err(errno) => Err(errno),
    }
}

fn remote(addr: u64, len: usize) -> libc::iovec {
    libc::iovec { iov_base: addr as usize as *mut libc::c_void, iov_len: len }
}

/// Copies up to `buf.len()` bytes from `addr` of process `pid`; returns how many there were. EFAULT, EPERM, ESRCH.
pub fn read(pid: i32, addr: u64, buf: &mut [u8]) -> Sys<usize> {
    let local = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    let remote = remote(addr, buf.len());
    // SAFETY: `local` covers exactly `buf`; the remote address is only interpreted in the target.
    let n =
        check(unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) } as libc::c_long)?;
    Ok(n as usize)
}

/// Copies `buf` to `addr` of thread `tid`; returns how many bytes arrived. EFAULT, EPERM, ESRCH.
pub fn write(tid: i32, addr: u64, buf: &[u8]) -> Sys<usize> {
    let local = libc::iovec { iov_base: buf.as_ptr().cast_mut().cast(), iov_len: buf.len() };
    let remote = remote(addr, buf.len());
    // SAFETY: the kernel only reads `buf` through `local`; the remote address is only interpreted in the target.
    let n =
        check(unsafe { libc::process_vm_writev(tid, &raw const local, 1, &raw const remote, 1, 0) } as libc::c_long)?;
    Ok(n as usize)
}
