//! The scan beside the reader of whole values.

use proptest::prelude::*;

use super::*;

/// What is kept, or None; in pieces of so many bytes. As in a line, a space ends what has no end of its own.
fn scanned(text: &[u8], piece: usize) -> Option<Vec<u8>> {
    let mut scan = Scan::new();
    for piece in text.chunks(piece.max(1)).chain([&b" "[..]]) {
        scan.feed(piece).ok()?;
    }
    scan.is_over().then(|| scan.kept().to_vec())
}

#[test]
fn what_decides_is_kept_and_the_rest_goes_by() {
    for (text, kept) in [
        (
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"text":"x"}],"isError":false}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"isError":false}}"#,
        ),
        (
            r#"{ "result" : { "a" : 1 , "taskId" : "t" , "b" : {"taskId":2} } , "id" : "7" }"#,
            r#"{"result":{"taskId":"t"},"id":"7"}"#,
        ),
        (r#"{"result":{},"id":1}"#, r#"{"result":{},"id":1}"#),
        (
            r#"{"result":{"a":[],"InputRequests":{"x":[1,{"y":2}]}},"id":1}"#,
            r#"{"result":{"InputRequests":{"x":[1,{"y":2}]}},"id":1}"#,
        ),
        (r#"{"result":[1,{"a":2}],"id":1}"#, r#"{"result":[1,{"a":2}],"id":1}"#),
        (r#"{"result":{"a":{"b":1}},"x":{"a":1}}"#, r#"{"result":{},"x":{"a":1}}"#),
        (
            r#"{"result":{"task":{"taskId":"t","a":[1,2]},"c":"\u00e9"}}"#,
            r#"{"result":{"task":{"taskId":"t","a":[1,2]}}}"#,
        ),
    ] {
        for piece in [1, 2, 3, 7, 1000] {
            let found = scanned(text.as_bytes(), piece).unwrap_or_default();
            assert_eq!(String::from_utf8_lossy(&found), kept, "{text} by {piece}");
        }
    }
}

#[test]
fn the_last_byte_and_the_id_are_told_in_time() {
    let mut scan = Scan::new();
    assert_eq!(scan.feed(br#"{"id":"a,b","jsonrpc":"2.0","result":{"isError":true,"content":["#), Ok(None));
    assert!(scan.is_in_result());
    assert_eq!(scan.id(), Some(Value::Text("a,b".into())));
    assert_eq!(scan.feed(br#""x"]}}  "#), Ok(Some(5)));
    assert!(scan.is_over() && scan.feed(b" x").is_err());
    let mut scan = Scan::new();
    scan.feed(br#"{"method":"x","result":{"a":"#).unwrap();
    assert!(!scan.is_in_result() && scan.id().is_none());
}

#[test]
fn bounds_refuse() {
    let keys: String = (0..MOST_KEYS + 1).map(|n| format!("\"{n}\":0,")).collect();
    assert!(scanned(format!("{{{keys}\"x\":1}}").as_bytes(), 4096).is_none());
    assert!(scanned(format!("{{\"{}\":1}}", "k".repeat(LONGEST_KEY)).as_bytes(), 4096).is_none());
    assert_eq!(scanned(format!("{{\"id\":\"{}\"}}", "k".repeat(MOST_KEPT)).as_bytes(), 4096), Some(Vec::new()));
    assert!(scanned(format!("{{\"n\":{}}}", "1".repeat(number::LONGEST + 1)).as_bytes(), 4096).is_none());
    assert!(scanned(format!("{{\"n\":{}1{}}}", "[".repeat(126), "]".repeat(126)).as_bytes(), 9).is_some());
    assert!(scanned(format!("{{\"n\":{}1{}}}", "[".repeat(127), "]".repeat(127)).as_bytes(), 9).is_none());
}

fn fragment() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"A\"",
        "\"b\"",
        "\"result\"",
        "\"id\"",
        "1",
        "-0",
        "01",
        "1.5e3",
        "1e400",
        "-",
        "true",
        "nul",
        "null",
        "\"\\u00e9\"",
        "\"\\ud800\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ude00\"",
        "\"é😀\"",
        "\"\\n\"",
        "\"\\x\"",
        "\"",
        " ",
        "\t",
        "\u{feff}",
        "\"param\\u017f\"",
        "\"params\"",
        "\"a\\u0000\"",
        "\"x\":",
        ",\"y\":",
    ]);
    prop::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat())
}

fn valid() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("1".to_owned()),
        Just("-1.5e-3".to_owned()),
        Just("true".to_owned()),
        Just("null".to_owned()),
        any::<String>().prop_map(|text| serde_json::Value::from(text).to_string())
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let key = prop::sample::select(vec!["a", "A", "b", "result", "isError", "taskId", "id", "\\u0061", "c d"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(" ,"))),
            prop::collection::vec((key, inner), 0..4).prop_map(|fields| {
                let fields: Vec<String> = fields.iter().map(|(key, value)| format!("\"{key}\" :{value}")).collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    /// Takes what is taken whole, wherever it is cut.
    #[test]
    fn scan_and_parse_agree(text in prop_oneof![fragment(), valid().prop_map(|inner| format!("{{\"v\":{inner}}}"))], piece in 1_usize..9) {
        let whole = Value::parse(text.as_bytes());
        let is_object = matches!(whole, Ok(Value::Object(_)));
        let found = scanned(text.as_bytes(), piece);
        if !matches!(whole, Ok(Value::List(_))) && text.trim_start().starts_with('{') {
            prop_assert_eq!(found.is_some(), is_object, "{}", text);
        }
        if let Some(kept) = found && is_object {
            let kept = Value::parse(&kept);
            prop_assert!(kept.is_ok(), "{:?} of {}", kept, text);
            let (kept, whole) = (kept.unwrap_or_default(), whole.unwrap_or_default());
            prop_assert_eq!(kept.field("id"), whole.field("id"));
            prop_assert_eq!(kept.pointer("/result/taskId"), whole.pointer("/result/taskId"));
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..6), piece in 1_usize..4) {
        let text = [b"{\"a\":\"", bytes.as_slice(), b"\"}"].concat();
        prop_assert_eq!(scanned(&text, piece).is_some(), Value::parse(&text).is_ok());
    }
}
