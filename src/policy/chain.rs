//! What one policy is made of: the profile and all that it builds on, bases first, and the layers laid over it.
//!
//! Invariant: every source appears once, cycles and endless chains are refused at the entry that makes them; a file that
//! may not widen passes no right to widen on to what it names.
//! Leaves to others: finding sources (`Library`), merging (`load`).

use super::document::Document;
use super::{Layer, Library, PolicyError, Source};

/// How many files may build on each other.
const DEEPEST: usize = 8;
/// How many files one policy may be made of.
const MOST: usize = 256;

/// One file of the chain.
#[derive(Debug)]
pub struct Link {
    pub source: Source,
    pub document: Document,
    /// 0 for the profile and its bases, else the number of the layer that brought it in.
    pub group: usize,
    /// Whether it may widen; else what it grants is left out.
    pub grants: bool,
}

/// All files in the order in which they are merged.
#[derive(Debug)]
pub struct Chained {
    /// First those that may widen, the most derived last; then those that only narrow.
    pub links: Vec<Link>,
    /// Where the machine says that the command line and projects only narrow: file and line.
    pub enrolled: Option<String>,
}

/// The profile `source` with what it builds on, and every layer.
pub fn resolve(source: Source, library: &dyn Library) -> Result<Chained, PolicyError> {
    let mut layers = Vec::new();
    for layer in library.layers()? {
        let document = Document::parse(&layer)?;
        document.fits_a_layer(&layer)?;
        layers.push((layer, document));
    }
    let enrolled = layers.iter().find_map(|(source, document)| enrolled(source, document));
    let mut chain = Chain { library, enrolled: enrolled.is_some(), group: 0, open: Vec::new(), done: Vec::new() };
    let document = Document::parse(&source)?;
    chain.add(source, document, true)?;
    for (index, (source, document)) in layers.into_iter().enumerate() {
        chain.group = index + 1;
        let known = identity(&source);
        // The profile that was chosen may lie among the layers.
        if !chain.done.iter().any(|link| identity(&link.source) == known) {
            chain.add(source, document, true)?;
        }
    }
    let (mut links, narrow): (Vec<Link>, Vec<Link>) = chain.done.into_iter().partition(|link| link.grants);
    links.extend(narrow);
    Ok(Chained { links, enrolled })
}

/// Only the machine and the organisation are heard (`Document` sees to it).
fn enrolled(source: &Source, document: &Document) -> Option<String> {
    let said = document.enrolled.as_ref().filter(|said| said.value)?;
    let (line, _) = super::error::place(&source.text, said.at);
    Some(format!("{}:{line}", super::error::visible(&source.name)))
}

struct Chain<'l> {
    library: &'l dyn Library,
    enrolled: bool,
    group: usize,
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
    /// `heard`: whoever named this file may widen, or is the user who chose among policies.
    fn add(&mut self, source: Source, document: Document, heard: bool) -> Result<(), PolicyError> {
        let grants = heard && self.may_widen(&source)?;
        // On an enrolled machine the command line still chooses among policies, but a project chooses nothing.
        let passes_on = if source.layer == Layer::CommandLine { heard } else { grants };
        if let Some(said) = document.enrolled.as_ref().filter(|_| self.group == 0 || !self.open.is_empty()) {
            let hint = Some("write it into a file of /etc/govsh/policy.d".to_owned());
            return Err(PolicyError::at(
                &source,
                said.at,
                "'enrolled' stands in a policy that is not always laid over",
                hint,
            ));
        }
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
            let base_document = Document::parse(&base)?;
            self.add(base, base_document, passes_on)?;
        }
        self.open.pop();
        self.done.push(Link { source, document, group: self.group, grants });
        Ok(())
    }

    fn may_widen(&self, source: &Source) -> Result<bool, PolicyError> {
        match source.layer {
            Layer::BuiltIn | Layer::Org | Layer::Machine | Layer::User | Layer::Shipped => Ok(true),
            Layer::Project if self.enrolled => Ok(false),
            // By what it says now and where it lies: whoever changes it, the agent included, starts anew.
            Layer::Project => self.library.trusts(source),
            Layer::CommandLine => Ok(!self.enrolled),
        }
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
        Ok(links.links.into_iter().map(|link| link.source.name).collect())
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
        assert!(error.ends_with("too many files build on each other: 8 deep or 256 in all"), "{error}");
    }
}
