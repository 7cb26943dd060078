//! What a client that has said hello may want, done.
//!
//! Invariant: whatever is done is recorded with who wanted it; an operation either says what became of it or why not.
//! Leaves to others: the lines (`super`), answers (`session::answers`), the processes (`pump`, `monitor`).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{HEARTBEAT, Subscribed, Visitor};
use crate::event::{By, Event};
use crate::recording;
use crate::session::answers;
use crate::session::control::protocol::{Given, LABEL, Op, Pending, Role, State, Status};
use crate::session::control::{Beat, Shared, What, Wish};
use crate::supervisor::questions::Reply;

/// How long freezing or thawing may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// A session without events for so long is idle.
const IDLE: Duration = Duration::from_secs(5);
/// Bytes of all questions in one line; those that are left out follow when others are answered.
const QUESTIONS: usize = 1 << 20;

impl Visitor<'_> {
    pub(super) fn act(&mut self, op: Op) -> Result<Value, String> {
        match op {
            Op::Status {} => Ok(json!(self.status())),
            Op::Questions {} => Ok(self.questions()),
            Op::Answer(given) => self.settle(&given),
            Op::Marker { label } => self.mark(label),
            Op::Freeze {} => self.freeze(),
            Op::Thaw {} => self.thaw(),
            Op::End { now } => {
                let wish = Wish { what: What::End { now }, by: self.by() };
                self.shared.bell.wish(wish, Duration::ZERO, |_| true);
                Ok(Value::Null)
            }
            Op::Screen {} => match self.shared.pulse.screen() {
                Some(dump) => {
                    let (Beat { cols, rows, .. }, mut text) = (self.shared.pulse.read(), Vec::new());
                    recording::to_base64(&mut text, &dump);
                    Ok(json!({ "cols": cols, "rows": rows, "dump": String::from_utf8_lossy(&text) }))
                }
                None => Err("the screen is in the recording".to_owned()),
            },
            Op::Subscribe { answers } => {
                self.subscribe(answers);
                Ok(Value::Null)
            }
            Op::Reload {} => self.reload(),
            Op::Hello { .. } => Err("hello was said already".to_owned()),
        }
    }

    /// Says it again to change whether somebody answers there.
    fn subscribe(&mut self, answers: bool) {
        if self.subscribed.is_none() {
            self.shared.pulse.follow(true);
        }
        let questions = &self.shared.questions;
        let long_ago = Instant::now().checked_sub(HEARTBEAT).unwrap_or_else(Instant::now);
        self.subscribed = Some(Subscribed {
            looked: long_ago,
            at: long_ago,
            told: Status::default(),
            skipped: 0,
            // Without it they are still told with every status.
            changed: questions.changed().ok(),
            news: true,
            _attendance: answers.then(|| questions.attend()),
        });
    }

    pub(super) fn questions(&self) -> Value {
        let (mut list, mut bytes) = (Vec::new(), 0);
        for waiting in self.shared.questions.waiting() {
            let left = u64::try_from(waiting.left.as_millis()).unwrap_or(u64::MAX);
            let value = Pending::to_value(&waiting.ask, left, waiting.calls as u64);
            bytes += value.to_string().len();
            if bytes > QUESTIONS && !list.is_empty() {
                break;
            }
            list.push(value);
        }
        json!({ "questions": list })
    }

    fn settle(&self, given: &Given) -> Result<Value, String> {
        let (verdict, scope) = given.meaning()?;
        let questions = &self.shared.questions;
        // The terminal as it was when the question was put is what a watcher has seen at least.
        let put = || questions.waiting().into_iter().find(|waiting| waiting.ask.id == given.ask)?.seq;
        let reply = Reply {
            verdict,
            scope,
            choice: given.choice,
            by: if self.role == Some(Role::Command) { By::Command } else { By::Watch },
            who: self.who.clone(),
            screen: given.screen.or_else(put),
            rule: String::new(),
        };
        let said = answers::settle(questions, &self.shared.answers, given.ask, reply);
        said.map(|said| json!({ "said": said })).map_err(|error| told(&error))
    }

    fn reload(&self) -> Result<Value, String> {
        let told = self.shared.reload.reload()?;
        self.shared.bus.publish(Event::Marker { label: "policy reloaded".to_owned(), by: self.by() });
        Ok(json!({ "told": told }))
    }

    /// As it stands in markers.
    fn by(&self) -> String {
        format!("watch:{}", self.who)
    }

    fn mark(&mut self, label: String) -> Result<Value, String> {
        if label.trim().is_empty() {
            return Err("a marker needs a text".to_owned());
        }
        if label.len() > LABEL {
            return Err(format!("a marker's text has at most {LABEL} bytes"));
        }
        self.shared.bus.publish(Event::Marker { label, by: self.by() });
        Ok(Value::Null)
    }

    fn freeze(&mut self) -> Result<Value, String> {
        let wish = Wish { what: What::Freeze, by: self.by() };
        let standing = self.shared.bell.wish(wish, PATIENCE, |standing| standing.frozen.is_some());
        match standing.frozen {
            Some(frozen) => Ok(json!({ "processes": frozen.processes, "whole": frozen.whole, "by": frozen.by })),
            None if standing.over => Err("the session is over".to_owned()),
            None => Err("the session could not be stopped in time".to_owned()),
        }
    }

    fn thaw(&mut self) -> Result<Value, String> {
        let wish = Wish { what: What::Thaw, by: self.by() };
        let standing = self.shared.bell.wish(wish, PATIENCE, |standing| standing.frozen.is_none());
        if standing.frozen.is_some() { Err("the session did not go on in time".to_owned()) } else { Ok(Value::Null) }
    }

    pub(super) fn status(&self) -> Status {
        let Shared { pulse, bell, bus, .. } = self.shared;
        let (beat, standing) = (pulse.read(), bell.standing());
        let elapsed = bus.elapsed();
        let quiet = elapsed.saturating_sub(beat.at);
        let waiting = self.shared.questions.waiting().len() as u64;
        let state = match () {
            () if standing.over => State::Ended,
            () if standing.frozen.is_some() => State::Frozen,
            () if waiting > 0 => State::Asks,
            () if u128::from(quiet) >= IDLE.as_nanos() => State::Idle,
            () => State::Working,
        };
        Status {
            state,
            elapsed: elapsed / 1_000_000,
            quiet: quiet / 1_000_000,
            events: beat.events,
            output: beat.output,
            denied: beat.denied,
            asked: beat.asked,
            waiting,
            seq: beat.seq,
            last: beat.last,
            cols: beat.cols,
            rows: beat.rows,
            frozen: standing.frozen.map(|frozen| frozen.by),
            watchers: *self.shared.visitors() as u64,
            exit: standing.exit,
            skipped: 0,
        }
    }
}

/// With its causes, in one line.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
