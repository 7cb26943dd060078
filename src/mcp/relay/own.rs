//! The relay's own look at a server's tools, for clients that call one without having asked for the list: what they call is
//! then what is pinned, or is pinned by it.
//!
//! ```text
//! client ─ tools/call ─▶ held ······················· judged ─▶ server
//!                          └─ tools/list of ours, page by page ─┘ all seen, or the server would not
//! ```
//! Invariant: what is held was not sent, and is judged as any other call when it goes on; no page that we asked for reaches
//! the client. Bounded: calls that are held, their bytes, pages. Leaves to others: what a page means (`watch`).

use std::collections::VecDeque;

use super::super::frame::Line;
use super::super::message::{Id, Message};
use super::super::pins::{Change, canonical};
use super::super::reply;
use super::calls::{REVISION, Request};
use super::lists::List;
use super::{Now, Open, Relay, Side, Step};
use crate::policy::mcp::{Subject, Value, may_call};

/// Calls that wait for the list, and their bytes.
const MOST_HELD: usize = 64;
const MOST_BYTES: usize = 16 << 20;
/// Pages that we ask for.
const MOST_PAGES: usize = 256;
/// Of a request's `_meta`, what a request of ours needs as well (2026-07-28, §Requests): revision, client, capabilities.
const NEEDED: &str = "io.modelcontextprotocol/";

/// How far the look has come.
#[derive(Debug, Default)]
pub struct Own {
    pub enabled: bool,
    /// All pages were seen, or could not be had: until the server says that they changed.
    done: bool,
    listing: Option<Listing>,
    asked: u64,
}

#[derive(Debug)]
struct Listing {
    id: Id,
    /// `_meta` of our requests.
    meta: Option<String>,
    modern: bool,
    pages: usize,
    changes: Vec<Change>,
    held: VecDeque<(Id, Vec<u8>)>,
}

impl Own {
    /// The server's tools are others now.
    pub fn changed(&mut self) {
        self.done = false;
    }

    /// Whether the look waits for somebody's answer about this request of ours.
    pub fn is_asked(&self, id: &Id) -> bool {
        self.listing.as_ref().is_some_and(|listing| listing.id == *id)
    }
}

impl Relay {
    /// Whether this tool has to be looked at before it can be called.
    pub(super) fn must_look(&self, name: &str) -> bool {
        let unseen = || self.shared().watch.as_ref().is_some_and(|watch| !watch.has_seen(name));
        self.own.enabled && !self.own.done && unseen()
    }

    /// Holds a call until the tools were seen, and asks for them.
    pub(super) fn hold(&mut self, request: Request<'_>, name: &str) -> Vec<Step> {
        let (id, line, modern) = (request.id.clone(), request.line.clone(), request.modern);
        let held = self.own.listing.iter().flat_map(|listing| &listing.held);
        let (count, bytes) = held.fold((0, 0), |(count, bytes), (_, line)| (count + 1, bytes + line.len()));
        if count >= MOST_HELD || bytes + line.len() > MOST_BYTES {
            return vec![Step::Client(reply::failed(&id, "too many calls before the server's tools are known"))];
        }
        let meta = request.params.field("_meta").filter(|_| modern).and_then(needed);
        // It was not sent, so that nothing the server says can answer it.
        let now = request.now;
        self.opened(request, name);
        if let Some(open) = self.from_client.get_mut(&id) {
            open.is_parked = true;
        }
        if let Some(listing) = &mut self.own.listing {
            listing.held.push_back((id, line));
            return Vec::new();
        }
        let held = VecDeque::from([(id, line)]);
        let empty = Id::Text(String::new());
        self.own.listing = Some(Listing { id: empty, meta, modern, pages: 0, changes: Vec::new(), held });
        self.next_page(None, now)
    }

    /// Whether a message calls a tool that has to be looked at first, where calls are not held: see [`Relay::look_before`].
    pub fn must_look_before(&self, message: &Message) -> bool {
        let Message::Request { method, params, .. } = message else { return false };
        let Some(name) = params.field("name").and_then(Value::text).filter(|_| method == "tools/call") else {
            return false;
        };
        let unseen = self.shared().watch.as_ref().is_some_and(|watch| !watch.looked && !watch.has_seen(name));
        unseen && may_call(&self.rules, &self.server, Subject::Tool, name)
    }

