//! Lists without what may not be called: by the request they answer, page by page, failing closed.

use super::super::edit;
use super::super::message::Id;
use super::super::reply;
use super::{Relay, Step};
use crate::policy::mcp::{Subject, Value, may_call};

/// A list that a client can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    Tools,
    Prompts,
    Resources,
    Templates,
}

impl List {
    pub fn of(method: &str) -> Option<List> {
        Some(match method {
            "tools/list" => List::Tools,
            "prompts/list" => List::Prompts,
            "resources/list" => List::Resources,
            "resources/templates/list" => List::Templates,
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
        }
    }
}

impl Relay {
    /// The answer to a list, and how many elements of it are not shown. A result that is no such list is not passed on.
    pub(super) fn shown(&self, list: List, line: &[u8], message: &[u8], id: &Id, result: &Value) -> (Step, usize) {
        let (key, subject, name) = list.shape();
        let closed = |what: &str| (Step::Client(reply::failed(id, what)), 0);
        let Some(items) = result.field(key).and_then(Value::items) else {
            return closed("the server's list cannot be read");
        };
        let shown = |item: &Value| {
            item.field(name)
                .and_then(Value::text)
                .is_some_and(|name| may_call(&self.rules, &self.server, subject, name))
        };
        let keep: Vec<bool> = items.iter().map(shown).collect();
        let hidden = keep.iter().filter(|kept| !**kept).count();
        if hidden == 0 {
            return (Step::Client(line.to_vec()), 0);
        }
        let wanted = &mut |at: usize, _: &str| keep.get(at).copied().unwrap_or(false);
        let text = std::str::from_utf8(message).ok();
        let written = text.and_then(|text| {
            edit::replace(text, &["result", key], &mut |list| edit::filter(list, &mut |at, item| wanted(at, item)))
        });
        match written {
            Some(written) => (Step::Client(format!("{written}\n").into_bytes()), hidden),
            None => closed("the server's list cannot be shortened"),
        }
    }
}
