//! What an argument must be: closed, typed conditions, each of which holds, does not hold, or cannot be told.
//!
//! Invariant: a missing argument and one of another type are never taken for a match by what allows, nor for a mismatch by
//! what denies ([`Holds::Unknown`]). Nothing here runs longer than in proportion to the argument.
//! Leaves to others: which rule asks (`rule`), reading them from a file (`document`).

use std::net::IpAddr;

use regex::Regex;

use super::super::host::Place;
use super::super::network::{HostPattern, IpRange};
use super::super::pattern::Glob;
use super::value::Value;

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    Yes,
    No,
    /// The argument is missing or of another type.
    Unknown,
}

impl Holds {
    fn of(yes: bool) -> Holds {
        if yes { Holds::Yes } else { Holds::No }
    }

    /// Both.
    fn and(self, other: Holds) -> Holds {
        match (self, other) {
            (Holds::Unknown, _) | (_, Holds::Unknown) => Holds::Unknown,
            (Holds::Yes, Holds::Yes) => Holds::Yes,
            _ => Holds::No,
        }
    }
}

/// One condition on one argument.
#[derive(Debug, Clone)]
pub enum Matcher {
    Exists(bool),
    /// Its JSON type, by the word of [`Value::kind`]; `number` takes whole numbers too.
    Type(String),
    In(Vec<Value>),
    NotIn(Vec<Value>),
    /// `*` within one segment between slashes, `**` over any number of them.
    Glob(Vec<Segments>),
    Prefix(Vec<String>),
    Regex(Box<Regex>),
    /// Of a number, both ends included.
    Range {
        least: Option<f64>,
        most: Option<f64>,
    },
    /// Characters of a string, elements of an array, keys of an object; both ends included.
    Length {
        least: usize,
        most: usize,
    },
    /// An absolute path within one of these, `..` and NUL refused, without looking at any file.
    Under(Vec<Vec<u8>>),
    /// A host, or a URL whose host it is.
    Host(Vec<HostPattern>),
    /// An address, or a URL of one.
    Within(Vec<IpRange>),
    /// The scheme of a URL, lower case.
    Scheme(Vec<String>),
    /// Every element of an array; an empty one holds.
    Each(Box<Vec<Matcher>>),
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Matcher) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

/// A glob over segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segments(Vec<Segment>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Glob(Glob),
    Any,
}

impl Segments {
    /// Every text is a glob.
    pub fn parse(text: &str) -> Segments {
        let segment = |part: &str| match part {
            "**" => Segment::Any,
            part => Glob::parse(part).map_or_else(|| Segment::Literal(part.to_owned()), Segment::Glob),
        };
        Segments(text.split('/').map(segment).collect())
    }

    /// A text with a `.` or `..` segment leads elsewhere than it says: only the same literal matches it.
    pub fn matches(&self, text: &str) -> bool {
        match self.0.as_slice() {
            [Segment::Literal(literal)] => literal == text,
            [one] if !text.contains('/') => match one {
                Segment::Any => !is_dots(text),
                one => one.takes(text),
            },
            [Segment::Any] => !text.split('/').any(is_dots),
            [_] => false,
            _ => self.matches_each(text),
        }
    }

    fn matches_each(&self, text: &str) -> bool {
        let parts: Vec<&str> = text.split('/').collect();
        // reached[i]: what is done of the pattern so far takes the first i parts
        let mut reached = vec![false; parts.len() + 1];
        reached[0] = true;
        for segment in &self.0 {
            let mut next = vec![false; reached.len()];
            let mut open = false;
            for (at, was) in reached.iter().enumerate() {
                open |= *was;
                let part = parts.get(at);
                match segment {
                    Segment::Any => next[at] = open,
                    one if *was && part.is_some_and(|part| one.takes(part)) => next[at + 1] = true,
                    _ => {}
                }
                if matches!(segment, Segment::Any) && part.is_some_and(|part| is_dots(part)) {
                    open = false;
                }
            }
            reached = next;
        }
        reached.last() == Some(&true)
    }
}

/// Whether a segment, or a part of it to a reader that takes `%2f` and `\` for a separator, is `.` or `..`.
fn is_dots(part: &str) -> bool {
    if !part.contains(['.', '%']) {
        return false;
    }
    let plain = part.replace('\\', "/");
    let plain = match plain.contains('%') {
        true => plain.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/"),
        false => plain,
    };
    plain.split('/').any(|piece| matches!(piece, "." | ".."))
}

impl Segment {
    fn takes(&self, part: &str) -> bool {
        match self {
            Segment::Literal(literal) => literal == part,
            Segment::Glob(glob) => !is_dots(part) && glob.matches(part.as_bytes()),
            Segment::Any => false,
        }
    }
}

/// Whether all conditions hold for an argument; None: it is not there.
pub fn all(matchers: &[Matcher], value: Option<&Value>) -> Holds {
    matchers.iter().fold(Holds::Yes, |so_far, matcher| so_far.and(matcher.holds(value)))
}

