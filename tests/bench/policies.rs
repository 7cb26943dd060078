//! Policies of 10,000 rules: reading them, deciding on files by them, starting under them.

use std::ffi::OsString;
use std::fs;
use std::hint::black_box;
use std::time::Instant;

use anyhow::Result;
use govsh::cmd::library::{Disk, vars};
use govsh::policy::{Access, Policy};

use crate::measure::{Bound, Case, Item, Pace, Sample, xorshift};
use crate::ways::Ways;

const RULES: usize = 10_000;
/// Paths that one sample of deciding goes through.
const ASKED: usize = 20_000;

/// What most of the rules are.
#[derive(Clone, Copy)]
enum Make {
    /// Trees, files, denies with and without wildcards, exceptions, addresses.
    Mixed,
    /// `**/x17*y17`, denied.
    Globs,
    /// `**/*mid17*`, denied.
    Inner,
    /// Existing and missing files, each granted by name.
    Files,
}

const MAKES: [(&str, Make); 4] =
    [("mixed", Make::Mixed), ("globs", Make::Globs), ("inner globs", Make::Inner), ("files", Make::Files)];

pub fn run(ways: &Ways<'_>, pace: &mut Pace, wants: &dyn Fn(&str) -> bool) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    let mut files = Vec::new();
    for (name, make) in MAKES {
        let path = ways.scratch.policy(&format!("{}.toml", name.replace(' ', "-")));
        fs::write(&path, text(make, ways))?;
        files.push((name, path));
    }
    let path = ways.scratch.policy("hosts.toml");
    fs::write(&path, crate::hosts::text())?;
    files.push(("hosts and requests", path));
    let load = |path: &std::path::Path| {
        let disk = Disk::new();
        let source = disk.find(&path.to_string_lossy())?;
        anyhow::Ok(Policy::load(source, &disk, &vars(std::path::Path::new("/run/govsh/bench"), &[]))?)
    };
    if wants("policy: load") {
        let case = |(name, path): &(&str, std::path::PathBuf)| {
            let path = path.clone();
            let run = move || {
                let begun = Instant::now();
                let policy = black_box(load(&path)?);
                let taken = begun.elapsed();
                // A session never does: it lives as long as the process.
                drop(policy);
                Ok(Sample::from(taken.as_secs_f64() * 1e3))
            };
            Case::new(*name, run).bounds([Bound::AtMost(50.0)])
        };
        items.push(pace.interleave("policy: load 10,000 rules", "ms", 9, true, files.iter().map(case).collect()));
    }
    if wants("policy: decide") {
        let mut cases = Vec::new();
        for (name, path) in &files {
            let policy = load(path)?;
            let asked = paths();
            let run = move || {
                let begun = Instant::now();
                for path in &asked {
                    let decision = policy.decide_file(black_box(path), Access::READ | Access::WRITE);
                    black_box(decision.rule);
                }
                Ok(Sample::from(begun.elapsed().as_secs_f64() * 1e6 / asked.len() as f64))
            };
            cases.push(Case::new(*name, run).bounds([Bound::AtMost(2.0)]));
        }
        items.push(pace.interleave("policy: decide by 10,000 rules", "µs", 9, true, cases));
    }
    if let (true, Some(govsh)) = (wants("policy: launch"), &ways.govsh) {
        let case = |(name, path): &(&str, std::path::PathBuf)| {
            let argv: Vec<OsString> = vec![
                govsh.into(),
                "run".into(),
                "--quiet".into(),
                "--policy".into(),
                path.into(),
                "--".into(),
                "/bin/true".into(),
            ];
            let run = move || Ok(Sample::from(ways.run(&argv)?.1 * 1e3));
            Case::new(*name, run).bounds([Bound::AtMost(60.0)])
        };
        items.push(pace.interleave(
            "policy: launch /bin/true under 10,000 rules",
            "ms",
            9,
            true,
            files.iter().map(case).collect(),
        ));
    }
    Ok(items)
}

fn text(make: Make, ways: &Ways<'_>) -> String {
    let mut text =
        String::from("version = 1\n[files]\nexec = ['/usr/**', '/bin/**', '/lib/**', '/lib64/**', '/opt/**']\n");
    let list = |text: &mut String, key: &str, entry: &dyn Fn(usize) -> String, count: usize| {
        text.push_str(&format!("{key} = [\n"));
        (0..count).for_each(|n| text.push_str(&format!("  {},\n", entry(n))));
        text.push_str("]\n");
    };
    text.push_str("read = ['/', '/etc/**', '/proc/**']\n");
    let work = ways.scratch.work().to_string_lossy().into_owned();
    match make {
        Make::Mixed => {
            list(&mut text, "write", &|n| format!("'{work}/project-{}/part-{n}/**'", n % 50), RULES / 2);
            let deny = |n: usize| match n % 4 {
                0 => format!("'{work}/project-{}/part-{n}/secret-{n}'", n % 50),
                1 => format!("'**/key-{n}*.pem'"),
                2 => format!("'~/vault-{n}/**'"),
                _ => format!("{{ path = '**/.env-{n}.*', except = ['**/.env-{n}.example'] }}"),
            };
            list(&mut text, "deny", &deny, RULES * 4 / 10);
            text.push_str("[network]\n");
            list(&mut text, "allow", &|n| format!("'10.{}.{}.0/24:443'", n / 250, n % 250), RULES / 10);
        }
        Make::Globs => list(&mut text, "deny", &|n| format!("'**/x{n}*y{}'", n % 97), RULES),
        Make::Inner => list(&mut text, "deny", &|n| format!("'**/*mid{n}*'"), RULES),
        Make::Files => list(&mut text, "write", &|n| format!("'{work}/d{}/f{n}'", n % 100), RULES),
    }
    text
}

/// Paths such as builds open, some of which rules are about.
fn paths() -> Vec<Vec<u8>> {
    let mut state = 0x1234_5678_9abc_def1;
    let path = |_| {
        let n = xorshift(&mut state) as usize % RULES;
        let text = match n % 6 {
            0 => format!("/usr/lib/x86_64-linux-gnu/lib{n}.so.6"),
            1 => format!("/home/user/src/project-{}/part-{n}/src/module_{n}.rs", n % 50),
            2 => format!("/home/user/src/project/target/debug/deps/x{n}-abcdef0123456789.y{}", n % 97),
            3 => format!("/home/user/src/project/node_modules/package-{n}/key-{n}-a.pem"),
            4 => format!("/tmp/a-mid{n}-b"),
            _ => format!("/home/user/.cache/d{}/f{n}", n % 100),
        };
        text.into_bytes()
    };
    (0..ASKED).map(path).collect()
}
