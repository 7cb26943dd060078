//! Random trees, policies and calls; all of it follows from one number.
//!
//! Invariant: everything lies beneath the base, but for where a link or `..` leads above it; names come from a short
//! list, so that calls meet each other's traces.
//! Leaves to others: what a policy means (`oracle`).

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use crate::perform::Line;

/// splitmix64
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    pub fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((x ^ (x >> 31)) % most as u64) as usize
    }

    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

/// The last three are what git knows its own directories by.
const DIRS: [&str; 7] = ["a", "b", "c", "dé", "objects", "refs", "hooks"];
/// The last two look alike: composed and decomposed.
const FILES: [&str; 9] = ["f", "g", ".env", "k.pem", ".ENV", "tool", "\u{e9}", "e\u{301}", "config"];
const LINKS: [&str; 3] = ["l", "m", ".env"];

/// A path below the base, without a slash before it.
fn somewhere(dice: &mut Dice) -> String {
    let mut parts: Vec<&str> = (0..dice.below(4)).map(|_| if dice.once_in(6) { "l" } else { dice.of(&DIRS) }).collect();
    parts.push(match dice.below(8) {
        0..4 => dice.of(&FILES),
        4..7 => dice.of(&DIRS),
        _ => dice.of(&LINKS),
    });
    parts.join("/")
}

/// A link's text: relative or absolute, of something or nothing.
fn aim(dice: &mut Dice, base: &str) -> String {
    match dice.below(5) {
        0 => "..".to_owned(),
        1 => format!("../{}", somewhere(dice)),
        2 => format!("{base}/{}", somewhere(dice)),
        _ => somewhere(dice),
    }
}

/// Makes a tree: directories three deep, files with their own path in them, programs, links.
pub fn grow(base: &Path, dice: &mut Dice) {
    fs::create_dir_all(base).expect("mkdir");
    let mut dirs = vec![base.to_owned()];
    for _ in 0..12 {
        let mut dir = base.to_owned();
        for _ in 0..1 + dice.below(3) {
            dir.push(dice.of(&DIRS));
        }
        fs::create_dir_all(&dir).expect("mkdir");
        dirs.push(dir);
    }
    for _ in 0..30 {
        let path = dirs[dice.below(dirs.len())].join(dice.of(&FILES));
        if path.symlink_metadata().is_err() {
            file(&path);
        }
    }
    for _ in 0..8 {
        let path = dirs[dice.below(dirs.len())].join(dice.of(&LINKS));
        // What is there already stays.
        let _ = symlink(aim(dice, &base.to_string_lossy()), path);
    }
}

fn file(path: &Path) {
    let is_program = path.ends_with("tool");
    let text = if is_program { "#!/bin/true\n".to_owned() } else { format!("{}\n", path.display()) };
    fs::write(path, text).expect("write");
    fs::set_permissions(path, fs::Permissions::from_mode(if is_program { 0o755 } else { 0o644 })).expect("mode");
}

/// Everything in a tree, one line each: name, type, permissions, number of names, content.
pub fn describe(dir: &Path, name: &str, told: &mut Vec<String>) {
    let mut entries: Vec<_> = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry")).collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), format!("{name}/{}", entry.file_name().to_string_lossy()));
        let stat = path.symlink_metadata().expect("stat");
        let kind = stat.file_type();
        let content = if kind.is_symlink() {
            fs::read_link(&path).expect("link").to_string_lossy().into_owned()
        } else if kind.is_file() {
            fs::read_to_string(&path).expect("read")
        } else {
            String::new()
        };
        let names = if kind.is_dir() { 0 } else { stat.nlink() };
        told.push(format!("{name} {:o} {names} {content:?}", stat.mode()));
        if kind.is_dir() {
            describe(&path, &name, told);
        }
    }
}

