//! What a policy's variables stood for in a session, as an object and back.
//!
//! Invariant: reads back as it was written, whatever the bytes of the paths.
//! Leaves to others: what they mean (`policy`), which part of the environment is kept (`Vars::meant`).

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use serde::Deserialize;

use super::json::Object;
use super::parse::{Fault, exact, exact_list};
use crate::policy::Vars;

pub(super) fn write(object: &mut Object<'_>, vars: &Vars) {
    object.bytes("home", "home_bytes", &vars.home);
    object.bytes("workdir", "workdir_bytes", &vars.workdir);
    object.bytes("tmp", "tmp_bytes", &vars.tmp);
    object.bytes("session", "session_bytes", &vars.session);
    object.byte_list("git", "git_bytes", &vars.git);
    object.byte_list("repo", "repo_bytes", &vars.repo);
    object.byte_list("command", "command_bytes", &vars.command);
    object.number("uid", vars.uid);
    let pairs = vars.env.iter().map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat());
    object.byte_list("env", "env_bytes", &pairs.collect::<Vec<_>>());
    object.byte_list("own", "own_bytes", &vars.state_dirs);
}

#[derive(Deserialize)]
pub(super) struct VarsLine {
    home: String,
    home_bytes: Option<String>,
    workdir: String,
    workdir_bytes: Option<String>,
    tmp: String,
    tmp_bytes: Option<String>,
    session: String,
    session_bytes: Option<String>,
    git: Vec<String>,
    git_bytes: Option<Vec<String>>,
    repo: Vec<String>,
    repo_bytes: Option<Vec<String>>,
    // of recordings that were made before there was such a variable
    #[serde(default)]
    command: Vec<String>,
    command_bytes: Option<Vec<String>>,
    uid: u32,
    env: Vec<String>,
    env_bytes: Option<Vec<String>>,
    own: Vec<String>,
    own_bytes: Option<Vec<String>>,
}

pub(super) fn read(line: VarsLine) -> Result<Vars, Fault> {
    let mut env = Vec::new();
    for pair in exact_list(line.env, line.env_bytes)? {
        let at = pair.iter().position(|byte| *byte == b'=').ok_or("a variable without a value")?;
        let (name, value) = (pair.get(..at).unwrap_or_default(), pair.get(at + 1..).unwrap_or_default());
        env.push((OsString::from_vec(name.to_vec()), OsString::from_vec(value.to_vec())));
    }
    Ok(Vars {
        home: exact(line.home.into(), line.home_bytes)?,
        workdir: exact(line.workdir.into(), line.workdir_bytes)?,
        tmp: exact(line.tmp.into(), line.tmp_bytes)?,
        session: exact(line.session.into(), line.session_bytes)?,
        git: exact_list(line.git, line.git_bytes)?,
        repo: exact_list(line.repo, line.repo_bytes)?,
        command: exact_list(line.command, line.command_bytes)?,
        uid: line.uid,
        env,
        state_dirs: exact_list(line.own, line.own_bytes)?,
    })
}
