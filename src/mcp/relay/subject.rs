//! What a request of the client's is about.

use icu_normalizer::ComposingNormalizerBorrowed;

use super::lists::List;
use crate::policy::mcp::{Subject, Value};

/// What a request is judged by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About<'p> {
    /// Nothing: it opens the conversation, keeps it up, or asks for a list.
    Nothing,
    One(Subject, &'p str),
    /// A task, by its id.
    Task(&'p str),
    /// Changes of these resources.
    Changes(Vec<&'p str>),
}

/// None: it does not say, or in words that two readers may read differently.
pub fn about<'p>(method: &'p str, params: &'p Value) -> Option<About<'p>> {
    let text = |key| params.field(key).and_then(Value::text);
    let name = |name: Option<&'p str>| name.filter(|name| is_plain(name));
    Some(match method {
        "tools/call" => {
            if params.field("arguments").is_some_and(|arguments| !matches!(arguments, Value::Object(_))) {
                return None;
            }
            About::One(Subject::Tool, name(text("name"))?)
        }
        "prompts/get" => About::One(Subject::Prompt, name(text("name"))?),
        // Without one it is no resource's, and the revision that has no such method says so in its own way.
        "resources/subscribe" | "resources/unsubscribe" if params.field("uri").is_none() => {
            About::One(Subject::Method, method)
        }
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
            About::One(Subject::Resource, name(text("uri"))?)
        }
        "completion/complete" => {
            let text = |pointer| name(params.pointer(pointer).and_then(Value::text));
            match params.pointer("/ref/type").and_then(Value::text)? {
                "ref/prompt" => About::One(Subject::Prompt, text("/ref/name")?),
                "ref/resource" => About::One(Subject::Resource, text("/ref/uri")?),
                _ => return None,
            }
        }
        "tasks/get" | "tasks/result" | "tasks/update" | "tasks/cancel" => About::Task(text("taskId")?),
        "subscriptions/listen" => match params.pointer("/notifications/resourceSubscriptions") {
            None => About::Nothing,
            Some(uris) => About::Changes(uris.items()?.iter().map(|uri| name(uri.text())).collect::<Option<_>>()?),
        },
        "initialize" | "server/discover" | "ping" | "logging/setLevel" => About::Nothing,
        method if List::of(method).is_some() => About::Nothing,
        unknown => About::One(Subject::Method, unknown),
    })
}

/// A name that is written in one way only: no controls, and composed (Unicode NFC).
pub fn is_plain(name: &str) -> bool {
    !name.chars().any(char::is_control)
        && (name.is_ascii() || ComposingNormalizerBorrowed::new_nfc().is_normalized(name))
}
