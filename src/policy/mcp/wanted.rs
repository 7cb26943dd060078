//! A call as people write it, and what each rule says of it. Pure.
//!
//! Invariant: what is told of a rule is what `decide` made of it alone.
//! Leaves to others: policies and their files (`cmd`).

use super::rule::{Call, McpRule, Moment, Subject, decide};
use super::value::Value;
use crate::policy::Verdict;

/// `SERVER/TOOL`, `SERVER/resource:URI`, `SERVER/prompt:NAME` or `SERVER/method:NAME`, with arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    pub server: String,
    pub subject: Subject,
    pub name: String,
    pub arguments: Option<Value>,
}

/// What a rule that speaks of a call makes of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Said<'r> {
    pub rule: &'r McpRule,
    /// It holds for this call, if nothing stronger does.
    pub holds: bool,
    /// The argument that says otherwise, or that it holds by.
    pub argument: Option<&'r str>,
}

impl Wanted {
    /// `arguments` is JSON, an object. An error is a few words.
    pub fn parse(place: &str, arguments: Option<&str>) -> Result<Wanted, String> {
        let parts = place.split_once('/').filter(|(server, name)| !server.is_empty() && !name.is_empty());
        let (server, name) = parts.ok_or_else(|| format!("'{place}' is no SERVER/TOOL"))?;
        let subjects = [("resource:", Subject::Resource), ("prompt:", Subject::Prompt), ("method:", Subject::Method)];
        let of = |(prefix, subject): &(&str, Subject)| Some((name.strip_prefix(prefix)?, *subject));
        let (name, subject) = subjects.iter().find_map(of).unwrap_or((name, Subject::Tool));
        let arguments = match arguments.map(|text| Value::parse(text.as_bytes())) {
            None => None,
            Some(Ok(value @ Value::Object(_))) => Some(value),
            Some(Ok(_)) => return Err("arguments are a JSON object, such as {\"repo\": \"acme/x\"}".to_owned()),
            Some(Err(why)) => return Err(format!("the arguments cannot be read: {why}")),
        };
        Ok(Wanted { server: server.to_owned(), subject, name: name.to_owned(), arguments })
    }

    /// At this time, with somebody there to ask.
    pub fn call(&self, moment: Moment) -> Call<'_> {
        Call {
            server: &self.server,
            subject: self.subject,
            name: &self.name,
            arguments: self.arguments.as_ref(),
            moment,
            terminal: true,
        }
    }
}

/// Every rule that speaks of the call, in their order, and what it makes of it by itself.
pub fn said<'r>(rules: &'r [McpRule], call: &Call<'_>) -> Vec<Said<'r>> {
    let one = |rule: &'r McpRule| {
        if rule.cedar.is_some() {
            let holds = decide(std::slice::from_ref(rule), call).rule.is_some();
            return rule.speaks_of(call).then_some(Said { rule, holds, argument: None });
        }
        let alone = decide(std::slice::from_ref(rule), call);
        match (rule.effect, alone.verdict, alone.rule) {
            (Verdict::Allow, Verdict::Allow, _) => Some(Said { rule, holds: true, argument: None }),
            // The nearest rule is named although it does not hold, with the argument that is in its way.
            (Verdict::Allow, _, Some(_)) => Some(Said { rule, holds: false, argument: alone.argument }),
            (Verdict::Allow, _, None) => None,
            (_, _, Some(_)) => Some(Said { rule, holds: true, argument: alone.argument }),
            (_, _, None) => speaks(rule, call).then_some(Said { rule, holds: false, argument: None }),
        }
    };
    rules.iter().filter_map(one).collect()
}

/// Whether a rule that denies or asks, and does not hold, is about this at all.
fn speaks(rule: &McpRule, call: &Call<'_>) -> bool {
    let allows = McpRule { effect: Verdict::Allow, ..rule.clone() };
    decide(std::slice::from_ref(&allows), call).rule.is_some()
}

/// The narrowest rule that allows or denies exactly this call, as a policy would have it.
pub fn narrowest(wanted: &Wanted, effect: Verdict) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let key = match wanted.subject {
        Subject::Tool => "tools",
        Subject::Resource => "resources",
        Subject::Prompt => "prompts",
        Subject::Method => "methods",
    };
    let word = if effect == Verdict::Allow { "allow" } else { "deny" };
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let id: String = format!("{word}-{}-{}", wanted.server, wanted.name).chars().take(64).map(plain).collect();
    let mut rule = format!(
        "[[mcp.rules]]\nid = {}\neffect = \"{word}\"\nserver = {}\n{key} = [{}]\n",
        quoted(&id),
        quoted(&wanted.server),
        quoted(&wanted.name)
    );
    let Some(Value::Object(fields)) = &wanted.arguments else { return rule };
    let condition = |(key, value): &(String, Value)| {
        let value = match value {
            Value::Text(text) => quoted(text),
            Value::Int(number) => number.to_string(),
            Value::Bool(value) => value.to_string(),
            other => format!("{{ type = \"{}\" }}", other.kind()),
        };
        format!("{} = {value}", quoted(key))
    };
    let mut conditions: Vec<String> = fields.iter().map(condition).collect();
    if effect == Verdict::Allow {
        conditions.push("\"*\" = \"forbid\"".to_owned());
    }
    if !conditions.is_empty() {
        rule.push_str(&format!("args = {{ {} }}\n", conditions.join(", ")));
    }
    rule
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_written_in_one_word() {
        let tool = Wanted::parse("github/create_issue", Some(r#"{"repo": "acme/x"}"#)).unwrap();
        assert_eq!((tool.server.as_str(), tool.subject, tool.name.as_str()), ("github", Subject::Tool, "create_issue"));
        let resource = Wanted::parse("fs/resource:file:///a/b", None).unwrap();
        assert_eq!((resource.subject, resource.name.as_str()), (Subject::Resource, "file:///a/b"));
        for (place, arguments) in
            [("github", None), ("/x", None), ("a/b", Some("[]")), ("a/b", Some("{\"a\":1,\"A\":2}"))]
        {
            assert!(Wanted::parse(place, arguments).is_err(), "{place}");
        }
    }

    #[test]
    fn the_narrowest_rule_is_of_this_call_alone() {
        let wanted = Wanted::parse("github/create_issue", Some(r#"{"repo": "acme/\"x", "n": 3, "l": []}"#)).unwrap();
        let rule: toml::Table = narrowest(&wanted, Verdict::Allow).parse().unwrap();
        let rule = &rule["mcp"]["rules"][0];
        assert_eq!((rule["args"]["repo"].as_str(), rule["args"]["n"].as_integer()), (Some("acme/\"x"), Some(3)));
        assert_eq!((rule["args"]["l"]["type"].as_str(), rule["args"]["*"].as_str()), (Some("array"), Some("forbid")));
    }
}
