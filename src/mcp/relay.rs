//! Between one client and one server: every message read, judged, and passed on as it came, changed, answered or dropped.
//! Pure: lines in, steps out.
//!
//! ```text
//! client ─line─▶ Relay::client ─┬─▶ Step::Server   as it came
//!                               ├─▶ Step::Client   a denial in the server's place
//!                               └─▶ Step::Park     a rule asks: Relay::answered goes on
//! server ─line─▶ Relay::server ─┬─▶ Step::Client   as it came, lists without what may not be called
//!                               └─▶ Step::Server   a refusal in the client's place
//! ```
//! Invariant: nothing passes that was not read as a message; a response passes only for a request that was passed on, to the
//! side that made it; what a list shows is by the request it answers, whatever it calls itself; what is unknown is denied
//! unless a rule names it. Leaves to others: bytes into lines (`frame`), asking (`session`), pins (`pins`).

mod lists;
mod steps;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::message::{Fault, Id, Message};
use super::reply;
use crate::policy::Verdict;
use crate::policy::mcp::{Call, McpDecision, McpRule, Moment, Subject, Value, decide, may_call};
use lists::List;
pub use steps::{Question, Side, Step, Told};

/// Requests of one side that may be open at a time.
const MOST_OPEN: usize = 4096;
/// Tasks that are remembered, the newest.
const MOST_TASKS: usize = 4096;

/// When a line came.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Nanoseconds of the session's clock.
    pub at: u64,
    pub moment: Moment,
    /// Somebody can be asked.
    pub terminal: bool,
}

/// A request that waits for its response.
#[derive(Debug, Clone)]
struct Open {
    method: String,
    name: String,
    list: Option<List>,
    started: u64,
    /// The client gave a revision with the request itself.
    modern: bool,
    /// Still asked about: the line that will go on, and the client's token for progress.
    parked: Option<Parked>,
}

#[derive(Debug, Clone)]
struct Parked {
    line: Vec<u8>,
    token: Option<serde_json::Value>,
    /// Index of the rule that asks.
    rule: usize,
    steps: u64,
}

/// One connection.
pub struct Relay {
    server: Arc<str>,
    rules: Arc<[McpRule]>,
    from_client: HashMap<Id, Open>,
    from_server: HashMap<Id, String>,
    tasks: VecDeque<String>,
    /// Times of calls, by rule.
    counted: HashMap<usize, VecDeque<u64>>,
}

impl Relay {
    /// `server` is its name in the policy.
    pub fn new(server: &str, rules: Arc<[McpRule]>) -> Relay {
        Relay {
            server: server.into(),
            rules,
            from_client: HashMap::new(),
            from_server: HashMap::new(),
            tasks: VecDeque::new(),
            counted: HashMap::new(),
        }
    }

    /// From here on these rules hold; what was asked about before is answered as it was asked.
    pub fn judge_by(&mut self, rules: Arc<[McpRule]>) -> Vec<Step> {
        self.rules = rules;
        self.counted.clear();
        Vec::new()
    }

    /// A line of the client's; `message` is what is in it.
    pub fn client(&mut self, line: &[u8], message: &[u8], now: Now) -> Vec<Step> {
        if message.is_empty() {
            return Vec::new();
        }
        match Message::parse(message) {
            Ok(Message::Request { id, method, params }) => self.request(line, id, &method, &params, now),
            Ok(Message::Notification { method, params }) => self.client_tells(line, &method, &params, now),
            Ok(Message::Result { id, .. }) => self.client_answers(line, Some(&id)),
            Ok(Message::Error { id, .. }) => self.client_answers(line, id.as_ref()),
            Err(fault) => {
                let said =
                    if fault == Fault::Batch { "batches are not part of this revision" } else { "invalid message" };
                vec![Step::Client(reply::invalid(None, said)), Step::dropped(Side::Client, &fault.to_string())]
            }
        }
    }

