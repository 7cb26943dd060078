//! The proxy that a company's machines must use: HTTP CONNECT (RFC 9110 §9.3.6) to it for every tunnel.
//!
//! Invariant: it comes from the machine's configuration; what it answers is bounded, and anything but a 2xx is a failed
//! dial. Names are told to it as names, since it judges by them: it resolves them, and that its answers are no private
//! addresses is its part.
//! Leaves to others: where the configuration stands (`cmd`), TLS inside (`tls`).

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Server, Wanted, race};
use crate::policy::{Host, IpRange, Place};

/// Bytes of the proxy's answer at most.
const ANSWER: usize = 8 << 10;

/// What the machine's configuration says of the way out.
#[derive(Debug, Clone, Default)]
pub struct Upstream {
    /// None: dialled directly.
    pub proxy: Option<Forward>,
    /// Reached without the proxy all the same.
    pub direct: Vec<Direct>,
    /// Certificates in PEM, trusted beside the system's.
    pub authorities: Vec<u8>,
}

/// A proxy that takes CONNECT.
#[derive(Debug, Clone)]
pub struct Forward {
    pub host: Place,
    pub port: u16,
    /// Value of its `Proxy-Authorization`, such as `Basic …`; empty for none.
    pub authorization: String,
}

/// What is not reached through the proxy.
#[derive(Debug, Clone)]
pub enum Direct {
    /// This name and all beneath it.
    Name(Host),
    Range(IpRange),
}

impl Upstream {
    /// The proxy for this place; None where it is dialled directly.
    pub fn proxy_for(&self, wanted: &Wanted) -> Option<&Forward> {
        let proxy = self.proxy.as_ref()?;
        if wanted.names.is_empty() && wanted.addr.is_some_and(|ip| ip.is_loopback()) {
            return None;
        }
        let direct = self.direct.iter().any(|direct| match direct {
            Direct::Name(above) => !wanted.names.is_empty() && wanted.names.iter().all(|name| is_beneath(name, above)),
            Direct::Range(range) => wanted.names.is_empty() && wanted.addr.is_some_and(|ip| range.contains(ip)),
        });
        (!direct).then_some(proxy)
    }
}

fn is_beneath(name: &str, above: &str) -> bool {
    name.strip_suffix(above).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// A tunnel through the proxy.
pub async fn through(proxy: &Forward, wanted: &Wanted) -> io::Result<Server> {
    let (mut stream, addr) = reach(proxy).await?;
    let host = match (wanted.names.first(), wanted.addr) {
        (Some(name), _) => name.to_string(),
        (None, Some(ip)) if ip.is_ipv6() => format!("[{ip}]"),
        (None, Some(ip)) => ip.to_string(),
        (None, None) => return Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    let authorization = match proxy.authorization.as_str() {
        "" => String::new(),
        value => format!("Proxy-Authorization: {value}\r\n"),
    };
    let port = wanted.port;
    let request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{authorization}\r\n");
    stream.write_all(request.as_bytes()).await?;
    answer(&mut stream).await?;
    Ok(Server { stream, addr })
}

async fn reach(proxy: &Forward) -> io::Result<(TcpStream, SocketAddr)> {
    let addresses: Vec<_> = match &proxy.host {
        Place::Addr(ip) => vec![*ip],
        Place::Name(name) => {
            tokio::net::lookup_host((&**name, proxy.port)).await?.map(|addr| addr.ip()).take(super::ADDRESSES).collect()
        }
    };
    let Server { stream, addr } = race::first(addresses, proxy.port).await?;
    Ok((stream, addr))
}

/// Reads the answer's head byte by byte behind its last line, so that nothing of the tunnel is taken.
async fn answer(stream: &mut TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= ANSWER {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        head.push(stream.read_u8().await?);
    }
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(&head) {
        Ok(httparse::Status::Complete(_)) => match response.code {
            Some(200..=299) => Ok(()),
            Some(403) => Err(io::Error::from_raw_os_error(libc::ECONNREFUSED)),
            Some(504) => Err(io::Error::from_raw_os_error(libc::ETIMEDOUT)),
            _ => Err(io::Error::from_raw_os_error(libc::EHOSTUNREACH)),
        },
        Ok(httparse::Status::Partial) | Err(_) => Err(io::Error::from(io::ErrorKind::InvalidData)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Host {
        match Place::parse(text.as_bytes()) {
            Ok(Place::Name(host)) => host,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_and_ranges_go_around_the_proxy() {
        let upstream = Upstream {
            proxy: Some(Forward { host: Place::Name(named("proxy.corp")), port: 3128, authorization: String::new() }),
            direct: vec![
                Direct::Name(named("corp")),
                Direct::Range(IpRange { first: "10.0.0.0".parse().unwrap(), prefix: 8 }),
            ],
            authorities: Vec::new(),
        };
        let goes = |addr: Option<&str>, names: &[&str]| {
            let names = names.iter().map(|name| named(name)).collect();
            let wanted = Wanted { addr: addr.map(|ip| ip.parse().unwrap()), names, port: 443, asked: false };
            upstream.proxy_for(&wanted).is_some()
        };
        assert!(!goes(None, &["git.corp"]) && !goes(None, &["corp"]));
        assert!(goes(None, &["evilcorp"]) && goes(None, &["example.org"]));
        assert!(goes(Some("10.1.1.1"), &["example.org"]), "a name is not judged by its address");
        assert!(!goes(Some("10.1.1.1"), &[]) && goes(Some("11.1.1.1"), &[]) && !goes(Some("127.0.0.1"), &[]));
        assert!(goes(None, &["git.corp", "example.org"]), "only if all of them do");
    }
}
