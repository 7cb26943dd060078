//! Git directories by what lies in them, whatever they are called and wherever they lie.
//!
//! Git takes any directory for a repository's that has `HEAD`, `objects` and `refs` (gitrepository-layout(5)); the last two in
//! the directory that a file `commondir` in it names, if it has one, and there it also reads `config` and runs `hooks`. A file
//! `.git` leads to it from anywhere. So whatever has `objects` and `refs` can be one, and nothing else can.
//!
//! ```text
//! D/objects and D/refs are there     D/config, D/hooks, D/hooks/NAME are not written, but as git does
//! one is, the other is being made    what D/config and D/hooks hold by then is looked at first: afterwards nobody could
//! D/config.worktree                  as git does where D is one, else never: git reads it in directories that have neither
//! ```
//! Invariant: names alone decide here, in lower case or not, so that nothing has to be opened to find out that it is none.
//! Leaves to others: what lies on the disk (`supervisor::repository`), what a configuration may hold (`repository`).

use super::super::compiled::Policy;
use super::super::pattern::{Pattern, Segment};
use super::super::{Access, RuleId};

/// What something of this name would be in a git directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `config`
    Config,
    /// `config.worktree`, and the name under which we write a configuration.
    Worktree,
    /// `hooks`
    Hooks,
    /// What git would run in it: names of hooks have no dot.
    Hook,
    /// `objects` or `refs`: with the other one beside it the directory is one.
    Half,
}

/// A role, and the directory that it would be played in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'p> {
    pub role: Role,
    pub dir: &'p [u8],
}

/// Names of which a directory that has both is a git directory.
pub const HALVES: [&std::ffi::CStr; 2] = [c"objects", c"refs"];

/// What a call does to a name, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Mkdir,
    /// A mode with which it could be run.
    MakeRunnable,
    Other,
}

/// What the last names of a path could be: none for almost every path, two for `hooks/config`.
pub fn parts(path: &[u8]) -> impl Iterator<Item = Part<'_>> {
    let (dir, name) = last(path);
    let own = [
        (&b"config"[..], Role::Config),
        (b"config.worktree", Role::Worktree),
        (b"config.govsh", Role::Worktree),
        (b"hooks", Role::Hooks),
        (b"objects", Role::Half),
        (b"refs", Role::Half),
    ];
    let own = own.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, role)| Part { role, dir });
    let (above, parent) = last(dir);
    let is_hook = parent.eq_ignore_ascii_case(b"hooks") && !name.contains(&b'.');
    own.into_iter().chain(is_hook.then_some(Part { role: Role::Hook, dir: above }))
}

fn last(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (path.get(..at).unwrap_or_default(), path.get(at + 1..).unwrap_or_default()),
        None => (b"", path),
    }
}

impl Part<'_> {
    /// Whether a change of it is refused in a git directory. What is taken away, and a directory in the place of a file, runs
    /// nothing; what is linked elsewhere could be written there.
    pub fn refuses(&self, access: Access, deed: Deed) -> bool {
        let writes = access.intersects(Access::WRITE | Access::CREATE) && deed != Deed::Mkdir;
        match self.role {
            Role::Half => false,
            Role::Hook => writes || deed == Deed::MakeRunnable,
            Role::Config | Role::Worktree | Role::Hooks => writes,
        }
    }
}

impl Policy {
    /// Whether git directories are protected at this path: unless a trusted rule names configuration or hooks there.
    pub fn keeps_shape(&self, path: &[u8]) -> bool {
        !self.files.shapes.iter().any(|pattern| pattern.matches(path))
    }

    /// The rule that protects them.
    pub fn shape_rule(&self) -> RuleId {
        RuleId(self.fixed.shape)
    }

    /// Whether all of a configuration is such as git itself and those who try something out write, and runs nothing.
    pub fn may_hold(&self, dir: &[u8], text: &[u8]) -> Result<(), String> {
        let entries = super::entries(text).ok_or_else(|| "a line that is not plain".to_owned())?;
        let harmless = |entry: &super::Entry| entry.is_harmless(dir, &self.vars.workdir) || entry.is_customary();
        entries.iter().find(|entry| !harmless(entry)).map_or(Ok(()), |entry| Err(entry.name()))
    }
}

/// Whether a rule names what is protected here: `…/config`, `…/hooks/**`, `…/hooks/pre-commit`.
pub(in crate::policy) fn is_named(pattern: &Pattern) -> bool {
    let named = |segment: &Segment| match segment {
        Segment::Literal(name) => {
            ["config", "hooks", "config.worktree"].iter().any(|known| **name == *known.as_bytes())
        }
        Segment::Glob(_) | Segment::Deep => false,
    };
    pattern.segments.iter().rev().take(2).any(named)
}

