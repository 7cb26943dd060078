//! `[[mcp.rules]]`: which calls of which servers, with which arguments.
//!
//! Invariant: deny > ask > allow > default deny; what cannot be told of an argument makes an allow not match, and a deny
//! and a question match. Where there are statements of Cedar, they alone permit: other rules narrow.
//! Leaves to others: counting calls for `rate` (whoever relays), the clock (passed in).

use std::sync::Arc;
use std::time::Duration;

use super::super::{RuleId, Verdict};
use super::cedar::{Asked, Failed, Statement};
use super::matcher::{Holds, Matcher, Segments, all};
use super::value::Value;

/// What is called, by the part of the protocol it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// `tools/call`, by the tool's name.
    Tool,
    /// `resources/read` and `resources/subscribe`, by URI.
    Resource,
    /// `prompts/get`, by name.
    Prompt,
    /// What the server asks of the client (`sampling/createMessage`, `elicitation/create`, `roots/list`), and what either
    /// side says that no revision of the protocol knows; by method.
    Method,
}

/// One request, as it is judged.
#[derive(Debug, Clone, Copy)]
pub struct Call<'c> {
    /// As the policy names the server; never what the server says of itself.
    pub server: &'c str,
    pub subject: Subject,
    pub name: &'c str,
    /// `params.arguments`; None where there are none.
    pub arguments: Option<&'c Value>,
    pub moment: Moment,
    /// Somebody can be asked at a terminal.
    pub terminal: bool,
}

/// Local time of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Seconds since 1970 (UTC).
    pub unix: i64,
    /// 0 is Monday, to 6.
    pub weekday: u8,
    /// Of the day, 0 to 1439.
    pub minute: u16,
}

/// When a rule holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct When {
    /// Bit n: weekday n; 0: every day.
    pub days: u8,
    /// Minutes of the day, from the first up to but without the second; past midnight where the first is the larger.
    pub hours: Option<(u16, u16)>,
    pub terminal: Option<bool>,
}

/// At most so many calls in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub calls: u32,
    pub per: Duration,
}

/// Which names of each subject a rule speaks of. All empty: every tool, resource and prompt, but no method.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    pub tools: Vec<Segments>,
    pub resources: Vec<Segments>,
    pub prompts: Vec<Segments>,
    pub methods: Vec<Segments>,
}

/// The conditions on one argument.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    /// A key of the arguments, or a JSON pointer into them (RFC 6901) where it begins with `/`.
    pub key: String,
    pub matchers: Vec<Matcher>,
}

/// One `[[mcp.rules]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct McpRule {
    pub rule: RuleId,
    /// Its own name, for denials and events.
    pub id: String,
    pub effect: Verdict,
    pub servers: Vec<Segments>,
    pub names: Names,
    pub arguments: Vec<Argument>,
    /// Keys that `arguments` does not speak of make it not match (an allow), or match whatever the others are (a deny and
    /// a question).
    pub forbids_others: bool,
    pub rate: Option<Rate>,
    pub when: When,
    /// For whoever is asked or denied; may be empty.
    pub reason: String,
    /// A statement of Cedar, which then says alone what matches.
    pub cedar: Option<Arc<Statement>>,
}

/// Of which calls of a name a rule speaks, whatever their arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    None,
    /// Of some, as far as can be told.
    Some,
    All,
    /// It cannot be told, of any: it denies.
    Failed,
}

/// What was decided of a call.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct McpDecision<'r> {
    pub verdict: Verdict,
    /// None: no rule speaks of it, so it is denied.
    pub rule: Option<&'r McpRule>,
    /// The argument that decided, where one did.
    pub argument: Option<&'r str>,
}

impl<'r> McpDecision<'r> {
    /// The rule that decided, rather than the one that came nearest. A statement that failed decided, too.
    pub fn decider(&self) -> Option<&'r McpRule> {
        self.rule.filter(|rule| rule.effect == self.verdict || rule.cedar.is_some())
    }
}

impl When {
    fn holds(&self, call: &Call<'_>) -> bool {
        let Moment { weekday, minute, .. } = call.moment;
        let day = self.days == 0 || self.days & (1 << weekday.min(7)) != 0;
        let hour = self.hours.is_none_or(|(from, to)| match from <= to {
            true => (from..to).contains(&minute),
            false => minute >= from || minute < to,
        });
        day && hour && self.terminal.is_none_or(|wanted| wanted == call.terminal)
    }
}

