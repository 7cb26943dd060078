//! Ways out through the session's own proxy, its name service, and past both: `out HOW HOST PORT [MORE]`.
//!
//! Invariant: it worked only when the server answered, which says `reached`.
//! Leaves to others: sockets and addresses without names (`network`).

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use libc::*;

use crate::report::{Misuse, Outcome, Refused, Worked};
use crate::{Args, Attempt};

pub const ATTEMPTS: &[Attempt] = &[("out", out)];

/// For one answer.
const PATIENCE: Duration = Duration::from_secs(5);

type Got = std::io::Result<Vec<u8>>;

fn out(args: &Args) -> Outcome {
    let (host, port) = (unescaped(args.text(1)), args.number(2) as u16);
    let text = String::from_utf8_lossy(&host).into_owned();
    let more = args.text(3);
    let got = match args.text(0) {
        "socks" => socks(&host, port).and_then(|stream| ask(stream, &get(&text))),
        "connect" => connect(&host, port).and_then(|stream| ask(stream, &get(&text))),
        "absolute" => proxy().and_then(|stream| ask(stream, &absolute(&host, port))),
        "direct" => TcpStream::connect((text.as_str(), port)).and_then(|stream| ask(stream, &get(&text))),
        "host" => connect(&host, port).and_then(|stream| ask(stream, &get(more))),
        "second" => connect(&host, port).and_then(|mut stream| {
            let first = format!("GET / HTTP/1.1\r\nHost: {text}\r\n\r\n");
            stream.write_all(first.as_bytes())?;
            let mut piece = [0u8; 4096];
            let _ = stream.read(&mut piece)?;
            ask(stream, &get(more))
        }),
        "raw" => connect(&host, port).and_then(|stream| ask(stream, &unescaped(more))),
        "sni" => connect(&host, port).and_then(|stream| ask(stream, &hello(Some(more), false))),
        "no_sni" => connect(&host, port).and_then(|stream| ask(stream, &hello(None, false))),
        "ech" => connect(&host, port).and_then(|stream| ask(stream, &hello(Some(more), true))),
        "relay" => relayed(&host, port),
        "proxy_raw" => proxy().and_then(|stream| ask(stream, &unescaped(more))),
        "name" => return named(&text, args.number(2) as u16, more),
        "hold" => return held(&text, port, more.parse().unwrap_or(0)),
        "storm" => return storm(&text, port, more.parse().unwrap_or(0)),
        "names" => return names(&text, port, more.parse().unwrap_or(0)),
        other => return Misuse(format!("no way '{other}'")),
    };
    answered(got)
}

fn answered(got: Got) -> Outcome {
    match got {
        Ok(bytes) if bytes.windows(7).any(|word| word == b"reached") => Worked("reached".into()),
        Ok(bytes) => {
            let line = String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().chars().take(80).collect();
            Refused(EACCES, line)
        }
        Err(error) => Refused(error.raw_os_error().unwrap_or(ETIMEDOUT), error.to_string()),
    }
}

/// `%xx` stands for a byte.
fn unescaped(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        rest = match (first, hex) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                &tail[2..]
            }
            (other, _) => {
                bytes.push(*other);
                tail
            }
        };
    }
    bytes
}

/// A connection to the session's proxy, as its variables name it.
fn proxy() -> std::io::Result<TcpStream> {
    let named = std::env::var("http_proxy").or_else(|_| std::env::var("ALL_PROXY"));
    let named = named.map_err(|_| std::io::Error::from_raw_os_error(ENETUNREACH))?;
    let address = named.rsplit_once("//").map_or(named.as_str(), |(_, address)| address);
    let stream = TcpStream::connect(address.trim_end_matches('/'))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn get(host: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into_bytes()
}

fn absolute(host: &[u8], port: u16) -> Vec<u8> {
    let port = format!(":{port}").into_bytes();
    [b"GET http://", host, &port, b"/ HTTP/1.1\r\nHost: ", host, &port, b"\r\nConnection: close\r\n\r\n"].concat()
}

/// Sends, and reads to the end or until the server was heard.
fn ask(mut stream: TcpStream, request: &[u8]) -> Got {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    let (mut all, mut piece) = (Vec::new(), [0u8; 4096]);
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return Ok(all),
            Ok(n) => all.extend_from_slice(&piece[..n]),
            Err(error) if all.is_empty() => return Err(error),
            Err(_) => return Ok(all),
        }
        if all.windows(7).any(|word| word == b"reached") || all.len() > 1 << 16 {
            return Ok(all);
        }
    }
}

