//! `govsh watch`: running sessions, as a list or one of them, on the terminal; or listed once.
//!
//! Invariant: without a terminal nothing but text is written, and it ends by itself.
//! Leaves to others: the views (`tui`), the sessions (`session::control`).

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use serde_json::{Map, Value, json};

use super::paint::{home, printed};
use crate::cli::Watch;
use crate::recording::visible;
use crate::session::control::client::{self, Found, Seen};
use crate::tui::app::{App, Begin, Options};
use crate::tui::panels::Tone;
use crate::tui::panels::ascii::is_utf8;
use crate::tui::source::{Live, Recorded};
use crate::tui::terminal::Terminal;
use crate::tui::watch::{self, Attached, Left, List, Session, Tie};
use crate::tui::{Theme, view};

/// Shows them until the person leaves.
pub fn watch(options: &Watch) -> anyhow::Result<i32> {
    let chosen = options.session.as_deref().map(client::resolve).transpose();
    let chosen = chosen.map_err(|error| anyhow::anyhow!("{}", visible(error.to_string().as_bytes())))?;
    if options.json || !io::stdout().is_terminal() || !Terminal::is_there() {
        let mut found = client::list();
        if let Some(id) = &chosen {
            found.retain(|found| found.id == *id);
        }
        return once(&found, options.json);
    }
    let mut terminal = Terminal::take().context("cannot set up the terminal")?;
    let mut list = List::start(home()).context("cannot look for sessions")?;
    if let Some(id) = chosen {
        let live = Attached::to(&id).map_err(|error| anyhow::anyhow!("{}", visible(error.to_string().as_bytes())))?;
        match live.recording().map(PathBuf::from) {
            Some(recording) => return view_of(&mut terminal, &id, &recording, Some(live)),
            None => list.open_at_once(&id),
        }
    }
    loop {
        match list.run(&mut terminal).context("cannot show the sessions")? {
            Left::Quit => return Ok(0),
            Left::Signal(signal) => return Ok(128 + signal),
            Left::Open { id, recording, ended } => {
                let live = if ended { None } else { Attached::to(&id).ok() };
                match view_of(&mut terminal, &id, Path::new(&recording), live) {
                    // It was left: the list again.
                    Ok(0) => {}
                    Ok(status) => return Ok(status),
                    Err(error) => list.say(&format!("{id}: {error:#}"), Tone::Deny),
                }
            }
        }
    }
}

/// The view of one session, until it is left; its status.
fn view_of(terminal: &mut Terminal, id: &str, recording: &Path, live: Option<Attached>) -> anyhow::Result<i32> {
    let file = visible(recording.as_os_str().as_encoded_bytes());
    let source = Recorded::open(recording.to_owned()).with_context(|| format!("cannot read recording '{file}'"))?;
    let options = Options {
        begin: if live.is_some() { Begin::Follow } else { Begin::Start },
        home: home(),
        name: id.to_owned(),
        ascii: !is_utf8(|name| std::env::var(name).ok()),
        grows: live.is_some(),
        ..Options::default()
    };
    let live = live.map(|live| Box::new(live) as Box<dyn Live>);
    let mut app = App::new(Box::new(source), live, Theme::detect(), options)?;
    view::show(terminal, &mut app).context("cannot show the session")
}

/// What runs now.
fn once(found: &[Found], json: bool) -> anyhow::Result<i32> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let outcome = if json {
        let list: Vec<Value> = found.iter().map(object).collect();
        super::json::pretty(&mut out, &list)
    } else if found.is_empty() {
        writeln!(out, "no session runs")
    } else {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let now = i64::try_from(now).unwrap_or(0);
        let mut rows: Vec<_> = found.iter().map(|found| watch::row(&seen(found), now, &home())).collect();
        watch::sort(&mut rows);
        watch::text(&rows).iter().try_for_each(|line| writeln!(out, "{line}"))
    };
    printed(outcome.and_then(|()| out.flush()), 0)
}

/// As the list on the terminal would have it.
fn seen(found: &Found) -> Session {
    let silent = |tie| Session::new(found.id.clone(), Default::default(), tie);
    match &found.seen {
        Seen::Stopped => silent(Tie::Stopped),
        Seen::Silent => silent(Tie::Silent),
        Seen::Alive { hello, status } => {
            let mut session = Session::new(found.id.clone(), hello.as_ref().clone(), Tie::Seen);
            session.status = status.as_ref().clone();
            session
        }
    }
}

/// Everything that the session tells of itself.
fn object(found: &Found) -> Value {
    let members = |value: Value| match value {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    match &found.seen {
        Seen::Stopped => json!({ "id": found.id, "state": "stopped" }),
        Seen::Silent => json!({ "id": found.id, "state": "silent" }),
        Seen::Alive { hello, status } => {
            let mut all = members(json!(hello));
            all.extend(members(json!(status)));
            all.remove("skipped");
            Value::Object(all)
        }
    }
}
