//! The ways to read a command line: a name besides argv[0]'s, an applet, a script, the program behind a loader.
//!
//! Invariant: a reading is only ever used to refuse or to ask more. Leaves to others: what a path means (`supervisor`).
//!
//! ```text
//! busybox wget -q x        busybox -q…, and wget -q x
//! bash -x deploy.sh now    bash -x …,   and deploy.sh now
//! ld.so --argv0 a git push ld.so …,     and git push
//! ```

/// Multi-call programs that stand behind one another on one command line: more are not looked for.
const MOST: usize = 8;
/// Options of the dynamic loaders (glibc and musl) that take the next argument.
const LOADER_VALUES: &[&[u8]] = &[
    b"--library-path",
    b"--inhibit-rpath",
    b"--preload",
    b"--argv0",
    b"--audit",
    b"--glibc-hwcaps-prepend",
    b"--glibc-hwcaps-mask",
];
/// Programs that run a file they are given, besides those with a version in their names.
const INTERPRETERS: &[&[u8]] = &[
    b"sh",
    b"bash",
    b"rbash",
    b"dash",
    b"ash",
    b"hush",
    b"zsh",
    b"ksh",
    b"mksh",
    b"yash",
    b"fish",
    b"csh",
    b"tcsh",
    b"nu",
    b"pwsh",
    b"node",
    b"nodejs",
    b"bun",
    b"deno",
    b"tsx",
    b"ts-node",
    b"Rscript",
    b"osascript",
    b"awk",
    b"gawk",
    b"mawk",
    b"sed",
    b"expect",
    b"source",
];
/// The same with anything of a version behind them: `python3.11`.
const VERSIONED: &[&[u8]] = &[
    b"python", b"pypy", b"perl", b"ruby", b"jruby", b"php", b"lua", b"luajit", b"tclsh", b"wish", b"guile", b"ksh",
    b"node", b"bash", b"gawk",
];

/// One reading of a command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading<'a> {
    /// Without directory.
    pub name: &'a [u8],
    pub arguments: &'a [Vec<u8>],
}

/// An argument that is a program of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    /// The dynamic loader maps and runs this argument: it is a program as any other.
    Program(usize),
    /// An interpreter may run this argument: it is a script.
    Script(usize),
}

/// The last component.
pub fn last(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
}

/// What argv[0] calls the program: without directory and the `-` of a login shell.
fn called(argv: &[Vec<u8>]) -> &[u8] {
    let name = argv.first().map(|first| last(first)).unwrap_or_default();
    name.strip_prefix(b"-").filter(|rest| !rest.is_empty()).unwrap_or(name)
}

/// Every reading of a command line. With its own name, whatever it calls itself; as each applet of multi-call programs;
/// as what an interpreter or a loader is given.
pub fn readings<'a>(path: &'a [u8], argv: &'a [Vec<u8>]) -> Vec<Reading<'a>> {
    let arguments = argv.get(1..).unwrap_or_default();
    let mut all = vec![Reading { name: last(path), arguments }];
    if called(argv) != last(path) {
        all.push(Reading { name: called(argv), arguments });
    }
    if is_many(last(path)) || is_many(called(argv)) {
        all.extend(applets(arguments));
    }
    let operands: Vec<Reading<'a>> = all.iter().flat_map(|reading| given(*reading)).collect();
    all.extend(operands);
    all
}

/// The reading that decides what is allowed: by what the program is. argv[0] counts only where it chooses the applet.
pub fn true_names<'a>(path: &'a [u8], argv: &'a [Vec<u8>]) -> Vec<Reading<'a>> {
    let arguments = argv.get(1..).unwrap_or_default();
    let mut all = vec![Reading { name: last(path), arguments }];
    if is_many(last(path)) {
        if is_many(called(argv)) {
            all.extend(applets(arguments).into_iter().take(1));
        } else {
            all.push(Reading { name: called(argv), arguments });
        }
    }
    all
}

