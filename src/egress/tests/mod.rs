//! A whole way out against servers on loopback: what comes in at the listeners, and what becomes of it.

mod entries;
mod openings;
mod servers;
mod tunnels;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tokio::net::TcpSocket;
use tokio::sync::oneshot;

use super::*;
use crate::bus::{self, Tap};
use crate::event::{Event, Judged, Tunnel, TunnelOp};
use crate::policy::{Library, PolicyError, Source, Vars};

/// Generous: the machines that run this are slow.
pub const LONG: Duration = Duration::from_secs(60);

struct Bare;

impl Library for Bare {
    fn load(&self, name: &str, _: &Source) -> Result<Source, PolicyError> {
        Err(PolicyError::whole(name, "no such policy", None))
    }

    fn realpath(&self, path: &[u8]) -> Option<Vec<u8>> {
        Some(path.to_vec())
    }
}

pub fn policy(network: &str) -> Arc<Policy> {
    let text = format!("version = 1\n[network]\n{network}\n");
    let source = Source { name: "t.toml".into(), text, layer: Layer::User, path: None };
    Arc::new(Policy::load(source, &Bare, &Vars::default()).unwrap())
}

pub fn host(name: &str) -> Host {
    Host::parse(name).unwrap()
}

/// Answers every question the same way, or never.
pub struct Says(pub Option<Verdict>, pub Mutex<Vec<oneshot::Sender<Ruling>>>);

impl Asks for Says {
    fn ask(&self, _: NetQuestion) -> oneshot::Receiver<Ruling> {
        let (tell, told) = oneshot::channel();
        match self.0 {
            Some(verdict) => drop(tell.send(Ruling { verdict, rule: "answer".into(), layer: Layer::User })),
            None => self.1.lock().unwrap().push(tell),
        }
        told
    }
}

/// A session's way out and everything it has told.
pub struct World {
    pub egress: Egress,
    tap: Mutex<Tap>,
    told: Mutex<Vec<Event>>,
    next: AtomicU64,
    runtime: Runtime,
}

impl World {
    pub fn new(network: &str) -> World {
        World::asking(network, Some(Verdict::Deny))
    }

    pub fn asking(network: &str, says: Option<Verdict>) -> World {
        let (bus, tap) = bus::bus(Instant::now());
        let egress = Egress::start(Setup {
            policy: policy(network),
            bus,
            asks: Arc::new(Says(says, Mutex::default())),
            secrets: Arc::default(),
            upstream: Upstream::default(),
        })
        .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        World { egress, tap: Mutex::new(tap), told: Mutex::default(), next: AtomicU64::new(1), runtime }
    }

    /// A connection as the supervisor makes it: bound, announced, connected.
    pub fn redirect(&self, to: SocketAddr, names: &[&str]) -> TcpStream {
        self.come(to, names, None)
    }

    pub fn come(&self, to: SocketAddr, names: &[&str], dialled: Option<Dialled>) -> TcpStream {
        self.try_come(to, names, dialled).unwrap()
    }

    pub fn passage(&self, from: SocketAddr, to: SocketAddr, names: &[&str]) -> Passage {
        Passage {
            id: self.next.fetch_add(1, Ordering::Relaxed),
            from,
            to,
            names: names.iter().map(|name| host(name)).collect(),
            by_name: !names.is_empty(),
            asked: false,
            pid: 77,
            program: Arc::from(*b"/bin/test"),
            rule: Arc::from("test"),
            layer: Layer::User,
            started: 0,
        }
    }

    fn try_come(&self, to: SocketAddr, names: &[&str], dialled: Option<Dialled>) -> io::Result<TcpStream> {
        self.come_late(to, names, dialled, |_| ())
    }

    /// What happens `between` the judgement, which may change what is announced, and the connection.
    pub fn come_late(
        &self,
        to: SocketAddr,
        names: &[&str],
        dialled: Option<Dialled>,
        between: impl FnOnce(&mut Passage),
    ) -> io::Result<TcpStream> {
        self.runtime.block_on(async {
            let socket = TcpSocket::new_v4()?;
            socket.bind("127.0.0.1:0".parse().unwrap())?;
            let mut passage = self.passage(socket.local_addr()?, to, names);
            between(&mut passage);
            let place = self.egress.expect(passage, dialled);
            let stream = socket.connect(place).await?.into_std()?;
            stream.set_nonblocking(false)?;
            stream.set_read_timeout(Some(LONG))?;
            Ok(stream)
        })
    }

    /// A client of the proxies.
    pub fn proxied(&self) -> TcpStream {
        self.redirect(self.egress.proxy()[0], &[])
    }

    fn drain(&self) {
        let mut tap = self.tap.lock().unwrap();
        let mut batch = Vec::new();
        let _open = tap.take(&mut batch, Duration::from_millis(20));
        self.told.lock().unwrap().extend(batch.into_iter().map(|stamped| stamped.event));
    }

    /// Waits for an event.
    pub fn until<T>(&self, what: &str, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
        let begun = Instant::now();
        while begun.elapsed() < LONG {
            self.drain();
            if let Some(found) = self.told.lock().unwrap().iter().find_map(&mut pick) {
                return found;
            }
        }
        panic!("no {what} among {:#?}", self.told.lock().unwrap());
    }

    pub fn denied(&self) -> Judged {
        self.until("denial", |event| match event {
            Event::Judged(judged) if judged.verdict == Verdict::Deny => Some(judged.clone()),
            _ => None,
        })
    }

    pub fn closed(&self) -> Tunnel {
        self.until("closed tunnel", |event| match event {
            Event::Tunnel(tunnel) if tunnel.op == TunnelOp::Close => Some((**tunnel).clone()),
            _ => None,
        })
    }

    pub fn forget_events(&self) {
        self.drain();
        self.told.lock().unwrap().clear();
    }
}

/// What a server does with each connection.
pub type Deed = fn(TcpStream);

/// A server on loopback; its address, and how many connections it has seen.
pub fn server(deed: Deed) -> (SocketAddr, mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            stream.set_read_timeout(Some(LONG)).unwrap();
            let _ = tell.send(());
            thread::spawn(move || deed(stream));
        }
    });
    (addr, told)
}

/// Says what it hears.
pub fn echo(mut stream: TcpStream) {
    let mut copy = stream.try_clone().unwrap();
    let _ = io::copy(&mut copy, &mut stream);
    let _ = stream.shutdown(std::net::Shutdown::Write);
}

/// Speaks first, then says what it hears.
pub fn banner(mut stream: TcpStream) {
    let _ = stream.write_all(b"220 ready\r\n");
    echo(stream);
}

/// Hears everything, then says how much it was.
pub fn counts(mut stream: TcpStream) {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    let _ = stream.write_all(all.len().to_string().as_bytes());
}

/// Everything until the end, or the failure in its place.
pub fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Ok(_) => String::from_utf8_lossy(&all).into_owned(),
        Err(error) => format!("{:?}", error.kind()),
    }
}

pub fn exactly(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}
