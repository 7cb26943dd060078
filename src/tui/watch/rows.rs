//! A session as one row, and which row comes first.
//!
//! Invariant: pure; whatever a session said of itself has its control characters made visible here.

use std::time::Duration;

use super::rates::Rates;
use super::roster::{Session, Tie};
use crate::recording::summary::home_short;
use crate::recording::visible;
use crate::session::control::protocol::State;

/// What a row shows.
#[derive(Debug, Clone, Default)]
pub struct Row {
    pub id: String,
    pub agent: String,
    pub place: String,
    pub age: String,
    pub state: String,
    pub denied: u64,
    /// Questions that wait.
    pub asks: u64,
    pub events: Rates,
    pub output: Rates,
    pub last: String,
    pub policy: String,
    pub urgency: Urgency,
    pub started: i64,
}

/// What a person has to do with it; the most urgent last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Urgency {
    Over,
    #[default]
    None,
    Asks,
}

/// `now` is Unix time in seconds; `home` the home directory, empty for none.
pub fn row(session: &Session, now: i64, home: &[u8]) -> Row {
    let (hello, status) = (&session.hello, &session.status);
    let shown = |text: &str| visible(text.as_bytes());
    let asks = status.waiting.max(session.questions.len() as u64);
    let state = match &session.tie {
        Tie::Stopped => "stopped".to_owned(),
        Tie::Silent => "silent".to_owned(),
        Tie::Ended(_) => status.exit.map_or("ended".to_owned(), |exit| format!("exit {exit}")),
        Tie::Connected(_) | Tie::Seen if asks > 0 => "asks ●".to_owned(),
        Tie::Connected(_) | Tie::Seen => match status.state {
            State::Idle => format!("idle {}", short(Duration::from_millis(status.quiet))),
            State::Working | State::Asks => "working".to_owned(),
            State::Frozen => "frozen".to_owned(),
            State::Ended => "ending".to_owned(),
        },
    };
    let urgency = match &session.tie {
        Tie::Ended(_) => Urgency::Over,
        Tie::Connected(_) | Tie::Seen if asks > 0 => Urgency::Asks,
        _ => Urgency::None,
    };
    let age = if hello.started > 0 { now.saturating_sub(hello.started).max(0).unsigned_abs() } else { 0 };
    Row {
        id: shown(&session.id),
        agent: shown(&hello.agent),
        place: home_short(hello.cwd.as_bytes(), home),
        age: short(Duration::from_secs(age)),
        state,
        denied: status.denied,
        asks,
        events: session.events.clone(),
        output: session.output.clone(),
        last: shown(&status.last),
        policy: shown(&hello.policy),
        urgency,
        started: hello.started,
    }
}

/// Whoever needs a person first, the ended last, and the newest first among equals.
pub fn sort(rows: &mut [Row]) {
    rows.sort_by(|a, b| (b.urgency, b.started, &b.id).cmp(&(a.urgency, a.started, &a.id)));
}

/// `8s`, `12m`, `3h`, `2d`.
pub fn short(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3_600 => format!("{}m", seconds / 60),
        seconds @ 3_600..86_400 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}