impl Names {
    fn matches(&self, subject: Subject, name: &str) -> bool {
        let (own, rest) = match subject {
            Subject::Tool => (&self.tools, [&self.resources, &self.prompts, &self.methods]),
            Subject::Resource => (&self.resources, [&self.tools, &self.prompts, &self.methods]),
            Subject::Prompt => (&self.prompts, [&self.tools, &self.resources, &self.methods]),
            Subject::Method => (&self.methods, [&self.tools, &self.resources, &self.prompts]),
        };
        let silent = own.is_empty() && rest.iter().all(|names| names.is_empty());
        own.iter().any(|glob| glob.matches(name)) || silent && subject != Subject::Method
    }
}

impl McpRule {
    pub(super) fn speaks_of(&self, call: &Call<'_>) -> bool {
        self.reach(call) != Reach::None
    }

    /// Of which calls of this server and name it speaks.
    fn reach(&self, call: &Call<'_>) -> Reach {
        if let Some(statement) = &self.cedar {
            return statement.reach(call.server, call.subject, call.name);
        }
        let speaks = self.servers.iter().any(|server| server.matches(call.server))
            && self.names.matches(call.subject, call.name);
        let is_unconditional =
            self.arguments.is_empty() && !self.forbids_others && self.rate.is_none() && self.when == When::default();
        match (speaks, is_unconditional) {
            (false, _) => Reach::None,
            (true, false) => Reach::Some,
            (true, true) => Reach::All,
        }
    }

    /// Why a statement of Cedar cannot be evaluated for a call: for people, as values may be in it.
    pub fn failure(&self, call: &Call<'_>) -> Option<String> {
        let Failed(why) = self.cedar.as_ref()?.holds(call, &mut None).err()?;
        Some(why)
    }

    /// Whether the arguments are what the rule says, and which one said otherwise or could not be told.
    fn arguments_hold(&self, arguments: Option<&Value>) -> (Holds, Option<&str>) {
        for argument in &self.arguments {
            let value = arguments.and_then(|all| match argument.key.starts_with('/') {
                true => all.pointer(&argument.key),
                false => all.field(&argument.key),
            });
            let holds = all(&argument.matchers, value);
            if holds != Holds::Yes {
                return (holds, Some(&argument.key));
            }
        }
        let others = if self.forbids_others { self.known_alone(arguments) } else { Holds::Yes };
        (others, Some("*").filter(|_| others != Holds::Yes))
    }

    /// The same of a rule that denies or asks: for it, forbidden others are one more way to match.
    fn arguments_offend(&self, arguments: Option<&Value>) -> (Holds, Option<&str>) {
        if !self.forbids_others {
            return self.arguments_hold(arguments);
        }
        if self.known_alone(arguments) != Holds::Yes {
            return (Holds::Yes, Some("*"));
        }
        if self.arguments.is_empty() {
            return (Holds::No, None);
        }
        self.arguments_hold(arguments)
    }

    /// Whether no key is there that no condition speaks of.
    fn known_alone(&self, arguments: Option<&Value>) -> Holds {
        let known = |key: &str| {
            self.arguments.iter().any(|argument| {
                let pointer = argument.key.strip_prefix('/').and_then(|rest| rest.split('/').next());
                pointer.map_or(argument.key == key, |first| first.replace("~1", "/").replace("~0", "~") == key)
            })
        };
        match arguments {
            None => Holds::Yes,
            Some(Value::Object(fields)) if fields.iter().all(|(key, _)| known(key)) => Holds::Yes,
            Some(Value::Object(_)) => Holds::No,
            Some(_) => Holds::Unknown,
        }
    }

    /// What the rule says of this call, if anything, by the side that its effect errs to, and by which argument.
    fn verdict(&self, call: &Call<'_>, asked: &mut Option<Asked>) -> Option<(Verdict, Option<&str>)> {
        if let Some(statement) = &self.cedar {
            return match statement.holds(call, asked) {
                Ok(true) => Some((self.effect, None)),
                Ok(false) => None,
                // Whatever it would have said: nobody knows what it means here.
                Err(_) => Some((Verdict::Deny, None)),
            };
        }
        if !self.speaks_of(call) || !self.when.holds(call) {
            return None;
        }
        let (holds, argument) = match self.effect {
            Verdict::Allow => self.arguments_hold(call.arguments),
            Verdict::Deny | Verdict::Ask => self.arguments_offend(call.arguments),
        };
        match (self.effect, holds) {
            (effect, Holds::Yes) => Some((effect, argument)),
            (Verdict::Allow, _) | (_, Holds::No) => None,
            (effect @ (Verdict::Deny | Verdict::Ask), Holds::Unknown) => Some((effect, argument)),
        }
    }
}

