//! Secrets from the policy to the agent's environment.

use std::ffi::OsString;
use std::sync::Arc;

use super::*;
use crate::policy::{HostPattern, Inject, Layer, RuleId, Template};

fn credential(id: &str, source: SecretSource, kind: CredentialKind) -> Credential {
    Credential {
        id: Arc::from(id),
        rule: RuleId::DEFAULT,
        layer: Layer::User,
        source,
        host: HostPattern::of(&Host::parse("api.example.org").unwrap()),
        port: 443,
        header: Template { name: "authorization".into(), before: "Bearer ".into(), after: String::new(), basic: None },
        methods: Vec::new(),
        path: None,
        env: Some(id.to_uppercase()),
        prefix: None,
        inject: Inject::Always,
        kind,
    }
}

const REAL: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

fn ambient(name: &str) -> Option<OsString> {
    match name {
        "OUTSIDE" => Some(REAL.into()),
        "AWS_ACCESS_KEY_ID" => Some("AKIAIOSFODNN7EXAMPLE".into()),
        "AWS_SECRET_ACCESS_KEY" => Some("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into()),
        _ => None,
    }
}

#[test]
fn the_agent_gets_placeholders() {
    let all = [
        credential("token", SecretSource::Env("OUTSIDE".into()), CredentialKind::Header),
        credential("gone", SecretSource::Env("NOT_SET".into()), CredentialKind::Header),
        credential("aws", SecretSource::Env("AWS_SECRET_ACCESS_KEY".into()), CredentialKind::Aws),
    ];
    let secrets = Secrets::load(&all, &ambient).unwrap();
    let given: Vec<_> = secrets.environment().collect();
    let named = |name: &str| given.iter().find(|(known, _)| *known == name).unwrap().1;
    assert_eq!(named("OUTSIDE"), None, "the real one stays outside");
    assert_eq!(named("NOT_SET"), None);
    assert!(
        named("TOKEN").is_some_and(|value| value.starts_with("ghp_") && value.len() == REAL.len() && value != REAL)
    );
    assert!(named("AWS_ACCESS_KEY_ID").is_some_and(|value| value.starts_with("AKIA")));
    assert_ne!(named("AWS_SECRET_ACCESS_KEY"), Some("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"));
    assert_eq!(named("AWS_SESSION_TOKEN"), None);
    assert_eq!(secrets.missing(), [Arc::from("gone")]);
    let mut other = format!("url=https://x:{REAL}@example.org").into_bytes();
    assert!(secrets.veil(&mut other) && !String::from_utf8(other).unwrap().contains(REAL));
}

#[test]
fn both_are_found_in_what_is_sent() {
    let all = [credential("token", SecretSource::Env("OUTSIDE".into()), CredentialKind::Header)];
    let secrets = Secrets::load(&all, &ambient).unwrap();
    let placeholder = secrets.environment().find(|(name, _)| *name == "TOKEN").unwrap().1.unwrap().to_owned();
    let marks = |text: &str| secrets.sent().marks(text.as_bytes());
    assert_eq!(marks(&format!("x{placeholder}y")), [Mark { credential: 0, real: false }]);
    assert_eq!(marks(&format!("x{REAL}y")), [Mark { credential: 0, real: true }]);
    assert_eq!(marks("ghp_"), []);
}

#[test]
fn what_cannot_be_hidden_is_an_error() {
    let short = |name: &str| (name == "OUTSIDE").then(|| OsString::from("hunter2"));
    let all = [credential("token", SecretSource::Env("OUTSIDE".into()), CredentialKind::Header)];
    assert!(matches!(Secrets::load(&all, &short), Err(CredentialError::Shape { .. })));
    let all = [credential("token", SecretSource::File(b"/nonexistent".to_vec()), CredentialKind::Header)];
    assert!(matches!(Secrets::load(&all, &ambient), Err(CredentialError::Source { .. })));
}
