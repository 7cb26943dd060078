//! Path patterns: text → segments, and what two patterns have in common.
//!
//! Invariant: a pattern is absolute, has no empty, `.` or `..` segment, and `**` never stands last:
//! a trailing `/**` is `tree`. Leaves to others: matching many at once (`trie`), symbolic links (`links`).
//!
//! ```text
//! ~/.config/*/keys/**     →  [home, u, .config, *, keys]  tree
//! **/.env                 →  [**, .env]
//! ```

mod glob;
mod matching;

pub use glob::Glob;

use super::Vars;

/// An absolute path pattern. `tree` covers what it matches and all beneath that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    pub segments: Vec<Segment>,
    pub tree: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    Literal(Box<[u8]>),
    Glob(Glob),
    /// `**`: any number of directories, also none.
    Deep,
}

/// Why a text is no pattern, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub reason: String,
    pub hint: Option<String>,
}

/// Longest pattern text, in bytes: no path is longer (PATH_MAX).
const LONGEST: usize = 4096;
/// More `**` than this in one pattern is a mistake.
const MOST_DEEP: usize = 8;

fn fault<T>(reason: impl Into<String>, hint: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { reason: reason.into(), hint: Some(hint.into()) })
}

impl Pattern {
    /// Reads a pattern that begins with `/`, `~`, `${workdir}`, `${tmp}`, `${session}` or `**/`.
    pub fn parse(text: &str, vars: &Vars) -> Result<Pattern, Fault> {
        if text.is_empty() {
            return fault("empty pattern", "remove it, or name a path");
        }
        if text.len() > LONGEST || text.contains('\0') {
            return fault("no path can match this pattern", "paths have at most 4096 bytes and no NUL");
        }
        let (root, rest) = anchor(text, vars)?;
        let mut segments: Vec<Segment> = literals(&root).collect();
        let mut tree = false;
        if !rest.is_empty() {
            for part in rest.split('/') {
                if tree {
                    segments.push(Segment::Deep);
                    tree = false;
                }
                match part {
                    "**" => tree = true,
                    part => segments.push(segment(part, text)?),
                }
            }
        }
        segments.dedup_by(|a, b| *a == Segment::Deep && *b == Segment::Deep);
        while tree && segments.last() == Some(&Segment::Deep) {
            segments.pop();
        }
        if segments.iter().filter(|s| **s == Segment::Deep).count() > MOST_DEEP {
            return fault("too many '**' in one pattern", "8 are enough for any tree");
        }
        if tree && segments.is_empty() && text.starts_with("**") {
            return fault("'**' alone matches every path", "write '/**' if that is meant");
        }
        Ok(Pattern { segments, tree })
    }

    /// As `parse`, but a pattern may also begin with `${git}`, `${repo}` or `${command}`, which stand for any number of paths.
    pub fn parse_all(text: &str, vars: &Vars) -> Result<Vec<Pattern>, Fault> {
        let many = [("${git}", &vars.git), ("${repo}", &vars.repo), ("${command}", &vars.command)];
        let Some((rest, roots)) = many.iter().find_map(|(name, roots)| Some((text.strip_prefix(name)?, roots))) else {
            return Ok(vec![Pattern::parse(text, vars)?]);
        };
        let at = |root: &[u8]| {
            let vars = Vars { workdir: root.to_vec(), ..Vars::default() };
            Pattern::parse(&format!("${{workdir}}{rest}"), &vars)
        };
        // what stands for nothing here is still read
        at(b"/")?;
        roots.iter().map(|root| at(root)).collect()
    }

    /// The pattern for exactly this path.
    pub fn literal(path: &[u8], tree: bool) -> Pattern {
        Pattern { segments: literals(path).collect(), tree }
    }

    /// The same for names in lower case.
    pub fn folded(&self) -> Pattern {
        let fold = |segment: &Segment| match segment {
            Segment::Literal(name) => Segment::Literal(name.to_ascii_lowercase().into()),
            Segment::Glob(glob) => Segment::Glob(Glob::new(glob.parts().map(<[u8]>::to_ascii_lowercase).collect())),
            Segment::Deep => Segment::Deep,
        };
        Pattern { segments: self.segments.iter().map(fold).collect(), tree: self.tree }
    }

    /// The leading segments without any glob, as a path, and how many they are.
    pub fn literal_prefix(&self) -> (Vec<u8>, usize) {
        let mut path = Vec::new();
        let mut count = 0;
        for segment in &self.segments {
            let Segment::Literal(name) = segment else { break };
            path.push(b'/');
            path.extend_from_slice(name);
            count += 1;
        }
        if path.is_empty() {
            path.push(b'/');
        }
        (path, count)
    }

    /// No glob but perhaps a trailing `/**`.
    pub fn is_literal(&self) -> bool {
        self.segments.iter().all(|s| matches!(s, Segment::Literal(_)))
    }

    /// The same pattern with its first `count` segments replaced by those of `prefix`.
    pub fn with_prefix(&self, prefix: &[u8], count: usize) -> Pattern {
        let segments = literals(prefix).chain(self.segments.iter().skip(count).cloned()).collect();
        Pattern { segments, tree: self.tree }
    }

