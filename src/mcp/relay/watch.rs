//! A server held to what is pinned of it.
//!
//! Invariant: a tool or instructions that are not what is pinned do not reach the client, and such a tool is not called,
//! before somebody accepted them or the policy only logs. Leaves to others: comparing (`pins`), the file (`session`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use super::super::edit;
use super::super::message::Id;
use super::super::pins::{Change, Identity, MOST_TOOLS, OnChange, Pinned, Tool, compare_instructions, compare_tool};
use super::parked::{About, Parked};
use super::subject::is_plain;
use super::{Changed, Now, Open, Question, Relay, Side, Step};
use crate::policy::Verdict;
use crate::policy::mcp::{Subject, Value};

/// What is told as the rule where the pins decide; what is denied to the client names it, too.
pub const PINS: &str = "pins";

/// What is known and seen of one server.
#[derive(Debug)]
pub struct Watch {
    pinned: Pinned,
    /// Nothing was pinned before: what is seen is.
    is_first_use: bool,
    on_change: OnChange,
    /// The relay has looked itself: see `own`.
    pub looked: bool,
    /// Digest of each tool, as the server showed it last.
    seen: BTreeMap<String, String>,
    /// Names on the pages of the list that is being read, from its first page on: the client's, and the relay's own.
    pages: [Option<BTreeSet<String>>; 2],
    /// Changes that were refused, by what they are about and became: they are not asked about again.
    refused: BTreeSet<String>,
    /// Removals that were told of.
    gone: BTreeSet<String>,
}

impl Watch {
    pub fn new(known: Option<Pinned>, identity: Identity, on_change: OnChange) -> Watch {
        let is_first_use = known.is_none();
        Watch {
            pinned: known.unwrap_or_else(|| Pinned::new(identity)),
            is_first_use,
            on_change,
            looked: false,
            seen: BTreeMap::new(),
            pages: [None, None],
            refused: BTreeSet::new(),
            gone: BTreeSet::new(),
        }
    }

    /// Whether the server has shown this tool.
    pub fn has_seen(&self, name: &str) -> bool {
        self.seen.contains_key(name)
    }

