//! Eras and capabilities: what both sides say they can do, without what the policy forbids, and whom a changed policy is
//! told to.
//!
//! Invariant: no revision is kept for a connection; each request says its own, and what came before `initialize` says
//! nothing of the later. Leaves to others: judging (`calls`, `asks`).

use super::super::edit;
use super::super::message::Id;
use super::super::reply;
use super::Step;
use crate::policy::mcp::{McpRule, Subject, Value, may_call};

/// What a client can be asked for: its capability, and the method.
const ASKED: [(&str, &str); 3] =
    [("sampling", "sampling/createMessage"), ("elicitation", "elicitation/create"), ("roots", "roots/list")];
/// Where a request of 2026-07-28 has the client's capabilities.
const MODERN: &str = "io.modelcontextprotocol/clientCapabilities";
/// Lists that may change, and what a subscription calls them.
const LISTS: [(&str, &str); 3] =
    [("tools", "toolsListChanged"), ("prompts", "promptsListChanged"), ("resources", "resourcesListChanged")];
/// Subscriptions that are remembered.
const MOST_SUBSCRIPTIONS: usize = 256;

#[derive(Debug, Default)]
pub struct Features {
    /// Capabilities of the client that no rule lets the server use.
    denied: Vec<&'static str>,
    /// Lists of which the server has said, at `initialize`, that it tells when they change.
    advertised: Vec<&'static str>,
    subscriptions: Vec<Subscription>,
    legacy: bool,
    modern: bool,
}

#[derive(Debug)]
struct Subscription {
    id: Id,
    lists: Vec<&'static str>,
    acknowledged: bool,
}

impl Features {
    pub fn new(server: &str, rules: &[McpRule]) -> Features {
        Features { denied: denied(server, rules), ..Features::default() }
    }

    /// Other rules hold: clients that were promised it are told that lists changed.
    pub fn judge_by(&mut self, server: &str, rules: &[McpRule]) -> Vec<Step> {
        self.denied = denied(server, rules);
        let plain = self.advertised.iter().map(|kind| reply::list_changed(kind, None));
        let within = self.subscriptions.iter().filter(|one| one.acknowledged);
        let within = within.flat_map(|one| one.lists.iter().map(|kind| reply::list_changed(kind, Some(&one.id))));
        plain.chain(within).map(Step::Client).collect()
    }

    /// A request of the client's.
    pub fn begins(&mut self, id: &Id, method: &str, params: &Value, modern: bool) {
        self.legacy |= method == "initialize";
        self.modern |= modern;
        if method == "subscriptions/listen" && self.subscriptions.len() < MOST_SUBSCRIPTIONS {
            let wanted = |key: &str| params.pointer(&format!("/notifications/{key}")) == Some(&Value::Bool(true));
            let lists = LISTS.iter().filter(|(_, key)| wanted(key)).map(|(kind, _)| *kind).collect();
            self.subscriptions.push(Subscription { id: id.clone(), lists, acknowledged: false });
        }
    }

    /// A request is answered: a subscription ends so.
    pub fn ended(&mut self, id: &Id) {
        if !self.subscriptions.is_empty() {
            self.subscriptions.retain(|one| one.id != *id);
        }
    }

    /// The server began to serve a subscription: nothing may come in it before that.
    pub fn acknowledged(&mut self, params: &Value) {
        let id = params.pointer("/_meta/io.modelcontextprotocol~1subscriptionId");
        for one in &mut self.subscriptions {
            let is_it = match (id, &one.id) {
                (Some(Value::Text(text)), Id::Number(number)) => *text == number.to_string(),
                (Some(id), own) => Id::read(id).as_ref() == Some(own),
                (None, _) => false,
            };
            one.acknowledged |= is_it;
        }
    }

    /// What a result says of the server.
    pub fn learns(&mut self, method: &str, result: &Value) {
        if method == "initialize" {
            let tells =
                |kind: &str| result.pointer(&format!("/capabilities/{kind}/listChanged")) == Some(&Value::Bool(true));
            self.advertised = LISTS.iter().map(|(kind, _)| *kind).filter(|kind| tells(kind)).collect();
        }
    }

    /// Whether every request so far was of a revision in which servers make none.
    pub fn is_modern_alone(&self) -> bool {
        self.modern && !self.legacy
    }

    /// The line of a request without capabilities of the client that are denied; None: as it is. `server/discover` goes as
    /// it is in any case: by its answer clients tell eras apart, and nothing is asked of them in it.
    pub fn without_denied(&self, method: &str, params: &Value, message: &[u8]) -> Option<Vec<u8>> {
        let (at, path): (_, &[&str]) = match method {
            "server/discover" => return None,
            "initialize" => (params.field("capabilities")?, &["params", "capabilities"]),
            _ => (params.field("_meta")?.field(MODERN)?, &["params", "_meta", MODERN]),
        };
        let mut text = std::str::from_utf8(message).ok()?.to_owned();
        let mut is_changed = false;
        for feature in &self.denied {
            let within: [&[&str]; 2] = [&[feature], &["tasks", "requests", feature]];
            for more in within {
                if more.iter().try_fold(at, |at, key| at.field(key)).is_some() {
                    text = edit::replace(&text, &[path, more].concat(), &mut |_| None)?;
                    is_changed = true;
                }
            }
        }
        is_changed.then(|| format!("{text}\n").into_bytes())
    }
}

fn denied(server: &str, rules: &[McpRule]) -> Vec<&'static str> {
    let is_denied = |method: &str| !may_call(rules, server, Subject::Method, method);
    ASKED.iter().filter(|(_, method)| is_denied(method)).map(|(feature, _)| *feature).collect()
}
