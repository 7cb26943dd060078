//! What a policy says, by definition and slowly: every pattern against every path, one after the other.
//!
//! ```text
//! a grant means what its pattern matches          deny and readonly mean that and all beneath it
//! deny > ask > allow > default deny               write and exec imply read
//! ```
//! Invariant: uses nothing of the product; a path is followed by looking at each name on disk.
//! Leaves to others: performing the call (`perform`), comparing (`main`).

use std::fs;

use crate::perform::Line;
use crate::shape;
use crate::world::Rule;

/// One right, as policies name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    Read,
    Write,
    Exec,
    Create,
    Delete,
    Rename,
    Change,
}

fn parts(path: &str) -> Vec<&str> {
    path.split('/').filter(|part| !part.is_empty()).collect()
}

fn matches(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], _) => path.is_empty(),
        (["**", rest @ ..], _) => {
            rest.is_empty() || matches(rest, path) || (!path.is_empty() && matches(pattern, &path[1..]))
        }
        ([first, rest @ ..], [name, below @ ..]) => wild(first.as_bytes(), name.as_bytes()) && matches(rest, below),
        (_, []) => false,
    }
}

fn wild(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([b'*', rest @ ..], _) => wild(rest, name) || (!name.is_empty() && wild(pattern, &name[1..])),
        ([p, rest @ ..], [n, below @ ..]) => p == n && wild(rest, below),
        _ => pattern.is_empty() && name.is_empty(),
    }
}

fn is_literal(pattern: &[&str]) -> bool {
    pattern.iter().all(|part| !part.contains('*'))
}

/// A pattern without the `**` at its end, which takes nothing away: what is beneath is meant anyway.
fn stem<'a>(pattern: &'a [&'a str]) -> &'a [&'a str] {
    let end = pattern.iter().rposition(|part| *part != "**").map_or(0, |last| last + 1);
    &pattern[..end]
}

/// The policy of one session.
pub struct Oracle {
    rules: Vec<Rule>,
    /// What is made from then on is the calls' own.
    since: std::time::SystemTime,
}

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The real path of what is there.
    There(String),
    /// The last name is missing; this is where it would be.
    Missing(String),
    /// The way does not lead on: the kernel says so itself.
    Nowhere,
}

impl Oracle {
    /// `rules` as written; deny and readonly mean the real path as well, of what exists now.
    pub fn new(rules: &[Rule]) -> Oracle {
        let mut all = rules.to_vec();
        for (key, pattern) in rules.iter().filter(|(key, _)| ["deny", "readonly"].contains(key)) {
            if let Some(real) = real_form(pattern) {
                all.push((key, real));
            }
        }
        Oracle { rules: all, since: std::time::SystemTime::now() }
    }

    fn granted(&self, path: &str, keys: &[&str]) -> bool {
        self.rules.iter().any(|(key, pattern)| keys.contains(key) && matches(&parts(pattern), &parts(path)))
    }

    fn taken_away(&self, path: &str, key: &str) -> bool {
        let path = parts(path);
        let covers = |pattern: &str| (0..=path.len()).any(|end| matches(&parts(pattern), &path[..end]));
        self.rules.iter().any(|(of, pattern)| *of == key && covers(pattern))
    }

    /// Whether the right is had on a real path.
    pub fn allows(&self, path: &str, right: Right) -> bool {
        let granted = match right {
            Right::Read => self.granted(path, &["read", "write", "exec"]),
            Right::Exec => self.granted(path, &["exec"]),
            _ => self.granted(path, &["write"]),
        };
        let only_read = matches!(right, Right::Read | Right::Exec) || !self.taken_away(path, "readonly");
        granted && only_read && !self.taken_away(path, "deny")
    }

    /// Some rule takes something away there.
    fn protected(&self, path: &str) -> bool {
        self.taken_away(path, "deny") || self.taken_away(path, "readonly")
    }

    fn narrowing(&self) -> impl Iterator<Item = Vec<&str>> {
        self.rules.iter().filter(|(key, _)| ["deny", "readonly"].contains(key)).map(|(_, pattern)| parts(pattern))
    }

    /// A protected path without a wildcard is here or further down, or the directory is the root of a writable tree.
    fn leads_to_protected(&self, path: &str) -> bool {
        let names = parts(path);
        let down = |pattern: Vec<&str>| is_literal(stem(&pattern)) && stem(&pattern).starts_with(&names);
        self.narrowing().any(down) || self.is_root(path)
    }