/// Whether statements of Cedar judge calls of this kind: what they do not permit is denied then.
fn is_governed(rules: &[McpRule], subject: Subject) -> bool {
    subject != Subject::Method && rules.iter().any(|rule| rule.cedar.is_some())
}

/// Judges a call. The first denying rule decides, else the first that asks, else the first that allows.
pub fn decide<'r>(rules: &'r [McpRule], call: &Call<'_>) -> McpDecision<'r> {
    let is_governed = is_governed(rules, call.subject);
    let (mut asks, mut allows, mut permitted, mut asked) = (None, None, !is_governed, None);
    for rule in rules {
        let is_settled = match rule.effect {
            Verdict::Deny => false,
            Verdict::Ask => asks.is_some(),
            Verdict::Allow => asks.is_some() || allows.is_some(),
        };
        // A statement is evaluated in any case: its errors deny.
        if is_settled && rule.cedar.is_none() {
            continue;
        }
        let Some((verdict, argument)) = rule.verdict(call, &mut asked) else { continue };
        let decision = McpDecision { verdict, rule: Some(rule), argument };
        permitted |= rule.cedar.is_some() && verdict != Verdict::Deny;
        match verdict {
            Verdict::Deny => return decision,
            Verdict::Ask => asks = asks.or(Some(decision)),
            // Beside statements of Cedar it grants nothing.
            Verdict::Allow if is_governed && rule.cedar.is_none() => {}
            Verdict::Allow => allows = allows.or(Some(decision)),
        }
    }
    match asks.or(allows) {
        Some(decision) if permitted => return decision,
        None if !is_governed => {}
        _ => return McpDecision { verdict: Verdict::Deny, rule: None, argument: None },
    }
    let near = rules.iter().find(|rule| rule.effect == Verdict::Allow && rule.speaks_of(call));
    let argument = near.and_then(|rule| rule.arguments_hold(call.arguments).1);
    McpDecision { verdict: Verdict::Deny, rule: near, argument }
}

