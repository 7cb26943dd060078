//! Kinds of sockets, and options that untie one from its device.
//!
//! Invariant: no packet is sent; a socket is opened, asked something, and ends with the process.
//! Leaves to others: sockets that do reach somebody (`network`, `unix`).

use libc::*;

use crate::call::{HIGH, at, c, call, into};
use crate::report::{Misuse, Outcome, Refused, Worked};
use crate::{Args, Attempt};

pub const ATTEMPTS: &[Attempt] = &[
    ("socket", |args| {
        three(args).map_or_else(Misuse, |[family, kind, protocol]| call(SYS_socket, &[family, kind, protocol]).into())
    }),
    ("socket_high", |args| {
        three(args).map_or_else(Misuse, |[family, kind, protocol]| {
            call(SYS_socket, &[family | HIGH, kind | HIGH, protocol | HIGH]).into()
        })
    }),
    ("socketpair", |args| {
        three(args).map_or_else(Misuse, |[family, kind, protocol]| {
            call(SYS_socketpair, &[family, kind, protocol, into(&mut [0i32; 2])]).into()
        })
    }),
    ("untie_name", |_| {
        untie(|socket| call(SYS_setsockopt, &[socket, SOL_SOCKET as usize, SO_BINDTODEVICE as usize, at(&c("")), 0]))
    }),
    ("untie_name_high", |_| {
        untie(|socket| {
            call(SYS_setsockopt, &[socket, SOL_SOCKET as usize | HIGH, SO_BINDTODEVICE as usize | HIGH, at(&c("")), 0])
        })
    }),
    ("untie_other", |args| {
        let device = args.path(0);
        let bytes = device.as_bytes().len() + 1;
        untie(|socket| {
            call(SYS_setsockopt, &[socket, SOL_SOCKET as usize, SO_BINDTODEVICE as usize, at(&device), bytes])
        })
    }),
    ("untie_index", |_| {
        untie(|socket| {
            let mut none = 0i32;
            call(SYS_setsockopt, &[socket, SOL_SOCKET as usize, 62, into(&mut none), 4])
        })
    }),
    ("tied_to", tied_to),
    ("netlink_up", |_| netlink_up()),
    ("interface_up", |_| interface_up()),
];

fn three(args: &Args) -> Result<[usize; 3], String> {
    let mut words = [0; 3];
    for (i, word) in words.iter_mut().enumerate() {
        *word = args.text(i).parse().map_err(|_| format!("'{}' is not a number", args.text(i)))?;
    }
    Ok(words)
}

/// Ties a fresh socket to `lo` where that is not already so, then undoes it.
fn untie(undo: impl FnOnce(usize) -> Result<i64, i32>) -> Outcome {
    let socket = match call(SYS_socket, &[AF_INET as usize, SOCK_DGRAM as usize, 0]) {
        Ok(socket) => socket as usize,
        Err(errno) => return Refused(errno, "socket".into()),
    };
    let lo = c("lo");
    let _ = call(SYS_setsockopt, &[socket, SOL_SOCKET as usize, SO_BINDTODEVICE as usize, at(&lo), 3]);
    undo(socket).into()
}

/// Which device fresh internet sockets of every kind are tied to: `worked` unless all say `lo`.
fn tied_to(_: &Args) -> Outcome {
    let mut said = Vec::new();
    for (family, kind) in
        [(AF_INET, SOCK_STREAM), (AF_INET, SOCK_DGRAM), (AF_INET6, SOCK_STREAM), (AF_INET6, SOCK_DGRAM)]
    {
        let socket = match call(SYS_socket, &[family as usize, (kind | SOCK_CLOEXEC) as usize, 0]) {
            Ok(socket) => socket as usize,
            Err(errno) => return Refused(errno, "socket".into()),
        };
        let (mut name, mut bytes) = ([0u8; 16], 16u32);
        if let Err(errno) = call(
            SYS_getsockopt,
            &[socket, SOL_SOCKET as usize, SO_BINDTODEVICE as usize, into(&mut name[..]), into(&mut bytes)],
        ) {
            return Refused(errno, "getsockopt".into());
        }
        said.push(String::from_utf8_lossy(&name[..bytes as usize]).trim_end_matches('\0').to_owned());
    }
    let line = said.join(",");
    if said.iter().all(|device| device == "lo") { Refused(0, line) } else { Worked(line) }
}

/// Asks the kernel by netlink to set `lo` up, which it is.
fn netlink_up() -> Outcome {
    let mut ask = [0u8; 32];
    ask[0..4].copy_from_slice(&32u32.to_ne_bytes());
    ask[4..6].copy_from_slice(&(RTM_NEWLINK).to_ne_bytes());
    ask[6..8].copy_from_slice(&((NLM_F_REQUEST | NLM_F_ACK) as u16).to_ne_bytes());
    ask[20..24].copy_from_slice(&1i32.to_ne_bytes());
    ask[24..28].copy_from_slice(&(IFF_UP as u32).to_ne_bytes());
    ask[28..32].copy_from_slice(&(IFF_UP as u32).to_ne_bytes());
    let mut answer = [0u8; 64];
    let told = call(SYS_socket, &[AF_NETLINK as usize, SOCK_RAW as usize, 0]).and_then(|socket| {
        call(SYS_sendto, &[socket as usize, into(&mut ask[..]), 32, 0, 0, 0])?;
        call(SYS_recvfrom, &[socket as usize, into(&mut answer[..]), 64, 0, 0, 0])
    });
    match told {
        Ok(_) => match i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]) {
            0 => Worked("set up".into()),
            errno => Refused(-errno, String::new()),
        },
        Err(errno) => Refused(errno, "netlink".into()),
    }
}

/// The same by ioctl.
fn interface_up() -> Outcome {
    let mut ask = [0u8; 40];
    ask[0..2].copy_from_slice(b"lo");
    let set = call(SYS_socket, &[AF_INET as usize, SOCK_DGRAM as usize, 0]).and_then(|socket| {
        call(SYS_ioctl, &[socket as usize, 0x8913, into(&mut ask[..])])?;
        call(SYS_ioctl, &[socket as usize, 0x8914, into(&mut ask[..])])
    });
    set.into()
}