    /// A tree granted for writing by its plain name, and by no other that lies above.
    fn is_root(&self, path: &str) -> bool {
        let tree = |(key, pattern): &Rule| {
            let pattern = parts(pattern);
            *key == "write"
                && pattern.last() == Some(&"**")
                && is_literal(stem(&pattern))
                && stem(&pattern) == parts(path)
        };
        let above = path.rsplit_once('/').map_or("/", |(above, _)| if above.is_empty() { "/" } else { above });
        self.rules.iter().any(tree) && !self.granted(above, &["write"])
    }

    /// Moving `from` to `to` would take something in it to its protection, or away from it.
    fn moves_protected(&self, from: &str, to: &str) -> bool {
        let is_dir = fs::symlink_metadata(from).is_ok_and(|stat| stat.is_dir());
        if self.leads_to_protected(to) || (is_dir && self.leads_to_protected(from)) {
            return true;
        }
        is_dir
            && inside(from, "")
                .iter()
                .any(|name| self.protected(&format!("{from}{name}")) != self.protected(&format!("{to}{name}")))
    }

    /// A new name there would make a git directory of its parent that could run something.
    fn completes_badly(&self, path: &str) -> bool {
        let writable = |path: &str| self.allows(path, Right::Create) && self.allows(path, Right::Write);
        shape::completes_badly(path, &writable)
    }

    /// What is made or moved there could be run by git.
    fn arms(&self, path: &str) -> bool {
        shape::guards(path) || self.completes_badly(path)
    }

    /// As `arms`, of a rename: git puts its configuration in place by one.
    fn arms_by_rename(&self, from: &str, to: &str, line: &Line) -> bool {
        let plain = line.number < 2 && !line.path.ends_with('/') && !line.path2.ends_with('/');
        if plain && shape::is_config(to) {
            return !shape::may_become(from, to, self.since);
        }
        self.arms(to) || (line.number == 2 && self.arms(from))
    }

    /// Whether the policy refuses the call, as things stand; None where the kernel itself does not get that far.
    pub fn refuses(&self, line: &Line, base: &str) -> Option<bool> {
        let full = |path: &str| if path.starts_with('/') { path.to_owned() } else { format!("{base}/{path}") };
        let (one, two) = (full(&line.path), full(&line.path2));
        let denied = |path: &str, right| !self.allows(path, right);
        let slot = |path: &str| match place(path, false) {
            Place::There(path) => Some((path, true)),
            Place::Missing(path) => Some((path, false)),
            Place::Nowhere => None,
        };
        Some(match line.op.as_str() {
            "open" => return self.refuses_open(&one, line.number),
            "mkdir" | "mknod" | "symlink" => {
                let (path, is_there) = slot(&one)?;
                // What is there already is not made, so not refused.
                let arms = if line.op == "mkdir" { self.completes_badly(&path) } else { self.arms(&path) };
                let leads = line.op == "symlink" && self.leads_to_protected(&path);
                !is_there && (denied(&path, Right::Create) || leads || arms)
            }
            "unlink" | "rmdir" => {
                let (path, is_there) = slot(&one)?;
                is_there && (denied(&path, Right::Delete) || (line.op == "rmdir" && self.leads_to_protected(&path)))
            }
            "rename" => {
                let ((from, true), (to, is_there)) = (slot(&one)?, slot(&two)?) else { return None };
                let exchange = line.number == 2;
                denied(&from, Right::Rename)
                    || denied(&to, Right::Create)
                    || (is_there && denied(&to, if exchange { Right::Rename } else { Right::Delete }))
                    || (exchange && denied(&from, Right::Create))
                    || self.moves_protected(&from, &to)
                    || self.arms_by_rename(&from, &to, line)
                    || (is_there && self.moves_protected(&to, &from))
            }
            "link" => {
                let follow = line.number & libc::AT_SYMLINK_FOLLOW != 0;
                let Place::There(from) = place(&one, follow) else { return None };
                let (to, _) = slot(&two)?;
                // The new name gives its directory's rights over the old file.
                denied(&from, Right::Write) || denied(&to, Right::Create) || shape::guards(&from) || self.arms(&to)
            }
            "chmod" | "utimes" => match place(&one, true) {
                Place::There(path) => {
                    let runs = line.op == "chmod" && line.number & 0o111 != 0 && shape::is_hook(&path);
                    denied(&path, Right::Change) || runs
                }
                _ => return None,
            },
            "exec" => match place(&one, true) {
                Place::There(path) => denied(&path, Right::Exec) || denied(&path, Right::Read),
                _ => return None,
            },
            _ => return None,
        })
    }

