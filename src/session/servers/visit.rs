//! One client's connection from its first line to the server's end.
//!
//! ```text
//! NAME ─ declared? ─ server started ─ mcp::connection ─ EOF, 5 s, SIGTERM, 5 s, SIGKILL ─ exit status
//! ```
//! Invariant: nothing reaches a server but through the relay, and nothing of a server the client but so, its stderr aside.
//! Leaves to others: judging (`mcp::relay`), processes (`tree`).

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::super::pins::held::{Guard, Held, Keys};
use super::bounds::{Bounds, Counted};
use super::client::{Client, Stdio};
use super::frames::Kind;
use super::teller::Teller;
use super::tree::{self, Pipes, Tree};
use super::{Command, Declared, How, Shared};
use crate::mcp::connection::{self, Ended, LINGER, Setup};
use crate::mcp::http::bridge;
use crate::mcp::relay::Relay;
use crate::policy::Verdict;
use crate::policy::mcp::{Launch, Server};
use crate::session::remote::{self, Store};

/// How long a client may take to say what it wants.
const FIRST_WORD: Duration = Duration::from_secs(5);
/// Words that nobody has heard yet.
const WORDS: usize = 16;
/// For what is left of a server's stderr when it has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Serves one client to its end.
pub async fn serve(shared: Arc<Shared>, socket: UnixStream) {
    let client = Client::new(socket);
    let Ok(Some(name)) = timeout(FIRST_WORD, client.name()).await else { return };
    let served = match shared.declared(&name) {
        None => Err(format!("the policy declares no MCP server '{}'", crate::recording::visible(name.as_bytes()))),
        Some(declared) => served(&shared, &client, &declared).await,
    };
    if let Err(why) = served {
        // It is told to nobody where nobody is left.
        let _ = timeout(LAST_WORDS, client.say(Kind::Refused, why.as_bytes())).await;
    }
}

async fn served(shared: &Arc<Shared>, client: &Arc<Client>, declared: &Arc<Declared>) -> Result<(), String> {
    let teller = Arc::new(Teller::new(shared, declared, shared.next()));
    let may = shared.may_start();
    let verdict = if may && !matches!(declared.how, How::Command(Err(_))) { Verdict::Allow } else { Verdict::Deny };
    let (told, of) = (teller.clone(), declared.clone());
    // It reads the program's bytes.
    drop(tokio::task::spawn_blocking(move || told.started(&of, verdict)).await);
    match &declared.how {
        _ if !may => Err("too many MCP servers were started in the last minute: try again later".to_owned()),
        How::Command(Err(why)) => Err(why.clone()),
        How::Command(Ok(command)) => by_command(shared, client, (declared, command), &teller).await,
        How::Url(server, store) => by_url(shared, client, (declared, server, store), &teller).await,
    }
}

/// Whether it is what it was.
async fn look(
    shared: &Arc<Shared>,
    guard: &Arc<Guard>,
    launch: Launch,
    program: Option<PathBuf>,
) -> Result<Held, String> {
    let (guard, cwd) = (guard.clone(), shared.cwd.clone());
    // It reads the program, and may wait for an answer.
    let looked = tokio::task::spawn_blocking(move || guard.look(&launch, program.as_deref(), &cwd)).await;
    looked.unwrap_or_else(|_| Err("the server's start was given up".to_owned()))
}

fn guard(shared: &Shared, declared: &Declared, teller: &Arc<Teller>) -> Arc<Guard> {
    let on_change = shared.policy.load().on_change();
    Arc::new(Guard::new(shared.pins.clone(), &declared.name, on_change, teller.clone(), teller.key()))
}

fn setup(shared: &Shared, declared: &Declared, teller: &Arc<Teller>, held: Held) -> Setup {
    let rules = shared.rules.subscribe();
    let relay = held.hold(Relay::new(&declared.name, Arc::clone(&rules.borrow())).counting(&shared.rates));
    let relay = relay.looking();
    let relay = if teller.keeps_all() { relay.telling_answers() } else { relay };
    Setup { relay, asks: teller.clone(), tells: teller.clone(), rules }
}

async fn by_command(
    shared: &Arc<Shared>,
    client: &Arc<Client>,
    (declared, command): (&Arc<Declared>, &Arc<Command>),
    teller: &Arc<Teller>,
) -> Result<(), String> {
    let launch = Launch::Command(command.argv.clone());
    let guard = guard(shared, declared, teller);
    let held = look(shared, &guard, launch, Some(command.program.clone())).await?;
    let (tree, pipes) = start(shared, command, teller.connection()).await?;
    teller.runs_as(tree.pid());
    let bounds = Bounds::new(command.policy.limits());
    let Pipes { stdin, stdout, stderr } = pipes;
    let failed = |error: io::Error| format!("cannot use the server's pipes: {error}");
    let said = Counted(pipe::Receiver::from_owned_fd(stdout).map_err(failed)?, bounds.clone());
    let server = tokio::io::join(said, Input::new(stdin).map_err(failed)?);
    let words = tokio::spawn(pass_on_stderr(
        Counted(pipe::Receiver::from_owned_fd(stderr).map_err(failed)?, bounds.clone()),
        client.clone(),
        teller.clone(),
    ));
    let carried = connection::run(Stdio(client.clone()), server, setup(shared, declared, teller, held));
    let ended = tokio::select! {
        ended = carried => ended,
        never = bounds.hold(&declared.name, &tree, &shared.bus) => match never {},
    };
    stop(&tree, ended).await;
    shared.forget(teller.connection());
    // Whoever has inherited its stderr is gone: what is left is there.
    let _ = timeout(LAST_WORDS, words).await;
    teller.ended(tree.status(), ended);
    let status = tree.status().unwrap_or(super::super::FAILED);
    // A client that is gone does not need it.
    let _ = timeout(LAST_WORDS, client.say(Kind::Exit, &status.to_le_bytes())).await;
    Ok(())
}

