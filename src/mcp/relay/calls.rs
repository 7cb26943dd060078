//! What the client says: requests judged, cancellations, answers to the server.

use std::sync::Arc;

use super::super::message::{Id, is_inexact};
use super::super::reply::{self, Why};
use super::lists::List;
use super::parked::{About as Waits, Parked};
use super::subject::{About, about};
use super::{Asked, MOST_CANCELLED, MOST_OPEN, Now, Open, PINS, Question, Relay, Shared, Side, Step};
use crate::policy::Verdict;
use crate::policy::mcp::{Call, McpDecision, Subject, Value, decide, may_call};

/// Where a request of 2026-07-28 names its revision.
pub const REVISION: &str = "/_meta/io.modelcontextprotocol~1protocolVersion";

/// A request of the client's, taken apart.
pub struct Request<'r> {
    /// As it is to go on.
    pub line: Vec<u8>,
    pub id: Id,
    pub method: &'r str,
    pub params: &'r Value,
    pub modern: bool,
    pub now: Now,
}

impl Relay {
    /// A request of the client's.
    pub(super) fn request(
        &mut self,
        line: &[u8],
        message: &[u8],
        id: Id,
        method: &str,
        params: &Value,
        now: Now,
    ) -> Vec<Step> {
        if self.from_client.contains_key(&id) {
            // An answer with that id would be taken for that of the other request.
            let answer = Step::Client(reply::invalid(None, "id in use"));
            return vec![Step::dropped(Side::Client, "an id that is in use"), answer];
        }
        if self.from_client.len() >= MOST_OPEN {
            return vec![Step::Client(reply::failed(&id, "too many open requests"))];
        }
        let Some(about) = about(method, params).filter(|_| !is_inexact(params)) else {
            let what = format!("'{method}' that does not say what it is about");
            return vec![
                Step::dropped(Side::Client, &what),
                Step::Client(reply::invalid_params(&id, "invalid params")),
            ];
        };
        let modern = params.pointer(REVISION).is_some();
        self.features.begins(&id, method, params, modern);
        let line = self.features.without_denied(method, params, message).unwrap_or_else(|| line.to_vec());
        let request = Request { line, id, method, params, modern, now };
        match about {
            About::Nothing => self.passed(request, ""),
            About::Task(task) => {
                let known = self.shared().tasks.name_of(task).map(str::to_owned);
                match known {
                    Some(name) => self.passed(request, &name),
                    None => self.call(request, Subject::Method, method),
                }
            }
            About::Changes(uris) => {
                let denied = uris.iter().find(|uri| !may_call(&self.rules, &self.server, Subject::Resource, uri));
                match denied {
                    None => self.passed(request, ""),
                    Some(uri) => self.call(request, Subject::Resource, uri),
                }
            }
            About::One(subject, name) => self.call(request, subject, name),
        }
    }

    /// On to the server, to be answered.
    fn passed(&mut self, request: Request<'_>, name: &str) -> Vec<Step> {
        vec![Step::Server(self.opened(request, name))]
    }

    /// Notes that it will be answered; its line.
    pub(super) fn opened(&mut self, request: Request<'_>, name: &str) -> Vec<u8> {
        let Request { line, id, method, params, modern, now } = request;
        let open = Open {
            method: method.to_owned(),
            name: name.to_owned(),
            list: List::of(method),
            is_first: params.field("cursor").is_none(),
            started: now.at,
            modern,
            is_parked: false,
            is_own: false,
        };
        self.from_client.insert(id, open);
        line
    }

    /// A request that the rules judge.
    fn call(&mut self, request: Request<'_>, subject: Subject, name: &str) -> Vec<Step> {
        let (rules, server) = (Arc::clone(&self.rules), Arc::clone(&self.server));
        let Request { id, method, params, modern, now, .. } = &request;
        let call = Call {
            server: &server,
            subject,
            name,
            arguments: if subject == Subject::Method { Some(*params) } else { params.field("arguments") },
            moment: now.moment,
            terminal: now.terminal,
        };
        if subject == Subject::Tool && self.must_look(name) && decide(&rules, &call).verdict != Verdict::Deny {
            return self.hold(request, name);
        }
        let (mut decision, mut why) = self.judged(&rules, &call, now.at);
        let against = |shared: &Shared| shared.watch.as_ref().and_then(|watch| watch.against(name));
        let is_tool = subject == Subject::Tool && decision.verdict != Verdict::Deny;
        let pinned = is_tool.then(|| against(&self.shared())).flatten();
        if let Some(reason) = pinned {
            decision = McpDecision { verdict: Verdict::Deny, rule: None, argument: None };
            why = Why::new(PINS, reason);
        }
        let mut told = self.told_call(Side::Client, id, method, &call, &decision);
        if pinned.is_some() {
            told.rule = PINS.to_owned();
        }
        if decision.verdict == Verdict::Deny {
            told.error = Some(why.reason.clone()).filter(|reason| !reason.is_empty());
        }
        let number = told.number;
        let denial = |why: &Why| match subject {
            Subject::Tool => reply::denied_tool(id, why, number, *modern),
            _ => reply::denied(id, why, number),
        };
        let told = Step::Told(Box::new(told));
        match decision.verdict {
            Verdict::Deny => {
                let is_hidden = subject == Subject::Tool && !may_call(&rules, &server, subject, name);
                vec![told, Step::Client(if is_hidden { reply::unknown_tool(id, name) } else { denial(&why) })]
            }
            Verdict::Allow => [self.passed(request, name), vec![told]].concat(),
            Verdict::Ask => {
                let denied = denial(&Why::new(&why.rule, "nobody approved it"));
                let question = Question::of(Side::Client, id, method, &call, why);
                [vec![told], self.ask(request, question, denied)].concat()
            }
        }
    }

