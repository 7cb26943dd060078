//! The screen thread: a terminal model that gets what the user's terminal gets.
//!
//! Invariant: whoever feeds it never waits: what it cannot keep up with is dropped and said (`is_lost`), and the repaint is
//! then left to the agent. Nothing runs while nothing is written.
//! Leaves to others: what the model is for (`overlay`), the model itself (`screen`).

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::screen::Screen;

/// Bytes that may wait to be drawn.
const MOST: usize = 8 << 20;
/// Bytes that are worth waking up for at once.
const WORTH: usize = 512 << 10;
/// How long less than that may wait, so that a busy agent does not wake us for each of its writes.
const LAG: Duration = Duration::from_millis(30);

/// The feeding end; dropping the last one ends the thread.
pub struct Model {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Mutex<Queue>,
    ready: Condvar,
    screen: Mutex<Screen>,
}

#[derive(Default)]
struct Queue {
    items: Vec<Item>,
    bytes: Vec<u8>,
    /// The thread waits for anything at all.
    asleep: bool,
    /// It is drawing what it has taken.
    drawing: bool,
    /// Somebody wants to be told when all is drawn.
    asked: bool,
    lost: bool,
    closed: bool,
    /// Bytes that ever came.
    total: u64,
}

/// What happened to the terminal, in order; bytes lie end to end in the queue.
enum Item {
    Bytes(usize),
    Size(u16, u16),
}

impl Model {
    /// Starts the thread. A byte is written to `wake` whenever all that was asked for by [`Model::catch_up`] is drawn.
    pub fn start(cols: u16, rows: u16, wake: OwnedFd) -> io::Result<Self> {
        let shared = Shared {
            queue: Mutex::new(Queue::default()),
            ready: Condvar::new(),
            screen: Mutex::new(Screen::new(cols, rows)),
        };
        let shared = Arc::new(shared);
        let own = Arc::clone(&shared);
        std::thread::Builder::new().name("screen".to_owned()).spawn(move || own.run(wake.into()))?;
        Ok(Model { shared })
    }

    /// What the terminal is about to show. Copied; no allocation in steady state.
    pub fn bytes(&self, bytes: &[u8]) {
        let mut queue = self.shared.lock();
        queue.total += bytes.len() as u64;
        if queue.bytes.len() + bytes.len() > MOST {
            queue.items.clear();
            queue.bytes.clear();
            queue.lost = true;
            return;
        }
        queue.bytes.extend_from_slice(bytes);
        match queue.items.last_mut() {
            Some(Item::Bytes(length)) => *length += bytes.len(),
            _ => queue.items.push(Item::Bytes(bytes.len())),
        }
        let worth = queue.bytes.len() >= WORTH;
        self.shared.wake(queue, worth);
    }

    /// The terminal has another size from now on.
    pub fn resize(&self, cols: u16, rows: u16) {
        let mut queue = self.shared.lock();
        queue.items.push(Item::Size(cols, rows));
        self.shared.wake(queue, false);
    }

    /// Wants to be told when all is drawn.
    pub fn catch_up(&self) {
        let mut queue = self.shared.lock();
        queue.asked = true;
        self.shared.wake(queue, true);
    }

    /// Everything that was fed is drawn.
    pub fn is_current(&self) -> bool {
        let queue = self.shared.lock();
        queue.items.is_empty() && !queue.drawing && !queue.asked
    }

    /// Bytes that were ever fed.
    pub fn total(&self) -> u64 {
        self.shared.lock().total
    }

    /// Something was dropped since this was last asked: the screen may not be what the terminal shows.
    pub fn take_lost(&self) -> bool {
        std::mem::take(&mut self.shared.lock().lost)
    }

    /// The screen as far as it is drawn; the thread waits meanwhile.
    pub fn screen(&self) -> MutexGuard<'_, Screen> {
        self.shared.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("total", &self.total()).finish_non_exhaustive()
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.closed = true;
        self.shared.wake(queue, true);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, mut queue: MutexGuard<'_, Queue>, at_once: bool) {
        if queue.asleep || at_once {
            queue.asleep = false;
            drop(queue);
            self.ready.notify_one();
        }
    }

    fn run(&self, mut wake: File) {
        let (mut items, mut bytes) = (Vec::new(), Vec::new());
        while self.take(&mut items, &mut bytes) {
            self.draw(&items, &bytes);
            items.clear();
            bytes.clear();
            let mut queue = self.lock();
            queue.drawing = false;
            if queue.items.is_empty() && std::mem::take(&mut queue.asked) {
                drop(queue);
                // A pipe that is full wakes its reader too; one that is closed has none.
                let _ = wake.write(&[1]);
            }
        }
    }

    /// Waits for something to do and swaps it out; false at the end.
    fn take(&self, items: &mut Vec<Item>, bytes: &mut Vec<u8>) -> bool {
        let mut queue = self.lock();
        while queue.items.is_empty() && !queue.asked && !queue.closed {
            queue.asleep = true;
            queue = self.ready.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.asleep = false;
        let more = |queue: &mut Queue| queue.bytes.len() < WORTH && !queue.asked && !queue.closed;
        queue = self.ready.wait_timeout_while(queue, LAG, more).unwrap_or_else(PoisonError::into_inner).0;
        std::mem::swap(&mut queue.items, items);
        std::mem::swap(&mut queue.bytes, bytes);
        queue.drawing = true;
        !queue.closed
    }

    fn draw(&self, items: &[Item], bytes: &[u8]) {
        let mut screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = bytes;
        for item in items {
            match *item {
                Item::Bytes(length) => {
                    let (now, later) = rest.split_at(length.min(rest.len()));
                    screen.feed(now);
                    rest = later;
                }
                Item::Size(cols, rows) => screen.resize(cols, rows),
            }
        }
    }
}
