//! What a connection asks of the session: the time, the record, people.
//!
//! Invariant: nothing here waits but the threads of questions, of which there are at most `MOST_ASKING`; what goes wrong denies.
//! Leaves to others: judging (`mcp::relay`), the form of events (`mcp::evidence`), the list of questions (`supervisor`).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::oneshot;

use super::super::pins::held::{self, Voice};
use super::super::pins::{Store, StoreError};
use super::{Declared, How, Shared};
use crate::event::{Ask, Choice, Event, Kind, McpCall, McpKey, McpPin, McpSide, McpStart, McpWhat};
use crate::mcp::Id;
use crate::mcp::connection::{Asks, Ended, Tells};
use crate::mcp::evidence::{self, Evidence, Why};
use crate::mcp::pins::{Change, Pinned};
use crate::mcp::relay::{Changed, Now, PINS, Question, Side, Told};
use crate::policy::mcp::{Call, Launch, Moment, Subject as Of, Value, decide};
use crate::policy::{Access, Decision, Layer, Policy, RuleId, Verdict, Wanted};
use crate::supervisor::questions::{Outcome, Put, Still, Subject};

/// Questions of servers at a time: as many as calls may wait in all.
const MOST_ASKING: usize = 64;
/// Bytes of the stack of a thread that waits for an answer.
const STACK: usize = 256 << 10;
/// Arguments of a call that are told by their digests.
const KEYS: usize = 64;
/// Lines of what changed, in an event.
const LINES: usize = 64;

/// One connection's.
#[derive(Clone)]
pub struct Teller {
    shared: Arc<Shared>,
    declared: Arc<Declared>,
    connection: u64,
    evidence: Evidence,
    /// Of a remote server's certificate.
    key: Arc<OnceLock<String>>,
}

impl Teller {
    pub(super) fn new(shared: &Arc<Shared>, declared: &Arc<Declared>, connection: u64) -> Teller {
        let depth = shared.policy.load().record().mcp;
        let evidence = Evidence::new(shared.key, depth, &declared.name, connection);
        Teller { shared: shared.clone(), declared: declared.clone(), connection, evidence, key: Arc::default() }
    }

    pub fn connection(&self) -> u64 {
        self.connection
    }

    /// Where the key of a remote server's certificate is told, for what is pinned.
    pub fn key(&self) -> Arc<OnceLock<String>> {
        Arc::clone(&self.key)
    }

    /// The server's process.
    pub fn runs_as(&self, pid: i32) {
        self.evidence.runs_as(pid);
    }

    fn publish(&self, what: McpWhat) {
        self.shared.bus.publish(Event::Mcp(Box::new(self.evidence.of(what))));
    }

    /// The first of it: what was started, or asked for and not to be had.
    pub(super) fn started(&self, declared: &Declared, verdict: Verdict) {
        let policy = self.shared.policy.load();
        let rule = policy.rule(declared.rule);
        let (launch, digest, under) = match &declared.how {
            How::Command(Ok(command)) => (command.argv.clone(), command.digest(), command.policy.name().to_owned()),
            How::Command(Err(_)) => (Vec::new(), None, String::new()),
            How::Url(server, _) => match &server.launch {
                Launch::Url(url) => (vec![url.clone()], None, String::new()),
                Launch::Command(words) => (words.clone(), None, String::new()),
            },
        };
        self.publish(McpWhat::Start(McpStart {
            launch,
            digest,
            policy: under,
            verdict,
            rule: rule.name.clone(),
            layer: rule.layer,
        }));
    }

    /// What the server's process wrote there.
    pub fn stderr(&self, bytes: &[u8]) {
        self.publish(McpWhat::Stderr { bytes: bytes.to_vec() });
    }

    /// The last of it.
    pub fn ended(&self, status: Option<i32>, ended: Ended) {
        let why = match ended {
            Ended::Server => "the server ended",
            Ended::Client => "the client ended",
            Ended::Broken(_) => "a message could not be passed on",
        };
        self.publish(McpWhat::End { status, why: why.to_owned() });
    }

    /// Whether arguments and results are kept as they are.
    pub fn keeps_all(&self) -> bool {
        self.evidence.keeps_all()
    }

    /// Writes to the pins file where waiting is allowed; what cannot be kept is told.
    fn keep(&self, act: impl FnOnce(&Store, &str) -> Result<(), StoreError> + Send + 'static) {
        let teller = self.clone();
        let write = move || {
            if let Err(error) = act(&teller.shared.pins, &teller.declared.name) {
                let what = format!("pins of MCP server '{}' cannot be kept: {error}", teller.declared.name);
                teller.shared.bus.publish(Event::Limit { what });
            }
        };
        drop(tokio::task::spawn_blocking(write));
    }

