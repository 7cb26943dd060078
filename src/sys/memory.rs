//! Reading and writing another process's memory: process_vm_readv(2), process_vm_writev(2).
//!
//! Not proc_pid_mem(5), although that is quicker: it reads pages that the process itself may not, where the kernel would
//! have said EFAULT.

use super::{Sys, check};

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
