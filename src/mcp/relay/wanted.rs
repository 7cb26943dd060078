//! What a result wants of the client before the request can go on (2026-07-28, §MRTR): judged as the same requests of a
//! server of the earlier eras, which it makes by itself.
//!
//! Invariant: a result reaches the client only when each request in it is allowed, by a rule or by whoever was asked; and
//! the next result is judged anew. Leaves to others: requests of the server's own (`asks`).

use super::super::message::Id;
use super::super::reply::{self, Why};
use super::parked::{About, Parked};
use super::{Now, Open, Question, Relay, Side, Step, Told};
use crate::policy::Verdict;
use crate::policy::mcp::{Value, decide};

/// Requests whose results may want something (tasks/get of the tasks extension).
const WANTING: [&str; 5] = ["tools/call", "prompts/get", "resources/read", "tasks/get", "tasks/result"];
/// What they may want.
const WANTED: [&str; 3] = ["elicitation/create", "sampling/createMessage", "roots/list"];
/// Questions about one result.
const MOST_ASKED: usize = 16;

/// What a result wants.
#[derive(Debug)]
pub enum Wants {
    /// Nothing, or what is allowed.
    Nothing,
    /// Each of these is to be allowed by somebody.
    Asked(Vec<Question>),
    /// This, which no rule allows.
    TooMuch(String),
}

impl Relay {
    /// Of the answer to a request.
    pub(super) fn wants(&self, id: &Id, open: &Open, result: &Value, now: Now) -> Wants {
        match result.field("inputRequests") {
            Some(_) if !WANTING.contains(&open.method.as_str()) => Wants::TooMuch("misplaced".to_owned()),
            Some(requests) => self.wants_these(id, requests, now),
            None => Wants::Nothing,
        }
    }

    /// The same where it is too late to ask: what is not allowed outright.
    pub(super) fn wants_in_vain(&self, id: &Id, open: &Open, result: &Value, now: Now) -> Option<String> {
        not_allowed(self.wants(id, open, result, now))
    }

    fn wants_these(&self, id: &Id, requests: &Value, now: Now) -> Wants {
        let Value::Object(requests) = requests else { return Wants::TooMuch("malformed".to_owned()) };
        let mut questions = Vec::new();
        for (_, request) in requests {
            let method = request.field("method").and_then(Value::text).unwrap_or("malformed");
            let call = self.method_call(method, request.field("params"), now);
            let decision = decide(&self.rules, &call);
            match decision.verdict {
                Verdict::Allow if WANTED.contains(&method) => {}
                Verdict::Ask if WANTED.contains(&method) && questions.len() < MOST_ASKED => {
                    questions.push(Question::of(Side::Server, id, method, &call, Why::of(&decision)));
                }
                _ => return Wants::TooMuch(method.to_owned()),
            }
        }
        if questions.is_empty() { Wants::Nothing } else { Wants::Asked(questions) }
    }

    /// The first thing that a message wants which is not allowed outright: for those that nobody can be asked about.
    pub(super) fn wants_too_much(&self, message: &Value, now: Now) -> Option<String> {
        not_allowed(self.wants_these(&Id::Number(0), message.field("inputRequests")?, now))
    }

    /// Holds a result back until somebody allowed all that it wants.
    pub(super) fn ask_for(
        &mut self,
        (id, open): (&Id, &Open),
        line: &[u8],
        questions: Vec<Question>,
        mut told: Told,
        now: Now,
    ) -> Vec<Step> {
        let mut steps: Vec<Step> = questions.iter().map(|question| self.told_question(question, now)).collect();
        let mut questions = questions.into_iter();
        let Some(first) = questions.next() else { return steps };
        let denied = Why::new(&first.rule, "nobody approved what the server asks for");
        let denied = denial(id, open, &denied, told.number);
        told.error = Some(format!("input request '{}', which is asked about", first.method));
        steps.push(Step::Told(Box::new(told)));
        let lines = [line.to_vec(), denied].map(|line| vec![Step::Client(line)]);
        let mut parked = Parked::new(About::Answer(id.clone(), Vec::new()), first, lines);
        parked.more = questions.collect();
        steps.extend(self.park(parked, now));
        steps
    }

    /// That a rule asks about what a result wants.
    fn told_question(&mut self, question: &Question, now: Now) -> Step {
        let (rules, server) = (self.rules.clone(), self.server.clone());
        let call = crate::policy::mcp::Call {
            server: &server,
            subject: question.subject,
            name: &question.name,
            arguments: question.arguments.as_ref(),
            moment: now.moment,
            terminal: now.terminal,
        };
        let decision = decide(&rules, &call);
        Step::Told(Box::new(self.told_call(Side::Server, &question.id, &question.method, &call, &decision)))
    }
}

fn not_allowed(wants: Wants) -> Option<String> {
    match wants {
        Wants::Nothing => None,
        Wants::Asked(questions) => questions.into_iter().next().map(|question| question.method),
        Wants::TooMuch(method) => Some(method),
    }
}

/// What the client gets in the place of a result that wants what no rule allows; `told` says so.
pub fn too_much(id: &Id, open: &Open, denied: &str, told: &mut Told) -> Vec<u8> {
    told.error = Some(format!("input request '{denied}', which no rule allows"));
    let why = Why::new("default", "the server asks the client for what no rule allows");
    denial(id, open, &why, told.number)
}

fn denial(id: &Id, open: &Open, why: &Why, number: u64) -> Vec<u8> {
    match open.method.as_str() {
        "tools/call" | "tasks/result" => reply::denied_tool(id, why, number, open.modern),
        _ => reply::denied(id, why, number),
    }
}
