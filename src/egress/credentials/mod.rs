//! Credentials: secrets that the front puts into requests to their own host, and that the agent never sees.
//!
//! Invariant: a secret's value leaves this folder only into a header of a request that its credential, in the policy in
//! force, names by host, port, method and path. Whatever else is sent is looked through for it and for what stands for it.
//! Leaves to others: that the connection is TLS verified for that host (`tls`), what a find means (`http`).
//!
//! ```text
//! env, file, command, keyring ─ source ─▶ value ─ placeholder ─▶ environment of the agent
//!                                           └─ forms ─▶ needles ─ scan ─▶ found in a request: refused; in a response: taken out
//! request ─ fill ─▶ header with the value          request signed for AWS ─ sigv4 ─▶ signed anew
//! ```

pub mod fill;
pub mod forms;
pub mod placeholder;
pub mod scan;
pub mod sigv4;
mod source;

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::crypto::SecureRandom;
use zeroize::Zeroizing;

use crate::policy::{Credential, CredentialKind, Host, Policy, SecretSource};
use placeholder::ShapeFault;
use scan::{Mark, Needle, Needles};
pub use source::{Ambient, SourceError, fetch};

/// Why a credential cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    #[error("cannot fetch credential '{id}'")]
    Source { id: Arc<str>, source: SourceError },
    #[error("credential '{id}' cannot be hidden: {fault}")]
    Shape { id: Arc<str>, fault: ShapeFault },
    #[error("credential '{id}' is not of the form KEY-ID:SECRET or KEY-ID:SECRET:TOKEN")]
    Keys { id: Arc<str> },
    #[error("no random numbers for placeholders")]
    Random,
}

/// A value and what the agent sees of it.
pub struct Hidden {
    pub real: Zeroizing<String>,
    pub placeholder: Zeroizing<String>,
}

/// What a credential is worth.
pub enum Worth {
    Header(Hidden),
    Aws { id: Hidden, secret: Hidden, token: Option<Hidden> },
}

/// One credential with its value.
pub struct Bound {
    pub id: Arc<str>,
    pub source: SecretSource,
    pub worth: Worth,
}

/// All credentials of a session.
#[derive(Default)]
pub struct Secrets {
    all: Vec<Bound>,
    environment: BTreeMap<String, Option<String>>,
    missing: Vec<Arc<str>>,
    /// Values and placeholders, to find either in what the agent sends.
    sent: Arc<Needles>,
    /// Values, to put placeholders there in what it receives; by credential.
    echoed: Vec<Needles>,
}

/// A credential that may be put into a request, as the policy in force has it.
#[derive(Clone, Copy)]
pub struct Usable<'s> {
    /// Position among the session's.
    pub number: usize,
    pub rule: &'s Credential,
    pub worth: &'s Worth,
}

impl Secrets {
    /// Fetches all of them. A variable that is not set leaves its credential out; any other failure is an error.
    pub fn load(credentials: &[Credential], ambient: Ambient) -> Result<Secrets, CredentialError> {
        let provider = rustls::crypto::ring::default_provider();
        let mut secrets = Secrets::default();
        for credential in credentials {
            let id = &credential.id;
            if let SecretSource::Env(name) = &credential.source {
                secrets.environment.insert(name.clone(), None);
            }
            let fetched = source::fetch(&credential.source, ambient);
            let fetched = fetched.map_err(|source| CredentialError::Source { id: Arc::clone(id), source })?;
            let Some(value) = fetched else {
                secrets.missing.push(Arc::clone(id));
                continue;
            };
            let mut hide = |value: &str| hide(credential, value, provider.secure_random);
            let worth = match credential.kind {
                CredentialKind::Header => Worth::Header(hide(&text(credential, &value)?)?),
                CredentialKind::Aws => keys(credential, &text(credential, &value)?, ambient, &mut hide)?,
            };
            secrets.publish(credential, &worth);
            secrets.all.push(Bound { id: Arc::clone(id), source: credential.source.clone(), worth });
        }
        secrets.index();
        Ok(secrets)
    }

    /// What the agent's environment gets: a placeholder under this name, or nothing, whatever stands there outside.
    pub fn environment(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.environment.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// Puts placeholders for values into a text that the agent will see; whether there were any.
    pub fn veil(&self, text: &mut [u8]) -> bool {
        let replaced = self.echoed.iter().map(|needles| needles.replace(text).len()).sum::<usize>();
        replaced > 0
    }

    /// Credentials of which nothing was found.
    pub fn missing(&self) -> &[Arc<str>] {
        &self.missing
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The name of the credential with this number.
    pub fn name(&self, number: usize) -> Arc<str> {
        self.all.get(number).map_or_else(|| Arc::from("?"), |bound| Arc::clone(&bound.id))
    }

    /// Those that `policy` binds to this place.
    pub fn at<'s>(&'s self, policy: &'s Policy, host: &'s Host, port: u16) -> impl Iterator<Item = Usable<'s>> {
        let bound = policy.credentials().iter().filter(move |rule| rule.binds(host, port));
        bound.filter_map(|rule| {
            // A policy that came into force later may give the name to another secret, which is not here.
            let same = |own: &Bound| own.id == rule.id && own.source == rule.source;
            let number = self.all.iter().position(same)?;
            Some(Usable { number, rule, worth: &self.all.get(number)?.worth })
        })
    }