/// A server elsewhere: what is wrong on the way to it is told where a program would write to its standard error.
async fn by_url(
    shared: &Arc<Shared>,
    client: &Arc<Client>,
    (declared, server, store): (&Arc<Declared>, &Server, &Store),
    teller: &Arc<Teller>,
) -> Result<(), String> {
    let guard = guard(shared, declared, teller);
    let held = look(shared, &guard, server.launch.clone(), None).await?;
    let (words, mut heard) = mpsc::channel::<Vec<u8>>(WORDS);
    // A client that does not listen loses words, and nothing waits for it.
    let tell = Arc::new(move |what: &str| drop(words.try_send(format!("govsh: {what}\n").into_bytes())));
    let (policy, server, store) = (shared.policy.load_full(), server.clone(), store.clone());
    // Its credential may be a program's to say.
    let found = tokio::task::spawn_blocking(move || remote::of(&policy, &server, &store, Arc::new(Keys(guard)), tell));
    let remote = found.await.map_err(|error| error.to_string())?.map_err(|error| told(&error))?;
    let (listener, hears) = (client.clone(), teller.clone());
    let words = tokio::spawn(async move {
        while let Some(word) = heard.recv().await {
            hears.stderr(&word);
            if listener.say(Kind::Stderr, &word).await.is_err() {
                return;
            }
        }
    });
    let ended = connection::run(Stdio(client.clone()), bridge(remote), setup(shared, declared, teller, held)).await;
    let _ = timeout(LAST_WORDS, words).await;
    teller.ended(Some(0), ended);
    // A client that is gone does not need it.
    let _ = timeout(LAST_WORDS, client.say(Kind::Exit, &0_i32.to_le_bytes())).await;
    Ok(())
}

/// Starts the server where waiting is allowed, and notes it for the end of the session.
async fn start(shared: &Arc<Shared>, command: &Arc<Command>, connection: u64) -> Result<(Arc<Tree>, Pipes), String> {
    let (at, command) = (shared.clone(), command.clone());
    let started = tokio::task::spawn_blocking(move || {
        let (tree, pipes) = tree::start(&at, &command, connection).map_err(|error| told(&error))?;
        let tree = Arc::new(tree);
        match at.note(connection, &tree) {
            true => Ok((tree, pipes)),
            false => {
                tree.end();
                Err("the session ends".to_owned())
            }
        }
    });
    started.await.unwrap_or_else(|_| Err("the server's start was given up".to_owned()))
}

/// The error with its causes.
fn told(error: &dyn std::error::Error) -> String {
    let mut line = format!("cannot start the server: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        line = format!("{line}: {cause}");
        source = cause.source();
    }
    line
}

/// The connection is over and the server has seen the end of its input: now it ends, politely first.
async fn stop(tree: &Tree, ended: Ended) {
    let polite = match ended {
        Ended::Server => LINGER,
        // It has had its time already, or does not keep to the protocol.
        Ended::Client | Ended::Broken(_) => Duration::ZERO,
    };
    if tree.ends_within(polite).await {
        return;
    }
    tree.ask_to_end();
    if !tree.ends_within(LINGER).await {
        tree.end();
        tree.ends_within(LINGER).await;
    }
}

/// What the server says on stderr: to the client byte for byte, and into the record. It is heard to its end, whoever listens.
async fn pass_on_stderr(mut stderr: Counted<pipe::Receiver>, client: Arc<Client>, teller: Arc<Teller>) {
    let mut buffer = vec![0; super::frames::LARGEST];
    let mut is_heard = true;
    while let Ok(bytes @ 1..) = stderr.read(&mut buffer).await {
        let bytes = buffer.get(..bytes).unwrap_or_default();
        teller.stderr(bytes);
        is_heard = is_heard && client.say(Kind::Stderr, bytes).await.is_ok();
    }
}

/// A server's stdin: shutting it down closes it, since a pipe has no other end of input.
struct Input(Option<pipe::Sender>);

impl Input {
    fn new(stdin: OwnedFd) -> io::Result<Input> {
        pipe::Sender::from_owned_fd(stdin).map(|sender| Input(Some(sender)))
    }

    fn with<T>(&mut self, act: impl FnOnce(Pin<&mut pipe::Sender>) -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &mut self.0 {
            Some(sender) => act(Pin::new(sender)),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }
}

impl AsyncWrite for Input {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.with(|sender| sender.poll_write(cx, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|sender| sender.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0 = None;
        Poll::Ready(Ok(()))
    }
}
