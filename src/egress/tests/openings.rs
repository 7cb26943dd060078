//! What is said inside: names in ClientHello and Host, protocols that name nothing.

use super::*;
use crate::egress::sniff::tests::hello_for;

/// What a redirected client of `example.org` gets for its first bytes, from a server that says what it hears.
fn says(world: &World, addr: SocketAddr, first: &[u8]) -> String {
    let mut client = world.redirect(addr, &["example.org"]);
    client.write_all(first).unwrap();
    let _ = client.shutdown(std::net::Shutdown::Write);
    rest(&mut client)
}

fn world(addr: SocketAddr) -> World {
    World::new(&format!("allow = ['example.org:{}', '{addr}']", addr.port()))
}

#[test]
fn tls_goes_on_only_under_the_name_that_was_judged() {
    let (addr, _) = server(echo);
    let world = world(addr);
    let right = hello_for(Some("example.org"));
    let mut client = world.redirect(addr, &["example.org"]);
    // One byte in each segment, as far as the kernel lets us.
    client.set_nodelay(true).unwrap();
    for byte in &right {
        client.write_all(&[*byte]).unwrap();
    }
    assert_eq!(exactly(&mut client, right.len()), right);
    drop(client);
    let closed = world.closed();
    assert_eq!((closed.sni.as_deref(), closed.host.as_deref()), (Some("example.org"), Some("example.org")));
    assert_eq!(closed.up as usize, right.len());

    const ALERT: &str = "\u{15}\u{3}\u{3}\0\u{2}\u{2}1";
    for name in [Some("evil.org"), Some("www.example.org"), None] {
        world.forget_events();
        assert_eq!(says(&world, addr, &hello_for(name)), ALERT, "{name:?}");
        assert!(world.denied().rule.starts_with("built-in: TLS "), "{name:?}");
        let closed = world.closed();
        assert_eq!((closed.end, closed.up), ("denied", 0), "{name:?}");
    }
}

#[test]
fn an_address_that_is_allowed_by_itself_may_be_called_anything() {
    let (addr, _) = server(echo);
    let world = world(addr);
    let hello = hello_for(None);
    let mut client = world.redirect(addr, &[]);
    client.write_all(&hello).unwrap();
    assert_eq!(exactly(&mut client, hello.len()), hello);
}

#[test]
fn broken_tls_is_not_passed_on() {
    let (addr, seen) = server(echo);
    let world = world(addr);
    let hello = hello_for(Some("example.org"));
    for (first, what) in [
        (&hello[..hello.len() / 2], "half a ClientHello"),
        (&[0x16, 3, 1, 0xff, 0xff, 1, 0, 0, 0][..], "a record past its bounds"),
        (&[0x16, 3, 1, 0, 4, 2, 0, 0, 0][..], "a ServerHello"),
    ] {
        world.forget_events();
        assert_eq!(says(&world, addr, first), "ConnectionReset", "{what}");
        assert_eq!(world.closed().up, 0, "{what}");
        // Dialled meanwhile, but never spoken to.
        let _ = seen.try_recv();
    }
}

