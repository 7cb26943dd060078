//! `[mcp.servers]` → servers that can be started: program, policy, variables.
//!
//! Invariant: the policy of every server is read before anything runs; one that cannot be is the end of it. A program that is
//! not there is told to whoever wants that server.
//! Leaves to others: starting them (`session::servers`).

use std::ffi::{OsStr, OsString};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::place::Place;
use super::program::Program;
use crate::cmd::library::{self, Disk};
use crate::policy::mcp::{Launch, Server};
use crate::policy::{Audit, Policy};
use crate::session::remote;
use crate::session::servers::{Command, Declarations, Declared, How};

/// The servers of this policy, and how to find those of the one that replaces it.
pub fn declared(
    policy: &Policy,
    session: &Path,
    own: &[PathBuf],
    audit: Audit,
    cwd: &Path,
) -> Result<Declarations, String> {
    let (session, own, cwd) = (session.to_owned(), own.to_vec(), cwd.to_owned());
    let mut round = 0;
    let mut find = move |policy: &Policy| {
        round += 1;
        let servers = policy.servers().iter().enumerate();
        servers.map(|(at, server)| one(server, (round, at), (&session, &own), audit, &cwd).map(Arc::new)).collect()
    };
    let now = find(policy)?;
    Ok(Declarations { now, again: Some(Box::new(find)), pins: library::pins() })
}

fn one(
    server: &Server,
    (round, at): (u32, usize),
    (session, own): (&Path, &[PathBuf]),
    audit: Audit,
    cwd: &Path,
) -> Result<Declared, String> {
    let how = match &server.launch {
        Launch::Url(_) => How::Url(Box::new(server.clone()), remote::store(library::config_dir())),
        Launch::Command(words) => {
            let dir = session.join(format!("mcp-{round}-{at}"));
            let policy = policy(server, &dir, own).map_err(|why| {
                format!("MCP server '{}' cannot be started under policy '{}': {why}", server.name, server.policy)
            })?;
            How::Command(program(words, cwd).map(|program| {
                // Its own answers, whatever was answered to another or to itself under other rules.
                let realm = round.saturating_mul(1 << 16).saturating_add(u32::try_from(at).unwrap_or(u32::MAX));
                let audit = policy.record().audit.unwrap_or(audit);
                let (argv, env) = (words.clone(), server.env.clone());
                let (policy, digest) = (Arc::new(policy), OnceLock::new());
                Arc::new(Command { realm, dir, policy, audit, program, argv, env, digest })
            }))
        }
    };
    Ok(Declared { name: server.name.clone(), rule: server.rule, how })
}

/// The policy that it runs under, with a directory of its own in the session's, into which the agent cannot look.
fn policy(server: &Server, dir: &Path, own: &[PathBuf]) -> Result<Policy, String> {
    DirBuilder::new().mode(0o700).create(dir).map_err(|error| format!("cannot make '{}': {error}", dir.display()))?;
    let disk = Disk::new();
    let source = disk.find(&server.policy).map_err(|error| library::told(&error))?;
    // What the user's files say of servers is meant for agents.
    library::load_source(source, &disk, OsStr::new(""), dir, own)
        .map(Policy::of_server)
        .map_err(|error| library::told(&error))
}

fn program(words: &[String], cwd: &Path) -> Result<PathBuf, String> {
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    let place = Place { user: String::new(), cwd: cwd.to_owned() };
    Program::find(&words, &place).map(|program| program.path).map_err(|error| error.to_string())
}
