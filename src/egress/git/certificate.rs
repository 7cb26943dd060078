//! A push certificate: the commands of a signed push (gitprotocol-pack(5), "Push Certificate").
//!
//! Invariant: what git's receive-pack could take for a command is told as one, or the certificate is a fault. Git lays the
//! lines end to end, reads commands from behind the first empty line on, and stops at the last line that begins a signature:
//! so each line must be one, and only one may begin a signature.
//! Leaves to others: whether the signature is good, which the server says; judging the refs.
//!
//! ```text
//! push-cert NUL capabilities · certificate version 0.1 · pusher … · pushee … · nonce … · push-option …
//! (empty line) · commands · -----BEGIN … SIGNATURE----- … · push-cert-end
//! ```

use super::push::{Command, PushFault, command};

/// What lines are, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Headers,
    Commands,
    Signature,
}

/// A certificate that is being read.
#[derive(Debug)]
pub struct Certificate(Part);

impl Certificate {
    pub fn new() -> Certificate {
        Certificate(Part::Headers)
    }

    /// Takes the next line; whether it was the last.
    pub fn line(&mut self, text: &[u8], commands: &mut Vec<Command>) -> Result<bool, PushFault> {
        // Git reads up to a NUL, and looks for line ends in what it laid together.
        let line = text.strip_suffix(b"\n").ok_or(PushFault::Certificate)?;
        if line.iter().any(|byte| matches!(byte, 0 | b'\n' | b'\r')) {
            return Err(PushFault::Certificate);
        }
        if line == b"push-cert-end" {
            return if self.0 == Part::Signature { Ok(true) } else { Err(PushFault::Certificate) };
        }
        let begins = line.starts_with(b"-----BEGIN ");
        match self.0 {
            Part::Headers if begins => return Err(PushFault::Certificate),
            Part::Headers if line.is_empty() => self.0 = Part::Commands,
            Part::Headers => {}
            Part::Commands if begins => self.0 = Part::Signature,
            Part::Commands => commands.push(command(line).ok_or(PushFault::Command)?),
            // A server that does not know this kind of signature would take its lines for commands.
            Part::Signature if begins || command(line).is_some() => return Err(PushFault::Certificate),
            Part::Signature => {}
        }
        Ok(false)
    }
}
