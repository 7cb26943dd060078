//! Where the work tree of a submodule lies, as git has it: by the place of its git directory.
//!
//! ```text
//! TOP/.git/modules/a/b               core.worktree = ../../../../a/b       TOP/a/b
//! TOP/.git/modules/a/modules/b       core.worktree = ../../../../../a/b    TOP/a/b, a submodule of TOP/a
//! ```
//! Git lays files out there, the user's too; so neither the name of another directory may stand in a configuration, nor a link
//! in the place of this one.
//! Invariant: whatever directory a configuration leads to beneath TOP has its git directory's name there, and can be told from
//! it, and the other way round: so who makes a link knows by names alone where to look for what it would lead astray.
//! Leaves to others: looking (`supervisor::repository::astray`).

/// Where the git directories of submodules are, beneath the top of the repository.
const HOME: &[u8] = b"/.git/modules/";

/// Whether a work tree of that value, in the configuration of `dir`, is the project itself (which no link can replace, since
/// there are protected files in it), or a submodule's own.
pub(super) fn is_at_home(dir: &[u8], value: &[u8], workdir: &[u8]) -> bool {
    if value.starts_with(b"/") {
        return value == workdir && workdir.len() >= 2;
    }
    own_tree(dir, value).is_some()
}

/// Work trees of submodules that a configuration of `dir` leads to.
#[must_use]
pub fn trees(dir: &[u8], text: &[u8]) -> Vec<Vec<u8>> {
    let entries = super::entries(text).unwrap_or_default();
    let named = entries.iter().filter(|entry| entry.name() == "core.worktree");
    named.filter_map(|entry| own_tree(dir, entry.value.as_bytes())).collect()
}

/// Whether a configuration leads to any work tree, or is not plain.
#[must_use]
pub fn leads(text: &[u8]) -> bool {
    super::entries(text).is_none_or(|entries| entries.iter().any(|entry| entry.name() == "core.worktree"))
}

/// The work tree of that value, if it is where the submodule with the git directory `dir` belongs.
fn own_tree(dir: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    let at = dir.windows(HOME.len()).position(|part| part == HOME)?;
    let (top, module) = (dir.get(..at)?, dir.get(at + HOME.len()..)?);
    let mut tree = names(dir);
    for name in names(value) {
        match name {
            b"." => {}
            b".." => drop(tree.pop()?),
            name => tree.push(name),
        }
    }
    let full = tree.iter().fold(Vec::new(), |full, name| [&full, b"/".as_slice(), name].concat());
    let inside = full.strip_prefix(top).filter(|rest| rest.starts_with(b"/"))?;
    is_named_after(&names(inside), &names(module)).then_some(full)
}

fn names(path: &[u8]) -> Vec<&[u8]> {
    path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect()
}

/// Whether `module` is `tree` with `modules` put in between, where one submodule lies in another.
fn is_named_after(tree: &[&[u8]], module: &[&[u8]]) -> bool {
    let mut rest = tree;
    for (at, name) in module.iter().enumerate() {
        match rest.split_first() {
            Some((first, after)) if first == name => rest = after,
            _ if at > 0 && *name == b"modules" => {}
            _ => return false,
        }
    }
    // Nothing is laid out among what git runs.
    let is_gits = |name: &&[u8]| name.eq_ignore_ascii_case(b".git");
    rest.is_empty() && !tree.is_empty() && tree.last() == module.last() && !tree.iter().any(is_gits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(dir: &str, value: &str) -> Option<String> {
        own_tree(dir.as_bytes(), value.as_bytes()).map(|path| String::from_utf8(path).expect("text"))
    }

    #[test]
    fn a_submodules_tree_has_its_name() {
        assert_eq!(tree("/w/.git/modules/a", "../../../a").as_deref(), Some("/w/a"));
        assert_eq!(tree("/w/.git/modules/a/b", "../../../.././a/b").as_deref(), Some("/w/a/b"));
        assert_eq!(tree("/w/.git/modules/a/modules/b", "../../../../../a/b").as_deref(), Some("/w/a/b"));
        assert_eq!(tree("/w/.git/modules/modules/b", "../../../../modules/b").as_deref(), Some("/w/modules/b"));
        for (dir, value) in [
            ("/w/.git/modules/a", "../../../b"),
            ("/w/.git/modules/a", "../../.."),
            ("/w/.git/modules/a", ".."),
            ("/w/.git/modules/a", "../../../../a"),
            ("/w/.git/modules/a", "../../../../../../a"),
            ("/w/.git/modules/a/modules", "../../../../a"),
            ("/w/.git/modules/.git", "../../../.git"),
            ("/w/.git/modules/.GIT/hooks", "../../../../.GIT/hooks"),
            ("/w/.git/modules/modules/b", "../../../../b"),
            ("/w/a/.git", ".."),
            ("/w/.git", "../a"),
        ] {
            assert_eq!(tree(dir, value), None, "{dir} {value}");
        }
    }

    #[test]
    fn only_what_leads_somewhere_is_looked_for() {
        let text = b"[core]\n\tbare = false\n\tworktree = ../../../a\n";
        assert_eq!(trees(b"/w/.git/modules/a", text), [b"/w/a".to_vec()]);
        assert_eq!(trees(b"/w/.git", text), Vec::<Vec<u8>>::new());
        assert!(leads(text) && leads(b"x\ry") && !leads(b"[core]\n\tbare = false\n"));
    }
}
