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
use super::{Changed, Open, Question, Relay, Side, Step};
use crate::policy::Verdict;
use crate::policy::mcp::{Subject, Value};

/// What is known and seen of one server.
#[derive(Debug)]
pub struct Watch {
    pinned: Pinned,
    /// Nothing was pinned before: what is seen is.
    is_first_use: bool,
    on_change: OnChange,
    /// Digest of each tool, as the server showed it last.
    seen: BTreeMap<String, String>,
    /// Names on the pages of the list that is being read, from its first page on.
    pages: Option<BTreeSet<String>>,
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
            seen: BTreeMap::new(),
            pages: None,
            refused: BTreeSet::new(),
            gone: BTreeSet::new(),
        }
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

    /// One page of tools: what in it differs.
    fn page(&mut self, open: &Open, tools: &[(usize, String, Tool)]) -> Vec<Change> {
        if open.is_first {
            self.pages = Some(BTreeSet::new());
        }
        let mut changes = Vec::new();
        for (_, name, tool) in tools {
            if let Some(pages) = &mut self.pages {
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
    fn whole(&mut self) -> (Vec<Change>, Option<Step>) {
        let Some(names) = self.pages.take() else { return (Vec::new(), None) };
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
        id: &Id,
        result: &Value,
        keep: &[bool],
        shorten: impl Fn(&[bool]) -> Option<Vec<u8>>,
    ) -> Option<Vec<Step>> {
        let shared = Arc::clone(&self.shared);
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let watch = shared.watch.as_mut()?;
        let named = |(at, item): (usize, &Value)| {
            let name = item.field("name").and_then(Value::text).filter(|name| is_plain(name))?;
            Some((at, name.to_owned(), Tool::of(item)))
        };
        let tools: Vec<_> = result.field("tools")?.items()?.iter().enumerate().filter_map(named).collect();
        if watch.seen.len() + tools.len() > MOST_TOOLS {
            return None;
        }
        let changes = watch.page(open, &tools);
        let is_last = result.field("nextCursor").is_none_or(|cursor| *cursor == Value::Null);
        let (gone, pin) = if is_last { watch.whole() } else { (Vec::new(), None) };
        let mut steps: Vec<Step> = pin.into_iter().collect();
        if !gone.is_empty() {
            steps.push(Step::Changed(Box::new(Changed { changes: gone, verdict: Verdict::Allow })));
        }
        if changes.is_empty() {
            steps.insert(0, Step::Client(shorten(keep)?));
            return Some(steps);
        }
        let (refused, fresh): (Vec<Change>, Vec<Change>) =
            changes.into_iter().partition(|change| watch.refused.contains(&mark(change)));
        let without = |changes: &[&Change]| {
            let is_changed = |name: &str| changes.iter().any(|change| change.tool() == Some(name));
            let mut kept = keep.to_vec();
            for (at, _, _) in tools.iter().filter(|(_, name, _)| is_changed(name)) {
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
        steps.extend(self.decided(id, &open.method, on_change, [refused, fresh], [more, less]));
        Some(steps)
    }

    /// The answer to `initialize` or `server/discover`, whose instructions may not be what is pinned.
    pub(super) fn instructed(
        &mut self,
        open: &Open,
        line: &[u8],
        message: &[u8],
        id: &Id,
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
        let changes = match watch.refused.contains(&mark(&change)) {
            true => [vec![change], Vec::new()],
            false => [Vec::new(), vec![change]],
        };
        let on_change = watch.on_change;
        drop(shared);
        self.decided(id, &open.method, on_change, changes, [line.to_vec(), less])
    }

    /// Passes on `more`, `less`, or asks which; `changes`: those that were refused before, and the others.
    fn decided(
        &mut self,
        id: &Id,
        method: &str,
        on_change: OnChange,
        [refused, fresh]: [Vec<Change>; 2],
        [more, less]: [Vec<u8>; 2],
    ) -> Vec<Step> {
        let verdict = match on_change {
            OnChange::Log => Verdict::Allow,
            OnChange::Ask if !fresh.is_empty() => Verdict::Ask,
            OnChange::Ask | OnChange::Deny => Verdict::Deny,
        };
        let all = refused.iter().chain(&fresh).cloned().collect();
        let changed = Step::Changed(Box::new(Changed { changes: all, verdict }));
        let (more, less) = (vec![Step::Client(more)], vec![Step::Client(less)]);
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
                    rule: "pins".to_owned(),
                    reason: titles.join("; "),
                    changes: fresh.clone(),
                };
                let about = About::Answer(id.clone(), fresh);
                let parked = Parked { about, allowed: more, denied: less, token: None, steps: 0 };
                [vec![changed], self.park(parked, question)].concat()
            }
        }
    }
}