impl Matcher {
    pub fn holds(&self, value: Option<&Value>) -> Holds {
        if let Matcher::Exists(wanted) = self {
            return Holds::of(value.is_some() == *wanted);
        }
        let Some(value) = value else { return Holds::Unknown };
        match self {
            Matcher::Exists(_) => Holds::Unknown,
            Matcher::Type(wanted) => {
                Holds::of(value.kind() == wanted || wanted == "number" && matches!(value, Value::Int(_)))
            }
            Matcher::In(values) => among(values, value),
            Matcher::NotIn(values) => match among(values, value) {
                Holds::Yes => Holds::No,
                Holds::No => Holds::Yes,
                Holds::Unknown => Holds::Unknown,
            },
            Matcher::Range { least, most } => within(*least, *most, value),
            Matcher::Length { least, most } => match length(value) {
                Some(length) => Holds::of((*least..=*most).contains(&length)),
                None => Holds::Unknown,
            },
            Matcher::Each(matchers) => match value.items() {
                Some(items) => items.iter().fold(Holds::Yes, |so_far, item| so_far.and(all(matchers, Some(item)))),
                None => Holds::Unknown,
            },
            of_text => value.text().map_or(Holds::Unknown, |text| of_text.holds_for(text)),
        }
    }

    fn holds_for(&self, text: &str) -> Holds {
        match self {
            Matcher::Glob(globs) => Holds::of(globs.iter().any(|glob| glob.matches(text))),
            Matcher::Prefix(prefixes) => Holds::of(prefixes.iter().any(|prefix| text.starts_with(prefix.as_str()))),
            Matcher::Regex(regex) => Holds::of(regex.is_match(text)),
            Matcher::Under(trees) => under(trees, text),
            Matcher::Host(patterns) => match place(text) {
                Some(Place::Name(host)) => Holds::of(patterns.iter().any(|pattern| pattern.matches(&host))),
                Some(Place::Addr(_)) => Holds::No,
                None => Holds::Unknown,
            },
            Matcher::Within(ranges) => match place(text) {
                Some(Place::Addr(ip)) => {
                    Holds::of(ranges.iter().any(|range| range.contains(IpAddr::to_canonical(&ip))))
                }
                Some(Place::Name(_)) => Holds::No,
                None => Holds::Unknown,
            },
            Matcher::Scheme(schemes) => match url(text) {
                Some((scheme, _)) => Holds::of(schemes.iter().any(|wanted| scheme.eq_ignore_ascii_case(wanted))),
                None => Holds::Unknown,
            },
            _ => Holds::Unknown,
        }
    }
}

/// A value of a type that none of `values` has cannot be told.
fn among(values: &[Value], value: &Value) -> Holds {
    if values.contains(value) {
        return Holds::Yes;
    }
    if values.iter().any(|known| known.kind() == value.kind()) { Holds::No } else { Holds::Unknown }
}

fn within(least: Option<f64>, most: Option<f64>, value: &Value) -> Holds {
    // From here on a whole number is not exact as a fraction: two of them could be one.
    const EXACT: i128 = 1 << 53;
    let number = match value {
        Value::Int(whole) if whole.abs() <= EXACT => *whole as f64,
        Value::Int(whole) => return beyond(least, most, *whole > 0),
        Value::Real(real) => *real,
        _ => return Holds::Unknown,
    };
    Holds::of(least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most))
}

/// Of a whole number larger in size than any bound that can be written exactly.
fn beyond(least: Option<f64>, most: Option<f64>, positive: bool) -> Holds {
    Holds::of(if positive { most.is_none() } else { least.is_none() })
}

fn length(value: &Value) -> Option<usize> {
    match value {
        Value::Text(text) => Some(text.chars().count()),
        Value::List(items) => Some(items.len()),
        Value::Object(fields) => Some(fields.len()),
        _ => None,
    }
}

fn under(trees: &[Vec<u8>], text: &str) -> Holds {
    if !text.starts_with('/') || text.contains('\0') {
        return Holds::Unknown;
    }
    if text.split('/').any(|part| part == "..") {
        return Holds::No;
    }
    let parts = || text.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::as_bytes);
    let beneath = |tree: &Vec<u8>| {
        let mut parts = parts();
        tree.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).all(|part| parts.next() == Some(part))
    };
    Holds::of(trees.iter().any(beneath))
}

/// The host that a URL, or a text that is a host alone, names.
fn place(text: &str) -> Option<Place> {
    match url(text) {
        Some((_, host)) => Place::parse(host.as_bytes()).ok(),
        None if text.contains("://") => None,
        None => Place::parse(text.as_bytes()).ok(),
    }
}

