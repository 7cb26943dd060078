//! What is said on the control socket: lines of JSON, version 1. `govsh-control(5)` is its contract.
//!
//! ```text
//! client                                         front
//!   │ {"op":"hello","version":1}  ──────────────────▶│ the first line, or the connection is over
//!   │◀──────── {"ok":true,"id":"k3f9","agent":…}     │ one answer for each request, in order
//!   │ {"n":7,"op":"marker","label":"here"} ─────────▶│
//!   │◀──────── {"n":7,"ok":true}                     │ or {"n":7,"ok":false,"error":"…"}
//!   │◀──────── {"push":"status",…}                   │ only after `subscribe`, between the answers
//! ```
//! Invariant: the server takes nothing that it does not know, whole lines only and none longer than [`LONGEST`]; a client
//! ignores members it does not know.
//! Leaves to others: doing it (`visitor`), the socket (`server`, `client`).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::event::{Ask, Event, Scope, Stamped};
use crate::policy::Verdict;
use crate::recording::{self, Word};

/// What both sides speak.
pub const VERSION: u32 = 1;
/// Bytes of a line without its break, both ways.
pub const LONGEST: usize = 64 << 10;
/// Bytes of a marker's text.
pub const LABEL: usize = 4 << 10;

/// Every operation, for the error that lists them.
const OPS: &str = "hello, status, questions, answer, marker, freeze, thaw, end, screen, subscribe, reload";

/// What a client wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
pub enum Op {
    Hello {
        version: u32,
        #[serde(default)]
        role: Role,
    },
    Status {},
    Questions {},
    Answer(Given),
    Marker {
        label: String,
    },
    Freeze {},
    Thaw {},
    End {
        /// At once, instead of with SIGTERM and ten seconds first.
        #[serde(default)]
        now: bool,
    },
    Screen {},
    /// The policy is read again and put in force.
    Reload {},
    Subscribe {
        /// Somebody sits there who answers questions.
        #[serde(default)]
        answers: bool,
    },
}

/// What the client is, for who answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    #[default]
    Watch,
    Command,
}

/// An answer to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    pub ask: u64,
    /// `allow` or `deny`.
    pub verdict: String,
    /// As in an `answer` event.
    pub scope: String,
    /// Which of the question's choices `session` and `always` add, from 0.
    #[serde(default)]
    pub choice: usize,
    /// Sequence number of the event at which the answerer saw the terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screen: Option<u64>,
}

impl Given {
    pub fn new(ask: u64, verdict: Verdict, scope: Scope, choice: usize) -> Self {
        Given { ask, verdict: verdict.word().to_owned(), scope: scope.word().to_owned(), choice, screen: None }
    }

    /// Verdict and scope, where the words are known and go together.
    pub fn meaning(&self) -> Result<(Verdict, Scope), String> {
        let verdict = Verdict::from_word(&self.verdict).filter(|verdict| *verdict != Verdict::Ask);
        let verdict = verdict.ok_or("verdict is allow or deny")?;
        let scope = Scope::from_word(&self.scope).ok_or("scope is once, session, program, always or never")?;
        match (verdict, scope) {
            (Verdict::Allow, Scope::Never) => Err("never goes with deny only".to_owned()),
            sound => Ok(sound),
        }
    }
}

/// A line from a client: the operation, and its number for the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub n: Option<u64>,
    pub op: Op,
}

impl Request {
    /// From a line without its break. An error goes with the number, where that could be read.
    pub fn parse(line: &[u8]) -> Result<Self, (Option<u64>, String)> {
        let mut object: Map<String, Value> =
            serde_json::from_slice(line).map_err(|error| (None, format!("a line is one JSON object: {error}")))?;
        let n = match object.remove("n") {
            None => None,
            Some(n) => Some(n.as_u64().ok_or((None, "n is a number from 0".to_owned()))?),
        };
        let name = object.get("op").and_then(Value::as_str).unwrap_or_default().to_owned();
        let op = serde_json::from_value(Value::Object(object)).map_err(|error| {
            let known = OPS.split(", ").any(|op| op == name);
            (n, if known { format!("{name}: {error}") } else { format!("op is one of {OPS}") })
        })?;
        Ok(Request { n, op })
    }

    pub fn line(&self) -> Vec<u8> {
        let mut value = serde_json::to_value(&self.op).unwrap_or_default();
        if let (Some(object), Some(n)) = (value.as_object_mut(), self.n) {
            object.insert("n".to_owned(), n.into());
        }
        line(&value)
    }
}

