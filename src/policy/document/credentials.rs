//! `[credentials.NAME]`: one table for each secret.
//!
//! Leaves to others: what source, host and header mean (`load::credentials`).

use toml::de::DeValue;

use super::{Document, Text, limited};
use crate::policy::credentials::{Inject, Kind};
use crate::policy::table::Table;
use crate::policy::{Layer, PolicyError};

/// One secret as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialEntry {
    pub name: Text,
    /// `env:NAME` and the like, or the words of a command.
    pub source: Vec<Text>,
    /// It is a list, and so a command.
    pub is_command: bool,
    pub host: Text,
    pub header: Option<Text>,
    pub methods: Vec<Text>,
    pub path: Option<Text>,
    pub env: Option<Text>,
    pub prefix: Option<Text>,
    pub inject: Inject,
    pub kind: Kind,
}

const KEYS: &[&str] = &["source", "host", "header", "sign", "methods", "path", "env", "prefix", "inject"];
const INJECT: &[(&str, Inject)] = &[("always", Inject::Always), ("placeholder", Inject::Placeholder)];
const SIGN: &[(&str, Kind)] = &[("aws", Kind::Aws)];
/// Longest name of a credential.
const LONGEST: usize = 64;

impl Document {
    pub(super) fn credentials(&mut self, top: &Table<'_>) -> Result<(), PolicyError> {
        let Some(table) = top.table("credentials", "[credentials]")? else { return Ok(()) };
        if table.layer() == Layer::Project {
            let hint = Some("in a policy of the user or the machine it can stand".to_owned());
            let at = top.place_of("credentials").unwrap_or(0);
            return Err(table.fault(at, "a project cannot hand out secrets", hint));
        }
        for (name, at) in table.keys() {
            let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
            if !plain || name.is_empty() || name.len() > LONGEST {
                let hint = Some("letters, digits, '-', '_' and '.', up to 64".to_owned());
                return Err(table.fault(at, format!("'{name}' is no name of a credential"), hint));
            }
            let Some(entry) = table.table(name, "a credential")? else { continue };
            let name = Text { value: name.to_owned(), at };
            self.credentials.push(one(&entry, name)?);
        }
        self.credentials.sort_by_key(|entry| entry.name.at);
        Ok(())
    }
}

fn one(table: &Table<'_>, name: Text) -> Result<CredentialEntry, PolicyError> {
    table.only(KEYS, &[])?;
    let missing = |key: &str, hint: &str| {
        table.fault(name.at, format!("credential '{}' without '{key}'", name.value), Some(hint.to_owned()))
    };
    let is_command = matches!(table.value("source").map(toml::Spanned::get_ref), Some(DeValue::Array(_)));
    let source = match is_command {
        true => limited(table, "source")?,
        false => table.string("source")?.into_iter().collect(),
    };
    if source.is_empty() {
        return Err(missing("source", "env:NAME, file:PATH, keyring:NAME, secret-service:…, or a command's words"));
    }
    let host = table.string("host")?.ok_or_else(|| missing("host", "the one host it is sent to"))?;
    let kind = table.word("sign", SIGN)?.map(|kind| kind.value).unwrap_or_default();
    let header = table.string("header")?;
    if let (Kind::Aws, Some(header)) = (kind, &header) {
        return Err(table.fault(header.at, "a signature has headers of its own", Some("remove 'header'".to_owned())));
    }
    Ok(CredentialEntry {
        source,
        is_command,
        host,
        header,
        methods: methods(table)?,
        path: table.string("path")?,
        env: table.string("env")?,
        prefix: table.string("prefix")?,
        inject: table.word("inject", INJECT)?.map(|inject| inject.value).unwrap_or_default(),
        kind,
        name,
    })
}

/// `methods`, each a token (RFC 9110 §9.1) in upper case.
pub(super) fn methods(table: &Table<'_>) -> Result<Vec<Text>, PolicyError> {
    let methods = limited(table, "methods")?;
    for method in &methods {
        let token = !method.value.is_empty() && method.value.bytes().all(|c| c.is_ascii_uppercase() || c == b'-');
        if !token || method.value.len() > 32 {
            let hint = Some("such as GET, HEAD, POST; without 'methods' every one".to_owned());
            return Err(table.fault(method.at, format!("'{}' is no method", method.value), hint));
        }
    }
    Ok(methods)
}
