//! Statements as they are judged, alone and beside other rules.

use std::sync::Arc;

use super::super::{Launch, Server};
use super::super::{McpRule, Moment, Names, Segments, Value, When, decide, may_call};
use super::*;
use crate::policy::{Layer, RuleId};

const SERVER: &str = include_str!("../../../../tests/data/cedar/server.cedar");
const BLOCKLIST: &str = include_str!("../../../../tests/data/cedar/blocklist.cedar");
const ARGUMENTS: &str = include_str!("../../../../tests/data/cedar/arguments.cedar");
/// Monday, 5 January 2026, at noon.
const NOON: i64 = 1_767_614_400;

fn rules(text: &str) -> Vec<McpRule> {
    let rule = |(index, statement): (usize, Statement)| McpRule {
        id: format!("c#{}", index + 1),
        reason: statement.reason().to_owned(),
        cedar: Some(Arc::new(statement)),
        ..plain("", Verdict::Allow, "**")
    };
    let mut rules: Vec<McpRule> = statements(text).unwrap().into_iter().enumerate().map(rule).collect();
    for rule in &mut rules {
        rule.effect = rule.cedar.as_ref().unwrap().effect();
    }
    rules
}

fn plain(id: &str, effect: Verdict, tool: &str) -> McpRule {
    McpRule {
        rule: RuleId(1),
        id: id.into(),
        effect,
        servers: vec![Segments::parse("**")],
        names: Names { tools: vec![Segments::parse(tool)], ..Names::default() },
        arguments: Vec::new(),
        forbids_others: false,
        rate: None,
        when: When::default(),
        reason: String::new(),
        cedar: None,
    }
}

fn judged_at(rules: &[McpRule], unix: i64, subject: Subject, place: &str, arguments: &str) -> (Verdict, String) {
    let (server, name) = place.split_once('/').unwrap();
    let arguments = (!arguments.is_empty()).then(|| Value::parse(arguments.as_bytes()).unwrap());
    let moment = Moment { unix, weekday: 0, minute: 720 };
    let decision =
        decide(rules, &Call { server, subject, name, arguments: arguments.as_ref(), moment, terminal: true });
    (decision.verdict, decision.decider().map_or(String::new(), |rule| rule.id.clone()))
}

fn judged(rules: &[McpRule], subject: Subject, place: &str, arguments: &str) -> (Verdict, String) {
    judged_at(rules, NOON, subject, place, arguments)
}

fn tool(rules: &[McpRule], place: &str, arguments: &str) -> Verdict {
    judged(rules, Subject::Tool, place, arguments).0
}

fn denied(by: &str) -> (Verdict, String) {
    (Verdict::Deny, by.to_owned())
}

fn register(text: &str, name: &str, launch: Launch) -> Result<(), (usize, String)> {
    let statements = statements(text).unwrap();
    let (policy, env) = ("mcp-server".to_owned(), Vec::new());
    let server = Server { name: name.to_owned(), launch, env, policy, layer: Layer::User, rule: RuleId(0) };
    registration(&statements.iter().collect::<Vec<_>>(), &server)
        .map_err(|refused| (refused.by.map_or(0, |index| index + 1), refused.reason))
}

fn url(url: &str) -> Launch {
    Launch::Url(url.to_owned())
}

fn command(words: &str) -> Launch {
    Launch::Command(words.split(' ').map(str::to_owned).collect())
}

