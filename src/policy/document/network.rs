//! `[network]`: lists of places, rules on requests, repositories, registries, and the way out.
//!
//! Invariant: what decides where names lead or what is looked into is no project's to say; the proxy of a company and its
//! authorities are the machine's alone.
//! Leaves to others: what the texts mean (`load::network`).

use toml::Spanned;
use toml::de::DeValue;

use super::{Document, Text, bounded, limited};
use crate::policy::registries::Registry;
use crate::policy::table::{Located, Table};
use crate::policy::{Layer, PolicyError, Verdict};

/// `network.allow`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkEntry {
    None(usize),
    All(usize),
    List(Vec<Text>),
}

/// One rule of `network.http`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpEntry {
    pub host: Text,
    /// Empty: every method.
    pub methods: Vec<Text>,
    pub path: Option<Text>,
    pub effect: Verdict,
    pub upgrade: bool,
}

/// One rule of `network.git`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitEntry {
    pub repo: Text,
    pub push: bool,
    /// Empty: every branch and tag.
    pub branches: Vec<Text>,
    /// Branches may be deleted as well.
    pub delete: bool,
}

/// One of `network.registries`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryEntry {
    pub which: Registry,
    pub text: Text,
    pub publish: bool,
}

/// `network.upstream`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamEntry {
    pub proxy: Option<Text>,
    /// Where the proxy's `Proxy-Authorization` comes from.
    pub authorization: Option<Text>,
    pub direct: Vec<Text>,
    pub ca: Vec<Text>,
}

const KEYS: &[&str] =
    &["allow", "deny", "ask", "http", "git", "registries", "publish", "private", "resolvers", "splice", "upstream"];
const EFFECTS: &[(&str, Verdict)] = &[("allow", Verdict::Allow), ("deny", Verdict::Deny), ("ask", Verdict::Ask)];
const ACCESS: &[(&str, bool)] = &[("fetch", false), ("push", true)];

impl Document {
    pub(super) fn network(&mut self, top: &Table<'_>) -> Result<(), PolicyError> {
        let Some(table) = top.table("network", "[network]")? else { return Ok(()) };
        table.only(KEYS, &[])?;
        self.network_ask(&table)?;
        self.network_deny = limited(&table, "deny")?;
        self.network = match table.value("allow") {
            None => None,
            Some(value) if matches!(value.get_ref(), DeValue::Array(_)) => {
                Some(NetworkEntry::List(limited(&table, "allow")?))
            }
            Some(_) => {
                let words: &[(&str, fn(usize) -> NetworkEntry)] =
                    &[("none", NetworkEntry::None), ("all", NetworkEntry::All)];
                table.word("allow", words)?.map(|word| (word.value)(word.at))
            }
        };
        self.http = each(&table, "http", "a rule of network.http", http)?;
        self.git = each(&table, "git", "a rule of network.git", git)?;
        self.registries(&table)?;
        for (key, list) in
            [("private", &mut self.private), ("resolvers", &mut self.resolvers), ("splice", &mut self.splice)]
        {
            *list = limited(&table, key)?;
            if let (Layer::Project, Some(at)) = (table.layer(), table.place_of(key)) {
                let reason = format!("a project cannot say '{key}'");
                return Err(table.fault(
                    at,
                    reason,
                    Some("in a policy of the user or the machine it can stand".into()),
                ));
            }
        }
        self.upstream(&table)
    }

