//! Paths of requests: one normal form, and patterns over it.
//!
//! Invariant: what servers read in different ways is either refused or judged in every way that they read it: an encoded
//! slash is no slash for a rule that allows and one for a rule that denies. Leaves to others: where a path stands in a
//! request (`egress`).
//!
//! ```text
//! /a/./b/../c%2Ed?x=1   →  /a/c.d  and  x=1        decoded once (RFC 3986 §6.2.2), dots resolved (§5.2.4)
//! /a%2fb                →  /a%2Fb                  one segment: '*' does not match it, 'a%2Fb' and '**' do
//! /a%00  /a%252e%252e/  /a//../b  /a;x/../b        refused
//! ```

use super::super::pattern::{Fault, Glob};

/// Longest path, in bytes, encoded.
const LONGEST: usize = 32 << 10;
/// Longest pattern, in bytes.
const LONGEST_PATTERN: usize = 4096;
/// How an encoded slash is kept.
const SLASH: &str = "%2F";

/// Why a request's target has no path that can be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    #[error("request path that does not begin with '/'")]
    Relative,
    #[error("request path longer than 32 KiB")]
    Long,
    #[error("request path with a control character or a backslash")]
    Character,
    #[error("request path with a '%' that encodes nothing, or encodes twice")]
    Encoding,
    #[error("request path with '.' or '..' that servers resolve differently")]
    Dots,
}

/// The path of a request target in its normal form, and the query behind it. A fragment is refused: no client sends one.
pub fn normal_path(target: &str) -> Result<(String, &str), PathFault> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if path.len() > LONGEST {
        return Err(PathFault::Long);
    }
    if !path.starts_with('/') {
        return Err(PathFault::Relative);
    }
    let decoded = decode(path)?;
    if !decoded.split('/').any(is_dots) {
        // '/..;x/', '/a%2f../' and the like: some servers cut parameters off and take encoded slashes for slashes first.
        let slashes = decoded.replace(SLASH, "/");
        let hidden = slashes.split('/').any(|segment| is_dots(segment.split(';').next().unwrap_or_default()));
        return if hidden { Err(PathFault::Dots) } else { Ok((decoded, query)) };
    }
    let odd = decoded.contains("//") || decoded.contains(';') || decoded.contains(SLASH);
    if odd {
        return Err(PathFault::Dots);
    }
    Ok((without_dots(&decoded), query))
}

fn is_dots(segment: &str) -> bool {
    matches!(segment, "." | "..")
}

/// Every encoded byte decoded, but slashes, and `%` that would begin another encoding.
fn decode(path: &str) -> Result<String, PathFault> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'%' {
            if *first < 0x20 || matches!(*first, 0x7f | b'\\' | b'#' | b' ') {
                return Err(PathFault::Character);
            }
            bytes.push(*first);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2).ok_or(PathFault::Encoding)?;
        let digits = std::str::from_utf8(digits).map_err(|_| PathFault::Encoding)?;
        let plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let byte = u8::from_str_radix(digits, 16).ok().filter(|_| plain).ok_or(PathFault::Encoding)?;
        rest = behind;
        match byte {
            b'/' => bytes.extend_from_slice(SLASH.as_bytes()),
            0..0x20 | 0x7f | b'\\' => return Err(PathFault::Character),
            // A server that decodes twice would see something else.
            b'%' if rest.get(..2).is_some_and(|next| next.iter().all(u8::is_ascii_hexdigit)) => {
                return Err(PathFault::Encoding);
            }
            b'%' => bytes.extend_from_slice(b"%25"),
            byte => bytes.push(byte),
        }
    }
    Ok(String::from_utf8(bytes).unwrap_or_else(|wrong| String::from_utf8_lossy(wrong.as_bytes()).into_owned()))
}

/// RFC 3986 §5.2.4.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

/// As the least careful server reads it: encoded slashes are slashes, several are one, parameters are cut off.
fn loose(path: &str) -> String {
    let slashes = path.replace(SLASH, "/");
    let segments = slashes.split('/').map(|segment| segment.split(';').next().unwrap_or_default());
    let kept: Vec<&str> = segments.filter(|segment| !segment.is_empty()).collect();
    format!("/{}", kept.join("/"))
}

/// `/repos/acme/**`: `*` within one segment, `**` any number of segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Exact(String),
    Glob {
        glob: Glob,
        slash: bool,
    },
    /// `**`
    Deep,
}

