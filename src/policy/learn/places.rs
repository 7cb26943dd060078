//! Where a path lies: in the project, among temporary files, in the home, in the system.
//!
//! Invariant: a variable stands for a place only where a tree there is one that a person would grant: a project that is the
//! home directory, a system directory or holds a secret is none.
//! Leaves to others: what becomes of the paths in a place (`trees`).

use super::super::pattern::split;
use super::super::{Policy, Vars};
use super::{beneath, holds_secret};

/// A place, most particular first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Anchor {
    Workdir,
    Repo,
    Git,
    Session,
    Tmp,
    SlashTmp,
    VarTmp,
    Home,
    Root,
}

impl Anchor {
    /// As patterns begin; empty for the root.
    pub(super) fn text(self) -> &'static str {
        match self {
            Anchor::Workdir => "${workdir}",
            Anchor::Repo => "${repo}",
            Anchor::Git => "${git}",
            Anchor::Session => "${session}",
            Anchor::Tmp => "${tmp}",
            Anchor::SlashTmp => "/tmp",
            Anchor::VarTmp => "/var/tmp",
            Anchor::Home => "~",
            Anchor::Root => "",
        }
    }

    /// All of it is granted as soon as something in it is needed.
    pub(super) fn is_project(self) -> bool {
        matches!(self, Anchor::Workdir | Anchor::Repo | Anchor::Git | Anchor::Session)
    }

    /// All of it is granted as soon as something in it is made.
    pub(super) fn is_temporary(self) -> bool {
        matches!(self, Anchor::Tmp | Anchor::SlashTmp | Anchor::VarTmp)
    }
}

/// A path: its place and the names behind it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub anchor: Anchor,
    pub names: Vec<Vec<u8>>,
}

/// The places of one session.
#[derive(Debug)]
pub(super) struct Places {
    roots: Vec<(Anchor, Vec<u8>)>,
}

/// Directories of the system that are nobody's project as a whole.
const SYSTEM: &[&str] = &[
    "bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "media", "mnt", "nix", "opt", "proc",
    "root", "run", "sbin", "snap", "srv", "sys", "tmp", "usr", "var",
];

impl Places {
    pub(super) fn new(vars: &Vars, floor: &Policy) -> Places {
        let usable = |path: &[u8]| path.starts_with(b"/") && split(path).next().is_some();
        let project = |path: &[u8]| {
            let depth = split(path).count();
            let system = depth == 1 && split(path).any(|name| SYSTEM.iter().any(|known| known.as_bytes() == name))
                || depth == 2 && path == b"/var/tmp";
            usable(path) && !system && !beneath(&vars.home, path) && !holds_secret(floor, path)
        };
        let mut roots: Vec<(Anchor, Vec<u8>)> = Vec::new();
        let projects = [
            (Anchor::Workdir, std::slice::from_ref(&vars.workdir)),
            (Anchor::Repo, &vars.repo),
            (Anchor::Git, &vars.git),
        ];
        for (anchor, paths) in projects {
            roots.extend(paths.iter().filter(|path| project(path)).map(|path| (anchor, path.clone())));
        }
        let temporary = |path: &[u8]| usable(path) && !beneath(&vars.home, path);
        let others = [(Anchor::Session, vars.session.as_slice()), (Anchor::Tmp, &vars.tmp)];
        roots.extend(others.iter().filter(|(_, path)| temporary(path)).map(|(anchor, path)| (*anchor, path.to_vec())));
        roots.push((Anchor::SlashTmp, b"/tmp".to_vec()));
        roots.push((Anchor::VarTmp, b"/var/tmp".to_vec()));
        if usable(&vars.home) {
            roots.push((Anchor::Home, vars.home.clone()));
        }
        // The longest root that fits; of equal ones the most particular.
        roots.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then(a.0.cmp(&b.0)));
        Places { roots }
    }

    pub(super) fn spot(&self, path: &[u8]) -> Spot {
        let found = self.roots.iter().find(|(_, root)| beneath(path, root));
        let (anchor, root) = found.map_or((Anchor::Root, b"".as_slice()), |(anchor, root)| (*anchor, root.as_slice()));
        let rest = path.strip_prefix(root).unwrap_or(path);
        Spot { anchor, names: split(rest).map(<[u8]>::to_vec).collect() }
    }

    /// Where the spot may be in this session.
    pub(super) fn paths(&self, anchor: Anchor, names: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let below =
            |root: &[u8]| names.iter().fold(root.to_vec(), |path, name| [&path, b"/".as_slice(), name].concat());
        if anchor == Anchor::Root {
            return vec![below(b"")];
        }
        self.roots.iter().filter(|(known, _)| *known == anchor).map(|(_, root)| below(root)).collect()
    }
}
