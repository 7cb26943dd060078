//! `[credentials]` → what egress puts in where.
//!
//! Invariant: every credential is bound to one host, and to HTTPS; the same name twice is one of the more trusted file, or of
//! the more derived one where both are trusted alike.
//! Leaves to others: fetching secrets (`egress::credentials`).

use super::{Build, File};
use crate::policy::credentials::{Credential, Kind, SecretSource, Template};
use crate::policy::document::{CredentialEntry, Document, Text};
use crate::policy::network::{HostPattern, Purpose};
use crate::policy::pattern::{Fault, Pattern};
use crate::policy::{PathPattern, PolicyError, RuleId, Vars};

/// Longest header value around a secret.
const LONGEST: usize = 1024;

impl Build<'_> {
    pub(super) fn credentials(&mut self, file: &File<'_>, document: &Document) -> Result<(), PolicyError> {
        for entry in &document.credentials {
            if !self.hears(file, "credentials", &entry.name.value, entry.name.at)? {
                continue;
            }
            let rule = RuleId(self.add(file.rule("credentials", &entry.name.value, entry.name.at)));
            let credential = self.credential(file, entry, rule)?;
            let known = self.policy.credentials.iter_mut().find(|known| known.id == credential.id);
            match known {
                // Layers come most trusted first, but for the profile, which comes before all of them.
                Some(known) if credential.layer <= known.layer => *known = credential,
                Some(_) => {}
                None => self.policy.credentials.push(credential),
            }
        }
        Ok(())
    }

    fn credential(&self, file: &File<'_>, entry: &CredentialEntry, rule: RuleId) -> Result<Credential, PolicyError> {
        let place = |text: &Text| {
            let at = text.at;
            move |fault: Fault| file.fault(at, fault)
        };
        let at = entry.source.first().map_or(entry.name.at, |first| first.at);
        let source = source(&entry.source, entry.is_command, self.vars).map_err(|fault| file.fault(at, fault))?;
        let (host, port) = bound(&entry.host.value, entry.kind).map_err(place(&entry.host))?;
        let header = match &entry.header {
            Some(text) => template(&text.value).map_err(place(text))?,
            None => template("authorization: Bearer {}").map_err(place(&entry.name))?,
        };
        let path = match &entry.path {
            Some(path) => Some(PathPattern::parse(&path.value).map_err(place(path))?),
            None => None,
        };
        if let Some(env) = &entry.env {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if env.value.is_empty()
                || !env.value.chars().all(plain)
                || env.value.starts_with(|c: char| c.is_ascii_digit())
            {
                let hint = Some("such as GITHUB_TOKEN: the agent finds a placeholder in it".to_owned());
                return Err(file.fault(env.at, Fault { reason: format!("'{}' is no variable name", env.value), hint }));
            }
        }
        if let Some(prefix) = &entry.prefix
            && (prefix.value.len() > 64 || !prefix.value.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            let hint = Some("what keys of this kind begin with, such as \"sk-ant-\"".to_owned());
            return Err(file.fault(prefix.at, Fault { reason: "no prefix of a key".to_owned(), hint }));
        }
        Ok(Credential {
            id: entry.name.value.as_str().into(),
            rule,
            layer: file.source.layer,
            source,
            host,
            port,
            header,
            methods: entry.methods.iter().map(|method| method.value.clone()).collect(),
            path,
            env: entry.env.as_ref().map(|env| env.value.clone()),
            prefix: entry.prefix.as_ref().map(|prefix| prefix.value.clone()),
            inject: entry.inject,
            kind: entry.kind,
        })
    }
}

fn fault<T>(reason: String, hint: &str) -> Result<T, Fault> {
    Err(Fault { reason, hint: Some(hint.to_owned()) })
}

