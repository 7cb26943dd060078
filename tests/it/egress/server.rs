//! Servers on loopback: one that answers HTTP, one that echoes, one that only takes in.
//!
//! Invariant: each serves until the test binary ends, any number of connections at a time, one thread each.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

fn serve(at: &str, each: impl Fn(TcpStream) + Copy + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind((at, 0)).expect("a port");
    let addr = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::Builder::new().stack_size(64 << 10).spawn(move || each(stream)).expect("a thread");
        }
    });
    addr
}

/// HTTP/1.1 that answers each request with `METHOD PATH`, and keeps the connection.
pub fn http(at: &str) -> SocketAddr {
    serve(at, |stream| {
        let mut lines = BufReader::new(stream.try_clone().expect("a copy"));
        let mut out = stream;
        loop {
            let mut head = Vec::new();
            loop {
                let mut line = String::new();
                if lines.read_line(&mut line).unwrap_or(0) == 0 {
                    return;
                }
                if line.trim().is_empty() {
                    break;
                }
                head.push(line);
            }
            let first: Vec<&str> = head.first().map(|line| line.split(' ').take(2).collect()).unwrap_or_default();
            let body = first.join(" ");
            let closes = head.iter().any(|line| line.to_lowercase().starts_with("connection: close"));
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            if out.write_all(answer.as_bytes()).is_err() || closes || head[0].contains("HTTP/1.0") {
                return;
            }
        }
    })
}

/// Sends back what comes; its end, too.
pub fn echo(at: &str) -> SocketAddr {
    serve(at, |stream| {
        let mut from = stream.try_clone().expect("a copy");
        let mut to = stream;
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    })
}

/// Reads until the client has ended, then says how many bytes there were.
pub fn count(at: &str) -> SocketAddr {
    serve(at, |mut stream| {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let _ = stream.write_all(bytes.len().to_string().as_bytes());
    })
}
