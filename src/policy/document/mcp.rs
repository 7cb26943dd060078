//! `[mcp]`: servers, and rules on what is called of them.
//!
//! Invariant: a condition that is not known is refused, never left out. Leaves to others: paths in `under` (`load::mcp`).

mod conditions;

use std::time::Duration;

use super::{Document, Text, bounded, limited};
use crate::policy::mcp::{Direct, Matcher, Rate, When};
use crate::policy::table::{SECONDS, Table};
use crate::policy::{OnChange, PolicyError, Verdict};
pub use conditions::ConditionEntry;

/// `[mcp.servers.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerEntry {
    pub name: Text,
    /// Words; empty where there is a URL.
    pub command: Vec<Text>,
    pub url: Option<Text>,
    /// Variables that it gets beside those of its policy.
    pub env: Vec<(String, Text)>,
    /// The policy it runs under.
    pub policy: Option<Text>,
}

/// `[[mcp.rules]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct McpEntry {
    pub id: Text,
    pub effect: Verdict,
    pub servers: Vec<Text>,
    pub tools: Vec<Text>,
    pub resources: Vec<Text>,
    pub prompts: Vec<Text>,
    pub methods: Vec<Text>,
    pub arguments: Vec<ArgumentEntry>,
    /// `"*" = "forbid"`.
    pub forbids_others: bool,
    pub rate: Option<Rate>,
    pub when: When,
    pub reason: String,
}

/// One key of `args`.
#[derive(Debug, Clone, PartialEq)]
pub struct ArgumentEntry {
    pub key: Text,
    pub conditions: Vec<ConditionEntry>,
}

const EFFECTS: &[(&str, Verdict)] = &[("allow", Verdict::Allow), ("deny", Verdict::Deny), ("ask", Verdict::Ask)];
const CHANGES: &[(&str, OnChange)] = &[("deny", OnChange::Deny), ("ask", OnChange::Ask), ("log", OnChange::Log)];
const DIRECT: &[(&str, Direct)] = &[("deny", Direct::Deny), ("log", Direct::Log)];
const OTHERS: &[(&str, bool)] = &[("forbid", true), ("allow", false)];
const RULE: &[&str] =
    &["id", "effect", "server", "tools", "resources", "prompts", "methods", "args", "rate", "when", "reason"];
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Longest name of a server or rule, and longest reason, in bytes.
const LONGEST: usize = 64;
const LONGEST_REASON: usize = 200;

impl Document {
    pub(super) fn mcp(&mut self, top: &Table<'_>) -> Result<(), PolicyError> {
        let Some(table) = top.table("mcp", "[mcp]")? else { return Ok(()) };
        table.only(&["servers", "rules", "on_change", "direct", "cedar"], &[])?;
        self.cedar = limited(&table, "cedar")?;
        self.on_change = table.word("on_change", CHANGES)?;
        self.direct = table.word("direct", DIRECT)?;
        if let Some(servers) = table.table("servers", "[mcp.servers]")? {
            for (name, at) in servers.keys() {
                let name = named(&servers, Text { value: name.to_owned(), at }, "server")?;
                let Some(entry) = servers.table(&name.value, "a server")? else { continue };
                self.servers.push(server(&entry, name)?);
            }
            self.servers.sort_by_key(|entry| entry.name.at);
        }
        let items = table.items("rules")?;
        bounded(&table, "rules", items.len())?;
        for item in items {
            let at = item.span().start;
            let Some(entry) = table.item_table(item, "a rule of mcp.rules") else {
                return Err(table.fault(at, "a rule of mcp.rules is no table", Some("[[mcp.rules]]".to_owned())));
            };
            self.mcp_rules.push(rule(&entry, at)?);
        }
        Ok(())
    }
}

/// A name that may stand in file names, command lines and denials.
fn named(table: &Table<'_>, name: Text, what: &str) -> Result<Text, PolicyError> {
    let plain = name.value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if plain && !name.value.is_empty() && name.value.len() <= LONGEST && !name.value.starts_with('.') {
        return Ok(name);
    }
    let hint = Some("letters, digits, '-', '_' and '.', up to 64".to_owned());
    Err(table.fault(name.at, format!("'{}' is no name of a {what}", name.value), hint))
}

fn server(table: &Table<'_>, name: Text) -> Result<ServerEntry, PolicyError> {
    table.only(&["command", "url", "env", "policy"], &[])?;
    let (command, url) = (limited(table, "command")?, table.string("url")?);
    if command.is_empty() == url.is_none() {
        let hint = Some("command = [\"npx\", \"-y\", \"PACKAGE@VERSION\"], or url = \"https://…\"".to_owned());
        let reason = format!("server '{}' wants either 'command' or 'url'", name.value);
        return Err(table.fault(name.at, reason, hint));
    }
    let mut env = Vec::new();
    if let Some(variables) = table.table("env", "env of a server")? {
        for (variable, at) in variables.keys() {
            if variable.is_empty() || variable.contains(['=', '\0']) {
                return Err(variables.fault(at, format!("'{variable}' is no variable name"), None));
            }
            if let Some(value) = variables.string(variable)? {
                env.push((variable.to_owned(), value));
            }
        }
    }
    Ok(ServerEntry { name, command, url, env, policy: table.string("policy")? })
}

/// A string, or an array of them.
fn words(table: &Table<'_>, key: &str) -> Result<Vec<Text>, PolicyError> {
    match table.value(key).map(toml::Spanned::get_ref) {
        Some(toml::de::DeValue::String(_)) => Ok(table.string(key)?.into_iter().collect()),
        _ => limited(table, key),
    }
}

