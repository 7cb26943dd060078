//! Typed reading of one TOML table, with the place of everything that is wrong.
//!
//! Invariant: a key is either among those the caller names or the file is refused.
//! Leaves to others: which keys there are and what they mean (`document`).

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Layer, PolicyError, Source};

/// A value and the byte offset it stands at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    pub value: T,
    pub at: usize,
}

/// One table of a policy file.
pub struct Table<'t> {
    source: &'t Source,
    /// As written in messages: `[files]`, or empty for the file itself.
    name: &'static str,
    entries: &'t DeTable<'t>,
}

/// A number with a unit in its name, for `Table::quantity`.
pub type Units = &'static [(&'static str, u64)];
pub const BYTES: Units = &[
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("K", 1 << 10),
    ("M", 1 << 20),
    ("G", 1 << 30),
    ("T", 1 << 40),
];
pub const SECONDS: Units = &[("s", 1), ("m", 60), ("h", 3600), ("d", 86400)];

impl<'t> Table<'t> {
    /// The file's own table.
    pub fn top(source: &'t Source, entries: &'t DeTable<'t>) -> Table<'t> {
        Table { source, name: "", entries }
    }

    /// Refuses keys that are neither in `known` nor in `later`, and those in `later` with the reason that stands there.
    pub fn only(&self, known: &[&str], later: &[(&str, &str)]) -> Result<(), PolicyError> {
        let stranger = self
            .entries
            .keys()
            .filter(|key| !known.contains(&key.get_ref().as_ref()))
            .min_by_key(|key| key.span().start);
        let Some(key) = stranger else { return Ok(()) };
        let (name, at) = (key.get_ref().as_ref(), key.span().start);
        let place = if self.name.is_empty() { String::new() } else { format!(" in {}", self.name) };
        if let Some((_, why)) = later.iter().find(|(later, _)| *later == name) {
            let hint = Some("a rule that cannot be enforced as written is refused, not ignored: remove it".to_owned());
            return Err(self.fault(at, format!("'{name}'{place} cannot be enforced by this version: {why}"), hint));
        }
        let mut hint = closest(name, known).map(|near| format!("did you mean '{near}'? ")).unwrap_or_default();
        hint.push_str("keys: ");
        hint.push_str(&known.join(", "));
        Err(self.fault(at, format!("unknown key '{name}'{place}"), Some(hint)))
    }

    /// The table of this key. `name` is as written in messages.
    pub fn table(&self, key: &str, name: &'static str) -> Result<Option<Table<'t>>, PolicyError> {
        let Some(value) = self.entries.get(key) else { return Ok(None) };
        match value.get_ref() {
            DeValue::Table(entries) => Ok(Some(Table { source: self.source, name, entries })),
            other => Err(self.wrong(key, value.span().start, "a table", other)),
        }
    }

    /// The strings of an array.
    pub fn strings(&self, key: &str) -> Result<Vec<Located<String>>, PolicyError> {
        let items = self.items(key)?;
        items.iter().map(|item| self.item_string(key, item)).collect()
    }

    /// The elements of an array, of whatever type; empty without the key.
    pub fn items(&self, key: &str) -> Result<&'t [Spanned<DeValue<'t>>], PolicyError> {
        let Some(value) = self.entries.get(key) else { return Ok(&[]) };
        match value.get_ref() {
            DeValue::Array(items) => Ok(items),
            other => Err(self.wrong(key, value.span().start, "an array of strings", other)),
        }
    }

    /// The string of one element of the array `key`.
    pub fn item_string(&self, key: &str, item: &Spanned<DeValue<'t>>) -> Result<Located<String>, PolicyError> {
        match item.get_ref() {
            DeValue::String(text) => Ok(Located { value: text.to_string(), at: item.span().start }),
            other => Err(self.wrong(key, item.span().start, "an array of strings", other)),
        }
    }

    /// An element of the array `key` that is a table of its own.
    pub fn item_table(&self, item: &'t Spanned<DeValue<'t>>, name: &'static str) -> Option<Table<'t>> {
        match item.get_ref() {
            DeValue::Table(entries) => Some(Table { source: self.source, name, entries }),
            _ => None,
        }
    }

    /// Every key and where it stands.
    pub fn keys(&self) -> impl Iterator<Item = (&str, usize)> {
        self.entries.keys().map(|key| (key.get_ref().as_ref(), key.span().start))
    }

    /// The value of this key, of whatever type.
    pub fn value(&self, key: &str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.entries.get(key)
    }

    pub fn string(&self, key: &str) -> Result<Option<Located<String>>, PolicyError> {
        let Some(value) = self.entries.get(key) else { return Ok(None) };
        match value.get_ref() {
            DeValue::String(text) => Ok(Some(Located { value: text.to_string(), at: value.span().start })),
            other => Err(self.wrong(key, value.span().start, "a string", other)),
        }
    }

    /// One of some words.
    pub fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Result<Option<Located<T>>, PolicyError> {
        let Some(text) = self.string(key)? else { return Ok(None) };
        match words.iter().find(|(word, _)| *word == text.value) {
            Some((_, value)) => Ok(Some(Located { value: *value, at: text.at })),
            None => {
                let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                let hint = format!("one of: {}", names.join(", "));
                Err(self.fault(text.at, format!("'{}' is no value of '{key}'", text.value), Some(hint)))
            }
        }
    }

    pub fn boolean(&self, key: &str) -> Result<Option<Located<bool>>, PolicyError> {
        let Some(value) = self.entries.get(key) else { return Ok(None) };
        match value.get_ref() {
            DeValue::Boolean(yes) => Ok(Some(Located { value: *yes, at: value.span().start })),
            other => Err(self.wrong(key, value.span().start, "true or false", other)),
        }
    }

    /// A whole number from `least` to `most`.
    pub fn number(&self, key: &str, least: u64, most: u64) -> Result<Option<Located<u64>>, PolicyError> {
        self.quantity(key, least, most, &[])
    }

    /// A whole number, or a string of one and a unit.
    pub fn quantity(
        &self,
        key: &str,
        least: u64,
        most: u64,
        units: Units,
    ) -> Result<Option<Located<u64>>, PolicyError> {
        let Some(value) = self.entries.get(key) else { return Ok(None) };
        let at = value.span().start;
        let (shown, number) = match value.get_ref() {
            DeValue::Integer(whole) => (whole.to_string(), u64::from_str_radix(whole.as_str(), whole.radix()).ok()),
            DeValue::String(text) if !units.is_empty() => (text.to_string(), with_unit(text, units)),
            other => return Err(self.wrong(key, at, "a whole number", other)),
        };
        match number.filter(|number| (least..=most).contains(number)) {
            Some(value) => Ok(Some(Located { value, at })),
            None => {
                let mut hint = format!("a whole number from {least} to {most}");
                if !units.is_empty() {
                    let names: Vec<&str> = units.iter().map(|unit| unit.0).collect();
                    hint.push_str(&format!(", or a string with a unit: {}", names.join(", ")));
                }
                Err(self.fault(at, format!("{shown} is no value of '{key}'"), Some(hint)))
            }
        }
    }

    /// Where the file comes from.
    pub fn layer(&self) -> Layer {
        self.source.layer
    }

    /// Where the key stands.
    pub fn place_of(&self, key: &str) -> Option<usize> {
        self.entries.get_key_value(key).map(|(key, _)| key.span().start)
    }

    /// An error at a byte offset of the file.
    pub fn fault(&self, at: usize, reason: impl Into<String>, hint: Option<String>) -> PolicyError {
        PolicyError::at(self.source, at, reason, hint)
    }

    /// An error for a value of the wrong type.
    pub fn wrong(&self, key: &str, at: usize, wanted: &str, got: &DeValue<'_>) -> PolicyError {
        let got = match got {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        self.fault(at, format!("'{key}' wants {wanted}, not {got}"), None)
    }
}

fn with_unit(text: &str, units: Units) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at_checked(digits)?;
    let factor = units.iter().find(|(name, _)| *name == unit.trim_start())?.1;
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// The known word nearest to a mistyped one, when it is near enough to be meant.
pub fn closest<'w>(word: &str, known: &[&'w str]) -> Option<&'w str> {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    let far = |other: &str| distance(word, other);
    known.iter().copied().min_by_key(|other| far(other)).filter(|other| far(other) <= limit)
}

/// How many characters must be inserted, removed or replaced (Levenshtein), for words of up to 64 characters.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (to, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal + usize::from(from != to);
            diagonal = *cell;
            left = replaced.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        row[0] = i + 1;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_word_that_was_meant() {
        let known = ["read", "write", "exec", "deny", "readonly"];
        assert_eq!(closest("reed", &known), Some("read"));
        assert_eq!(closest("raed_only", &known), Some("readonly"));
        assert_eq!(closest("colour", &known), None);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn reads_units() {
        assert_eq!(with_unit("2GiB", BYTES), Some(2 << 30));
        assert_eq!(with_unit("90 m", SECONDS), Some(5400));
        assert_eq!(with_unit("1GB", BYTES), None);
        assert_eq!(with_unit("99999999999999999999GiB", BYTES), None);
        assert_eq!(with_unit("18446744073709551615KiB", BYTES), None);
    }
}
