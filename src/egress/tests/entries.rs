//! The ways in: who may come, and that every form is judged alike.

use super::*;

/// What a client gets for a place, by each form: the first bytes of the answer.
fn connect(world: &World, place: &str) -> String {
    let mut client = world.proxied();
    client.write_all(format!("CONNECT {place} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
    let mut first = [0; 12];
    client.read_exact(&mut first).unwrap();
    String::from_utf8_lossy(&first).into_owned()
}

fn absolute(world: &World, place: &str) -> String {
    let mut client = world.proxied();
    client.write_all(format!("GET http://{place}/x HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
    let mut first = [0; 12];
    client.read_exact(&mut first).unwrap();
    String::from_utf8_lossy(&first).into_owned()
}

fn socks(world: &World, name: &[u8], port: u16) -> Vec<u8> {
    let mut client = world.proxied();
    client.write_all(&[5, 2, 2, 0]).unwrap();
    assert_eq!(exactly(&mut client, 2), [5, 0]);
    let request = [&[5, 1, 0, 3, name.len() as u8][..], name, &port.to_be_bytes()].concat();
    client.write_all(&request).unwrap();
    exactly(&mut client, 10)
}

#[test]
fn every_form_is_judged_alike() {
    let (addr, _) = server(echo);
    let port = addr.port();
    let world = World::new(&format!("allow = ['localhost:{port}', '127.0.0.1:{port}']"));
    for place in ["localhost", "127.0.0.1", "LOCALHOST.", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]"] {
        assert_eq!(connect(&world, &format!("{place}:{port}")), "HTTP/1.1 200", "{place}");
    }
    assert_eq!(socks(&world, b"localhost", port)[..2], [5, 0]);
    assert_eq!(socks(&world, b"127.0.0.1", port)[..2], [5, 0]);
    world.forget_events();
    for place in ["example.org", "127.0.0.2", "169.254.169.254", "0xa9fea9fe", "2852039166", "[::ffff:169.254.169.254]"]
    {
        assert_eq!(connect(&world, &format!("{place}:{port}")), "HTTP/1.1 403", "{place}");
        assert_eq!(absolute(&world, &format!("{place}:{port}")), "HTTP/1.1 403", "{place}");
        let name = place.trim_matches(['[', ']']);
        assert_eq!(socks(&world, name.as_bytes(), port)[..2], [5, 2], "{place}");
    }
    assert_eq!(connect(&world, &format!("localhost:{}", port ^ 1)), "HTTP/1.1 403", "another port");
    let denied = world.denied();
    assert_eq!((denied.host.as_deref(), denied.port, denied.pid), (Some("example.org"), port, 77));
}

#[test]
fn what_is_no_name_of_a_host_is_denied_and_told_as_it_was_written() {
    let world = World::new("allow = ['**.google.com', '*.example.org']");
    for name in
        [&b"evil\0.google.com"[..], b"evil%00.google.com", b"a@b.google.com", b"a#.google.com", b"a b.google.com", b""]
    {
        assert_eq!(socks(&world, name, 443)[..2], [5, 2], "{}", name.escape_ascii());
    }
    assert_eq!(world.denied().host.as_deref(), Some("evil\\x00.google.com"));
    for place in [
        "evil\0.google.com:443",
        "evil%00.google.com:443",
        "a@b.google.com:443",
        "x.google.com",
        "x.google.com:0",
        "x.google.com:+443",
        ":443",
    ] {
        assert_eq!(connect(&world, place), "HTTP/1.1 400", "{}", place.escape_debug());
    }
    assert_eq!(connect(&world, "evilexample.org:443"), "HTTP/1.1 403");
}

#[test]
fn what_is_no_request_to_a_proxy_is_refused() {
    let world = World::new("allow = 'all'");
    let says = |bytes: &[u8]| {
        let mut client = world.proxied();
        client.write_all(bytes).unwrap();
        rest(&mut client)
    };
    assert!(says(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n").starts_with("HTTP/1.1 400 "));
    assert!(says(b"GET https://example.org/ HTTP/1.1\r\nHost: example.org\r\n\r\n").starts_with("HTTP/1.1 400 "));
    assert!(says(b"\x16\x03\x01\x00\x05hello\r\n\r\n").starts_with("HTTP/1.1 400 "));
    assert_eq!(says(&[4, 1, 0, 80, 1, 2, 3, 4, 0]).as_bytes()[..2], [0, 0x5b]);
    assert_eq!(says(&[5, 1, 2]), "\u{5}\u{fffd}", "no method in common");
    assert_eq!(says(&[5, 1, 0, 5, 3, 0, 1, 1, 2, 3, 4, 0, 80]).as_bytes()[2..4], [5, 7], "UDP associate");
    assert_eq!(says(&[5, 1, 0, 5, 2, 0, 1, 1, 2, 3, 4, 0, 80]).as_bytes()[2..4], [5, 7], "bind");
    assert_eq!(says(&[5, 1, 0, 5, 1, 0, 9, 1, 2, 3, 4, 0, 80]).as_bytes()[2..4], [5, 8], "no such address type");
}

#[test]
fn a_denial_names_its_rule() {
    let world = World::new("allow = ['example.org']\ndeny = ['evil.example.org']");
    let mut client = world.proxied();
    client.write_all(b"CONNECT evil.example.org:443 HTTP/1.1\r\n\r\n").unwrap();
    let answer = rest(&mut client);
    assert!(answer.contains("\r\nx-govsh-rule: \"evil.example.org\" t.toml:4\r\n"), "{answer}");
    assert!(
        answer.ends_with("govsh: evil.example.org port 443 is denied: \"evil.example.org\" t.toml:4\n"),
        "{answer}"
    );
}

#[test]
fn nobody_comes_in_unannounced_and_nobody_twice() {
    let (addr, seen) = server(echo);
    let world = World::new(&format!("allow = ['{addr}']"));
    let listener = world.egress.expect(world.passage("127.0.0.1:1".parse().unwrap(), addr, &[]), None);
    for place in [listener, world.egress.proxy()[0]] {
        let mut stranger = TcpStream::connect(place).unwrap();
        stranger.set_read_timeout(Some(LONG)).unwrap();
        let _ = stranger.write_all(b"CONNECT localhost:1 HTTP/1.1\r\n\r\n");
        assert!(["", "ConnectionReset"].contains(&rest(&mut stranger).as_str()));
    }
    world.until("alert", |event| match event {
        Event::Alert { what, .. } => what.contains("announced by nobody").then_some(()),
        _ => None,
    });
    assert!(seen.try_recv().is_err());
    // An announcement that was taken back admits nobody either.
    let forgotten = world.runtime.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let from = socket.local_addr().unwrap();
        let place = world.egress.expect(world.passage(from, addr, &[]), None);
        world.egress.forget(from);
        socket.connect(place).await.and_then(|stream| stream.into_std())
    });
    // It may be reset before it is even connected.
    if let Ok(mut forgotten) = forgotten {
        forgotten.set_nonblocking(false).unwrap();
        forgotten.set_read_timeout(Some(LONG)).unwrap();
        assert!(["", "ConnectionReset"].contains(&rest(&mut forgotten).as_str()));
    }
    assert!(seen.try_recv().is_err());
}

#[test]
fn who_is_asked_decides() {
    let (addr, _) = server(echo);
    let ask = format!("ask = ['127.0.0.1:{}']", addr.port());
    let place = format!("127.0.0.1:{}", addr.port());
    assert_eq!(connect(&World::asking(&ask, Some(Verdict::Allow)), &place), "HTTP/1.1 200");
    assert_eq!(connect(&World::asking(&ask, Some(Verdict::Deny)), &place), "HTTP/1.1 403");
    let silent = World::asking(&ask, None);
    let mut parked = silent.proxied();
    parked.write_all(format!("CONNECT {place} HTTP/1.1\r\n\r\n").as_bytes()).unwrap();
    // Another one is not held up by it.
    assert_eq!(connect(&silent, "example.org:443"), "HTTP/1.1 403");
    drop(parked);
}

#[test]
fn a_failed_dial_is_told_in_the_words_of_each_form() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = World::new(&format!("allow = ['{closed}']"));
    assert_eq!(connect(&world, &closed.to_string()), "HTTP/1.1 502");
    assert_eq!(socks(&world, b"127.0.0.1", closed.port())[..2], [5, 5]);
    assert_eq!(world.closed().end, "refused");
}
