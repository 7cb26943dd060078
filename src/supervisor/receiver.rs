//! The receiving threads: one leads; when its answer takes long (a FIFO without a peer, a slow connect, a hung network
//! file system), another takes the lead and the first goes on alone until it is done.
//!
//! So the usual call never changes threads, and a call that waits never holds up another. A watching thread, asleep
//! while nothing happens, notices both; it also ends the wait of a call whose target died or has a signal to take.
//!
//! A descriptor is handed over in one ioctl that must not be interrupted: the kernel then ends the call without it, with
//! the value 0. So the watcher's signal is only ever sent to a thread that is performing, never to one that replies, and
//! every other signal is blocked in these threads.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use super::shared::Shared;
use super::status::Status;
use super::target::lock;
use super::worker::{Answer, Call, Worker};
use crate::sandbox::refused::refusal;
use crate::sys::seccomp::{self, Notification};
use crate::sys::{Errno, clone, file, interrupt, sched};

/// How long a leader may take before another leads.
const PATIENCE: Duration = Duration::from_millis(4);
/// How often a waiting call is looked at for signals and death.
const LOOK: Duration = Duration::from_millis(20);
/// Looks without news before the watcher sleeps.
const QUIET: u32 = 50;
/// Threads that may wait at the same time; one call more waits with the leader.
const MOST: usize = 192;

/// What one thread is doing, for the watcher.
#[derive(Debug, Default)]
struct Slot {
    tid: AtomicI32,
    /// Odd while a call is being answered.
    step: AtomicU64,
    notification: AtomicU64,
    target: AtomicI32,
    /// One of the phases below.
    phase: AtomicU8,
    /// The watcher sent its signal during this call.
    signalled: AtomicBool,
    /// The step at the watcher's last look.
    looked: AtomicU64,
}

const REPLYING: u8 = 0;
const PERFORMING: u8 = 1;
const SIGNALLING: u8 = 2;

impl Slot {
    /// From here on the watcher may interrupt.
    fn begin(&self, n: &Notification) {
        self.notification.store(n.id, Ordering::Relaxed);
        self.target.store(n.tid as i32, Ordering::Relaxed);
        self.step.fetch_add(1, Ordering::Release);
        self.phase.store(PERFORMING, Ordering::Release);
    }

    /// From here on nobody does, and nothing of it is still on its way.
    fn end_performing(&self) {
        while self.phase.compare_exchange(PERFORMING, REPLYING, Ordering::AcqRel, Ordering::Acquire).is_err() {
            std::hint::spin_loop();
        }
        if self.signalled.swap(false, Ordering::AcqRel) {
            // A signal that was sent is delivered at the latest when a system call returns.
            std::thread::yield_now();
        }
    }

    /// The watcher's signal, if the thread is still performing.
    fn interrupt(&self) {
        if self.phase.compare_exchange(PERFORMING, SIGNALLING, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.signalled.store(true, Ordering::Release);
            // The thread exists: it is the one that performs.
            let _ = interrupt::thread(self.tid.load(Ordering::Acquire));
            self.phase.store(PERFORMING, Ordering::Release);
        }
    }
}

/// All receiving threads.
pub struct Receivers {
    shared: Arc<Shared>,
    slots: Mutex<Vec<Arc<Slot>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    asleep: AtomicBool,
    wake: (Mutex<()>, Condvar),
    idle: (Mutex<usize>, Condvar),
}

impl Receivers {
    /// Starts the first leader and the watcher. They inherit the calling thread's Landlock domain.
    pub fn start(shared: Arc<Shared>) -> std::io::Result<Arc<Self>> {
        let all = Arc::new(Self {
            shared,
            slots: Mutex::default(),
            threads: Mutex::default(),
            asleep: AtomicBool::new(false),
            wake: Default::default(),
            idle: Default::default(),
        });
        all.add()?;
        let watcher = all.clone();
        let thread = std::thread::Builder::new().name("watcher".into()).spawn(move || watcher.watch())?;
        lock(&all.threads).push(thread);
        Ok(all)
    }

    /// A new thread, which leads at once.
    fn add(self: &Arc<Self>) -> std::io::Result<()> {
        let slot = Arc::new(Slot::default());
        let number = {
            let mut slots = lock(&self.slots);
            slots.push(slot.clone());
            slots.len() as u64 - 1
        };
        self.shared.lead.store(number, Ordering::Release);
        let all = self.clone();
        let thread = std::thread::Builder::new().name("receiver".into()).spawn(move || all.serve(number, &slot))?;
        lock(&self.threads).push(thread);
        Ok(())
    }

    /// What the threads share.
    pub fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    fn leads(&self, number: u64) -> bool {
        self.shared.lead.load(Ordering::Acquire) == number
    }

    fn stopping(&self) -> bool {
        self.shared.stopping.load(Ordering::Acquire)
    }

