//! Sockets: which kinds there may be, where they may reach, and that none leaves the machine unseen.
//!
//! Invariant: servers of these tests listen on loopback only; nothing is ever sent elsewhere.
//! Leaves to others: races on addresses (`races`).

use std::io::Write;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::sync::OnceLock;

use crate::case::{Never, Root, RootUnless, Table, Unless, Works, case};
use crate::lab::Lab;
use crate::rules::Rules;

/// Servers that greet with a byte, for the whole test binary: TCP and UDP ports.
pub fn greeters() -> [u16; 2] {
    static PORTS: OnceLock<[u16; 2]> = OnceLock::new();
    *PORTS.get_or_init(|| [greeter(b'a'), greeter(b'b')])
}

/// A server over TCP and UDP on one port; every answer begins with `face`.
pub fn greeter(face: u8) -> u16 {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = tcp.local_addr().expect("address").port();
        let Ok(udp) = UdpSocket::bind(("127.0.0.1", port)) else { continue };
        serve(tcp, udp, face);
        return port;
    }
}

/// Serves until the test binary ends.
pub fn serve(tcp: TcpListener, udp: UdpSocket, face: u8) {
    std::thread::spawn(move || {
        for stream in tcp.incoming() {
            let _ = stream.and_then(|mut stream| stream.write_all(&[face]));
        }
    });
    std::thread::spawn(move || {
        let mut bytes = [0u8; 64];
        while let Ok((_, from)) = udp.recv_from(&mut bytes) {
            let _ = udp.send_to(&[face], from);
        }
    });
}

#[test]
fn families_types_and_protocols() {
    let table = Table { set_up: |_| (), tested: Rules::everything(), allowing: None };
    table.check(&[
        case("socket 17 3 768", Root, "EAFNOSUPPORT|EPERM", "socket *"),
        case("socket 17 2 768", Root, "EAFNOSUPPORT|EPERM", "socket *"),
        case("socket_high 17 3 768", Root, "EAFNOSUPPORT|EPERM", "socket *"),
        // SOCK_PACKET, the old way to a packet socket
        case("socket 2 10 768", Root, "EAFNOSUPPORT|EPERM|EPROTONOSUPPORT", "socket *"),
        case("socket 40 1 0", Unless("EAFNOSUPPORT"), "EAFNOSUPPORT|EPERM", "socket *"),
        case("socket 38 5 0", Unless("EAFNOSUPPORT"), "EAFNOSUPPORT|EPERM", "socket *"),
        case("socket 43 1 0", Unless("EAFNOSUPPORT|EPROTONOSUPPORT|ESOCKTNOSUPPORT"), "EAFNOSUPPORT|EPERM", "socket *"),
        case("socket 21 5 0", Unless("EAFNOSUPPORT|EPROTONOSUPPORT"), "EAFNOSUPPORT|EPERM", "socket *"),
        case("socket 30 1 0", Unless("EAFNOSUPPORT"), "EAFNOSUPPORT|EPERM", "socket *"),
        case("socket 44 3 0", RootUnless("EAFNOSUPPORT|EPERM"), "EAFNOSUPPORT|EPERM", "socket *"),
        case("socket 15 3 2", RootUnless("EAFNOSUPPORT"), "EAFNOSUPPORT|EPERM", "socket *"),
        case("socket 2 3 1", Root, "EAFNOSUPPORT|EPERM|EPROTONOSUPPORT", "socket *"),
        case("socket 2 3 255", Root, "EAFNOSUPPORT|EPERM|EPROTONOSUPPORT", "socket *"),
        case("socket 10 3 58", Root, "EAFNOSUPPORT|EPERM|EPROTONOSUPPORT", "socket *"),
        case("socket_high 2 3 1", Root, "EAFNOSUPPORT|EPERM|EPROTONOSUPPORT", "socket *"),
        case("socket 2 2 1", Unless("EACCES"), "EAFNOSUPPORT|EPERM|EPROTONOSUPPORT|EACCES", "socket *"),
        case("socket 2 5 0", Never("ESOCKTNOSUPPORT|EPROTONOSUPPORT"), "EAFNOSUPPORT|EPERM", "socket *"),
        case("socket 2 1 262", Unless("EPROTONOSUPPORT"), "EAFNOSUPPORT|EPERM|EPROTONOSUPPORT", "socket *"),
        case("socket 10 1 262", Unless("EPROTONOSUPPORT"), "EAFNOSUPPORT|EPERM|EPROTONOSUPPORT", "socket *"),
        case("socket_high 2 1 262", Unless("EPROTONOSUPPORT"), "EAFNOSUPPORT|EPERM|EPROTONOSUPPORT", "socket *"),
        case("socket 2 1 132", Unless("EPROTONOSUPPORT"), "EAFNOSUPPORT|EPERM|EPROTONOSUPPORT", "socket *"),
        case(
            "socket 2 5 132",
            Unless("EPROTONOSUPPORT|ESOCKTNOSUPPORT"),
            "EAFNOSUPPORT|EPERM|EPROTONOSUPPORT",
            "socket *",
        ),
        case(
            "socket 2 1 256",
            Unless("EPROTONOSUPPORT|ESOCKTNOSUPPORT"),
            "EAFNOSUPPORT|EPERM|EPROTONOSUPPORT",
            "socket *",
        ),
        case("socket 2 2 136", Unless("EPROTONOSUPPORT"), "EAFNOSUPPORT|EPERM|EPROTONOSUPPORT", "socket *"),
        // netlink: sock_diag, xfrm, audit, netfilter, uevent, generic, crypto
        case("socket 16 3 4", Works, "EPROTONOSUPPORT|EPERM|EAFNOSUPPORT", "socket *"),
        case("socket 16 3 6", Unless("EPROTONOSUPPORT"), "EPROTONOSUPPORT|EPERM|EAFNOSUPPORT", "socket *"),
        case("socket 16 3 9", Unless("EPROTONOSUPPORT"), "EPROTONOSUPPORT|EPERM|EAFNOSUPPORT", "socket *"),
        case("socket 16 3 12", Unless("EPROTONOSUPPORT"), "EPROTONOSUPPORT|EPERM|EAFNOSUPPORT", "socket *"),
        case("socket 16 3 15", Works, "EPROTONOSUPPORT|EPERM|EAFNOSUPPORT", "socket *"),
        case("socket 16 3 16", Works, "EPROTONOSUPPORT|EPERM|EAFNOSUPPORT", "socket *"),
        case("socket 16 3 21", Unless("EPROTONOSUPPORT"), "EPROTONOSUPPORT|EPERM|EAFNOSUPPORT", "socket *"),
        case("socketpair 30 1 0", Unless("EAFNOSUPPORT"), "EAFNOSUPPORT|EPERM", "socketpair *"),
    ]);
}

