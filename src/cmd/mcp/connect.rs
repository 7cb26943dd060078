//! `govsh mcp connect`: splices its standard streams to a server of the session's, through the front.
//!
//! Invariant: every byte goes on as it came; the exit status is the server's. It holds nothing that the agent may not have:
//! the agent runs it, and could do the same without it.
//! Leaves to others: starting the server, and judging (`session::servers`).

use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use anyhow::{Context, Result, bail};

use crate::cli::McpConnect;
use crate::session::FAILED;
use crate::session::servers::frames::{HEAD, Kind, LARGEST, read_head};
use crate::supervisor::RELAY;

pub fn connect(options: &McpConnect) -> Result<i32> {
    let mut socket = match UnixStream::connect(RELAY) {
        Ok(socket) => socket,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => bail!(
            "no MCP servers are to be had here\nhint: an agent runs this inside a session whose policy declares them: [mcp.servers.{}]",
            crate::recording::visible(options.name.as_bytes())
        ),
        Err(error) => return Err(error).context("cannot reach the session's MCP servers"),
    };
    socket.write_all(format!("{}\n", options.name).as_bytes()).context("cannot name the server")?;
    let to_server = socket.try_clone().context("cannot copy a descriptor")?;
    // It ends with the process: nobody can interrupt a read of stdin.
    std::thread::Builder::new().spawn(move || pass_on(to_server)).context("cannot start a thread")?;
    hear(socket)
}

/// Everything from stdin to the server, and then its end.
fn pass_on(mut to: UnixStream) {
    let (mut from, mut buffer) = (io::stdin().lock(), vec![0; LARGEST]);
    loop {
        match from.read(&mut buffer) {
            Ok(bytes @ 1..) if to.write_all(&buffer[..bytes]).is_ok() => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            _ => break,
        }
    }
    // A server that is gone needs to be told nothing.
    let _ = to.shutdown(Shutdown::Write);
}

/// Frames of the front's to where they belong; the exit status.
fn hear(socket: UnixStream) -> Result<i32> {
    // One call for a head and what follows it.
    let mut socket = BufReader::with_capacity(HEAD + LARGEST, socket);
    let (mut head, mut buffer) = ([0; HEAD], vec![0; LARGEST]);
    loop {
        match socket.read_exact(&mut head) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => bail!("the session has closed the connection"),
            Err(error) => return Err(error).context("cannot hear from the session"),
        }
        let (kind, length) = read_head(head).context("the session says what is not understood")?;
        let bytes = &mut buffer[..length];
        socket.read_exact(bytes).context("cannot hear from the session")?;
        match kind {
            Kind::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(bytes).and_then(|()| out.flush()).context("cannot write")?;
            }
            // Who has closed it wants none of it.
            Kind::Stderr => drop(io::stderr().write_all(bytes)),
            Kind::Exit => return Ok(<[u8; 4]>::try_from(&*bytes).map_or(FAILED, i32::from_le_bytes)),
            Kind::Refused => bail!("{}", crate::recording::visible(bytes)),
        }
    }
}
