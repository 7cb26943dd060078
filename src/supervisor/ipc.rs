//! System V shared memory, message queues and semaphores: a session has those that it made, and no others.
//!
//! Their names are numbers that every process of the user can guess and no rule can name, and Landlock knows nothing of
//! them. So the front makes them and remembers which; using one is then left to the kernel.
//! Invariant: a number that the session did not make is refused. It stands in a register, so nothing changes it between
//! our look and the kernel's; a number comes again only after all others of its slot, some 30,000, have been used up.

use super::target::lock;
use super::worker::{Answer, Call, Worker};
use crate::sys::{Errno, ipc};

/// Which of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Space {
    Memory,
    Queue,
    Semaphore,
}

/// IPC_INFO: limits of the machine.
const IPC_INFO: i32 = 3;
/// IPC_64, a flag in the command.
const IPC_64: i32 = 0x100;

impl Worker {
    /// shmget(2), msgget(2), semget(2).
    pub fn ipc_get(&self, call: &Call, space: Space, op: &'static str) -> Answer {
        let flags_at = if space == Space::Queue { 1 } else { 2 };
        let flags = call.int(flags_at);
        let private = call.int(0) == libc::IPC_PRIVATE;
        let with = |flags: i32| {
            let mut words = [call.arg(0), call.arg(1), call.arg(2)];
            words[flags_at] = u64::from(flags as u32);
            ipc::get(i64::from(call.n.nr), words)
        };
        let mut own = lock(&self.shared.own_ipc);
        if private || flags & libc::IPC_CREAT != 0 {
            // Exclusive, so that what comes back is fresh.
            match with(flags | if private { 0 } else { libc::IPC_EXCL }) {
                Ok(id) => {
                    own.insert((space, id));
                    return Answer::Value(id.into());
                }
                Err(Errno(libc::EEXIST)) if flags & libc::IPC_EXCL == 0 => {}
                Err(errno) => return errno.into(),
            }
        }
        match with(flags & !(libc::IPC_CREAT | libc::IPC_EXCL)) {
            Ok(id) if own.contains(&(space, id)) => Answer::Value(id.into()),
            Ok(id) => self.refuse(call, op, format!("number {id}").as_bytes(), Errno(libc::EACCES)),
            Err(errno) => errno.into(),
        }
    }

    /// Every other call; its first argument is the number. `command` says where a control call has its command.
    pub fn ipc_use(&self, call: &Call, space: Space, op: &'static str, command: Option<usize>) -> Answer {
        let id = call.int(0);
        let command = command.map(|at| call.int(at) & !IPC_64);
        let mut own = lock(&self.shared.own_ipc);
        if own.contains(&(space, id)) {
            if command == Some(libc::IPC_RMID) {
                own.remove(&(space, id));
            }
            return Answer::Continue;
        }
        // SHM_INFO, MSG_INFO, SEM_INFO: how much of it is used.
        let use_of_all = match space {
            Space::Memory => 14,
            Space::Queue => 12,
            Space::Semaphore => 19,
        };
        if command.is_some_and(|command| [IPC_INFO, use_of_all].contains(&command)) {
            return Answer::Continue;
        }
        self.refuse(call, op, format!("number {id}").as_bytes(), Errno(libc::EACCES))
    }
}
