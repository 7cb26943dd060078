//! Credentials: put in at their own host, blocked anywhere else, taken out of what comes back.

use govsh::event::CredentialUse;

use crate::rig::{API, OTHER, Rig};

const REAL: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

const RULES: &str = r#"
[network]
allow = ["api.example.test:PORT", "other.example.test:PORT", "api.example.test:PLAIN"]
http = [{ host = "other.example.test:PORT" }, { host = "api.example.test:PORT" }]

[credentials.forge]
source = "env:OUTSIDE"
host = "api.example.test:PORT"
header = "authorization: Bearer {}"
env = "FORGE_TOKEN"
INJECT
"#;

fn rig(more: &str) -> Rig {
    Rig::new(&RULES.replace("INJECT", more), &[("OUTSIDE", REAL)])
}

#[test]
fn the_placeholder_makes_way_for_the_secret_at_its_host() {
    let rig = rig("inject = \"placeholder\"");
    let token = rig.variable("FORGE_TOKEN").to_owned();
    assert!(token.starts_with("ghp_") && token.len() == REAL.len() && token != REAL);
    for flag in ["--http1.1", "--http2"] {
        let bearer = format!("authorization: token {token}");
        let (text, ok) = rig.curl(&[flag, "-H", &bearer, &rig.url("/a")]);
        assert!(ok, "{text}");
        assert_eq!(rig.seen().last().unwrap().header("authorization"), format!("token {REAL}"));
        let (_, ok) = rig.curl(&[flag, "--user", &format!("me:{token}"), &rig.url("/a")]);
        assert!(ok);
        use base64::Engine;
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("me:{REAL}"));
        assert_eq!(rig.seen().last().unwrap().header("authorization"), format!("Basic {basic}"));
        let (_, ok) = rig.curl(&[flag, &rig.url("/a")]);
        assert!(ok);
        assert_eq!(rig.seen().last().unwrap().header("authorization"), "", "nothing was there to be replaced");
    }
    assert_eq!(&*rig.credential(CredentialUse::Used).name, "forge");
    rig.assert_untold(REAL);
}

#[test]
fn a_request_without_the_header_gets_it() {
    let rig = rig("");
    assert!(rig.curl(&[&rig.url("/a")]).1);
    assert_eq!(rig.seen()[0].header("authorization"), format!("Bearer {REAL}"));
}

#[test]
fn nobody_else_gets_placeholder_or_secret() {
    let rig = rig("path = \"/a/**\"\nmethods = [\"GET\"]");
    let token = rig.variable("FORGE_TOKEN").to_owned();
    let other = |path: &str| format!("https://{OTHER}:{}{path}", rig.port);
    let plain = format!("http://{API}:{}/", rig.plain);
    let encoded: String = token.bytes().map(|byte| format!("%{byte:02x}")).collect();
    for flag in ["--http1.1", "--http2"] {
        for arguments in [
            vec!["-H", "authorization: Bearer TOKEN", "OTHER/"],
            vec!["--user", "me:TOKEN", "OTHER/"],
            vec!["-H", "x-any: TOKEN", "OTHER/"],
            vec!["OTHER/?q=TOKEN"],
            vec!["OTHER/?q=ENCODED"],
            vec!["--data", "a=TOKEN", "OTHER/"],
            vec!["--data", "secret=REAL", "OTHER/"],
            vec!["-H", "authorization: Bearer TOKEN", "PLAIN"],
            vec!["-H", "authorization: Bearer REAL", "PLAIN"],
            // Its own host, but not what it is for.
            vec!["-H", "authorization: Bearer TOKEN", "HERE/b"],
            vec!["-H", "authorization: Bearer TOKEN", "--request", "PUT", "HERE/a/x"],
            vec!["--data", "REAL", "--request", "GET", "HERE/a/x"],
        ] {
            let arguments: Vec<String> = arguments
                .into_iter()
                .map(|argument| {
                    let argument = argument.replace("TOKEN", &token).replace("REAL", REAL).replace("ENCODED", &encoded);
                    argument.replace("OTHER", &other("")).replace("PLAIN", &plain).replace("HERE", &rig.url(""))
                })
                .collect();
            let arguments: Vec<&str> = std::iter::once(flag).chain(arguments.iter().map(String::as_str)).collect();
            let (text, _) = rig.curl(&arguments);
            assert!(text.contains("credential"), "{arguments:?}\n{text}");
        }
    }
    for seen in rig.seen() {
        // Where a body is refused in the middle, its head has gone to its own host, with what belongs there.
        let mut headers = seen.headers.clone();
        if seen.method == "GET" && seen.uri.ends_with("/a/x") {
            headers.remove("authorization");
        }
        let all = format!("{} {headers:?} {:?}", seen.uri, seen.body);
        assert!(!all.contains(&token) && !all.contains(REAL), "{all}");
    }
    rig.credential(CredentialUse::PlaceholderBlocked);
    rig.credential(CredentialUse::SecretBlocked);
    assert!(rig.alert().contains("credential 'forge'"));
    rig.assert_untold(REAL);
}

