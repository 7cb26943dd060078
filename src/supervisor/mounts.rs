//! What the mounts of this machine make of a path: other mounts of /proc, and one file under two paths.
//!
//! A rule is about paths. A directory that is mounted a second time elsewhere has two, and what one of them is denied the
//! other must not give away; another /proc holds the same secrets as the first, and its `self` would be ours.
//! Invariant: read once, at the start; nobody in a session can mount. What somebody outside mounts later is not known.
//! Leaves to others: judging (`worker`).

use std::io;

use crate::sandbox::beneath;

/// Pairs of paths kept: each is looked at whenever a path is judged for the first time.
const MOST: usize = 1024;

/// See the module.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mounts {
    procs: Vec<Vec<u8>>,
    /// Of each pair what lies beneath the first lies beneath the second, too.
    twins: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A line of proc_pid_mountinfo(5).
struct Mount {
    device: Vec<u8>,
    root: Vec<u8>,
    point: Vec<u8>,
    is_proc: bool,
}

impl Mounts {
    /// As they are now.
    pub fn read() -> io::Result<Self> {
        Ok(Self::of(&std::fs::read("/proc/self/mountinfo")?))
    }

    fn of(text: &[u8]) -> Self {
        let all: Vec<Mount> = text.split(|byte| *byte == b'\n').filter_map(Mount::parse).collect();
        let elsewhere = |mount: &&Mount| mount.is_proc && !beneath(&mount.point, b"/proc");
        let procs = all.iter().filter(elsewhere).map(|mount| mount.point.clone()).collect();
        let mut twins = Vec::new();
        for inner in all.iter().filter(|mount| !mount.is_proc) {
            for outer in all.iter().filter(|outer| outer.device == inner.device && outer.point != inner.point) {
                if beneath(&inner.root, &outer.root) && twins.len() + 1 < MOST {
                    let rest = inner.root.get(outer.root.len()..).unwrap_or_default();
                    let rest = if outer.root == b"/" { inner.root.as_slice() } else { rest };
                    let other = place(&outer.point, rest);
                    if other != inner.point {
                        twins.push((inner.point.clone(), other.clone()));
                        twins.push((other, inner.point.clone()));
                    }
                }
            }
        }
        twins.sort();
        twins.dedup();
        Self { procs, twins }
    }

    /// Whether a path lies in a mount of /proc that is not at /proc.
    pub fn is_other_proc(&self, path: &[u8]) -> bool {
        self.procs.iter().any(|proc| beneath(path, proc))
    }

    /// The other paths of what a path leads to.
    pub fn others<'a>(&'a self, path: &'a [u8]) -> impl Iterator<Item = Vec<u8>> + 'a {
        self.twins.iter().filter(|(from, _)| beneath(path, from)).map(|(from, to)| {
            let from = from.strip_suffix(b"/").unwrap_or(from);
            place(to, path.get(from.len()..).unwrap_or_default())
        })
    }
}

/// `rest`, empty or beginning with a slash, beneath a directory.
fn place(dir: &[u8], rest: &[u8]) -> Vec<u8> {
    let path = [dir.strip_suffix(b"/").unwrap_or(dir), rest.strip_suffix(b"/").unwrap_or(rest)].concat();
    if path.is_empty() { b"/".to_vec() } else { path }
}

impl Mount {
    fn parse(line: &[u8]) -> Option<Self> {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let kind = fields.iter().position(|field| *field == b"-")? + 1;
        Some(Self {
            device: fields.get(2)?.to_vec(),
            root: plain(fields.get(3)?),
            point: plain(fields.get(4)?),
            is_proc: *fields.get(kind)? == b"proc",
        })
    }
}

/// A field without its escapes: `\040` is a space.
fn plain(field: &[u8]) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::with_capacity(field.len()), field);
    while let [first, tail @ ..] = rest {
        let octal = tail.get(..3).and_then(|three| u8::from_str_radix(std::str::from_utf8(three).ok()?, 8).ok());
        let (byte, left) = match octal {
            Some(byte) if *first == b'\\' => (byte, tail.get(3..).unwrap_or_default()),
            _ => (*first, tail),
        };
        bytes.push(byte);
        rest = left;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"22 1 8:1 / / rw - ext4 /dev/sda rw\n23 22 0:5 / /proc rw - proc proc rw\n\
        24 22 0:5 / /srv/a\\040b/proc rw - proc proc rw\n25 22 8:1 /home/u/secret /work/given rw shared:1 - ext4 /dev/sda rw\n\
        26 22 0:9 / /tmp rw - tmpfs tmpfs rw\n";

    #[test]
    fn twins_and_other_procs_are_found() {
        let mounts = Mounts::of(TEXT);
        assert_eq!(mounts.procs, [b"/srv/a b/proc".to_vec()]);
        assert!(mounts.is_other_proc(b"/srv/a b/proc/self/environ") && !mounts.is_other_proc(b"/proc/self"));
        let others = |path: &'static [u8]| mounts.others(path).collect::<Vec<_>>();
        assert_eq!(others(b"/work/given/key"), [b"/home/u/secret/key".to_vec()]);
        assert_eq!(others(b"/home/u/secret"), [b"/work/given".to_vec()]);
        assert!(others(b"/home/u/secrets").is_empty() && others(b"/tmp/x").is_empty());
    }

    #[test]
    fn a_machine_without_second_mounts_has_no_twins() {
        assert_eq!(Mounts::of(b"22 1 8:1 / / rw - ext4 /dev/sda rw\n\nnonsense\n"), Mounts::default());
    }
}
