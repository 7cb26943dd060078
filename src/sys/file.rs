//! Opening, asking and naming files: openat2(2), readlinkat(2), fstat(2), fcntl(2).
//!
//! Every open here is with O_CLOEXEC and O_NOCTTY: the descriptors are ours.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::{Errno, Sys, check, check_int};

/// `openat2` refuses magic links on the way (openat2(2)).
pub const NO_MAGICLINKS: u64 = 0x02;
/// `openat2` refuses any symbolic link on the way.
pub const NO_SYMLINKS: u64 = 0x04;
/// `openat2` may not leave the directory.
pub const BENEATH: u64 = 0x08;
/// The directory is the root for this call.
pub const IN_ROOT: u64 = 0x10;
/// No mount may be crossed.
pub const NO_XDEV: u64 = 0x01;

#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// A directory to start from: a descriptor, or the current one.
fn dir_number(dir: Option<BorrowedFd<'_>>) -> RawFd {
    dir.map_or(libc::AT_FDCWD, |fd| fd.as_raw_fd())
}

/// openat2(2). `mode` must be 0 unless the flags create.
pub fn open_how(dir: Option<BorrowedFd<'_>>, path: &CStr, flags: i32, mode: u32, resolve: u64) -> Sys<OwnedFd> {
    let flags = flags | libc::O_CLOEXEC | libc::O_NOCTTY;
    // O_PATH takes no other flag than these three.
    let flags = if flags & libc::O_PATH == 0 {
        flags
    } else {
        flags & (libc::O_PATH | libc::O_CLOEXEC | libc::O_DIRECTORY | libc::O_NOFOLLOW)
    };
    let how = OpenHow { flags: flags as u32 as u64, mode: u64::from(mode), resolve };
    // SAFETY: path is NUL-terminated and `how` has the kernel's layout and the size given.
    let fd = check(unsafe {
        libc::syscall(libc::SYS_openat2, dir_number(dir), path.as_ptr(), &raw const how, size_of::<OpenHow>())
    })?;
    // SAFETY: the kernel just made it; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// openat(2), which unlike openat2 ignores flags it does not know.
pub fn open(dir: Option<BorrowedFd<'_>>, path: &CStr, flags: i32, mode: u32) -> Sys<OwnedFd> {
    let flags = flags | libc::O_CLOEXEC | libc::O_NOCTTY;
    // SAFETY: path is NUL-terminated; integers otherwise.
    let fd = check_int(unsafe { libc::openat(dir_number(dir), path.as_ptr(), flags, mode) })?;
    // SAFETY: the kernel just made it; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The text of a symbolic link; with an empty `path`, of the link that `dir` itself is. EINVAL when it is none.
pub fn readlink(dir: Option<BorrowedFd<'_>>, path: &CStr) -> Sys<Vec<u8>> {
    let mut buf = [0_u8; libc::PATH_MAX as usize];
    let n = readlink_into(dir, path, &mut buf)?;
    Ok(buf.get(..n).unwrap_or_default().to_vec())
}

/// As [`readlink`], into a buffer; returns the length. ENAMETOOLONG when it does not fit.
pub fn readlink_into(dir: Option<BorrowedFd<'_>>, path: &CStr, buf: &mut [u8]) -> Sys<usize> {
    // SAFETY: the kernel writes at most `buf.len()` bytes.
    let n = check(unsafe {
        libc::syscall(libc::SYS_readlinkat, dir_number(dir), path.as_ptr(), buf.as_mut_ptr(), buf.len())
    })?;
    let n = n as usize;
    if n >= buf.len() { Err(Errno(libc::ENAMETOOLONG)) } else { Ok(n) }
}

/// "/proc/self/fd/N" without allocation.
pub struct FdPath([u8; 28]);

impl FdPath {
    #[must_use]
    pub fn new(fd: BorrowedFd<'_>) -> Self {
        let mut text = [0_u8; 28];
        let head = b"/proc/self/fd/";
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(fd.as_raw_fd()).as_bytes();
        for (to, from) in text.iter_mut().zip(head.iter().chain(digits)) {
            *to = *from;
        }
        Self(text)
    }

    #[must_use]
    pub fn as_c(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or(c"/proc/self/fd/-1")
    }
}

/// The path the kernel has for an open descriptor; "(deleted)" and the like are part of it.
pub fn path_of(fd: BorrowedFd<'_>) -> Sys<Vec<u8>> {
    readlink(None, FdPath::new(fd).as_c())
}

/// What fstat(2) and fstatat(2) tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    pub dev: u64,
    pub ino: u64,
    pub mode: u32,
    pub links: u64,
    pub uid: u32,
    pub rdev: u64,
}

impl Stat {
    #[must_use]
    pub fn kind(&self) -> u32 {
        self.mode & libc::S_IFMT
    }
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.kind() == libc::S_IFDIR
    }
    #[must_use]
    pub fn is_symlink(&self) -> bool {
        self.kind() == libc::S_IFLNK
    }
}

