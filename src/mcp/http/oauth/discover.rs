//! Who authorizes for a server: its own metadata, then the authorization server's (RFC 9728, RFC 8414, OIDC Discovery).
//!
//! Invariant: metadata of a resource is believed only where it names the server that was asked for, and metadata of an
//! authorization server only where it names the issuer that was looked for.

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};
use serde::Deserialize;

use super::fetch::{self, OauthError, address, shown};
use crate::mcp::http::wire::{Address, Ways};

/// Authorization servers of one resource that are tried.
const TRIED: usize = 4;

/// An authorization server, and what it authorizes for.
#[derive(Debug, Clone)]
pub struct Place {
    /// What tokens are asked for (RFC 8707).
    pub resource: String,
    pub issuer: String,
    pub authorize: Address,
    pub token: Address,
    pub register: Option<Address>,
    pub scopes: Vec<String>,
    /// It names itself when it sends the browser back (RFC 9207).
    pub names_itself: bool,
}

/// RFC 9728 §2.
#[derive(Debug, Deserialize)]
struct Resource {
    resource: String,
    #[serde(default)]
    authorization_servers: Vec<String>,
    #[serde(default)]
    scopes_supported: Vec<String>,
}

/// RFC 8414 §2.
#[derive(Debug, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    registration_endpoint: Option<String>,
    #[serde(default)]
    code_challenge_methods_supported: Vec<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// Finds out who authorizes for the server at `server`.
pub async fn discover(ways: &Ways, server: &Address) -> Result<Place, OauthError> {
    if !server.origin.keeps_secrets() {
        return Err(OauthError::Open(server.to_string()));
    }
    let challenge = challenged(ways, server).await?;
    let named = challenge.as_deref().and_then(|value| parameter(value, "resource_metadata"));
    let wanted = challenge.as_deref().and_then(|value| parameter(value, "scope"));
    let mut places = Vec::new();
    if let Some(named) = named {
        // A server speaks for its own origin only.
        places.extend(server.join(&named).filter(|place| place.origin == server.origin));
    }
    let path = server.path().trim_end_matches('/');
    for suffix in [path, ""] {
        places.extend(server.join(&format!("/.well-known/oauth-protected-resource{suffix}")));
    }
    let mut found = None;
    for place in &places {
        if let Ok(resource) = fetch::get(ways, place).await.and_then(|answer| answer.read::<Resource>()) {
            found = Some(resource);
            break;
        }
    }
    let (resource, issuers, mut scopes) = match found {
        Some(found) if covers(&found.resource, server) => {
            (found.resource, found.authorization_servers, found.scopes_supported)
        }
        Some(found) => {
            return Err(OauthError::Nowhere(format!("its metadata is about '{}'", shown(&found.resource))));
        }
        // Before 2025-06-18 a server was its own authorization server.
        None => (server.to_string(), vec![server.origin.to_string()], Vec::new()),
    };
    if let Some(wanted) = wanted {
        scopes = wanted.split_whitespace().map(str::to_owned).collect();
    }
    let mut last = OauthError::Nowhere("it names none".to_owned());
    for issuer in issuers.iter().take(TRIED) {
        match metadata(ways, issuer).await {
            Ok(metadata) => return place(metadata, resource, scopes),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// What the server answers to who has no token: its `WWW-Authenticate`, where it has one.
async fn challenged(ways: &Ways, server: &Address) -> Result<Option<String>, OauthError> {
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let answer = fetch::send(ways, server, Method::POST, headers, ping.into()).await?;
    let value = answer.headers.get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
    Ok(value.filter(|_| answer.status() == StatusCode::UNAUTHORIZED).map(str::to_owned))
}

/// `name="value"` of a challenge (RFC 9110 §11.6.1).
fn parameter(challenge: &str, name: &str) -> Option<String> {
    challenge.match_indices(name).find_map(|(at, _)| {
        let before = challenge.get(..at)?.chars().next_back();
        let value = challenge.get(at + name.len()..)?.trim_start().strip_prefix('=')?.trim_start();
        let alone = before.is_none_or(|c| c == ' ' || c == ',');
        let text = match value.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next()?,
            None => value.split([',', ' ']).next()?,
        };
        alone.then(|| text.to_owned())
    })
}

/// The resource is the server, or what it lies in.
fn covers(resource: &str, server: &Address) -> bool {
    let Ok(resource) = Address::parse(resource) else { return false };
    let (above, path) = (resource.path().trim_end_matches('/'), server.path());
    let within = path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    resource.origin == server.origin && within
}

async fn metadata(ways: &Ways, issuer: &str) -> Result<Metadata, OauthError> {
    let at = address(issuer)?;
    let path = at.path().trim_end_matches('/');
    let mut references = vec![format!("/.well-known/oauth-authorization-server{path}")];
    references.push(format!("/.well-known/openid-configuration{path}"));
    if !path.is_empty() {
        references.push(format!("{path}/.well-known/openid-configuration"));
    }
    let mut last = OauthError::Nowhere(shown(issuer));
    for place in references.iter().filter_map(|reference| at.join(reference)) {
        match fetch::get(ways, &place).await.and_then(|answer| answer.read::<Metadata>()) {
            Ok(found) if found.issuer.trim_end_matches('/') == issuer.trim_end_matches('/') => return Ok(found),
            Ok(found) => last = OauthError::Nowhere(format!("'{}' calls itself '{}'", place, shown(&found.issuer))),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn place(metadata: Metadata, resource: String, scopes: Vec<String>) -> Result<Place, OauthError> {
    if !metadata.code_challenge_methods_supported.iter().any(|method| method == "S256") {
        return Err(OauthError::NoPkce);
    }
    Ok(Place {
        resource,
        authorize: address(&metadata.authorization_endpoint)?,
        token: address(&metadata.token_endpoint)?,
        register: metadata.registration_endpoint.as_deref().map(address).transpose()?,
        scopes,
        names_itself: metadata.authorization_response_iss_parameter_supported,
        issuer: metadata.issuer,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_name_what_they_name() {
        let challenge = r#"Bearer error="invalid_token", resource_metadata="https://x.org/.well-known/r", scope="a b""#;
        assert_eq!(parameter(challenge, "resource_metadata").as_deref(), Some("https://x.org/.well-known/r"));
        assert_eq!(parameter(challenge, "scope").as_deref(), Some("a b"));
        assert_eq!(parameter(r#"Bearer xscope="a""#, "scope"), None);
        assert_eq!(parameter("Bearer scope=a, x=y", "scope").as_deref(), Some("a"));
    }

    #[test]
    fn a_resource_is_the_server_or_holds_it() {
        let server = Address::parse("https://x.org/v1/mcp").unwrap();
        for resource in ["https://x.org/v1/mcp", "https://x.org/v1", "https://x.org", "https://X.org/"] {
            assert!(covers(resource, &server), "{resource}");
        }
        for other in ["https://x.org/v1/mc", "https://y.org/v1/mcp", "http://x.org/v1/mcp", "x"] {
            assert!(!covers(other, &server), "{other}");
        }
    }
}
