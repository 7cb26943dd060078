//! Connections through the proxy that a rule asks about, put to whoever answers the session's questions.
//!
//! Invariant: a question that cannot be put is denied; no more than [`MOST`] wait at a time. Who gives up waiting withdraws
//! his part of it.
//! Leaves to others: the table of questions (`supervisor::questions`).

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::oneshot;

use crate::egress::{Asks, NetQuestion, Ruling};
use crate::event::{Ask, Choice, Kind};
use crate::policy::{Access, NetOp, Policy, Reach, Wanted};
use crate::supervisor;
use crate::supervisor::questions::{Outcome, Put, Questions, Still, Subject};

/// Connections that wait for an answer, each with a thread: as many as calls may.
const MOST: usize = 64;
/// Bytes of such a thread's stack.
const STACK: usize = 256 << 10;

pub struct Asker {
    shared: Arc<Shared>,
}

struct Shared {
    questions: Questions,
    policy: Arc<ArcSwap<Policy>>,
    waiting: AtomicUsize,
}

impl Asker {
    pub fn new(questions: Questions, policy: Arc<ArcSwap<Policy>>) -> Self {
        Self { shared: Arc::new(Shared { questions, policy, waiting: AtomicUsize::new(0) }) }
    }
}

impl Asks for Asker {
    fn ask(&self, question: NetQuestion) -> oneshot::Receiver<Ruling> {
        let (reply, answer) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        if shared.waiting.fetch_add(1, Ordering::AcqRel) >= MOST {
            shared.waiting.fetch_sub(1, Ordering::AcqRel);
            return answer;
        }
        let wait = move || {
            let leaving = Leaving(shared);
            leaving.0.put(&question, reply);
        };
        // Without a thread the sender is dropped, which denies.
        drop(std::thread::Builder::new().name("asking".to_owned()).stack_size(STACK).spawn(wait).map_err(|_| {
            self.shared.waiting.fetch_sub(1, Ordering::AcqRel);
        }));
        answer
    }
}

/// Counts a thread out, however it ends.
struct Leaving(Arc<Shared>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Shared {
    /// Puts the question and sends what is answered.
    fn put(&self, question: &NetQuestion, reply: oneshot::Sender<Ruling>) {
        let policy = self.policy.load_full();
        let rule = question.decision.rule;
        // With a host the address plays no part.
        let anywhere = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), question.port);
        let subject = match (&question.host, question.addr) {
            (None, None) => return,
            (host, addr) => Subject::of_net("connect", addr.unwrap_or(anywhere), host.clone()),
        };
        let put = Put {
            subject: subject.clone(),
            rule,
            program: question.program.to_vec(),
            once: Vec::new(),
            ask: &|| event(&policy, question, &subject),
        };
        let mut still = || if reply.is_closed() { Still::Gone } else { Still::Waits };
        let Outcome::Given(given) = self.questions.ask(&put, &mut still) else { return };
        let named = policy.rule(rule);
        let words = format!("{} (ask {})", given.words, named.name);
        // Whoever asked may be gone by now.
        let _ = reply.send(Ruling { verdict: given.verdict, rule: words.into(), layer: named.layer });
    }
}

/// The question as people are shown it.
fn event(policy: &Policy, question: &NetQuestion, subject: &Subject) -> Ask {
    let rule = policy.rule(question.decision.rule);
    let reach = Reach { op: NetOp::Connect, addr: subject.addr, port: question.port, host: question.host.as_ref() };
    let choices = policy.choices(question.decision.rule, &Wanted::Net(reach));
    Ask {
        id: 0,
        of: Kind::Net,
        op: "connect",
        access: Access::empty(),
        path: Vec::new(),
        path2: Vec::new(),
        addr: question.addr,
        host: question.host.as_ref().map(|host| Arc::from(host.as_str())),
        port: if question.addr.is_some() { 0 } else { question.port },
        argv: Vec::new(),
        pid: question.pid,
        ancestry: supervisor::ancestry(question.pid),
        cwd: Vec::new(),
        rule: rule.name.clone(),
        layer: rule.layer,
        reason: policy.reason(question.decision.rule).to_owned(),
        choices: choices.into_iter().map(|(key, text)| Choice { key: key.to_owned(), text }).collect(),
        file: String::new(),
        timeout: 0,
    }
}
