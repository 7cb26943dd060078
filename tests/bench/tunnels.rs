//! The way out: what a connection costs through the front, how much flows, how much memory idle ones take; beside loopback
//! without anything between, and beside the proxy of sandbox-runtime where `srt` is on the path (`npm install` of
//! `@anthropic-ai/sandbox-runtime` makes it).
//!
//! Invariant: servers run in this process, outside of every sandbox, and are the same for all cases.
//! Leaves to others: what runs inside (`dials`).

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, bail};

use crate::dials::IDLE;
use crate::measure::{Bound, Case, Item, Pace, Sample};
use crate::ways::{NATIVE, Profile, Way, Ways, words};

/// Most that a connection may take longer, in µs.
const SPLICED: f64 = 300.0;
const TERMINATED: f64 = 1500.0;

pub fn run(ways: &Ways<'_>, pace: &mut Pace, wants: &dyn Fn(&str) -> bool) -> Result<Vec<Item>> {
    const NAMES: [&str; 4] =
        ["tunnels, new connection", "tunnels, new TLS connection", "tunnels, throughput", "tunnels, memory"];
    if ways.govsh.is_none() || !NAMES.iter().any(|name| wants(name)) {
        return Ok(Vec::new());
    }
    let rooms = Rooms::open(ways)?;
    let mut items = Vec::new();
    let [new, tls, throughput, memory] = NAMES;
    if wants(new) {
        let mut cases = vec![rooms.case(NATIVE, Way::Native, "__connect", rooms.echo)];
        cases.push(rooms.case("govsh, spliced", GOVSH, "__connect", rooms.echo).bounds([Bound::Adds(SPLICED, NATIVE)]));
        cases.extend(rooms.peer("__connect", rooms.echo));
        items.push(pace.interleave(new, "µs", 9, true, cases));
    }
    if wants(tls) {
        let mut cases = vec![rooms.case(NATIVE, Way::Native, "__secure", rooms.secure)];
        let bound = Bound::Adds(TERMINATED, NATIVE);
        cases.push(rooms.case("govsh, terminated", GOVSH, "__secure", rooms.secure).bounds([bound]));
        items.push(pace.interleave(tls, "µs", 9, true, cases));
    }
    if wants(throughput) {
        let mut cases = vec![rooms.case(NATIVE, Way::Native, "__pour", rooms.drain)];
        let bound = Bound::AtLeastTimes(0.7, NATIVE);
        cases.push(rooms.case("govsh, spliced", GOVSH, "__pour", rooms.drain).bounds([bound]));
        cases.extend(rooms.peer("__pour", rooms.drain));
        items.push(pace.interleave(throughput, "MB/s", 9, true, cases));
    }
    if wants(memory) {
        let count = idle_tunnels();
        let none = Case::new("govsh, 1 tunnel", || rooms.resident(1));
        let bound = Bound::AtMost(150.0 * count as f64 / IDLE as f64);
        let many = Case::new(format!("govsh, {count} idle tunnels"), || rooms.resident(count)).bounds([bound]);
        items.push(pace.interleave(memory, "MiB", 3, false, vec![none, many]));
    }
    Ok(items)
}

/// [`IDLE`], or as many as this machine's hard limit of descriptors has both ends of.
fn idle_tunnels() -> usize {
    let _ = govsh::sys::limits::set(libc::RLIMIT_NOFILE, u64::MAX, u64::MAX); // what is missing is left out
    let files = govsh::sys::limits::open_files().unwrap_or(1024) as usize;
    IDLE.min(files.saturating_sub(512) / 2)
}

const GOVSH: Way = Way::Govsh { policy: Profile::Tunnels, audit: "writes", record: true };

/// The servers, and what reaching them takes.
struct Rooms<'w> {
    ways: &'w Ways<'w>,
    echo: SocketAddr,
    drain: SocketAddr,
    idle: SocketAddr,
    secure: SocketAddr,
    /// The authority of `secure`.
    authority: PathBuf,
    srt: Option<PathBuf>,
}