    /// The pattern as text that reads back as the same pattern. None where a name is not UTF-8.
    pub fn text(&self) -> Option<String> {
        let mut text = String::new();
        for segment in &self.segments {
            text.push('/');
            match segment {
                Segment::Literal(name) => push_escaped(&mut text, name)?,
                Segment::Deep => text.push_str("**"),
                Segment::Glob(glob) => {
                    for (index, part) in glob.parts().enumerate() {
                        text.push_str(if index > 0 { "*" } else { "" });
                        push_escaped(&mut text, part)?;
                    }
                }
            }
        }
        match (self.tree, text.is_empty()) {
            (true, _) => text.push_str("/**"),
            (false, true) => text.push('/'),
            (false, false) => {}
        }
        Some(text)
    }
}

impl Segment {
    fn matches(&self, name: &[u8]) -> bool {
        match self {
            Segment::Literal(literal) => **literal == *name,
            Segment::Glob(glob) => glob.matches(name),
            Segment::Deep => true,
        }
    }

    fn meets(&self, other: &Segment) -> bool {
        match (self, other) {
            (Segment::Literal(name), segment) | (segment, Segment::Literal(name)) => segment.matches(name),
            (Segment::Glob(a), Segment::Glob(b)) => a.meets(b),
            _ => true,
        }
    }
}

/// The non-empty components of a path.
pub fn split(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/').filter(|name| !name.is_empty())
}

fn literals(path: &[u8]) -> impl Iterator<Item = Segment> + '_ {
    split(path).map(|name| Segment::Literal(name.into()))
}

/// What the pattern begins with: the path it stands for, and the rest without its first slash.
fn anchor<'t>(text: &'t str, vars: &Vars) -> Result<(Vec<u8>, &'t str), Fault> {
    if text == "/" {
        return Ok((Vec::new(), ""));
    }
    if let Some(rest) = text.strip_prefix('/') {
        return Ok((Vec::new(), rest));
    }
    if text == "**" || text.starts_with("**/") {
        return Ok((Vec::new(), text));
    }
    let (value, rest) = if let Some(rest) = text.strip_prefix('~') {
        (&vars.home, rest)
    } else if let Some(inner) = text.strip_prefix("${") {
        let Some((name, rest)) = inner.split_once('}') else {
            return fault("'${' without '}'", VARIABLES);
        };
        match name {
            "workdir" => (&vars.workdir, rest),
            "tmp" => (&vars.tmp, rest),
            "session" => (&vars.session, rest),
            _ => return fault(format!("unknown variable '${{{}}}'", name.escape_debug()), VARIABLES),
        }
    } else {
        return fault(
            format!("pattern '{}' is relative", text.escape_debug()),
            "a pattern begins with /, ~, ${workdir}, ${tmp}, ${session} or **/",
        );
    };
    if !value.starts_with(b"/") {
        let shown = text.get(..text.len() - rest.len()).unwrap_or("it");
        return fault(format!("'{shown}' has no value here"), "give the path itself");
    }
    match rest.strip_prefix('/') {
        Some(rest) if !rest.is_empty() => Ok((value.clone(), rest)),
        None if rest.is_empty() => Ok((value.clone(), "")),
        Some(_) => Err(trailing_slash(text)),
        None if text.starts_with('~') => fault("only one's own home is known: '~user' is not", "write the path itself"),
        None => fault("a variable is followed by '/'", VARIABLES),
    }
}

/// The name with a backslash before what would be a wildcard.
fn push_escaped(text: &mut String, name: &[u8]) -> Option<()> {
    for c in std::str::from_utf8(name).ok()?.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    Some(())
}

const VARIABLES: &str =
    "variables are ~, ${workdir}, ${repo}, ${git}, ${command}, ${tmp} and ${session}, at the start of a pattern";

fn trailing_slash(text: &str) -> Fault {
    let stem = text.trim_end_matches('/').escape_debug();
    Fault {
        reason: "pattern ends in '/'".into(),
        hint: Some(format!("write '{stem}/**' for the directory and all beneath it")),
    }
}

/// One segment: `*` is a wildcard, a backslash takes the next character as it is.
fn segment(part: &str, whole: &str) -> Result<Segment, Fault> {
    match part {
        "" if whole.ends_with('/') => return Err(trailing_slash(whole)),
        "" => return fault("'//' in a pattern", "one slash is enough"),
        "." | ".." => {
            return fault(
                format!("'{part}' in a pattern"),
                "patterns match resolved paths, which have no '.' and '..'",
            );
        }
        _ => {}
    }
    if !part.contains(['*', '?', '[', ']', '{', '}', '\\']) {
        return Ok(Segment::Literal(part.as_bytes().into()));
    }
    let mut parts = vec![Vec::new()];
    let mut chars = part.chars();
    let mut wild = false;
    while let Some(c) = chars.next() {
        let taken = match c {
            '*' if wild => return fault("'**' is not a whole segment", "write '/**/' or a single '*'"),
            '*' => {
                wild = true;
                parts.push(Vec::new());
                continue;
            }
            '?' | '[' | ']' | '{' | '}' => {
                let hint = format!("only '*' and '**' are wildcards; write '\\\\{c}' for the character itself");
                return fault(format!("'{c}' in a pattern"), hint);
            }
            '\\' => match chars.next() {
                Some(next) => next,
                None => {
                    return fault(
                        "a backslash at the end of a segment",
                        "a backslash takes the next character as it is",
                    );
                }
            },
            c => c,
        };
        wild = false;
        let mut bytes = [0; 4];
        if let Some(last) = parts.last_mut() {
            last.extend_from_slice(taken.encode_utf8(&mut bytes).as_bytes());
        }
    }
    if parts.len() == 1 {
        return Ok(Segment::Literal(parts.pop().unwrap_or_default().into()));
    }
    Ok(Segment::Glob(Glob::new(parts)))
}

#[cfg(test)]
mod tests;