    /// Why a tool must not be called, if so.
    pub fn against(&self, name: &str) -> Option<&'static str> {
        if self.on_change == OnChange::Log {
            return None;
        }
        match (self.pinned.tools.get(name), self.seen.get(name)) {
            (Some(pinned), Some(seen)) if pinned.digest != *seen => Some("the tool is not what was pinned"),
            (None, Some(_)) => Some("the tool is not pinned"),
            (None, None) => Some("the tool was never listed, so it is not pinned"),
            _ => None,
        }
    }

    /// Somebody accepted or refused changes.
    pub fn settled(&mut self, changes: &[Change], accepted: bool) -> Option<Step> {
        if !accepted || changes.is_empty() {
            self.refused.extend(changes.iter().map(mark));
            return None;
        }
        changes.iter().for_each(|change| change.accept(&mut self.pinned));
        Some(Step::Pin(Box::new(self.pinned.clone())))
    }

    /// What a page of tools says. None: it cannot be read, or there are too many.
    pub fn look(&mut self, open: &Open, result: &Value) -> Option<Page> {
        let named = |(at, item): (usize, &Value)| {
            let name = item.field("name").and_then(Value::text).filter(|name| is_plain(name))?;
            Some((at, name.to_owned(), Tool::of(item)))
        };
        let tools: Vec<_> = result.field("tools")?.items()?.iter().enumerate().filter_map(named).collect();
        if self.seen.len() + tools.len() > MOST_TOOLS {
            return None;
        }
        let changes = self.page(open, &tools);
        let next = result.field("nextCursor").filter(|cursor| **cursor != Value::Null).cloned();
        let (gone, pin) = if next.is_none() { self.whole(open) } else { (Vec::new(), None) };
        let mut told: Vec<Step> = pin.into_iter().collect();
        if !gone.is_empty() {
            told.push(Step::Changed(Box::new(Changed { changes: gone, verdict: Verdict::Allow })));
        }
        let tools = tools.into_iter().map(|(at, name, _)| (at, name)).collect();
        Some(Page { tools, changes, next, told })
    }

    /// What in it differs.
    fn page(&mut self, open: &Open, tools: &[(usize, String, Tool)]) -> Vec<Change> {
        let [of_client, own] = &mut self.pages;
        let pages = if open.is_own { own } else { of_client };
        if open.is_first {
            *pages = Some(BTreeSet::new());
        }
        let mut changes = Vec::new();
        for (_, name, tool) in tools {
            if let Some(pages) = pages {
                pages.insert(name.clone());
            }
            self.seen.insert(name.clone(), tool.digest.clone());
            if self.is_first_use {
                self.pinned.tools.entry(name.clone()).or_insert_with(|| tool.clone());
            }
            changes.extend(compare_tool(&self.pinned, name, tool));
        }
        changes
    }

    /// All pages were seen: what is not there any more, and the end of the first use.
    fn whole(&mut self, open: &Open) -> (Vec<Change>, Option<Step>) {
        let [of_client, own] = &mut self.pages;
        let pages = if open.is_own { own } else { of_client };
        let Some(names) = pages.take() else { return (Vec::new(), None) };
        if self.is_first_use {
            self.is_first_use = false;
            return (Vec::new(), Some(Step::Pin(Box::new(self.pinned.clone()))));
        }
        let is_gone = |(name, _): &(&String, &Tool)| !names.contains(*name) && !self.gone.contains(*name);
        let gone = self.pinned.tools.iter().filter(is_gone);
        let gone: Vec<Change> =
            gone.map(|(name, was)| Change::Removed { name: name.clone(), was: was.clone() }).collect();
        self.gone.extend(gone.iter().filter_map(Change::tool).map(str::to_owned));
        (gone, None)
    }

    /// Changes that were refused before, and the others.
    fn known(&self, changes: Vec<Change>) -> [Vec<Change>; 2] {
        changes.into_iter().partition(|change| self.refused.contains(&mark(change))).into()
    }
}

/// What one page of tools says.
#[derive(Debug)]
pub struct Page {
    /// Where on it they stand, by name.
    tools: Vec<(usize, String)>,
    pub changes: Vec<Change>,
    /// The cursor of the next one.
    pub next: Option<Value>,
    /// What follows from it all, besides.
    pub told: Vec<Step>,
}

/// What a change is about and what it became.
fn mark(change: &Change) -> String {
    match change {
        Change::Identity { is, .. } => format!("identity {is:?}"),
        Change::Instructions { is, .. } => format!("instructions {is:?}"),
        Change::Added { name, is } | Change::Tool { name, is, .. } => format!("tool {name} {}", is.digest),
        Change::Removed { name, .. } => format!("gone {name}"),
    }
}

impl Relay {
    /// A page of tools beside what is pinned; `shorten` makes it from what of it is kept. None: it could not be made.
    pub(super) fn against_pins(
        &mut self,
        open: &Open,
        (id, now): (&Id, Now),
        result: &Value,
        keep: &[bool],
        shorten: impl Fn(&[bool]) -> Option<Vec<u8>>,
    ) -> Option<Vec<Step>> {
        let shared = Arc::clone(&self.shared);
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let watch = shared.watch.as_mut()?;
        let Page { tools, changes, told, .. } = watch.look(open, result)?;
        if changes.is_empty() {
            return Some([vec![Step::Client(shorten(keep)?)], told].concat());
        }
        let [refused, fresh] = watch.known(changes);
        let without = |changes: &[&Change]| {
            let is_changed = |name: &str| changes.iter().any(|change| change.tool() == Some(name));
            let mut kept = keep.to_vec();
            for (at, _) in tools.iter().filter(|(_, name)| is_changed(name)) {
                if let Some(kept) = kept.get_mut(*at) {
                    *kept = false;
                }
            }
            shorten(&kept)
        };
        let more = if watch.on_change == OnChange::Log {
            shorten(keep)?
        } else {
            without(&refused.iter().collect::<Vec<_>>())?
        };
        let less = without(&refused.iter().chain(&fresh).collect::<Vec<_>>())?;
        let on_change = watch.on_change;
        drop(shared);
        let lines = [more, less].map(|line| vec![Step::Client(line)]);
        Some([told, self.decided((id, now), &open.method, on_change, [refused, fresh], lines)].concat())
    }

