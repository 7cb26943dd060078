//! A way out of its own for each test: the server it leads to, a door that stands for redirected connections, its events.
//!
//! ```text
//! client ─▶ door (announces each connection) ─▶ Egress ─▶ proxy of the machine's configuration ─▶ far (TLS, test authority)
//! ```

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use govsh::bus::{self, Bus};
use govsh::egress::credentials::Secrets;
use govsh::egress::{Asks, Egress, Forward, NetQuestion, Passage, Ruling, Setup, Upstream};
use govsh::event::{Credential, CredentialUse, Event, Http};
use govsh::policy::{Host, Layer, Library, Place, Policy, PolicyError, Source, Vars};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::far::{Far, Seen};

/// The names that all addresses here have.
pub const API: &str = "api.example.test";
pub const OTHER: &str = "other.example.test";

/// How long anything here may take: the machine may be busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Rig {
    pub port: u16,
    pub plain: u16,
    pub far: Far,
    pub dir: tempfile::TempDir,
    /// Variables that an agent would get: certificates and placeholders.
    pub environment: Vec<(String, String)>,
    /// Carries everything here but the way out itself.
    _runtime: Runtime,
    events: Arc<Mutex<Vec<Event>>>,
    egress: Arc<Egress>,
}

struct Nobody;

impl Asks for Nobody {
    fn ask(&self, _: NetQuestion) -> oneshot::Receiver<Ruling> {
        oneshot::channel().1
    }
}

struct NoLibrary;

impl Library for NoLibrary {
    fn load(&self, name: &str, _: &Source) -> Result<Source, PolicyError> {
        Err(PolicyError::whole(name, "no such file", None))
    }

    fn realpath(&self, literal: &[u8]) -> Option<Vec<u8>> {
        Some(literal.to_vec())
    }
}

fn policy(text: &str) -> Policy {
    let source = Source {
        name: "test".into(),
        text: format!("version = 1\n{text}"),
        layer: Layer::User,
        path: Some("/etc/p/test".into()),
    };
    let dir = |text: &str| text.as_bytes().to_vec();
    let vars = Vars { home: dir("/home/u"), workdir: dir("/w"), tmp: dir("/tmp"), ..Vars::default() };
    Policy::load(source, &NoLibrary, &vars).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

impl Rig {
    /// With this policy, in which `PORT` and `PLAIN` stand for the ports of the server, and these variables outside.
    pub fn new(text: &str, ambient: &[(&str, &str)]) -> Rig {
        let runtime = Runtime::new().unwrap();
        let (far, door, plain) = runtime.block_on(async {
            (
                Far::start().await,
                TcpListener::bind("127.0.0.1:0").await.unwrap(),
                TcpListener::bind("127.0.0.1:0").await.unwrap(),
            )
        });
        let (port, plain_port) = (door.local_addr().unwrap().port(), plain.local_addr().unwrap().port());
        let proxy = runtime.block_on(proxy(&far, port));
        let text = text.replace("PORT", &port.to_string()).replace("PLAIN", &plain_port.to_string());
        let policy = Arc::new(policy(&text));
        let outside = |name: &str| ambient.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        let secrets = Arc::new(Secrets::load(policy.credentials(), &outside).unwrap());
        let (bus, events) = collected();
        let upstream = Upstream {
            proxy: Some(Forward {
                host: Place::Addr(IpAddr::V4(Ipv4Addr::LOCALHOST)),
                port: proxy,
                authorization: String::new(),
            }),
            direct: Vec::new(),
            authorities: far.authority.clone().into_bytes(),
        };
        let setup = Setup { policy, bus, asks: Arc::new(Nobody), secrets: Arc::clone(&secrets), upstream };
        let egress = Arc::new(Egress::start(setup).unwrap());
        let dir = tempfile::tempdir().unwrap();
        let files = egress.ca().unwrap().write(dir.path(), true).unwrap();
        let mut environment: Vec<(String, String)> =
            files.into_iter().map(|(name, value)| (name.to_owned(), value.into_string().unwrap())).collect();
        environment
            .extend(secrets.environment().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))));
        for listener in [door, plain] {
            runtime.spawn(serve_door(listener, Arc::clone(&egress)));
        }
        Rig { port, plain: plain_port, far, dir, environment, _runtime: runtime, events, egress }
    }

    /// The variable of the agent's environment.
    pub fn variable(&self, name: &str) -> &str {
        &self.environment.iter().find(|(known, _)| known == name).unwrap().1
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://{API}:{}{path}", self.port)
    }

    /// A program with the agent's environment and nothing else that matters.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().stdin(Stdio::null());
        for name in ["PATH", "LANG", "PYENV_ROOT", "PYENV_VERSION"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.env("HOME", self.dir.path()).envs(self.environment.iter().cloned());
        command
    }

    /// What `curl` says with these arguments, and how it ended.
    pub fn curl(&self, arguments: &[&str]) -> (String, bool) {
        let mut command = self.command("curl");
        for name in [API, OTHER] {
            command.args(["--resolve", &format!("{name}:{}:127.0.0.1", self.port)]);
            command.args(["--resolve", &format!("{name}:{}:127.0.0.1", self.plain)]);
        }
        command.args(["--silent", "--show-error", "--max-time", "60"]).args(arguments);
        said(&mut command)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.far.seen.lock().unwrap().clone()
    }

    /// Waits for an event that `wanted` makes something of.
    pub fn wait<T>(&self, wanted: impl Fn(&Event) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = self.events.lock().unwrap().iter().find_map(&wanted) {
                return found;
            }
            assert!(Instant::now() < deadline, "no such event in {:#?}", self.events.lock().unwrap());
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// The event of the request with this path.
    pub fn request(&self, path: &str) -> Http {
        self.wait(|event| match event {
            Event::Http(http) if http.path.starts_with(path) => Some((**http).clone()),
            _ => None,
        })
    }

    pub fn credential(&self, what: CredentialUse) -> Credential {
        self.wait(|event| match event {
            Event::Credential(credential) if credential.what == what => Some((**credential).clone()),
            _ => None,
        })
    }

    pub fn alert(&self) -> String {
        self.wait(|event| match event {
            Event::Alert { what, .. } => Some(what.clone()),
            _ => None,
        })
    }

    /// All alerts, once there are so many.
    pub fn alerts(&self, least: usize) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let events = self.events.lock().unwrap();
            let alert = |event: &Event| match event {
                Event::Alert { what, .. } => Some(what.clone()),
                _ => None,
            };
            let alerts: Vec<String> = events.iter().filter_map(alert).collect();
            if alerts.len() >= least {
                return alerts;
            }
            assert!(Instant::now() < deadline, "{alerts:?}");
            drop(events);
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// No event, whichever, holds the text.
    pub fn assert_untold(&self, secret: &str) {
        let events = format!("{:?}", self.events.lock().unwrap());
        assert!(!events.contains(secret), "{events}");
    }

    /// A connection as a redirected one, without TLS.
    pub fn connect(&self, port: u16) -> std::net::TcpStream {
        let stream = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = &self.egress;
    }
}