    /// Begins the look, on a connection of its own; what the server says to these requests comes back by
    /// [`Relay::server`], and leads to further ones or to nothing. None: there is nothing to look at by now.
    pub fn look_before(&mut self, message: &Message, now: Now) -> Option<Vec<Step>> {
        if !self.must_look_before(message) {
            return None;
        }
        let Message::Request { params, .. } = message else { return None };
        if let Some(watch) = &mut self.shared().watch {
            watch.looked = true;
        }
        let modern = params.pointer(REVISION).is_some();
        let meta = params.field("_meta").filter(|_| modern).and_then(needed);
        let empty = Id::Text(String::new());
        let held = VecDeque::new();
        self.own.listing = Some(Listing { id: empty, meta, modern, pages: 0, changes: Vec::new(), held });
        Some(self.next_page(None, now))
    }

    /// A call that is held is withdrawn; false where none is.
    pub(super) fn unhold(&mut self, id: &Id) -> bool {
        let Some(listing) = &mut self.own.listing else { return false };
        let before = listing.held.len();
        listing.held.retain(|(held, _)| held != id);
        let was_held = listing.held.len() < before;
        if was_held {
            self.from_client.remove(id);
        }
        was_held
    }

    /// Asks for a page: the first without a cursor.
    fn next_page(&mut self, cursor: Option<&Value>, now: Now) -> Vec<Step> {
        let id = loop {
            self.own.asked += 1;
            let id = Id::Text(format!("govsh-tools-{}", self.own.asked));
            if !self.from_client.contains_key(&id) {
                break id;
            }
        };
        let Some(listing) = &mut self.own.listing else { return Vec::new() };
        listing.id = id.clone();
        listing.pages += 1;
        let cursor = cursor.map(|cursor| format!("\"cursor\":{}", canonical(cursor, &[])));
        let meta = listing.meta.as_ref().map(|meta| format!("\"_meta\":{meta}"));
        let params: Vec<String> = cursor.iter().chain(&meta).cloned().collect();
        let line = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/list\",\"params\":{{{}}}}}\n",
            params.join(",")
        );
        let open = Open {
            method: "tools/list".to_owned(),
            name: String::new(),
            list: Some(List::Tools),
            is_first: cursor.is_none(),
            started: now.at,
            modern: listing.modern,
            is_parked: false,
            is_own: true,
        };
        self.from_client.insert(id, open);
        vec![Step::Server(line.into_bytes())]
    }

    /// The server's answer to a request of ours; None: it would not, or not in words that can be read.
    pub(super) fn looked(&mut self, id: &Id, open: &Open, result: Option<&Value>, now: Now) -> Vec<Step> {
        let page = result.and_then(|result| self.shared().watch.as_mut()?.look(open, result));
        let Some(page) = page else {
            let failed = "the server's tools, asked for before a call: they cannot be had";
            return [vec![Step::dropped(Side::Server, failed)], self.go_on(now)].concat();
        };
        let mut steps = page.told;
        let Some(listing) = &mut self.own.listing else { return steps };
        listing.changes.extend(page.changes);
        match page.next.filter(|_| listing.pages < MOST_PAGES) {
            Some(cursor) => steps.extend(self.next_page(Some(&cursor), now)),
            None => {
                let changes = std::mem::take(&mut listing.changes);
                let is_asked = |steps: &[Step]| steps.iter().any(|step| matches!(step, Step::Park(_)));
                let decided = self.unlike(id, &open.method, changes, now);
                let waits = is_asked(&decided);
                steps.extend(decided);
                if !waits {
                    steps.extend(self.go_on(now));
                }
            }
        }
        steps
    }

    /// What was held is judged now.
    pub(super) fn go_on(&mut self, now: Now) -> Vec<Step> {
        self.own.done = true;
        let held = self.own.listing.take().map(|listing| listing.held).unwrap_or_default();
        let mut steps = Vec::new();
        for (id, bytes) in held {
            self.from_client.remove(&id);
            let line = Line { marked: bytes.starts_with(b"\xef\xbb\xbf"), bytes };
            steps.extend(self.client(&line.bytes, line.message(), now));
        }
        steps
    }
}

/// Of `_meta`, what a request of ours says as well.
fn needed(meta: &Value) -> Option<String> {
    let Value::Object(fields) = meta else { return None };
    let fields = fields.iter().filter(|(key, _)| key.starts_with(NEEDED)).cloned().collect();
    Some(canonical(&Value::Object(fields), &[]))
}
