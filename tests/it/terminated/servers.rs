//! MCP servers that the agent reaches by itself: told, and refused unless the policy says that they are only told.

use govsh::policy::Verdict;

use crate::rig::Rig;

const RULES: &str = r#"
[mcp]
direct = "DIRECT"
[mcp.servers.far]
url = "https://other.example.test:PORT/mcp"
[network]
allow = ["api.example.test:PORT", "api.example.test:PLAIN", "other.example.test:PORT"]
http = [{ host = "api.example.test:PORT", methods = ["GET", "POST"], path = "/**" }]
"#;

const CALL: &str =
    r#"{"params":{"name":"x","arguments":{"deep":[{"method":"y"}]}},"id":1,"jsonrpc":"2.0","method":"tools/call"}"#;
const CHAT: &str =
    r#"{"model":"m","messages":[{"role":"user","content":"{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\"}"}]}"#;

#[test]
fn who_reaches_a_server_by_itself_is_refused() {
    let rig = Rig::new(&RULES.replace("DIRECT", "deny"), &[]);
    let post = |flag: &str, url: &str, body: &str| {
        rig.curl(&[flag, "-H", "content-type: application/json", "--data-binary", body, url]).0
    };
    for flag in ["--http1.1", "--http2"] {
        let text = post(flag, &rig.url("/v1/chat"), CHAT);
        assert!(text.contains("hello from /v1/chat"), "{text}");
        let text = post(flag, &rig.url("/mcp"), CALL);
        assert!(text.contains("speaks MCP to an MCP server that the policy does not declare"), "{text}");
        let (text, _) = rig.curl(&[flag, "-H", "Mcp-Session-Id: 1", &rig.url("/mcp")]);
        assert!(text.contains("speaks MCP"), "{text}");
    }
    // A declared server's host is looked into without any rule on its requests.
    let declared = rig.url("/mcp").replace("api.example.test", "other.example.test");
    let text = post("--http1.1", &declared, CALL);
    assert!(text.contains("server 'far' of the policy"), "{text}");
    assert!(rig.seen().iter().all(|seen| seen.uri.ends_with("/v1/chat")), "{:?}", rig.seen());
    let refused = rig.request("/mcp");
    assert_eq!((refused.verdict, &*refused.rule), (Verdict::Deny, "built-in: mcp.direct"));
    let alerts = rig.alerts(5);
    assert!(alerts.iter().filter(|alert| alert.contains("was about to reach")).count() == 5, "{alerts:?}");
    assert!(alerts.iter().any(|alert| alert.contains("server 'far'")), "{alerts:?}");
}

#[test]
fn or_only_told() {
    let rig = Rig::new(&RULES.replace("DIRECT", "log"), &[]);
    let (text, _) =
        rig.curl(&["--http1.1", "-H", "content-type: application/json", "--data-binary", CALL, &rig.url("/mcp")]);
    assert!(text.contains("hello from /mcp"), "{text}");
    let alerts = rig.alerts(1);
    assert!(alerts.len() == 1 && alerts[0].contains("reaches an MCP server"), "{alerts:?}");
}
