//! What a log-in leaves behind: the tokens, and what is needed to make them anew.
//!
//! Invariant: secrets are wiped when dropped, and shown by nothing but their file's text.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::fetch::{self, OauthError, address, form};
use crate::mcp::http::wire::Ways;

/// A token that runs out in less is made anew before it is used.
const SPARE: Duration = Duration::from_secs(30);

/// As whom we are known to an authorization server.
#[derive(Clone, Serialize, Deserialize)]
pub struct Client {
    #[serde(rename = "client_id")]
    pub id: String,
    /// Empty for a public client, which most are.
    #[serde(rename = "client_secret", default, skip_serializing_if = "String::is_empty")]
    pub secret: String,
}

/// One server's tokens.
#[derive(Clone, Serialize, Deserialize)]
pub struct Tokens {
    /// The server's address: for another one they are not used.
    pub server: String,
    pub resource: String,
    pub issuer: String,
    pub token_endpoint: String,
    pub client: Client,
    pub access: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub refresh: String,
    /// Seconds since 1970; 0: not known.
    #[serde(default)]
    pub expires: u64,
}

/// RFC 6749 §5.1.
#[derive(Deserialize)]
pub struct Granted {
    access_token: String,
    token_type: String,
    #[serde(default)]
    refresh_token: String,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl Drop for Tokens {
    fn drop(&mut self) {
        self.access.zeroize();
        self.refresh.zeroize();
    }
}

impl Drop for Granted {
    fn drop(&mut self) {
        self.access_token.zeroize();
        self.refresh_token.zeroize();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.id)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({}, until {})", self.server, self.expires)
    }
}

impl Granted {
    /// Checked: it is a token that goes into a header, and into this one (RFC 6750 §2.1).
    pub fn check(self, at: &str) -> Result<Granted, OauthError> {
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let bearer = self.token_type.eq_ignore_ascii_case("bearer");
        match bearer && !self.access_token.is_empty() && plain(&self.access_token) && plain(&self.refresh_token) {
            true => Ok(self),
            false => Err(OauthError::Unreadable { at: at.to_owned() }),
        }
    }
}

impl Tokens {
    pub fn take(&mut self, granted: &Granted) {
        self.access.zeroize();
        self.access.clone_from(&granted.access_token);
        if !granted.refresh_token.is_empty() {
            self.refresh.zeroize();
            self.refresh.clone_from(&granted.refresh_token);
        }
        let until = granted.expires_in.map(|seconds| SystemTime::now() + Duration::from_secs(seconds.min(1 << 31)));
        self.expires = until.map_or(0, seconds);
    }

    /// It has run out, or is about to.
    pub fn is_stale(&self) -> bool {
        self.expires != 0 && seconds(SystemTime::now() + SPARE) >= self.expires
    }

    /// Makes them anew (RFC 6749 §6).
    pub async fn refresh(&mut self, ways: &Ways) -> Result<(), OauthError> {
        if self.refresh.is_empty() {
            return Err(OauthError::NoRefresh);
        }
        let at = address(&self.token_endpoint)?;
        let mut fields = vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", self.refresh.as_str()),
            ("resource", self.resource.as_str()),
        ];
        fields.extend(self.client.fields());
        let body = form(&fields);
        let answer = fetch::post(ways, &at, FORM, body).await?;
        let granted = answer.read::<Granted>()?.check(&self.token_endpoint)?;
        self.take(&granted);
        Ok(())
    }
}

pub const FORM: &str = "application/x-www-form-urlencoded";

impl Client {
    /// As a form says it (RFC 6749 §2.3.1).
    pub fn fields(&self) -> Vec<(&'static str, &str)> {
        let mut fields = vec![("client_id", self.id.as_str())];
        if !self.secret.is_empty() {
            fields.push(("client_secret", self.secret.as_str()));
        }
        fields
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
