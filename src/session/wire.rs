//! What front and monitor say to each other: frames of a 32-bit little-endian length and that much JSON.
//!
//! ```text
//! front                                   monitor                    its child
//!   │ Orders, descriptors ────────────────▶│ fork ────────────────────▶│ install
//!   │◀──────────────────────────────────────────────── Listener ──────│
//!   │ one byte: go ───────────────────────────────────────────────────▶│ execve
//!   │◀──────────────────────────────────────────────── Failed ────────│ (only then)
//!   │◀ Stopped, Frozen, Thawed, Over, Ended, Kept ─│
//!   │ Signal, Continue, Freeze, Thaw, End ─▶│
//! ```
//! Invariant: only the session's own processes ever hold an end; a frame is whole or the other end is gone.
//! Leaves to others: what the messages cause (`monitor`, `pump`).

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::monitor::Watched;
use crate::sandbox::AgentPlan;
use crate::sys::unix;

/// Larger frames are refused: the kernel takes at most 6 MiB of arguments and environment.
const LARGEST: usize = 64 << 20;

/// Bytes as JSON text: byte n is character U+00nn, so that nothing is lost and little is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    /// `name=value`.
    pub fn pair(name: &OsStr, value: &OsStr) -> Self {
        Bytes([name.as_bytes(), b"=", value.as_bytes()].concat())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.iter().map(|byte| char::from(*byte)).collect::<String>())
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
        bytes.map(Bytes).map_err(serde::de::Error::custom)
    }
}

/// Where one of the agent's standard descriptors comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stdio {
    /// The follower, on which the monitor itself runs.
    Pty,
    /// This one of the descriptors sent after the orders.
    Sent(usize),
    Closed,
}

/// All that the monitor needs to start the agent.
#[derive(Debug, Serialize, Deserialize)]
pub struct Orders {
    pub plan: AgentPlan,
    /// What is executed, absolute.
    pub program: Bytes,
    pub argv: Vec<Bytes>,
    /// `NAME=value`.
    pub env: Vec<Bytes>,
    pub stdio: [Stdio; 3],
    /// How many descriptors follow.
    pub sent: usize,
    /// Signals the agent has blocked and ignores, as the user's shell started us; see `sys::signals::Set`.
    pub blocked: u64,
    pub ignored: u64,
    /// RLIMIT_NOFILE as the user had it: soft, hard.
    pub open_files: (u64, u64),
    /// The agent starts as the PTY's foreground group.
    pub foreground: bool,
    pub keep_background: bool,
    /// Limits that the monitor holds the session to.
    pub watched: Watched,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToMonitor {
    /// For the agent's group, or the agent alone.
    Signal {
        signal: i32,
        group: bool,
    },
    /// Wake the stopped agent, as the PTY's foreground group or not.
    Continue {
        foreground: bool,
    },
    /// Hold every process still, or let all of them go on.
    Freeze,
    Thaw,
    /// End everything now.
    End,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromMonitor {
    /// Number of the seccomp listener in the process.
    Listener {
        number: i32,
        pid: i32,
    },
    /// The agent could not be started.
    Failed(Failure),
    Stopped {
        signal: i32,
    },
    /// `Continue` was done: a stop that comes from now on holds.
    Woken,
    /// So many processes are held still; not `whole` when some forked faster than they could be stopped.
    Frozen {
        processes: usize,
        whole: bool,
    },
    Thawed,
    Ended(Ended),
    /// A limit was exceeded and everything killed.
    Over {
        what: String,
    },
    /// The agent ended and left processes behind that were to be kept.
    Kept,
}

/// How the agent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ended {
    /// Exit status, 0–255.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

impl Ended {
    /// As `govsh run` returns it.
    pub fn status(self) -> i32 {
        match self {
            Ended::Exited(status) => status,
            Ended::Killed(signal) => 128 + signal,
        }
    }

    pub fn signal(self) -> Option<i32> {
        match self {
            Ended::Exited(_) => None,
            Ended::Killed(signal) => Some(signal),
        }
    }
}

/// Why the agent could not be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Failure {
    #[error("{message}")]
    Sandbox { message: String, hint: Option<String> },
    #[error("cannot {act}: {}", io::Error::from_raw_os_error(*.errno))]
    Setup { act: String, errno: i32 },
    /// execve(2) refused.
    #[error("cannot run it: {}", io::Error::from_raw_os_error(*.0))]
    Exec(i32),
}

/// One end of the conversation.
#[derive(Debug)]
pub struct Link(UnixStream);

impl Link {
    pub fn new(socket: UnixStream) -> Self {
        Link(socket)
    }

    /// The same end for another thread: one sends, one receives.
    pub fn sender(&self) -> io::Result<Link> {
        self.0.try_clone().map(Link)
    }

    /// Sends a frame in one write.
    pub fn send(&mut self, message: &impl Serialize) -> io::Result<()> {
        let mut frame = vec![0; 4];
        serde_json::to_writer(&mut frame, message)?;
        let length = u32::try_from(frame.len() - 4).map_err(|_| io::ErrorKind::InvalidInput)?;
        frame[..4].copy_from_slice(&length.to_le_bytes());
        self.0.write_all(&frame)
    }

    /// Waits for the next frame; UnexpectedEof when the other end is gone.
    pub fn receive<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > LARGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut frame = vec![0; length];
        self.0.read_exact(&mut frame)?;
        Ok(serde_json::from_slice(&frame)?)
    }

    /// Lets the child that waits in `wait_for_go` execute its program.
    pub fn go(&mut self) -> io::Result<()> {
        self.0.write_all(&[1])
    }

    pub fn wait_for_go(&mut self) -> io::Result<()> {
        self.0.read_exact(&mut [0])
    }

    pub fn send_descriptors(&self, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        unix::send_descriptors(self.0.as_fd(), descriptors)
    }

    pub fn receive_descriptors(&self) -> io::Result<Vec<std::os::fd::OwnedFd>> {
        unix::receive_descriptors(self.0.as_fd())
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_the_wire() -> io::Result<()> {
        let (here, there) = UnixStream::pair()?;
        let (mut here, mut there) = (Link::new(here), Link::new(there));
        let all = Bytes((0..=255).collect());
        here.send(&all)?;
        here.send(&ToMonitor::Continue { foreground: true })?;
        assert_eq!(there.receive::<Bytes>()?, all);
        assert_eq!(there.receive::<ToMonitor>()?, ToMonitor::Continue { foreground: true });
        drop(here);
        assert_eq!(there.receive::<ToMonitor>().map_err(|e| e.kind()), Err(io::ErrorKind::UnexpectedEof));
        Ok(())
    }
}
