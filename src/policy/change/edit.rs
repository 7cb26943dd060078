//! Changes to the text of a policy file: an entry more, an exception, an entry less.
//!
//! Invariant: nothing but the place named is touched; where the text is not laid out so that it can be done, None.
//! Leaves to others: whether the result is a policy, and says what was meant (`change`).

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A text after one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    pub text: String,
    /// Of the change, in bytes of the new text.
    pub at: usize,
}

impl Edited {
    /// From 1.
    pub fn line(&self) -> usize {
        self.text.get(..self.at).map_or(1, |before| before.matches('\n').count() + 1)
    }

    /// The line as it stands now, without indentation.
    pub fn shown(&self) -> &str {
        self.text.lines().nth(self.line() - 1).unwrap_or_default().trim()
    }
}

/// `entry`, already in TOML, more in the list `table.key`, which is made where it is missing. A word in its place
/// (`allow = "none"`) becomes a list.
pub fn add(text: &str, table: &str, key: &str, entry: &str) -> Option<Edited> {
    let parsed = DeTable::parse(text).ok()?;
    let Some(found) = parsed.get_ref().get(table) else {
        let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        let before = format!("{text}{gap}\n[{table}]\n");
        let at = before.len();
        return Some(Edited { text: format!("{before}{key} = [{entry}]\n"), at });
    };
    let DeValue::Table(entries) = found.get_ref() else { return None };
    let Some(value) = entries.get(key) else {
        let at = behind_header(text, table)?;
        return Some(splice(text, at..at, &format!("{key} = [{entry}]\n")));
    };
    let span = value.span();
    match value.get_ref() {
        DeValue::Array(items) => {
            let at = span.start + 1;
            let rest = text.get(at..)?;
            let indent = rest.strip_prefix('\n').map(|next| next.len() - next.trim_start_matches([' ', '\t']).len());
            let (new, skip) = match indent {
                Some(width) => (format!("\n{}{entry},", " ".repeat(width)), 1 + width),
                None if items.is_empty() => (entry.to_owned(), 0),
                None => (format!("{entry}, "), 0),
            };
            let mut edited = splice(text, at..at, &new);
            edited.at += skip;
            Some(edited)
        }
        _ => Some(splice(text, span, &format!("[{entry}]"))),
    }
}

/// An exception more for the entry whose pattern stands at byte `at`.
pub fn except(text: &str, at: usize, entry: &str) -> Option<Edited> {
    let parsed = DeTable::parse(text).ok()?;
    let element = element(parsed.get_ref(), at)?;
    let span = element.span();
    match element.get_ref() {
        DeValue::String(_) => {
            let written = text.get(span.clone())?;
            Some(splice(text, span, &format!("{{ path = {written}, except = [{entry}] }}")))
        }
        DeValue::Table(rule) => match rule.get("except").map(|list| (list.span(), list.get_ref())) {
            Some((list, DeValue::Array(items))) => {
                let more = if items.is_empty() { entry.to_owned() } else { format!("{entry}, ") };
                Some(splice(text, list.start + 1..list.start + 1, &more))
            }
            Some(_) => None,
            None => {
                let inside = text.get(span.clone())?.strip_suffix('}')?.trim_end().trim_end_matches(',').len();
                let from = span.start + inside;
                Some(splice(text, from..span.end, &format!(", except = [{entry}] }}")))
            }
        },
        _ => None,
    }
}

/// Without the entry whose text stands at byte `at`.
pub fn remove(text: &str, at: usize) -> Option<Edited> {
    let parsed = DeTable::parse(text).ok()?;
    let span = element(parsed.get_ref(), at)?.span();
    let rest = text.get(span.end..)?;
    let behind = rest.trim_start_matches([' ', '\t']);
    let end = match behind.strip_prefix(',') {
        Some(next) => text.len() - next.trim_start_matches([' ', '\t']).len(),
        None => span.end,
    };
    Some(splice(text, span.start..end, ""))
}

/// A TOML string of this text.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn splice(text: &str, range: std::ops::Range<usize>, new: &str) -> Edited {
    let mut changed = text.to_owned();
    let at = range.start;
    changed.replace_range(range, new);
    Edited { text: changed, at }
}