    /// What was answered to a question, as the call that it decides.
    fn settled(&self, question: &Question, verdict: Verdict, rule: &str, layer: Layer) {
        let fields: &[(String, Value)] = match &question.arguments {
            Some(Value::Object(fields)) => fields,
            _ => &[],
        };
        let key = |(key, value): &(String, Value)| McpKey { key: key.clone(), digest: self.evidence.digest(value) };
        self.publish(McpWhat::Call(McpCall {
            side: side(question.side),
            id: question.id.to_string(),
            method: question.method.clone(),
            name: question.name.clone(),
            verdict,
            rule: rule.into(),
            layer,
            argument: None,
            keys: fields.iter().take(KEYS).map(key).collect(),
            arguments: None,
        }));
    }

    /// Puts the question on this thread, and waits for what is answered.
    fn put(&self, question: &Question, reply: oneshot::Sender<bool>) {
        let policy = self.shared.policy.load_full();
        let words = self.words(question);
        let rule = self.rule_of(&policy, question);
        if let Some(Decision { verdict, rule }) = policy.kept_answer(&Wanted::Mcp(&words)) {
            let kept = policy.rule(rule);
            self.settled(question, verdict, &kept.name, kept.layer);
            // Whoever asked may be gone by now: here and below.
            let _ = reply.send(verdict == Verdict::Allow);
            return;
        }
        let put = Put {
            subject: Subject::of_call(words.clone()),
            rule,
            program: self.declared.name.clone().into_bytes(),
            once: Vec::new(),
            ask: &|| self.event(&policy, question, &words),
        };
        let mut still = || if reply.is_closed() { Still::Gone } else { Still::Waits };
        let Outcome::Given(given) = self.shared.questions.ask(&put, &mut still) else { return };
        let named = policy.rule(rule);
        let stands = given.verdict == Verdict::Allow && self.still_may(question);
        let verdict = if stands { Verdict::Allow } else { Verdict::Deny };
        let gone = if given.verdict == verdict { "" } else { ", but the rules are others now" };
        self.settled(question, verdict, &format!("{}{gone} (ask {})", given.words, named.name), named.layer);
        let _ = reply.send(stands);
    }

    /// Whether the rules that are in force by now still leave it to the answer: no deny, and no question of another rule.
    fn still_may(&self, question: &Question) -> bool {
        let (policy, now) = (self.shared.policy.load_full(), self.now());
        let call = Call {
            server: &self.declared.name,
            subject: question.subject,
            name: &question.name,
            arguments: question.arguments.as_ref(),
            moment: now.moment,
            terminal: now.terminal,
        };
        let decision = decide(policy.mcp_rules(), &call);
        let same = || decision.rule.is_some_and(|rule| rule.id == question.rule);
        !question.changes.is_empty() || decision.verdict == Verdict::Allow || decision.verdict == Verdict::Ask && same()
    }

    /// The rule that asks; what changed is asked about by the server's own.
    fn rule_of(&self, policy: &Policy, question: &Question) -> RuleId {
        if !question.changes.is_empty() {
            return self.declared.rule;
        }
        let same = policy.mcp_rules().iter().find(|rule| rule.id == question.rule);
        same.map_or(RuleId::DEFAULT, |rule| rule.rule)
    }

    /// As answers tell calls apart: see `Wanted::Mcp`.
    fn words(&self, question: &Question) -> Vec<Vec<u8>> {
        let kind = match question.subject {
            _ if !question.changes.is_empty() => "pins",
            Of::Tool => "tool",
            Of::Resource => "resource",
            Of::Prompt => "prompt",
            Of::Method => "method",
        };
        let arguments = match question.changes.as_slice() {
            [] => question.arguments.as_ref().map(evidence::json).unwrap_or_default(),
            changes => changes.iter().map(Change::diff).collect(),
        };
        [self.declared.name.as_str(), kind, &question.name, &arguments].map(|word| word.as_bytes().to_vec()).to_vec()
    }

    /// The question as people are shown it.
    fn event(&self, policy: &Policy, question: &Question, words: &[Vec<u8>]) -> Ask {
        let id = self.rule_of(policy, question);
        let rule = policy.rule(id);
        let server = self.declared.name.as_str();
        let (mut argv, mut reason) =
            (evidence::asked(server, &question.name, question.arguments.as_ref()), question.reason.clone());
        if !question.changes.is_empty() {
            reason = question.changes.iter().map(Change::title).collect::<Vec<_>>().join(", ");
            argv.extend(question.changes.iter().map(|change| change.diff().into_bytes()));
        }
        // That something changed once is no reason to take whatever it changes to.
        let choices = if question.changes.is_empty() { policy.choices(id, &Wanted::Mcp(words)) } else { Vec::new() };
        Ask {
            id: 0,
            of: Kind::Mcp,
            op: method(&question.method),
            access: Access::empty(),
            path: server.as_bytes().to_vec(),
            path2: Vec::new(),
            addr: None,
            host: None,
            port: 0,
            argv,
            pid: 0,
            ancestry: Vec::new(),
            cwd: Vec::new(),
            rule: rule.name.clone(),
            layer: rule.layer,
            reason,
            choices: choices.into_iter().map(|(key, text)| Choice { key: key.to_owned(), text }).collect(),
            file: String::new(),
            timeout: 0,
        }
    }
}