/// An answer that says yes, with what it tells.
pub fn accepted(n: Option<u64>, told: &impl Serialize) -> Vec<u8> {
    let mut value = serde_json::to_value(told).unwrap_or_default();
    if !value.is_object() {
        value = Value::Object(Map::new());
    }
    answer(n, true, value)
}

/// An answer that says no, and why.
pub fn refused(n: Option<u64>, why: &str) -> Vec<u8> {
    answer(n, false, serde_json::json!({ "error": why }))
}

fn answer(n: Option<u64>, ok: bool, mut value: Value) -> Vec<u8> {
    if let Some(object) = value.as_object_mut() {
        object.insert("ok".to_owned(), ok.into());
        if let Some(n) = n {
            object.insert("n".to_owned(), n.into());
        }
    }
    line(&value)
}

/// Something that was not asked for: `name` is `status`, `questions` or `over`.
pub fn pushed(name: &str, told: &impl Serialize) -> Vec<u8> {
    let mut value = serde_json::to_value(told).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("push".to_owned(), name.into());
    }
    line(&value)
}

fn line(value: &Value) -> Vec<u8> {
    let mut line = value.to_string().into_bytes();
    line.push(b'\n');
    line
}

/// What a session is; told once.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Hello {
    pub version: u32,
    pub id: String,
    /// The program's name.
    pub agent: String,
    pub argv: Vec<String>,
    pub cwd: String,
    pub policy: String,
    pub user: String,
    /// The front's process.
    pub pid: u32,
    /// Unix time in seconds.
    pub started: i64,
    pub govsh: String,
    /// Absent when nothing is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<String>,
    pub cols: u16,
    pub rows: u16,
}

/// What a session is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    #[default]
    Working,
    Idle,
    Asks,
    Frozen,
    Ended,
}

/// How a session stands; milliseconds and bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Status {
    pub state: State,
    /// Since the session's start.
    pub elapsed: u64,
    /// Since the last event.
    pub quiet: u64,
    pub events: u64,
    pub output: u64,
    pub denied: u64,
    /// Questions put so far, and those that wait now.
    pub asked: u64,
    pub waiting: u64,
    /// Sequence number of the last event that is known to be recorded.
    pub seq: u64,
    /// The last event worth a word, control characters visible.
    pub last: String,
    pub cols: u16,
    pub rows: u16,
    /// Who holds it still; absent when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<String>,
    /// Connections to the control socket.
    pub watchers: u64,
    /// Once it has ended, as `govsh run` returns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// Pushes of this kind that were left out, because the client did not read.
    #[serde(default)]
    pub skipped: u64,
}

/// A question that waits: its `ask` event, and how it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    pub ask: Ask,
    /// Milliseconds until it is denied.
    pub left: u64,
    /// Calls that wait for it.
    pub calls: u64,
}

impl Pending {
    /// The members of the event, and `left` and `calls`.
    pub fn to_value(ask: &Ask, left: u64, calls: u64) -> Value {
        let mut json = Vec::new();
        let ask = Ask {
            argv: ends(&ask.argv),
            ancestry: ask.ancestry.iter().map(|argv| ends(argv)).collect(),
            ..ask.clone()
        };
        recording::object(&Stamped { seq: 0, t: 0, event: Event::Ask(Box::new(ask)) }, &mut json);
        let mut value: Value = serde_json::from_slice(&json).unwrap_or_default();
        if let Some(object) = value.as_object_mut() {
            ["seq", "t", "kind"].iter().for_each(|name| drop(object.remove(*name)));
            object.insert("left".to_owned(), left.into());
            object.insert("calls".to_owned(), calls.into());
        }
        value
    }

    pub fn from_value(value: &Value) -> Option<Self> {
        let number = |name: &str| value.get(name).and_then(Value::as_u64);
        let (left, calls) = (number("left")?, number("calls")?);
        match recording::from_object("ask", value.to_string().as_bytes()) {
            Some(Event::Ask(ask)) => Some(Pending { ask: *ask, left, calls }),
            _ => None,
        }
    }
}

