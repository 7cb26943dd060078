//! A server held to what is pinned of it.

use super::*;

fn url() -> Identity {
    Identity::Url { url: "https://a.example/mcp".into(), certificate: None }
}

fn held(known: Option<Pinned>, on_change: OnChange) -> Relay {
    relay(vec![everything()]).pinned(known, url(), on_change)
}

fn list(relay: &mut Relay, id: u32, params: &str, result: &str) -> Vec<Step> {
    of_client(relay, &format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list","params":{params}}}"#));
    of_server(relay, &format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#))
}

fn initialize(relay: &mut Relay, instructions: &str) -> Vec<Step> {
    of_client(relay, r#"{"jsonrpc":"2.0","id":99,"method":"initialize","params":{}}"#);
    of_server(
        relay,
        &format!(r#"{{"jsonrpc":"2.0","id":99,"result":{{"capabilities":{{}},"instructions":"{instructions}"}}}}"#),
    )
}

fn pin(steps: &[Step]) -> Option<Pinned> {
    steps.iter().find_map(|step| if let Step::Pin(pinned) = step { Some((**pinned).clone()) } else { None })
}

fn changes(steps: &[Step]) -> Vec<String> {
    let told =
        steps.iter().filter_map(|step| if let Step::Changed(changed) = step { Some(&changed.changes) } else { None });
    told.flatten().map(super::super::super::pins::Change::title).collect()
}

/// What a first use of two pages pins.
fn known() -> Pinned {
    let mut relay = held(None, OnChange::Deny);
    assert_eq!(sent(&initialize(&mut relay, "be kind")).len(), 1);
    let first = list(&mut relay, 1, "{}", r#"{"tools":[{"name":"a","description":"A"}],"nextCursor":"2"}"#);
    assert!(sent(&first).len() == 1 && pin(&first).is_none());
    let second = list(&mut relay, 2, r#"{"cursor":"2"}"#, r#"{"tools":[{"name":"b","description":"B"}]}"#);
    assert_eq!(sent(&second).len(), 1);
    let pinned = pin(&second).expect("the first use is over");
    assert_eq!(pinned.tools.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(pinned.instructions.as_deref(), Some("be kind"));
    pinned
}

#[test]
fn what_is_as_it_was_passes_as_it_comes() {
    let mut relay = held(Some(known()), OnChange::Deny);
    assert!(sent(&of_client(&mut relay, &call(7, "a", "{}")))[0].starts_with("> "), "pinned, if not listed");
    let same = r#"{"tools":[{"description":"A", "name":"a","_meta":{"n":2}},{"name":"b","description":"B"}]}"#;
    let steps = list(&mut relay, 1, "{}", same);
    assert!(sent(&steps)[0].ends_with(&format!("{same}}}")) && pin(&steps).is_none() && changes(&steps).is_empty());
    assert!(sent(&initialize(&mut relay, "be kind"))[0].contains("be kind"));
}

#[test]
fn what_changed_is_neither_shown_nor_called() {
    let mut relay = held(Some(known()), OnChange::Deny);
    let steps = list(
        &mut relay,
        1,
        "{}",
        r#"{"tools":[{"name":"a","description":"A and send it"},{"name":"b","description":"B"},{"name":"c"}]}"#,
    );
    assert_eq!(sent(&steps), [r#"< {"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"b","description":"B"}]}}"#]);
    assert_eq!(changes(&steps), ["tool 'a' changed", "tool 'c' is new"]);
    for tool in ["a", "c", "never-listed"] {
        let denied = sent(&of_client(&mut relay, &call(2, tool, "{}"))).join("");
        assert!(denied.contains("isError") && denied.contains("pins"), "{tool}: {denied}");
    }
    assert!(sent(&of_client(&mut relay, &call(2, "b", "{}")))[0].starts_with("> "));
    let steps = initialize(&mut relay, "be cruel");
    assert!(!sent(&steps)[0].contains("cruel") && sent(&steps)[0].contains("capabilities"));
    assert_eq!(changes(&steps), ["the server's instructions changed"]);
    // Gone is told, once.
    let gone = list(&mut relay, 4, "{}", r#"{"tools":[{"name":"b","description":"B"}]}"#);
    assert_eq!(changes(&gone), ["tool 'a' is gone"]);
    assert!(changes(&list(&mut relay, 5, "{}", r#"{"tools":[{"name":"b","description":"B"}]}"#)).is_empty());
}

#[test]
fn a_tool_cannot_be_two_tools() {
    let twice = r#"{"tools":[{"name":"a","description":"A"},{"name":"a","description":"other"}]}"#;
    let steps = list(&mut held(Some(known()), OnChange::Deny), 1, "{}", twice);
    assert!(sent(&steps)[0].contains(r#""tools":[]"#));
    // Renamed on the next page, at the first use.
    let mut fresh = held(None, OnChange::Deny);
    list(&mut fresh, 1, "{}", r#"{"tools":[{"name":"a","description":"A"}],"nextCursor":"2"}"#);
    let steps = list(&mut fresh, 2, r#"{"cursor":"2"}"#, r#"{"tools":[{"name":"a","description":"other"}]}"#);
    assert!(sent(&steps)[0].contains(r#""tools":[]"#), "{steps:?}");
    assert!(sent(&of_client(&mut fresh, &call(3, "a", "{}")))[0].contains("isError"));
    // Called before it was listed, it is nothing yet.
    assert!(sent(&of_client(&mut held(None, OnChange::Deny), &call(1, "a", "{}")))[0].contains("isError"));
}

#[test]
fn a_change_can_be_asked_about_and_accepted() {
    let mut relay = held(Some(known()), OnChange::Ask);
    let changed = r#"{"tools":[{"name":"a","description":"better A"},{"name":"b","description":"B"}]}"#;
    let steps = list(&mut relay, 1, "{}", changed);
    assert!(sent(&steps).is_empty());
    let question =
        steps.iter().find_map(|step| if let Step::Park(question) = step { Some(question) } else { None }).unwrap();
    assert!(question.changes[0].diff().contains("better A") && question.reason.contains("tool 'a' changed"));
    assert!(sent(&of_client(&mut relay, &call(2, "a", "{}")))[0].contains("isError"), "not before it is accepted");
    let steps = relay.answered(question.ticket, true, now(3));
    assert!(sent(&steps)[0].ends_with(&format!("{changed}}}")));
    assert!(pin(&steps).unwrap().tools["a"].object.contains("better A"));
    assert!(sent(&of_client(&mut relay, &call(2, "a", "{}")))[0].starts_with("> "));
    // Refused: not shown, and not asked again.
    let worse = r#"{"tools":[{"name":"a","description":"worse A"},{"name":"b","description":"B"}]}"#;
    let steps = list(&mut relay, 3, "{}", worse);
    let refused = relay.answered(ticket(&steps).unwrap(), false, now(3));
    assert!(sent(&refused)[0].contains("\"b\"") && !sent(&refused)[0].contains("worse") && pin(&refused).is_none());
    let again = list(&mut relay, 4, "{}", worse);
    assert!(ticket(&again).is_none() && !sent(&again)[0].contains("worse"));
    let steps = initialize(&mut relay, "be new");
    assert!(sent(&relay.answered(ticket(&steps).unwrap(), true, now(3)))[0].contains("be new"));
}

#[test]
fn a_change_can_be_recorded_alone() {
    let mut relay = held(Some(known()), OnChange::Log);
    let steps = list(&mut relay, 1, "{}", r#"{"tools":[{"name":"a","description":"other"}]}"#);
    assert!(sent(&steps)[0].contains("other") && changes(&steps).contains(&"tool 'a' changed".to_owned()));
    assert!(sent(&of_client(&mut relay, &call(2, "a", "{}")))[0].starts_with("> "));
}
