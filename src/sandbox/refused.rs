//! Calls that no policy allows: which, with what errno, and what of their arguments is worth telling.
//!
//! BPF hands them to the front, which refuses them and records the attempt; without a front they are unknown calls.
//! Only registers are looked at, so nothing can change between BPF's look and ours.
//! Invariant: whatever `filter` hands over as refused is refused here (a test compares the two), and none is continued.

use libc::c_long;

use super::syscalls as sets;
use crate::sys::Errno;

/// A call that is refused whatever the policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The call's own name.
    pub op: &'static str,
    /// What of it is refused, where that is not the whole call: `TIOCSTI`, `family 17, type 3`.
    pub object: String,
    pub errno: Errno,
}

/// ioctl(2) requests that type into a terminal or change what kind it is.
pub const TERMINALS: [(i64, &str); 4] = [
    (libc::TIOCSTI as i64, "TIOCSTI"),
    (libc::TIOCLINUX as i64, "TIOCLINUX"),
    (libc::TIOCSETD as i64, "TIOCSETD"),
    (libc::TIOCCONS as i64, "TIOCCONS"),
];

/// ioctl_iflags(2): they change a file that is only open for reading.
pub const INODE_FLAGS: [(i64, &str); 4] = [
    (0x4008_6602, "FS_IOC_SETFLAGS"),
    (0x4004_6602, "FS_IOC32_SETFLAGS"),
    (0x401c_5820, "FS_IOC_FSSETXATTR"),
    (0x4008_7602, "FS_IOC_SETVERSION"),
];

/// netdevice(7), rt(7): addresses, routes and state of interfaces, which the loopback device of the session has, too.
pub const INTERFACES: [(i64, &str); 5] = [
    (0x8914, "SIOCSIFFLAGS"),
    (0x8916, "SIOCSIFADDR"),
    (0x891c, "SIOCSIFNETMASK"),
    (0x890b, "SIOCADDRT"),
    (0x890c, "SIOCDELRT"),
];

/// Namespaces, as clone(2) and unshare(2) have them.
pub const SPACES: [(i32, &str); 7] = [
    (libc::CLONE_NEWNS, "NEWNS"),
    (libc::CLONE_NEWCGROUP, "NEWCGROUP"),
    (libc::CLONE_NEWUTS, "NEWUTS"),
    (libc::CLONE_NEWIPC, "NEWIPC"),
    (libc::CLONE_NEWUSER, "NEWUSER"),
    (libc::CLONE_NEWPID, "NEWPID"),
    (libc::CLONE_NEWNET, "NEWNET"),
];

/// CLONE_NEWTIME; clone(2) has the exit signal in that byte.
pub const NEWTIME: i32 = 0x80;
/// Memory shared by what is neither a thread nor a vfork child: these flags, and of them the first alone.
pub const SHARED_MEMORY: [i32; 2] = [libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_THREAD, libc::CLONE_VM];
/// A child that is not one's own: it is known by whom it was forked from (see `supervisor::exec::check`).
pub const SIBLING: i32 = libc::CLONE_PARENT;
/// SECCOMP_FILTER_FLAG_NEW_LISTENER
pub const NEW_LISTENER: u32 = 8;
/// personality(2): default, "say 2.6", and the query are harmless; the rest switches off address randomisation and the like.
pub const PERSONALITIES: [u32; 3] = [0, 0x20000, 0xffff_ffff];
/// Where the flags are of calls that take MSG_FASTOPEN.
pub const FAST_OPEN: [(c_long, u8, &str); 3] =
    [(libc::SYS_sendto, 3, "sendto"), (libc::SYS_sendmsg, 2, "sendmsg"), (libc::SYS_sendmmsg, 3, "sendmmsg")];
/// setsockopt(2): level, option. A socket's device stays as it is; source routes lead past the address that was judged.
pub const OPTIONS: [(i32, i32, &str); 6] = [
    (libc::SOL_SOCKET, libc::SO_BINDTODEVICE, "SO_BINDTODEVICE"),
    (libc::SOL_SOCKET, libc::SO_BINDTOIFINDEX, "SO_BINDTOIFINDEX"),
    (libc::IPPROTO_IP, 4, "IP_OPTIONS"),
    (libc::IPPROTO_IPV6, 57, "IPV6_RTHDR"),
    (libc::IPPROTO_IPV6, 5, "IPV6_2292RTHDR"),
    (libc::IPPROTO_IPV6, 6, "IPV6_2292PKTOPTIONS"),
];
/// Families of sockets that there may be.
pub const FAMILIES: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
/// Types that the internet families may have.
pub const TYPES: [i32; 2] = [libc::SOCK_STREAM, libc::SOCK_DGRAM];
/// Protocols that the internet families may have.
pub const PROTOCOLS: [i32; 3] = [0, libc::IPPROTO_TCP, libc::IPPROTO_UDP];

