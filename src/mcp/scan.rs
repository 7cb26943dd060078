//! A message that is too long to be held, read while it goes by: as strictly as one that is read whole.
//!
//! ```text
//! {"jsonrpc":"2.0","id":7,"result":{"content":[ … 100 MiB … ],"isError":false}}
//!  └────── kept ───────┘            └─── let go by ─────────┘ └─── kept ────┘
//! ```
//! Invariant: accepts what [`Value::parse`](crate::policy::mcp::Value::parse) accepts and nothing else, but for bounds of
//! its own (length of a key and of a number, number of keys held, length of what is kept), beyond which it refuses. Memory
//! is bounded by those. Leaves to others: what is kept, read as a message (`message`); what to let by (`relay`).

mod number;
mod text;

use std::collections::HashSet;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use super::message::Fault;
use crate::policy::mcp::{Value, folded};
use text::{Taken, Text};

/// As deep as serde_json goes.
const DEEPEST: usize = 127;
/// Longest key, in bytes as written.
const LONGEST_KEY: usize = 16 << 10;
/// Most keys of the objects that are open at a time, 16 bytes each.
const MOST_KEYS: usize = 256 << 10;
/// Most of a message that is kept.
const MOST_KEPT: usize = 512 << 10;
/// What of a result decides about it; the rest goes by.
const DECIDING: [&str; 6] = ["taskId", "task", "inputRequests", "resultType", "isError", "requestState"];

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    /// After `[`.
    ValueOrEnd,
    /// After `{`.
    KeyOrEnd,
    Key,
    Colon,
    CommaOrEnd,
    /// The whole value was read.
    Nothing,
}

/// What is being read that has no end of its own.
#[derive(Debug)]
enum Within {
    Nothing,
    Key(Text),
    Text(Text),
    Number,
    /// `true`, `false`, `null`: what is still to come.
    Word(&'static [u8]),
}

/// An open array or object.
#[derive(Debug)]
enum Open {
    Array,
    /// Keys seen, hashed as a careless reader folds them: no two the same.
    Object(HashSet<u64>),
}

/// Reads one value in pieces.
#[derive(Debug)]
pub struct Scan {
    expect: Expect,
    within: Within,
    open: Vec<Open>,
    keys: usize,
    /// The key or number that is being read, as written.
    token: Vec<u8>,
    /// The message without what is let go by: an object.
    kept: Vec<u8>,
    keeping: bool,
    /// More was to be kept than is.
    overflows: bool,
    /// Keys of the outermost object, in order.
    members: Vec<String>,
    hashes: RandomState,
}

fn broken<T>(what: &str) -> Result<T, Fault> {
    Err(Fault::Json(what.to_owned()))
}

impl Scan {
    pub fn new() -> Scan {
        Scan {
            expect: Expect::Value,
            within: Within::Nothing,
            open: Vec::new(),
            keys: 0,
            token: Vec::new(),
            kept: Vec::new(),
            keeping: true,
            overflows: false,
            members: Vec::new(),
            hashes: RandomState::default(),
        }
    }

