//! What a connection asks of the session: the time, the record, people.
//!
//! Invariant: nothing here waits. Leaves to others: judging (`mcp::relay`), the form of events (`event`).

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{Declared, Shared};
use crate::mcp::connection::{Asks, Ended, Tells};
use crate::mcp::pins::Pinned;
use crate::mcp::relay::{Changed, Now, Question, Side, Told};
use crate::policy::mcp::Moment;

/// One connection's.
pub struct Teller {
    shared: Arc<Shared>,
    connection: u64,
}

impl Teller {
    pub(super) fn new(shared: &Arc<Shared>, _: &Declared, connection: u64) -> Teller {
        Teller { shared: shared.clone(), connection }
    }

    pub fn connection(&self) -> u64 {
        self.connection
    }

    /// What the server's process wrote there.
    pub fn stderr(&self, _: &[u8]) {}

    /// The last of it.
    pub fn ended(&self, _: Option<i32>, _: Ended) {}
}

impl Asks for Teller {
    fn ask(&self, _: Question) -> oneshot::Receiver<bool> {
        oneshot::channel().1
    }
}

impl Tells for Teller {
    fn now(&self) -> Now {
        let local = jiff::Zoned::now();
        let weekday = u8::try_from(local.weekday().to_monday_zero_offset()).unwrap_or(0);
        let minute = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        Now {
            at: self.shared.bus.elapsed(),
            moment: Moment { weekday, minute },
            terminal: self.shared.questions.is_attended(),
        }
    }

    fn told(&self, _: Told) {}

    fn changed(&self, _: Changed) {}

    fn pin(&self, _: Pinned) {}

    fn dropped(&self, _: Side, _: &str) {}
}
