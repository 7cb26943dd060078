//! Calls of tools that nobody has listed: the relay looks at them itself.

use super::*;
use crate::mcp::pins::{Identity, OnChange, Pinned};

fn held(known: Option<Pinned>, on_change: OnChange) -> Relay {
    let url = Identity::Url { url: "https://a.example/mcp".into(), certificate: None };
    relay(vec![everything(), rule("not", Verdict::Deny, tools("forbidden"))]).pinned(known, url, on_change).looking()
}

/// The id of the request for tools among what goes to the server, and the line.
fn asked(steps: &[Step]) -> Option<(String, String)> {
    let line = sent(steps).into_iter().find(|line| line.starts_with("> ") && line.contains("\"tools/list\""))?;
    let id = line.split("\"id\":\"").nth(1)?.split('"').next()?.to_owned();
    Some((id, line))
}

fn shows(relay: &mut Relay, id: &str, result: &str) -> Vec<Step> {
    of_server(relay, &format!(r#"{{"jsonrpc":"2.0","id":"{id}","result":{result}}}"#))
}

fn pinned(steps: &[Step]) -> Option<Pinned> {
    steps.iter().find_map(|step| if let Step::Pin(pinned) = step { Some((**pinned).clone()) } else { None })
}

const A: &str = r#"{"tools":[{"name":"a","description":"A"}]}"#;

/// What a first call of `a` pins.
fn known() -> Pinned {
    let mut relay = held(None, OnChange::Deny);
    let (id, _) = asked(&of_client(&mut relay, &call(1, "a", "{}"))).expect("it looks");
    pinned(&shows(&mut relay, &id, A)).expect("pinned")
}

#[test]
fn a_first_call_is_held_until_all_pages_were_seen() {
    let mut relay = held(None, OnChange::Deny);
    let first = call(1, "a", r#"{"n":1.50}"#);
    let (id, line) = asked(&of_client(&mut relay, &first)).expect("it looks");
    assert_eq!(line, r#"> {"jsonrpc":"2.0","id":"govsh-tools-1","method":"tools/list","params":{}}"#);
    // Others wait with it, but for what is no call of a tool, and what is denied in any case.
    assert!(of_client(&mut relay, &call(2, "b", "{}")).is_empty());
    assert!(of_client(&mut relay, &call(3, "none", "{}")).is_empty());
    assert!(sent(&of_client(&mut relay, &call(4, "forbidden", "{}")))[0].contains("Unknown tool"));
    assert!(sent(&of_client(&mut relay, r#"{"jsonrpc":"2.0","id":5,"method":"ping"}"#))[0].starts_with("> "));
    // A held call was not sent: its id is taken, nothing answers it, and it can be withdrawn.
    assert!(sent(&of_client(&mut relay, &call(1, "a", "{}")))[0].contains("id in use"));
    assert_eq!(sent(&of_server(&mut relay, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)), [""; 0]);
    let withdrawn = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}"#;
    assert!(of_client(&mut relay, withdrawn).is_empty());
    let page = r#"{"tools":[{"name":"a"},{"name":"b"}],"nextCursor":"é\"2"}"#;
    let (second, line) = asked(&shows(&mut relay, &id, page)).expect("another page");
    assert!(second != id && line.ends_with(r#""params":{"cursor":"é\"2"}}"#), "{line}");
    let steps = shows(&mut relay, &second, r#"{"tools":[{"name":"c"}],"nextCursor":null}"#);
    let passed = sent(&steps);
    assert_eq!(passed[0], format!("> {first}"), "as it came, and the list is for nobody: {passed:?}");
    assert!(passed.len() == 2 && passed[1].contains("\"id\":3") && passed[1].contains("Denied by policy pins"));
    assert_eq!(pinned(&steps).unwrap().tools.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    let told = steps.iter().find_map(|step| match step {
        Step::Told(told) if told.verdict == Some(Verdict::Deny) => Some((told.rule.clone(), told.rule_id)),
        _ => None,
    });
    assert_eq!(told, Some(("pins".to_owned(), None)));
    // From now on nothing is looked at again, until the server says that its tools are others.
    assert!(sent(&of_client(&mut relay, &call(6, "none", "{}")))[0].contains("isError"));
    of_server(&mut relay, r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#);
    assert!(asked(&of_client(&mut relay, &call(7, "none", "{}"))).is_some());
}

#[test]
fn what_the_look_finds_changed_is_denied_asked_about_or_told() {
    const OTHER: &str = r#"{"tools":[{"name":"a","description":"A, and send it"}]}"#;
    let look = |on_change, result: &str| {
        let mut relay = held(Some(known()), on_change);
        let (id, _) = asked(&of_client(&mut relay, &call(1, "a", "{}"))).expect("pinned, but not seen");
        let steps = shows(&mut relay, &id, result);
        (relay, steps)
    };
    assert!(sent(&look(OnChange::Deny, A).1)[0].starts_with("> "));
    let (_, denied) = look(OnChange::Deny, OTHER);
    assert!(denied.iter().any(|step| matches!(step, Step::Changed(_))));
    assert!(sent(&denied)[0].contains("the tool is not what was pinned"));
    assert!(sent(&look(OnChange::Log, OTHER).1)[0].starts_with("> "));
    for (allow, arrow) in [(true, "> "), (false, "< ")] {
        let (mut relay, steps) = look(OnChange::Ask, OTHER);
        assert!(sent(&steps).is_empty(), "it waits for the answer");
        let steps = relay.answered(ticket(&steps).unwrap(), allow, now(3));
        assert!(sent(&steps).len() == 1 && sent(&steps)[0].starts_with(arrow), "{steps:?}");
        assert_eq!(pinned(&steps).is_some(), allow);
    }
}

#[test]
fn a_server_that_does_not_list_its_tools_is_asked_once() {
    for answer in [
        r#"{"jsonrpc":"2.0","id":"govsh-tools-1","error":{"code":-32601,"message":"no"}}"#,
        r#"{"jsonrpc":"2.0","id":"govsh-tools-1","result":{"tools":{}}}"#,
        r#"{"jsonrpc":"2.0","id":"govsh-tools-1","result":{},"result":{}}"#,
    ] {
        let mut relay = held(None, OnChange::Deny);
        assert!(asked(&of_client(&mut relay, &call(1, "a", "{}"))).is_some());
        let steps = of_server(&mut relay, answer);
        // One that has a key twice is nobody's answer: whose id it has cannot be told.
        if sent(&steps).is_empty() {
            continue;
        }
        assert!(sent(&steps).len() == 1 && sent(&steps)[0].contains("never listed"), "{answer}: {steps:?}");
        assert!(sent(&of_client(&mut relay, &call(2, "a", "{}")))[0].contains("never listed"));
    }
}

#[test]
fn a_request_of_ours_says_its_revision_as_the_clients_does() {
    let mut relay = held(None, OnChange::Deny);
    let modern = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","progressToken":7,"io.modelcontextprotocol/clientCapabilities":{}}}}"#;
    let (_, line) = asked(&of_client(&mut relay, modern)).expect("it looks");
    assert!(
        line.ends_with(
            r#""params":{"_meta":{"io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#
        ),
        "{line}"
    );
}

#[test]
fn calls_that_wait_are_bounded() {
    let mut relay = held(None, OnChange::Deny);
    of_client(&mut relay, &call(0, "a", "{}"));
    let refused = (1..100).filter(|id| !sent(&of_client(&mut relay, &call(*id, "a", "{}"))).is_empty()).count();
    assert_eq!(refused, 36);
    let mut relay = held(None, OnChange::Deny);
    of_client(&mut relay, &call(0, "a", "{}"));
    let long = call(1, "a", &format!(r#"{{"t":"{}"}}"#, "x".repeat(9 << 20)));
    assert!(of_client(&mut relay, &long).is_empty());
    assert!(sent(&of_client(&mut relay, &long.replace("\"id\":1", "\"id\":2")))[0].contains("too many calls"));
}

#[test]
fn an_answer_holds_only_as_long_as_the_rules_leave_it_to_it() {
    let ask = || rule("q", Verdict::Ask, tools("**"));
    for (rules, passes) in [
        (vec![ask()], true),
        (vec![rule("r", Verdict::Allow, tools("**"))], true),
        (vec![ask(), rule("d", Verdict::Deny, tools("x"))], false),
        (vec![rule("other", Verdict::Ask, tools("**"))], false),
        (vec![], false),
    ] {
        let mut relay = relay(vec![ask()]);
        let steps = of_client(&mut relay, &call(1, "x", "{}"));
        let ticket = ticket(&steps).unwrap();
        relay.judge_by(Arc::from(rules.clone()));
        let steps = relay.answered(ticket, true, now(3));
        assert_eq!(sent(&steps)[0].starts_with("> "), passes, "{rules:?}");
        let denied = steps.iter().find_map(|step| match step {
            Step::Told(told) => Some((told.verdict, told.error.clone())),
            _ => None,
        });
        let why = Some((Some(Verdict::Deny), Some("the rules are others now".to_owned())));
        assert_eq!(denied, if passes { None } else { why });
    }
    // The same of a tool that is another by then.
    let mut relay = held(Some(known()), OnChange::Deny);
    relay.judge_by(Arc::from(vec![ask()]));
    let (id, _) = asked(&of_client(&mut relay, &call(1, "a", "{}"))).unwrap();
    let asking = ticket(&shows(&mut relay, &id, A)).unwrap();
    of_client(&mut relay, r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#);
    of_server(&mut relay, r#"{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"a","description":"other"}]}}"#);
    assert!(sent(&relay.answered(asking, true, now(3)))[0].contains("isError"));
}

#[test]
fn what_a_result_wants_can_be_asked_about() {
    let asks = || {
        vec![
            rule("r", Verdict::Allow, tools("**")),
            rule("e", Verdict::Ask, Names { methods: vec![Segments::parse("elicitation/create")], ..Names::default() }),
            rule("s", Verdict::Ask, Names { methods: vec![Segments::parse("sampling/*")], ..Names::default() }),
        ]
    };
    let wants = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{"message":"m"}},"b":{"method":"sampling/createMessage","params":{}}}}}"#;
    for answers in [[true, true], [true, false], [false, false]] {
        let mut relay = relay(asks());
        of_client(&mut relay, &call(1, "x", "{}"));
        let mut steps = of_server(&mut relay, wants);
        let mut heard = Vec::new();
        for allow in answers {
            assert!(sent(&steps).is_empty(), "it is held: {steps:?}");
            heard.extend(steps.iter().find_map(|step| match step {
                Step::Park(question) => Some((question.method.clone(), question.side, question.arguments.is_some())),
                _ => None,
            }));
            steps = relay.answered(ticket(&steps).unwrap(), allow, now(3));
            if !allow {
                break;
            }
        }
        assert_eq!(heard[0], ("elicitation/create".to_owned(), Side::Server, true));
        match answers {
            [true, true] => assert_eq!(sent(&steps), [format!("< {wants}")]),
            _ => assert!(sent(&steps)[0].contains("isError") && !sent(&steps)[0].contains("inputRequests")),
        }
    }
    // One of them denied: nobody is asked about the others.
    let mut relay = relay(asks());
    of_client(&mut relay, &call(1, "x", "{}"));
    let steps = of_server(&mut relay, &wants.replace("sampling/createMessage", "roots/list"));
    assert!(ticket(&steps).is_none() && sent(&steps)[0].contains("isError"));
}
