//! What the server answers: for whom, of what, and without what it may not show or ask for.

use super::super::message::Id;
use super::super::reply::{self, Why};
use super::wanted::{Wants, too_much};
use super::{Now, Open, Relay, Side, Step};
use crate::policy::mcp::Value;

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
        if open.is_own {
            return [vec![Step::Told(Box::new(told))], self.looked(id, &open, Some(result), now)].concat();
        }
        let questions = match self.wants(id, &open, result, now) {
            Wants::Nothing => Vec::new(),
            Wants::Asked(questions) => questions,
            Wants::TooMuch(denied) => {
                let denial = too_much(id, &open, &denied, &mut told);
                return vec![Step::Client(denial), Step::Told(Box::new(told))];
            }
        };
        if let Some(list) = open.list {
            let (mut steps, hidden) = self.shown(list, &open, line, message, (id, now), result);
            told.hidden = hidden;
            steps.push(Step::Told(Box::new(told)));
            return steps;
        }
        self.shared().tasks.begun(result, &open.name);
        self.features.learns(&open.method, result);
        told.error = (result.field("isError") == Some(&Value::Bool(true))).then(|| "the tool failed".to_owned());
        if !questions.is_empty() {
            return self.ask_for((id, &open), line, questions, told, now);
        }
        let mut steps = self.instructed(&open, line, message, (id, now), result);
        steps.push(Step::Told(Box::new(told)));
        steps
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
        if open.is_own {
            return [vec![Step::Told(Box::new(told))], self.looked(id, &open, None, now)].concat();
        }
        let is_denied =
            code == Some(URL_ELICITATION) && !self.allows_method("elicitation/create", error.field("data"), now);
        let answer = match is_denied {
            true => reply::denied(id, &Why::new("default", "the server asks for what no rule allows"), told.number),
            false => line.to_vec(),
        };
        vec![Step::Client(answer), Step::Told(Box::new(told))]
    }
}
