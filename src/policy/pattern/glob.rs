//! One name with `*` in it.
//!
//! Invariant: matching looks at each byte a bounded number of times for each `*`. Leaves to others: escapes (`pattern`).

/// One segment with `*` in it: `prefix*middle*suffix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    prefix: Box<[u8]>,
    middle: Vec<Box<[u8]>>,
    suffix: Box<[u8]>,
}

impl Glob {
    /// `parts` are the literal pieces around the `*`s, at least two.
    pub(in crate::policy) fn new(mut parts: Vec<Vec<u8>>) -> Glob {
        let suffix = parts.pop().unwrap_or_default().into();
        let mut parts = parts.into_iter();
        let prefix = parts.next().unwrap_or_default().into();
        Glob { prefix, middle: parts.filter(|p| !p.is_empty()).map(Into::into).collect(), suffix }
    }

    /// `*`.
    pub fn any() -> Glob {
        Glob::new(vec![Vec::new(), Vec::new()])
    }

    /// Reads a name with `*`, for names that are not paths. None without a `*`.
    pub fn parse(text: &str) -> Option<Glob> {
        let parts: Vec<Vec<u8>> = text.split('*').map(|part| part.as_bytes().to_vec()).collect();
        (parts.len() > 1).then(|| Glob::new(parts))
    }

    /// The literal pieces around the `*`s.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(&*self.prefix).chain(self.middle.iter().map(|part| &**part)).chain([&*self.suffix])
    }

    /// What every match begins with.
    pub fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// What every match ends in.
    pub fn suffix(&self) -> &[u8] {
        &self.suffix
    }

    /// Whether the whole of `name` matches.
    #[inline]
    pub fn matches(&self, name: &[u8]) -> bool {
        let Some(rest) = name.strip_prefix(&*self.prefix) else { return false };
        let Some(mut rest) = rest.strip_suffix(&*self.suffix) else { return false };
        for part in &self.middle {
            let Some(at) = rest.windows(part.len()).position(|window| window == &**part) else { return false };
            rest = &rest[at + part.len()..];
        }
        true
    }

    /// Whether some name may match both; may say yes where none does.
    pub(super) fn meets(&self, other: &Glob) -> bool {
        let heads = self.prefix.starts_with(&other.prefix) || other.prefix.starts_with(&self.prefix);
        let tails = self.suffix.ends_with(&other.suffix) || other.suffix.ends_with(&self.suffix);
        heads && tails
    }
}
