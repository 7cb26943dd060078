//! Results that are too long to be held.

use super::*;

const PIECE: usize = 64 << 10;

fn client_bytes(steps: &[Step]) -> Vec<u8> {
    steps.iter().flat_map(|step| if let Step::Client(bytes) = step { bytes.clone() } else { Vec::new() }).collect()
}

fn is_closed(steps: &[Step]) -> bool {
    steps.iter().any(|step| matches!(step, Step::Close { .. }))
}

/// What comes to the client of a line of the server's, and whether the connection lives.
fn streamed(relay: &mut Relay, line: &str, piece: usize) -> (Vec<u8>, bool) {
    let (mut out, mut lives) = (Vec::new(), true);
    for piece in line.as_bytes().chunks(piece) {
        let steps = relay.read(Side::Server, piece, now(2));
        out.extend(client_bytes(&steps));
        lives &= !is_closed(&steps);
    }
    (out, lives)
}

fn text(size: usize) -> String {
    "0123456789abcdé\\n".repeat(size / 17)
}

#[test]
fn a_long_result_is_the_same_and_is_never_held_whole() {
    let size = 5 << 20;
    for (line, piece) in [
        (
            format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{\"content\":[{{\"text\":\"{}\"}}]}}}}\r\n",
                text(size)
            ),
            PIECE,
        ),
        (
            format!(
                "{{\"result\":{{\"content\":[{{\"text\":\"{}\"}}],\"isError\":true}} ,\"jsonrpc\":\"2.0\",\"id\":1}} \n",
                text(size)
            ),
            65_537,
        ),
        (
            format!(
                "\u{feff}{{\"result\":{{\"structuredContent\":[{}1]}},\"jsonrpc\":\"2.0\",\"id\":1}}\n",
                "{\"a\":-1.5e3}, ".repeat(size / 14)
            ),
            4097,
        ),
    ] {
        let mut relay = relay(vec![everything()]);
        of_client(&mut relay, &call(1, "x", "{}"));
        let (mut out, mut most, mut told) = (0, 0, None);
        let mut same = true;
        for (at, piece) in line.as_bytes().chunks(piece).enumerate() {
            let steps = relay.read(Side::Server, piece, now(2));
            let bytes = client_bytes(&steps);
            same &= line.as_bytes().get(out..out + bytes.len()) == Some(&bytes[..]);
            out += bytes.len();
            most = most.max((at + 1) * piece.len().max(1) - out.min((at + 1) * piece.len()));
            told =
                steps.into_iter().find_map(|step| if let Step::Told(told) = step { Some(told) } else { None }).or(told);
        }
        assert!(same && out == line.len(), "{out} of {}", line.len());
        assert!(most < 2 << 20, "{most} bytes held");
        assert_eq!(told.unwrap().size, line.len());
        // It was the answer: there is no other.
        assert!(sent(&of_server(&mut relay, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)).is_empty());
    }
}

#[test]
fn what_is_no_message_ends_the_connection_before_its_last_byte() {
    let long = text(5 << 18);
    for (what, tail) in [
        ("two keys", r#","isError":false,"isError":true},"jsonrpc":"2.0","id":1}"#),
        ("another id", r#"},"jsonrpc":"2.0","id":2}"#),
        ("a method", r#"},"jsonrpc":"2.0","id":1,"method":"tools/call"}"#),
        ("an error beside it", r#"},"jsonrpc":"2.0","id":1,"error":{}}"#),
        ("another version", r#"},"jsonrpc":"1.0","id":1}"#),
        (
            "a wish that is denied",
            r#","inputRequests":{"k":{"method":"sampling/createMessage"}}},"jsonrpc":"2.0","id":1}"#,
        ),
        ("a disguise", r#","inputrequests":{}},"jsonrpc":"2.0","id":1}"#),
        ("no end", r#"},"jsonrpc":"2.0","id":1"#),
        ("more behind it", r#"},"jsonrpc":"2.0","id":1}{}"#),
        ("no JSON", r#",]},"jsonrpc":"2.0","id":1}"#),
        ("a lone surrogate", r#","x":"\ud800"},"jsonrpc":"2.0","id":1}"#),
        ("depth", &format!(r#","x":{}{}}},"jsonrpc":"2.0","id":1}}"#, "[".repeat(200), "]".repeat(200))),
    ] {
        let mut relay = relay(vec![rule("r", Verdict::Allow, tools("**"))]);
        of_client(&mut relay, &call(1, "x", "{}"));
        let line = format!("{{\"result\":{{\"content\":[\"{long}\"]{tail}\n");
        let (out, lives) = streamed(&mut relay, &line, PIECE);
        assert!(!lives, "{what}");
        assert!(out.len() >= 1 << 20, "{what}: it streamed");
        assert!(Value::parse(&out).is_err() && !out.contains(&b'\n'), "{what}: a client could read it");
    }
}

#[test]
fn lists_are_read_whole_whatever_is_long_in_them() {
    let tool = |name: &str| format!("{{\"name\":\"{name}\",\"description\":\"{}\"}}", text(1 << 20));
    let list =
        format!("{{\"result\":{{\"tools\":[{},{}]}},\"jsonrpc\":\"2.0\",\"id\":2}}\n", tool("read"), tool("write"));
    let mut relay = relay(vec![rule("r", Verdict::Allow, tools("read"))]);
    of_client(&mut relay, &call(1, "read", "{}"));
    of_client(&mut relay, r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#);
    let (out, lives) = streamed(&mut relay, &list, PIECE);
    assert!(lives && out.len() < list.len() * 2 / 3 && Value::parse(out.trim_ascii_end()).is_ok());
    // One that hides behind another id: nothing of it is read before its id is.
    let mut relay = super::relay(vec![rule("r", Verdict::Allow, tools("read"))]);
    of_client(&mut relay, r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#);
    let endless = format!("{{\"result\":{{\"content\":[\"{}\"", text(LONGEST + PIECE));
    let (out, lives) = streamed(&mut relay, &endless, PIECE);
    assert!(out.is_empty() && !lives);
    // A long word of the server's own is held, and bounded.
    let mut relay = super::relay(vec![everything()]);
    let note = format!(
        "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{{\"data\":\"{}\"}}}}\n",
        text(2 << 20)
    );
    let (out, lives) = streamed(&mut relay, &note, PIECE);
    assert!(lives && out == note.as_bytes());
}

#[test]
fn nothing_comes_between_the_pieces() {
    let mut relay = relay(vec![rule("r", Verdict::Allow, tools("x"))]);
    of_client(&mut relay, &call(1, "x", "{}"));
    let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{\"content\":[\"{}\"]}}}}\n", text(3 << 20));
    let (first, rest) = line.as_bytes().split_at(2 << 20);
    let mut out = client_bytes(&relay.read(Side::Server, first, now(2)));
    assert!(!out.is_empty());
    let denied = relay.read(Side::Client, format!("{}\n", call(2, "y", "{}")).as_bytes(), now(3));
    assert!(client_bytes(&denied).is_empty());
    // What is for the server goes on.
    assert_eq!(sent(&relay.read(Side::Client, format!("{}\n", call(3, "x", "{}")).as_bytes(), now(3))).len(), 1);
    out.extend(client_bytes(&relay.read(Side::Server, rest, now(4))));
    let (whole, after) = out.split_at(line.len());
    assert!(whole == line.as_bytes());
    assert!(String::from_utf8_lossy(after).contains("Unknown tool: y"));
}
