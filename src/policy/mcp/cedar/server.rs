//! `register`: whether a declared server may be had at all.
//!
//! Invariant: what the declaration does not tell (how a remote server registers its clients, what a program needs) is tried
//! both ways, and a server is had only where all of them are permitted: default deny, as for calls.
//! Leaves to others: where that is asked (`load`).

use cedar_policy::RestrictedExpression as Expression;

use super::super::{Launch, Server};
use super::asked::{Asked, entity, surroundings, uid};
use super::{Failed, Statement, matches};
use crate::policy::Verdict;

/// Why a server may not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Index of the statement; None where none permits it.
    pub by: Option<usize>,
    pub reason: String,
}

/// What the statements of all files say of a server.
pub fn registration(statements: &[&Statement], server: &Server) -> Result<(), Refused> {
    let asked = worlds(server).map_err(|Failed(reason)| Refused { by: None, reason })?;
    asked.iter().try_for_each(|world| permitted(statements, world))
}

fn permitted(statements: &[&Statement], world: &Asked) -> Result<(), Refused> {
    let (mut permits, mut asks) = (false, None);
    for (index, statement) in statements.iter().enumerate().filter(|(_, statement)| !statement.is_inert) {
        let refused = |reason: &str| Refused { by: Some(index), reason: reason.to_owned() };
        match (matches(&statement.whole, &world.request, &world.entities), statement.effect) {
            (Ok(false), _) => {}
            (Ok(true), Verdict::Deny) => return Err(refused("forbids it")),
            (Ok(true), Verdict::Allow) => permits = true,
            (Ok(true), Verdict::Ask) => asks = asks.or(Some(index)),
            (Err(Failed(why)), _) => return Err(refused(&format!("cannot be evaluated for it: {why}"))),
        }
    }
    match (asks, permits) {
        // As there: nobody is asked when a server is registered, and approval goes before a plain permit.
        (Some(_), _) => Err(Refused { by: asks, reason: "wants approval, which is for calls alone".to_owned() }),
        (None, true) => Ok(()),
        (None, false) => Err(Refused { by: None, reason: "no statement permits it".to_owned() }),
    }
}

/// The server as each of those that it may be.
fn worlds(server: &Server) -> Result<Vec<Asked>, Failed> {
    const BOTH: [bool; 2] = [false, true];
    let all: Vec<(&str, bool, bool)> = match &server.launch {
        // Also a command that starts a container: that type is for what another program packages.
        Launch::Command(_) => BOTH.map(|network| ("local-stdio", false, network)).to_vec(),
        Launch::Url(_) => {
            ["remote-dcr", "remote-no-dcr"].into_iter().flat_map(|kind| BOTH.map(|oauth| (kind, oauth, true))).collect()
        }
    };
    all.into_iter().map(|(kind, oauth, network)| world(server, kind, oauth, network)).collect()
}

fn world(server: &Server, kind: &str, oauth: bool, network: bool) -> Result<Asked, Failed> {
    let text = |text: &str| Expression::new_string(text.to_owned());
    let (url, command, words) = match &server.launch {
        Launch::Url(url) => (url.as_str(), "", &[][..]),
        Launch::Command(words) => match words.split_first() {
            Some((command, words)) => ("", command.as_str(), words),
            None => ("", "", &[][..]),
        },
    };
    let attributes = vec![
        ("name", text(&server.name)),
        ("type", text(kind)),
        ("identityURL", text(url)),
        ("requiresOAuth", Expression::new_bool(oauth)),
        ("requiresNetwork", Expression::new_bool(network)),
        ("command", text(command)),
        ("args", Expression::new_set(words.iter().map(|word| text(word)))),
    ];
    Asked::about("register", vec![entity(uid("Server", &server.name)?, attributes, None)?], surroundings())
}
