//! `govsh policy reload`: a running session reads its policy again.
//!
//! Invariant: says exactly what the session made of it.
//! Leaves to others: reading and replacing (`session::reload`), the way there (`session::control`).

use std::io::{self, Write};

use anyhow::{Context, Result};
use serde_json::json;

use crate::cli::PolicyReload;
use crate::cmd::paint::printed;
use crate::recording::visible;
use crate::session::control::client::{self, Client, ClientError};
use crate::session::control::protocol::Role;

/// Exit status when nothing was changed.
const REFUSED: i32 = 1;

pub fn reload(options: &PolicyReload) -> Result<i32> {
    let client = client::resolve(&options.session)
        .and_then(|id| Client::connect_within(&id, Role::Command, client::NAMED))
        .map_err(|error| {
            let told = visible(error.to_string().as_bytes());
            anyhow::anyhow!("{told}\nhint: 'govsh watch' lists the sessions that run")
        });
    let mut client = client?;
    let (status, lines) = match client.reload() {
        Ok(lines) => (0, lines),
        Err(ClientError::Refused(why)) => (REFUSED, vec![why]),
        Err(error) => return Err(error).context("the session may have reloaded its policy"),
    };
    let mut out = io::stdout().lock();
    let shown = |line: &String| line.lines().map(|line| visible(line.as_bytes())).collect::<Vec<_>>().join("\n");
    let outcome = if options.json {
        super::super::json::line(&mut out, &json!({ "session": client.id(), "reloaded": status == 0, "said": lines }))
    } else if status == 0 {
        lines.iter().try_for_each(|line| writeln!(out, "{}", shown(line)))
    } else {
        eprintln!("govsh: nothing was changed: {}", lines.iter().map(shown).collect::<Vec<_>>().join("\n"));
        Ok(())
    };
    printed(outcome, status)
}
