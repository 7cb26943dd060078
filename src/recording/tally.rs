//! Figures of a frame or of a whole session: what timelines and listings are drawn from without reading lines.
//!
//! Invariant: adds saturate and kinds are interned, so that a hostile file can neither overflow nor fill the memory.
//! Leaves to others: where they stand in the file (`frame`, `directory`).

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::lines::is_denied;
use super::words::{interned, kind};
use crate::event::Event;

/// Events by kind; a kind without any is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts(Vec<(&'static str, u64)>);

impl Counts {
    /// Events of `kind`.
    pub fn get(&self, kind: &str) -> u64 {
        self.0.binary_search_by(|entry| entry.0.cmp(kind)).ok().and_then(|at| self.0.get(at)).map_or(0, |entry| entry.1)
    }

    /// Kinds in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().copied()
    }

    /// Their numbers.
    pub fn values(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().map(|entry| entry.1)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, kind: &'static str, count: u64) {
        match self.0.binary_search_by(|entry| entry.0.cmp(kind)) {
            Ok(at) => {
                if let Some(entry) = self.0.get_mut(at) {
                    entry.1 = entry.1.saturating_add(count);
                }
            }
            Err(at) => self.0.insert(at, (kind, count)),
        }
    }
}

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Counts;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("numbers by kind")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Counts, A::Error> {
                let mut counts = Counts::default();
                while let Some((kind, count)) = map.next_entry::<String, u64>()? {
                    counts.add(interned(&kind), count);
                }
                Ok(counts)
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

/// What is known of a frame, or of the whole session, without reading its lines.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    pub counts: Counts,
    /// Decisions that were a denial.
    pub denied: u64,
    /// Questions that were put. Absent in format 1.
    #[serde(skip_serializing_if = "is_zero")]
    pub asked: u64,
    /// Bytes that the agent wrote to its terminal and streams. Absent in format 1.
    #[serde(rename = "out", skip_serializing_if = "is_zero")]
    pub output: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Tally {
    pub fn add(&mut self, event: &Event) {
        let kind = kind(event);
        self.counts.add(kind, 1);
        self.denied += u64::from(is_denied(event));
        self.asked += u64::from(kind == "ask");
        if let Event::Output { data, .. } = event {
            self.output += data.len() as u64;
        }
    }

    /// Adds the figures of another part of the session.
    pub fn merge(&mut self, other: &Tally) {
        for (kind, count) in other.counts.iter() {
            self.counts.add(kind, count);
        }
        self.denied = self.denied.saturating_add(other.denied);
        self.asked = self.asked.saturating_add(other.asked);
        self.output = self.output.saturating_add(other.output);
    }

    /// Events of `kind`.
    pub fn count(&self, kind: &str) -> u64 {
        self.counts.get(kind)
    }

    /// Something in it changed what the terminal showed.
    pub fn draws(&self) -> bool {
        self.count("output") > 0 || self.count("resize") > 0
    }
}