fn rule(table: &Table<'_>, at: usize) -> Result<McpEntry, PolicyError> {
    table.only(RULE, &[])?;
    let missing =
        |key: &str, hint: &str| table.fault(at, format!("a rule of mcp.rules without '{key}'"), Some(hint.into()));
    let id = table.string("id")?.ok_or_else(|| missing("id", "a name of its own: denials and events show it"))?;
    let servers = words(table, "server")?;
    if servers.is_empty() {
        return Err(missing("server", "the name of a server, or a pattern such as \"*\""));
    }
    let effect =
        table.word("effect", EFFECTS)?.ok_or_else(|| missing("effect", "\"allow\", \"deny\" or \"ask\""))?.value;
    let (arguments, forbids_others) = arguments(table)?;
    let reason = table.string("reason")?;
    if let Some(long) = reason.as_ref().filter(|reason| reason.value.len() > LONGEST_REASON) {
        return Err(table.fault(long.at, "a reason nobody can read in time", Some("at most 200 characters".into())));
    }
    Ok(McpEntry {
        id: named(table, id, "rule")?,
        effect,
        servers,
        tools: words(table, "tools")?,
        resources: words(table, "resources")?,
        prompts: words(table, "prompts")?,
        methods: words(table, "methods")?,
        arguments,
        forbids_others,
        rate: rate(table)?,
        when: when(table)?,
        reason: reason.map(|reason| reason.value).unwrap_or_default(),
    })
}

fn arguments(rule: &Table<'_>) -> Result<(Vec<ArgumentEntry>, bool), PolicyError> {
    let Some(table) = rule.table("args", "args of a rule")? else { return Ok((Vec::new(), false)) };
    let mut forbids = false;
    let mut all = Vec::new();
    for (key, at) in table.keys() {
        if key == "*" {
            forbids = table.word("*", OTHERS)?.is_some_and(|word| word.value);
            continue;
        }
        let Some(value) = table.value(key) else { continue };
        let key = Text { value: key.to_owned(), at };
        all.push(ArgumentEntry { conditions: conditions::of(&table, &key.value, value)?, key });
    }
    all.sort_by_key(|argument| argument.key.at);
    Ok((all, forbids))
}

fn rate(rule: &Table<'_>) -> Result<Option<Rate>, PolicyError> {
    let Some(table) = rule.table("rate", "rate of a rule")? else { return Ok(None) };
    table.only(&["calls", "per"], &[])?;
    let calls = table.number("calls", 1, 1_000_000)?;
    let per = table.quantity("per", 1, 86_400, SECONDS)?;
    match (calls, per) {
        (Some(calls), Some(per)) => Ok(Some(Rate {
            calls: u32::try_from(calls.value).unwrap_or(u32::MAX),
            per: Duration::from_secs(per.value),
        })),
        _ => {
            let at = rule.place_of("rate").unwrap_or(0);
            Err(table.fault(at, "a rate wants 'calls' and 'per'", Some("rate = { calls = 30, per = \"1m\" }".into())))
        }
    }
}

fn when(rule: &Table<'_>) -> Result<When, PolicyError> {
    let Some(table) = rule.table("when", "when of a rule")? else { return Ok(When::default()) };
    table.only(&["time", "terminal"], &[])?;
    let mut when = When { terminal: table.boolean("terminal")?.map(|terminal| terminal.value), ..When::default() };
    if let Some(time) = table.string("time")? {
        let Some((days, hours)) = hours(&time.value) else {
            let hint = Some("such as \"Mon-Fri 08:00-19:00\", \"Sat,Sun\" or \"22:00-06:00\"".to_owned());
            return Err(table.fault(time.at, format!("'{}' is no time of the week", time.value), hint));
        };
        (when.days, when.hours) = (days, hours);
    }
    Ok(when)
}

/// `Mon-Fri 08:00-19:00`: days and hours, either alone.
fn hours(text: &str) -> Option<(u8, Option<(u16, u16)>)> {
    let (mut days, mut hours) = (0_u8, None);
    for word in text.split_whitespace() {
        if word.contains(':') {
            let (from, to) = word.split_once('-')?;
            hours = Some((minute(from)?, minute(to)?)).filter(|_| hours.is_none());
            hours?;
            continue;
        }
        for part in word.split(',') {
            let day = |name: &str| DAYS.iter().position(|day| name.eq_ignore_ascii_case(day));
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (day(first)?, day(last)?);
            let length = (last + 7 - first) % 7;
            (0..=length).for_each(|step| days |= 1 << ((first + step) % 7));
        }
    }
    (days != 0 || hours.is_some()).then_some((days, hours))
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let minutes = hour * 60 + minute;
    (minute < 60 && minutes <= 24 * 60).then_some(minutes)
}

/// A condition that needs nothing else to be understood.
impl From<Matcher> for ConditionEntry {
    fn from(matcher: Matcher) -> ConditionEntry {
        ConditionEntry::Whole(matcher)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_week() {
        assert_eq!(hours("Mon-Fri 08:00-19:00"), Some((0b1_1111, Some((480, 1140)))));
        assert_eq!(hours("Sat,Sun"), Some((0b110_0000, None)));
        assert_eq!(hours("Fri-Mon"), Some((0b111_0001, None)));
        assert_eq!(hours("22:00-06:00"), Some((0, Some((1320, 360)))));
        for wrong in ["", "Mun", "08:00", "8-9", "25:00-26:00", "08:61-09:00", "08:00-09:00 10:00-11:00"] {
            assert_eq!(hours(wrong), None, "{wrong}");
        }
    }
}