/// E16: a client that takes its header along wherever it is sent to.
#[test]
fn who_is_sent_elsewhere_is_judged_anew_and_goes_without() {
    let rig = rig("");
    let token = rig.variable("FORGE_TOKEN").to_owned();
    let bearer = format!("authorization: Bearer {token}");
    let resolve = format!("nowhere.example.test:{}:127.0.0.1", rig.port);
    for flag in ["--http1.1", "--http2"] {
        let away = |to: String| rig.url(&format!("/away?{to}"));
        let taken = ["--location-trusted", "--resolve", &resolve, "-H", &bearer];
        let to_other = away(format!("https://{OTHER}:{}/sent", rig.port));
        let (text, _) = rig.curl(&[&[flag][..], &taken, &[&to_other]].concat());
        assert!(text.contains("credential"), "{text}");
        let to_nobody = away(format!("https://nowhere.example.test:{}/sent", rig.port));
        assert!(!rig.curl(&[&[flag][..], &taken, &[&to_nobody]].concat()).1);
        let to_plain = away(format!("http://{API}:{}/sent", rig.plain));
        let (text, _) = rig.curl(&[&[flag][..], &taken, &[&to_plain]].concat());
        assert!(text.contains("credential"), "{text}");
    }
    let seen = rig.seen();
    assert!(seen.len() == 6 && seen.iter().all(|seen| seen.uri.contains("/away")), "{seen:?}");
    rig.assert_untold(REAL);
}

#[test]
fn what_echoes_the_secret_is_redacted() {
    let rig = rig("");
    let token = rig.variable("FORGE_TOKEN").to_owned();
    for flag in ["--http1.1", "--http2"] {
        for path in ["/echo", "/dribble", "/headers"] {
            let (text, ok) = rig.curl(&[flag, "-i", "-H", &format!("authorization: Bearer {token}"), &rig.url(path)]);
            assert!(ok && text.contains(&token) && !text.contains(REAL), "{path}\n{text}");
        }
        let (text, _) = rig.curl(&[flag, "--user", &format!("me:{token}"), &rig.url("/echo")]);
        use base64::Engine;
        let engine = base64::engine::general_purpose::STANDARD;
        let encoded = engine.encode(format!("me:{token}"));
        // The last letter belongs to what follows as well.
        assert!(text.contains(&encoded[..encoded.len() - 3]) && !text.contains(&engine.encode(REAL)[..40]), "{text}");
        let (text, _) = rig.curl(&[flag, &rig.url("/packed")]);
        assert!(text.contains("compressed"), "{text}");
        let (text, _) = rig.curl(&[flag, "--request", "TRACE", &rig.url("/echo")]);
        assert!(text.contains("send it back"), "{text}");
    }
    assert_eq!(&*rig.credential(CredentialUse::Redacted).host, API);
    let seen = rig.seen();
    assert!(seen.iter().all(|seen| seen.header("accept-encoding") == "identity"), "{seen:?}");
}

