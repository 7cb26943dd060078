//! Eras, framing and features, each as the protocol has it.

use super::*;

const MODERN: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"sampling":{},"elicitation":{},"x":1}}"#;

fn methods(glob: &str) -> Names {
    Names { methods: vec![Segments::parse(glob)], ..Names::default() }
}

/// Everything but what a server may ask of its client.
fn calls() -> McpRule {
    rule("calls", Verdict::Allow, Names { tools: every(), resources: every(), prompts: every(), methods: Vec::new() })
}

fn dropped(steps: &[Step]) -> bool {
    sent(steps).is_empty() && steps.iter().any(|step| matches!(step, Step::Dropped { .. }))
}

fn read(relay: &mut Relay, side: Side, text: &str) -> Vec<Step> {
    relay.read(side, text.as_bytes(), now(1))
}

#[test]
fn each_request_has_its_own_era() {
    let mut relay = relay(vec![calls()]);
    let probe = format!(r#"{{"jsonrpc":"2.0","id":0,"method":"server/discover","params":{{{MODERN}}}}}"#);
    assert_eq!(sent(&of_client(&mut relay, &probe)), [format!("> {probe}")]);
    // Any answer to the probe reaches the client as it is: by it the client chooses.
    let unknown = r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32601,"message":"Method not found"}}"#;
    assert_eq!(sent(&of_server(&mut relay, unknown)), [format!("< {unknown}")]);
    of_client(&mut relay, &probe.replace(":0,", ":1,"));
    let modern = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"x","data":{}}}"#;
    assert_eq!(sent(&of_server(&mut relay, modern)), [format!("< {modern}")]);
    // A denial is of the era of what is denied.
    let mut strict = super::relay(vec![
        rule("d", Verdict::Deny, tools("x")),
        McpRule {
            arguments: vec![Argument { key: "a".into(), matchers: vec![Matcher::Exists(true)] }],
            ..rule("a", Verdict::Allow, tools("y"))
        },
    ]);
    let modern = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"y",{MODERN}}}}}"#);
    assert!(sent(&of_client(&mut strict, &modern))[0].contains(r#""resultType":"complete""#));
    assert!(!sent(&of_client(&mut strict, &call(2, "y", "{}")))[0].contains("resultType"));
}

#[test]
fn servers_of_the_later_era_ask_nothing_by_themselves() {
    let mut relay = relay(vec![everything()]);
    let asks = r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#;
    of_client(&mut relay, &format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{MODERN}}}}}"#));
    assert!(sent(&of_server(&mut relay, asks))[0].starts_with("> "));
    // One that serves both has had an `initialize`.
    of_client(&mut relay, r#"{"jsonrpc":"2.0","id":2,"method":"initialize","params":{}}"#);
    assert_eq!(sent(&of_server(&mut relay, asks)), [format!("< {asks}")]);
    // Ids of the two directions have nothing to do with each other.
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"#;
    assert_eq!(sent(&of_server(&mut relay, answer)), [format!("< {answer}")]);
    assert_eq!(sent(&of_client(&mut relay, r#"{"jsonrpc":"2.0","id":1,"result":{"roots":[]}}"#)).len(), 1);
}

#[test]
fn lines_are_cut_as_the_transport_has_them() {
    let mut relay = relay(vec![everything()]);
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let marked = format!("\u{feff}{ping}\r\n\r\n  \n{}\n", ping.replace('1', "2"));
    let steps = read(&mut relay, Side::Client, &marked);
    let whole: Vec<u8> =
        steps.iter().flat_map(|step| if let Step::Server(bytes) = step { bytes.clone() } else { vec![] }).collect();
    assert_eq!(String::from_utf8_lossy(&whole), format!("\u{feff}{ping}\r\n{}\n", ping.replace('1', "2")));
    assert!(read(&mut relay, Side::Server, r#"{"jsonrpc":"2.0","id":1,"#).is_empty());
    assert!(dropped(&relay.ended(Side::Server)) && relay.ended(Side::Server).is_empty());
    assert!(dropped(&read(
        &mut super::relay(vec![everything()]),
        Side::Server,
        "\u{1b}[32mServer running on stdio\u{1b}[0m\n"
    )));
    let mut relay = super::relay(vec![everything()]);
    let long = "x".repeat(LONGEST + 1);
    assert!(matches!(read(&mut relay, Side::Client, &long)[..], [Step::Close { side: Side::Client, .. }]));
    assert!(read(&mut relay, Side::Client, ping).is_empty(), "after the end");
}

#[test]
fn cancelling_stops_questions_and_is_passed_on_for_what_runs() {
    let mut relay = relay(vec![rule("q", Verdict::Ask, tools("asked")), calls()]);
    of_client(&mut relay, &call(1, "runs", "{}"));
    let cancel =
        |id: &str| format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#);
    assert_eq!(sent(&of_client(&mut relay, &cancel("1"))), [format!("> {}", cancel("1"))]);
    // A late answer does no harm, and the id is not free before it.
    assert!(sent(&of_client(&mut relay, &call(1, "runs", "{}")))[0].contains("id in use"));
    let late = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    assert_eq!(sent(&of_server(&mut relay, late)), [format!("< {late}")]);
    assert!(dropped(&of_server(&mut relay, late)));
    let steps = of_client(&mut relay, &call(2, "asked", "{}"));
    let ticket = ticket(&steps).unwrap();
    assert_eq!(of_client(&mut relay, &cancel("\"2\"")).len(), 1, "another id");
    assert_eq!(of_client(&mut relay, &cancel("2")), [Step::Unpark(ticket)]);
    assert_eq!(relay.answered(ticket, true, now(3)), []);
    // Those that are never answered do not fill the relay.
    for id in 10..10 + u32::try_from(MOST_OPEN).unwrap() + 10 {
        assert!(sent(&of_client(&mut relay, &call(id, "runs", "{}")))[0].starts_with("> "), "{id}");
        of_client(&mut relay, &cancel(&id.to_string()));
    }
}

#[test]
fn progress_is_the_clients_own_and_grows() {
    let mut relay = relay(vec![rule("q", Verdict::Ask, tools("**"))]);
    let tell = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":0.5}}"#;
    assert_eq!(sent(&of_server(&mut relay, tell)), [format!("< {tell}")]);
    assert_eq!(sent(&of_client(&mut relay, tell)), [format!("> {tell}")]);
    of_client(&mut relay, &call(1, "x", "{}"));
    assert!(relay.still_waiting().is_empty(), "without a token");
    of_client(
        &mut relay,
        r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"x","_meta":{"progressToken":7}}}"#,
    );
    let progress = |relay: &mut Relay| {
        let said = sent(&relay.still_waiting()).join("");
        assert!(said.contains(r#""progressToken":7"#), "{said}");
        let value = Value::parse(said.trim_start_matches("< ").as_bytes()).unwrap();
        match value.pointer("/params/progress") {
            Some(Value::Real(progress)) => *progress,
            other => panic!("{other:?}"),
        }
    };
    let (first, second) = (progress(&mut relay), progress(&mut relay));
    assert!(0.0 < first && first < second && second < 0.01);
}

#[test]
fn changed_lists_are_told_and_so_are_changed_rules() {
    let mut relay = relay(vec![calls()]);
    let told = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    assert_eq!(sent(&of_server(&mut relay, told)), [format!("< {told}")]);
    assert_eq!(relay.judge_by(vec![everything()].into()), [], "nobody was promised it");
    of_client(&mut relay, r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#);
    of_server(
        &mut relay,
        r#"{"jsonrpc":"2.0","id":1,"result":{"capabilities":{"tools":{"listChanged":true},"prompts":{}}}}"#,
    );
    assert_eq!(sent(&relay.judge_by(vec![calls()].into())), [format!("< {told}")]);
}

#[test]
fn subscriptions_begin_with_their_acknowledgement_and_are_of_what_may_be_read() {
    let names = Names { resources: vec![Segments::parse("file:///w/**")], ..Names::default() };
    let mut relay = relay(vec![rule("r", Verdict::Allow, names)]);
    let listen = |id: u32, uri: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"subscriptions/listen","params":{{"notifications":{{"toolsListChanged":true,"resourceSubscriptions":["{uri}"]}},{MODERN}}}}}"#
        )
    };
    assert!(sent(&of_client(&mut relay, &listen(1, "file:///etc/x")))[0].contains(r#""code":403"#));
    assert!(sent(&of_client(&mut relay, &listen(2, "file:///w/x")))[0].starts_with("> "));
    assert_eq!(relay.judge_by(relay.rules.clone()), [], "not acknowledged");
    let acknowledged = r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"2"}}}"#;
    let updated = r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///w/x"}}"#;
    // One write of the server's, in its order.
    let both = format!("{acknowledged}\n{updated}\n");
    assert_eq!(sent(&read(&mut relay, Side::Server, &both)), [format!("< {acknowledged}"), format!("< {updated}")]);
    let changed = sent(&relay.judge_by(relay.rules.clone()));
    assert!(changed.len() == 1 && changed[0].contains(r#"subscriptionId":2"#), "{changed:?}");
    of_server(&mut relay, r#"{"jsonrpc":"2.0","id":2,"result":{"resultType":"complete"}}"#);
    assert_eq!(relay.judge_by(relay.rules.clone()), [], "over");
}

#[test]
fn pages_keep_their_cursors_and_shortened_ones_are_private() {
    let mut relay = relay(vec![rule("r", Verdict::Allow, tools("read"))]);
    let list = |relay: &mut Relay, id: u32, params: &str, result: &str| {
        let asked = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list","params":{params}}}"#);
        assert_eq!(sent(&of_client(relay, &asked)), [format!("> {asked}")]);
        sent(&of_server(relay, &format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#))).join("")
    };
    let first =
        list(&mut relay, 1, r#"{"cursor":""}"#, r#"{"tools":[{"name":"write"}],"nextCursor":"","_meta":{"a/b":1}}"#);
    assert_eq!(first, r#"< {"jsonrpc":"2.0","id":1,"result":{"tools":[],"nextCursor":"","_meta":{"a/b":1}}}"#);
    let kept =
        r#"{"resultType":"complete","tools":[{"name":"b"},{"name":"read"}],"cacheScope":"public","ttlMs":86400000}"#;
    let short = list(&mut relay, 2, r#"{"cursor":"b"}"#, kept);
    assert!(short.contains(r#"[{"name":"read"}],"cacheScope":"private","ttlMs":60000"#), "{short}");
    let whole = r#"{"tools":[{"name":"read"}],"cacheScope":"public","ttlMs":5}"#;
    assert!(list(&mut relay, 3, "{}", whole).ends_with(&format!("{whole}}}")), "what hides nothing is as it came");
}

#[test]
fn structured_output_and_meta_pass_untouched() {
    let mut relay = relay(vec![calls()]);
    let asked = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","_meta":{"traceparent":"00-a","vendor/x":[1.0],"progressToken":"t"}}}"#;
    assert_eq!(sent(&of_client(&mut relay, asked)), [format!("> {asked}")]);
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"b":1.0,"a":[ ]},"content":[{"type":"text","text":"{}"}],"_meta":{"z":null}}}"#;
    assert_eq!(sent(&of_server(&mut relay, answer)), [format!("< {answer}")]);
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{{"_meta":{}1{}}}}}"#,
        r#"{"a":"#.repeat(200),
        "}".repeat(200)
    );
    assert!(sent(&of_client(&mut relay, &deep))[0].starts_with("< "), "deeper than anybody needs");
}

#[test]
fn references_in_schemas_are_left_alone_and_bounded() {
    let mut relay = relay(vec![calls()]);
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    of_client(&mut relay, list);
    let answer = r##"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"x","inputSchema":{"$ref":"https://evil.example/s.json","$defs":{"a":{"$ref":"#/$defs/a"}}}}]}}"##;
    assert_eq!(sent(&of_server(&mut relay, answer)), [format!("< {answer}")]);
    of_client(&mut relay, &list.replace('1', "2"));
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":2,"result":{{"tools":[{}1{}]}}}}"#,
        r#"{"$ref":"#.repeat(200),
        "}".repeat(200)
    );
    assert!(dropped(&of_server(&mut relay, &deep)));
}

#[test]
fn what_a_result_wants_of_the_client_is_judged_each_time() {
    let mut relay = relay(vec![calls(), rule("e", Verdict::Allow, methods("elicitation/create"))]);
    let wants = |id: u32, method: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"input_required","requestState":"é\u0041 ","inputRequests":{{"k":{{"method":"{method}","params":{{}}}}}}}}}}"#
        )
    };
    of_client(&mut relay, &call(1, "x", "{}"));
    assert_eq!(
        sent(&of_server(&mut relay, &wants(1, "elicitation/create"))),
        [format!("< {}", wants(1, "elicitation/create"))]
    );
    // The retry is a call of its own, with a new id, judged by all of its arguments.
    let retry = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"x","inputResponses":{"k":{"action":"accept"}},"requestState":"é\u0041 "}}"#;
    let steps = of_client(&mut relay, retry);
    assert_eq!(sent(&steps), [format!("> {retry}")]);
    assert!(steps.iter().any(|step| matches!(step, Step::Told(told) if told.verdict == Some(Verdict::Allow))));
    for (id, method) in [(2, "sampling/createMessage"), (3, "roots/list"), (4, "tools/call"), (5, "made/up")] {
        if id > 2 {
            of_client(&mut relay, &call(id, "x", "{}"));
        }
        let denied = sent(&of_server(&mut relay, &wants(id, method))).join("");
        assert!(denied.contains("isError") && !denied.contains("requestState"), "{method}: {denied}");
    }
    // Where no revision has it, it is not passed on; and of a resource the denial is an error.
    of_client(&mut relay, r#"{"jsonrpc":"2.0","id":6,"method":"tools/list"}"#);
    assert!(sent(&of_server(&mut relay, &wants(6, "elicitation/create")))[0].contains(r#""code":403"#));
    of_client(&mut relay, r#"{"jsonrpc":"2.0","id":7,"method":"resources/read","params":{"uri":"a:b"}}"#);
    assert!(sent(&of_server(&mut relay, &wants(7, "roots/list")))[0].contains(r#""code":403"#));
    assert_eq!(sent(&relay.judge_by(vec![calls()].into())), [""; 0]);
    of_client(&mut relay, &call(8, "x", "{}"));
    assert!(sent(&of_server(&mut relay, &wants(8, "elicitation/create")))[0].contains("isError"), "other rules now");
}

#[test]
fn tasks_are_those_that_were_begun_here() {
    let mut relay = relay(vec![rule("r", Verdict::Allow, tools("slow"))]);
    let of_task = |id: u32, method: &str, task: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"taskId":"{task}"}}}}"#)
    };
    let methods = ["tasks/get", "tasks/update", "tasks/cancel", "tasks/result"];
    for method in methods {
        assert!(sent(&of_client(&mut relay, &of_task(1, method, "t1")))[0].contains(r#""code":403"#), "{method}");
    }
    of_client(&mut relay, &call(2, "slow", "{}"));
    of_server(&mut relay, r#"{"jsonrpc":"2.0","id":2,"result":{"resultType":"task","taskId":"t1"}}"#);
    of_client(&mut relay, &call(3, "slow", "{}"));
    of_server(&mut relay, r#"{"jsonrpc":"2.0","id":3,"result":{"task":{"taskId":"t2","status":"working"}}}"#);
    for (number, method) in methods.into_iter().enumerate() {
        let line = of_task(10 + u32::try_from(number).unwrap(), method, if number < 2 { "t1" } else { "t2" });
        assert_eq!(sent(&of_client(&mut relay, &line)), [format!("> {line}")]);
    }
    // Its answers are told by the tool that runs, and judged as a call's are.
    let steps = of_server(&mut relay, r#"{"jsonrpc":"2.0","id":13,"result":{"content":[]}}"#);
    assert!(
        steps
            .iter()
            .any(|step| matches!(step, Step::Told(told) if told.name == "slow" && told.method == "tasks/result"))
    );
    let wants = r#""inputRequests":{"k":{"method":"sampling/createMessage"}}"#;
    let got =
        sent(&of_server(&mut relay, &format!(r#"{{"jsonrpc":"2.0","id":10,"result":{{"taskId":"t1",{wants}}}}}"#)));
    assert!(got[0].contains(r#""code":403"#), "{got:?}");
    let tell =
        |more: &str| format!(r#"{{"jsonrpc":"2.0","method":"notifications/tasks","params":{{"taskId":"t1"{more}}}}}"#);
    assert!(dropped(&of_server(&mut relay, &tell(&format!(",{wants}")))));
    assert_eq!(sent(&of_server(&mut relay, &tell(""))).len(), 1);
    of_client(&mut relay, r#"{"jsonrpc":"2.0","id":20,"method":"tasks/list"}"#);
    let list = r#"{"jsonrpc":"2.0","id":20,"result":{"tasks":[{"taskId":"t2"},{"taskId":"other"}]}}"#;
    assert_eq!(
        sent(&of_server(&mut relay, list)),
        [r#"< {"jsonrpc":"2.0","id":20,"result":{"tasks":[{"taskId":"t2"}]}}"#]
    );
}

#[test]
fn tasks_of_the_client_are_the_servers_to_ask_for() {
    let mut relay = relay(vec![rule("s", Verdict::Allow, methods("sampling/createMessage"))]);
    let get = r#"{"jsonrpc":"2.0","id":5,"method":"tasks/get","params":{"taskId":"c1"}}"#;
    assert!(sent(&of_server(&mut relay, get))[0].starts_with("> "));
    of_server(&mut relay, r#"{"jsonrpc":"2.0","id":4,"method":"sampling/createMessage","params":{"task":{}}}"#);
    of_client(&mut relay, r#"{"jsonrpc":"2.0","id":4,"result":{"task":{"taskId":"c1"}}}"#);
    assert_eq!(sent(&of_server(&mut relay, get)), [format!("< {get}")]);
    let tell = r#"{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{"taskId":"c1"}}"#;
    assert_eq!(sent(&of_client(&mut relay, tell)), [format!("> {tell}")]);
    assert!(dropped(&of_client(&mut relay, &tell.replace("c1", "c2"))));
}

#[test]
fn what_servers_ask_for_is_judged_and_can_be_asked_about() {
    let mut relay = relay(vec![
        rule("q", Verdict::Ask, methods("sampling/createMessage")),
        rule("d", Verdict::Deny, methods("roots/list")),
    ]);
    let sampling = |id: u32| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"sampling/createMessage","params":{{"messages":[]}}}}"#)
    };
    let steps = of_server(&mut relay, &sampling(1));
    assert!(sent(&steps).is_empty());
    // Nothing was put to the client, so it can answer nothing.
    assert!(dropped(&of_client(&mut relay, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)));
    assert_eq!(sent(&relay.answered(ticket(&steps).unwrap(), true, now(3))), [format!("< {}", sampling(1))]);
    assert_eq!(sent(&of_client(&mut relay, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)).len(), 1);
    let steps = of_server(&mut relay, &sampling(2));
    assert!(sent(&relay.answered(ticket(&steps).unwrap(), false, now(3)))[0].contains("-32601"));
    let steps = of_server(&mut relay, &sampling(3));
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3}}"#;
    assert_eq!(of_server(&mut relay, cancel), [Step::Unpark(ticket(&steps).unwrap())]);
    assert!(sent(&of_server(&mut relay, r#"{"jsonrpc":"2.0","id":4,"method":"roots/list"}"#))[0].contains("-32601"));
    let elicit = r#"{"jsonrpc":"2.0","id":5,"method":"elicitation/create","params":{"mode":"url"}}"#;
    assert!(sent(&of_server(&mut relay, elicit))[0].contains(r#""action":"decline""#));
    // The same by way of an error.
    let mut relay = super::relay(vec![calls()]);
    of_client(&mut relay, &call(1, "x", "{}"));
    let url = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32042,"message":"x","data":{"elicitations":[{"mode":"url","url":"https://evil.example"}]}}}"#;
    let denied = sent(&of_server(&mut relay, url)).join("");
    assert!(denied.contains(r#""code":403"#) && !denied.contains("evil"), "{denied}");
}

#[test]
fn capabilities_that_are_denied_are_not_offered() {
    let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{"sampling":{},"roots":{"listChanged":true},"tasks":{"requests":{"sampling":{"createMessage":{}},"elicitation":{}}},"vendor":1}}}"#;
    let mut open = relay(vec![everything()]);
    assert_eq!(sent(&of_client(&mut open, initialize)), [format!("> {initialize}")]);
    let mut strict = relay(vec![calls(), rule("r", Verdict::Allow, methods("roots/list"))]);
    let offered = r#"> {"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{"roots":{"listChanged":true},"tasks":{"requests":{}},"vendor":1}}}"#;
    assert_eq!(sent(&of_client(&mut strict, initialize)), [offered]);
    let modern = format!(r#"{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{{"name":"x",{MODERN}}}}}"#);
    let less = modern.replace(r#""sampling":{},"elicitation":{},"#, "");
    assert_eq!(sent(&of_client(&mut strict, &modern)), [format!("> {less}")]);
}

#[test]
fn only_what_says_what_it_is_about_is_judged() {
    let mut relay = relay(vec![calls()]);
    for params in [r#"{"name":"cafe\u0301"}"#, r#"{"name":"x\u0000"}"#, r#"{"name":"x\n"}"#, r#"{"name":1}"#, "{}"] {
        let line = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
        assert!(sent(&of_client(&mut relay, &line))[0].contains("-32602"), "{params}");
    }
    assert_eq!(sent(&of_client(&mut relay, &call(1, "caf\u{e9}", "{}"))).len(), 1);
    let complete = |what: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":2,"method":"completion/complete","params":{{"ref":{what},"argument":{{}}}}}}"#
        )
    };
    assert!(sent(&of_client(&mut relay, &complete(r#"{"type":"ref/other"}"#)))[0].contains("-32602"));
    assert!(sent(&of_client(&mut relay, &complete(r#"{"type":"ref/prompt","name":"p"}"#)))[0].starts_with("> "));
    // A broken request with a clear id is answered by it.
    let broken = r#"{"jsonrpc":"2.0","id":9,"method":"x","params":[]}"#;
    let answer = sent(&of_client(&mut relay, broken)).join("");
    assert!(answer.contains(r#""id":9"#) && answer.contains("-32600"), "{answer}");
    assert!(sent(&of_client(&mut relay, "{\"a\":1,\"a\":2}"))[0].contains("-32700"));
}

#[test]
fn another_connection_is_no_new_allowance() {
    let rate = Some(Rate { calls: 2, per: Duration::from_secs(1) });
    let rules = || vec![McpRule { rate, ..rule("r", Verdict::Allow, tools("**")) }];
    let rates = Rates::default();
    let passes = |relay: &mut Relay| sent(&of_client(relay, &call(1, "x", "{}")))[0].starts_with("> ");
    let mut first = relay(rules()).counting(&rates);
    assert!(passes(&mut first) && passes(&mut relay(rules()).counting(&rates)));
    assert!(!passes(&mut relay(rules()).counting(&rates)));
    // Nor is the same rule read once more; another limit is another rule.
    first.judge_by(rules().into());
    assert!(!passes(&mut relay(rules()).counting(&rates)));
    assert!(passes(&mut relay(rules())));
}

#[test]
fn connections_beside_each_other_share_counts_and_tasks_but_no_ids() {
    let rate = Some(Rate { calls: 2, per: Duration::from_secs(1) });
    let mut one = relay(vec![McpRule { rate, ..rule("r", Verdict::Allow, tools("**")) }]);
    let mut two = one.beside();
    assert!(sent(&of_client(&mut one, &call(1, "x", "{}")))[0].starts_with("> "));
    assert!(sent(&of_client(&mut two, &call(1, "x", "{}")))[0].starts_with("> "));
    let denied = sent(&of_client(&mut one.beside(), &call(1, "x", "{}"))).join("");
    assert!(denied.contains("isError") && denied.contains("more than 2 calls"), "{denied}");
    of_server(&mut one, r#"{"jsonrpc":"2.0","id":1,"result":{"taskId":"t"}}"#);
    let get = r#"{"jsonrpc":"2.0","id":2,"method":"tasks/get","params":{"taskId":"t"}}"#;
    assert_eq!(sent(&of_client(&mut two, get)), [format!("> {get}")]);
    assert!(dropped(&of_server(&mut one, r#"{"jsonrpc":"2.0","id":2,"result":{}}"#)));
}
