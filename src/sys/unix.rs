//! Descriptors and Unix sockets: poll, plain reads and writes, copies, pipes, and descriptors sent over a socket.
//!
//! Invariant: a descriptor that the kernel hands out is owned by an `OwnedFd` before anything else can fail.
//! Leaves to others: what the descriptors are for.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::process::check;

/// At most this many descriptors travel in one message.
pub const MOST_SENT: usize = 8;

pub use libc::pollfd as PollFd;

/// An entry that poll(2) skips.
pub const NO_POLL: PollFd = PollFd { fd: -1, events: 0, revents: 0 };

/// An entry that waits for `events` (0 still reports errors and hang-ups).
pub fn poll_for(fd: BorrowedFd<'_>, events: i16) -> PollFd {
    PollFd { fd: fd.as_raw_fd(), events, revents: 0 }
}

/// poll(2); -1 waits without end. Interrupted calls report nothing ready.
pub fn poll(entries: &mut [PollFd], milliseconds: i32) -> io::Result<()> {
    // SAFETY: pointer and length describe one live slice of plain records.
    let result = unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, milliseconds) };
    match check(result) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            entries.iter_mut().for_each(|entry| entry.revents = 0);
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn counted(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// read(2).
pub fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the kernel writes at most `len` bytes into the live slice.
    counted(unsafe { libc::read(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) })
}

/// write(2).
pub fn write(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the kernel reads at most `len` bytes from the live slice.
    counted(unsafe { libc::write(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) })
}

/// recv(2) that never waits.
pub fn receive_now(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the kernel writes at most `len` bytes into the live slice.
    counted(unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_DONTWAIT) })
}

/// send(2) that never waits and never raises SIGPIPE.
pub fn send_now(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the kernel reads at most `len` bytes from the live slice.
    counted(unsafe { libc::send(socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) })
}

/// Writes that never wait (pwritev2(2) with RWF_NOWAIT at the current position): pipes since Linux 6.4.
pub fn write_now(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    let part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: the one vector describes the live slice, from which the kernel only reads.
    counted(unsafe { libc::pwritev2(fd.as_raw_fd(), &part, 1, -1, libc::RWF_NOWAIT) })
}

/// A close-on-exec copy above 2 of a descriptor of this process; EBADF when there is none.
pub fn duplicate(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: no pointers are passed; the kernel checks the number.
    let fd = check(unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) })?;
    // SAFETY: the kernel just made this descriptor for us; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Puts a copy of `fd`, kept over exec, at 0, 1 or 2.
pub fn place(fd: BorrowedFd<'_>, stdio: RawFd) -> io::Result<()> {
    debug_assert!((0..=2).contains(&stdio));
    // SAFETY: no pointers are passed. Only 0 to 2 are ever replaced, which no Rust value owns.
    check(unsafe { libc::dup2(fd.as_raw_fd(), stdio) }).map(drop)
}

/// Closes 0, 1 or 2, for a program that was started without it.
pub fn close_stdio(stdio: RawFd) {
    if (0..=2).contains(&stdio) {
        // SAFETY: no pointers are passed. Only 0 to 2 are ever closed, which no Rust value owns.
        unsafe { libc::close(stdio) };
    }
}

/// A pipe, close-on-exec: (read end, write end).
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    // SAFETY: the kernel writes two descriptors into the array.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
    // SAFETY: the kernel just made both for us; nothing else owns them.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// Sets or clears O_NONBLOCK of an open file description: only for those that nobody shares.
pub fn set_nonblocking(fd: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    // SAFETY: no pointers are passed.
    let flags = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })?;
    let flags = if on { flags | libc::O_NONBLOCK } else { flags & !libc::O_NONBLOCK };
    // SAFETY: no pointers are passed.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags) }).map(drop)
}

/// How a pipe's room changes: pages are 4,096 bytes (F_SETPIPE_SZ).
pub fn set_pipe_size(pipe: BorrowedFd<'_>, bytes: i32) -> io::Result<()> {
    // SAFETY: no pointers are passed.
    check(unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_SETPIPE_SZ, bytes) }).map(drop)
}

/// Bytes waiting to be read in a pipe or socket, from either end of a pipe (FIONREAD).
pub fn unread(fd: BorrowedFd<'_>) -> io::Result<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the kernel writes one int.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONREAD, &mut bytes) })?;
    Ok(usize::try_from(bytes).unwrap_or(0))
}

/// tee(2) without waiting: copies what is in one pipe into another and leaves it where it is.
pub fn tee_now(from: BorrowedFd<'_>, to: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
    // SAFETY: no pointers are passed.
    counted(unsafe { libc::tee(from.as_raw_fd(), to.as_raw_fd(), most, libc::SPLICE_F_NONBLOCK) })
}