#[test]
fn a_request_for_aws_is_signed_anew() {
    let rules = r#"
[network]
allow = ["api.example.test:PORT"]

[credentials.cloud]
source = "env:AWS_SECRET_ACCESS_KEY"
host = "api.example.test:PORT"
sign = "aws"
"#;
    let (id, secret) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    let rig = Rig::new(rules, &[("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret)]);
    let shown = format!("{}:{}", rig.variable("AWS_ACCESS_KEY_ID"), rig.variable("AWS_SECRET_ACCESS_KEY"));
    assert!(!shown.contains(id) && !shown.contains(secret));
    let sign = ["--aws-sigv4", "aws:amz:us-east-1:sts", "--user", &shown];
    for flag in ["--http1.1", "--http2"] {
        let url = rig.url("/a%20b/?x=1&a=%2F");
        let mut arguments = vec![flag, "--data", "Action=GetCallerIdentity"];
        arguments.extend(sign);
        arguments.push(&url);
        let (text, ok) = rig.curl(&arguments);
        assert!(ok && text.starts_with("hello"), "{text}");
        let seen = rig.seen().pop().unwrap();
        let authorization = seen.header("authorization");
        assert!(authorization.contains(&format!("Credential={id}/")), "{authorization}");
        assert_eq!(signature(authorization), resigned(&rig, secret, &seen), "{seen:?}");
    }
    rig.assert_untold(secret);
}

fn signature(authorization: &str) -> &str {
    authorization.rsplit_once("Signature=").unwrap().1
}

/// What botocore makes of the request with the real key: another implementation than ours.
fn resigned(rig: &Rig, secret: &str, seen: &crate::far::Seen) -> String {
    const SCRIPT: &str = r#"
import sys, json, hashlib, hmac
from urllib.parse import urlsplit, quote, unquote
r = json.load(sys.stdin)
h = {k.lower(): v for k, v in r["headers"]}
names = r["signed"].split(";")
u = urlsplit(r["uri"])
query = "&".join(sorted("=".join(quote(unquote(p), safe="-_.~") for p in (q.split("=", 1) + [""])[:2]) for q in u.query.split("&") if q))
body = hashlib.sha256(r["body"].encode()).hexdigest()
canonical = "\n".join([r["method"], quote(u.path, safe="/-_.~"), query] + [f"{n}:{h[n].strip()}" for n in names] + ["", r["signed"], h.get("x-amz-content-sha256", body)])
scope = r["scope"].split("/")
text = "\n".join(["AWS4-HMAC-SHA256", h["x-amz-date"], r["scope"], hashlib.sha256(canonical.encode()).hexdigest()])
key = ("AWS4" + r["secret"]).encode()
for part in scope:
    key = hmac.new(key, part.encode(), hashlib.sha256).digest()
print(hmac.new(key, text.encode(), hashlib.sha256).hexdigest())
"#;
    use std::io::Write;
    let authorization = seen.header("authorization");
    let part = |name: &str| authorization.split(name).nth(1).unwrap().split(',').next().unwrap().trim().to_owned();
    let mut headers: Vec<(String, String)> =
        seen.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    headers.push(("host".into(), format!("{API}:{}", rig.port)));
    let uri = seen.uri.strip_prefix(&format!("https://{API}:{}", rig.port)).unwrap_or(&seen.uri);
    let told = serde_json::json!({
        "method": seen.method, "uri": uri, "headers": headers, "secret": secret,
        "body": String::from_utf8_lossy(&seen.body), "signed": part("SignedHeaders="),
        "scope": part("Credential=").split_once('/').unwrap().1,
    });
    let mut python = rig.command("python3");
    python.args(["-c", SCRIPT]).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = python.spawn().unwrap();
    child.stdin.take().unwrap().write_all(told.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