    fn serve(&self, number: u64, slot: &Slot) {
        // Without a working directory and umask of its own a thread must not act for others.
        if clone::unshare_fs().is_err() {
            return self.shared.bus.close();
        }
        if interrupt::only_ours().is_err() {
            return self.shared.bus.close();
        }
        slot.tid.store(clone::thread_id(), Ordering::Release);
        let mut worker = Worker::new(self.shared.clone());
        while !self.stopping() {
            if !self.leads(number) {
                self.rest(number);
                continue;
            }
            match seccomp::receive(self.shared.listener.as_fd()) {
                Ok(n) => {
                    slot.begin(&n);
                    if self.asleep.load(Ordering::Acquire) {
                        self.wake.1.notify_one();
                    }
                    let (answer, call) = self.shared.handle(&mut worker, n);
                    slot.end_performing();
                    self.shared.reply(&n, answer, call.as_ref());
                    slot.step.fetch_add(1, Ordering::Release);
                }
                // A target died between queueing and receiving, or all did: the listener then hangs up.
                Err(Errno(libc::ENOENT)) if !self.hung_up() => {}
                Err(Errno(libc::EINTR)) => {}
                Err(_) => return,
            }
        }
    }

    fn hung_up(&self) -> bool {
        crate::sys::seccomp::hung_up(self.shared.listener.as_fd())
    }

    /// Waits to lead again.
    fn rest(&self, number: u64) {
        let mut resting = lock(&self.idle.0);
        *resting += 1;
        while !self.leads(number) && !self.stopping() {
            let (guard, _) =
                self.idle.1.wait_timeout(resting, Duration::from_secs(1)).unwrap_or_else(|e| e.into_inner());
            resting = guard;
        }
        *resting -= 1;
    }

    /// Gives the lead to a resting thread, or to a new one.
    fn promote(self: &Arc<Self>, stuck: u64) {
        let slots = lock(&self.slots).clone();
        let free =
            slots.iter().position(|s| s.step.load(Ordering::Acquire) % 2 == 0 && s.tid.load(Ordering::Acquire) != 0);
        match free {
            Some(number) if number as u64 != stuck => {
                self.shared.lead.store(number as u64, Ordering::Release);
                self.idle.1.notify_all();
            }
            // No thread can be had: the leader stays, and calls wait for it.
            _ if slots.len() < MOST => drop(self.add()),
            _ => {}
        }
    }

    fn watch(self: Arc<Self>) {
        let mut seen = (u64::MAX, 0);
        let mut quiet = 0;
        let mut ticks = 0_u32;
        while !self.stopping() {
            if quiet > QUIET {
                self.sleep();
                quiet = 0;
            }
            std::thread::park_timeout(PATIENCE);
            ticks = ticks.wrapping_add(1);
            let leader = self.shared.lead.load(Ordering::Acquire);
            let slots = lock(&self.slots).clone();
            let step = slots.get(leader as usize).map_or(0, |s| s.step.load(Ordering::Acquire));
            let busy = slots.iter().any(|s| s.step.load(Ordering::Acquire) % 2 == 1);
            quiet = if busy || seen != (leader, step) { 0 } else { quiet + 1 };
            if seen == (leader, step) && step % 2 == 1 {
                self.promote(leader);
            }
            seen = (leader, step);
            if ticks.is_multiple_of((LOOK.as_millis() / PATIENCE.as_millis()) as u32) {
                slots.iter().for_each(|slot| self.look(slot));
            }
            if ticks.is_multiple_of(64) {
                self.sweep();
            }
        }
    }

    fn sleep(&self) {
        let guard = lock(&self.wake.0);
        self.asleep.store(true, Ordering::Release);
        // A call that came in between is seen at the latest after this time.
        drop(self.wake.1.wait_timeout(guard, Duration::from_millis(500)));
        self.asleep.store(false, Ordering::Release);
        self.sweep();
    }

    /// Ends a wait that nobody waits for any more, or that a signal should end.
    fn look(&self, slot: &Slot) {
        let step = slot.step.load(Ordering::Acquire);
        // Only what is still the same call since the last look has waited long enough to be looked into.
        if slot.looked.swap(step, Ordering::Relaxed) != step || step.is_multiple_of(2) {
            return;
        }
        let alive = seccomp::is_valid(self.shared.listener.as_fd(), slot.notification.load(Ordering::Relaxed));
        let signalled = alive && Status::of(slot.target.load(Ordering::Relaxed)).is_ok_and(|s| s.deliverable != 0);
        if (!alive || signalled) && slot.step.load(Ordering::Acquire) == step {
            slot.interrupt();
        }
    }

    /// Ends of processes that said nothing.
    fn sweep(&self) {
        for process in self.shared.table.sweep() {
            self.shared.gone(&process);
        }
    }