impl<'w> Rooms<'w> {
    fn open(ways: &'w Ways<'w>) -> Result<Rooms<'w>> {
        let (config, pem) = certified()?;
        let authority = ways.scratch.read_only().join("authority.pem");
        fs::write(&authority, pem)?;
        let rooms = Rooms {
            ways,
            echo: serve(|mut stream| {
                let mut one = [0; 1];
                stream.read_exact(&mut one)?;
                stream.write_all(&one)
            })?,
            drain: serve(|mut stream| {
                let mut piece = vec![0; 64 << 10];
                while stream.read(&mut piece)? > 0 {}
                stream.write_all(b"x")
            })?,
            idle: serve_idle()?,
            secure: serve(move |mut stream| {
                let mut connection =
                    rustls::ServerConnection::new(Arc::clone(&config)).map_err(std::io::Error::other)?;
                let mut tls = rustls::Stream::new(&mut connection, &mut stream);
                let mut request = Vec::new();
                let mut piece = [0; 4096];
                while !request.ends_with(b"\r\n\r\n") {
                    let count = tls.read(&mut piece)?;
                    if count == 0 {
                        return Ok(());
                    }
                    request.extend_from_slice(&piece[..count]);
                }
                tls.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx")?;
                tls.conn.send_close_notify();
                tls.flush()
            })?,
            authority,
            srt: std::env::var_os("PATH")
                .and_then(|path| std::env::split_paths(&path).map(|dir| dir.join("srt")).find(|srt| srt.is_file())),
        };
        fs::write(ways.scratch.policy("tunnels.toml"), rooms.policy()?)?;
        fs::write(ways.scratch.policy("srt.json"), rooms.srt_settings())?;
        Ok(rooms)
    }

    fn policy(&self) -> Result<String> {
        let files = fs::read_to_string(self.ways.scratch.policy("no-carve-outs.toml"))?;
        let port = self.secure.port();
        let allow = [self.echo, self.drain, self.idle, self.secure].map(|addr| format!("'{addr}'")).join(", ");
        Ok(format!(
            "{files}\n[network]\nallow = [{allow}, 'localhost:{port}']\n\
             http = [{{ host = 'localhost:{port}', methods = ['GET'] }}]\n"
        ))
    }

    fn srt_settings(&self) -> String {
        let domains: Vec<String> = ["localhost".to_owned(), self.echo.to_string(), self.drain.to_string()].to_vec();
        serde_json::json!({
            "network": { "allowedDomains": domains, "deniedDomains": [] },
            "filesystem": { "denyRead": [], "allowWrite": [self.ways.scratch.root()], "denyWrite": [] },
        })
        .to_string()
    }

    fn case(&self, name: &str, way: Way, deed: &'static str, to: SocketAddr) -> Case<'_> {
        Case::new(name, move || {
            let inner = words(&[&self.ways.scratch.bench(), &deed, &to.to_string(), &self.authority]);
            // What the machine trusts: the authority of `secure`, here.
            let mut argv = words(&[&"env", &format!("SSL_CERT_FILE={}", self.authority.display())]);
            argv.extend(self.ways.argv(way, &inner)?);
            number(&self.ways.run(&argv)?.0)
        })
    }

    /// The same through the proxy of sandbox-runtime, which its programs have to know of.
    fn peer(&self, deed: &'static str, to: SocketAddr) -> Option<Case<'_>> {
        let srt = self.srt.as_ref()?;
        Some(Case::new("sandbox-runtime", move || {
            let settings = self.ways.scratch.policy("srt.json");
            let inner = words(&[&self.ways.scratch.bench(), &deed, &to.to_string(), &self.authority, &"--proxied"]);
            let line: Vec<String> = inner.iter().map(|word| word.to_string_lossy().into_owned()).collect();
            let argv = words(&[srt, &"--settings", &settings, &"-c", &line.join(" ")]);
            number(&self.ways.run(&argv)?.0)
        }))
    }

    /// Proportional set size of the front with so many idle tunnels, in MiB.
    fn resident(&self, tunnels: usize) -> Result<Sample> {
        let inner = words(&[&self.ways.scratch.bench(), &"__idle", &self.idle.to_string(), &tunnels.to_string()]);
        let mut command = self.ways.command(&self.ways.argv(GOVSH, &inner)?);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut line = String::new();
        let out = child.stdout.take().context("no output")?;
        BufReader::new(out).read_line(&mut line)?;
        let measured = memory(child.id());
        drop(child.stdin.take());
        let status = child.wait()?;
        if line.trim() != tunnels.to_string() || !status.success() {
            bail!("{} of {tunnels} tunnels: {status}", line.trim());
        }
        Ok(Sample::from(measured?))
    }
}

fn number(printed: &str) -> Result<Sample> {
    let value: f64 = printed.trim().parse().with_context(|| format!("not a number: {printed:?}"))?;
    Ok(Sample::from(value))
}

fn memory(pid: u32) -> Result<f64> {
    let text = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("smaps_rollup"))?;
    let kilobytes =
        text.lines().find_map(|line| line.strip_prefix("Pss:")?.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kilobytes.context("no Pss")? / 1024.0)
}

/// A server on loopback, a thread for each connection.
fn serve(deed: impl Fn(TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let addr = listener.local_addr()?;
    let deed = Arc::new(deed);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let deed = Arc::clone(&deed);
            // A client that breaks off is its own affair: what is measured is what clients say.
            thread::spawn(move || deed(stream).ok());
        }
    });
    Ok(addr)
}

/// Keeps connections as long as their clients do.
fn serve_idle() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let addr = listener.local_addr()?;
    thread::spawn(move || {
        let mut kept = Vec::with_capacity(IDLE);
        for stream in listener.incoming().flatten() {
            if kept.len() == IDLE {
                kept.clear();
            }
            kept.push(stream);
        }
    });
    Ok(addr)
}

/// A server's configuration for `localhost`, and the authority to trust, in PEM.
fn certified() -> Result<(Arc<rustls::ServerConfig>, String)> {
    let mut params = rcgen::CertificateParams::new(Vec::new())?;
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate()?;
    let authority = params.self_signed(&key)?;
    let pem = authority.pem();
    let issuer = rcgen::Issuer::new(params, key);
    let own = rcgen::KeyPair::generate()?;
    let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&own, &issuer)?;
    let key = rustls::pki_types::PrivateKeyDer::try_from(own.serialize_der()).map_err(anyhow::Error::msg)?;
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)?;
    Ok((Arc::new(config), pem))
}