/// `env:NAME`, `file:PATH`, `keyring:NAME`, `secret-service:KEY=VALUE,…`, `command:WORDS`, or a list of a command's words.
pub(super) fn source(words: &[Text], is_command: bool, vars: &Vars) -> Result<SecretSource, Fault> {
    const HINT: &str = "env:NAME, file:PATH, keyring:NAME, secret-service:KEY=VALUE, or a command's words as a list";
    if is_command {
        return Ok(SecretSource::Command(words.iter().map(|word| word.value.clone()).collect()));
    }
    let text = words.first().map_or("", |first| &first.value);
    let Some((kind, rest)) = text.split_once(':').filter(|(_, rest)| !rest.is_empty()) else {
        return fault(format!("'{text}' says not where the secret comes from"), HINT);
    };
    match kind {
        "env" if !rest.contains(['=', '\0']) => Ok(SecretSource::Env(rest.to_owned())),
        "keyring" => Ok(SecretSource::Keyring(rest.to_owned())),
        "command" => Ok(SecretSource::Command(rest.split_whitespace().map(str::to_owned).collect())),
        "file" => {
            let pattern = Pattern::parse(rest, vars)?;
            if pattern.is_literal() && !pattern.tree {
                return Ok(SecretSource::File(pattern.literal_prefix().0));
            }
            fault(format!("'{text}' is no one file"), "without '*'")
        }
        "secret-service" => {
            let pairs: Option<Vec<(String, String)>> = rest
                .split(',')
                .map(|pair| pair.split_once('=').map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())))
                .collect();
            match pairs {
                Some(pairs) => Ok(SecretSource::SecretService(pairs)),
                None => {
                    fault(format!("'{text}' has no attributes"), "such as secret-service:service=github,username=me")
                }
            }
        }
        _ => fault(format!("'{text}' says not where the secret comes from"), HINT),
    }
}

/// The host, 443 without a port. A pattern only where every request is signed for the host that it goes to.
fn bound(text: &str, kind: Kind) -> Result<(HostPattern, u16), Fault> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => match port.parse::<u16>() {
            Ok(port) if port > 0 => (host, port),
            _ => return fault(format!("'{text}' has no port from 1 to 65535"), "such as \"api.example.org:443\""),
        },
        None => (text, 443),
    };
    let pattern = HostPattern::parse(host, Purpose::Allow)?;
    if pattern.exact().is_none() && kind != Kind::Aws {
        return fault(
            format!("'{text}' is more than one host"),
            "a secret goes to one host; write a credential for each",
        );
    }
    Ok((pattern, port))
}

/// `name: value`, with `{}` where the secret goes; `Basic user:{}` is encoded as a whole.
fn template(text: &str) -> Result<Template, Fault> {
    const HINT: &str = "such as \"authorization: Bearer {}\", \"authorization: Basic user:{}\" or \"x-api-key: {}\"";
    let wrong = || fault(format!("'{text}' is no header with one '{{}}' in it"), HINT);
    let Some((name, value)) = text.split_once(':') else { return wrong() };
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let name = name.trim().to_ascii_lowercase();
    let value = value.trim();
    let plain = value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if name.is_empty() || !name.bytes().all(token) || !plain || text.len() > LONGEST {
        return wrong();
    }
    const FRAMING: [&str; 9] = [
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "upgrade",
        "te",
        "trailer",
        "cookie2",
        "proxy-authorization",
    ];
    if FRAMING.contains(&name.as_str()) {
        return fault(format!("'{name}' is no header that a secret belongs into"), HINT);
    }
    match value.split("{}").collect::<Vec<_>>().as_slice() {
        [before, after] if after.is_empty() && before.to_ascii_lowercase().starts_with("basic ") => {
            let user = before.get("basic ".len()..).unwrap_or_default().trim();
            let Some(user) = user.strip_suffix(':') else {
                return fault(
                    format!("'{text}' has no user"),
                    "authorization: Basic USER:{}, which is encoded as a whole",
                );
            };
            Ok(Template { name, before: "Basic ".to_owned(), after: String::new(), basic: Some(user.to_owned()) })
        }
        [before, after] => Ok(Template { name, before: (*before).to_owned(), after: (*after).to_owned(), basic: None }),
        _ => wrong(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_one_place_for_the_secret() {
        let read = |text: &str| template(text).map(|read| (read.name, read.before, read.after, read.basic)).ok();
        let of = |name: &str, before: &str, basic: Option<&str>| {
            Some((name.to_owned(), before.to_owned(), String::new(), basic.map(str::to_owned)))
        };
        assert_eq!(read("Authorization: Bearer {}"), of("authorization", "Bearer ", None));
        assert_eq!(read("x-api-key: {}"), of("x-api-key", "", None));
        assert_eq!(
            read("authorization: Basic x-access-token:{}"),
            of("authorization", "Basic ", Some("x-access-token"))
        );
        for wrong in [
            "authorization",
            "authorization: Bearer",
            "a: {}{}",
            "a b: {}",
            "host: {}",
            "a: {}\r\nb: c",
            "authorization: Basic {}",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_secret_goes_to_one_host() {
        assert!(bound("api.github.com", Kind::Header).is_ok_and(|(_, port)| port == 443));
        assert!(bound("*.github.com", Kind::Header).is_err() && bound("127.0.0.1", Kind::Header).is_err());
        assert!(bound("**.amazonaws.com", Kind::Aws).is_ok() && bound("**", Kind::Aws).is_err());
    }
}