    /// Somebody is asked about a call before it goes on.
    fn ask(&mut self, request: Request<'_>, question: Question, denied: Vec<u8>) -> Vec<Step> {
        let (id, now) = (request.id.clone(), request.now);
        let token = request.params.pointer("/_meta/progressToken").and_then(token);
        let allowed = self.passed(request, &question.name);
        if let Some(open) = self.from_client.get_mut(&id) {
            open.is_parked = true;
        }
        let denied = vec![Step::Client(denied)];
        self.park(Parked { token, ..Parked::new(Waits::Call(id), question, [allowed, denied]) }, now)
    }

    /// A notification of the client's.
    pub(super) fn client_tells(&mut self, line: &[u8], method: &str, params: &Value, now: Now) -> Vec<Step> {
        match method {
            "notifications/cancelled" => {
                let id = params.field("requestId").and_then(Id::read);
                if id.as_ref().is_some_and(|id| self.unhold(id)) {
                    return Vec::new();
                }
                match id.as_ref().and_then(|id| self.unpark(Side::Client, id)) {
                    // The server never heard of it.
                    Some(unparked) => vec![unparked],
                    None => {
                        if let Some(id) = id {
                            self.cancel(id);
                        }
                        vec![Step::Server(line.to_vec())]
                    }
                }
            }
            "notifications/initialized" | "notifications/progress" | "notifications/roots/list_changed" => {
                vec![Step::Server(line.to_vec())]
            }
            "notifications/tasks/status" | "notifications/tasks" => {
                match params
                    .field("taskId")
                    .and_then(Value::text)
                    .is_some_and(|task| self.shared().tasks.is_of_client(task))
                {
                    true => vec![Step::Server(line.to_vec())],
                    false => self.unknown_tells(line, method, params, now, Side::Client),
                }
            }
            unknown => self.unknown_tells(line, unknown, params, now, Side::Client),
        }
    }

    /// A call that runs is cancelled. It may be answered all the same, or never: it no longer counts among those that are open
    /// for long.
    fn cancel(&mut self, id: Id) {
        if !self.from_client.contains_key(&id) || self.cancelled.contains(&id) {
            return;
        }
        self.cancelled.push_back(id);
        if self.cancelled.len() > MOST_CANCELLED
            && let Some(oldest) = self.cancelled.pop_front()
        {
            self.from_client.remove(&oldest);
        }
    }

    /// A notification that no revision knows: passed on where a rule names it.
    pub(super) fn unknown_tells(
        &mut self,
        line: &[u8],
        method: &str,
        params: &Value,
        now: Now,
        side: Side,
    ) -> Vec<Step> {
        if !self.allows_method(method, Some(params), now) {
            return vec![Step::dropped(side, &format!("notification '{method}', which no rule allows"))];
        }
        vec![if side == Side::Client { Step::Server(line.to_vec()) } else { Step::Client(line.to_vec()) }]
    }

    /// An answer of the client's to a request of the server's.
    pub(super) fn client_answers(&mut self, line: &[u8], id: Option<&Id>, result: Option<&Value>) -> Vec<Step> {
        let asked = id.filter(|id| self.from_server.get(id).is_some_and(|asked| !asked.is_parked));
        match asked.and_then(|id| self.from_server.remove(id)) {
            Some(Asked { method, .. }) => {
                if let (Some(result), false) = (result, method.starts_with("tasks/")) {
                    self.shared().tasks.begun_by_client(result);
                }
                vec![Step::Server(line.to_vec())]
            }
            None => vec![Step::dropped(Side::Client, "a response to nothing that was asked")],
        }
    }
}

/// A token for progress is a string or a whole number.
fn token(value: &Value) -> Option<serde_json::Value> {
    match value {
        Value::Text(text) => Some(serde_json::Value::from(text.as_str())),
        Value::Int(number) => i64::try_from(*number).ok().map(serde_json::Value::from),
        _ => None,
    }
}
