//! Symbolic links in the literal part of patterns: a rule means the real path too.
//!
//! Invariant: below `/proc` and `/dev` nothing is followed, since those links mean another thing to every process.
//! Leaves to others: whether a link may be trusted (`load`), the disk (`Library`).

use std::collections::HashMap;

use super::pattern::{Pattern, split};
use super::{Kind, Library};

/// Real paths, asked once each.
pub struct Links<'l> {
    library: &'l dyn Library,
    known: HashMap<Vec<u8>, (Vec<u8>, bool)>,
}

/// The real form of a pattern.
pub struct Real {
    pub pattern: Pattern,
    /// The links that lead there: each directory really is where it stands here, the last component is the link.
    pub by: Vec<Vec<u8>>,
}

impl<'l> Links<'l> {
    pub fn new(library: &'l dyn Library) -> Links<'l> {
        Links { library, known: HashMap::new() }
    }

    /// The pattern with its literal part resolved, or None if that changes nothing.
    pub fn real(&mut self, pattern: &Pattern) -> Option<Real> {
        let (prefix, count) = pattern.literal_prefix();
        if count == 0 || [b"/proc".as_slice(), b"/dev"].iter().any(|dir| within(&prefix, dir)) {
            return None;
        }
        let real = self.resolve(&prefix);
        if real == prefix || [b"/proc".as_slice(), b"/dev"].iter().any(|dir| within(&real, dir)) {
            return None;
        }
        Some(Real { pattern: pattern.with_prefix(&real, count), by: self.links(&prefix) })
    }

    /// The deepest part that exists, resolved, and the rest as it is.
    fn resolve(&mut self, path: &[u8]) -> Vec<u8> {
        self.look_up(path).0
    }

    /// The real path, and whether it exists. What is in a directory that does not exist is not asked for.
    fn look_up(&mut self, path: &[u8]) -> (Vec<u8>, bool) {
        if let Some(known) = self.known.get(path) {
            return known.clone();
        }
        let found = match path.iter().rposition(|&byte| byte == b'/') {
            None => (path.to_vec(), false),
            Some(slash) => {
                let (above, exists) = if slash == 0 { (Vec::new(), true) } else { self.look_up(&path[..slash]) };
                let above = above.strip_suffix(b"/").unwrap_or(&above);
                let plain = [above, &path[slash..]].concat();
                if exists { self.ask(plain) } else { (plain, false) }
            }
        };
        self.known.insert(path.to_vec(), found.clone());
        found
    }

    /// About a path in a real directory.
    fn ask(&self, path: Vec<u8>) -> (Vec<u8>, bool) {
        match self.library.kind(&path) {
            Kind::Absent => (path, false),
            Kind::Plain => (path, true),
            Kind::Unknown => match self.library.realpath(&path) {
                Some(real) => (real, true),
                None => (path, false),
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
            above = self.resolve(&walked);
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
