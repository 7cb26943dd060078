//! The session's own questions, for the panel.
//!
//! Invariant: nothing here waits for a disk on the caller's thread.
//! Leaves to others: the table (`supervisor::questions`), keeping an answer (`answers`).

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use super::{Desk, Question, Said, Tell};
use crate::event::By;
use crate::recording::visible;
use crate::session::answers;
use crate::supervisor::questions::{Questions, Reply, Waiting};

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
}