/// Whether some call of this name could be allowed or asked about, whatever its arguments: what lists may show.
pub fn may_call(rules: &[McpRule], server: &str, subject: Subject, name: &str) -> bool {
    let moment = Moment { unix: 0, weekday: 0, minute: 0 };
    let call = Call { server, subject, name, arguments: None, moment, terminal: true };
    let is_governed = is_governed(rules, subject);
    let mut permitted = false;
    for rule in rules {
        match (rule.reach(&call), rule.effect) {
            (Reach::None, _) | (Reach::Some, Verdict::Deny) => {}
            (Reach::Failed, _) | (Reach::All, Verdict::Deny) => return false,
            (Reach::Some | Reach::All, Verdict::Ask | Verdict::Allow) => {
                permitted |= !is_governed || rule.cedar.is_some();
            }
        }
    }
    permitted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(id: &str, effect: Verdict, tool: &str, arguments: &[(&str, Matcher)]) -> McpRule {
        let argument =
            |(key, matcher): &(&str, Matcher)| Argument { key: (*key).into(), matchers: vec![matcher.clone()] };
        McpRule {
            rule: RuleId(1),
            id: id.into(),
            effect,
            servers: vec![Segments::parse("github")],
            names: Names { tools: vec![Segments::parse(tool)], ..Names::default() },
            arguments: arguments.iter().map(argument).collect(),
            forbids_others: false,
            rate: None,
            when: When::default(),
            reason: String::new(),
            cedar: None,
        }
    }

    fn acme() -> Matcher {
        Matcher::Glob(vec![Segments::parse("acme/*")])
    }

    fn judged(rules: &[McpRule], name: &str, arguments: &str) -> (Verdict, String, Option<String>) {
        let arguments = Value::parse(arguments.as_bytes()).unwrap();
        let moment = Moment { unix: 0, weekday: 6, minute: 600 };
        let call = Call {
            server: "github",
            subject: Subject::Tool,
            name,
            arguments: Some(&arguments),
            moment,
            terminal: false,
        };
        let decision = decide(rules, &call);
        let id = decision.rule.map_or(String::new(), |rule| rule.id.clone());
        (decision.verdict, id, decision.argument.map(str::to_owned))
    }

    #[test]
    fn deny_outdoes_ask_outdoes_allow_outdoes_nothing() {
        let rules = [
            rule("a", Verdict::Allow, "*", &[]),
            rule("q", Verdict::Ask, "create_*", &[]),
            rule("d", Verdict::Deny, "*", &[("repo", Matcher::In(vec![Value::Text("acme/prod".into())]))]),
        ];
        assert_eq!(judged(&rules, "list", r#"{"repo": "x"}"#).0, Verdict::Allow);
        assert_eq!(judged(&rules, "create_issue", r#"{"repo": "x"}"#).0, Verdict::Ask);
        assert_eq!(judged(&rules, "create_issue", r#"{"repo": "acme/prod"}"#), (Verdict::Deny, "d".into(), None));
        // A deny on an argument that is missing, or of another type, denies.
        assert_eq!(judged(&rules, "list", "{}"), (Verdict::Deny, "d".into(), Some("repo".into())));
        assert_eq!(judged(&rules, "list", r#"{"repo": 1}"#).0, Verdict::Deny);
        assert_eq!(judged(&[], "list", "{}"), (Verdict::Deny, String::new(), None));
    }

    #[test]
    fn an_allow_needs_every_argument_to_be_told() {
        let rules = [McpRule {
            forbids_others: true,
            ..rule("a", Verdict::Allow, "x", &[("repo", acme()), ("/o/n", Matcher::Type("integer".into()))])
        }];
        let said = |arguments| {
            let (verdict, _, argument) = judged(&rules, "x", arguments);
            (verdict, argument.unwrap_or_default())
        };
        assert_eq!(said(r#"{"repo": "acme/x", "o": {"n": 1}}"#).0, Verdict::Allow);
        assert_eq!(said(r#"{"repo": "acme/x", "o": {"n": "1"}}"#), (Verdict::Deny, "/o/n".into()));
        assert_eq!(said(r#"{"o": {"n": 1}}"#), (Verdict::Deny, "repo".into()));
        assert_eq!(said(r#"{"repo": ["acme/x"], "o": {"n": 1}}"#), (Verdict::Deny, "repo".into()));
        assert_eq!(said(r#"{"repo": "acme/x", "o": {"n": 1}, "more": 1}"#), (Verdict::Deny, "*".into()));
        assert_eq!(said("[]").0, Verdict::Deny);
    }

    #[test]
    fn a_deny_of_other_arguments_matches_them() {
        let known = [("repo", Matcher::In(vec![Value::Text("acme/prod".into())]))];
        let rules = [
            rule("a", Verdict::Allow, "*", &[]),
            McpRule { forbids_others: true, ..rule("d", Verdict::Deny, "*", &known) },
        ];
        assert_eq!(judged(&rules, "x", r#"{"repo": "acme/x"}"#).0, Verdict::Allow);
        assert_eq!(judged(&rules, "x", r#"{"repo": "acme/prod"}"#).0, Verdict::Deny);
        assert_eq!(judged(&rules, "x", r#"{"repo": "acme/x", "y": 1}"#), (Verdict::Deny, "d".into(), Some("*".into())));
        let others = [
            rule("a", Verdict::Allow, "*", &[]),
            McpRule { forbids_others: true, ..rule("q", Verdict::Ask, "*", &[]) },
        ];
        assert_eq!(judged(&others, "x", "{}").0, Verdict::Allow);
        assert_eq!(judged(&others, "x", r#"{"y": 1}"#).0, Verdict::Ask);
    }

    #[test]
    fn hours_may_pass_midnight() {
        let at = |weekday, minute| Call {
            server: "s",
            subject: Subject::Tool,
            name: "t",
            arguments: None,
            moment: Moment { unix: 0, weekday, minute },
            terminal: true,
        };
        let night = When { days: 0, hours: Some((22 * 60, 6 * 60)), terminal: None };
        assert!(night.holds(&at(0, 23 * 60)) && night.holds(&at(0, 0)) && !night.holds(&at(0, 12 * 60)));
        let work = When { days: 0b1_1111, hours: Some((480, 1140)), terminal: Some(true) };
        assert!(work.holds(&at(4, 480)) && !work.holds(&at(5, 480)) && !work.holds(&at(4, 1140)));
    }

    #[test]
    fn lists_show_what_some_call_may_reach() {
        let rules = [
            rule("a", Verdict::Allow, "create_*", &[("repo", acme())]),
            rule("d", Verdict::Deny, "create_key", &[]),
            rule("e", Verdict::Deny, "create_issue", &[("repo", Matcher::In(vec![Value::Text("acme/prod".into())]))]),
        ];
        let shown = |name| may_call(&rules, "github", Subject::Tool, name);
        assert!(shown("create_issue") && !shown("create_key") && !shown("delete"));
        assert!(!may_call(&rules, "other", Subject::Tool, "create_issue"));
        assert!(!may_call(&rules, "github", Subject::Method, "roots/list"));
    }
}
