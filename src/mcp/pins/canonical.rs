//! One text for one JSON value: keys in order, no space, numbers as their value (RFC 8785, but for whole numbers beyond
//! 2^53, which stay exact: two of them are never one digest).
//!
//! Invariant: two values have the same text only when they are the same. Leaves to others: digests (`pins`).
//! Our own, since a canonicaliser for `serde_json` reads whole numbers as fractions, and `serde_json`'s maps keep their
//! keys in an order that any crate of the build can change.

use crate::policy::mcp::Value;

/// The text of `value`, without `without` among the keys of the outermost object.
pub fn canonical(value: &Value, without: &[&str]) -> String {
    let mut out = String::new();
    write(value, without, &mut out);
    out
}

fn write(value: &Value, without: &[&str], out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(yes) => out.push_str(if *yes { "true" } else { "false" }),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::Real(number) => out.push_str(&serde_json::Value::from(*number).to_string()),
        Value::Text(text) => quote(text, out),
        Value::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(item, &[], out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().filter(|(key, _)| !without.contains(&key.as_str())).collect();
            sorted.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
            out.push('{');
            for (at, (key, item)) in sorted.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                quote(key, out);
                out.push(':');
                write(item, &[], out);
            }
            out.push('}');
        }
    }
}

/// RFC 8785 §3.2.2.2: what serde_json does.
fn quote(text: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        canonical(&Value::parse(text.as_bytes()).unwrap(), &["_meta"])
    }

    #[test]
    fn order_and_space_make_no_difference() {
        assert_eq!(
            of(r#" {"b": [1, 2.50, "\u00e9\n"], "a": {"_meta": 1}, "_meta": {}} "#),
            r#"{"a":{"_meta":1},"b":[1,2.5,"é\n"]}"#
        );
        // by UTF-16: a surrogate comes before U+FF5E
        assert_eq!(of("{\"\u{ff5e}\":1,\"\u{1f600}\":2}"), "{\"\u{1f600}\":2,\"\u{ff5e}\":1}");
        assert_ne!(of("9007199254740993"), of("9007199254740992"));
        assert_eq!(of("[true,false,null,-0]"), of(" [ true , false , null , -0 ] "));
    }
}