fn refused() -> std::io::Error {
    std::io::Error::from_raw_os_error(ECONNREFUSED)
}

/// SOCKS 5 with a name (RFC 1928).
fn socks(host: &[u8], port: u16) -> std::io::Result<TcpStream> {
    let mut stream = proxy()?;
    stream.write_all(&[5, 1, 0])?;
    let mut chosen = [0u8; 2];
    stream.read_exact(&mut chosen)?;
    let length = u8::try_from(host.len()).unwrap_or(255);
    let request = [&[5, 1, 0, 3, length][..], &host[..usize::from(length)], &port.to_be_bytes()].concat();
    stream.write_all(&request)?;
    let mut reply = [0u8; 10];
    stream.read_exact(&mut reply)?;
    if reply[1] == 0 { Ok(stream) } else { Err(refused()) }
}

/// CONNECT, with the place as it stands.
fn connect(host: &[u8], port: u16) -> std::io::Result<TcpStream> {
    connect_by(proxy()?, host, port)
}

fn connect_by(mut stream: TcpStream, host: &[u8], port: u16) -> std::io::Result<TcpStream> {
    let port = format!(":{port}").into_bytes();
    let request = [b"CONNECT ", host, &port, b" HTTP/1.1\r\nHost: ", host, &port, b"\r\n\r\n"].concat();
    stream.write_all(&request)?;
    let (mut head, mut byte) = (Vec::new(), [0u8; 1]);
    while !head.ends_with(b"\r\n\r\n") && head.len() < 4096 {
        if stream.read(&mut byte)? == 0 {
            return Err(refused());
        }
        head.push(byte[0]);
    }
    if head.starts_with(b"HTTP/1.1 200") { Ok(stream) } else { Err(refused()) }
}

/// A ClientHello (RFC 8446 §4.1.2) for this name, perhaps with Encrypted Client Hello.
fn hello(name: Option<&str>, ech: bool) -> Vec<u8> {
    let sized = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat();
    let extension = |kind: u16, body: &[u8]| [&kind.to_be_bytes()[..], &sized(body)].concat();
    let key = [&[0, 36, 0, 29, 0, 32][..], &[9; 32]].concat();
    let mut extensions = [
        extension(43, &[2, 3, 4]),
        extension(13, &[0, 4, 4, 3, 8, 4]),
        extension(10, &[0, 2, 0, 29]),
        extension(51, &key),
    ]
    .concat();
    if let Some(name) = name {
        let entry = [&[0][..], &sized(name.as_bytes())].concat();
        extensions.extend(extension(0, &sized(&entry)));
    }
    if ech {
        extensions.extend(extension(0xfe0d, &[0, 0, 1, 0, 1, 7, 0, 0, 0, 1, 9]));
    }
    let body = [&[3, 3][..], &[7; 32], &[0], &[0, 2, 0x13, 1], &[1, 0], &sized(&extensions)].concat();
    let handshake = [&[1, 0][..], &sized(&body)].concat();
    [&[0x16, 3, 1][..], &sized(&handshake)].concat()
}

/// Another process of the session stands between, as a proxy's client that is not who asks.
fn relayed(host: &[u8], port: u16) -> Got {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let relay = std::thread::spawn(move || -> std::io::Result<()> {
        let (inner, _) = listener.accept()?;
        let outer = proxy()?;
        let (mut from, mut to) = (inner.try_clone()?, outer.try_clone()?);
        let up = std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        let _ = std::io::copy(&mut &outer, &mut &inner);
        let _ = inner.shutdown(std::net::Shutdown::Both);
        let _ = up.join();
        Ok(())
    });
    let got = TcpStream::connect(address)
        .and_then(|stream| connect_by(stream, host, port))
        .and_then(|stream| ask(stream, &get(&String::from_utf8_lossy(host))));
    if got.is_ok() {
        let _ = relay.join();
    }
    got
}

