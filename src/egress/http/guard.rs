//! Credentials of one request: what must not be in it is looked for, what belongs into it is put there.
//!
//! Invariant: a secret is put in only over TLS that was verified for the leg's host, into a request that its credential
//! covers in the policy in force; whatever else holds a secret or a placeholder is not sent on.
//! Leaves to others: values and placeholders (`credentials`), sending (`leg`).
//!
//! ```text
//!                              its own host, covered       its own host, else      any other host, or not TLS
//! placeholder, its header      the secret is put there     refused                 refused
//! placeholder, anywhere else   goes as it is               refused                 refused
//! secret, its header           goes                        refused                 refused
//! secret, anywhere else        refused                     refused                 refused
//! ```

use std::sync::Arc;

use hyper::HeaderMap;
use hyper::header::{self, HeaderName, HeaderValue};

use super::answer::Refusal;
use super::check::Call;
use super::note::{self, Note};
use crate::egress::credentials::scan::Mark;
use crate::egress::credentials::sigv4::{Claim, Keys, Request};
use crate::egress::credentials::{Hidden, Secrets, Usable, Worth, fill};
use crate::egress::tunnel::Tunnel;
use crate::event::CredentialUse;
use crate::policy::{Host, Policy};

/// The credentials of one request.
pub struct Guard<'r> {
    secrets: &'r Secrets,
    /// Of this host, whether they cover the request or not.
    near: Vec<Usable<'r>>,
    /// That cover it.
    own: Vec<Usable<'r>>,
}

/// A signature that was made with placeholders, to be made with the real keys.
pub struct Resign<'r> {
    claim: Claim,
    usable: Usable<'r>,
}

/// What may be in the body of a request.
#[derive(Debug, Clone, Default)]
pub struct Licence {
    own: Vec<usize>,
}

impl Licence {
    /// Whether a find refuses the request.
    pub fn refuses(&self, mark: Mark) -> bool {
        mark.real || !self.own.contains(&mark.credential)
    }
}

impl<'r> Guard<'r> {
    /// `secure`: the connection is TLS, and its server was verified for `host`.
    pub fn new(
        secrets: &'r Secrets,
        policy: &'r Policy,
        (host, port, secure): (&'r Host, u16, bool),
        call: &Call,
    ) -> Guard<'r> {
        let near: Vec<Usable<'r>> = if secure { secrets.at(policy, host, port).collect() } else { Vec::new() };
        let covers = |usable: &&Usable<'r>| usable.rule.covers(call.method.as_str(), &call.path);
        let own = near.iter().filter(covers).copied().collect();
        Guard { secrets, near, own }
    }

    /// A server that sends requests back would show what was put in.
    pub fn may_echo(&self) -> bool {
        !self.near.is_empty()
    }

    pub fn licence(&self) -> Licence {
        Licence { own: self.own.iter().map(|usable| usable.number).collect() }
    }

    /// Numbers of the credentials whose secrets a response could hold.
    pub fn near(&self) -> Vec<usize> {
        self.near.iter().map(|usable| usable.number).collect()
    }

    /// Looks through target and headers.
    pub fn look(&self, call: &Call, headers: &HeaderMap) -> Result<(), Mark> {
        if self.secrets.is_empty() {
            return Ok(());
        }
        let licence = self.licence();
        let target = call.target.as_str();
        let decoded = decoded(target);
        for text in [target.as_bytes(), &decoded] {
            refused(self.secrets.sent().marks(text), |mark| licence.refuses(mark))?;
        }
        for (name, value) in headers {
            let marks = self.secrets.sent().marks(value.as_bytes());
            refused(marks, |mark| if self.is_home(mark, name) { false } else { licence.refuses(mark) })?;
        }
        Ok(())
    }

    /// The header that the credential names: its value belongs there.
    fn is_home(&self, mark: Mark, name: &HeaderName) -> bool {
        self.own.iter().any(|usable| match usable.worth {
            Worth::Header(_) => usable.number == mark.credential && usable.rule.header.name == name.as_str(),
            Worth::Aws { .. } => usable.number == mark.credential && name == TOKEN,
        })
    }

