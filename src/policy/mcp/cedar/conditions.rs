//! Statements as Cedar writes them in JSON (its policy format): what they look at, and what is left of them without it.
//!
//! ```text
//! { "effect", "principal": { "op" }, "action", "resource", "annotations",
//!   "conditions": [ { "kind": "when" | "unless", "body": EXPRESSION } ] }
//! EXPRESSION: { "Var": "context" } · { "." | "has": { "left", "attr" } } · { "&&" | "||": { "left", "right" } } · …
//! ```
//!
//! Invariant: whatever matches a statement matches what is left of it: only conditions that all must hold are left out.
//! Leaves to others: evaluating (`cedar`).

use serde_json::{Value as Json, json};

/// Attributes of resources, and of the context, in Docker's reference.
const OF_RESOURCES: &[&str] = &[
    "name",
    "uri",
    "readOnly",
    "destructive",
    "idempotent",
    "openWorld",
    "category",
    "type",
    "identityURL",
    "requiresOAuth",
    "requiresNetwork",
    "command",
    "args",
];
const OF_CONTEXT: &[&str] = &["args", "request_time", "oauth_scopes"];

/// Whether it speaks of some principals only.
pub(super) fn names_principal(policy: &Json) -> bool {
    policy.pointer("/principal/op").and_then(Json::as_str) != Some("All")
        || policy.get("conditions").is_some_and(|all| mentions(all, &is_principal))
}

/// As if it spoke of all.
pub(super) fn forget_principal(policy: &mut Json) {
    *policy = without(policy, &is_principal);
    if let Some(fields) = policy.as_object_mut() {
        fields.insert("principal".to_owned(), json!({ "op": "All" }));
    }
}

/// Whether it looks at the context.
pub(super) fn looks_within(policy: &Json) -> bool {
    policy.get("conditions").is_some_and(|all| mentions(all, &is_context))
}

/// Without the conditions that do.
pub(super) fn without_context(policy: &Json) -> Json {
    without(policy, &is_context)
}

/// Whether it looks at the arguments, or at the context as a whole.
pub(super) fn reads_arguments(policy: &Json) -> bool {
    fn reads(json: &Json) -> bool {
        match json {
            _ if is_context(json) => true,
            Json::Object(fields) => {
                let others = |of: &Json| {
                    of.get("left").is_some_and(is_context) && attribute(of).is_some_and(|attribute| attribute != "args")
                };
                match [fields.get("."), fields.get("has")].into_iter().flatten().next() {
                    Some(of) if others(of) => false,
                    _ => fields.values().any(reads),
                }
            }
            Json::Array(items) => items.iter().any(reads),
            _ => false,
        }
    }
    policy.get("conditions").is_some_and(reads)
}

/// An attribute that there is not would never be, and a guard with it never hold.
pub(super) fn check_attributes(policy: &Json) -> Result<(), String> {
    match policy {
        Json::Array(items) => items.iter().try_for_each(check_attributes),
        Json::Object(fields) => {
            for of in [fields.get("."), fields.get("has")].into_iter().flatten() {
                let known = match of.get("left") {
                    Some(left) if is_var(left, "resource") => Some(("resource", OF_RESOURCES)),
                    Some(left) if is_context(left) => Some(("context", OF_CONTEXT)),
                    _ => None,
                };
                if let (Some((owner, known)), Some(attribute)) = (known, attribute(of))
                    && !known.contains(&attribute)
                {
                    return Err(format!("'{owner}.{attribute}': there is no such attribute"));
                }
            }
            fields.values().try_for_each(check_attributes)
        }
        _ => Ok(()),
    }
}

fn attribute(of: &Json) -> Option<&str> {
    of.get("attr").and_then(Json::as_str)
}

fn is_var(json: &Json, name: &str) -> bool {
    json.get("Var").and_then(Json::as_str) == Some(name)
}

fn is_principal(json: &Json) -> bool {
    is_var(json, "principal")
}

fn is_context(json: &Json) -> bool {
    is_var(json, "context")
}

fn mentions(json: &Json, what: &dyn Fn(&Json) -> bool) -> bool {
    what(json)
        || match json {
            Json::Object(fields) => fields.values().any(|value| mentions(value, what)),
            Json::Array(items) => items.iter().any(|value| mentions(value, what)),
            _ => false,
        }
}

/// The statement without what mentions this. `when` is a conjunction; `unless` is one of what is not so.
fn without(policy: &Json, what: &dyn Fn(&Json) -> bool) -> Json {
    let conditions = policy.get("conditions").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut kept = Vec::new();
    for condition in conditions {
        let (kind, body) = (condition.get("kind").and_then(Json::as_str), condition.get("body"));
        let (Some(kind), Some(body)) = (kind, body) else { continue };
        let joint = if kind == "unless" { "||" } else { "&&" };
        let mut parts = Vec::new();
        taken_apart(body, joint, &mut parts);
        let parts = parts.into_iter().filter(|part| !mentions(part, what)).cloned();
        let body = parts.reduce(|left, right| json!({ joint: { "left": left, "right": right } }));
        kept.extend(body.map(|body| json!({ "kind": kind, "body": body })));
    }
    let mut policy = policy.clone();
    if let Some(fields) = policy.as_object_mut() {
        fields.insert("conditions".to_owned(), Json::Array(kept));
    }
    policy
}

fn taken_apart<'j>(body: &'j Json, joint: &str, parts: &mut Vec<&'j Json>) {
    let sides = body.get(joint).and_then(|of| Some((of.get("left")?, of.get("right")?)));
    match sides {
        Some((left, right)) => {
            taken_apart(left, joint, parts);
            taken_apart(right, joint, parts);
        }
        None => parts.push(body),
    }
}
