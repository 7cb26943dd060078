//! What the server answers: for whom, of what, and without what it may not show or ask for.

use super::super::message::Id;
use super::super::reply::{self, Why};
use super::{Now, Open, Relay, Side, Step};
use crate::policy::mcp::Value;

/// Requests whose results may want something of the client (2026-07-28, §MRTR; tasks/get of its tasks extension).
const WANTING: [&str; 5] = ["tools/call", "prompts/get", "resources/read", "tasks/get", "tasks/result"];
/// A request that needs an elicitation by URL first (2025-11-25).
const URL_ELICITATION: i128 = -32042;

impl Relay {
    /// A result: `message` is what is in `line`.
    pub(super) fn result(&mut self, line: &[u8], message: &[u8], id: &Id, result: &Value, now: Now) -> Vec<Step> {
        let Some(open) = self.taken(id) else {
            return vec![Step::dropped(Side::Server, "a response to nothing that was asked")];
        };
        let mut told = self.told_answer(id, &open, line.len(), now);
        told.answer = self.tells_answers.then(|| message.to_vec());
        if let Some(denial) = self.denial(id, &open, result, &mut told.error, told.number, now) {
            return vec![Step::Client(denial), Step::Told(Box::new(told))];
        }
        if let Some(list) = open.list {
            let (mut steps, hidden) = self.shown(list, &open, line, message, id, result);
            told.hidden = hidden;
            steps.push(Step::Told(Box::new(told)));
            return steps;
        }
        self.shared().tasks.begun(result, &open.name);
        self.features.learns(&open.method, result);
        told.error = (result.field("isError") == Some(&Value::Bool(true))).then(|| "the tool failed".to_owned());
        let mut steps = self.instructed(&open, line, message, id, result);
        steps.push(Step::Told(Box::new(told)));
        steps
    }

    /// What is answered in the place of a result that wants what the client is not to be asked.
    pub(super) fn denial(
        &self,
        id: &Id,
        open: &Open,
        result: &Value,
        error: &mut Option<String>,
        number: u64,
        now: Now,
    ) -> Option<Vec<u8>> {
        let denied = match result.field("inputRequests") {
            Some(_) if !WANTING.contains(&open.method.as_str()) => Some("misplaced".to_owned()),
            _ => self.wants_too_much(result, now),
        }?;
        *error = Some(format!("input request '{denied}', which no rule allows"));
        let why = Why::new("default", "the server asks the client for what no rule allows");
        Some(match open.method.as_str() {
            "tools/call" | "tasks/result" => reply::denied_tool(id, &why, number, open.modern),
            _ => reply::denied(id, &why, number),
        })
    }

    /// The request that this answers. One that is still asked about was never sent: nothing can answer it.
    pub(super) fn taken(&mut self, id: &Id) -> Option<Open> {
        if self.from_client.get(id)?.is_parked {
            return None;
        }
        if !self.cancelled.is_empty() {
            self.cancelled.retain(|cancelled| cancelled != id);
        }
        self.features.ended(id);
        self.from_client.remove(id)
    }

    /// The first method among the input requests of a result that may not be put to the client (2026-07-28, §MRTR).
    pub(super) fn wants_too_much(&self, result: &Value, now: Now) -> Option<String> {
        let requests = match result.field("inputRequests")? {
            Value::Object(fields) => fields,
            _ => return Some("malformed".to_owned()),
        };
        requests.iter().find_map(|(_, request)| {
            let method = request.field("method").and_then(Value::text).unwrap_or("malformed");
            let is_known = matches!(method, "elicitation/create" | "sampling/createMessage" | "roots/list");
            let is_allowed = is_known && self.allows_method(method, request.field("params"), now);
            (!is_allowed).then(|| method.to_owned())
        })
    }

    /// An error of the server's.
    pub(super) fn error(&mut self, line: &[u8], id: &Id, error: &Value, now: Now) -> Vec<Step> {
        let Some(open) = self.taken(id) else {
            return vec![Step::dropped(Side::Server, "a response to nothing that was asked")];
        };
        let mut told = self.told_answer(id, &open, line.len(), now);
        let code = match error.field("code") {
            Some(Value::Int(code)) => Some(*code),
            _ => None,
        };
        told.error = Some(code.map_or("error without a code".to_owned(), |code| format!("error {code}")));
        let is_denied =
            code == Some(URL_ELICITATION) && !self.allows_method("elicitation/create", error.field("data"), now);
        let answer = match is_denied {
            true => reply::denied(id, &Why::new("default", "the server asks for what no rule allows"), told.number),
            false => line.to_vec(),
        };
        vec![Step::Client(answer), Step::Told(Box::new(told))]
    }
}