    /// Puts secrets into headers; the names of none are told, only that there were any. A request that is to be signed
    /// anew is not changed yet, but for its token.
    pub fn fill(&self, headers: &mut HeaderMap, note: &Note) -> Result<(bool, Option<Resign<'r>>), Refusal> {
        let (mut filled, mut resign) = (false, None);
        for usable in &self.own {
            match usable.worth {
                Worth::Header(hidden) => {
                    if fill::fill(headers, &usable.rule.header, usable.rule.inject, hidden) {
                        filled = true;
                        note.credential(usable.number, CredentialUse::Used);
                    }
                }
                Worth::Aws { id, token, .. } => {
                    let Some(claim) = claim(headers, id)? else { continue };
                    if let Some(value) = token.as_ref().and_then(|token| fill::sensitive(token.real.as_bytes())) {
                        headers.insert(TOKEN, value);
                    }
                    note.credential(usable.number, CredentialUse::Used);
                    resign = Some(Resign { claim, usable: *usable });
                }
            }
        }
        if filled {
            unmask(headers);
        }
        Ok((filled, resign))
    }
}

const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// The signature of the request, if it was made with this placeholder.
fn claim(headers: &HeaderMap, id: &Hidden) -> Result<Option<Claim>, Refusal> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match value.and_then(Claim::parse) {
        None => Ok(None),
        Some(Ok(claim)) if claim.id == *id.placeholder => Ok(Some(claim)),
        Some(Ok(_)) => Ok(None),
        Some(Err(fault)) => Err(Refusal::secret(fault.to_string())),
    }
}

/// A response to it must be one that can be looked through: whole, not compressed.
fn unmask(headers: &mut HeaderMap) {
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    for name in [header::RANGE, header::IF_RANGE, header::SEC_WEBSOCKET_EXTENSIONS] {
        headers.remove(name);
    }
}

impl Resign<'_> {
    /// Whether the hash of the body is needed for it.
    pub fn needs_body(&self, headers: &HeaderMap) -> bool {
        !headers.contains_key("x-amz-content-sha256")
    }

    /// Signs the request as it is now.
    pub fn sign(&self, call: &Call, headers: &mut HeaderMap, host: &str, payload: Option<&str>) -> Result<(), Refusal> {
        let Worth::Aws { id, secret, token } = self.usable.worth else { return Ok(()) };
        let keys = Keys {
            id: id.real.clone(),
            secret: secret.real.clone(),
            token: token.as_ref().map(|token| token.real.clone()),
        };
        let request = Request {
            method: call.method.as_str(),
            path: call.target.path(),
            query: &call.query,
            headers,
            host,
            payload,
        };
        let signed = self.claim.sign(&request, &keys).map_err(|fault| Refusal::secret(fault.to_string()))?;
        let value =
            fill::sensitive(signed.as_bytes()).ok_or_else(|| Refusal::secret("it cannot be signed".to_owned()))?;
        headers.insert(header::AUTHORIZATION, value);
        Ok(())
    }
}

fn refused(marks: Vec<Mark>, refuses: impl Fn(Mark) -> bool) -> Result<(), Mark> {
    marks.into_iter().find(|mark| refuses(*mark)).map_or(Ok(()), Err)
}

/// Says it, and refuses.
pub fn block(tunnel: &Tunnel, host: &Arc<str>, mark: Mark) -> Refusal {
    let what = if mark.real { CredentialUse::SecretBlocked } else { CredentialUse::PlaceholderBlocked };
    note::credential(tunnel, host, mark.credential, what);
    let name = tunnel.shared.secrets.name(mark.credential);
    Refusal::secret(match mark.real {
        true => format!("it carries the secret of credential '{name}', which nobody but govsh may send"),
        false => format!("it carries what stands for credential '{name}', which is not for this request"),
    })
}

/// Every `%XX` decoded once.
fn decoded(target: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(target.len());
    let mut rest = target.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        let digits = if *byte == b'%' { behind.split_at_checked(2) } else { None };
        let value = digits.and_then(|(digits, _)| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        rest = match (value, digits) {
            (Some(value), Some((_, behind))) => {
                out.push(value);
                behind
            }
            _ => {
                out.push(*byte);
                behind
            }
        };
    }
    out
}
