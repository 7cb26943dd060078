//! `govsh policy explain --mcp`: one call of an MCP server, from every side.
//!
//! Invariant: what is judged is what the relay would judge now, with somebody at the terminal; rates are not counted.
//! Leaves to others: the verdict (`policy::mcp`).

use std::fmt::Write as _;

use anyhow::{Result, anyhow};
use serde_json::{Value, json};

use super::super::{print, rule_json, rule_text, verdict_word};
use crate::cli::PolicyExplain;
use crate::cmd::library::own_policies;
use crate::cmd::paint::Paint;
use crate::policy::mcp::{McpDecision, Moment, Said, Wanted, decide, narrowest, said};
use crate::policy::{Policy, RuleId, Verdict};
use crate::recording::visible;

/// The call that was asked for, with its verdict as exit status.
pub(super) fn explain(policy: &Policy, place: &str, options: &PolicyExplain) -> Result<i32> {
    let wanted = Wanted::parse(place, options.args.as_deref()).map_err(|why| anyhow!(why))?;
    let now = jiff::Zoned::now();
    let moment = Moment {
        unix: now.timestamp().as_second(),
        weekday: u8::try_from(now.weekday().to_monday_zero_offset()).unwrap_or(0),
        minute: u16::from(now.hour().unsigned_abs()) * 60 + u16::from(now.minute().unsigned_abs()),
    };
    let call = wanted.call(moment);
    let decision = decide(policy.mcp_rules(), &call);
    let others = said(policy.mcp_rules(), &call);
    let failure = decision.decider().and_then(|rule| rule.failure(&call));
    let told = Told { policy, wanted: &wanted, decision, failure, others };
    match options.json {
        true => print(&format!("{:#}\n", told.json()))?,
        false => print(&told.text(Paint::stdout())?)?,
    };
    Ok(match decision.verdict {
        Verdict::Allow => 0,
        Verdict::Deny => 1,
        Verdict::Ask => 2,
    })
}

struct Told<'p> {
    policy: &'p Policy,
    wanted: &'p Wanted,
    decision: McpDecision<'p>,
    /// Why the statement that decided cannot be evaluated.
    failure: Option<String>,
    others: Vec<Said<'p>>,
}

impl Told<'_> {
    fn rule(&self) -> RuleId {
        self.decision.rule.map_or(RuleId::DEFAULT, |rule| rule.rule)
    }

    /// A rule that is named although it does not hold is the one that came nearest.
    fn decided(&self) -> bool {
        self.decision.decider().is_some()
    }

    fn is_declared(&self) -> bool {
        self.policy.servers().iter().any(|server| server.name == self.wanted.server)
    }

    /// What to write, and where.
    fn change(&self) -> (String, String) {
        let opposite = if self.decision.verdict == Verdict::Allow { Verdict::Deny } else { Verdict::Allow };
        let file = own_policies().with_file_name("policy.d").join("mcp.toml");
        let blocked = self.decided() && self.decision.verdict != Verdict::Allow;
        let place = match blocked {
            // Another rule does not outdo it.
            true => format!("first take out or narrow {}; then", rule_text(self.policy, self.rule())),
            false => format!("in {}, for every session of yours:", file.display()),
        };
        (place, narrowest(self.wanted, opposite))
    }

    fn text(&self, paint: Paint) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let word = match self.decision.verdict {
            Verdict::Allow => paint.bold("allowed"),
            Verdict::Deny => paint.warm("denied"),
            Verdict::Ask => paint.warm("asks"),
        };
        let Wanted { server, name, .. } = self.wanted;
        writeln!(text, "{word}: {} of MCP server {}", visible(name.as_bytes()), visible(server.as_bytes()))?;
        if !self.is_declared() {
            writeln!(text, "  {}", paint.warm("no such server is declared: it cannot even be connected to"))?;
        }
        match self.decided() {
            true => writeln!(text, "  rule       {}", rule_text(self.policy, self.rule()))?,
            false => writeln!(text, "  rule       none: what no rule allows is denied")?,
        }
        if let Some(rule) = self.decision.rule.filter(|_| !self.decided()) {
            writeln!(text, "  nearest    {}", rule_text(self.policy, rule.rule))?;
        }
        if let Some(failure) = &self.failure {
            writeln!(text, "  error      {}: what cannot be evaluated denies", visible(failure.as_bytes()))?;
        }
        if let Some(argument) = self.decision.argument {
            let argument = if argument == "*" { "one that the rule does not speak of" } else { argument };
            writeln!(text, "  argument   {}", visible(argument.as_bytes()))?;
        }
        if let Some(rule) = self.decision.decider().filter(|rule| !rule.reason.is_empty()) {
            writeln!(text, "  reason     {}", visible(rule.reason.as_bytes()))?;
        }
        writeln!(text, "  held by    brokered: the relay, which every message of the agent's passes")?;
        let others: Vec<_> = self.others.iter().filter(|said| said.rule.rule != self.rule()).collect();
        if !others.is_empty() {
            writeln!(text, "  also speaks of it, and did not decide:")?;
        }
        for other in others {
            let why = match (other.holds, other.argument) {
                (true, _) => format!("{} is outdone", verdict_word(other.rule.effect)),
                (false, Some("*")) => "an argument that it does not speak of".to_owned(),
                (false, Some(argument)) => format!("argument '{}'", visible(argument.as_bytes())),
                (false, None) => "its arguments or time are others".to_owned(),
            };
            writeln!(text, "    {}\n      {}", rule_text(self.policy, other.rule.rule), paint.dim(&why))?;
        }
        let (place, rule) = self.change();
        let opposite = if self.decision.verdict == Verdict::Allow { "deny" } else { "allow" };
        writeln!(text, "  to {opposite} it: {}", visible(place.as_bytes()))?;
        for line in rule.lines() {
            writeln!(text, "      {}", paint.bold(&visible(line.as_bytes())))?;
        }
        Ok(text)
    }

    fn json(&self) -> Value {
        let other = |said: &Said<'_>| {
            json!({ "rule": rule_json(self.policy, said.rule.rule), "effect": verdict_word(said.rule.effect),
                "holds": said.holds, "argument": said.argument })
        };
        let others: Vec<_> = self.others.iter().filter(|said| said.rule.rule != self.rule()).map(other).collect();
        let rule = self.decision.rule;
        let (place, change) = self.change();
        json!({
            "policy": self.policy.name(),
            "server": self.wanted.server,
            "name": self.wanted.name,
            "declared": self.is_declared(),
            "verdict": verdict_word(self.decision.verdict),
            "rule": rule.filter(|_| self.decided()).map(|rule| rule_json(self.policy, rule.rule)),
            "id": rule.filter(|_| self.decided()).map(|rule| &rule.id),
            "nearest": rule.filter(|_| !self.decided()).map(|rule| rule_json(self.policy, rule.rule)),
            "argument": self.decision.argument,
            "error": self.failure,
            "others": others,
            "change": { "where": place, "rule": change },
        })
    }
}