    /// Values and placeholders of all, for what the agent sends. Finding replaces nothing.
    pub fn sent(&self) -> &Arc<Needles> {
        &self.sent
    }

    /// The values of these, replaced by their placeholders, for what the agent receives.
    pub fn echoed(&self, numbers: &[usize]) -> Arc<Needles> {
        Arc::new(Needles::joined(numbers.iter().filter_map(|number| self.echoed.get(*number))))
    }

    fn publish(&mut self, credential: &Credential, worth: &Worth) {
        let mut show = |name: &str, hidden: &Hidden| {
            self.environment.insert(name.to_owned(), Some(hidden.placeholder.to_string()));
        };
        match worth {
            Worth::Header(hidden) => {
                if let Some(name) = &credential.env {
                    show(name, hidden);
                }
            }
            Worth::Aws { id, secret, token } => {
                show(KEY_ID, id);
                show(SECRET_KEY, secret);
                match token {
                    Some(token) => show(TOKEN, token),
                    None => drop(self.environment.insert(TOKEN.to_owned(), None)),
                }
            }
        }
    }

    fn index(&mut self) {
        let mut sent = Vec::new();
        for (credential, bound) in self.all.iter().enumerate() {
            let mut echoed = Vec::new();
            for form in bound.worth.secret().flat_map(Hidden::forms) {
                let copy = |text: &Zeroizing<Vec<u8>>| Zeroizing::new(text.to_vec());
                let same = |(real, placeholder): &(&u8, &u8)| real == placeholder;
                let common = form.real.iter().zip(form.placeholder.iter()).take_while(same).count();
                for (real, text) in [(true, &form.real), (false, &form.placeholder)] {
                    sent.push(Needle {
                        mark: Mark { credential, real },
                        text: copy(text),
                        instead: copy(text),
                        common,
                    });
                }
                let mark = Mark { credential, real: true };
                echoed.push(Needle { mark, text: form.real, instead: form.placeholder, common });
            }
            self.echoed.push(Needles::new(echoed));
        }
        self.sent = Arc::new(Needles::new(sent));
    }
}

/// Names by which programs find keys for AWS.
const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const TOKEN: &str = "AWS_SESSION_TOKEN";

impl Worth {
    /// What of it must not be seen. The identifier of an AWS key is no secret, and stands in every signature.
    fn secret(&self) -> impl Iterator<Item = &Hidden> {
        let (first, second) = match self {
            Worth::Header(hidden) => (hidden, None),
            Worth::Aws { secret, token, .. } => (secret, token.as_ref()),
        };
        std::iter::once(first).chain(second)
    }
}

impl Hidden {
    fn forms(&self) -> Vec<forms::Form> {
        forms::of(self.real.as_bytes(), self.placeholder.as_bytes())
    }
}

fn text(credential: &Credential, value: &[u8]) -> Result<Zeroizing<String>, CredentialError> {
    let shape = || CredentialError::Shape { id: Arc::clone(&credential.id), fault: ShapeFault::Bytes };
    std::str::from_utf8(value).map(|text| Zeroizing::new(text.to_owned())).map_err(|_| shape())
}

fn hide(credential: &Credential, real: &str, random: &dyn SecureRandom) -> Result<Hidden, CredentialError> {
    let mut failed = false;
    let mut fill = |bytes: &mut [u8]| failed |= random.fill(bytes).is_err();
    let made = placeholder::like(real.as_bytes(), credential.prefix.as_deref(), &mut fill);
    let made = made.map_err(|fault| CredentialError::Shape { id: Arc::clone(&credential.id), fault })?;
    if failed {
        return Err(CredentialError::Random);
    }
    Ok(Hidden { real: Zeroizing::new(real.to_owned()), placeholder: text(credential, &made)? })
}

/// Keys for AWS: in one text, or the secret one alone where the others stand in the variables that go with it.
fn keys(
    credential: &Credential,
    value: &str,
    ambient: Ambient,
    hide: &mut dyn FnMut(&str) -> Result<Hidden, CredentialError>,
) -> Result<Worth, CredentialError> {
    let named = |name: &str| {
        let value = ambient(name).and_then(|value| value.into_string().ok());
        value.map(Zeroizing::new).filter(|value| !value.is_empty())
    };
    let copy = |text: &str| Zeroizing::new(text.to_owned());
    let mut parts = value.splitn(3, ':');
    let (id, secret, token) = match (parts.next(), parts.next(), parts.next()) {
        (Some(id), Some(secret), token) => (copy(id), copy(secret), token.map(copy)),
        (Some(secret), None, _) => {
            let id = named(KEY_ID).ok_or_else(|| CredentialError::Keys { id: Arc::clone(&credential.id) })?;
            (id, copy(secret), named(TOKEN))
        }
        _ => return Err(CredentialError::Keys { id: Arc::clone(&credential.id) }),
    };
    let token = token.map(|token| hide(&token)).transpose()?;
    Ok(Worth::Aws { id: hide(&id)?, secret: hide(&secret)?, token })
}

#[cfg(test)]
mod tests;
