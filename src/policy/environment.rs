//! `[environment]`: which variables the agent gets.
//!
//! Invariant: an exact deny always wins; a deny with `*` gives way only to a pass without one, of the same profile or of a
//! layer that is trusted as much; never one of the machine, the organisation, a project or the command line to others.
//! Leaves to others: building the environment (`sandbox`).

use super::Layer;
use super::pattern::Glob;

/// Which variables the agent gets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Environment {
    /// Nothing but what is passed; else whatever is not denied.
    listed: bool,
    pass: Vec<(By, Name)>,
    deny: Vec<(By, Name)>,
}

/// Who says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct By {
    pub layer: Layer,
    /// As in `chain::Link`.
    pub group: usize,
}

impl By {
    /// Whether a pass of this one outdoes a deny of `other` by its being without `*`.
    fn outdoes(self, other: By) -> bool {
        let gives_way = matches!(other.layer, Layer::User | Layer::Shipped);
        self.group == other.group || gives_way && self.layer <= other.layer
    }
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

    fn is_exact(&self) -> bool {
        matches!(self, Name::Exact(_))
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
        let passes = |(_, rule): &&(By, Name)| rule.matches(name);
        let named = |deny: By| self.pass.iter().filter(passes).any(|(by, rule)| rule.is_exact() && by.outdoes(deny));
        let denied = self.deny.iter().any(|(by, rule)| rule.matches(name) && (rule.is_exact() || !named(*by)));
        !denied && (!self.listed || self.pass.iter().any(|rule| passes(&rule)))
    }

    /// Whether a deny names the variable as such, without `*`.
    pub fn refuses(&self, name: &[u8]) -> bool {
        self.deny.iter().any(|(_, rule)| rule.is_exact() && rule.matches(name))
    }

    /// From now on only variables that some pass names.
    pub(super) fn narrow(&mut self) {
        self.listed = true;
    }

    pub(super) fn pass(&mut self, by: By, text: &str) {
        self.pass.push((by, Name::new(text)));
    }

    pub(super) fn deny(&mut self, by: By, text: &str) {
        self.deny.push((by, Name::new(text)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: By = By { layer: Layer::User, group: 0 };

    #[test]
    fn a_pass_outdoes_no_deny_of_those_above() {
        let kept = |pass: Layer, deny: Layer| {
            let mut environment = Environment::default();
            environment.pass(By { layer: pass, group: 1 }, "GH_TOKEN");
            environment.deny(By { layer: deny, group: 2 }, "*_TOKEN");
            environment.keep(b"GH_TOKEN")
        };
        assert!(kept(Layer::User, Layer::Shipped) && kept(Layer::Machine, Layer::User));
        assert!(!kept(Layer::Shipped, Layer::User) && !kept(Layer::User, Layer::Machine));
        assert!(!kept(Layer::User, Layer::Project) && !kept(Layer::Machine, Layer::CommandLine));
    }

    fn kept(pass: Option<&[&str]>, deny: &[&str]) -> Vec<&'static str> {
        let mut environment = Environment::default();
        if let Some(pass) = pass {
            environment.narrow();
            pass.iter().for_each(|name| environment.pass(OWN, name));
        }
        deny.iter().for_each(|name| environment.deny(OWN, name));
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
