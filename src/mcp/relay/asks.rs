//! What the server says of its own accord: requests to the client, notifications.

use std::sync::Arc;

use super::super::message::Id;
use super::super::reply;
use super::parked::{About, Parked};
use super::{Asked, MOST_OPEN, Now, Question, Relay, Side, Step};
use crate::policy::Verdict;
use crate::policy::mcp::{Call, Subject, Value};

/// What servers tell in one revision or another.
const KNOWN: [&str; 9] = [
    "notifications/cancelled",
    "notifications/progress",
    "notifications/message",
    "notifications/tools/list_changed",
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
    "notifications/resources/updated",
    "notifications/elicitation/complete",
    "notifications/subscriptions/acknowledged",
];

impl Relay {
    /// A request of the server's.
    pub(super) fn server_asks(&mut self, line: &[u8], id: Id, method: &str, params: &Value, now: Now) -> Vec<Step> {
        if self.from_server.contains_key(&id) || self.from_server.len() >= MOST_OPEN {
            return vec![Step::dropped(Side::Server, "an id that is in use, or too many open requests")];
        }
        if self.features.is_modern_alone() {
            // Since 2026-07-28 a server asks within its results.
            let what = format!("request '{method}': in this revision servers make none");
            return vec![Step::dropped(Side::Server, &what), Step::Server(reply::declined(&id, method))];
        }
        let task = params.field("taskId").and_then(Value::text);
        let is_own_task =
            method.starts_with("tasks/") && task.is_some_and(|task| self.shared().tasks.is_of_client(task));
        if method == "ping" || is_own_task {
            self.from_server.insert(id, Asked { method: method.to_owned(), is_parked: false });
            return vec![Step::Client(line.to_vec())];
        }
        let (rules, server) = (Arc::clone(&self.rules), Arc::clone(&self.server));
        let call = Call {
            server: &server,
            subject: Subject::Method,
            name: method,
            arguments: Some(params),
            moment: now.moment,
            terminal: now.terminal,
        };
        let (decision, why) = self.judged(&rules, &call, now.at);
        let told = Step::Told(Box::new(self.told_call(Side::Server, &id, method, &call, &decision)));
        let refusal = Step::Server(reply::declined(&id, method));
        if decision.verdict == Verdict::Deny {
            return vec![told, refusal];
        }
        let is_parked = decision.verdict == Verdict::Ask;
        self.from_server.insert(id.clone(), Asked { method: method.to_owned(), is_parked });
        let passed = Step::Client(line.to_vec());
        if !is_parked {
            return vec![passed, told];
        }
        let question = Question::of(Side::Server, &id, method, &call, why);
        let parked = Parked::new(About::Asked(id), question, [vec![passed], vec![refusal]]);
        [vec![told], self.park(parked, now)].concat()
    }

    /// A notification of the server's.
    pub(super) fn server_tells(&mut self, line: &[u8], method: &str, params: &Value, now: Now) -> Vec<Step> {
        match method {
            "notifications/cancelled" => {
                let id = params.field("requestId").and_then(Id::read);
                if let Some(unparked) = id.as_ref().and_then(|id| self.unpark(Side::Server, id)) {
                    return vec![unparked];
                }
            }
            "notifications/tools/list_changed" => {
                self.own.changed();
                if let Some(watch) = &mut self.shared().watch {
                    watch.looked = false;
                }
            }
            "notifications/subscriptions/acknowledged" => self.features.acknowledged(params),
            "notifications/tasks/status" | "notifications/tasks" => {
                if let Some(denied) = self.wants_too_much(params, now) {
                    let what = format!("a task that wants '{denied}', which no rule allows");
                    return vec![Step::dropped(Side::Server, &what)];
                }
                return vec![Step::Client(line.to_vec())];
            }
            _ => {}
        }
        if KNOWN.contains(&method) {
            return vec![Step::Client(line.to_vec())];
        }
        self.unknown_tells(line, method, params, now, Side::Server)
    }
}
