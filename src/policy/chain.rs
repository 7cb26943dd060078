//! `extends`: a file and all that it builds on, bases first.
//!
//! Invariant: every source appears once, cycles and endless chains are refused at the entry that makes them.
//! Leaves to others: finding sources (`Library`), merging (`load`).

use super::document::Document;
use super::{Library, PolicyError, Source};

/// How many files may build on each other.
const DEEPEST: usize = 8;
/// How many files one policy may be made of.
const MOST: usize = 64;

/// One file of the chain.
#[derive(Debug)]
pub struct Link {
    pub source: Source,
    pub document: Document,
}

/// All files, the most derived last.
pub fn resolve(source: Source, library: &dyn Library) -> Result<Vec<Link>, PolicyError> {
    let mut chain = Chain { library, open: Vec::new(), done: Vec::new() };
    chain.add(source)?;
    Ok(chain.done)
}

struct Chain<'l> {
    library: &'l dyn Library,
    /// Being read: a file that extends one of these is its own base.
    open: Vec<(Identity, String)>,
    done: Vec<Link>,
}

type Identity = (Option<Vec<u8>>, String);

fn identity(source: &Source) -> Identity {
    match &source.path {
        Some(path) => (Some(path.clone()), String::new()),
        None => (None, source.name.clone()),
    }
}

impl Chain<'_> {
    fn add(&mut self, source: Source) -> Result<(), PolicyError> {
        let document = Document::parse(&source)?;
        self.open.push((identity(&source), source.name.clone()));
        for entry in &document.extends {
            let refuse = |reason: String, hint: Option<String>| PolicyError::at(&source, entry.at, reason, hint);
            if entry.value.is_empty() {
                return Err(refuse("an empty name".into(), Some("a shipped profile or a file".into())));
            }
            let base = self.library.load(&entry.value, &source).map_err(|error| {
                refuse(format!("cannot extend '{}': {}", entry.value, error.reason()), error.hint().map(str::to_owned))
            })?;
            let id = identity(&base);
            if let Some(at) = self.open.iter().position(|(open, _)| *open == id) {
                let names: Vec<&str> = self.open.iter().skip(at).map(|(_, name)| name.as_str()).collect();
                let reason = format!("extends itself: {} → {}", names.join(" → "), base.name);
                return Err(refuse(reason, Some("remove one of these 'extends'".into())));
            }
            if self.done.iter().any(|link| identity(&link.source) == id) {
                continue;
            }
            if self.open.len() >= DEEPEST || self.done.len() >= MOST {
                let reason = format!("too many files build on each other: {DEEPEST} deep or {MOST} in all");
                return Err(refuse(reason, None));
            }
            self.add(base)?;
        }
        self.open.pop();
        self.done.push(Link { source, document });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Layer;

    /// Files by name; `extends` is the text before the colon.
    struct Shelf(&'static [(&'static str, &'static str)]);

    impl Shelf {
        fn source(&self, name: &str) -> Option<Source> {
            let (_, bases) = self.0.iter().find(|(file, _)| *file == name)?;
            let text = format!("version = 1\nextends = [{bases}]\n");
            Some(Source { name: name.into(), text, layer: Layer::User, path: Some(name.into()) })
        }
    }

    impl Library for Shelf {
        fn load(&self, name: &str, _: &Source) -> Result<Source, PolicyError> {
            self.source(name).ok_or_else(|| PolicyError::whole(name, "no such file", None))
        }

        fn realpath(&self, _: &[u8]) -> Option<Vec<u8>> {
            None
        }
    }

    fn names(files: &'static [(&'static str, &'static str)]) -> Result<Vec<String>, String> {
        let shelf = Shelf(files);
        let links = resolve(shelf.source("a").unwrap(), &shelf).map_err(|error| error.to_string())?;
        Ok(links.into_iter().map(|link| link.source.name).collect())
    }

    #[test]
    fn orders_bases_first_and_once() {
        let files = &[("a", "'b', 'c'"), ("b", "'d'"), ("c", "'d'"), ("d", "")];
        assert_eq!(names(files).unwrap(), ["d", "b", "c", "a"]);
    }

    #[test]
    fn refuses_cycles_and_strangers() {
        let cycle = names(&[("a", "'b'"), ("b", "'a'")]).unwrap_err();
        assert_eq!(cycle, "policy 'b' line 2, column 12: extends itself: a → b → a");
        assert_eq!(names(&[("a", "'a'")]).unwrap_err(), "policy 'a' line 2, column 12: extends itself: a → a");
        assert_eq!(
            names(&[("a", "'x'")]).unwrap_err(),
            "policy 'a' line 2, column 12: cannot extend 'x': no such file"
        );
    }

    #[test]
    fn refuses_endless_chains() {
        struct Endless;
        impl Library for Endless {
            fn load(&self, name: &str, _: &Source) -> Result<Source, PolicyError> {
                let text = format!("version = 1\nextends = ['{name}x']\n");
                Ok(Source { name: name.into(), text, layer: Layer::User, path: None })
            }
            fn realpath(&self, _: &[u8]) -> Option<Vec<u8>> {
                None
            }
        }
        let first =
            Source { name: "a".into(), text: "version = 1\nextends = ['x']".into(), layer: Layer::User, path: None };
        let error = resolve(first, &Endless).unwrap_err().to_string();
        assert!(error.ends_with("too many files build on each other: 8 deep or 64 in all"), "{error}");
    }
}