impl PathPattern {
    /// Reads a pattern: a path as [`normal_path`] gives it, with wildcards.
    pub fn parse(text: &str) -> Result<PathPattern, Fault> {
        let fault = |reason: String, hint: &str| Err(Fault { reason, hint: Some(hint.to_owned()) });
        if !text.starts_with('/') || text.len() > LONGEST_PATTERN {
            return fault(format!("'{text}' is no path of a request"), "such as \"/repos/acme/**\"");
        }
        if text.contains(['?', '#']) {
            return fault(format!("'{text}' has a query or a fragment"), "the path alone is judged");
        }
        if text.split('/').any(is_dots) {
            return fault(format!("'{text}' has '.' or '..' in it"), "write where it leads");
        }
        let normal = match normal_path(&text.replace(' ', "%20")) {
            Ok((normal, _)) => normal,
            Err(why) => return fault(format!("'{text}': {why}"), "such as \"/repos/acme/**\""),
        };
        let mut segments = Vec::new();
        for part in normal.split('/').skip(1) {
            if part.contains("**") && part != "**" {
                return fault(
                    format!("'{text}' has '**' within a segment"),
                    "'**' stands between slashes; '*' within one",
                );
            }
            segments.push(match Glob::parse(part) {
                _ if part == "**" => Segment::Deep,
                Some(glob) => Segment::Glob { glob, slash: part.contains(SLASH) },
                None => Segment::Exact(part.to_owned()),
            });
        }
        if segments.iter().filter(|segment| **segment == Segment::Deep).count() > 8 {
            return fault(format!("'{text}' has more '**' than anyone can read"), "at most 8");
        }
        Ok(PathPattern { text: text.to_owned(), segments })
    }

    /// Whether it means this path, in its normal form. `/a/**` means `/a` as well.
    pub fn matches(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
        // reached[j]: the segments so far match the first j parts
        let mut reached = vec![false; parts.len() + 1];
        if let Some(first) = reached.first_mut() {
            *first = true;
        }
        for segment in &self.segments {
            if *segment == Segment::Deep {
                let from = reached.iter().position(|at| *at).unwrap_or(reached.len());
                reached.iter_mut().skip(from).for_each(|at| *at = true);
                continue;
            }
            let mut next = vec![false; reached.len()];
            for ((from, part), to) in reached.iter().zip(&parts).zip(next.iter_mut().skip(1)) {
                *to = *from && segment.fits(part);
            }
            reached = next;
        }
        reached.last() == Some(&true)
    }

    /// Whether it may mean this path as some server reads it: for rules that refuse.
    pub fn may_match(&self, path: &str) -> bool {
        self.matches(path) || self.matches(&loose(path))
    }
}

impl std::fmt::Display for PathPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Segment {
    fn fits(&self, part: &str) -> bool {
        match self {
            Segment::Exact(own) => own == part,
            // One who writes an encoded slash knows that the server takes it for a letter.
            Segment::Glob { glob, slash } => (*slash || !part.contains(SLASH)) && glob.matches(part.as_bytes()),
            Segment::Deep => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(target: &str) -> Result<String, PathFault> {
        normal_path(target).map(|(path, query)| if query.is_empty() { path } else { format!("{path}|{query}") })
    }

    #[test]
    fn a_path_has_one_form() {
        for (target, path) in [
            ("/", "/"),
            ("/a/./b/../c%2Ed?x=%2F", "/a/c.d|x=%2F"),
            ("/a/..", "/"),
            ("/../../a", "/a"),
            ("/%61%2d~", "/a-~"),
            ("/a%2fb", "/a%2Fb"),
            ("/a//b", "/a//b"),
            ("/a%20b", "/a b"),
            ("/100%25", "/100%25"),
            ("/%2e%2e/a", "/a"),
            ("/ä", "/ä"),
        ] {
            assert_eq!(normal(target), Ok(path.to_owned()), "{target}");
        }
        use PathFault::{Character, Dots, Encoding, Relative};
        for (target, fault) in [
            ("a", Relative),
            ("http://x/", Relative),
            ("/a%00", Character),
            ("/a\\b", Character),
            ("/a%5c", Character),
            ("/a#b", Character),
            ("/a%0d%0a", Character),
            ("/a%2", Encoding),
            ("/a%zz", Encoding),
            ("/%252e%252e/", Encoding),
            ("/a//../b", Dots),
            ("/a%2f../b", Dots),
            ("/a/..%2fb", Dots),
            ("/a;x/../b", Dots),
            ("/a/..;/b", Dots),
        ] {
            assert_eq!(normal(target), Err(fault), "{target}");
        }
    }

    #[test]
    fn patterns_go_by_segments() {
        let hits = |pattern: &str, path: &str| PathPattern::parse(pattern).unwrap().matches(path);
        assert!(hits("/repos/acme/**", "/repos/acme/x/y") && hits("/repos/acme/**", "/repos/acme"));
        assert!(!hits("/repos/acme/**", "/repos/acmeevil") && !hits("/repos/acme/**", "/repos/acme%2Fx"));
        assert!(hits("/**/info/refs", "/info/refs") && hits("/**/info/refs", "/a/b/info/refs"));
        assert!(hits("/a/*/c", "/a/b/c") && !hits("/a/*/c", "/a/b/b/c") && !hits("/a/*/c", "/a/b%2Fb/c"));
        assert!(hits("/p/*%2F*/i", "/p/g%2Fn/i") && hits("/a/x*", "/a/xy") && hits("/**", "/"));
        assert!(PathPattern::parse("/admin/**").unwrap().may_match("/admin%2Fusers"));
        assert!(PathPattern::parse("/admin/**").unwrap().may_match("//admin;x/users"));
        for wrong in ["a", "/a?b", "/a/../b", "/a**/b", "/a b%00"] {
            assert!(PathPattern::parse(wrong).is_err(), "{wrong}");
        }
    }
}
