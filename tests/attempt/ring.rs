//! An io_uring of four entries, enough to open one file past every filter on `openat`.
//!
//! Invariant: the opening is done by the ring alone; `openat` itself is never called.
//! Leaves to others: saying whether that is harm (`floor`).

use std::ffi::CString;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::call::{at, call, errno, into};
use crate::report::Try;

/// Words of `struct io_uring_params` (io_uring_setup(2)).
const SQ_ENTRIES: usize = 0;
const CQ_ENTRIES: usize = 1;
const SQ: usize = 10;
const CQ: usize = 20;
const OP_OPENAT: u8 = 18;
const ENTER_GETEVENTS: usize = 1;

fn map(fd: i64, bytes: usize, offset: i64) -> Result<*mut u8, i32> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let got = unsafe {
        libc::mmap(std::ptr::null_mut(), bytes, access, libc::MAP_SHARED | libc::MAP_POPULATE, fd as i32, offset)
    };
    if got == libc::MAP_FAILED { Err(errno()) } else { Ok(got.cast()) }
}

fn word(base: *mut u8, offset: u32) -> &'static AtomicU32 {
    unsafe { &*base.add(offset as usize).cast::<AtomicU32>() }
}

/// A fresh ring: its descriptor and parameters.
pub fn setup() -> Result<(i64, [u32; 30]), i32> {
    let mut params = [0u32; 30];
    let fd = call(libc::SYS_io_uring_setup, &[4, into(&mut params)])?;
    Ok((fd, params))
}

/// Opens `path` for reading through a ring: the new descriptor.
pub fn open(path: &CString) -> Try {
    let (fd, params) = setup()?;
    let sq = map(fd, (params[SQ + 6] + params[SQ_ENTRIES] * 4) as usize, 0)?;
    let cq = map(fd, (params[CQ + 5] + params[CQ_ENTRIES] * 16) as usize, 0x800_0000)?;
    let entries = map(fd, params[SQ_ENTRIES] as usize * 64, 0x1000_0000)?;
    unsafe {
        entries.write(OP_OPENAT);
        entries.add(4).cast::<i32>().write(libc::AT_FDCWD);
        entries.add(16).cast::<u64>().write(at(path) as u64);
        entries.add(28).cast::<u32>().write(libc::O_RDONLY as u32);
    }
    word(sq, params[SQ + 6]).store(0, Ordering::Relaxed);
    word(sq, params[SQ + 1]).fetch_add(1, Ordering::Release);
    call(libc::SYS_io_uring_enter, &[fd as usize, 1, 1, ENTER_GETEVENTS, 0, 0])?;
    let head = word(cq, params[CQ]).load(Ordering::Acquire) & word(cq, params[CQ + 2]).load(Ordering::Relaxed);
    let result = unsafe { cq.add((params[CQ + 5] + head * 16 + 8) as usize).cast::<i32>().read() };
    if result < 0 { Err(-result) } else { Ok(i64::from(result)) }
}