    /// What an open of a path needs.
    fn refuses_open(&self, path: &str, flags: i32) -> Option<bool> {
        let exclusive = flags & (libc::O_CREAT | libc::O_EXCL) == libc::O_CREAT | libc::O_EXCL;
        let follow = flags & libc::O_NOFOLLOW == 0 && !exclusive;
        let mut rights = match flags & libc::O_ACCMODE {
            libc::O_WRONLY => vec![Right::Write],
            libc::O_RDWR => vec![Right::Read, Right::Write],
            _ => vec![Right::Read],
        };
        if flags & libc::O_TRUNC != 0 {
            rights.push(Right::Write);
        }
        let denied = |path: &str| rights.iter().any(|right| !self.allows(path, *right));
        match place(path, follow) {
            Place::There(real) => {
                // A link is also refused by its own name, where a rule means that.
                let plain = !path.contains("//") && path.split('/').all(|part| part != "." && part != "..");
                let by_name = plain && !path.ends_with('/') && self.protected(path) && denied(path);
                let writes = rights.contains(&Right::Write) && fs::metadata(&real).is_ok_and(|stat| stat.is_file());
                Some(denied(&real) || by_name || (writes && shape::guards(&real)))
            }
            Place::Missing(real) if flags & libc::O_CREAT != 0 => {
                Some(!self.allows(&real, Right::Create) || denied(&real) || self.arms(&real))
            }
            _ => None,
        }
    }
}

/// Every path in a directory, with a slash before it.
fn inside(dir: &str, name: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut all = Vec::new();
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), format!("{name}/{}", entry.file_name().to_string_lossy()));
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_dir {
            all.extend(inside(&path.to_string_lossy(), &name));
        }
        all.push(name);
    }
    all
}

/// Follows a path name by name. A slash at its end asks for a directory, so its last link is followed.
pub fn place(path: &str, follow: bool) -> Place {
    let mut rest: Vec<String> = parts(path).into_iter().rev().map(str::to_owned).collect();
    let slash = path.ends_with('/');
    let mut real = String::new();
    let mut links = 0;
    while let Some(name) = rest.pop() {
        let at = if real.is_empty() { "/" } else { real.as_str() };
        if !fs::symlink_metadata(at).is_ok_and(|stat| stat.is_dir()) {
            return Place::Nowhere;
        }
        match name.as_str() {
            "." => continue,
            ".." => {
                real.truncate(real.rfind('/').unwrap_or(0));
                continue;
            }
            _ => {}
        }
        let next = format!("{real}/{name}");
        let Ok(stat) = fs::symlink_metadata(&next) else {
            return if rest.is_empty() { Place::Missing(next) } else { Place::Nowhere };
        };
        if stat.file_type().is_symlink() && (!rest.is_empty() || follow || slash) {
            links += 1;
            if links > 40 {
                return Place::Nowhere;
            }
            let text = fs::read_link(&next).expect("a link").to_string_lossy().into_owned();
            if text.starts_with('/') {
                real.clear();
            }
            rest.extend(parts(&text).into_iter().rev().map(str::to_owned));
            continue;
        }
        real = next;
    }
    Place::There(if real.is_empty() { "/".into() } else { real })
}

/// The pattern with the part before its first wildcard followed to where it really is; None if that changes nothing.
fn real_form(pattern: &str) -> Option<String> {
    let names = parts(pattern);
    let literal = names.iter().take_while(|name| !name.contains('*')).count();
    let mut known = literal;
    let plain = |count: usize| format!("/{}", names[..count].join("/"));
    while known > 0 && fs::metadata(plain(known)).is_err() {
        known -= 1;
    }
    let real = fs::canonicalize(plain(known)).ok()?.to_string_lossy().into_owned();
    let real = real.trim_end_matches('/').to_owned();
    let whole = format!("{real}/{}", names[known..].join("/"));
    let whole = whole.trim_end_matches('/').to_owned();
    (parts(&whole) != names).then_some(whole)
}

/// Whether a grant's plain part leads through no link.
pub fn is_direct(pattern: &str) -> bool {
    real_form(pattern).is_none()
}
