//! Servers that stall, break off or lie about how much they say: their own client gets no more than what is whole, and
//! nobody else waits for them.

use super::*;

const LARGE: usize = 256 << 10;

/// Hears a request, says this, and hangs up when the client does.
fn says(mut stream: TcpStream, text: &[u8]) {
    let mut head = [0; 4096];
    let _ = stream.read(&mut head);
    let _ = stream.write_all(text);
}

fn short(stream: TcpStream) {
    says(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
}

fn long(stream: TcpStream) {
    says(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlongHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
}

fn two_lengths(stream: TcpStream) {
    says(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 9\r\n\r\nevil evil");
}

fn no_number(stream: TcpStream) {
    says(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nevil");
}

fn odd_chunk(stream: TcpStream) {
    says(stream, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff1\r\nevil");
}

fn no_last_chunk(stream: TcpStream) {
    says(stream, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n");
}

fn no_http(stream: TcpStream) {
    says(stream, b"220 this is a mail server\r\n");
}

fn endless_head(mut stream: TcpStream) {
    says(stream.try_clone().unwrap(), b"HTTP/1.1 200 OK\r\n");
    let line = [&b"x: "[..], &[b'y'; 1000], b"\r\n"].concat();
    // Until nobody listens.
    while stream.write_all(&line).is_ok() {}
}

fn endless_wait(mut stream: TcpStream) {
    // Provisional answers without an end (RFC 9110 §15.2).
    let _ = stream.read(&mut [0; 4096]);
    let many = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(100);
    while stream.write_all(&many).is_ok() {}
}

fn hangs_up(stream: TcpStream) {
    says(stream, b"");
}

fn breaks_off(mut stream: TcpStream) {
    // With bytes unread, closing is a reset.
    let _ = stream.read_exact(&mut [0; 4]);
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart");
}

fn stalls(mut stream: TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new());
}

fn large(stream: TcpStream) {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n");
    says(stream, &[head.as_bytes(), &vec![b'x'; LARGE]].concat());
}

fn get(world: &World, addr: SocketAddr) -> TcpStream {
    let mut client = world.redirect(addr, &["localhost"]);
    let request = format!("GET /x HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n", addr.port());
    client.write_all(request.as_bytes()).unwrap();
    client
}

fn requested(world: &World) -> u16 {
    world.until("request", |event| match event {
        Event::Http(http) => Some(http.status),
        _ => None,
    })
}

#[test]
fn no_more_is_passed_on_than_is_whole() {
    // What the client hears of it, and the status; 0 where a reset may overtake everything.
    let cases: [(&str, Deed, &str, u16); 11] = [
        ("less than it says", short, "short", 200),
        ("more than it says", long, "long", 200),
        ("two lengths", two_lengths, "", 502),
        ("a length past all numbers", no_number, "", 502),
        ("a chunk past all numbers", odd_chunk, "", 200),
        ("no last chunk", no_last_chunk, "part", 200),
        ("no HTTP", no_http, "", 502),
        ("a head without an end", endless_head, "", 502),
        ("more to come, for ever", endless_wait, "", 502),
        ("nothing", hangs_up, "", 502),
        ("a reset in the middle", breaks_off, "", 0),
    ];
    for (what, deed, most, status) in cases {
        let (addr, _) = server(deed);
        let world = World::new(&format!("allow = ['localhost:{}']", addr.port()));
        let mut client = get(&world, addr);
        let mut heard = Vec::new();
        // A reset is as good an end as any.
        let _ = client.read_to_end(&mut heard);
        let heard = String::from_utf8_lossy(&heard).into_owned();
        let told = requested(&world);
        assert!(told == status || status == 0 && [200, 502].contains(&told), "{what}: {told}, {heard}");
        assert!(!heard.contains("evil") && heard.contains(most), "{what}: {heard}");
        match told {
            200 => assert!(!heard.ends_with("0\r\n\r\n"), "{what}: it looks whole: {heard}"),
            _ => assert!(heard.starts_with("HTTP/1.1 502 ") && heard.contains("govsh: "), "{what}: {heard}"),
        }
        world.closed();
    }
}

#[test]
fn who_stalls_holds_up_nobody() {
    let ((mute, _), (hints, _), (other, _)) = (server(stalls), server(endless_wait), server(large));
    let ports = [mute, hints, other].map(|addr| format!("'localhost:{}'", addr.port())).join(", ");
    let world = World::new(&format!("allow = [{ports}]"));
    let waiting: Vec<TcpStream> = (0..20).map(|n| get(&world, if n < 18 { mute } else { hints })).collect();
    for _ in 0..20 {
        let mut heard = Vec::new();
        get(&world, other).read_to_end(&mut heard).unwrap();
        assert!(heard.len() > LARGE, "{}", heard.len());
    }
    assert!(world.egress.live().len() >= 18);
    drop(waiting);
}