/// AUDIT_ARCH_* of the only architecture whose numbers mean what the lists say (seccomp(2)).
#[cfg(target_arch = "x86_64")]
pub const ARCH: u32 = 0xc000_003e;
/// AUDIT_ARCH_* of the only architecture whose numbers mean what the lists say (seccomp(2)).
#[cfg(not(target_arch = "x86_64"))]
pub const ARCH: u32 = 0xc000_00b7;
/// __X32_SYSCALL_BIT
const X32: i64 = 0x4000_0000;

/// A number that no list has, as on a kernel without it.
#[must_use]
pub fn unknown(nr: i64) -> Refusal {
    let named = sets::UNLISTED.iter().find(|(known, _)| *known == nr);
    let (op, object) = match named {
        Some((_, name)) => (*name, String::new()),
        None if nr & X32 != 0 => ("x32", format!("system call {}", nr & !X32)),
        None => ("unknown", format!("system call {nr}")),
    };
    Refusal { op, object, errno: Errno(libc::ENOSYS) }
}

/// What becomes of a call, from its architecture, number and registers; None where it is not one of these.
#[must_use]
pub fn refusal(arch: u32, nr: i64, args: &[u64; 6]) -> Option<Refusal> {
    if arch != ARCH {
        // Its numbers mean other calls, so nothing may look at them before this.
        let object = format!("system call {nr} of architecture {arch:#x}");
        return Some(Refusal { op: "foreign", object, errno: Errno(libc::ENOSYS) });
    }
    let low = |index: u8| args.get(usize::from(index)).copied().unwrap_or(0) as u32;
    let (one, two) = (low(0) as i32, low(1) as i32);
    let not_permitted = |op, object: &str| Some(Refusal { op, object: object.to_owned(), errno: Errno(libc::EPERM) });
    let listed = sets::REFUSED.iter().chain(sets::REFUSED_HERE).find(|(listed, _)| *listed == nr);
    if let Some((_, name)) = listed {
        return not_permitted(name.strip_prefix("SYS_").unwrap_or(name), "");
    }
    if let Some((_, _, op)) =
        FAST_OPEN.iter().find(|(of, flags, _)| *of == nr && low(*flags) & libc::MSG_FASTOPEN as u32 != 0)
    {
        return not_permitted(op, "MSG_FASTOPEN");
    }
    match nr {
        libc::SYS_ioctl => {
            let requests = TERMINALS.iter().chain(&INODE_FLAGS).chain(&INTERFACES);
            let known = requests.into_iter().find(|(request, _)| *request as u32 == low(1));
            known.and_then(|(_, name)| not_permitted("ioctl", name))
        }
        libc::SYS_clone => {
            let shared = one & SHARED_MEMORY[0] == SHARED_MEMORY[1];
            let sibling = one & SIBLING != 0;
            let told = space(one).or(shared.then_some("VM")).or(sibling.then_some("PARENT"));
            told.and_then(|name| not_permitted("clone", name))
        }
        libc::SYS_unshare => {
            space(one).or((one & NEWTIME != 0).then_some("NEWTIME")).and_then(|name| not_permitted("unshare", name))
        }
        libc::SYS_seccomp if low(1) & NEW_LISTENER != 0 => not_permitted("seccomp", "NEW_LISTENER"),
        libc::SYS_personality if !PERSONALITIES.contains(&low(0)) => {
            not_permitted("personality", &format!("{:#x}", low(0)))
        }
        libc::SYS_setsockopt => {
            let option = OPTIONS.iter().find(|(level, option, _)| (*level, *option) == (two, low(2) as i32));
            option.and_then(|(_, _, name)| not_permitted("setsockopt", name))
        }
        libc::SYS_socket => socket(one, two & 0xf, low(2) as i32),
        libc::SYS_socketpair if one != libc::AF_UNIX => {
            Some(Refusal { op: "socketpair", object: format!("family {one}"), errno: Errno(libc::EAFNOSUPPORT) })
        }
        _ => None,
    }
}

fn space(flags: i32) -> Option<&'static str> {
    SPACES.iter().find(|(space, _)| flags & space != 0).map(|(_, name)| *name)
}

fn socket(family: i32, kind: i32, protocol: i32) -> Option<Refusal> {
    let internet = [libc::AF_INET, libc::AF_INET6].contains(&family);
    let refused = |errno| {
        let object = format!("family {family}, type {kind}, protocol {protocol}");
        Some(Refusal { op: "socket", object, errno: Errno(errno) })
    };
    if !FAMILIES.contains(&family) || internet && !TYPES.contains(&kind) {
        return refused(libc::EAFNOSUPPORT);
    }
    let known = match family {
        libc::AF_NETLINK => protocol == libc::NETLINK_ROUTE,
        _ => !internet || PROTOCOLS.contains(&protocol),
    };
    if known { None } else { refused(libc::EPROTONOSUPPORT) }
}