/// Unless the policy names outside addresses, every internet socket is tied to the loopback device before it is handed
/// over; and it stays tied under every policy.
#[test]
fn ties_to_the_loopback_device() {
    let table = Table { set_up: |_| (), tested: Rules::everything(), allowing: None };
    table.check(&[
        case("untie_name", Root, "EPERM", "setsockopt *"),
        case("untie_name_high", Root, "EPERM", "setsockopt *"),
        case("untie_other lo", Root, "EPERM", "setsockopt *"),
        case("untie_index", Root, "EPERM", "setsockopt *"),
    ]);
    let lab = Lab::new();
    assert!(lab.outside("tied_to", false).worked());
    for rules in [Rules::new(), Rules::new().network("127.0.0.1:9")] {
        let (said, _) = lab.inside(&rules, "tied_to");
        assert_eq!((said.status, said.detail.as_str()), (1, "lo,lo,lo,lo"), "{said:?}");
    }
}

/// Every call that reaches an address, with an address that is not allowed beside one that is.
#[test]
fn addresses() {
    let [good, bad] = greeters();
    let ways = [
        "net tcp-connect",
        "net tcp-nonblock",
        "net udp-connect",
        "net udp-sendto",
        "net udp-sendto_high",
        "net udp-sendmsg",
        "net udp-sendmsg_high",
        "net udp-sendmmsg",
        "net udp-sendmmsg_second",
        "net fastopen-sendto",
        "net fastopen-sendto_high",
        "net fastopen-sendmsg",
        "net fastopen-sendmsg_high",
        "net fastopen-sendmmsg",
        "net mptcp-connect",
        "net udp-pktinfo",
    ];
    let rules = Rules::new().network(&format!("127.0.0.1:{good}"));
    let lab = Lab::new();
    let mut wrong = Vec::new();
    for way in ways {
        let outside = lab.outside(&format!("{way} 127.0.0.1:{bad}"), false);
        // a message told to leave by another device cannot come back on loopback; what counts is that the kernel let it try
        let proven =
            outside.worked() || (way == "net udp-pktinfo" && ["ETIMEDOUT", "ENETUNREACH"].contains(&outside.short()));
        let (allowed, _) = lab.inside(&rules, &format!("{way} 127.0.0.1:{good}"));
        let (refused, events) = lab.inside(&rules, &format!("{way} 127.0.0.1:{bad}"));
        let floor = way.starts_with("net fastopen") || way.starts_with("net mptcp");
        if !proven {
            wrong.push(format!("{way} outside: {outside:?}"));
        }
        if !floor && way != "net udp-pktinfo" && !allowed.worked() {
            wrong.push(format!("{way} allowed: {allowed:?}"));
        }
        let refusals =
            ["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EACCES", "EPERM", "EPROTONOSUPPORT", "EAFNOSUPPORT"];
        if refused.status != 1 || !refusals.contains(&refused.short()) {
            wrong.push(format!("{way} refused: {refused:?}"));
        }
        let object = if floor { "*".to_owned() } else { format!("127.0.0.1:{bad}") };
        let recorded = events
            .iter()
            .any(|event| crate::case::denied(event, "connect|socket|send|sendto|sendmsg|sendmmsg", &object));
        if !recorded {
            wrong.push(format!("{way}: no event of the refusal"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the session itself serves it may reach; a port of the host is not the session's because the session uses the
/// same number on another address.
#[test]
fn services_of_the_session() {
    let host = greeters()[1];
    let lab = Lab::new();
    let rules = Rules::new().network("none");
    let (own, _) = lab.inside(&rules, "net_own 127.0.0.1:0 127.0.0.1:0");
    assert!(own.status == 1, "port 0 is nobody's: {own:?}");
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("address").port();
    let (own, _) = lab.inside(&rules, &format!("net_own 127.0.0.1:{free} 127.0.0.1:{free}"));
    assert!(own.worked(), "{own:?}");
    for ours in ["127.0.0.2", "[::1]", "[::]"] {
        let words = format!("net_own {ours}:{host} 127.0.0.1:{host}");
        let outside = lab.outside(&words, false);
        assert!(outside.worked(), "outside: {words}: {outside:?}");
        let (said, _) = lab.inside(&rules, &words);
        assert_eq!(said.short(), "ECONNREFUSED", "{words}: {said:?}");
    }
}

/// Unix sockets of other programs: by path, by abstract name; each only when it is named.
#[test]
fn unix_sockets() {
    let table = Table {
        set_up: |lab| {
            lab.dir("out/sockets");
            let stream = UnixListener::bind(lab.path("out/sockets/stream")).expect("bind");
            let datagram = UnixDatagram::bind(lab.path("out/sockets/dgram")).expect("bind");
            for name in ["stream", "dgram"] {
                lab.mode(&format!("out/sockets/{name}"), 0o777);
            }
            std::thread::spawn(move || stream.incoming().flatten().for_each(|mut stream| drop(stream.write_all(b"a"))));
            std::thread::spawn(move || while datagram.recv(&mut [0u8; 16]).is_ok() {});
        },
        tested: Rules::new().read("{out}/**"),
        allowing: Some(Rules::new().read("{out}/**").socket("{out}/sockets/*")),
    };
    table.check(&[
        case("unix stream-connect {out}/sockets/stream", Works, "EACCES", "connect {out}/sockets/stream"),
        case("unix dgram-connect {out}/sockets/dgram", Works, "EACCES", "connect {out}/sockets/dgram"),
        case("unix dgram-sendto {out}/sockets/dgram", Works, "EACCES", "send|sendto {out}/sockets/dgram"),
        case("unix dgram-sendmsg {out}/sockets/dgram", Works, "EACCES", "send|sendmsg {out}/sockets/dgram"),
        case("unix dgram-sendmmsg {out}/sockets/dgram", Works, "EACCES", "send|sendmmsg {out}/sockets/dgram"),
    ]);
}

/// An abstract socket made outside is out of reach whatever the policy says of files.
#[test]
fn abstract_sockets() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("govsh-escape-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).expect("a name");
    let listener = UnixListener::bind_addr(&address).expect("bind");
    std::thread::spawn(move || listener.incoming().flatten().for_each(|mut stream| drop(stream.write_all(b"a"))));
    let lab = Lab::new();
    let words = format!("unix stream-connect @{name}");
    assert!(lab.outside(&words, false).worked());
    for rules in [Rules::everything(), Rules::new()] {
        let (said, _) = lab.inside(&rules, &words);
        assert!(said.status == 1 && ["EPERM", "EACCES", "ECONNREFUSED"].contains(&said.short()), "{said:?}");
    }
}
