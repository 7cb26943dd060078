//! What dials inside the sandbox: new connections, one that pours, many that idle.
//!
//! Invariant: each prints one number and nothing else. A client that knows of a proxy is the same client with one request more.
//! Leaves to others: the servers, and everything outside the sandbox (`tunnels`).

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};

use crate::measure::middle;

/// Connections of one run, one after the other.
const CONNECTIONS: usize = 200;
/// Bytes of one run, and of one write.
pub const POURED: usize = 1 << 30;
const PIECE: usize = 64 << 10;
/// Tunnels that idle.
pub const IDLE: usize = 10_000;

/// Where to, and how.
struct Way {
    to: SocketAddr,
    authority: OsString,
    proxied: bool,
}

impl Way {
    fn read(args: &[OsString]) -> Result<Way> {
        let [to, authority, rest @ ..] = args else { bail!("usage: ADDRESS AUTHORITY [--proxied]") };
        let to = to.to_str().and_then(|to| to.parse().ok()).context("no address")?;
        Ok(Way { to, authority: authority.clone(), proxied: !rest.is_empty() })
    }

    fn connect(&self) -> Result<TcpStream> {
        if !self.proxied {
            let stream = TcpStream::connect(self.to)?;
            stream.set_nodelay(true)?;
            return Ok(stream);
        }
        let proxy = std::env::var("HTTPS_PROXY").or_else(|_| std::env::var("https_proxy")).context("no proxy")?;
        let place = proxy.trim_start_matches("http://").trim_end_matches('/');
        let (login, place) = place.rsplit_once('@').map_or((None, place), |(login, place)| (Some(login), place));
        let mut stream = TcpStream::connect(place)?;
        stream.set_nodelay(true)?;
        let login = login.map(|login| {
            use base64::Engine as _;
            format!("Proxy-Authorization: Basic {}\r\n", base64::engine::general_purpose::STANDARD.encode(login))
        });
        let (to, login) = (self.to, login.unwrap_or_default());
        stream.write_all(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{login}\r\n").as_bytes())?;
        let mut head = Vec::new();
        let mut byte = [0; 1];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        if !head.starts_with(b"HTTP/1.1 200") {
            bail!("the proxy says {}", String::from_utf8_lossy(&head).lines().next().unwrap_or_default());
        }
        Ok(stream)
    }
}

/// `__connect ADDRESS AUTHORITY`: connects, says one byte, hears one; prints the median in µs.
pub fn connect(args: &[OsString]) -> Result<u8> {
    let way = Way::read(args)?;
    median(|| {
        let mut stream = way.connect()?;
        let mut one = [b'x'];
        stream.write_all(&one)?;
        stream.read_exact(&mut one)?;
        Ok(())
    })
}

/// `__secure ADDRESS AUTHORITY`: the same with TLS, a request and its response.
pub fn secure(args: &[OsString]) -> Result<u8> {
    let way = Way::read(args)?;
    let mut roots = rustls::RootCertStore::empty();
    let bundle = std::env::var_os("SSL_CERT_FILE").unwrap_or_else(|| way.authority.clone());
    for file in [&bundle, &way.authority] {
        for certificate in CertificateDer::pem_file_iter(file).map_err(anyhow::Error::msg)?.flatten() {
            let _ = roots.add(certificate); // one that is not understood is trusted by nobody
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    let config = Arc::new(config);
    median(|| {
        let mut stream = way.connect()?;
        let name = ServerName::try_from("localhost")?;
        let mut connection = rustls::ClientConnection::new(Arc::clone(&config), name)?;
        let mut tls = rustls::Stream::new(&mut connection, &mut stream);
        let request = format!("GET / HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n", way.to.port());
        tls.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        // Some end without saying so in TLS; the answer is whole by its length.
        let _ = tls.read_to_end(&mut answer);
        if !answer.starts_with(b"HTTP/1.1 200") {
            bail!("{}", String::from_utf8_lossy(&answer));
        }
        Ok(())
    })
}

fn median(mut once: impl FnMut() -> Result<()>) -> Result<u8> {
    let mut times = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let start = Instant::now();
        once()?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    println!("{}", middle(times).unwrap_or_default());
    Ok(0)
}

/// `__pour ADDRESS AUTHORITY`: sends a gibibyte, waits until it was read to its end; prints MB/s.
pub fn pour(args: &[OsString]) -> Result<u8> {
    let mut stream = Way::read(args)?.connect()?;
    let piece = vec![7; PIECE];
    let start = Instant::now();
    for _ in 0..POURED / PIECE {
        stream.write_all(&piece)?;
    }
    stream.shutdown(std::net::Shutdown::Write)?;
    stream.read_exact(&mut [0])?;
    println!("{}", POURED as f64 / 1e6 / start.elapsed().as_secs_f64());
    Ok(0)
}

/// `__idle ADDRESS COUNT`: opens so many connections, prints how many, keeps them until its input ends.
pub fn idle(args: &[OsString]) -> Result<u8> {
    let [to, count] = args else { bail!("usage: __idle ADDRESS COUNT") };
    let to: SocketAddr = to.to_str().and_then(|to| to.parse().ok()).context("no address")?;
    let count: usize = count.to_str().and_then(|count| count.parse().ok()).context("no number")?;
    let _ = govsh::sys::limits::set(libc::RLIMIT_NOFILE, u64::MAX, u64::MAX); // too few show as tunnels missing
    let mut kept = Vec::with_capacity(count);
    for _ in 0..count {
        kept.push(TcpStream::connect(to)?);
    }
    println!("{}", kept.len());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(0)
}
