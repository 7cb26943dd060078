//! Sockets of the target, handled through copies of its descriptors: socket(2), connect(2), bind(2), sendmsg(2).

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use super::{Errno, Sys, check, check_int};

/// socket(2) with SOCK_CLOEXEC added.
pub fn socket(family: i32, kind: i32, protocol: i32) -> Sys<OwnedFd> {
    // SAFETY: integers only.
    let fd = check_int(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) })?;
    // SAFETY: the kernel just made it; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Ties a socket to the loopback device: nothing it sends can leave the machine (SO_BINDTODEVICE, 5.7 without privilege).
pub fn bind_to_loopback_device(fd: BorrowedFd<'_>) -> Sys<()> {
    let name = c"lo";
    // SAFETY: pointer and length describe "lo\0".
    check_int(unsafe {
        libc::setsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_BINDTODEVICE, name.as_ptr().cast(), 3)
    })
    .map(drop)
}

/// An integer socket option of level SOL_SOCKET, such as SO_DOMAIN or SO_TYPE.
pub fn option(fd: BorrowedFd<'_>, name: i32) -> Sys<i32> {
    let mut value: libc::c_int = 0;
    let mut len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes into `value`.
    check_int(unsafe {
        libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, name, (&raw mut value).cast(), &raw mut len)
    })?;
    Ok(value)
}

/// An integer socket option of another level, such as IPV6_V6ONLY.
pub fn option_of(fd: BorrowedFd<'_>, level: i32, name: i32) -> Sys<i32> {
    let mut value: libc::c_int = 0;
    let mut len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes into `value`.
    check_int(unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, (&raw mut value).cast(), &raw mut len) })?;
    Ok(value)
}

/// Sets an integer socket option.
pub fn set_option(fd: BorrowedFd<'_>, level: i32, name: i32, value: i32) -> Sys<()> {
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel reads `len` bytes of `value`.
    check_int(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, (&raw const value).cast(), len) }).map(drop)
}

/// SO_COOKIE: the number of this socket, which no other one gets before the next boot (socket(7)).
pub fn cookie(fd: BorrowedFd<'_>) -> Sys<u64> {
    let mut value: u64 = 0;
    let mut len = size_of::<u64>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes into `value`.
    check_int(unsafe {
        libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_COOKIE, (&raw mut value).cast(), &raw mut len)
    })?;
    Ok(value)
}

/// SO_SNDTIMEO or SO_RCVTIMEO; None where it waits for ever.
pub fn timeout(fd: BorrowedFd<'_>, name: i32) -> Sys<Option<Duration>> {
    let mut value = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let mut len = size_of::<libc::timeval>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes into `value`.
    check_int(unsafe {
        libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, name, (&raw mut value).cast(), &raw mut len)
    })?;
    let whole = Duration::from_secs(u64::try_from(value.tv_sec).unwrap_or(0));
    let time = whole + Duration::from_micros(u64::try_from(value.tv_usec).unwrap_or(0));
    Ok((!time.is_zero()).then_some(time))
}

/// Whether the open file has O_NONBLOCK.
pub fn is_nonblocking(fd: BorrowedFd<'_>) -> Sys<bool> {
    // SAFETY: integers only.
    let flags = check_int(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })?;
    Ok(flags & libc::O_NONBLOCK != 0)
}

/// State of a TCP socket that is not connected, nor about to be, nor listening (TCP_CLOSE of the kernel's tcp_states.h).
pub const TCP_CLOSED: u8 = 7;

/// The state of a TCP socket: the first byte of TCP_INFO (tcp(7)).
pub fn tcp_state(fd: BorrowedFd<'_>) -> Sys<u8> {
    let mut info = [0_u8; 8];
    let mut len = info.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes into `info`.
    check_int(unsafe {
        libc::getsockopt(fd.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, info.as_mut_ptr().cast(), &raw mut len)
    })?;
    Ok(info[0])
}

/// connect(2) with an address as the kernel reads it.
pub fn connect(fd: BorrowedFd<'_>, addr: &[u8]) -> Sys<()> {
    // SAFETY: pointer and length agree; the kernel only reads.
    check_int(unsafe { libc::connect(fd.as_raw_fd(), addr.as_ptr().cast(), addr.len() as u32) }).map(drop)
}

/// bind(2) with an address as the kernel reads it.
pub fn bind(fd: BorrowedFd<'_>, addr: &[u8]) -> Sys<()> {
    // SAFETY: pointer and length agree; the kernel only reads.
    check_int(unsafe { libc::bind(fd.as_raw_fd(), addr.as_ptr().cast(), addr.len() as u32) }).map(drop)
}

/// getsockname(2): the bytes of the address.
pub fn local_address(fd: BorrowedFd<'_>) -> Sys<Vec<u8>> {
    let mut buf = vec![0_u8; 128];
    let mut len = buf.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes.
    check_int(unsafe { libc::getsockname(fd.as_raw_fd(), buf.as_mut_ptr().cast(), &raw mut len) })?;
    buf.truncate(len as usize);
    Ok(buf)
}