    /// See [`Shared::pause`].
    pub fn pause(&self) -> MutexGuard<'_, super::shared::Masks> {
        self.shared.pause()
    }

    /// Ends every thread and reports what is left.
    pub fn finish(&self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.wake.1.notify_all();
        self.idle.1.notify_all();
        let threads = std::mem::take(&mut *lock(&self.threads));
        for thread in threads {
            while !thread.is_finished() {
                for slot in lock(&self.slots).iter() {
                    // Every target is gone, so no reply can be spoiled; ended threads are not there to be interrupted.
                    let _ = interrupt::thread(slot.tid.load(Ordering::Acquire));
                }
                thread.thread().unpark();
                self.idle.1.notify_all();
                // One that was about to sleep did not hear the first call.
                self.wake.1.notify_all();
                std::thread::park_timeout(Duration::from_micros(100));
            }
            // A panic of a receiver was reported where it happened.
            let _ = thread.join();
        }
        for process in self.shared.table.drain() {
            self.shared.gone(&process);
        }
    }
}

impl Shared {
    /// One call from receipt to answer.
    fn handle(&self, worker: &mut Worker, n: Notification) -> (Answer, Option<Call>) {
        let started = self.bus.elapsed();
        worker.refresh();
        let thread = match self.table.thread(n.tid as i32) {
            Ok(thread) => thread,
            // Who cannot be looked at gets nothing.
            Err(_) => return (Answer::Errno(Errno(libc::EACCES)), None),
        };
        let call = Call { n, thread, started };
        let process = &call.thread.process;
        let unchecked = process.exec_pending.load(Ordering::Acquire) || !process.vetted.load(Ordering::Acquire);
        if unchecked && !worker.check(&call) {
            // It was killed; should it live a moment longer, it gets nothing either.
            return (Answer::Errno(Errno(libc::EACCES)), None);
        }
        let answer = match refusal(call.n.arch, i64::from(call.n.nr), &call.n.args) {
            Some(refusal) => worker.refuse(&call, refusal.op, refusal.object.as_bytes(), refusal.errno),
            None => worker.answer(&call),
        };
        (answer, Some(call))
    }

    /// Sends the answer. A target that is gone needs none.
    fn reply(&self, n: &Notification, answer: Answer, call: Option<&Call>) {
        let listener = self.listener.as_fd();
        let sent = match answer {
            Answer::Continue => seccomp::send_continue(listener, n.id),
            Answer::Value(value) => seccomp::send_value(listener, n.id, value),
            Answer::Errno(errno) => seccomp::send_errno(listener, n.id, errno),
            Answer::Fd { fd, cloexec } => {
                let mut masks = lock(&self.masks);
                let held = call.and_then(|call| hold(&mut masks, call.tid()));
                // A FIFO counts who has it open: one end that we hold on to for a moment lets a peer in that meets nobody.
                // And what we still have open for writing, nobody can execute yet.
                let sent = if file::is_noticed(fd.as_fd()) {
                    seccomp::send_only_fd(listener, n.id, fd, cloexec)
                } else {
                    seccomp::send_fd(listener, n.id, fd.as_fd(), cloexec).map(drop)
                };
                drop(held);
                sent
            }
        };
        if let Err(errno @ Errno(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EBUSY)) = sent {
            self.tell_full(errno, call);
            // The descriptor did not fit; the call still waits.
            let _ = seccomp::send_errno(listener, n.id, errno);
        }
    }

    /// sched_setaffinity(2) for a target, in turn with handing over.
    pub fn set_affinity(&self, tid: i32, mask: &sched::Mask) -> Result<(), Errno> {
        let mut known = lock(&self.masks);
        known.remove(&tid);
        sched::set_affinity(tid, mask)
    }

    /// Waits until no descriptor is being handed over, and lets none be while the guard lives: for the moment in which
    /// the whole front is stopped.
    pub fn pause(&self) -> MutexGuard<'_, super::shared::Masks> {
        lock(&self.masks)
    }
}

/// Keeps the target on this CPU while its descriptor is handed over: the kernel wakes it without the hint that it
/// should stay, and waking another, idle CPU costs more than the whole call. Its own mask comes back when this drops.
fn hold(masks: &mut super::shared::Masks, tid: i32) -> Option<Held> {
    let own = match masks.get(&tid) {
        Some(mask) => *mask,
        None => {
            if masks.len() > 4096 {
                masks.clear();
            }
            let mask = sched::affinity(tid).ok()?;
            masks.insert(tid, mask);
            mask
        }
    };
    let here = sched::only(sched::current_cpu());
    let several = own.iter().map(|w| w.count_ones()).sum::<u32>() > 1;
    let may_run_here = own.iter().zip(here).any(|(a, b)| a & b != 0);
    if !several || !may_run_here || sched::set_affinity(tid, &here).is_err() {
        return None;
    }
    Some(Held { tid, own })
}

/// A target held on one CPU.
struct Held {
    tid: i32,
    own: sched::Mask,
}

impl Drop for Held {
    fn drop(&mut self) {
        // A target that is gone needs no mask.
        let _ = sched::set_affinity(self.tid, &self.own);
    }
}
