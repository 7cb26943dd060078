//! What is kept in tests/data/fuzz/relay as `refused-*`: lines that have more than one meaning, or come when they must not.

use std::fs;
use std::path::Path;

use super::*;

/// What no server's line may bring to the client.
const EVIL: &[u8] = b"EVIL";

fn held() -> Relay {
    let resources = Names { resources: vec![Segments::parse("file:///w/**")], ..Names::default() };
    let url = Identity::Url { url: "https://a.example/".into(), certificate: None };
    relay(vec![rule("t", Verdict::Allow, tools("read*")), rule("r", Verdict::Allow, resources)]).pinned(
        None,
        url,
        OnChange::Deny,
    )
}

/// `>` before a line of the client's, `<` before one of the server's, `!` behind that: it must not pass.
fn tried(file: &str, content: &[u8]) -> usize {
    let mut relay = held();
    let mut refused = 0;
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        let (side, rest) = match line.split_first() {
            Some((b'>', rest)) => (Side::Client, rest),
            Some((b'<', rest)) => (Side::Server, rest),
            _ => panic!("{file}: no side"),
        };
        let is_refused = rest.starts_with(b"!");
        let steps = relay.read(side, rest.strip_prefix(b"!").unwrap_or(rest), now(1));
        let passed = |step: &Step| match (side, step) {
            (Side::Client, Step::Server(_)) => true,
            (Side::Server, Step::Client(bytes)) => memchr::memmem::find(bytes, EVIL).is_some(),
            _ => false,
        };
        let shown = line.escape_ascii().to_string();
        let shown = shown.get(..shown.len().min(200)).unwrap_or_default();
        assert_eq!(steps.iter().any(passed), side == Side::Client && !is_refused, "{file}: {shown}: {steps:?}");
        refused += usize::from(is_refused);
    }
    refused
}

#[test]
fn what_is_ambiguous_is_denied_or_closed() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz/relay");
    let mut files = 0;
    for entry in fs::read_dir(dir).expect("the corpus") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !name.starts_with("refused-") {
            continue;
        }
        files += 1;
        assert!(tried(&name, &fs::read(&path).expect("readable")) > 0, "{name} refuses nothing");
    }
    assert!(files >= 30, "{files} files");
}