/// The first and the last arguments, where all of them would be too many to tell.
fn ends(argv: &[Vec<u8>]) -> Vec<Vec<u8>> {
    const MOST: usize = 16 << 10;
    let fit = |words: &mut dyn Iterator<Item = &Vec<u8>>| {
        let mut bytes = 0;
        words.take_while(|word| (bytes += word.len() + 1, bytes <= MOST).1).count()
    };
    let head = fit(&mut argv.iter());
    let tail = fit(&mut argv.iter().rev()).min(argv.len() - head);
    if head + tail == argv.len() {
        return argv.to_vec();
    }
    let cut = "…".as_bytes().to_vec();
    argv.iter().take(head).chain([&cut]).chain(argv.iter().skip(argv.len() - tail)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Request, (Option<u64>, String)> {
        Request::parse(line.as_bytes())
    }

    #[test]
    fn requests_read_back() {
        let given = Given::new(4, Verdict::Allow, Scope::Always, 1);
        let ops = [
            Op::Hello { version: 1, role: Role::Command },
            Op::Status {},
            Op::Answer(given),
            Op::Marker { label: "\x1b\n\"".to_owned() },
            Op::End { now: true },
            Op::Subscribe { answers: true },
        ];
        for (n, op) in (0..).zip(ops) {
            let request = Request { n: (n > 0).then_some(n), op };
            let line = request.line();
            assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            assert_eq!(Request::parse(&line), Ok(request));
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for (line, wanted) in [
            ("", "one JSON object"),
            ("[]", "one JSON object"),
            ("{\"op\":\"status\"} {}", "one JSON object"),
            ("{}", "op is one of hello, "),
            ("{\"op\":\"reboot\",\"n\":3}", "op is one of hello, "),
            ("{\"op\":7}", "op is one of"),
            ("{\"op\":\"status\",\"more\":1}", "status: unknown field `more`"),
            ("{\"op\":\"marker\"}", "marker: missing field `label`"),
            ("{\"op\":\"answer\",\"ask\":-1,\"verdict\":\"allow\",\"scope\":\"once\"}", "answer: invalid value"),
            ("{\"op\":\"status\",\"n\":\"x\"}", "n is a number"),
        ] {
            let (_, why) = parsed(line).expect_err(line);
            assert!(why.contains(wanted), "{line}: {why}");
        }
        assert_eq!(parsed("{\"op\":\"reboot\",\"n\":3}").unwrap_err().0, Some(3));
        assert!(parsed(&format!("{}{}", "[".repeat(9_000), "]".repeat(9_000))).is_err());
    }

    #[test]
    fn questions_read_back_and_are_bounded() {
        let words = |count: usize| (0..count).map(|n| vec![b'\xff'; n % 50]).collect::<Vec<_>>();
        let ask = Ask { argv: words(20), ancestry: vec![words(3), words(2)], ..sample() };
        let value = Pending::to_value(&ask, 1_500, 2);
        assert_eq!(Pending::from_value(&value), Some(Pending { ask, left: 1_500, calls: 2 }));
        let mut many = words(100_000);
        many.push(b"; rm -rf ~".to_vec());
        let large = Pending::to_value(&Ask { argv: many, ..sample() }, 0, 1);
        assert!(large.to_string().len() < 400 << 10, "{}", large.to_string().len());
        assert_eq!(Pending::from_value(&large).unwrap().ask.argv.last().unwrap(), b"; rm -rf ~");
    }

    fn sample() -> Ask {
        Ask {
            id: 3,
            of: crate::event::Kind::Exec,
            op: "execve",
            access: crate::policy::Access::EXEC,
            path: b"/usr/bin/git".to_vec(),
            path2: Vec::new(),
            addr: None,
            host: None,
            port: 0,
            argv: Vec::new(),
            pid: 7,
            ancestry: Vec::new(),
            cwd: b"/".to_vec(),
            rule: "ask".into(),
            layer: crate::policy::Layer::User,
            reason: String::new(),
            choices: Vec::new(),
            file: String::new(),
            timeout: 60_000_000_000,
        }
    }

    #[test]
    fn answers_mean_something_or_nothing() {
        let meaning = |verdict: &str, scope: &str| {
            let given = Given { ask: 1, verdict: verdict.into(), scope: scope.into(), choice: 0, screen: None };
            given.meaning()
        };
        assert_eq!(meaning("allow", "once"), Ok((Verdict::Allow, Scope::Once)));
        assert_eq!(meaning("deny", "never"), Ok((Verdict::Deny, Scope::Never)));
        for (verdict, scope) in [("ask", "once"), ("allow", "never"), ("allow", "for ever"), ("", "once")] {
            assert!(meaning(verdict, scope).is_err(), "{verdict} {scope}");
        }
    }
}