    /// A request of the client's.
    fn request(&mut self, line: &[u8], id: Id, method: &str, params: &Value, now: Now) -> Vec<Step> {
        if self.from_client.contains_key(&id) {
            return vec![
                Step::dropped(Side::Client, "an id that is in use"),
                Step::Client(reply::invalid(None, "id in use")),
            ];
        }
        if self.from_client.len() >= MOST_OPEN {
            return vec![Step::Client(reply::failed(&id, "too many open requests"))];
        }
        let Some((subject, name)) = subject(method, params) else {
            let what = format!("'{method}' without what it is about");
            return vec![Step::Client(reply::invalid(Some(&id), "invalid params")), Step::dropped(Side::Client, &what)];
        };
        let modern = params.pointer("/_meta/io.modelcontextprotocol~1protocolVersion").is_some();
        let open = |parked| Open {
            method: method.to_owned(),
            name: name.to_owned(),
            list: List::of(method),
            started: now.at,
            modern,
            parked,
        };
        let Some(subject) = subject else {
            self.from_client.insert(id, open(None));
            return vec![Step::Server(line.to_vec())];
        };
        let rules = Arc::clone(&self.rules);
        let call = Call {
            server: &self.server.clone(),
            subject,
            name,
            arguments: params.field("arguments"),
            moment: now.moment,
            terminal: now.terminal,
        };
        if subject == Subject::Method && is_task(method) && self.tasks.iter().any(|task| task == name) {
            self.from_client.insert(id, open(None));
            return vec![Step::Server(line.to_vec())];
        }
        let decision = self.within_rate(&rules, decide(&rules, &call), now.at);
        let told = Told::judged(&id, method, &call, &decision);
        match decision.verdict {
            Verdict::Allow => {
                self.from_client.insert(id, open(None));
                vec![Step::Server(line.to_vec()), Step::Told(Box::new(told))]
            }
            Verdict::Ask => {
                let rule = decision.rule.and_then(|rule| rules.iter().position(|one| std::ptr::eq(one, rule)));
                let token = params.pointer("/_meta/progressToken").and_then(token);
                let parked = Parked { line: line.to_vec(), token, rule: rule.unwrap_or(0), steps: 0 };
                let question = Question::of(&id, method, &call, &decision);
                self.from_client.insert(id, open(Some(parked)));
                vec![Step::Park(Box::new(question)), Step::Told(Box::new(told))]
            }
            Verdict::Deny => {
                let hidden = subject == Subject::Tool && !may_call(&rules, &self.server, subject, name);
                let answer = match subject {
                    Subject::Tool if hidden => reply::unknown_tool(&id, name),
                    Subject::Tool => reply::denied_tool(&id, &decision, modern),
                    _ => reply::denied(&id, &decision),
                };
                vec![Step::Client(answer), Step::Told(Box::new(told))]
            }
        }
    }

    /// A call beyond what its rule allows in its time is denied by that rule.
    fn within_rate<'r>(&mut self, rules: &'r [McpRule], decision: McpDecision<'r>, at: u64) -> McpDecision<'r> {
        let Some((rule, rate)) = decision.rule.and_then(|rule| Some((rule, rule.rate?))) else { return decision };
        if decision.verdict == Verdict::Deny {
            return decision;
        }
        let Some(index) = rules.iter().position(|one| std::ptr::eq(one, rule)) else { return decision };
        let times = self.counted.entry(index).or_default();
        let window = u64::try_from(rate.per.as_nanos()).unwrap_or(u64::MAX);
        while times.front().is_some_and(|time| at.saturating_sub(*time) >= window) {
            times.pop_front();
        }
        if times.len() >= rate.calls as usize {
            return McpDecision { verdict: Verdict::Deny, rule: Some(rule), argument: None };
        }
        times.push_back(at);
        decision
    }

    /// Somebody answered a question, or it ran out. Nothing, where the call was cancelled meanwhile.
    pub fn answered(&mut self, id: &Id, allow: bool) -> Vec<Step> {
        let Some(open) = self.from_client.get_mut(id) else { return Vec::new() };
        let Some(parked) = open.parked.take() else { return Vec::new() };
        if allow {
            return vec![Step::Server(parked.line)];
        }
        let (is_tool, modern) = (open.method == "tools/call", open.modern);
        self.from_client.remove(id);
        let rule = self.rules.get(parked.rule);
        let decision = McpDecision { verdict: Verdict::Deny, rule, argument: None };
        let answer = if is_tool { reply::denied_tool(id, &decision, modern) } else { reply::denied(id, &decision) };
        vec![Step::Client(answer)]
    }

    /// Tells clients that gave a token that their calls still wait; for every few seconds.
    pub fn still_waiting(&mut self) -> Vec<Step> {
        let parked = self.from_client.values_mut().filter_map(|open| open.parked.as_mut());
        let tell = |parked: &mut Parked| {
            let token = parked.token.as_ref()?;
            parked.steps += 1;
            Some(Step::Client(reply::waiting(token, parked.steps)))
        };
        parked.filter_map(tell).collect()
    }