/// Scheme and host of a URL (RFC 3986 §3) that every parser takes apart the same way: no user, no backslash, no controls.
fn url(text: &str) -> Option<(&str, &str)> {
    if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return None;
    }
    let (scheme, rest) = text.split_once("://")?;
    let first = scheme.chars().next()?;
    if !first.is_ascii_alphabetic() || !scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    if authority.contains('@') {
        return None;
    }
    let host = match authority.strip_prefix('[') {
        Some(inner) => authority.get(..inner.find(']')? + 2)?,
        None => authority.split(':').next()?,
    };
    let port = authority.get(host.len()..)?;
    let plain =
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok() || port.is_empty());
    (plain && !host.is_empty()).then_some((scheme, host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn globs_stay_within_their_segments() {
        for (glob, value, matches) in [
            ("acme/sandbox-*", "acme/sandbox-1", true),
            ("acme/sandbox-*", "acme/sandbox-1/x", false),
            ("acme/sandbox-*", "acme/prod", false),
            ("acme/*", "acme/..", false),
            ("acme/**", "acme/a/b", true),
            ("acme/**", "acme/a/../../b", false),
            ("acme/**", "acme", true),
            ("**", "", true),
            ("*", "", true),
            ("**/x", "a/b/x", true),
            ("**/x", "x", true),
            ("a/**/b/**/c", "a/b/b/b/c", true),
            ("file:///w/**", "file:///w/%2e%2E/etc/passwd", false),
            ("file:///w/**", "file:///w/..%2fetc", false),
            ("file:///w/**", "file:///w/a..b/50%", true),
            ("**", "a/../b", false),
            ("**", "..", false),
            ("a", "a/b", false),
            ("list_*", "list_issues", true),
            ("list_*", "List_issues", false),
        ] {
            assert_eq!(Segments::parse(glob).matches(value), matches, "{glob} {value}");
        }
    }

    #[test]
    fn a_missing_or_mistyped_argument_cannot_be_told() {
        let glob = Matcher::Glob(vec![Segments::parse("*")]);
        assert_eq!(glob.holds(None), Holds::Unknown);
        assert_eq!(glob.holds(Some(&Value::Int(1))), Holds::Unknown);
        assert_eq!(Matcher::In(vec![text("a")]).holds(Some(&Value::Int(1))), Holds::Unknown);
        assert_eq!(Matcher::NotIn(vec![text("a")]).holds(Some(&Value::Int(1))), Holds::Unknown);
        assert_eq!(Matcher::NotIn(vec![text("a")]).holds(Some(&text("b"))), Holds::Yes);
        assert_eq!(Matcher::Exists(false).holds(None), Holds::Yes);
        let each = Matcher::Each(Box::new(vec![Matcher::In(vec![text("bug"), text("docs")])]));
        assert_eq!(each.holds(Some(&Value::List(vec![text("bug")]))), Holds::Yes);
        assert_eq!(each.holds(Some(&Value::List(vec![text("bug"), text("x")]))), Holds::No);
        assert_eq!(each.holds(Some(&Value::List(vec![text("bug"), Value::Null]))), Holds::Unknown);
        assert_eq!(each.holds(Some(&text("bug"))), Holds::Unknown);
    }

    #[test]
    fn numbers_are_compared_as_they_are() {
        let range = |least, most, value: Value| Matcher::Range { least, most }.holds(Some(&value));
        assert_eq!(range(None, Some(500.0), Value::Int(500)), Holds::Yes);
        assert_eq!(range(None, Some(500.0), Value::Real(500.5)), Holds::No);
        assert_eq!(range(Some(0.0), None, Value::Int(-1)), Holds::No);
        assert_eq!(range(None, Some(9e18), Value::Int((1 << 53) + 1)), Holds::No);
        assert_eq!(range(Some(1.0), None, Value::Int(i128::from(u64::MAX))), Holds::Yes);
        assert_eq!(range(Some(1.0), None, text("5")), Holds::Unknown);
        assert_eq!(Matcher::Type("number".into()).holds(Some(&Value::Int(1))), Holds::Yes);
        assert_eq!(Matcher::Type("integer".into()).holds(Some(&Value::Real(1.0))), Holds::No);
    }

    #[test]
    fn paths_stay_beneath() {
        let under = Matcher::Under(vec![b"/home/u/w".to_vec()]);
        for (path, holds) in [
            ("/home/u/w", Holds::Yes),
            ("/home/u/w/./a//b", Holds::Yes),
            ("/home/u/wx", Holds::No),
            ("/home/u/w/../x", Holds::No),
            ("a", Holds::Unknown),
            ("/home/u/w/\0", Holds::Unknown),
        ] {
            assert_eq!(under.holds(Some(&text(path))), holds, "{path}");
        }
    }

    #[test]
    fn urls_are_read_one_way_or_not_at_all() {
        for (given, host) in [
            ("https://a.example/x", Some("a.example")),
            ("https://a.example:8443?x", Some("a.example")),
            ("https://A.example#x", Some("A.example")),
            ("https://[::1]:80/", Some("[::1]")),
            ("https://a.example@evil.example/", None),
            ("https://a.example\\@evil.example/", None),
            ("https://a.example:80:90/", None),
            ("https:///x", None),
            ("//a.example", None),
            ("https://a.exam\tple", None),
        ] {
            assert_eq!(url(given).map(|(_, host)| host), host, "{given}");
        }
    }
}