impl super::Entry {
    /// Whether it is an entry that tests and tools make in repositories of their own, and runs nothing. In a repository of the
    /// user it could take back what the user chose for all of them.
    fn is_customary(&self) -> bool {
        let value = self.value.as_str();
        let is_bool = matches!(value, "true" | "false");
        let is_number = !value.is_empty() && value.len() < 12 && value.bytes().all(|byte| byte.is_ascii_digit());
        let is_word = super::is_name(value, "-_") && !value.starts_with('-');
        if self.subsection.is_some() {
            let is_spec = || value.trim_start_matches('+').split(':').all(super::is_ref);
            return match (self.section.as_str(), self.key.as_str()) {
                ("remote", "mirror" | "prune" | "skipfetchall") => is_bool,
                ("remote", "pushurl") => super::is_address(value) && !value.starts_with('-'),
                ("remote", "push") => is_spec(),
                ("protocol", "allow") => self.subsection.as_deref() == Some("file") && is_word,
                ("submodule", "branch" | "shallow") | ("branch", "pushremote") => is_word,
                _ => false,
            };
        }
        match (self.section.as_str(), self.key.as_str()) {
            ("core", "fsmonitor") => value == "false",
            ("core", "autocrlf" | "safecrlf" | "eol" | "untrackedcache" | "abbrev" | "sharedrepository") => is_word,
            ("core", "quotepath" | "longpaths" | "preloadindex" | "commitgraph" | "multipackindex" | "trustctime")
            | ("core", "fscache" | "splitindex")
            | ("feature", "manyfiles" | "experimental")
            | ("commit" | "tag", "gpgsign")
            | ("push", "autosetupremote" | "followtags")
            | ("rebase", "autostash" | "autosquash" | "updaterefs")
            | ("rerere", "enabled" | "autoupdate")
            | (
                "uploadpack",
                "allowfilter" | "allowanysha1inwant" | "allowreachablesha1inwant" | "allowtipsha1inwant",
            )
            | ("gc", "autodetach" | "packrefs")
            | ("submodule", "recurse")
            | ("advice", _) => is_bool,
            ("core", "compression" | "loosecompression" | "bigfilethreshold" | "packedgitlimit")
            | ("gc", "auto" | "autopacklimit")
            | ("http", "postbuffer")
            | ("pack" | "index", "version" | "window" | "depth")
            | ("submodule", "fetchjobs") => is_number,
            ("pack" | "index", "threads") => is_number || is_bool,
            ("color" | "status" | "log", _)
            | ("init", "defaultbranch")
            | ("pull", "rebase" | "ff")
            | ("push", "default")
            | ("merge", "conflictstyle" | "ff")
            | ("fetch", "prune" | "prunetags" | "parallel" | "writecommitgraph")
            | ("maintenance", "auto")
            | ("diff", "renames" | "algorithm" | "colormoved" | "mnemonicprefix" | "noprefix")
            | ("receive", "denydeletes" | "denynonfastforwards" | "autogc") => is_word,
            ("submodule", "active") => value == "." || is_word,
            ("receive", "denycurrentbranch") => matches!(value, "refuse" | "ignore" | "warn" | "true" | "false"),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(path: &str) -> Vec<(Role, &str)> {
        parts(path.as_bytes()).map(|part| (part.role, std::str::from_utf8(part.dir).expect("text"))).collect()
    }

    #[test]
    fn names_say_what_something_would_be() {
        assert_eq!(roles("/w/evil/config"), [(Role::Config, "/w/evil")]);
        assert_eq!(roles("/w/evil/Objects"), [(Role::Half, "/w/evil")]);
        assert_eq!(roles("/w/evil/hooks/post-checkout"), [(Role::Hook, "/w/evil")]);
        assert_eq!(roles("/w/hooks/config"), [(Role::Config, "/w/hooks"), (Role::Hook, "/w")]);
        assert_eq!(roles("/refs"), [(Role::Half, "")]);
        assert_eq!(roles("/w/config.worktree"), [(Role::Worktree, "/w")]);
        for none in ["/w/src/hooks/useThing.ts", "/w/hooks/pre-push.sample", "/w/config.toml", "/w/hooks/a/b", "/", ""]
        {
            assert_eq!(roles(none), [], "{none}");
        }
    }

    #[test]
    fn a_configuration_of_ones_own_may_hold_what_is_usual() {
        let policy = super::super::tests::policy("");
        let dir = b"/t/two/.git/modules/s";
        let plain = "[core]\n\tbare = true\n\tautocrlf = input\n\tworktree = ../../../s\n\tsparseCheckout = true\n[commit]\n\tgpgsign = false\n\
                     [remote \"o\"]\n\tmirror = true\n\tpushurl = /t/x\n[gc]\n\tauto = 0\n[advice]\n\tdetachedHead = false\n";
        assert_eq!(policy.may_hold(dir, plain.as_bytes()), Ok(()));
        for (more, name) in [
            ("[core]\n\tfsmonitor = true\n", "core.fsmonitor"),
            ("[core]\n\tworktree = ../../../../other\n", "core.worktree"),
            ("[gc]\n\tauto = \n", "gc.auto"),
            ("[merge]\n\ttool = vi\n", "merge.tool"),
            ("[diff \"x\"]\n\talgorithm = y\n", "diff.x.algorithm"),
            ("[core]\n\tworktree = /t/two\n", "core.worktree"),
            ("[core]\n\tworktree = ..\n", "core.worktree"),
            ("[remote \"o\"]\n\tpushurl = ext::x\n", "remote.o.pushurl"),
            ("[include]\n\tpath = x\n", "include.path"),
        ] {
            assert_eq!(policy.may_hold(dir, format!("{plain}{more}").as_bytes()), Err(name.to_owned()), "{more}");
        }
    }

    #[test]
    fn what_is_written_or_made_runnable_is_refused() {
        let refused = |path: &str, access, deed| parts(path.as_bytes()).any(|part| part.refuses(access, deed));
        let both = Access::READ | Access::WRITE;
        assert!(refused("/d/config", both, Deed::Other) && refused("/d/hooks/x", Access::CREATE, Deed::Other));
        assert!(refused("/d/hooks/x", Access::CHANGE, Deed::MakeRunnable) && refused("/d/hooks", both, Deed::Other));
        for harmless in [Access::READ, Access::DELETE, Access::READ | Access::RENAME, Access::CHANGE] {
            assert!(!refused("/d/config", harmless, Deed::Other), "{harmless:?}");
        }
        assert!(
            !refused("/d/hooks", Access::CREATE, Deed::Mkdir) && !refused("/d/objects", Access::CREATE, Deed::Other)
        );
    }
}