    /// A notification of the client's.
    fn client_tells(&mut self, line: &[u8], method: &str, params: &Value, now: Now) -> Vec<Step> {
        let pass = || vec![Step::Server(line.to_vec())];
        match method {
            "notifications/cancelled" => {
                let id = params.field("requestId").and_then(Id::read);
                let parked =
                    id.as_ref().is_some_and(|id| self.from_client.get(id).is_some_and(|open| open.parked.is_some()));
                match id.filter(|_| parked) {
                    Some(id) => {
                        self.from_client.remove(&id);
                        vec![Step::Unpark(id)]
                    }
                    None => pass(),
                }
            }
            "notifications/initialized" | "notifications/progress" | "notifications/roots/list_changed" => pass(),
            unknown => self.unknown_tells(line, unknown, params, now, Side::Client),
        }
    }

    /// A notification that no revision knows: passed on where a rule names it.
    fn unknown_tells(&mut self, line: &[u8], method: &str, params: &Value, now: Now, side: Side) -> Vec<Step> {
        let call = Call {
            server: &self.server,
            subject: Subject::Method,
            name: method,
            arguments: Some(params),
            moment: now.moment,
            terminal: now.terminal,
        };
        if decide(&self.rules, &call).verdict != Verdict::Allow {
            return vec![Step::dropped(side, &format!("notification '{method}', which no rule allows"))];
        }
        vec![if side == Side::Client { Step::Server(line.to_vec()) } else { Step::Client(line.to_vec()) }]
    }

    fn client_answers(&mut self, line: &[u8], id: Option<&Id>) -> Vec<Step> {
        match id.and_then(|id| self.from_server.remove(id)) {
            Some(_) => vec![Step::Server(line.to_vec())],
            None => vec![Step::dropped(Side::Client, "a response to nothing that was asked")],
        }
    }

    /// A line of the server's. What is no message (a banner) is dropped: it is never passed on unread.
    pub fn server(&mut self, line: &[u8], message: &[u8], now: Now) -> Vec<Step> {
        if message.is_empty() {
            return Vec::new();
        }
        match Message::parse(message) {
            Ok(Message::Request { id, method, params }) => self.server_asks(line, id, &method, &params, now),
            Ok(Message::Notification { method, params }) => self.server_tells(line, &method, &params, now),
            Ok(Message::Result { id, result }) => self.result(line, message, &id, &result, now),
            Ok(Message::Error { id: Some(id), error }) => self.error(line, &id, &error, now),
            Ok(Message::Error { id: None, .. }) => vec![Step::Client(line.to_vec())],
            Err(fault) => vec![Step::dropped(Side::Server, &fault.to_string())],
        }
    }

    fn server_asks(&mut self, line: &[u8], id: Id, method: &str, params: &Value, now: Now) -> Vec<Step> {
        if self.from_server.contains_key(&id) || self.from_server.len() >= MOST_OPEN {
            return vec![Step::dropped(Side::Server, "an id that is in use, or too many open requests")];
        }
        if method == "ping" {
            self.from_server.insert(id, method.to_owned());
            return vec![Step::Client(line.to_vec())];
        }
        let server = Arc::clone(&self.server);
        let rules = Arc::clone(&self.rules);
        let call = Call {
            server: &server,
            subject: Subject::Method,
            name: method,
            arguments: Some(params),
            moment: now.moment,
            terminal: now.terminal,
        };
        let decision = self.within_rate(&rules, decide(&rules, &call), now.at);
        let told = Step::Told(Box::new(Told::judged(&id, method, &call, &decision).of(Side::Server)));
        if decision.verdict == Verdict::Allow {
            self.from_server.insert(id, method.to_owned());
            return vec![Step::Client(line.to_vec()), told];
        }
        vec![Step::Server(reply::declined(&id, method)), told]
    }

    fn server_tells(&mut self, line: &[u8], method: &str, params: &Value, now: Now) -> Vec<Step> {
        const KNOWN: [&str; 10] = [
            "notifications/cancelled",
            "notifications/progress",
            "notifications/message",
            "notifications/tools/list_changed",
            "notifications/prompts/list_changed",
            "notifications/resources/list_changed",
            "notifications/resources/updated",
            "notifications/elicitation/complete",
            "notifications/tasks/status",
            "notifications/subscriptions/acknowledged",
        ];
        if KNOWN.contains(&method) || method == "notifications/tasks" {
            return vec![Step::Client(line.to_vec())];
        }
        self.unknown_tells(line, method, params, now, Side::Server)
    }

