//! Changing one place of a message and leaving every other byte of it as it was.
//!
//! Invariant: what is not replaced is written as it came, in its order; so what was judged as a `Value` and what is sent on
//! are the same. Leaves to others: what to change (`relay`).

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// An object, its values not taken apart.
struct Fields<'r>(Vec<(String, &'r RawValue)>);

impl<'de: 'r, 'r> Deserialize<'de> for Fields<'r> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

/// Replaces what stands at `path` (keys of objects) by what `change` makes of it; None from `change` takes it away. None:
/// the path leads nowhere.
pub fn replace(text: &str, path: &[&str], change: &mut dyn FnMut(&str) -> Option<String>) -> Option<String> {
    let Some((key, rest)) = path.split_first() else { return change(text) };
    let Fields(fields) = serde_json::from_str(text).ok()?;
    let mut found = false;
    let mut out = String::with_capacity(text.len());
    for (name, value) in &fields {
        let written = if name == key {
            found = true;
            match rest.is_empty() {
                true => change(value.get()),
                false => Some(replace(value.get(), rest, change)?),
            }
        } else {
            Some(value.get().to_owned())
        };
        if let Some(written) = written {
            out.push(if out.is_empty() { '{' } else { ',' });
            out.push_str(&serde_json::Value::from(name.as_str()).to_string());
            out.push(':');
            out.push_str(&written);
        }
    }
    if out.is_empty() {
        out.push('{');
    }
    out.push('}');
    found.then_some(out)
}

/// The elements of an array that `keep` wants, in their order; None: no array.
pub fn filter(text: &str, keep: &mut dyn FnMut(usize, &str) -> bool) -> Option<String> {
    let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    let kept: Vec<&str> = items
        .iter()
        .enumerate()
        .map(|(at, item)| (at, item.get()))
        .filter(|(at, item)| keep(*at, item))
        .map(|(_, item)| item)
        .collect();
    Some(format!("[{}]", kept.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_place_changes() {
        let text = r#"{ "a": 1.50, "b": {"c": [1, 2 ,3], "d": "\u00e9" } }"#;
        let odd = &mut |list: &str| filter(list, &mut |_, item| item != "2");
        assert_eq!(replace(text, &["b", "c"], odd).unwrap(), r#"{"a":1.50,"b":{"c":[1,3],"d":"\u00e9"}}"#);
        assert_eq!(replace(text, &["b"], &mut |_| None).unwrap(), r#"{"a":1.50}"#);
        assert_eq!(replace(r#"{"a":1}"#, &["a"], &mut |_| None).unwrap(), "{}");
        assert_eq!(replace(text, &["x"], &mut |_| None), None);
        assert_eq!(replace(text, &["a", "x"], &mut |_| None), None);
    }
}
