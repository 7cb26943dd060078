//! Symbolic links in the literal part of patterns: a rule means the real path too.
//!
//! Invariant: below `/proc` and `/dev` nothing is followed, since those links mean another thing to every process.
//! Leaves to others: whether a link may be trusted (`load`), the disk (`Library`).

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::pattern::{Pattern, split};
use super::{Kind, Library};

/// Real paths, asked once each.
pub struct Links<'l> {
    library: &'l dyn Library,
    /// Of what lies in directories that are there.
    known: HashMap<Vec<u8>, Found, RandomState>,
}

/// The real path, None where it is the path itself; and whether it exists.
type Found = (Option<Vec<u8>>, bool);

/// The real form of a pattern.
pub struct Real {
    pub pattern: Pattern,
    /// The links that lead there: each directory really is where it stands here, the last component is the link.
    pub by: Vec<Vec<u8>>,
}

impl<'l> Links<'l> {
    pub fn new(library: &'l dyn Library) -> Links<'l> {
        Links { library, known: HashMap::default() }
    }

    /// The pattern with its literal part resolved, or None if that changes nothing.
    pub fn real(&mut self, pattern: &Pattern) -> Option<Real> {
        let (prefix, count) = pattern.literal_prefix();
        if count == 0 || [b"/proc".as_slice(), b"/dev"].iter().any(|dir| within(&prefix, dir)) {
            return None;
        }
        let real = self.look_up(&prefix).0?;
        if [b"/proc".as_slice(), b"/dev"].iter().any(|dir| within(&real, dir)) {
            return None;
        }
        Some(Real { pattern: pattern.with_prefix(&real, count), by: self.links(&prefix) })
    }

    /// The deepest part that exists, resolved, and the rest as it is. What is in a directory that does not exist is not asked
    /// for: of thousands of rules most name such.
    fn look_up(&mut self, path: &[u8]) -> Found {
        if let Some(known) = self.known.get(path) {
            return known.clone();
        }
        let Some(slash) = path.iter().rposition(|&byte| byte == b'/') else { return (None, false) };
        let (above, exists) = if slash == 0 { (None, true) } else { self.look_up(&path[..slash]) };
        let plain = above.map(|above| [above.strip_suffix(b"/").unwrap_or(&above), &path[slash..]].concat());
        if !exists {
            return (plain, false);
        }
        let found = self.ask(path, plain);
        self.known.insert(path.to_vec(), found.clone());
        found
    }

    /// About a path whose directory really is where `plain` has it, or where it stands itself.
    fn ask(&self, path: &[u8], plain: Option<Vec<u8>>) -> Found {
        let asked = plain.as_deref().unwrap_or(path);
        match self.library.kind(asked) {
            Kind::Absent => (plain, false),
            Kind::Plain => (plain, true),
            Kind::Unknown => match self.library.realpath(asked) {
                Some(real) => (Some(real).filter(|real| real != path), true),
                None => (plain, false),
            },
        }
    }

    fn links(&mut self, path: &[u8]) -> Vec<Vec<u8>> {
        let mut links = Vec::new();
        let mut walked = Vec::new();
        let mut above = Vec::new();
        for name in split(path) {
            walked = [&walked, b"/".as_slice(), name].concat();
            let plain = [above.as_slice(), b"/", name].concat();
            above = self.look_up(&walked).0.unwrap_or_else(|| walked.clone());
            if above != plain {
                links.push(plain);
            }
            if above == b"/" {
                above.clear();
            }
        }
        links
    }
}

/// Whether `path` is `dir` or beneath it.
fn within(path: &[u8], dir: &[u8]) -> bool {
    path.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{PolicyError, Source};

    struct Disk;

    impl Library for Disk {
        fn load(&self, _: &str, from: &Source) -> Result<Source, PolicyError> {
            Ok(from.clone())
        }

        /// `/bin` → `/usr/bin`, `/home/u/.ssh` → `/data/ssh`
        fn realpath(&self, path: &[u8]) -> Option<Vec<u8>> {
            match path {
                b"/bin" => Some(b"/usr/bin".into()),
                b"/home/u/.ssh" => Some(b"/data/ssh".into()),
                b"/home/u" | b"/home" | b"/usr/bin" | b"/" => Some(path.into()),
                _ => None,
            }
        }
    }

    fn real(path: &str, tree: bool) -> Option<(Pattern, Vec<Vec<u8>>)> {
        Links::new(&Disk).real(&Pattern::literal(path.as_bytes(), tree)).map(|real| (real.pattern, real.by))
    }

    #[test]
    fn resolves_what_exists() {
        assert_eq!(real("/bin", true), Some((Pattern::literal(b"/usr/bin", true), vec![b"/bin".to_vec()])));
        let key = Pattern::literal(b"/data/ssh/id", false);
        assert_eq!(real("/home/u/.ssh/id", false), Some((key, vec![b"/home/u/.ssh".to_vec()])));
        assert_eq!(real("/home/u/x", true), None);
        assert_eq!(real("/dev/fd", true), None);
    }
}
