//! Tunnels that flow: both ways, to their end, and until a policy turns against them.

use super::*;

#[test]
fn bytes_go_both_ways_and_ends_are_passed_on() {
    let (addr, _) = server(counts);
    let world = World::new(&format!("allow = ['{addr}']"));
    let mut client = world.redirect(addr, &[]);
    let piece = vec![7; 1 << 20];
    for _ in 0..8 {
        client.write_all(&piece).unwrap();
    }
    // Half-closed: the server hears the end and answers only then.
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(rest(&mut client), (8 << 20).to_string());
    let closed = world.closed();
    assert_eq!((closed.up, closed.down, closed.end), (8 << 20, 7, "closed"));
    assert_eq!((closed.pid, closed.addr, &*closed.rule), (77, Some(addr), "test"));
}

#[test]
fn everything_arrives_though_the_receiver_stalls() {
    let (addr, _) = server(echo);
    let world = World::new(&format!("allow = ['{addr}']"));
    let mut client = world.redirect(addr, &[]);
    let mut reader = client.try_clone().unwrap();
    let sent: Vec<u8> = (0..16 << 20).map(|at: u32| (at ^ (at >> 9)) as u8).collect();
    let expected = sent.clone();
    // Nothing is read until the writer is stuck behind everything that buffers, or done.
    let writer = thread::spawn(move || {
        client.write_all(&sent).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let begun = Instant::now();
    while world.egress.live().iter().all(|live| live.down == 0) && begun.elapsed() < LONG {
        thread::park_timeout(std::time::Duration::from_millis(1));
    }
    let mut heard = Vec::new();
    reader.read_to_end(&mut heard).unwrap();
    writer.join().unwrap();
    assert!(heard == expected);
}

#[test]
fn a_reset_of_either_side_is_a_reset_of_the_other() {
    fn breaks_off(mut stream: TcpStream) {
        let mut one = [0; 1];
        stream.read_exact(&mut one).unwrap();
        // With bytes unread, closing is a reset.
        let begun = Instant::now();
        let mut all = [0; 64];
        while stream.peek(&mut all).unwrap() < 2 && begun.elapsed() < LONG {}
    }
    let (addr, _) = server(breaks_off);
    let world = World::new(&format!("allow = ['{addr}']"));
    let mut client = world.redirect(addr, &[]);
    client.write_all(b"abcdef").unwrap();
    assert_eq!(rest(&mut client), "ConnectionReset");
    assert_eq!(world.closed().end, "reset");
}

#[test]
fn nobody_there_is_a_reset() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = World::new(&format!("allow = ['{closed}']"));
    // As soon as that, it may be what connect(2) says already.
    let said =
        world.try_come(closed, &[], None).map_or_else(|e| format!("{:?}", e.kind()), |mut client| rest(&mut client));
    assert_eq!(said, "ConnectionReset");
    assert_eq!(world.closed().end, "refused");
    let passage = world.passage("0.0.0.0:0".parse().unwrap(), closed, &[]);
    assert_eq!(world.egress.dial(&passage, &|| true), Err(Errno(libc::ECONNREFUSED)));
}

#[test]
fn dialled_ahead_the_connection_is_used() {
    let (addr, seen) = server(echo);
    let world = World::new(&format!("allow = ['{addr}']"));
    let passage = world.passage("0.0.0.0:0".parse().unwrap(), addr, &[]);
    let dialled = world.egress.dial(&passage, &|| true).unwrap();
    seen.recv_timeout(LONG).unwrap();
    let mut client = world.come(addr, &[], Some(dialled));
    client.write_all(b"hello\n").unwrap();
    assert_eq!(exactly(&mut client, 6), b"hello\n");
    assert!(seen.try_recv().is_err(), "dialled once");
}

#[test]
fn a_dial_ends_when_nobody_waits_any_more() {
    // A queue of one that is full: nothing more is answered.
    let full = world_that_answers_nobody();
    let world = World::new(&format!("allow = ['{}']", full.0));
    let passage = world.passage("0.0.0.0:0".parse().unwrap(), full.0, &[]);
    let asked = AtomicU64::new(0);
    let still = || asked.fetch_add(1, Ordering::Relaxed) < 3;
    assert_eq!(world.egress.dial(&passage, &still), Err(Errno(libc::EINTR)));
}

fn world_that_answers_nobody() -> (SocketAddr, Vec<TcpStream>, tokio::net::TcpListener, Runtime) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        socket.listen(1).unwrap()
    });
    let addr = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&addr, Duration::from_millis(200)) {
        queued.push(stream);
    }
    (addr, queued, listener, runtime)
}

#[test]
fn a_new_policy_closes_what_it_does_not_allow() {
    let ((kept, _), (closed, _)) = (server(echo), server(echo));
    let world = World::new(&format!("allow = ['{kept}', '{closed}']"));
    let (mut one, mut two) = (world.redirect(kept, &[]), world.redirect(closed, &[]));
    for client in [&mut one, &mut two] {
        client.write_all(b"x").unwrap();
        assert_eq!(exactly(client, 1), b"x");
    }
    assert_eq!(world.egress.live().len(), 2);
    world.egress.reload(policy(&format!("allow = ['{kept}']")));
    assert!(["", "ConnectionReset"].contains(&rest(&mut two).as_str()));
    assert_eq!((world.closed().end, world.closed().addr), ("reload", Some(closed)));
    one.write_all(b"y").unwrap();
    assert_eq!(exactly(&mut one, 1), b"y");
    assert_eq!(world.egress.live().len(), 1);
    // And what was announced under the old one does not come in any more.
    if let Ok(mut late) = world.try_come(closed, &[], None) {
        assert!(["", "ConnectionReset"].contains(&rest(&mut late).as_str()));
    }
}