#[allow(clippy::unnecessary_cast, reason = "widths differ between architectures")]
fn stat_with(dir: Option<BorrowedFd<'_>>, path: &CStr, flags: i32) -> Sys<Stat> {
    // SAFETY: an all-zero `stat` is a valid value for the kernel to overwrite.
    let mut st: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: path is NUL-terminated, `st` is ours.
    check_int(unsafe { libc::fstatat(dir_number(dir), path.as_ptr(), &raw mut st, flags) })?;
    Ok(Stat {
        dev: st.st_dev as u64,
        ino: st.st_ino as u64,
        mode: st.st_mode as u32,
        links: st.st_nlink as u64,
        uid: st.st_uid,
        rdev: st.st_rdev as u64,
    })
}

/// fstat(2).
pub fn stat(fd: BorrowedFd<'_>) -> Sys<Stat> {
    stat_with(Some(fd), c"", libc::AT_EMPTY_PATH)
}

/// Whether somebody notices that it is open elsewhere: an end of a pipe or FIFO, whose peer waits for all to be closed, and
/// what is open for writing, which cannot be executed (ETXTBSY).
#[must_use]
pub fn is_noticed(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: calls without pointers.
    let (pipe, flags) =
        unsafe { (libc::fcntl(fd.as_raw_fd(), libc::F_GETPIPE_SZ), libc::fcntl(fd.as_raw_fd(), libc::F_GETFL)) };
    pipe > 0 || flags < 0 || flags & libc::O_ACCMODE != libc::O_RDONLY
}

/// fstatat(2) without following a final link.
pub fn stat_at(dir: BorrowedFd<'_>, name: &CStr) -> Sys<Stat> {
    stat_with(Some(dir), name, libc::AT_SYMLINK_NOFOLLOW)
}

/// stat(2) of an absolute path, following links.
pub fn stat_path(path: &CStr) -> Sys<Stat> {
    stat_with(None, path, 0)
}

/// When the object was made, since 1970, where its file system tells (statx(2), STATX_BTIME): nobody can set that.
pub fn born(fd: BorrowedFd<'_>) -> Sys<Option<std::time::Duration>> {
    // SAFETY: an all-zero `statx` is a valid value for the kernel to overwrite.
    let mut told: libc::statx = unsafe { std::mem::zeroed() };
    // SAFETY: the empty path is NUL-terminated, `told` is ours.
    check_int(unsafe {
        libc::statx(fd.as_raw_fd(), c"".as_ptr(), libc::AT_EMPTY_PATH, libc::STATX_BTIME, &raw mut told)
    })?;
    let seconds = u64::try_from(told.stx_btime.tv_sec).unwrap_or(0);
    let is_told = told.stx_mask & libc::STATX_BTIME != 0;
    Ok(is_told.then(|| std::time::Duration::new(seconds, told.stx_btime.tv_nsec)))
}

/// File status flags (F_GETFL).
pub fn status_flags(fd: BorrowedFd<'_>) -> Sys<i32> {
    // SAFETY: no pointers.
    check_int(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })
}

/// The number of the PTY whose leader this is (TIOCGPTN).
pub fn pty_number(fd: BorrowedFd<'_>) -> Sys<u32> {
    let mut number: libc::c_uint = 0;
    // SAFETY: the kernel writes one unsigned int.
    check_int(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCGPTN, &raw mut number) })?;
    Ok(number)
}

/// Whether two descriptors' names resolve to the same object.
pub fn same_object(a: BorrowedFd<'_>, b: BorrowedFd<'_>) -> Sys<bool> {
    let (a, b) = (stat(a)?, stat(b)?);
    Ok(a.dev == b.dev && a.ino == b.ino)
}
