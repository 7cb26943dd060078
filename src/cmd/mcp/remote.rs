//! `govsh mcp login`, `logout` and `serve`: servers behind URLs, outside of sessions.
//!
//! Invariant: the server is one that the policy declares; no secret is printed.
//! Leaves to others: speaking HTTP and judging (`mcp::http`), dialling and keeping tokens (`session::remote`).

use std::io::{self, IsTerminal, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};

use crate::cli::{McpLogin, McpLogout, McpServe};
use crate::cmd::library::{self, Disk};
use crate::cmd::policy::here;
use crate::mcp::connection::{Asks, Tells};
use crate::mcp::http::oauth::{self, Client};
use crate::mcp::http::serve::{self, Serving};
use crate::mcp::pins::{Change, Pinned};
use crate::mcp::relay::{Changed, Now, Question, Relay, Side, Told};
use crate::policy::mcp::{Moment, Server};
use crate::policy::{Policy, Verdict};
use crate::recording::visible;
use crate::session::pins;
use crate::session::pins::held::{self, Guard, Held, Keys, Voice};
use crate::session::remote::{self, Store};

/// The policy that is meant, and the server of it.
fn declared(choice: Option<&str>, name: &str) -> Result<(Policy, Server)> {
    let disk = Disk::new();
    let found = disk.find(choice.unwrap_or("agent")).and_then(|source| Policy::load(source, &disk, &here()));
    let policy = found.map_err(|error| anyhow::anyhow!("{}", library::told(&error)))?;
    let server = policy.servers().iter().find(|server| server.name == name).cloned();
    let Some(server) = server else {
        bail!(
            "policy '{}' declares no server '{}'\nhint: [mcp.servers.{}] with url = \"https://…\"; --policy chooses another policy",
            policy.name(),
            visible(name.as_bytes()),
            visible(name.as_bytes())
        );
    };
    Ok((policy, server))
}

fn store() -> Store {
    remote::store(library::config_dir())
}

fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().context("cannot start a runtime")
}

/// Logs in to a server.
pub fn login(options: &McpLogin) -> Result<i32> {
    let (policy, server) = declared(options.policy.as_deref(), &options.name)?;
    let (address, ways) = (remote::address(&server)?, remote::ways(&policy)?);
    let known = options.client_id.as_ref().map(|id| Client { id: id.clone(), secret: secret(options) });
    let tokens = runtime()?.block_on(async {
        let mut place = oauth::discover(&ways, &address).await?;
        if !options.scope.is_empty() {
            place.scopes.clone_from(&options.scope);
        }
        let login = oauth::begin(&ways, place, known).await?;
        eprintln!("govsh: log in here, in a browser of this machine:\n{}", visible(login.page.as_bytes()));
        if !options.no_browser {
            open(&login.page);
        }
        login.finish(&ways, &address).await
    });
    let tokens = tokens.with_context(|| format!("cannot log in to server '{}'", server.name))?;
    let path = store().keep(&server.name, &tokens)?;
    eprintln!("govsh: logged in to '{}'; kept in {}", server.name, visible(path.as_os_str().as_encoded_bytes()));
    Ok(0)
}

/// From the environment: it is no word for a command line, which everybody on the machine can read.
fn secret(_: &McpLogin) -> String {
    std::env::var("GOVSH_CLIENT_SECRET").unwrap_or_default()
}

/// Opens a page in the user's browser, where there is one: the words before have said where to go.
fn open(page: &str) {
    let own = std::env::var("BROWSER").ok().filter(|program| !program.is_empty());
    let program = own.unwrap_or_else(|| if cfg!(target_os = "macos") { "open" } else { "xdg-open" }.to_owned());
    let opening =
        Command::new(program).arg(page).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    // It goes on without us.
    drop(opening);
}

/// Forgets what a log-in left.
pub fn logout(options: &McpLogout) -> Result<i32> {
    let known = options.name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if !known || options.name.starts_with('.') {
        bail!("'{}' is no name of a server", visible(options.name.as_bytes()));
    }
    match store().forget(&options.name)? {
        true => eprintln!("govsh: the tokens of '{}' are gone", options.name),
        false => bail!("there are no tokens of '{}'", options.name),
    }
    Ok(0)
}

