//! The workloads' inputs: a git repository of 4,800 files, 40 C files, a tiny crate.
//!
//! Invariant: the same bytes on every machine and every run; nothing comes from the network or from the clock.
//! Leaves to others: removing them (`scratch`).

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::measure::xorshift;
use crate::ways::{Ways, words};

const DIRECTORIES: usize = 160;
const FILES_EACH: usize = 30;
const C_FILES: usize = 40;
const HEADERS: usize = 30;

const WORDS: [&str; 16] = [
    "account", "buffer", "cursor", "domain", "event", "filter", "group", "haystack", "index", "journal", "kernel",
    "ledger", "marker", "node", "offset", "packet",
];

const SYSTEM_HEADERS: [&str; 24] = [
    "arpa/inet.h",
    "ctype.h",
    "dirent.h",
    "errno.h",
    "fcntl.h",
    "inttypes.h",
    "limits.h",
    "locale.h",
    "math.h",
    "netdb.h",
    "netinet/in.h",
    "poll.h",
    "pthread.h",
    "pwd.h",
    "signal.h",
    "stdio.h",
    "stdlib.h",
    "string.h",
    "sys/mman.h",
    "sys/socket.h",
    "sys/stat.h",
    "sys/wait.h",
    "time.h",
    "unistd.h",
];

/// Makes all inputs in the working directory, once.
pub fn make(ways: &Ways<'_>) -> Result<()> {
    let work = ways.scratch.work();
    if work.join("crate").exists() {
        return Ok(());
    }
    repository(ways, &work.join("tree")).context("cannot make the repository")?;
    c_project(&work.join("c")).context("cannot make the C project")?;
    crate_of_one_file(&work.join("crate")).context("cannot make the crate")
}

fn repository(ways: &Ways<'_>, root: &Path) -> Result<()> {
    let mut state = 0x5eed;
    for directory in 0..DIRECTORIES {
        let directory = root.join(format!("part-{:02}/unit-{:02}", directory / 16, directory % 16));
        fs::create_dir_all(&directory)?;
        for file in 0..FILES_EACH {
            fs::write(directory.join(format!("file-{file:02}.txt")), prose(&mut state, 40))?;
        }
    }
    let author = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"];
    for step in [&["init", "-q"][..], &["add", "-A"], &["commit", "-q", "-m", "all files"], &["status"]] {
        let mut argv = words(&[&"git", &"-C", &root]);
        argv.extend(author.iter().chain(step).map(Into::into));
        ways.run(&argv).with_context(|| format!("git {step:?}"))?;
    }
    Ok(())
}

/// `lines` lines of words, about one in 200 of them with a needle.
fn prose(state: &mut u64, lines: usize) -> String {
    let mut text = String::new();
    for _ in 0..lines {
        for _ in 0..6 {
            text.push_str(WORDS[(xorshift(state) % WORDS.len() as u64) as usize]);
            text.push(' ');
        }
        text.push_str(if xorshift(state).is_multiple_of(200) { "needle\n" } else { "end\n" });
    }
    text
}

fn c_project(root: &Path) -> Result<()> {
    // headers are found in the last of four directories, as in grown projects
    for directory in ["build", "include/a", "include/b", "include/c", "include/d"] {
        fs::create_dir_all(root.join(directory))?;
    }
    fs::remove_dir(root.join("build"))?;
    for header in 0..HEADERS {
        let text = format!(
            "#ifndef H{header}\n#define H{header}\nstruct s{header} {{ int a; long b[{header} + 1]; }};\nint f{header}(struct s{header} *);\n#endif\n"
        );
        fs::write(root.join(format!("include/d/h{header:02}.h")), text)?;
    }
    for file in 0..C_FILES {
        let mut text = String::new();
        for header in SYSTEM_HEADERS {
            writeln!(text, "#include <{header}>")?;
        }
        for header in 0..HEADERS {
            writeln!(text, "#include \"h{header:02}.h\"")?;
        }
        writeln!(text, "int unit{file}(struct s1 *s) {{ printf(\"%ld\\n\", s->b[0]); return f1(s) + {file}; }}")?;
        fs::write(root.join(format!("unit{file:02}.c")), text)?;
    }
    let makefile = "OBJECTS = $(patsubst %.c,build/%.o,$(wildcard *.c))\n\
        build/all.a: $(OBJECTS)\n\tar cr $@ $^\n\
        build/%.o: %.c\n\t@mkdir -p build\n\tgcc -O1 -Iinclude/a -Iinclude/b -Iinclude/c -Iinclude/d -c -o $@ $<\n";
    fs::write(root.join("Makefile"), makefile)?;
    Ok(())
}

fn crate_of_one_file(root: &Path) -> Result<()> {
    fs::create_dir_all(root.join("src"))?;
    fs::write(
        root.join("Cargo.toml"),
        "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[workspace]\n",
    )?;
    fs::write(root.join("src/main.rs"), "fn main() {\n    println!(\"tiny\");\n}\n")?;
    Ok(())
}