    /// `registries = ["npm", { name = "cargo", publish = true }]`, and `publish = true` for all of them.
    fn registries(&mut self, table: &Table<'_>) -> Result<(), PolicyError> {
        let all = table.boolean("publish")?.is_some_and(|publish| publish.value);
        let items = table.items("registries")?;
        bounded(table, "registries", items.len())?;
        for item in items {
            let (text, publish) = match table.item_table(item, "a registry") {
                None => (table.item_string("registries", item)?, all),
                Some(registry) => {
                    registry.only(&["name", "publish"], &[])?;
                    let name = registry.string("name")?;
                    let name =
                        name.ok_or_else(|| registry.fault(item.span().start, "a registry without 'name'", None))?;
                    (name, registry.boolean("publish")?.map_or(all, |publish| publish.value))
                }
            };
            let unknown = || {
                let hint = format!("one of: {}", Registry::NAMES.join(", "));
                table.fault(text.at, format!("'{}' is no kind of package registry", text.value), Some(hint))
            };
            let which = Registry::named(&text.value).ok_or_else(unknown)?;
            self.registries.push(RegistryEntry { which, text, publish });
        }
        Ok(())
    }

    fn upstream(&mut self, network: &Table<'_>) -> Result<(), PolicyError> {
        let Some(table) = network.table("upstream", "[network.upstream]")? else { return Ok(()) };
        if !matches!(network.layer(), Layer::Org | Layer::Machine) {
            let hint = Some("it belongs into a file of /etc/govsh/policy.d".to_owned());
            let reason = "the proxy and the authorities of a company are the machine's to name";
            return Err(network.fault(network.place_of("upstream").unwrap_or(0), reason, hint));
        }
        table.only(&["proxy", "authorization", "direct", "ca"], &[])?;
        let value = UpstreamEntry {
            proxy: table.string("proxy")?,
            authorization: table.string("authorization")?,
            direct: limited(&table, "direct")?,
            ca: limited(&table, "ca")?,
        };
        self.upstream = Some(Located { value, at: network.place_of("upstream").unwrap_or(0) });
        Ok(())
    }
}

/// The elements of an array of tables.
fn each<T>(
    table: &Table<'_>,
    key: &'static str,
    name: &'static str,
    read: impl Fn(&Table<'_>, usize) -> Result<T, PolicyError>,
) -> Result<Vec<T>, PolicyError> {
    let items = table.items(key)?;
    bounded(table, key, items.len())?;
    let one = |item: &Spanned<DeValue<'_>>| {
        let at = item.span().start;
        match table.item_table(item, name) {
            Some(rule) => read(&rule, at),
            None => Err(table.fault(at, format!("{name} is no table"), Some(format!("[[network.{key}]]")))),
        }
    };
    items.iter().map(one).collect()
}

fn http(rule: &Table<'_>, at: usize) -> Result<HttpEntry, PolicyError> {
    rule.only(&["host", "methods", "path", "effect", "upgrade"], &[])?;
    let hint = || Some("{ host = \"api.example.org\", methods = [\"GET\"], path = \"/v1/**\" }".to_owned());
    let host = rule.string("host")?.ok_or_else(|| rule.fault(at, "a rule of network.http without 'host'", hint()))?;
    let methods = super::credentials::methods(rule)?;
    Ok(HttpEntry {
        host,
        methods,
        path: rule.string("path")?,
        effect: rule.word("effect", EFFECTS)?.map_or(Verdict::Allow, |effect| effect.value),
        upgrade: rule.boolean("upgrade")?.is_some_and(|upgrade| upgrade.value),
    })
}

fn git(rule: &Table<'_>, at: usize) -> Result<GitEntry, PolicyError> {
    rule.only(&["repo", "access", "branches", "delete"], &[])?;
    let hint = || Some("repo = \"github.com/acme/**\", access = \"fetch\"".to_owned());
    let repo = rule.string("repo")?.ok_or_else(|| rule.fault(at, "a rule of network.git without 'repo'", hint()))?;
    let push = rule.word("access", ACCESS)?.is_some_and(|access| access.value);
    let branches = limited(rule, "branches")?;
    let delete = rule.boolean("delete")?.is_some_and(|delete| delete.value);
    for (key, given) in [("branches", !branches.is_empty()), ("delete", delete)] {
        if given && !push {
            let at = rule.place_of(key).unwrap_or(at);
            return Err(rule.fault(at, format!("'{key}' without access = \"push\""), None));
        }
    }
    Ok(GitEntry { repo, push, branches, delete })
}