/// Whether two descriptors of this process are the same open file description (kcmp(2)); `None` when the kernel cannot say.
pub fn same_description(one: RawFd, other: RawFd) -> Option<bool> {
    const KCMP_FILE: libc::c_int = 0;
    let pid = std::process::id();
    // SAFETY: no pointers are passed.
    let result = unsafe { libc::syscall(libc::SYS_kcmp, pid, pid, KCMP_FILE, one, other) };
    (result >= 0).then_some(result == 0)
}

/// A Unix stream socket, connected to a path of at most 107 bytes without waiting: WouldBlock while the other side's queue is full.
pub fn connect_now(path: &[u8]) -> io::Result<OwnedFd> {
    // SAFETY: all-zero bytes are a valid address of this type.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    if path.len() >= address.sun_path.len() || path.contains(&0) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in address.sun_path.iter_mut().zip(path) {
        *to = *from as libc::c_char;
    }
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: no pointers are passed.
    let fd = check(unsafe { libc::socket(libc::AF_UNIX, kind, 0) })?;
    // SAFETY: the kernel just made this descriptor for us; nothing else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let size = std::mem::size_of_val(&address) as libc::socklen_t;
    // SAFETY: pointer and size describe the live address, whose path ends in a zero byte.
    check(unsafe { libc::connect(socket.as_raw_fd(), (&raw const address).cast(), size) })?;
    Ok(socket)
}

/// Pid and uid of the process at the other end when it connected (SO_PEERCRED).
pub fn peer(socket: BorrowedFd<'_>) -> io::Result<(i32, u32)> {
    let mut credentials = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut size = std::mem::size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `size` bytes, which is what the structure has room for.
    check(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &mut size,
        )
    })?;
    Ok((credentials.pid, credentials.uid))
}

/// Room for one control message with `MOST_SENT` descriptors, aligned as the kernel wants it.
#[repr(align(8))]
struct Control([u8; 64]);

/// Sends one byte and the descriptors (SCM_RIGHTS, see unix(7)); at most `MOST_SENT`.
pub fn send_descriptors(socket: BorrowedFd<'_>, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    if descriptors.len() > MOST_SENT {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let mut control = Control([0; 64]);
    let mut byte = [0u8; 1];
    let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    let bytes = std::mem::size_of_val(&[0 as RawFd; MOST_SENT]) / MOST_SENT * descriptors.len();
    // SAFETY: `message` points at `part` and `control`, which outlive the call. CMSG_SPACE of 8 descriptors is 48 bytes,
    // so the header and the numbers written after it stay within the 64 bytes of `control`; its alignment fits cmsghdr.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &mut part;
        message.msg_iovlen = 1;
        if !descriptors.is_empty() {
            message.msg_control = control.0.as_mut_ptr().cast();
            message.msg_controllen = libc::CMSG_SPACE(bytes as u32) as _;
            let header = libc::CMSG_FIRSTHDR(&message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(bytes as u32) as _;
            let numbers = libc::CMSG_DATA(header).cast::<RawFd>();
            for (at, descriptor) in descriptors.iter().enumerate() {
                numbers.add(at).write_unaligned(descriptor.as_raw_fd());
            }
        }
        counted(libc::sendmsg(socket.as_raw_fd(), &message, libc::MSG_NOSIGNAL)).map(drop)
    }
}

/// Receives what `send_descriptors` sent, close-on-exec; UnexpectedEof when the other end is gone.
pub fn receive_descriptors(socket: BorrowedFd<'_>) -> io::Result<Vec<OwnedFd>> {
    let mut control = Control([0; 64]);
    let mut byte = [0u8; 1];
    let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    let mut received = Vec::with_capacity(MOST_SENT);
    // SAFETY: `message` points at `part` and `control`, which outlive the call; the kernel writes at most the lengths
    // given and sets `msg_controllen` to what it wrote, within which CMSG_FIRSTHDR and cmsg_len stay. Each number is
    // a descriptor that the kernel just made for us.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = control.0.len() as _;
        let got = counted(libc::recvmsg(socket.as_raw_fd(), &mut message, libc::MSG_CMSG_CLOEXEC))?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let header = libc::CMSG_FIRSTHDR(&message);
        if !header.is_null() && (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SCM_RIGHTS {
            let bytes = (*header).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
            let numbers = libc::CMSG_DATA(header).cast::<RawFd>();
            for at in 0..bytes / std::mem::size_of::<RawFd>() {
                received.push(OwnedFd::from_raw_fd(numbers.add(at).read_unaligned()));
            }
        }
    }
    Ok(received)
}
