//! JSON as it is judged: read once, strictly, so that no two readers can take one text for two different things.
//!
//! Invariant: in a [`Value`] no object has two keys that are the same to a reader that ignores case, width of letters aside
//! (`name` and `Name`, `params` and `paramſ`), and no key has a NUL. A text for which that cannot be said is refused, not
//! repaired. RFC 8259 leaves duplicate names open; servers in the wild take the first, the last, or the one that folds.
//! Leaves to others: what the keys mean (`rule`), lines and messages (`mcp`).

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A JSON value (RFC 8259 §3).
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    #[default]
    Null,
    Bool(bool),
    Int(i128),
    /// Written with a fraction or exponent, or beyond 64 bits: no whole number, whatever it amounts to.
    Real(f64),
    Text(String),
    List(Vec<Value>),
    /// In the order they were written.
    Object(Vec<(String, Value)>),
}

/// Keys of an object up to which pairs are compared one by one.
const FEW: usize = 8;

impl Value {
    /// Reads one value. An error says what is wrong, without any part of the text.
    pub fn parse(text: &[u8]) -> Result<Value, String> {
        serde_json::from_slice(text).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => without_place(&error.to_string()),
            _ => "not JSON".to_owned(),
        })
    }

    pub fn field(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Object(fields) => fields.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn items(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// What a JSON pointer leads to (RFC 6901); the empty pointer is the value itself.
    pub fn pointer(&self, pointer: &str) -> Option<&Value> {
        if pointer.is_empty() {
            return Some(self);
        }
        pointer.strip_prefix('/')?.split('/').try_fold(self, |at, step| {
            let step = step.replace("~1", "/").replace("~0", "~");
            match at {
                Value::Object(_) => at.field(&step),
                Value::List(items) => {
                    let plain = step == "0" || !step.starts_with('0') && step.bytes().all(|b| b.is_ascii_digit());
                    items.get(plain.then(|| step.parse::<usize>().ok()).flatten()?)
                }
                _ => None,
            }
        })
    }

    /// The word for its type, as people and JSON Schema call it.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Int(_) => "integer",
            Value::Real(_) => "number",
            Value::Text(_) => "string",
            Value::List(_) => "array",
            Value::Object(_) => "object",
        }
    }
}

/// serde_json's message without the line and column it ends in.
fn without_place(message: &str) -> String {
    message.split(" at line ").next().unwrap_or(message).to_owned()
}

/// How a careless reader sees a key: case folded by way of capitals, so that `ſ` is `s` and `K` is `k`.
pub fn folded(key: &str) -> String {
    if key.is_ascii() { key.to_ascii_lowercase() } else { key.to_uppercase().to_lowercase() }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(Strict)
    }
}

struct Strict;

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Real(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields: Vec<(String, Value)> = Vec::new();
        let mut seen: HashSet<String> = HashSet::new();
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            if key.contains('\0') {
                return Err(A::Error::custom("a key with a NUL"));
            }
            let fold = folded(&key);
            if fields.len() == FEW {
                seen.extend(fields.iter().map(|(name, _)| folded(name)));
            }
            let twice = match fields.len() {
                0..FEW => fields.iter().any(|(name, _)| *name == key || folded(name) == fold),
                _ => !seen.insert(fold),
            };
            if twice {
                return Err(A::Error::custom("one key twice"));
            }
            fields.push((key, value));
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        Value::parse(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn values_are_read_as_they_stand() {
        let value = Value::parse(br#" {"a": [1, -2, 1.5, "x\u00e9", null, true], "b": {}} "#).unwrap();
        let list = [Value::Int(1), Value::Int(-2), Value::Real(1.5), Value::Text("xé".into()), Value::Null];
        assert_eq!(value.pointer("/a").and_then(Value::items).unwrap()[..5], list);
        assert_eq!(value.pointer("/a/5"), Some(&Value::Bool(true)));
        assert_eq!(value.pointer("/a/05"), None);
        assert_eq!(value.pointer("/b"), Some(&Value::Object(Vec::new())));
        let odd = Value::parse(br#"{"a/b": {"c~d": 1}}"#).unwrap();
        assert_eq!(odd.pointer("/a~1b/c~0d"), Some(&Value::Int(1)));
        assert_eq!(Value::parse(b"18446744073709551615"), Ok(Value::Int(u64::MAX.into())));
        assert!(matches!(Value::parse(b"18446744073709551616"), Ok(Value::Real(_))));
    }

    #[test]
    fn what_two_readers_may_read_differently_is_refused() {
        for text in [
            r#"{"name": 1, "name": 2}"#,
            r#"{"name": 1, "Name": 2}"#,
            r#"{"params": 1, "param\u017f": 2}"#,
            r#"{"kind": 1, "\u212aind": 2}"#,
            r#"{"x": {"deep": [{"a": 1, "a": 1}]}}"#,
            r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"A":1}"#,
        ] {
            assert_eq!(wrong(text), "one key twice", "{text}");
        }
        assert_eq!(wrong("{\"name\\u0000\": 1}"), "a key with a NUL");
        for text in ["1e400", "{} {}", "", "[1,]", "{'a': 1}", r#""\ud800""#, "nul", "\u{feff}{}", "NaN", "01"] {
            assert_eq!(wrong(text), "not JSON", "{text}");
        }
        assert_eq!(Value::parse(b"\"\xff\""), Err("not JSON".into()));
        assert_eq!(wrong(&"[".repeat(100_000)), "not JSON");
    }
}
