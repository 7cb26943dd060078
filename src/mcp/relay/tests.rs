//! The relay by the messages of both eras.

mod corpus;
mod long;
mod own;
mod pins;
mod rows;

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::mcp::frame::{LONGEST, Lines};
use crate::policy::RuleId;
use crate::policy::mcp::{Argument, Matcher, Names, Rate, Segments, When};

fn every() -> Vec<Segments> {
    vec![Segments::parse("**")]
}

fn rule(id: &str, effect: Verdict, names: Names) -> McpRule {
    McpRule {
        rule: RuleId(1),
        id: id.into(),
        effect,
        servers: every(),
        names,
        arguments: Vec::new(),
        forbids_others: false,
        rate: None,
        when: When::default(),
        reason: String::new(),
        cedar: None,
    }
}

fn tools(glob: &str) -> Names {
    Names { tools: vec![Segments::parse(glob)], ..Names::default() }
}

fn everything() -> McpRule {
    let names = Names { tools: every(), resources: every(), prompts: every(), methods: every() };
    rule("all", Verdict::Allow, names)
}

fn relay(rules: Vec<McpRule>) -> Relay {
    Relay::new("s", Arc::from(rules))
}

fn now(at: u64) -> Now {
    Now { at, moment: Moment { unix: 0, weekday: 0, minute: 0 }, terminal: true }
}

fn of_client(relay: &mut Relay, line: &str) -> Vec<Step> {
    relay.client(format!("{line}\n").as_bytes(), line.as_bytes(), now(1))
}

fn of_server(relay: &mut Relay, line: &str) -> Vec<Step> {
    relay.server(format!("{line}\n").as_bytes(), line.as_bytes(), now(2))
}

/// The question among the steps.
fn ticket(steps: &[Step]) -> Option<u64> {
    steps.iter().find_map(|step| if let Step::Park(question) = step { Some(question.ticket) } else { None })
}

/// What goes where, as `> line` to the server and `< line` to the client.
fn sent(steps: &[Step]) -> Vec<String> {
    let text = |arrow: &str, bytes: &[u8]| format!("{arrow} {}", String::from_utf8_lossy(bytes).trim_end());
    steps
        .iter()
        .filter_map(|step| match step {
            Step::Server(bytes) => Some(text(">", bytes)),
            Step::Client(bytes) => Some(text("<", bytes)),
            _ => None,
        })
        .collect()
}

fn call(id: u32, tool: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}}}}}"#
    )
}

#[test]
fn what_is_allowed_passes_as_it_came() {
    let mut relay = relay(vec![rule("r", Verdict::Allow, tools("read_*"))]);
    let line = r#"{ "jsonrpc": "2.0", "params": {"name": "read_file", "arguments": {"n": 1.50}}, "id": 7, "method": "tools/call" }"#;
    assert_eq!(sent(&of_client(&mut relay, line)), [format!("> {line}")]);
    let answer = r#"{"jsonrpc":"2.0","result":{"content":[]},"id":7}"#;
    assert_eq!(sent(&of_server(&mut relay, answer)), [format!("< {answer}")]);
    // Once: a second answer answers nothing.
    assert_eq!(sent(&of_server(&mut relay, answer)), [""; 0]);
}

