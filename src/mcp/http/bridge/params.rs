//! Arguments of tools that servers want in headers, too (2026-07-28, `x-mcp-header`).
//!
//! Invariant: what a header says is what the argument says; tools and headers that are remembered are bounded.

use std::collections::HashMap;

use hyper::header::{HeaderMap, HeaderName};

use crate::mcp::http::headers::encoded;
use crate::policy::mcp::Value;

/// Tools of one server that are remembered.
const TOOLS: usize = 4096;
/// Headers of one tool.
const HEADERS: usize = 32;
/// Objects within objects.
const DEPTH: usize = 8;

/// By tool: names of headers, and where in the arguments their values stand.
#[derive(Debug, Default)]
pub struct Params(HashMap<String, Vec<(HeaderName, Vec<String>)>>);

impl Params {
    /// From a list of tools.
    pub fn learn(&mut self, list: &Value) {
        for tool in list.field("tools").and_then(Value::items).unwrap_or_default() {
            let Some(name) = tool.field("name").and_then(Value::text) else { continue };
            let mut found = Vec::new();
            if let Some(schema) = tool.field("inputSchema") {
                walk(schema, &mut Vec::new(), &mut found);
            }
            match found.is_empty() {
                true => drop(self.0.remove(name)),
                false if self.0.len() < TOOLS || self.0.contains_key(name) => {
                    self.0.insert(name.to_owned(), found);
                }
                false => {}
            }
        }
    }

    /// Adds what a call's arguments say.
    pub fn write(&self, method: &str, params: &Value, headers: &mut HeaderMap) {
        let name = params.field("name").and_then(Value::text).filter(|_| method == "tools/call");
        let Some(wanted) = name.and_then(|name| self.0.get(name)) else { return };
        for (header, path) in wanted {
            let value = path.iter().try_fold(params.field("arguments"), |at, step| Some(at?.field(step)));
            let text = match value.flatten() {
                Some(Value::Text(text)) => text.clone(),
                Some(Value::Int(number)) => number.to_string(),
                Some(Value::Real(number)) => number.to_string(),
                Some(Value::Bool(yes)) => yes.to_string(),
                _ => continue,
            };
            if let Some(value) = encoded(&text) {
                headers.insert(header.clone(), value);
            }
        }
    }
}

fn walk(schema: &Value, path: &mut Vec<String>, found: &mut Vec<(HeaderName, Vec<String>)>) {
    let Some(Value::Object(properties)) = schema.field("properties") else { return };
    for (key, property) in properties {
        path.push(key.clone());
        let header = property.field("x-mcp-header").and_then(Value::text);
        let header = header.and_then(|name| HeaderName::from_bytes(format!("mcp-param-{name}").as_bytes()).ok());
        if let Some(header) = header.filter(|_| found.len() < HEADERS) {
            found.push((header, path.clone()));
        }
        if path.len() < DEPTH {
            walk(property, path, found);
        }
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_stand_in_headers_as_the_schema_says() {
        let list = br#"{"tools":[{"name":"t","inputSchema":{"properties":{"region":{"x-mcp-header":"Region"},"n":{"x-mcp-header":"N"},
            "in":{"properties":{"b":{"x-mcp-header":"B"},"none":{"x-mcp-header":"None"}}},"odd":{"x-mcp-header":"a b"}}}}]}"#;
        let mut params = Params::default();
        params.learn(&Value::parse(list).unwrap());
        let call = Value::parse(br#"{"name":"t","arguments":{"region":" w","n":42,"in":{"b":false,"none":null}}}"#);
        let mut headers = HeaderMap::new();
        params.write("tools/call", &call.unwrap(), &mut headers);
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(text("mcp-param-region"), Some("=?base64?IHc=?=".to_owned()));
        assert_eq!((text("mcp-param-n"), text("mcp-param-b")), (Some("42".to_owned()), Some("false".to_owned())));
        assert_eq!(headers.len(), 3);
    }
}