/// One rule: the list it stands in, and its pattern.
pub type Rule = (&'static str, String);

fn pattern(dice: &mut Dice, base: &str) -> String {
    let segment = |dice: &mut Dice| {
        let names =
            ["a", "b", "c", "dé", "f", "g", ".env", "k.pem", "tool", "\u{e9}", "*", "*", "**", "*e*", "k*", ".*"];
        dice.of(&names).to_owned()
    };
    let mut parts: Vec<String> = (0..1 + dice.below(3)).map(|_| segment(dice)).collect();
    if dice.once_in(3) {
        parts.push("**".into());
    }
    let rest = parts.join("/");
    let floats = dice.once_in(4) && parts.iter().any(|part| part != "**");
    if floats { format!("**/{rest}") } else { format!("{base}/{rest}") }
}

/// A policy: the whole base or parts of it, and what is taken out again.
pub fn rules(dice: &mut Dice, base: &str) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    match dice.below(4) {
        0 => {
            for key in ["read", "write", "write", "exec"] {
                let anchored = pattern(dice, base);
                rules.push((key, if anchored.starts_with("**") { format!("{base}/a/**") } else { anchored }));
            }
        }
        1 => rules.extend([("read", format!("{base}/**")), ("write", format!("{base}/a/**"))]),
        2 => rules.extend([("write", format!("{base}/**"))]),
        _ => rules.extend([("write", format!("{base}/**")), ("exec", format!("{base}/**"))]),
    }
    for _ in 0..dice.below(5) {
        rules.push((dice.of(&["deny", "deny", "readonly"]), pattern(dice, base)));
    }
    rules
}

/// The same place, written another way.
fn spelled(dice: &mut Dice, base: &str, path: String) -> String {
    let mut path = path;
    if dice.once_in(8) {
        path = path.replacen('/', "//", 1);
    }
    if dice.once_in(8) {
        path = path.replacen('/', "/./", 1);
    }
    if dice.once_in(8) {
        path = format!("{}/../{path}", dice.of(&DIRS));
    }
    if dice.once_in(10) {
        path.push('/');
    }
    if dice.once_in(2) { format!("{base}/{path}") } else { path }
}

/// One call.
pub fn call(dice: &mut Dice, base: &str) -> Line {
    let path = somewhere(dice);
    let path = spelled(dice, base, path);
    let mut line = Line { op: String::new(), path, path2: String::new(), number: 0 };
    let other = |dice: &mut Dice| {
        let path = somewhere(dice);
        spelled(dice, base, path)
    };
    let op = match dice.below(200) {
        0..90 => {
            const FLAGS: [i32; 10] = [
                libc::O_RDONLY,
                libc::O_RDONLY,
                libc::O_WRONLY,
                libc::O_RDWR,
                libc::O_RDONLY | libc::O_TRUNC,
                libc::O_WRONLY | libc::O_CREAT,
                libc::O_WRONLY | libc::O_CREAT,
                libc::O_RDWR | libc::O_CREAT | libc::O_EXCL,
                libc::O_RDONLY | libc::O_NOFOLLOW,
                libc::O_RDONLY | libc::O_DIRECTORY,
            ];
            line.number = FLAGS[dice.below(FLAGS.len())];
            "open"
        }
        90..105 => "unlink",
        105..112 => "rmdir",
        112..127 => {
            line.number = 0o755;
            "mkdir"
        }
        127..132 => "mknod",
        132..162 => {
            line.path2 = other(dice);
            line.number = [0, 0, 0, 1, 2][dice.below(5)];
            "rename"
        }
        162..174 => {
            line.path2 = other(dice);
            line.number = if dice.once_in(3) { libc::AT_SYMLINK_FOLLOW } else { 0 };
            "link"
        }
        174..184 => {
            line.path2 = aim(dice, base);
            "symlink"
        }
        184..192 => {
            line.number = [0o644, 0o755, 0o600][dice.below(3)];
            "chmod"
        }
        192..198 => "utimes",
        _ => "exec",
    };
    line.op = op.to_owned();
    line
}