#[test]
fn denials_say_which_rule_and_never_a_value() {
    let argument = Argument { key: "repo".into(), matchers: vec![Matcher::Glob(vec![Segments::parse("acme/*")])] };
    let mut relay = relay(vec![McpRule { arguments: vec![argument], ..rule("acme", Verdict::Allow, tools("create")) }]);
    let denied = sent(&of_client(&mut relay, &call(1, "create", r#"{"repo":"s3cret/x"}"#))).join("");
    assert!(
        denied.starts_with("< ") && denied.contains("isError") && denied.contains("acme") && denied.contains("'repo'"),
        "{denied}"
    );
    assert!(!denied.contains("s3cret"), "{denied}");
    let hidden = sent(&of_client(&mut relay, &call(2, "delete", "{}"))).join("");
    assert!(hidden.contains("-32602") && hidden.contains("Unknown tool: delete"), "{hidden}");
    let resource = r#"{"jsonrpc":"2.0","id":3,"method":"resources/read","params":{"uri":"file:///etc/passwd"}}"#;
    assert!(sent(&of_client(&mut relay, resource)).join("").contains(r#""code":403"#));
    let unknown = r#"{"jsonrpc":"2.0","id":4,"method":"tools/callAll","params":{"name":"create"}}"#;
    assert!(sent(&of_client(&mut relay, unknown)).join("").contains(r#""code":403"#));
}

#[test]
fn a_question_holds_the_call_until_it_is_answered_or_withdrawn() {
    let mut relay = relay(vec![rule("q", Verdict::Ask, tools("**"))]);
    let with_token =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","_meta":{"progressToken":"p"}}}"#;
    let steps = of_client(&mut relay, with_token);
    assert!(sent(&steps).is_empty() && ticket(&steps) == Some(1));
    assert!(sent(&relay.still_waiting())[0].contains(r#""progressToken":"p""#));
    // Nobody can answer what was never sent.
    assert_eq!(sent(&of_server(&mut relay, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)), [""; 0]);
    assert_eq!(sent(&relay.answered(1, true, now(3))), [format!("> {with_token}")]);
    assert_eq!(relay.answered(1, true, now(3)), []);
    of_client(&mut relay, &call(2, "x", "{}"));
    let cancelled = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}"#;
    assert_eq!(of_client(&mut relay, cancelled), [Step::Unpark(2)]);
    assert_eq!(relay.answered(2, true, now(3)), []);
    of_client(&mut relay, &call(3, "x", "{}"));
    assert!(sent(&relay.answered(3, false, now(3)))[0].contains("isError"));
}

#[test]
fn ids_are_by_type_and_not_used_twice() {
    let mut relay = relay(vec![everything()]);
    of_client(&mut relay, &call(1, "x", "{}"));
    let as_text = r#"{"jsonrpc":"2.0","id":"1","method":"tools/call","params":{"name":"x"}}"#;
    assert_eq!(sent(&of_client(&mut relay, as_text)).len(), 1);
    assert!(sent(&of_client(&mut relay, &call(1, "x", "{}")))[0].starts_with("< "));
    assert_eq!(sent(&of_server(&mut relay, r#"{"jsonrpc":"2.0","id":2,"result":{}}"#)), [""; 0]);
}

#[test]
fn lists_show_what_may_be_called_and_fail_closed() {
    let mut relay = relay(vec![rule("r", Verdict::Allow, tools("read"))]);
    let ask = |relay: &mut Relay, id: u32| {
        of_client(relay, &format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#));
    };
    ask(&mut relay, 1);
    let page = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"read","x":1.0},{"name":"write"},{"Name":"read"},7],"nextCursor":""}}"#;
    let shown = r#"< {"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"read","x":1.0}],"nextCursor":""}}"#;
    assert_eq!(sent(&of_server(&mut relay, page)), [shown]);
    for (id, odd) in [(2, r#"{"Tools":[]}"#), (3, r#"{"tools":{}}"#), (4, "[]")] {
        ask(&mut relay, id);
        let answer = sent(&of_server(&mut relay, &format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{odd}}}"#)));
        assert!(answer[0].contains("-32603"), "{odd}: {answer:?}");
    }
}

#[test]
fn the_server_asks_only_for_what_a_rule_names() {
    let mut strict = relay(vec![rule("r", Verdict::Allow, tools("**"))]);
    let sampling = r#"{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}"#;
    assert!(sent(&of_server(&mut strict, sampling))[0].starts_with("> "));
    let elicit = r#"{"jsonrpc":"2.0","id":2,"method":"elicitation/create","params":{}}"#;
    assert!(sent(&of_server(&mut strict, elicit))[0].contains("decline"));
    assert_eq!(sent(&of_client(&mut strict, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)), [""; 0]);
    let mut open = relay(vec![everything()]);
    assert_eq!(sent(&of_server(&mut open, sampling)), [format!("< {sampling}")]);
    assert_eq!(sent(&of_client(&mut open, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)).len(), 1);
    // The later form: within a result.
    of_client(&mut strict, &call(5, "x", "{}"));
    let wants = r#"{"jsonrpc":"2.0","id":5,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"sampling/createMessage"}}}}"#;
    assert!(sent(&of_server(&mut strict, wants))[0].contains("isError"));
}

#[test]
fn banners_batches_and_disguises_do_not_pass() {
    let mut relay = relay(vec![everything()]);
    assert_eq!(sent(&of_server(&mut relay, "Server listening on stdio")), [""; 0]);
    for line in [
        r#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}]"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","name":"y"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","Name":"y"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":[]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["x"]}}"#,
    ] {
        let steps = sent(&of_client(&mut relay, line));
        assert!(!steps.is_empty() && steps.iter().all(|step| step.starts_with("< ")), "{line}: {steps:?}");
    }
}

#[test]
fn a_rule_with_a_rate_allows_so_many() {
    let rate = Some(Rate { calls: 2, per: Duration::from_nanos(100) });
    let mut relay = relay(vec![McpRule { rate, ..rule("r", Verdict::Allow, tools("**")) }]);
    let mut at = |id, time| {
        let line = call(id, "x", "{}");
        sent(&relay.client(line.as_bytes(), line.as_bytes(), now(time)))[0].starts_with("> ")
    };
    assert_eq!([at(1, 0), at(2, 50), at(3, 60), at(4, 100), at(5, 120)], [true, true, false, true, false]);
}

#[test]
fn what_some_readers_take_for_the_end_of_a_line_is_escaped() {
    let mut relay = relay(vec![everything()]);
    let smuggled = "{\"jsonrpc\":\"2.0\",\"id\":9}";
    let line = call(1, "x", &format!("{{\"t\":\"a\u{2028}{}\u{2029}\"}}", smuggled.replace('"', "\\\"")));
    let passed = sent(&of_client(&mut relay, &line)).join("");
    assert!(passed.contains("a\\u2028{") && !passed.contains('\u{2028}') && !passed.contains('\u{2029}'), "{passed}");
}

fn message() -> impl Strategy<Value = (bool, String)> {
    let text = "[a-zA-Z0-9 é\\\\n]{0,12}".prop_map(|text| serde_json::Value::from(text).to_string());
    let arguments = (text, any::<i32>()).prop_map(|(text, number)| format!(r#"{{"t": {text}, "n":{number}}}"#));
    (0_u8..6, arguments).prop_map(|(kind, arguments)| match kind {
        0 => (
            true,
            format!(
                r#"{{"jsonrpc":"2.0","id":ID,"method":"tools/call","params":{{"name":"x","arguments":{arguments}}}}}"#
            ),
        ),
        1 => (true, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned()),
        2 => (true, format!(r#"{{"jsonrpc":"2.0","id":ID,"method":"vendor/own","params":{arguments}}}"#)),
        3 => (false, format!(r#"{{"jsonrpc":"2.0","id":ID,"method":"sampling/createMessage","params":{arguments}}}"#)),
        4 => (false, format!(r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{arguments}}}"#)),
        _ => (true, format!(r#"{{"jsonrpc":"2.0","id":ID,"method":"initialize","params":{arguments}}}"#)),
    })
}

proptest! {
    /// Under a policy that allows everything the relay changes no byte, wherever the stream is cut.
    #[test]
    fn all_that_is_allowed_is_the_same_stream(messages in prop::collection::vec(message(), 1..12), cut in 1_usize..40) {
        let mut relay = relay(vec![everything()]);
        let mut streams = [Vec::new(), Vec::new()];
        for (number, (of_client, line)) in messages.iter().enumerate() {
            let line = line.replace("ID", &number.to_string());
            streams[usize::from(*of_client)].extend_from_slice(format!("{line}\n").as_bytes());
        }
        for (side, stream) in streams.iter().enumerate() {
            let mut lines = Lines::new(LONGEST);
            let mut out = Vec::new();
            for chunk in stream.chunks(cut) {
                lines.push(chunk);
                while let Some(line) = lines.next_line().unwrap() {
                    let steps = match side {
                        1 => relay.client(&line.bytes, line.message(), now(0)),
                        _ => relay.server(&line.bytes, line.message(), now(0)),
                    };
                    for step in steps {
                        match (side, step) {
                            (1, Step::Server(bytes)) | (0, Step::Client(bytes)) => out.extend(bytes),
                            (_, Step::Told(_)) => {}
                            (_, other) => prop_assert!(false, "{other:?}"),
                        }
                    }
                }
            }
            prop_assert_eq!(&out, stream);
        }
    }
}
