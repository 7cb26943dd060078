//! Pictures of what was called of MCP servers, hostile names among it.

use std::sync::Arc;

use super::picture::{compare, drawn, theme};
use crate::event::{Event, Mcp, McpCall, McpKey, McpResult, McpSide, McpStart, McpWhat, Stamped};
use crate::policy::{Layer, Verdict};
use crate::tui::panels::mcp::{Calls, draw};
use crate::tui::panels::timeline::{self, Span};
use crate::tui::panels::{Edge, McpView, TimelineView};

const SECOND: u64 = 1_000_000_000;

fn call(id: &str, name: &str, verdict: Verdict, arguments: Option<&str>) -> McpWhat {
    McpWhat::Call(McpCall {
        side: McpSide::Client,
        id: id.to_owned(),
        method: "tools/call".to_owned(),
        name: name.to_owned(),
        verdict,
        rule: Arc::from("\"sandbox\" team.toml:31"),
        layer: Layer::User,
        argument: (verdict == Verdict::Deny).then(|| "repo".to_owned()),
        keys: vec![McpKey { key: "repo".to_owned(), digest: [7; 16] }],
        arguments: arguments.map(str::to_owned),
    })
}

fn result(id: &str, name: &str, error: Option<&str>) -> McpWhat {
    McpWhat::Result(McpResult {
        side: McpSide::Server,
        id: id.to_owned(),
        method: "tools/call".to_owned(),
        name: name.to_owned(),
        duration: 80_000_000,
        size: 4_100,
        hidden: 0,
        error: error.map(str::to_owned),
        result: None,
    })
}

/// A start, calls with and without answers, one that was asked about, one denied, and a name that drives terminals.
pub fn story() -> Vec<Stamped> {
    let start = McpWhat::Start(McpStart {
        launch: ["npx", "-y", "server-github@1"].map(str::to_owned).to_vec(),
        digest: None,
        policy: "mcp-server".to_owned(),
        verdict: Verdict::Allow,
        rule: Arc::from("\"github\" team.toml:12"),
        layer: Layer::User,
    });
    let all = [
        start,
        call("1", "list_issues", Verdict::Allow, Some("{\"repo\":\"acme/x\",\"state\":\"open\"}")),
        result("1", "list_issues", None),
        call("2", "create_issue", Verdict::Deny, Some("{\"repo\":\"acme/prod\",\"title\":\"漢字 \u{1b}[31mred\"}")),
        call("3", "create_issue", Verdict::Ask, None),
        call("3", "create_issue", Verdict::Allow, None),
        result("3", "create_issue", Some("the tool failed")),
        McpWhat::Dropped { side: McpSide::Client, why: "one key twice".to_owned() },
        call("4", "get\u{202e}\u{7}me", Verdict::Allow, None),
        McpWhat::End { status: Some(0), why: "closed".to_owned() },
    ];
    let event = |what| Event::Mcp(Box::new(Mcp { server: Arc::from("github"), connection: 1, pid: 4183, what }));
    let stamped = |(seq, what)| Stamped { seq, t: seq * 2 * SECOND, event: event(what) };
    (0..).zip(all).map(stamped).collect()
}

fn calls() -> Calls {
    let mut calls = Calls::default();
    story().iter().for_each(|stamped| calls.add(stamped));
    calls
}

#[test]
fn calls_with_their_arguments_and_results_in_one_line() {
    let rows = calls().rows_at(u64::MAX);
    for (width, height, edge) in [(80, 14, Edge::Line), (120, 16, Edge::Box)] {
        let picture = drawn((width, height), |frame| {
            let view = McpView { rows: &rows, edge, ..McpView::default() };
            draw(frame, frame.area(), &view, &theme());
        });
        compare(&format!("mcp-{width}x{height}"), &picture);
    }
}

#[test]
fn at_any_time_the_list_has_what_was_there_by_then() {
    let calls = calls();
    assert!(calls.rows_at(SECOND).iter().all(|row| row.sign == "·"));
    let by_then = calls.rows_at(3 * SECOND);
    assert_eq!((by_then.len(), by_then[0].sign, by_then[0].answer.as_str()), (2, "✔", ""));
    let later = calls.rows_at(5 * SECOND);
    assert_eq!(later[0].answer, "→ 4.1 kB 80ms");
    assert!(calls.rows_at(u64::MAX).iter().all(|row| !row.what.chars().any(char::is_control)));
}

#[test]
fn sessions_with_servers_have_a_lane_for_them() {
    let spans = [Span { from: 0, to: 20 * SECOND, out: 9, exec: 2, mcp: 3, ..Span::default() }];
    let view = TimelineView { spans: &spans, known: 20 * SECOND, total: 20 * SECOND, ..TimelineView::default() };
    for height in [6, 7] {
        let picture = drawn((100, height), |frame| timeline::draw(frame, frame.area(), &view, &theme()));
        compare(&format!("timeline-mcp-100x{height}"), &picture);
    }
}
