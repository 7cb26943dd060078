//! `[environment]`: which variables the agent gets.
//!
//! Invariant: an exact deny always wins; a deny with `*` gives way only to a pass without one.
//! Leaves to others: building the environment (`sandbox`).

use super::pattern::Glob;

/// Which variables the agent gets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Environment {
    /// None: whatever is not denied.
    pass: Option<Vec<Name>>,
    deny: Vec<Name>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Exact(Box<[u8]>),
    Glob(Glob),
}

impl Name {
    fn new(text: &str) -> Name {
        Glob::parse(text).map_or_else(|| Name::Exact(text.as_bytes().into()), Name::Glob)
    }

    fn matches(&self, name: &[u8]) -> bool {
        match self {
            Name::Exact(exact) => **exact == *name,
            Name::Glob(glob) => glob.matches(name),
        }
    }
}

impl Environment {
    /// Whether the agent gets the variable of this name.
    pub fn keep(&self, name: &[u8]) -> bool {
        let pass = self.pass.as_deref().unwrap_or_default();
        let named = pass.iter().any(|rule| matches!(rule, Name::Exact(_)) && rule.matches(name));
        let denied = self.deny.iter().any(|rule| rule.matches(name) && (matches!(rule, Name::Exact(_)) || !named));
        !denied && (self.pass.is_none() || pass.iter().any(|rule| rule.matches(name)))
    }

    /// From now on only variables that some pass names.
    pub(super) fn narrow(&mut self) {
        self.pass.get_or_insert_default();
    }

    pub(super) fn pass(&mut self, text: &str) {
        self.pass.get_or_insert_default().push(Name::new(text));
    }

    pub(super) fn deny(&mut self, text: &str) {
        self.deny.push(Name::new(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(pass: Option<&[&str]>, deny: &[&str]) -> Vec<&'static str> {
        let mut environment = Environment::default();
        if let Some(pass) = pass {
            environment.narrow();
            pass.iter().for_each(|name| environment.pass(name));
        }
        deny.iter().for_each(|name| environment.deny(name));
        let names = ["PATH", "LANG", "GH_TOKEN", "OPENAI_API_KEY"];
        names.into_iter().filter(|name| environment.keep(name.as_bytes())).collect()
    }

    #[test]
    fn keeps_what_the_rules_say() {
        assert_eq!(kept(None, &[]), ["PATH", "LANG", "GH_TOKEN", "OPENAI_API_KEY"]);
        assert_eq!(kept(None, &["*_TOKEN", "*_KEY"]), ["PATH", "LANG"]);
        assert_eq!(kept(Some(&["*", "OPENAI_API_KEY"]), &["*_TOKEN", "*_KEY"]), ["PATH", "LANG", "OPENAI_API_KEY"]);
        assert_eq!(kept(Some(&["PATH", "*_KEY"]), &["*_API_KEY"]), ["PATH"]);
        assert_eq!(kept(Some(&["PATH", "GH_TOKEN"]), &["GH_TOKEN"]), ["PATH"]);
        assert_eq!(kept(Some(&[]), &[]), [""; 0]);
    }
}