/// A message to send: address (may be empty), bytes, control bytes with descriptor numbers of ours in them.
pub struct Message<'a> {
    pub addr: &'a [u8],
    pub data: &'a [u8],
    pub control: &'a [u8],
}

/// sendmsg(2) with MSG_NOSIGNAL added. Returns the number of bytes sent.
pub fn send(fd: BorrowedFd<'_>, message: &Message<'_>, flags: i32) -> Sys<usize> {
    let mut iov = libc::iovec { iov_base: message.data.as_ptr().cast_mut().cast(), iov_len: message.data.len() };
    // SAFETY: an all-zero msghdr is valid; its pointers are set below from live slices.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    if !message.addr.is_empty() {
        header.msg_name = message.addr.as_ptr().cast_mut().cast();
        header.msg_namelen = message.addr.len() as u32;
    }
    header.msg_iov = &raw mut iov;
    header.msg_iovlen = 1;
    if !message.control.is_empty() {
        header.msg_control = message.control.as_ptr().cast_mut().cast();
        header.msg_controllen = message.control.len() as _;
    }
    // SAFETY: every pointer in the header covers a live slice of the length beside it.
    let n =
        check(unsafe { libc::sendmsg(fd.as_raw_fd(), &raw const header, flags | libc::MSG_NOSIGNAL) } as libc::c_long)?;
    Ok(n as usize)
}

/// A datagram as it was received: how many bytes there were (more than fit, with MSG_TRUNC), from whom, with which
/// control bytes and flags.
#[derive(Debug)]
pub struct Received {
    pub bytes: usize,
    pub addr: Vec<u8>,
    pub control: Vec<u8>,
    pub flags: i32,
}

/// recvmsg(2) into `data`, with room for so many control bytes.
pub fn receive(fd: BorrowedFd<'_>, data: &mut [u8], control: usize, flags: i32) -> Sys<Received> {
    let mut addr = vec![0_u8; 128];
    let mut control = vec![0_u8; control];
    let mut iov = libc::iovec { iov_base: data.as_mut_ptr().cast(), iov_len: data.len() };
    // SAFETY: an all-zero msghdr is valid; its pointers are set below from live buffers.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_name = addr.as_mut_ptr().cast();
    header.msg_namelen = addr.len() as u32;
    header.msg_iov = &raw mut iov;
    header.msg_iovlen = 1;
    if !control.is_empty() {
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = control.len() as _;
    }
    // SAFETY: every pointer in the header covers a live buffer of the length beside it.
    let n = check(unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut header, flags) } as libc::c_long)?;
    addr.truncate(header.msg_namelen as usize);
    control.truncate(header.msg_controllen as usize);
    Ok(Received { bytes: n as usize, addr, control, flags: header.msg_flags })
}

/// Waits until there is something to receive; EINTR on a signal.
pub fn wait_readable(fd: BorrowedFd<'_>, millis: i32) -> Sys<bool> {
    wait(fd, libc::POLLIN, millis)
}

/// Waits until the socket takes bytes; EINTR on a signal.
pub fn wait_writable(fd: BorrowedFd<'_>, millis: i32) -> Sys<bool> {
    wait(fd, libc::POLLOUT, millis)
}

fn wait(fd: BorrowedFd<'_>, events: i16, millis: i32) -> Sys<bool> {
    let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    // SAFETY: one entry, as said.
    let n = check_int(unsafe { libc::poll(&raw mut poll, 1, millis) })?;
    Ok(n > 0)
}

/// Size of a control-message header, aligned (CMSG_ALIGN of `struct cmsghdr`).
pub const CONTROL_HEADER: usize = size_of::<libc::cmsghdr>();

/// One control message as it lies in a buffer: where its payload is, its level and type.
#[derive(Debug, Clone, Copy)]
pub struct Control {
    pub level: i32,
    pub kind: i32,
    pub start: usize,
    pub end: usize,
}

/// Splits a control buffer. EINVAL when a length does not fit.
pub fn controls(buf: &[u8]) -> Sys<Vec<Control>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at + CONTROL_HEADER <= buf.len() {
        let word = |from: usize, len: usize| buf.get(from..from + len).ok_or(Errno(libc::EINVAL));
        let len = usize::from_ne_bytes(word(at, 8)?.try_into().map_err(|_| Errno(libc::EINVAL))?);
        let level = i32::from_ne_bytes(word(at + 8, 4)?.try_into().map_err(|_| Errno(libc::EINVAL))?);
        let kind = i32::from_ne_bytes(word(at + 12, 4)?.try_into().map_err(|_| Errno(libc::EINVAL))?);
        if len < CONTROL_HEADER || len > buf.len() - at {
            return Err(Errno(libc::EINVAL));
        }
        found.push(Control { level, kind, start: at + CONTROL_HEADER, end: at + len });
        at += (len + 7) & !7;
    }
    Ok(found)
}

/// Raw number of a descriptor, for control messages.
#[must_use]
pub fn number(fd: &OwnedFd) -> RawFd {
    fd.as_raw_fd()
}
