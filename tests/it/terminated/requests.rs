//! Requests on terminated and plain connections: what is for another host, odd, or against a rule is not sent on.

use std::io::{Read, Write};

use govsh::policy::Verdict;
use hyper::Version;

use crate::rig::{API, OTHER, Rig};

const RULES: &str = r#"
[network]
allow = ["api.example.test:PORT", "api.example.test:PLAIN", "other.example.test:PLAIN"]
http = [
    { host = "api.example.test:PORT", methods = ["GET", "POST"], path = "/open/**" },
    { host = "api.example.test:PORT", methods = ["GET"], path = "/elsewhere" },
]
"#;

#[test]
fn requests_are_judged_in_both_protocols() {
    let rig = Rig::new(RULES, &[]);
    for (flag, version) in [("--http1.1", Version::HTTP_11), ("--http2", Version::HTTP_2)] {
        let (text, ok) = rig.curl(&[flag, &rig.url("/open/a?token=hunter2")]);
        assert!(ok && text == "hello from /open/a\n", "{text}");
        assert_eq!(rig.seen().last().unwrap().version, version);
        let (text, _) = rig.curl(&[flag, "--request", "DELETE", &rig.url("/open/a")]);
        assert!(text.contains("is denied by"), "{text}");
        let (text, _) = rig.curl(&[flag, "--path-as-is", &rig.url("/open/../shut")]);
        assert!(text.contains("is denied by"), "{text}");
    }
    assert_eq!(rig.seen().len(), 2);
    let allowed = rig.request("/open/a?token=~");
    assert_eq!((allowed.status, allowed.verdict, allowed.pid), (200, Verdict::Allow, 4711));
    assert_eq!(allowed.down, "hello from /open/a\n".len() as u64);
    let denied = rig.request("/open/../shut");
    assert_eq!((denied.status, denied.verdict), (403, Verdict::Deny));
    rig.assert_untold("hunter2");
}

#[test]
fn a_connection_serves_one_host_however_often_it_is_used() {
    let rig = Rig::new(RULES, &[]);
    for flag in ["--http1.1", "--http2"] {
        let first = rig.url("/open/a");
        let (text, _) = rig.curl(&[flag, &first, "--next", "--silent", flag, "-H", &format!("Host: {OTHER}"), &first]);
        assert!(text.contains("hello from") && text.contains("another host than its connection"), "{text}");
    }
    assert_eq!(rig.seen().len(), 2, "one for each protocol");
    let (text, _) = rig.curl(&["-i", &rig.url("/elsewhere")]);
    assert!(text.contains("ok") && !text.to_lowercase().contains("alt-svc"), "{text}");
}

fn exchange(rig: &Rig, said: &str) -> String {
    let mut stream = rig.connect(rig.plain);
    stream.write_all(said.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut text = String::new();
    // A reset behind the answer is as good an end as any.
    let _ = stream.read_to_string(&mut text);
    text
}

#[test]
fn plain_requests_are_looked_at_one_by_one() {
    let rig = Rig::new(RULES, &[]);
    let host = format!("{API}:{}", rig.plain);
    let get = format!("GET /one HTTP/1.1\r\nhost: {host}\r\n\r\n");
    let text = exchange(&rig, &format!("{get}GET /two HTTP/1.1\r\nhost: {OTHER}:{}\r\n\r\n", rig.plain));
    assert!(text.contains("hello from /one") && text.contains("421"), "{text}");
    for smuggled in [
        "POST /x HTTP/1.1\r\nhost: HOST\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /x HTTP/1.1\r\nhost: HOST\r\nhost: HOST\r\n\r\n",
        "GET /x HTTP/1.1\r\nhost: HOST\r\nx: a\r\n b\r\n\r\n",
        "get /x HTTP/1.1\r\nhost: HOST\r\n\r\n",
        "GET /x HTTP/1.1\r\nhost: HOST\nx: y\r\n\r\n",
    ] {
        let text = exchange(&rig, &format!("{get}{}", smuggled.replace("HOST", &host)));
        assert!(text.contains("hello from /one") && text.contains("400 Bad Request"), "{smuggled}\n{text}");
    }
    let text = exchange(&rig, &format!("{get}CONNECT {host} HTTP/1.1\r\nhost: {host}\r\n\r\n"));
    assert!(text.contains("connection inside of a connection"), "{text}");
    assert!(rig.seen().iter().all(|seen| seen.uri == "/one"));
}

#[test]
fn a_server_that_cannot_be_trusted_is_told_of() {
    let rig = Rig::new(RULES, &[]);
    // The far side's certificate is good for both names, but not for the plain port's protocol: no TLS is spoken there.
    let rules = RULES.replace("api.example.test:PORT\", methods = [\"GET\", \"POST\"]", "api.example.test:PLAIN\"");
    let other = Rig::new(&rules, &[]);
    let (text, _) = other.curl(&[&format!("https://{API}:{}/open/a", other.plain)]);
    assert!(text.contains("no trusted connection to its host"), "{text}");
    assert!(rig.curl(&[&rig.url("/open/a")]).1);
}

#[test]
fn large_bodies_pass_both_ways() {
    let rig = Rig::new(RULES, &[]);
    let file = crate::rig::within(&rig, "body");
    std::fs::write(&file, "0123456789abcdef".repeat(1 << 18)).unwrap();
    for flag in ["--http1.1", "--http2"] {
        let data = format!("@{}", file.display());
        let (_, ok) = rig.curl(&[flag, "--data-binary", &data, "-o", "/dev/null", &rig.url("/open/up")]);
        assert!(ok);
        assert_eq!(rig.seen().last().unwrap().body.len(), 16 << 18);
        let (_, ok) =
            rig.curl(&[flag, "-H", "transfer-encoding: chunked", "--data-binary", &data, &rig.url("/open/up")]);
        assert!(ok);
        assert_eq!(rig.seen().last().unwrap().body.len(), 16 << 18);
    }
    assert_eq!(rig.request("/open/up").up, 16 << 18);
}
