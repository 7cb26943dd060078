//! What the relay says of a message, carried out as far as an exchange can: asked, told, recorded.
//!
//! Invariant: nothing is passed on here; what may be is handed back. Leaves to others: passing it on (`exchange`, `filter`).

use std::collections::VecDeque;

use super::Front;
use super::sessions::Shared;
use crate::mcp::relay::{Question, Step};

/// What may be passed on.
#[derive(Debug, Default)]
pub struct Outcome {
    pub to_server: Vec<Vec<u8>>,
    pub to_client: Vec<Vec<u8>>,
}

/// Waits for answers where a rule asks.
pub async fn carried_out(front: &Front, relay: &Shared, steps: Vec<Step>) -> Outcome {
    let mut outcome = Outcome::default();
    let mut rest = VecDeque::from(steps);
    while let Some(step) = rest.pop_front() {
        match step {
            Step::Server(line) => outcome.to_server.push(line),
            Step::Client(line) => outcome.to_client.push(line),
            Step::Park(question) => rest.extend(asked(front, relay, *question).await),
            // Its exchange may be over already.
            Step::Unpark(ticket) => drop(relay.withdrawn.send(ticket)),
            Step::Told(told) => front.tells.told(*told),
            Step::Changed(changed) => front.tells.changed(*changed),
            Step::Pin(pinned) => front.tells.pin(*pinned),
            Step::Dropped { side, what } | Step::Close { side, why: what } => front.tells.dropped(side, &what),
        }
    }
    outcome
}

/// Waits for somebody's answer. A client that goes away drops the question with this.
async fn asked(front: &Front, relay: &Shared, question: Question) -> Vec<Step> {
    let ticket = question.ticket;
    let mut withdrawn = relay.withdrawn.subscribe();
    let mut answer = front.asks.ask(question);
    let allowed = loop {
        tokio::select! {
            answer = &mut answer => break answer.unwrap_or(false),
            gone = withdrawn.recv() => if gone.map_or(true, |gone| gone == ticket) { break false },
        }
    };
    let now = front.tells.now();
    relay.lock().answered(ticket, allowed, now)
}
