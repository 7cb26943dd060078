//! One line of a list of calls → the system call → one word about what the kernel said.
//!
//! Invariant: each line is exactly one call (and, for an open, the close of what it gave); relative paths start at the
//! descriptor that is handed in. The same code runs outside and inside.
//! Leaves to others: which calls there are (`world`), what should come of them (`oracle`).

use std::ffi::CString;

use libc::c_long;

/// One call: the operation, up to two paths, and flags or a mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub op: String,
    pub path: String,
    pub path2: String,
    pub number: i32,
}

fn word(got: c_long) -> i32 {
    if got == -1 { std::io::Error::last_os_error().raw_os_error().unwrap_or(-1) } else { 0 }
}

/// Performs it: 0, or the errno.
pub fn perform(line: &Line, dir: i32) -> i32 {
    let (Ok(one), Ok(two)) = (CString::new(line.path.as_str()), CString::new(line.path2.as_str())) else {
        return libc::EINVAL;
    };
    let (a, b, n) = (one.as_ptr(), two.as_ptr(), line.number);
    let call = |number: c_long, words: [usize; 5]| {
        word(unsafe { libc::syscall(number, words[0], words[1], words[2], words[3], words[4]) })
    };
    let (dir, mode) = (dir as isize as usize, n as usize);
    match line.op.as_str() {
        "open" => open(dir as i32, &one, n),
        "unlink" => call(libc::SYS_unlinkat, [dir, a as usize, 0, 0, 0]),
        "rmdir" => call(libc::SYS_unlinkat, [dir, a as usize, libc::AT_REMOVEDIR as usize, 0, 0]),
        "mkdir" => call(libc::SYS_mkdirat, [dir, a as usize, mode, 0, 0]),
        "mknod" => call(libc::SYS_mknodat, [dir, a as usize, (libc::S_IFIFO | 0o600) as usize, 0, 0]),
        "rename" => call(libc::SYS_renameat2, [dir, a as usize, dir, b as usize, mode]),
        "link" => call(libc::SYS_linkat, [dir, a as usize, dir, b as usize, mode]),
        "symlink" => call(libc::SYS_symlinkat, [b as usize, dir, a as usize, 0, 0]),
        "chmod" => call(libc::SYS_fchmodat, [dir, a as usize, mode, 0, 0]),
        "utimes" => call(libc::SYS_utimensat, [dir, a as usize, 0, 0, 0]),
        "exec" => exec(dir as i32, &one),
        _ => libc::ENOSYS,
    }
}

/// What was opened for writing gets a byte more, so that the content tells where it went.
fn open(dir: i32, path: &CString, flags: i32) -> i32 {
    let fd = unsafe { libc::openat(dir, path.as_ptr(), flags | libc::O_CLOEXEC | libc::O_NONBLOCK, 0o644) };
    if fd == -1 {
        return word(-1);
    }
    if flags & libc::O_ACCMODE != libc::O_RDONLY {
        // A FIFO without a reader refuses it, inside as outside.
        let _ = unsafe { libc::write(fd, c"+".as_ptr().cast(), 1) };
    }
    unsafe { libc::close(fd) };
    0
}

/// Runs it in a child: 0 when it ended well, its errno when it could not be run, 255 for another end.
fn exec(dir: i32, path: &CString) -> i32 {
    let words = [path.as_ptr(), std::ptr::null()];
    let none = [std::ptr::null::<libc::c_char>()];
    let mut ends = [0i32; 2];
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } == -1 {
        return 255;
    }
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        unsafe {
            libc::syscall(libc::SYS_execveat, dir, path.as_ptr(), words.as_ptr(), none.as_ptr(), 0);
            let errno = *libc::__errno_location();
            libc::write(ends[1], (&raw const errno).cast(), 4);
            libc::_exit(255);
        }
    }
    let mut errno = 0i32;
    let mut status = 0;
    unsafe {
        libc::close(ends[1]);
        let got = libc::read(ends[0], (&raw mut errno).cast(), 4);
        libc::close(ends[0]);
        libc::waitpid(pid, &mut status, 0);
        if got == 4 {
            errno
        } else if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0 {
            0
        } else {
            255
        }
    }
}
