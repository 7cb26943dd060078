//! Where the panel's questions come from and its answers go: the session's own table.
//!
//! Invariant: nothing here waits for a disk on the caller's thread.
//! Leaves to others: the table (`supervisor::questions`), keeping an answer (`answers`).

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use super::Question;
use crate::event::{By, Scope};
use crate::policy::Verdict;
use crate::recording::visible;
use crate::session::answers;
use crate::supervisor::questions::{Questions, Refused, Reply, Waiting};

/// What a person has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    pub verdict: Verdict,
    pub scope: Scope,
    /// Index into the question's choices.
    pub choice: usize,
}

/// Told what became of an answer, in words for the panel; empty when there is nothing to say.
pub type Tell = Box<dyn FnOnce(String) + Send>;

/// Where questions come from and answers go.
pub trait Desk: Send {
    /// Oldest first.
    fn waiting(&self) -> Vec<Question>;
    /// Readable when the list has changed; reading eight bytes resets it.
    fn changed(&self) -> io::Result<OwnedFd>;
    /// Answers on a thread of its own: it may write a file.
    fn settle(&self, question: &Question, said: Said, tell: Tell);
    /// What somebody else has answered to a question that is gone, in words; empty when nobody needs to know.
    fn became(&self, ask: u64) -> String;
}

/// Questions that are answered at this terminal.
pub struct Terminals {
    pub questions: Questions,
    /// Where *always* is written.
    pub answers: PathBuf,
    /// `user@pts/3`.
    pub who: String,
}

impl Desk for Terminals {
    fn waiting(&self) -> Vec<Question> {
        let question = |Waiting { ask, seq, left, calls }| Question { ask, seq, left, calls };
        self.questions.waiting().into_iter().map(question).collect()
    }

    fn changed(&self) -> io::Result<OwnedFd> {
        self.questions.changed()
    }

    fn settle(&self, question: &Question, said: Said, tell: Tell) {
        let Said { verdict, scope, choice } = said;
        let (who, rule) = (self.who.clone(), String::new());
        let reply = Reply { verdict, scope, choice, by: By::Terminal, who, screen: question.seq, rule };
        let (questions, answers, ask) = (self.questions.clone(), self.answers.clone(), question.ask.id);
        let settle = move || {
            // What was asked for needs no words; why it could not be done does.
            let said = answers::settle(&questions, &answers, ask, reply).err();
            tell(said.map(|error| visible(error.to_string().as_bytes())).unwrap_or_default());
        };
        // Without a thread it stays open, and is denied when its time is over.
        let _ = std::thread::Builder::new().name("answer".to_owned()).spawn(settle);
    }

    fn became(&self, ask: u64) -> String {
        // An answer to a question that is answered says what the answer was.
        let reply = Reply {
            verdict: Verdict::Deny,
            scope: Scope::Once,
            choice: 0,
            by: By::Terminal,
            who: self.who.clone(),
            screen: None,
            rule: String::new(),
        };
        match self.questions.answer(ask, reply) {
            Err(Refused::Answered { by: By::Timeout, .. }) => "its time was over: denied".to_owned(),
            Err(Refused::Answered { by: By::Watch | By::Command, who, verdict, .. }) => {
                let verdict = if verdict == Verdict::Allow { "allowed" } else { "denied" };
                format!("{verdict} by {}", visible(who.as_bytes()))
            }
            _ => String::new(),
        }
    }
}