/// A question of this type for a name (RFC 1035 §4).
fn question(name: &str, kind: u16) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    message
}

/// Asks some name server; it worked when there was an answer in the answer.
fn named(name: &str, kind: u16, way: &str) -> Outcome {
    let asked = if way == "tcp" { named_tcp(name, kind) } else { named_udp(name, kind) };
    match asked {
        Ok(reply) if reply.len() > 7 && reply[6..8] != [0, 0] => Worked("an answer".into()),
        Ok(reply) => Refused(ENOENT, format!("code {}", reply.get(3).map_or(0, |byte| byte & 15))),
        Err(error) => Refused(error.raw_os_error().unwrap_or(ETIMEDOUT), error.to_string()),
    }
}

fn named_udp(name: &str, kind: u16) -> Got {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect("192.0.2.53:53")?;
    socket.send(&question(name, kind))?;
    let mut reply = vec![0u8; 1500];
    let length = socket.recv(&mut reply)?;
    reply.truncate(length);
    Ok(reply)
}

fn named_tcp(name: &str, kind: u16) -> Got {
    let mut stream = TcpStream::connect("192.0.2.53:53")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let message = question(name, kind);
    stream.write_all(&(message.len() as u16).to_be_bytes())?;
    stream.write_all(&message)?;
    let mut length = [0u8; 2];
    stream.read_exact(&mut length)?;
    let mut reply = vec![0u8; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply)?;
    Ok(reply)
}

/// What must go on working: one good request, and how long it took.
fn good(host: &str, port: u16, told: String) -> Outcome {
    let begun = Instant::now();
    match answered(connect(host.as_bytes(), port).and_then(|stream| ask(stream, &get(host)))) {
        Worked(_) => Worked(format!("{told}, then a good one in {} ms", begun.elapsed().as_millis())),
        Refused(errno, detail) => Refused(errno, format!("{told}, then: {detail}")),
        other => other,
    }
}

/// Clients that begin and never finish.
fn held(host: &str, port: u16, count: usize) -> Outcome {
    let mut kept = Vec::new();
    for turn in 0..count {
        let Ok(mut stream) = proxy() else { break };
        let begun: &[u8] = match turn % 4 {
            0 => b"C",
            1 => b"GET http://",
            2 => &[5],
            _ => b"CONNECT good.test:1 HTTP/1.1\r\nA: ",
        };
        let _ = stream.write_all(begun);
        kept.push(stream);
    }
    good(host, port, format!("{} held", kept.len()))
}

/// Clients that come and go at once.
fn storm(host: &str, port: u16, count: usize) -> Outcome {
    let made = (0..count).filter(|_| proxy().is_ok_and(|mut stream| stream.write_all(b"CONNECT x").is_ok())).count();
    good(host, port, format!("{made} came and went"))
}

/// Names that nobody asked for before, as fast as they go.
fn names(host: &str, port: u16, count: usize) -> Outcome {
    let ask = || -> std::io::Result<usize> {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.set_nonblocking(true)?;
        socket.connect("192.0.2.53:53")?;
        let mut reply = [0u8; 1500];
        let mut heard = 0;
        for turn in 0..count {
            let name = if turn % 2 == 0 { format!("n{turn}.evil.test") } else { format!("n{turn}.wild.test") };
            let _ = socket.send(&question(&name, 1));
            while socket.recv(&mut reply).is_ok() {
                heard += 1;
            }
        }
        Ok(heard)
    };
    match ask() {
        Ok(heard) => good(host, port, format!("{count} asked, {heard} heard")),
        Err(error) => Refused(error.raw_os_error().unwrap_or(EIO), error.to_string()),
    }
}