#[test]
fn what_no_statement_permits_is_denied_and_approval_goes_before_a_permit() {
    let rules = rules(SERVER);
    assert_eq!(rules[2].reason, "non-read-only tool call");
    // Whatever a tool says of itself, it is one that says nothing: not read-only.
    assert_eq!(judged(&rules, Subject::Tool, "wiki/search", "{}"), (Verdict::Ask, "c#3".into()));
    assert_eq!(judged(&rules, Subject::Tool, "other/search", "{}"), denied(""));
    assert_eq!(judged(&rules, Subject::Resource, "wiki/file:///x", "").0, Verdict::Allow);
    assert_eq!(judged(&rules, Subject::Prompt, "wiki/p", "").0, Verdict::Allow);
    assert_eq!(judged(&rules, Subject::Prompt, "other/p", ""), denied(""));
    let mut both = super::tests::rules("permit (principal, action, resource);");
    both.extend(rules);
    assert_eq!(judged(&both, Subject::Tool, "wiki/search", "{}"), (Verdict::Ask, "c#3".into()));
    assert_eq!(judged(&both, Subject::Tool, "other/search", "{}").0, Verdict::Allow);
    // Other annotations ask nothing, and on a forbid this one does not either.
    let other = super::tests::rules(
        "@requireConsent(\"x\") permit (principal, action, resource);
         @requireApproval(\"x\") forbid (principal, action, resource == MCP::Tool::\"t\");",
    );
    assert_eq!((tool(&other, "s/x", "{}"), tool(&other, "s/t", "{}")), (Verdict::Allow, Verdict::Deny));
}

#[test]
fn a_forbid_goes_before_everything() {
    let rules = rules(BLOCKLIST);
    assert_eq!(rules[1].cedar.as_ref().unwrap().label(), Some("no-host-programs"));
    assert_eq!(tool(&rules, "s/anything", "{}"), Verdict::Allow);
    assert_eq!(judged(&rules, Subject::Tool, "s/move_file", "{}"), denied("c#7"));
    assert_eq!(judged(&rules, Subject::Tool, "old/anything", "{}"), denied("c#5"));
    assert_eq!(judged(&rules, Subject::Resource, "s/file:///secrets/x", ""), denied("c#8"));
    assert_eq!(judged(&rules, Subject::Resource, "s/file:///x", "").0, Verdict::Allow);
    // What the server asks of the client is no business of Cedar's.
    assert_eq!(judged(&rules, Subject::Method, "s/sampling/createMessage", "{}"), denied(""));
}

#[test]
fn arguments_are_judged_and_what_cannot_be_told_of_them_denies() {
    let rules = rules(ARGUMENTS);
    let expense = |arguments: &str| judged(&rules, Subject::Tool, "s/approve_expense", arguments);
    assert_eq!(expense(r#"{"amount": 500}"#).0, Verdict::Allow);
    // A guarded permit does not match; an unguarded type mismatch is an error.
    for arguments in [r#"{"amount": 501}"#, "{}", ""] {
        assert_eq!(expense(arguments), denied(""), "{arguments}");
    }
    for arguments in [r#"{"amount": "5"}"#, r#"{"amount": 5.0}"#, r#"{"amount": null}"#, r#"{"amount": [5]}"#] {
        assert_eq!(expense(arguments), denied("c#2"), "{arguments}");
    }
    let issue = |arguments: &str| judged(&rules, Subject::Tool, "s/create_issue", arguments);
    assert_eq!(issue(r#"{"repo": "acme/x"}"#).0, Verdict::Allow);
    assert_eq!(issue(r#"{"repo": "acme/prod-1"}"#), denied("c#4"));
    // Cedar skips a forbid that fails, and so would permit these.
    let posing = r#"{"repo": {"__entity": {"type": "MCP::Server", "id": "x"}}}"#;
    let big = r#"{"repo": "acme/x", "n": 18446744073709551615}"#;
    for arguments in ["", "{}", r#"{"repo": 1}"#, r#"{"repo": null}"#, r#"{"Repo": "acme/prod-1"}"#, posing, big] {
        assert_eq!(issue(arguments), denied("c#4"), "{arguments}");
    }
    assert!(
        rules[3]
            .failure(&Call {
                server: "s",
                subject: Subject::Tool,
                name: "create_issue",
                arguments: None,
                moment: Moment { unix: 0, weekday: 0, minute: 0 },
                terminal: true,
            })
            .is_some_and(|why| why.contains("args"))
    );
}

#[test]
fn a_permit_that_fails_denies_although_another_permits() {
    let rules = rules(
        "permit (principal, action, resource);
         permit (principal, action == MCP::Action::\"invokeTool\", resource) when { context.args.n < 5 };",
    );
    assert_eq!(tool(&rules, "s/t", r#"{"n": 9}"#), Verdict::Allow);
    assert_eq!(judged(&rules, Subject::Tool, "s/t", "{}"), denied("c#2"));
    // What is denied whatever the arguments is in no list.
    let prompts = super::tests::rules(
        "permit (principal, action, resource);
         forbid (principal, action, resource) when { resource.readOnly == true };",
    );
    assert_eq!(judged(&prompts, Subject::Prompt, "s/p", ""), denied("c#2"));
    assert!(!may_call(&prompts, "s", Subject::Prompt, "p") && may_call(&prompts, "s", Subject::Tool, "t"));
}

#[test]
fn the_time_of_the_request_is_told() {
    let rules = rules(ARGUMENTS);
    let at = |unix| judged_at(&rules, unix, Subject::Tool, "s/deploy", "{}").0;
    assert_eq!((at(NOON), at(NOON + 8 * 3600), at(NOON - 5 * 3600)), (Verdict::Allow, Verdict::Deny, Verdict::Deny));
}

#[test]
fn lists_show_what_some_call_may_reach() {
    let rules = rules(ARGUMENTS);
    let shown = |name: &str| may_call(&rules, "s", Subject::Tool, name);
    // Of a conjunction, what does not look at arguments still tells names apart.
    assert!(shown("approve_expense") && shown("create_issue") && shown("deploy"));
    assert!(!shown("other") && !may_call(&rules, "s", Subject::Resource, "approve_expense"));
    let unless = super::tests::rules(
        "permit (principal, action, resource) unless { resource.name == \"hidden\" || context.args.x == 1 };",
    );
    assert!(may_call(&unless, "s", Subject::Tool, "t") && !may_call(&unless, "s", Subject::Tool, "hidden"));
    let block = super::tests::rules(BLOCKLIST);
    assert!(may_call(&block, "s", Subject::Tool, "t") && !may_call(&block, "s", Subject::Tool, "move_file"));
    assert!(!may_call(&block, "old", Subject::Tool, "t") && may_call(&block, "old", Subject::Prompt, "p"));
}

#[test]
fn other_rules_narrow_and_grant_nothing() {
    let mut rules = rules("permit (principal, action, resource == MCP::Tool::\"get\");");
    rules.extend([
        plain("a", Verdict::Allow, "*"),
        plain("q", Verdict::Ask, "*_now"),
        plain("d", Verdict::Deny, "drop"),
    ]);
    assert_eq!(judged(&rules, Subject::Tool, "s/get", ""), (Verdict::Allow, "c#1".into()));
    for name in ["s/put", "s/put_now", "s/drop"] {
        assert_eq!(tool(&rules, name, ""), Verdict::Deny, "{name}");
    }
    assert!(may_call(&rules, "s", Subject::Tool, "get") && !may_call(&rules, "s", Subject::Tool, "put"));
    let mut wide = super::tests::rules("permit (principal, action, resource);");
    wide.extend(rules);
    assert_eq!(judged(&wide, Subject::Tool, "s/put_now", ""), (Verdict::Ask, "q".into()));
    assert_eq!(judged(&wide, Subject::Tool, "s/drop", ""), denied("d"));
    assert!(!may_call(&wide, "s", Subject::Tool, "drop"));
    // In any order.
    wide.reverse();
    assert_eq!(judged(&wide, Subject::Tool, "s/put_now", ""), (Verdict::Ask, "q".into()));
    // Methods are those rules' alone.
    wide.push(McpRule {
        names: Names { methods: vec![Segments::parse("roots/list")], ..Names::default() },
        ..plain("m", Verdict::Allow, "")
    });
    assert_eq!(judged(&wide, Subject::Method, "s/roots/list", "").0, Verdict::Allow);
}

#[test]
fn principals_are_not_told_apart() {
    let rules = rules(
        "permit (principal == MCP::Agent::\"agent\", action, resource);
         permit (principal, action, resource) when { principal.role == \"admin\" };
         permit (principal, action, resource == MCP::Tool::\"x\");
         forbid (principal in Org::Team::\"interns\", action, resource) when { resource.name == \"x\" && principal.new };
         forbid (principal, action, resource == MCP::Tool::\"y\") unless { principal in Org::Team::\"staff\" };",
    );
    let inert: Vec<bool> = rules.iter().map(|rule| rule.cedar.as_ref().unwrap().is_inert()).collect();
    assert_eq!(inert, [true, true, false, false, false]);
    assert_eq!(judged(&rules, Subject::Tool, "s/z", ""), denied(""));
    assert_eq!(judged(&rules, Subject::Tool, "s/x", ""), denied("c#4"));
    assert_eq!(judged(&rules, Subject::Tool, "s/y", ""), denied("c#5"));
    assert!(!may_call(&rules, "s", Subject::Tool, "x") && !may_call(&rules, "s", Subject::Tool, "z"));
}

#[test]
fn servers_are_permitted_by_name_and_address() {
    let wiki = "https://mcp.wiki.example/mcp";
    assert_eq!(register(SERVER, "wiki", url(wiki)), Ok(()));
    let none = Err((0, "no statement permits it".to_owned()));
    assert_eq!(register(SERVER, "wiki", url("https://mcp.evil.example/mcp")), none);
    assert_eq!(register(SERVER, "other", url(wiki)), none);
    assert_eq!(register(SERVER, "wiki", command("wiki-server")), none);
    let forbidden = |by: usize| Err((by, "forbids it".to_owned()));
    assert_eq!(register(BLOCKLIST, "any", url("https://mcp.new.example/mcp")), Ok(()));
    assert_eq!(register(BLOCKLIST, "any", url("https://mcp.old.example/mcp")), forbidden(3));
    assert_eq!(register(BLOCKLIST, "any", command("docker run x")), forbidden(2));
    assert_eq!(register(ARGUMENTS, "any", command("docker run --privileged x")), Ok(()));
    let by_command = "permit (principal, action, resource) when { resource.command == \"npx\" && resource.args.contains(\"srv@1\") };";
    assert_eq!(register(by_command, "any", command("npx -y srv@1")), Ok(()));
    assert_eq!(register(by_command, "any", command("npx -y srv")), none);
    let asks = "@requireApproval(\"x\") permit (principal, action, resource);";
    assert_eq!(register(asks, "any", url(wiki)).map_err(|(by, _)| by), Err(1));
    let fails =
        "permit (principal, action, resource); forbid (principal, action, resource) when { resource.readOnly };";
    let Err((2, why)) = register(fails, "any", url(wiki)) else { panic!("a statement that fails refuses") };
    assert!(why.contains("readOnly"), "{why}");
}

#[test]
fn what_is_not_told_of_a_server_is_tried_both_ways() {
    let remote = || url("https://mcp.wiki.example/mcp");
    let none = Err((0, "no statement permits it".to_owned()));
    let permit = |when: &str| format!("permit (principal, action, resource) when {{ {when} }};");
    assert_eq!(register(&permit("resource.type == \"remote-dcr\""), "s", remote()), none);
    assert_eq!(register(&permit("resource.type like \"remote-*\""), "s", remote()), Ok(()));
    let both = ["resource.type == \"remote-dcr\"", "resource.type == \"remote-no-dcr\""].map(permit).concat();
    assert_eq!(register(&both, "s", remote()), Ok(()));
    assert_eq!(register(&permit("resource.requiresOAuth == false"), "s", remote()), none);
    assert_eq!(register(&permit("resource.requiresNetwork"), "s", remote()), Ok(()));
    assert_eq!(register(&permit("resource.requiresNetwork == false"), "s", command("srv")), none);
}

#[test]
fn what_is_not_understood_is_refused_with_its_place() {
    let first = "permit (principal, action, resource);\n";
    for (text, says) in [
        ("permit (principal, action", "unexpected end"),
        ("permit (principal, action, resource)", "unexpected end"),
        ("permit (principal, action == MCP::Action::\"callTool\", resource);", "callTool"),
        ("permit (principal, action, resource is MCP::Toll);", "Toll"),
        ("permit (principal, action, resource in Other::Server::\"x\");", "Server"),
        ("permit (principal == ?principal, action, resource);", "template"),
        ("forbid (principal, action, resource) when { resource.redOnly };", "redOnly"),
        ("forbid (principal, action, resource) when { context has arguments };", "arguments"),
    ] {
        let fault = statements(&format!("{first}{text}")).unwrap_err();
        assert!(fault.at == first.len() && fault.reason.contains(says), "{text}: {fault:?}");
    }
    for text in ["", "// permit (principal, action, resource);\n"] {
        assert_eq!(statements(text).unwrap_err().reason, "there is no statement in it");
    }
    let when = |body: String| format!("forbid (principal, action, resource) when {{ {body} }};");
    for deep in ["true && ".repeat(20_000) + "true", "(".repeat(20_000), "1 + ".repeat(599) + "1 == 1"] {
        assert!(statements(&when(deep)).unwrap_err().reason.contains("600 operators"));
    }
    assert_eq!(statements(&when("1 + ".repeat(250) + "1 == 1")).map(|all| all.len()), Ok(1));
    let many = format!("[{}].contains(resource.name)", "\"https://a.b.example/x\",".repeat(999) + "\"y\"");
    assert_eq!(statements(&when(many)).map(|all| all.len()), Ok(1));
}
