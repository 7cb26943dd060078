//! The one thread that acts outside the broker's Landlock domain, for places that a static rule cannot name: patterns
//! (`~/.claude.json.tmp.*`) and trees that did not exist at the start.
//!
//! Invariant: it trusts nobody. It takes the paths from the descriptors it is handed, judges each of them itself, and
//! acts only when none is denied (who asks and is answered is the broker's business); whatever else the broker got wrong, it
//! reaches nothing the policy denies.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::act::{Act, At};
use super::repository::{Ledger, Settling, settle};
use super::scan::protected_inside;
use super::target::{Credentials, lock};
use crate::policy::{Policy, Verdict};
use crate::sys::{Errno, Sys, clone, file};

/// How often a waiting broker looks whether its target still waits.
const LOOK: Duration = Duration::from_millis(20);

/// What it is asked for.
enum Errand {
    Order(Order),
    /// What is to be settled about a git directory; whose paths are judged there.
    Settle {
        what: Settling,
        ledger: Ledger,
        credentials: Option<Arc<Credentials>>,
        reply: SyncSender<Sys<Result<(), String>>>,
    },
    /// Whether a directory may move as a whole; tells nothing but that.
    Look {
        at: At,
        source: Vec<u8>,
        target: Vec<u8>,
        reply: SyncSender<bool>,
    },
}

struct Order {
    act: Act,
    umask: Option<u32>,
    credentials: Option<Arc<Credentials>>,
    reply: SyncSender<Sys<Option<OwnedFd>>>,
}

/// A way to the thread.
#[derive(Clone)]
pub struct Warden {
    orders: Arc<Mutex<Sender<Errand>>>,
    policy: Arc<ArcSwap<Policy>>,
}

impl Warden {
    /// Starts the thread; call it before any Landlock domain is entered. It ends with its last [`Warden`].
    pub fn start(policy: Arc<Policy>) -> std::io::Result<Self> {
        let (orders, inbox) = channel();
        let policy = Arc::new(ArcSwap::new(policy));
        let current = Arc::clone(&policy);
        std::thread::Builder::new().name("warden".into()).spawn(move || serve(&current, &inbox))?;
        Ok(Self { orders: Arc::new(Mutex::new(orders)), policy })
    }

    /// Judges by this policy from the next errand on.
    pub(super) fn reload(&self, policy: Arc<Policy>) {
        self.policy.store(policy);
    }

    /// Has an act performed. EACCES when the warden's own judgement is not to; EINTR when `waits` says that nobody
    /// waits for it any more.
    pub(super) fn perform(
        &self,
        act: Act,
        umask: Option<u32>,
        credentials: Option<Arc<Credentials>>,
        waits: impl Fn() -> bool,
    ) -> Sys<Option<OwnedFd>> {
        let (reply, answer) = sync_channel(1);
        let order = Order { act, umask, credentials, reply };
        lock(&self.orders).send(Errand::Order(order)).map_err(|_| Errno(libc::EACCES))?;
        loop {
            match answer.recv_timeout(LOOK) {
                Ok(outcome) => return outcome,
                Err(RecvTimeoutError::Timeout) if waits() => {}
                Err(RecvTimeoutError::Timeout) => return Err(Errno(libc::EINTR)),
                Err(RecvTimeoutError::Disconnected) => return Err(Errno(libc::EACCES)),
            }
        }
    }

    /// [`protected_inside`] of a directory that the broker's own domain does not reach; what cannot be told is protected.
    pub(super) fn protected_inside(&self, at: At, source: &[u8], target: &[u8]) -> Sys<bool> {
        let (reply, answer) = sync_channel(1);
        let look = Errand::Look { at, source: source.to_vec(), target: target.to_vec(), reply };
        lock(&self.orders).send(look).map_err(|_| Errno(libc::EACCES))?;
        Ok(answer.recv().unwrap_or(true))
    }

    /// Has it settled; what stands against it, if something does.
    pub(super) fn settle(
        &self,
        what: Settling,
        ledger: Ledger,
        credentials: Option<Arc<Credentials>>,
    ) -> Sys<Result<(), String>> {
        let (reply, answer) = sync_channel(1);
        lock(&self.orders)
            .send(Errand::Settle { what, ledger, credentials, reply })
            .map_err(|_| Errno(libc::EACCES))?;
        answer.recv().unwrap_or(Err(Errno(libc::EACCES)))
    }
}

fn serve(current: &ArcSwap<Policy>, inbox: &Receiver<Errand>) {
    // Without a umask of its own it would change the whole front's: then it serves nobody.
    if clone::unshare_fs().is_err() {
        return;
    }
    current.load().make_ready();
    while let Ok(errand) = inbox.recv() {
        let policy = current.load_full();
        let order = match errand {
            Errand::Order(order) => order,
            Errand::Settle { what, ledger, credentials, reply } => {
                let settled = || settle(&policy, &ledger, &what);
                // The broker waits for this reply unless its thread ended; then nobody needs it.
                let _ = reply.send(super::identity::acting_as(credentials.as_deref(), settled));
                continue;
            }
            Errand::Look { at, source, target, reply } => {
                let look = move || {
                    let inside = protected_inside(&policy, &at, &source, &target).unwrap_or(true);
                    // The broker waits for this reply unless its thread ended; then nobody needs it.
                    let _ = reply.send(inside);
                };
                // Without a thread the reply is dropped, which the asker takes for protected.
                drop(std::thread::Builder::new().name("warden".into()).spawn(look));
                continue;
            }
        };
        if !may_wait(&order.act) {
            carry_out(&policy, order);
            continue;
        }
        let aside = std::thread::Builder::new().name("warden".into()).spawn(move || {
            if clone::unshare_fs().is_ok() {
                carry_out(&policy, order);
            }
        });
        // Without a thread the order is dropped, which its sender takes as a refusal.
        drop(aside);
    }
}

fn carry_out(policy: &Policy, order: Order) {
    let outcome = judged(policy, &order.act)
        .and_then(|()| super::identity::acting_as(order.credentials.as_deref(), || order.act.run(order.umask)));
    // The broker waits for this reply unless its thread ended; then nobody needs it.
    let _ = order.reply.send(outcome);
}

/// Whether opening could wait for a peer: then it must not hold up the next order.
fn may_wait(act: &Act) -> bool {
    let kind = match act {
        Act::Open { at, .. } => file::stat_at(at.dir.as_fd(), &at.name),
        Act::Reopen { object, .. } => file::stat(object.as_fd()),
        _ => return false,
    };
    kind.is_ok_and(|stat| ![libc::S_IFREG, libc::S_IFDIR].contains(&stat.kind()))
}

fn judged(policy: &Policy, act: &Act) -> Sys<()> {
    let touched = act.touches()?;
    let allowed = |(path, access): &(Vec<u8>, _)| policy.decide_file(path, *access).verdict != Verdict::Deny;
    let proc = |(path, _): &(Vec<u8>, _)| path.starts_with(b"/proc/") || path.starts_with(b"/dev/");
    if touched.iter().all(allowed) && !touched.iter().any(proc) { Ok(()) } else { Err(Errno(libc::EACCES)) }
}