/// The byte behind the line `[table]`.
fn behind_header(text: &str, table: &str) -> Option<usize> {
    let header = format!("[{table}]");
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        at += line.len();
        let rest = line.trim_start().strip_prefix(&header);
        if rest.is_some_and(|rest| rest.trim().is_empty() || rest.trim_start().starts_with('#')) {
            return line.ends_with('\n').then_some(at);
        }
    }
    None
}

/// The element of some list that begins at byte `at`, or the table in a list that holds a value which does.
fn element<'t>(top: &'t DeTable<'t>, at: usize) -> Option<&'t Spanned<DeValue<'t>>> {
    let tables = top.values().filter_map(|value| match value.get_ref() {
        DeValue::Table(table) => Some(table),
        _ => None,
    });
    let lists = tables.flat_map(|table| table.values()).filter_map(|value| match value.get_ref() {
        DeValue::Array(items) => Some(items),
        _ => None,
    });
    lists.flat_map(|items| items.iter()).find(|item| {
        let holds = |table: &DeTable<'_>| table.values().any(|value| value.span().start == at);
        item.span().start == at || matches!(item.get_ref(), DeValue::Table(table) if holds(table))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(text: &str) -> String {
        add(text, "files", "read", "\"/n\"").expect(text).text
    }

    #[test]
    fn adds_where_there_is_a_place() {
        assert_eq!(added("version = 1\n"), "version = 1\n\n[files]\nread = [\"/n\"]\n");
        assert_eq!(added("[files] # x\nwrite = []\n"), "[files] # x\nread = [\"/n\"]\nwrite = []\n");
        assert_eq!(added("[files]\nread = []"), "[files]\nread = [\"/n\"]");
        assert_eq!(added("[files]\nread = [\"/a\"] # b"), "[files]\nread = [\"/n\", \"/a\"] # b");
        assert_eq!(added("[files]\nread = [\n  \"/a\",\n]"), "[files]\nread = [\n  \"/n\",\n  \"/a\",\n]");
        assert_eq!(added("files.read = [\"/a\"]"), "files.read = [\"/n\", \"/a\"]");
        let word = add("[network]\nallow = \"none\"\n", "network", "allow", "\"192.0.2.1\"").unwrap();
        assert_eq!((word.shown(), word.line()), ("allow = [\"192.0.2.1\"]", 2));
        assert_eq!(add("files = { write = [] }", "files", "read", "\"/n\""), None);
        let lines = add("[files]\nread = [\n  \"/a\",\n]", "files", "read", "\"/n\"").unwrap();
        assert_eq!((lines.shown(), lines.line()), ("\"/n\",", 3));
    }

    #[test]
    fn excepts_and_removes_one_entry() {
        let text = "[files]\ndeny = [\"/a\", { path = \"/b\" }, { path = '/c', except = ['/c/d'] }]\n";
        let at = |part: &str| text.find(part).unwrap();
        let excepted = |part: &str| except(text, at(part), "\"/n\"").unwrap().text;
        assert!(excepted("\"/a\"").contains("[{ path = \"/a\", except = [\"/n\"] }, {"));
        assert!(excepted("\"/b\"").contains("{ path = \"/b\", except = [\"/n\"] }, {"));
        assert!(excepted("'/c'").contains("except = [\"/n\", '/c/d']"));
        assert_eq!(except(text, 3, "\"/n\""), None);
        let list = "[exec]\ndeny = [\"su\", \"sudo\"]\n";
        let without = |part: &str| remove(list, list.find(part).unwrap()).unwrap().text;
        assert_eq!(without("\"su\""), "[exec]\ndeny = [\"sudo\"]\n");
        assert_eq!(without("\"sudo\""), "[exec]\ndeny = [\"su\", ]\n");
        assert!(DeTable::parse(&without("\"sudo\"")).is_ok());
    }

    #[test]
    fn strings_read_back() {
        for text in ["a", "a\"b\\c", "tab\tnew\nesc\u{1b}", "ä"] {
            let line = format!("x = {}", quoted(text));
            let parsed = DeTable::parse(&line).expect("TOML");
            let value = parsed.get_ref().get("x").map(|value| value.get_ref().as_str());
            assert_eq!(value, Some(Some(text)));
        }
    }
}
