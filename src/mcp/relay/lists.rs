//! Lists without what may not be called: by the request they answer, page by page, failing closed.
//!
//! Invariant: order is the server's, and a page that is empty now keeps its cursor; what was shortened is nobody else's to
//! keep: `cacheScope` is private and `ttlMs` short.

use super::super::edit;
use super::super::message::Id;
use super::super::reply;
use super::subject::is_plain;
use super::{Now, Open, Relay, Step};
use crate::policy::mcp::{Subject, Value, may_call};

/// Longest that a shortened list may be kept, in milliseconds: rules may change.
const LONGEST_KEPT: i128 = 60_000;

/// A list that a client can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    Tools,
    Prompts,
    Resources,
    Templates,
    Tasks,
}

impl List {
    pub fn of(method: &str) -> Option<List> {
        Some(match method {
            "tools/list" => List::Tools,
            "prompts/list" => List::Prompts,
            "resources/list" => List::Resources,
            "resources/templates/list" => List::Templates,
            "tasks/list" => List::Tasks,
            _ => return None,
        })
    }

    /// Where the elements stand in the result, what they are, and by what they are known.
    fn shape(self) -> (&'static str, Subject, &'static str) {
        match self {
            List::Tools => ("tools", Subject::Tool, "name"),
            List::Prompts => ("prompts", Subject::Prompt, "name"),
            List::Resources => ("resources", Subject::Resource, "uri"),
            List::Templates => ("resourceTemplates", Subject::Resource, "uriTemplate"),
            List::Tasks => ("tasks", Subject::Method, "taskId"),
        }
    }
}

impl Relay {
    /// What the client gets of a list, and how many elements of it are not shown. A result that is no such list is not passed
    /// on.
    pub(super) fn shown(
        &mut self,
        list: List,
        open: &Open,
        line: &[u8],
        message: &[u8],
        (id, now): (&Id, Now),
        result: &Value,
    ) -> (Vec<Step>, usize) {
        let (key, subject, name) = list.shape();
        let closed = |what: &str| (vec![Step::Client(reply::failed(id, what))], 0);
        let Some(items) = result.field(key).and_then(Value::items) else {
            return closed("the server's list cannot be read");
        };
        let all_tasks = list == List::Tasks && may_call(&self.rules, &self.server, Subject::Method, "tasks/list");
        let shown = |item: &Value| {
            let name = item.field(name).and_then(Value::text).filter(|name| is_plain(name));
            name.is_some_and(|name| match list {
                List::Tasks => all_tasks || self.shared().tasks.name_of(name).is_some(),
                _ => may_call(&self.rules, &self.server, subject, name),
            })
        };
        let keep: Vec<bool> = items.iter().map(shown).collect();
        let hidden = keep.iter().filter(|kept| !**kept).count();
        let shorten = |keep: &[bool]| shortened(line, message, key, result, keep);
        let steps = match list == List::Tools && self.shared().watch.is_some() {
            true => self.against_pins(open, (id, now), result, &keep, shorten),
            false => shorten(&keep).map(|shown| vec![Step::Client(shown)]),
        };
        steps.map_or_else(|| closed("the server's list cannot be shortened"), |steps| (steps, hidden))
    }
}

/// The line with the elements that are kept; as it came where those are all.
fn shortened(line: &[u8], message: &[u8], key: &str, result: &Value, keep: &[bool]) -> Option<Vec<u8>> {
    if keep.iter().all(|kept| *kept) {
        return Some(line.to_vec());
    }
    let wanted = |at: usize, _: &str| keep.get(at).copied().unwrap_or(false);
    let text = std::str::from_utf8(message).ok()?;
    let mut text =
        edit::replace(text, &["result", key], &mut |list| edit::filter(list, &mut |at, item| wanted(at, item)))?;
    if result.field("cacheScope").is_some() {
        text = edit::replace(&text, &["result", "cacheScope"], &mut |_| Some("\"private\"".to_owned()))?;
    }
    let is_short = |ttl: &Value| matches!(ttl, Value::Int(ttl) if *ttl <= LONGEST_KEPT);
    if result.field("ttlMs").is_some_and(|ttl| !is_short(ttl)) {
        text = edit::replace(&text, &["result", "ttlMs"], &mut |_| Some(LONGEST_KEPT.to_string()))?;
    }
    Some(format!("{text}\n").into_bytes())
}