    /// More of it. Some: where in `bytes` the value's last byte is; what follows it is space.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        let mut at = 0;
        let mut last = None;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let was_over = self.expect == Expect::Nothing;
            at += match std::mem::replace(&mut self.within, Within::Nothing) {
                Within::Nothing => self.step(rest)?,
                Within::Key(text) => self.key(text, rest)?,
                Within::Text(text) => self.text(text, rest)?,
                Within::Number => self.number(rest)?,
                Within::Word(left) => self.word(left, rest)?,
            };
            if !was_over && self.expect == Expect::Nothing {
                last = Some(at - 1);
            }
        }
        Ok(last)
    }

    /// Whether the whole value was read.
    pub fn is_over(&self) -> bool {
        self.expect == Expect::Nothing
    }

    /// Whether what is read now lies in the result of a message that, as far as can be told, is a response.
    pub fn is_in_result(&self) -> bool {
        self.members.last().is_some_and(|key| key == "result")
            && self.open.len() >= 2
            && !self.overflows
            && self.members.iter().all(|key| matches!(key.as_str(), "jsonrpc" | "id" | "result"))
    }

    /// Whether the outermost object has had this key.
    pub fn has(&self, key: &str) -> bool {
        self.members.iter().any(|member| member == key)
    }

    /// The message without what went by, once it is over; empty where that is too much. A message of its own, whose result has only what decides.
    pub fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// The value of `id`, where it came already.
    pub fn id(&self) -> Option<Value> {
        if self.overflows || !self.has("id") || self.members.last().is_some_and(|last| last == "id") {
            return None;
        }
        let end = self.kept.iter().rposition(|byte| *byte == b',')?;
        // `{"id":1,"result":{…`: what is kept up to the last comma of the outermost object, closed
        let mut until = self.kept.get(..end)?;
        loop {
            let closed = [until, b"}"].concat();
            if let Ok(value) = Value::parse(&closed) {
                return value.field("id").cloned();
            }
            until = until.get(..until.iter().rposition(|byte| *byte == b',')?)?;
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if !self.keeping {
            return;
        }
        match self.kept.len() + bytes.len() > MOST_KEPT {
            true => (self.kept, self.overflows) = (Vec::new(), true),
            false if self.overflows => {}
            false => self.kept.extend_from_slice(bytes),
        }
    }

    /// One byte between tokens.
    fn step(&mut self, rest: &[u8]) -> Result<usize, Fault> {
        let Some(byte) = rest.first().copied() else { return Ok(0) };
        match (self.expect, byte) {
            (_, b'\r') if !self.open.is_empty() => return broken("a line break within"),
            (_, b' ' | b'\t' | b'\r' | b'\n') => {}
            (Expect::Key | Expect::KeyOrEnd, b'"') => {
                self.token.clear();
                self.token.push(b'"');
                self.within = Within::Key(Text::default());
            }
            (Expect::KeyOrEnd, b'}') | (Expect::ValueOrEnd, b']') => self.close(byte),
            (Expect::CommaOrEnd, b'}') if matches!(self.open.last(), Some(Open::Object(_))) => self.close(byte),
            (Expect::CommaOrEnd, b']') if matches!(self.open.last(), Some(Open::Array)) => self.close(byte),
            (Expect::CommaOrEnd, b',') => self.comma(),
            (Expect::Colon, b':') => {
                self.keep(b":");
                self.expect = Expect::Value;
            }
            (Expect::Value | Expect::ValueOrEnd, byte) => self.begin(byte)?,
            _ => return broken("not JSON"),
        }
        Ok(1)
    }

    fn comma(&mut self) {
        self.expect = match self.open.last() {
            Some(Open::Object(_)) => Expect::Key,
            _ => Expect::Value,
        };
        // The commas of members that may go by are written with the key that stays.
        match self.is_member() {
            true => {}
            false => self.keep(b","),
        }
    }

    /// Whether keys that come now are those of the message or of its result.
    fn is_member(&self) -> bool {
        matches!(self.open.last(), Some(Open::Object(_)))
            && match self.open.len() {
                1 => true,
                2 => self.members.last().is_some_and(|key| key == "result"),
                _ => false,
            }
    }

    fn begin(&mut self, byte: u8) -> Result<(), Fault> {
        match byte {
            b'[' if self.open.is_empty() => return Err(Fault::Batch),
            byte if self.open.is_empty() && byte != b'{' => return Err(Fault::Envelope("no object")),
            b'{' | b'[' => {
                if self.open.len() == DEEPEST {
                    return broken("not JSON");
                }
                self.keep(&[byte]);
                let is_object = byte == b'{';
                self.open.push(if is_object { Open::Object(HashSet::new()) } else { Open::Array });
                self.expect = if is_object { Expect::KeyOrEnd } else { Expect::ValueOrEnd };
            }
            b'"' => {
                self.keep(b"\"");
                self.within = Within::Text(Text::default());
            }
            b'-' | b'0'..=b'9' => {
                self.token.clear();
                self.token.push(byte);
                self.within = Within::Number;
            }
            b't' => self.begin_word(b"true"),
            b'f' => self.begin_word(b"false"),
            b'n' => self.begin_word(b"null"),
            _ => return broken("not JSON"),
        }
        Ok(())
    }

    fn begin_word(&mut self, word: &'static [u8]) {
        self.keep(word);
        self.within = Within::Word(word.get(1..).unwrap_or_default());
    }

    fn close(&mut self, byte: u8) {
        if let Some(Open::Object(keys)) = self.open.pop() {
            self.keys -= keys.len();
        }
        // The result itself ends, whatever of it went by.
        if self.open.len() == 1 && self.members.last().is_some_and(|key| key == "result") {
            self.keeping = true;
        }
        self.keep(&[byte]);
        self.ended();
    }

    /// A value was read.
    fn ended(&mut self) {
        self.expect = if self.open.is_empty() { Expect::Nothing } else { Expect::CommaOrEnd };
    }

    fn word(&mut self, left: &'static [u8], rest: &[u8]) -> Result<usize, Fault> {
        let count = left.len().min(rest.len());
        if left.get(..count) != rest.get(..count) {
            return broken("not JSON");
        }
        match left.get(count..) {
            Some(left) if !left.is_empty() => self.within = Within::Word(left),
            _ => self.ended(),
        }
        Ok(count)
    }

    fn number(&mut self, rest: &[u8]) -> Result<usize, Fault> {
        let count = rest.iter().position(|byte| !number::is_part(*byte)).unwrap_or(rest.len());
        let (part, more) = rest.split_at(count);
        if self.token.len() + count > number::LONGEST {
            return broken("a number that is too long");
        }
        self.token.extend_from_slice(part);
        if more.is_empty() {
            self.within = Within::Number;
            return Ok(count);
        }
        if !number::is_valid(&self.token) {
            return broken("not JSON");
        }
        let token = std::mem::take(&mut self.token);
        self.keep(&token);
        self.token = token;
        self.ended();
        Ok(count)
    }

    fn text(&mut self, mut text: Text, rest: &[u8]) -> Result<usize, Fault> {
        match text.take(rest) {
            Taken::Wrong => broken("not JSON"),
            Taken::More => {
                self.keep(rest);
                self.within = Within::Text(text);
                Ok(rest.len())
            }
            Taken::Over(count) => {
                self.keep(rest.get(..count).unwrap_or_default());
                self.ended();
                Ok(count)
            }
        }
    }

    fn key(&mut self, mut text: Text, rest: &[u8]) -> Result<usize, Fault> {
        let (count, is_over) = match text.take(rest) {
            Taken::Wrong => return broken("not JSON"),
            Taken::More => (rest.len(), false),
            Taken::Over(count) => (count, true),
        };
        if self.token.len() + count > LONGEST_KEY {
            return broken("a key that is too long");
        }
        self.token.extend_from_slice(rest.get(..count).unwrap_or_default());
        match is_over {
            true => self.named()?,
            false => self.within = Within::Key(text),
        }
        Ok(count)
    }

    /// A key was read: `token`, quoted.
    fn named(&mut self) -> Result<(), Fault> {
        let Ok(key) = serde_json::from_slice::<String>(&self.token) else { return broken("not JSON") };
        if key.contains('\0') {
            return broken("a key with a NUL");
        }
        let fold = self.hashes.hash_one(folded(&key));
        self.keys += 1;
        if self.keys > MOST_KEYS {
            return broken("too many keys");
        }
        if let Some(Open::Object(seen)) = self.open.last_mut()
            && !seen.insert(fold)
        {
            return broken("one key twice");
        }
        let is_member = self.is_member();
        if is_member && self.open.len() == 1 {
            self.members.push(key.clone());
        }
        if is_member {
            self.keeping = self.open.len() == 1 || decides(&key);
            if self.keeping && self.kept.last() != Some(&b'{') {
                self.keep(b",");
            }
        }
        let token = std::mem::take(&mut self.token);
        self.keep(&token);
        self.token = token;
        self.expect = Expect::Colon;
        Ok(())
    }
}

/// A key of a result that is, or is nearly, one that decides.
fn decides(key: &str) -> bool {
    let fold = folded(key);
    let fold = fold.trim_matches(|c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}');
    DECIDING.iter().any(|one| one.eq_ignore_ascii_case(fold))
}

#[cfg(test)]
mod tests;