#[test]
fn http_for_another_host_is_denied() {
    let (addr, _) = server(echo);
    let world = world(addr);
    for request in [
        "GET / HTTP/1.1\r\nHost: evil.org\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\nHost: evil.org\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: example.org\r\nHost: evil.org\r\n\r\n",
        "GET http://evil.org/ HTTP/1.1\r\nHost: example.org\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
    ] {
        world.forget_events();
        let answer = says(&world, addr, request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 403 "), "{request:?}: {answer}");
        assert_eq!(world.closed().end, "denied");
    }
    for request in [
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET\t/\tHTTP/1.1\r\nHost: example.org\r\n\r\n",
        "get / http/1.1\nHost : evil.org\n\n",
    ] {
        world.forget_events();
        assert_eq!(says(&world, addr, request.as_bytes()), "ConnectionReset", "{request:?}");
        assert_eq!((world.closed().end, world.closed().up), ("denied", 0));
    }
}

#[test]
fn a_server_that_speaks_first_is_heard() {
    let (addr, _) = server(banner);
    let world = world(addr);
    let mut client = world.redirect(addr, &["example.org"]);
    assert_eq!(exactly(&mut client, 11), b"220 ready\r\n");
    for line in ["EHLO me\r\n", "SSH-2.0-x\r\n", "GET / \x01 done\n"] {
        client.write_all(line.as_bytes()).unwrap();
        assert_eq!(exactly(&mut client, line.len()), line.as_bytes());
    }
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(rest(&mut client), "");
    assert_eq!(world.closed().end, "closed");
}

#[test]
fn who_begins_and_does_not_go_on_is_cut_off() {
    let (addr, _) = server(echo);
    let world = world(addr);
    let mut slow = world.redirect(addr, &["example.org"]);
    slow.write_all(b"GET / HTTP/1.1\r\nHost: exa").unwrap();
    let mut proxied = world.proxied();
    proxied.write_all(b"CONNECT loc").unwrap();
    // Whoever says nothing may stay.
    let mut silent = world.redirect(addr, &["example.org"]);
    assert_eq!(rest(&mut slow), "ConnectionReset");
    let closed = world.closed();
    assert_eq!((closed.end, closed.up), ("timeout", 0));
    assert!(["", "ConnectionReset"].contains(&rest(&mut proxied).as_str()));
    silent.write_all(b"\0x").unwrap();
    assert_eq!(exactly(&mut silent, 2), b"\0x");
}

/// A protocol whose clients begin with a line that does not end waits for nobody; what it becomes is judged all the same.
#[test]
fn half_a_line_is_passed_on_and_not_forgotten() {
    let (addr, _) = server(echo);
    let world = world(addr);
    let mut clients: Vec<_> = (0..3).map(|_| world.redirect(addr, &["example.org"])).collect();
    for client in &mut clients {
        client.write_all(b"HELO").unwrap();
    }
    for client in &mut clients {
        assert_eq!(exactly(client, 4), b"HELO");
    }
    let [plain, evil, bare] = clients.as_mut_slice() else { unreachable!() };
    plain.write_all(b" me").unwrap();
    assert_eq!(exactly(plain, 3), b" me");
    plain.write_all(b", then\nmore").unwrap();
    assert_eq!(exactly(plain, 11), b", then\nmore");
    evil.write_all(b" / HTTP/1.1\r\nHost: evil.org\r\n\r\n").unwrap();
    assert!(rest(evil).starts_with("HTTP/1.1 403 "));
    assert_eq!((world.closed().end, world.closed().up), ("denied", 4));
    // Some server may take this for the end of a line.
    world.forget_events();
    bare.write_all(b" / HTTP/1.1\rHost: evil.org\r\r").unwrap();
    assert_eq!(rest(bare), "ConnectionReset");
    assert_eq!((world.closed().end, world.closed().up), ("timeout", 4));
}

/// What is asked for by name over plain HTTP is dialled once, ahead or not.
#[test]
fn plain_http_is_dialled_once() {
    fn answers(mut stream: TcpStream) {
        let mut head = [0; 4096];
        let _ = stream.read(&mut head);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
    let (addr, seen) = server(answers);
    let world = World::new(&format!("allow = ['localhost:{}']", addr.port()));
    for ahead in [false, true] {
        let passage = world.passage("0.0.0.0:0".parse().unwrap(), addr, &["localhost"]);
        let dialled = ahead.then(|| world.egress.dial(&passage, &|| true).unwrap());
        let mut client = world.come(addr, &["localhost"], dialled);
        if !ahead {
            seen.recv_timeout(LONG).unwrap();
        }
        client.write_all(format!("GET / HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", addr.port()).as_bytes()).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(rest(&mut client).ends_with("ok"));
        assert_eq!(seen.try_iter().count(), usize::from(ahead), "ahead: {ahead}");
    }
}