/// Output, standard error behind it, and whether it succeeded.
pub fn said(command: &mut Command) -> (String, bool) {
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    (text, status.success())
}

fn collected() -> (Bus, Arc<Mutex<Vec<Event>>>) {
    let (bus, mut tap) = bus::bus(Instant::now());
    let events = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&events);
    std::thread::spawn(move || {
        let mut batch = Vec::new();
        while tap.take(&mut batch, Duration::from_millis(5)) {
            kept.lock().unwrap().extend(batch.drain(..).map(|stamped| stamped.event));
        }
    });
    (bus, events)
}

/// What stands for the supervisor: every connection is announced, and made as from the agent.
async fn serve_door(listener: TcpListener, egress: Arc<Egress>) {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let port = listener.local_addr().unwrap().port();
    while let Ok((mut client, _)) = listener.accept().await {
        let egress = Arc::clone(&egress);
        tokio::spawn(async move {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let passage = Passage {
                id: NEXT.fetch_add(1, Ordering::Relaxed),
                from: socket.local_addr().unwrap(),
                to: SocketAddr::from(([203, 0, 113, 7], port)),
                names: vec![Host::parse(API).unwrap(), Host::parse(OTHER).unwrap()],
                by_name: true,
                asked: false,
                pid: 4711,
                program: Arc::from(*b"/usr/bin/test"),
                rule: Arc::from("test"),
                layer: Layer::User,
                started: 0,
            };
            let to = egress.expect(passage, None);
            let mut server = socket.connect(to).await.unwrap();
            // Either side may break off: that is what is looked at there.
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
    }
}

/// A proxy that leads every name to the far side: over TLS what is for `secure`, plain the rest.
async fn proxy(far: &Far, secure: u16) -> u16 {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tls, plain) = (far.tls, far.plain);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut client = BufReader::new(client);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    if client.read_line(&mut head).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let wanted = head.split(' ').nth(1).unwrap_or_default();
                let to = if wanted.ends_with(&format!(":{secure}")) { tls } else { plain };
                let mut server = TcpStream::connect(to).await.unwrap();
                if client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.is_ok() {
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
    });
    port
}

/// Where the files of a test are.
pub fn within(rig: &Rig, name: &str) -> PathBuf {
    rig.dir.path().join(name)
}