    /// What follows from changes of tools that no client has asked for.
    pub(super) fn unlike(&mut self, id: &Id, method: &str, changes: Vec<Change>, now: Now) -> Vec<Step> {
        if changes.is_empty() {
            return Vec::new();
        }
        let found = self.shared().watch.as_ref().map(|watch| (watch.on_change, watch.known(changes)));
        let Some((on_change, changes)) = found else { return Vec::new() };
        self.decided((id, now), method, on_change, changes, [Vec::new(), Vec::new()])
    }

    /// The answer to `initialize` or `server/discover`, whose instructions may not be what is pinned.
    pub(super) fn instructed(
        &mut self,
        open: &Open,
        line: &[u8],
        message: &[u8],
        (id, now): (&Id, Now),
        result: &Value,
    ) -> Vec<Step> {
        let as_it_is = vec![Step::Client(line.to_vec())];
        if !matches!(open.method.as_str(), "initialize" | "server/discover") {
            return as_it_is;
        }
        let shared = Arc::clone(&self.shared);
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(watch) = &mut shared.watch else { return as_it_is };
        let is = result.field("instructions").and_then(Value::text);
        if watch.is_first_use {
            watch.pinned.instructions = is.map(str::to_owned);
            return as_it_is;
        }
        let Some(change) = compare_instructions(&watch.pinned, is) else { return as_it_is };
        let less = std::str::from_utf8(message).ok().and_then(|text| match is {
            Some(_) => edit::replace(text, &["result", "instructions"], &mut |_| None),
            None => Some(text.to_owned()),
        });
        let less = format!("{}\n", less.unwrap_or_default()).into_bytes();
        let (on_change, changes) = (watch.on_change, watch.known(vec![change]));
        drop(shared);
        let lines = [line.to_vec(), less].map(|line| vec![Step::Client(line)]);
        self.decided((id, now), &open.method, on_change, changes, lines)
    }

    /// Takes the steps `more`, `less`, or asks which; `changes`: those that were refused before, and the others.
    fn decided(
        &mut self,
        (id, now): (&Id, Now),
        method: &str,
        on_change: OnChange,
        [refused, fresh]: [Vec<Change>; 2],
        [more, less]: [Vec<Step>; 2],
    ) -> Vec<Step> {
        let verdict = match on_change {
            OnChange::Log => Verdict::Allow,
            OnChange::Ask if !fresh.is_empty() => Verdict::Ask,
            OnChange::Ask | OnChange::Deny => Verdict::Deny,
        };
        let all = refused.iter().chain(&fresh).cloned().collect();
        let changed = Step::Changed(Box::new(Changed { changes: all, verdict }));
        match verdict {
            Verdict::Allow => [vec![changed], more].concat(),
            Verdict::Deny => [vec![changed], less].concat(),
            Verdict::Ask => {
                let titles: Vec<String> = fresh.iter().map(Change::title).collect();
                let question = Question {
                    ticket: 0,
                    side: Side::Server,
                    id: id.clone(),
                    method: method.to_owned(),
                    subject: Subject::Method,
                    name: method.to_owned(),
                    arguments: None,
                    rule: PINS.to_owned(),
                    reason: titles.join("; "),
                    changes: fresh.clone(),
                };
                let parked = Parked::new(About::Answer(id.clone(), fresh), question, [more, less]);
                [vec![changed], self.park(parked, now)].concat()
            }
        }
    }
}