/// Serves a server's relay on loopback until it is interrupted.
pub fn serve(options: &McpServe) -> Result<i32> {
    let (policy, server) = declared(options.policy.as_deref(), &options.name)?;
    let told = server.name.clone();
    let tell = Arc::new(move |what: &str| eprintln!("govsh: {told}: {}", visible(what.as_bytes())));
    let tells = Arc::new(Spoken { begun: Instant::now(), server: server.name.clone(), key: Arc::default() });
    let (guard, held) = held(&policy, &server, &tells)?;
    let remote = remote::of(&policy, &server, &store(), Arc::new(Keys(guard)), tell)?;
    let path = match &options.path {
        Some(path) if path.starts_with('/') => path.clone(),
        Some(path) => bail!("'{}' is no path: it begins with '/'", visible(path.as_bytes())),
        None => format!("/{}/mcp", *oauth::unguessable()?),
    };
    let port = options.port;
    let (keep, rules) = watch::channel(Arc::from(policy.mcp_rules()));
    let relay = held.hold(Relay::new(&server.name, Arc::clone(&rules.borrow())));
    runtime()?.block_on(async move {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = TcpListener::bind(addr).await.with_context(|| format!("cannot listen on {addr}"))?;
        let url = format!("http://{}{path}", listener.local_addr()?);
        let mut out = io::stdout().lock();
        writeln!(out, "{url}").and_then(|()| out.flush())?;
        drop(out);
        if io::stderr().is_terminal() {
            eprintln!("govsh: serves '{}' there until Ctrl-C; calls that a rule asks about are denied", server.name);
        }
        let serving = Serving { remote, path, rules, relay, asks: Arc::new(Nobody), tells };
        let error = serve::serve(listener, serving).await;
        drop(keep);
        Err(error).context("cannot serve any longer")
    })
}

/// What is pinned of the server, and who looks whether it is that: as in a session, but that nobody can be asked.
fn held(policy: &Policy, server: &Server, tells: &Arc<Spoken>) -> Result<(Arc<Guard>, Held)> {
    let (on_change, key) = (policy.on_change(), Arc::clone(&tells.key));
    let guard = Arc::new(Guard::new(library::pins(), &server.name, on_change, tells.clone(), key));
    let cwd = std::env::current_dir().context("cannot tell the current directory")?;
    let held = guard.look(&server.launch, None, &cwd).map_err(anyhow::Error::msg)?;
    Ok((guard, held))
}

/// Nobody can be asked.
struct Nobody;

impl Asks for Nobody {
    fn ask(&self, _: Question) -> oneshot::Receiver<bool> {
        oneshot::channel().1
    }
}

/// What is not passed on is said on standard error.
struct Spoken {
    begun: Instant,
    server: String,
    /// Of the server's certificate.
    key: Arc<OnceLock<String>>,
}

impl Spoken {
    /// Writes to the pins file where waiting is allowed; what cannot be kept is said.
    fn keep(&self, act: impl FnOnce(&pins::Store, &str) -> Result<(), pins::StoreError> + Send + 'static) {
        let name = self.server.clone();
        drop(tokio::task::spawn_blocking(move || {
            if let Err(error) = act(&library::pins(), &name) {
                eprintln!("govsh: {name}: its pins cannot be kept: {error}");
            }
        }));
    }
}

impl Voice for Spoken {
    fn accepts(&self, _: &[Change]) -> bool {
        eprintln!("govsh: {}: nobody can be asked here whether that is wanted", self.server);
        false
    }

    fn tell_changed(&self, changed: &Changed) {
        for change in &changed.changes {
            eprint!("govsh: {}: {}\n{}", self.server, change.title(), change.diff());
        }
        let outcome = if changed.verdict == Verdict::Allow { "passed on all the same" } else { "not passed on" };
        eprintln!(
            "govsh: {}: {outcome}; hint: govsh mcp diff {}, govsh mcp pin {} --accept",
            self.server, self.server, self.server
        );
    }
}

impl Tells for Spoken {
    fn now(&self) -> Now {
        let time = jiff::Zoned::now();
        let weekday = u8::try_from(time.weekday().to_monday_zero_offset()).unwrap_or(0);
        let minute = u16::try_from(time.hour()).unwrap_or(0) * 60 + u16::try_from(time.minute()).unwrap_or(0);
        let at = u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let moment = Moment { unix: time.timestamp().as_second(), weekday, minute };
        Now { at, moment, terminal: false }
    }

    fn told(&self, told: Told) {
        if matches!(told.verdict, Some(Verdict::Deny | Verdict::Ask)) {
            let rule = if told.rule.is_empty() { "default" } else { &told.rule };
            let hint = match told.verdict {
                Some(Verdict::Ask) => ", which asks; hint: only a session can ask, with 'govsh mcp connect' in it",
                _ => "",
            };
            let what = format!("{} {} denied by {rule}", told.method, told.name);
            eprintln!("govsh: {}: {}{hint}", self.server, visible(what.as_bytes()));
        }
    }

    fn changed(&self, changed: Changed) {
        self.tell_changed(&changed);
        self.keep(move |store, name| held::note(store, name, &changed.changes));
    }

    fn pin(&self, pinned: Pinned) {
        let pinned = held::with_key(pinned, &self.key);
        self.keep(move |store, name| store.keep(name, &pinned));
    }

    fn dropped(&self, side: Side, what: &str) {
        let side = if side == Side::Client { "client" } else { "server" };
        eprintln!("govsh: {}: of the {side}, not passed on: {}", self.server, visible(what.as_bytes()));
    }
}