/// The methods that are asked about, as events have them.
fn method(name: &str) -> &'static str {
    const KNOWN: [&str; 9] = [
        "tools/call",
        "resources/read",
        "resources/subscribe",
        "resources/unsubscribe",
        "prompts/get",
        "completion/complete",
        "sampling/createMessage",
        "elicitation/create",
        "roots/list",
    ];
    KNOWN.into_iter().find(|known| *known == name).unwrap_or("call")
}

impl Asks for Teller {
    fn ask(&self, question: Question) -> oneshot::Receiver<bool> {
        let (reply, answer) = oneshot::channel();
        let asking = self.shared.asking.clone();
        if asking.fetch_add(1, Ordering::AcqRel) >= MOST_ASKING {
            asking.fetch_sub(1, Ordering::AcqRel);
            return answer;
        }
        let (teller, counted) = (self.clone(), Leaving(asking));
        let wait = move || {
            let _counted = counted;
            teller.put(&question, reply);
        };
        // Without a thread the sender is dropped, which denies.
        drop(std::thread::Builder::new().name("asking".to_owned()).stack_size(STACK).spawn(wait));
        answer
    }
}

/// Counts a thread out, however it ends.
struct Leaving(Arc<AtomicUsize>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Voice for Teller {
    fn accepts(&self, changes: &[Change]) -> bool {
        let question = Question {
            ticket: 0,
            side: Side::Server,
            id: Id::Number(0),
            method: "initialize".to_owned(),
            subject: Of::Method,
            name: "initialize".to_owned(),
            arguments: None,
            rule: String::new(),
            reason: String::new(),
            changes: changes.to_vec(),
        };
        let (reply, mut answer) = oneshot::channel();
        self.put(&question, reply);
        answer.try_recv().unwrap_or(false)
    }

    fn tell_changed(&self, changed: &Changed) {
        let lines = changed.changes.iter().flat_map(|change| {
            std::iter::once(change.title()).chain(change.diff().lines().map(str::to_owned).collect::<Vec<_>>())
        });
        let changes = lines.take(LINES).collect();
        self.publish(McpWhat::Pin(McpPin { first: false, changes, verdict: changed.verdict }));
    }
}

impl Tells for Teller {
    fn now(&self) -> Now {
        let local = jiff::Zoned::now();
        let weekday = u8::try_from(local.weekday().to_monday_zero_offset()).unwrap_or(0);
        let minute = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        Now {
            at: self.shared.bus.elapsed(),
            moment: Moment { unix: local.timestamp().as_second(), weekday, minute },
            terminal: self.shared.questions.is_attended(),
        }
    }

    fn told(&self, told: Told) {
        let policy = self.shared.policy.load();
        let rule = policy.rule(told.rule_id.unwrap_or(RuleId::DEFAULT));
        // The pins decide without a rule of the policy, and are told by their own name.
        let why = match told.rule.as_str() {
            PINS if told.rule_id.is_none() => Why { rule: PINS.into(), layer: policy.rule(self.declared.rule).layer },
            _ => Why { rule: rule.name.clone(), layer: rule.layer },
        };
        let mcp = self.evidence.told(&told, &why, told.arguments.as_ref(), told.answer.as_deref());
        self.shared.bus.publish(Event::Mcp(Box::new(mcp)));
    }

    fn changed(&self, changed: Changed) {
        self.tell_changed(&changed);
        self.keep(move |store, name| held::note(store, name, &changed.changes));
    }

    fn pin(&self, pinned: Pinned) {
        let first = McpPin { first: true, changes: Vec::new(), verdict: Verdict::Allow };
        self.publish(McpWhat::Pin(first));
        let pinned = held::with_key(pinned, &self.key);
        self.keep(move |store, name| store.keep(name, &pinned));
    }

    fn dropped(&self, side: Side, what: &str) {
        self.publish(McpWhat::Dropped { side: self::side(side), why: what.to_owned() });
    }
}

fn side(side: Side) -> McpSide {
    match side {
        Side::Client => McpSide::Client,
        Side::Server => McpSide::Server,
    }
}
