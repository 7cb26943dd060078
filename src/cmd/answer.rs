//! `govsh answer`: the questions of a running session, listed and answered from anywhere.
//!
//! Invariant: says exactly what the session made of the answer; whoever was quicker is named, and then nothing is changed.
//! Leaves to others: what an answer does (`session::answers`), how it gets there (`session::control`).

use std::io::{self, Write};
use std::time::Duration;

use anyhow::Context;
use serde_json::json;

use super::paint::{Paint, home, printed};
use crate::cli::{Answer, Holds, Say};
use crate::event::{Ask, Kind, Scope};
use crate::policy::Verdict;
use crate::recording::summary::{cut, home_short, lasted, object, verb};
use crate::recording::{place, visible};
use crate::session::control::client::{self, Client, ClientError};
use crate::session::control::protocol::{Given, Pending, Role};

/// Exit status when the answer was not taken.
const NOT_TAKEN: i32 = 1;

/// Answers, or lists what waits.
pub fn answer(options: &Answer) -> anyhow::Result<i32> {
    let mut client = client::resolve(&options.session)
        .and_then(|id| Client::connect_within(&id, Role::Command, client::NAMED))
        .map_err(|error| anyhow::anyhow!("{}\nhint: 'govsh watch' lists the sessions that run", told(&error)))?;
    match (options.question, options.verdict) {
        (Some(question), Some(verdict)) => give(&mut client, question, verdict, options),
        _ => list(&mut client, options.json),
    }
}

fn give(client: &mut Client, question: u64, verdict: Say, options: &Answer) -> anyhow::Result<i32> {
    let verdict = match verdict {
        Say::Allow => Verdict::Allow,
        Say::Deny => Verdict::Deny,
    };
    let scope = match options.scope {
        Holds::Once => Scope::Once,
        Holds::Session => Scope::Session,
        Holds::Program => Scope::Program,
        Holds::Always => Scope::Always,
        Holds::Never => Scope::Never,
    };
    let given = Given::new(question, verdict, scope, usize::from(options.choice) - 1);
    let (status, taken, said) = match client.answer(given) {
        Ok(said) => (0, true, said),
        Err(ClientError::Refused(why)) => (NOT_TAKEN, false, why),
        Err(error) => return Err(error).context("the answer may not have arrived"),
    };
    let said = visible(said.as_bytes());
    let mut out = io::stdout().lock();
    let outcome = if options.json {
        super::json::line(&mut out, &json!({ "session": client.id(), "ask": question, "taken": taken, "said": said }))
    } else if taken {
        writeln!(out, "{said}")
    } else {
        eprintln!("govsh: {said}");
        Ok(())
    };
    printed(outcome, status)
}

fn list(client: &mut Client, json: bool) -> anyhow::Result<i32> {
    let questions = client.questions()?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let outcome = if json {
        let list: Vec<_> = questions.iter().map(|one| Pending::to_value(&one.ask, one.left, one.calls)).collect();
        super::json::pretty(&mut out, &list)
    } else if questions.is_empty() {
        writeln!(out, "no question of session {} waits", client.id())
    } else {
        questions.iter().try_for_each(|question| told_whole(&mut out, client.id(), question))
    };
    printed(outcome.and_then(|()| out.flush()), 0)
}

/// What the panel in the terminal shows, as lines.
fn told_whole(out: &mut impl Write, id: &str, question: &Pending) -> io::Result<()> {
    let (paint, home, ask) = (Paint::stdout(), home(), &question.ask);
    let object = match ask.of {
        Kind::Exec | Kind::Mcp if !ask.argv.is_empty() => visible(&ask.argv.join(&b' ')),
        Kind::File => home_short(&whole(ask), &home),
        Kind::Exec | Kind::Net | Kind::Call | Kind::Mcp => visible(&whole(ask)),
    };
    let wants = verb(ask.of, ask.op, ask.access);
    let left = lasted(u64::try_from(Duration::from_millis(question.left).as_nanos()).unwrap_or(u64::MAX));
    writeln!(
        out,
        "{} {}",
        paint.warm(&format!("{:>3}", ask.id)),
        paint.bold(&format!("{wants} {}", cut(&object, 1_000)))
    )?;
    let line: Vec<String> = ask.ancestry.iter().map(|argv| cut(&visible(&argv.join(&b' ')), 60)).collect();
    writeln!(out, "    {} in {}", line.join(" › "), home_short(&ask.cwd, &home))?;
    let calls = if question.calls == 1 { String::new() } else { format!(", {} calls", question.calls) };
    writeln!(out, "    rule: {}; {left} left{calls}", visible(ask.rule.as_bytes()))?;
    if !ask.reason.is_empty() {
        writeln!(out, "    because: {}", visible(ask.reason.as_bytes()))?;
    }
    for (number, choice) in (1..).zip(&ask.choices) {
        let (key, text) = (visible(choice.key.as_bytes()), visible(choice.text.as_bytes()));
        let place = if ask.file.is_empty() { String::new() } else { format!("  → {}", visible(ask.file.as_bytes())) };
        writeln!(out, "    --choice {number}: {key} \"{text}\"{place}")?;
    }
    writeln!(out, "    {}", paint.dim(&format!("govsh answer {id} {} allow|deny --for once", ask.id)))
}

/// Path, place or command line.
fn whole(ask: &Ask) -> Vec<u8> {
    let place = place(ask.host.as_deref(), ask.addr, ask.port);
    object(ask.of, place, &ask.path, &ask.path2, &ask.argv)
}

/// In the words of the session, made visible.
fn told(error: &ClientError) -> String {
    visible(error.to_string().as_bytes())
}