/// The arguments of a command line that are programs themselves, for whoever can look at the disk.
pub fn carried(path: &[u8], argv: &[Vec<u8>]) -> Vec<Carried> {
    let name = last(path);
    if is_loader(name) {
        return behind_loader(argv.get(1..).unwrap_or_default())
            .map(|at| Carried::Program(at + 1))
            .into_iter()
            .collect();
    }
    let script = |reading: Reading<'_>| -> Vec<usize> {
        let behind = argv.len().saturating_sub(reading.arguments.len());
        if is_interpreter(reading.name) {
            operands(reading.arguments).into_iter().map(|at| at + behind).collect()
        } else {
            Vec::new()
        }
    };
    let mut at: Vec<usize> = readings_by_name(path, argv).into_iter().flat_map(script).collect();
    at.sort_unstable();
    at.dedup();
    at.into_iter().map(Carried::Script).collect()
}

/// By the program's own names and its applets, not by what it is given.
fn readings_by_name<'a>(path: &'a [u8], argv: &'a [Vec<u8>]) -> Vec<Reading<'a>> {
    let arguments = argv.get(1..).unwrap_or_default();
    let mut all = vec![Reading { name: last(path), arguments }, Reading { name: called(argv), arguments }];
    if is_many(last(path)) || is_many(called(argv)) {
        all.extend(applets(arguments));
    }
    all
}

/// A program whose applets are chosen by argv[0] or the first argument.
fn is_many(name: &[u8]) -> bool {
    name.starts_with(b"busybox") || name.starts_with(b"toybox") || name == b"coreutils" || name == b"uutils"
}

/// The applets that the first arguments choose.
fn applets(mut arguments: &[Vec<u8>]) -> Vec<Reading<'_>> {
    let mut all = Vec::new();
    for _ in 0..MOST {
        let Some((first, rest)) = arguments.split_first() else { return all };
        let chosen = [b"--coreutils-prog=".as_slice(), b"--coreutils-prog-shebang="];
        let first = chosen.iter().find_map(|option| first.strip_prefix(*option)).unwrap_or(first);
        all.push(Reading { name: last(first), arguments: rest });
        if !is_many(last(first)) {
            return all;
        }
        arguments = rest;
    }
    all
}

/// The dynamic loader under one of its usual names.
fn is_loader(name: &[u8]) -> bool {
    name == b"ld.so"
        || name.starts_with(b"ld-") && name.windows(3).any(|part| part == b".so")
        || name.starts_with(b"libc.musl-") && name.windows(3).any(|part| part == b".so")
}

fn is_interpreter(name: &[u8]) -> bool {
    let version = |rest: &[u8]| rest.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
    INTERPRETERS.contains(&name) || VERSIONED.iter().any(|plain| name.strip_prefix(*plain).is_some_and(version))
}

/// What an interpreter or a loader is given, by name.
fn given(reading: Reading<'_>) -> Vec<Reading<'_>> {
    let at = |at: &usize| {
        let (name, behind) = (reading.arguments.get(*at)?, reading.arguments.get(at + 1..)?);
        Some(Reading { name: last(name), arguments: behind })
    };
    if is_loader(reading.name) {
        behind_loader(reading.arguments).iter().filter_map(at).collect()
    } else if is_interpreter(reading.name) {
        operands(reading.arguments).iter().filter_map(at).collect()
    } else {
        Vec::new()
    }
}

/// The program on a loader's command line.
fn behind_loader(arguments: &[Vec<u8>]) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = arguments.get(at) {
        if word == b"--" {
            return (at + 1 < arguments.len()).then_some(at + 1);
        }
        if !word.starts_with(b"--") {
            return Some(at);
        }
        at += if LOADER_VALUES.contains(&word.as_slice()) { 2 } else { 1 };
    }
    None
}

/// The arguments that may be the first one that is no option: an option may take the word behind it, or not.
fn operands(arguments: &[Vec<u8>]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut behind_option = false;
    for (at, word) in arguments.iter().enumerate() {
        if is_option(word) {
            behind_option = true;
            continue;
        }
        found.push(at);
        if !behind_option {
            return found;
        }
        behind_option = false;
    }
    found
}

/// `-x`, `--long`, `+x`.
pub fn is_option(word: &[u8]) -> bool {
    word.len() > 1 && matches!(word.first(), Some(b'-' | b'+'))
}
