//! Filters and Landlock: what holds without a supervisor.
//!
//! Invariant: each probe sees a denial and something that is still permitted, so an error is never taken for enforcement.

use std::fs::File;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};

use super::Need::{Required, Stronger};
use super::listener::filter;
use super::{Fault, Outcome, Plan, Step};
use crate::sys::{Errno, cred, net, probe as sys, seccomp};

/// Any user who is not root; never an account that owns something.
const NOBODY: u32 = 65_534;

pub(super) const PLANS: &[Plan] = &[
    Plan {
        name: "filter",
        need: Required,
        gives: "system calls refused before they begin (seccomp BPF)",
        without: "io_uring, mounts, namespaces and raw sockets stay open",
        run: bpf,
    },
    Plan {
        name: "landlock",
        need: Required,
        gives: "the floor under every file rule, which needs no supervisor",
        without: "a mistake of the supervisor would be an escape",
        run: files,
    },
    Plan {
        name: "tcp",
        need: Stronger,
        gives: "no TCP connection that govsh did not make (Landlock ABI 4, kernel 6.7)",
        without: "connections are held by the supervisor and the loopback device alone",
        run: tcp,
    },
    Plan {
        name: "scopes",
        need: Stronger,
        gives: "no signal and no abstract socket to processes outside (Landlock ABI 6, kernel 6.12)",
        without: "the agent can signal the user's other processes",
        run: scopes,
    },
    Plan {
        name: "loopback",
        need: Required,
        gives: "internet sockets that cannot leave the machine by themselves",
        without: "a datagram sent by an unseen path could leave the machine",
        run: loopback,
    },
];

fn bpf() -> Outcome {
    cred::set_no_new_privs().step("setting no_new_privs")?;
    let refuse = libc::SECCOMP_RET_ERRNO | libc::EDOM as u32;
    seccomp::add_filter(&filter(libc::SYS_mkdirat, refuse)).step("installing a filter")?;
    #[cfg(target_arch = "x86_64")]
    seccomp::add_filter(&filter(libc::SYS_mkdir, refuse)).step("installing a second filter")?;
    match std::fs::create_dir("/").map_err(|error| error.raw_os_error()) {
        Err(Some(libc::EDOM)) => Ok("refuses what it is told to".into()),
        _ => Err(Fault::wrong("the filter was accepted but did not act")),
    }
}

/// Landlock's version, for the report and the probes.
fn abi() -> Result<i32, Fault> {
    sys::landlock_abi().step("asking for Landlock")
}

fn restrict(ruleset: Result<landlock::RulesetCreated, landlock::RulesetError>) -> Result<(), Fault> {
    let status = ruleset.and_then(landlock::RulesetCreated::restrict_self);
    match status {
        Ok(status) if status.ruleset == RulesetStatus::FullyEnforced => Ok(()),
        Ok(_) => Err(Fault::wrong("this kernel's Landlock does not have it")),
        Err(error) => Err(Fault::wrong(error.to_string())),
    }
}

/// Reading `/` stays permitted, reading `/proc` does not, and the version says what else is there.
fn files() -> Outcome {
    let abi = abi()?;
    let rights = AccessFs::from_read(ABI::V1);
    let granted = PathFd::new("/dev").map_err(|error| Fault::wrong(error.to_string()))?;
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .and_then(Ruleset::create)
        .and_then(|ruleset| ruleset.add_rule(PathBeneath::new(granted, rights)));
    restrict(ruleset)?;
    File::open("/dev/null").step("opening what was granted")?;
    match File::open("/proc/self/status").map_err(|error| error.raw_os_error()) {
        Err(Some(libc::EACCES)) => Ok(format!("ABI {abi}{}", gaps(abi))),
        _ => Err(Fault::wrong("the domain was accepted but denied nothing")),
    }
}

/// What an older version does not hold.
fn gaps(abi: i32) -> &'static str {
    match abi {
        ..=1 => ", no moves between directories, truncation or device ioctls held",
        2 => ", truncation and device ioctls not held",
        3 | 4 => ", device ioctls not held",
        _ => "",
    }
}

fn tcp() -> Outcome {
    abi()?;
    let listener = TcpListener::bind("127.0.0.1:0").step("listening on loopback")?;
    let address = listener.local_addr().step("asking for the port")?;
    TcpStream::connect(address).step("connecting before the domain")?;
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessNet::ConnectTcp)
        .and_then(Ruleset::create);
    restrict(ruleset)?;
    match TcpStream::connect(address).map_err(|error| error.raw_os_error()) {
        Err(Some(libc::EACCES)) => Ok("connect denied".into()),
        _ => Err(Fault::wrong("the domain was accepted but a connection went through")),
    }
}

fn scopes() -> Outcome {
    abi()?;
    let outside = std::os::unix::process::parent_id() as i32;
    let name = format!("govsh-probe-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(name).step("naming a socket")?;
    let _listener = UnixListener::bind_addr(&address).step("binding an abstract socket")?;
    sys::may_signal(outside).step("signalling before the domain")?;
    UnixStream::connect_addr(&address).step("connecting before the domain")?;
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .scope(Scope::AbstractUnixSocket | Scope::Signal)
        .and_then(Ruleset::create);
    restrict(ruleset)?;
    if sys::may_signal(outside) != Err(Errno(libc::EPERM)) {
        return Err(Fault::wrong("the domain was accepted but a signal went through"));
    }
    match UnixStream::connect_addr(&address).map_err(|error| error.raw_os_error()) {
        Err(Some(libc::EPERM)) => Ok("signals and abstract sockets denied".into()),
        _ => Err(Fault::wrong("the domain was accepted but a connection went through")),
    }
}

/// As an ordinary user, since root may tie any socket to any device.
fn loopback() -> Outcome {
    if cred::euid() == 0 {
        sys::become_user(NOBODY).step("becoming an ordinary user")?;
    }
    let socket = UdpSocket::bind("0.0.0.0:0").step("making a socket")?;
    net::bind_to_loopback_device(socket.as_fd()).step("tying a socket to the loopback device")?;
    let port = socket.local_addr().step("asking for the port")?.port();
    socket.send_to(b"x", ("127.0.0.1", port)).step("sending on loopback")?;
    Ok("sockets stay on 'lo'".into())
}