    /// A result: for whom, of what, and without what it may not show.
    fn result(&mut self, line: &[u8], message: &[u8], id: &Id, result: &Value, now: Now) -> Vec<Step> {
        let Some(open) = self.taken(id) else {
            return vec![Step::dropped(Side::Server, "a response to nothing that was asked")];
        };
        let mut told = Told::answered(id, &open.method, &open.name, now.at.saturating_sub(open.started), line.len());
        if let Some(list) = open.list {
            let (step, hidden) = self.shown(list, line, message, id, result);
            told.hidden = hidden;
            return vec![step, Step::Told(Box::new(told))];
        }
        if let Some(denied) = self.wants_too_much(result, now) {
            told.error = Some(format!("input request '{denied}', which no rule allows"));
            let decision = McpDecision { verdict: Verdict::Deny, rule: None, argument: None };
            return vec![Step::Client(reply::denied_tool(id, &decision, true)), Step::Told(Box::new(told))];
        }
        if let Some(task) = result.field("taskId").or_else(|| result.pointer("/task/taskId")).and_then(Value::text) {
            if self.tasks.len() >= MOST_TASKS {
                self.tasks.pop_front();
            }
            self.tasks.push_back(task.to_owned());
        }
        told.error = (result.field("isError") == Some(&Value::Bool(true))).then(|| "the tool failed".to_owned());
        vec![Step::Client(line.to_vec()), Step::Told(Box::new(told))]
    }

    /// The request that this answers. One that is still asked about was never sent: nothing can answer it.
    fn taken(&mut self, id: &Id) -> Option<Open> {
        if self.from_client.get(id)?.parked.is_some() {
            return None;
        }
        self.from_client.remove(id)
    }

    /// The first method among the input requests of a result that may not be put to the client (2026-07-28, §MRTR).
    fn wants_too_much(&self, result: &Value, now: Now) -> Option<String> {
        let requests = match result.field("inputRequests")? {
            Value::Object(fields) => fields,
            _ => return Some("malformed".to_owned()),
        };
        let denied = |request: &Value| {
            let method = request.field("method").and_then(Value::text).unwrap_or("malformed");
            let call = Call {
                server: &self.server,
                subject: Subject::Method,
                name: method,
                arguments: request.field("params"),
                moment: now.moment,
                terminal: now.terminal,
            };
            (decide(&self.rules, &call).verdict != Verdict::Allow).then(|| method.to_owned())
        };
        requests.iter().find_map(|(_, request)| denied(request))
    }

    fn error(&mut self, line: &[u8], id: &Id, error: &Value, now: Now) -> Vec<Step> {
        let Some(open) = self.taken(id) else {
            return vec![Step::dropped(Side::Server, "a response to nothing that was asked")];
        };
        let mut told = Told::answered(id, &open.method, &open.name, now.at.saturating_sub(open.started), line.len());
        let code = error.field("code").map_or("without a code".to_owned(), |code| format!("{code:?}"));
        told.error = Some(format!("error {code}"));
        vec![Step::Client(line.to_vec()), Step::Told(Box::new(told))]
    }
}

/// What a request of the client's is about. The outer None: it does not say; the inner: nothing that is judged.
fn subject<'p>(method: &'p str, params: &'p Value) -> Option<(Option<Subject>, &'p str)> {
    let text = |key| params.field(key).and_then(Value::text);
    Some(match method {
        "tools/call" => {
            if params.field("arguments").is_some_and(|arguments| !matches!(arguments, Value::Object(_))) {
                return None;
            }
            (Some(Subject::Tool), text("name")?)
        }
        "prompts/get" => (Some(Subject::Prompt), text("name")?),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => (Some(Subject::Resource), text("uri")?),
        "completion/complete" => match params.pointer("/ref/type").and_then(Value::text)? {
            "ref/prompt" => (Some(Subject::Prompt), params.pointer("/ref/name").and_then(Value::text)?),
            "ref/resource" => (Some(Subject::Resource), params.pointer("/ref/uri").and_then(Value::text)?),
            _ => return None,
        },
        method if is_task(method) => (Some(Subject::Method), text("taskId")?),
        "initialize" | "server/discover" | "ping" | "logging/setLevel" | "subscriptions/listen" => (None, ""),
        method if List::of(method).is_some() => (None, ""),
        unknown => (Some(Subject::Method), unknown),
    })
}

fn is_task(method: &str) -> bool {
    matches!(method, "tasks/get" | "tasks/result" | "tasks/update" | "tasks/cancel")
}

fn token(value: &Value) -> Option<serde_json::Value> {
    match value {
        Value::Text(text) => Some(serde_json::Value::from(text.as_str())),
        Value::Int(number) => i64::try_from(*number).ok().map(serde_json::Value::from),
        _ => None,
    }
}