#[test]
fn what_is_only_asked_about_since_then_does_not_come_in_unasked() {
    let (addr, seen) = server(echo);
    let rules = |verb: &str| policy(&format!("{verb} = ['example.org:{}', '{addr}']", addr.port()));
    // Judged by name, by address, and with the connection made ahead.
    for names in [&["example.org"][..], &[]] {
        for ahead in [false, true] {
            let world = World::new(&format!("allow = ['example.org:{}', '{addr}']", addr.port()));
            let passage = world.passage("0.0.0.0:0".parse().unwrap(), addr, names);
            let dialled = ahead.then(|| world.egress.dial(&passage, &|| true).unwrap());
            let client = world.come_late(addr, names, dialled, |_| world.egress.reload(rules("ask")));
            let said = client.and_then(|mut client| client.write_all(b"\0x").map(|()| rest(&mut client)));
            assert!(said.as_ref().map_or(true, |said| ["", "ConnectionReset"].contains(&said.as_str())), "{said:?}");
            assert_eq!((world.closed().end, world.closed().up), ("reload", 0), "{names:?} {ahead}");
            assert_eq!(seen.try_iter().count(), usize::from(ahead), "{names:?}");
            // Nor is anything dialled for it any more.
            let unasked = world.egress.dial(&passage, &|| true);
            assert_eq!(unasked, Err(Errno(libc::ECONNREFUSED)), "{names:?}");
            assert_eq!(seen.try_iter().count(), 0, "{names:?}");
        }
    }
}

#[test]
fn what_was_answered_goes_on_where_a_rule_still_asks() {
    let (addr, _) = server(echo);
    let world = World::new(&format!("ask = ['{addr}']"));
    let answered = |passage: &mut Passage| passage.asked = true;
    let mut client = world.come_late(addr, &[], None, answered).unwrap();
    client.write_all(b"x").unwrap();
    assert_eq!(exactly(&mut client, 1), b"x");
    world.egress.reload(policy(&format!("ask = ['{addr}', 'example.org']")));
    client.write_all(b"y").unwrap();
    assert_eq!(exactly(&mut client, 1), b"y");
    world.egress.reload(policy("ask = ['example.org']"));
    assert!(["", "ConnectionReset"].contains(&rest(&mut client).as_str()));
}

#[test]
fn a_storm_is_served_and_strangers_are_told_of_in_moderation() {
    let (addr, _) = server(echo);
    let world = World::new(&format!("allow = ['{addr}']"));
    // One that stalls, with everything that buffers full, holds up nobody.
    let mut stalled = world.redirect(addr, &[]);
    stalled.set_nonblocking(true).unwrap();
    while stalled.write(&[1; 1 << 16]).is_ok() {}
    let listener = world.egress.expect(world.passage("127.0.0.1:2".parse().unwrap(), addr, &[]), None);
    let strangers: Vec<_> = (0..300).map(|_| TcpStream::connect(listener).unwrap()).collect();
    let mut clients: Vec<_> = (0..300).map(|_| world.redirect(addr, &[])).collect();
    for client in &mut clients {
        client.write_all(b"x").unwrap();
    }
    for client in &mut clients {
        assert_eq!(exactly(client, 1), b"x");
    }
    drop(strangers);
    world.drain();
    let alerts = world.told.lock().unwrap().iter().filter(|event| matches!(event, Event::Alert { .. })).count();
    assert!((1..200).contains(&alerts), "{alerts}");
}

#[test]
fn a_session_that_ends_closes_its_tunnels_and_tells() {
    let (addr, _) = server(echo);
    let world = World::new(&format!("allow = ['{addr}']"));
    let mut client = world.redirect(addr, &[]);
    client.write_all(b"x").unwrap();
    assert_eq!(exactly(&mut client, 1), b"x");
    let World { egress, tap, .. } = world;
    drop(egress);
    assert!(["", "ConnectionReset"].contains(&rest(&mut client).as_str()));
    let mut batch = Vec::new();
    let _open = tap.into_inner().unwrap().take(&mut batch, Duration::from_millis(20));
    let ended =
        |event: &Event| matches!(event, Event::Tunnel(tunnel) if tunnel.op == TunnelOp::Close && tunnel.end == "ended");
    assert!(batch.iter().any(|stamped| ended(&stamped.event)), "{batch:?}");
}

#[test]
fn a_policy_that_would_let_everything_out_does_not_start() {
    let (bus, _tap) = bus::bus(Instant::now());
    let started = Egress::start(Setup {
        policy: policy("allow = ['0.0.0.0:9']"),
        bus,
        asks: Arc::new(Says(None, Mutex::default())),
        secrets: Arc::default(),
        upstream: Upstream::default(),
    });
    assert!(matches!(started.err(), Some(EgressError::Canary(_))));
}
