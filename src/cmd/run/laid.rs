//! Options of one run that are rules → sources of the command line's layer.
//!
//! Invariant: one source for each option, called as it was typed, so that an error or a decision names it; a value reaches
//! the policy as one string of TOML, whatever is in it.
//! Leaves to others: what the rules mean and whether they count (`policy`).

use std::path::Path;

use crate::cli::Laid;
use crate::policy::{Layer, Source};

/// The options, in the order of the help.
pub fn sources(laid: &Laid, cwd: &Path) -> Vec<Source> {
    laid.rules().map(|(option, key, value, is_path)| source(option, key, value, is_path.then_some(cwd))).collect()
}

fn source(option: &str, key: &str, value: &str, cwd: Option<&Path>) -> Source {
    let grants = matches!(key, "files.read" | "files.write" | "files.exec");
    let pattern = cwd.map_or_else(|| value.to_owned(), |cwd| placed(value, cwd, grants));
    let entry = match (key, value) {
        ("network.allow", "all") => "'all'".to_owned(),
        _ => format!("[{}]", quoted(&pattern)),
    };
    let text = format!("{key} = {entry}\nversion = 1\n");
    Source { name: format!("{option} {value}"), text, layer: Layer::CommandLine, path: None }
}

/// The pattern that a path on the command line stands for: from the working directory, and a directory that is granted with
/// all beneath it.
fn placed(value: &str, cwd: &Path, grants: bool) -> String {
    let is_pattern = value.starts_with("${") || value.starts_with('~') || value.starts_with("**");
    if is_pattern {
        return value.to_owned();
    }
    let trimmed = if value.len() > 1 { value.trim_end_matches('/') } else { value };
    let mut below = trimmed;
    while let Some(rest) = below.strip_prefix("./") {
        below = rest.trim_start_matches('/');
    }
    let here = matches!(below, "" | ".");
    let mut pattern = match (trimmed.starts_with('/'), here) {
        (true, _) => up(trimmed, Path::new("/")).unwrap_or_else(|| trimmed.to_owned()),
        (false, true) => "${workdir}".to_owned(),
        (false, false) => match up(below, cwd) {
            Some(path) => path,
            None => format!("${{workdir}}/{below}"),
        },
    };
    if grants && !pattern.ends_with("/**") && cwd.join(trimmed).is_dir() {
        pattern.push_str(if pattern.ends_with('/') { "**" } else { "/**" });
    }
    pattern
}

/// A path that goes up somewhere, without that.
fn up(below: &str, cwd: &Path) -> Option<String> {
    if !below.split('/').any(|part| part == "..") {
        return None;
    }
    let mut path = cwd.to_owned();
    for part in below.split('/').filter(|part| !matches!(*part, "" | ".")) {
        match part {
            ".." => {
                path.pop();
            }
            part => path.push(part),
        }
    }
    path.into_os_string().into_string().ok()
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut out = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_working_directory() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("out")).unwrap();
        let shown = |value: &str, grants| placed(value, dir.path(), grants);
        assert_eq!([shown("out", true), shown("./out/", true)], ["${workdir}/out/**", "${workdir}/out/**"]);
        assert_eq!([shown("out", false), shown("a.txt", true)], ["${workdir}/out", "${workdir}/a.txt"]);
        assert_eq!([shown(".", false), shown("./", true)], ["${workdir}", "${workdir}/**"]);
        assert_eq!(
            ["**/.env", "~/x", "${tmp}/y", "/etc/*.conf"].map(|text| shown(text, true)),
            ["**/.env", "~/x", "${tmp}/y", "/etc/*.conf"]
        );
        assert_eq!(placed("../a/./b", Path::new("/src/w"), false), "/src/a/b");
        assert_eq!(shown("/src/../etc/x", false), "/etc/x");
        assert_eq!([shown("/", true), shown("/etc", true)], ["/**", "/etc/**"]);
    }

    #[test]
    fn a_value_stays_one_string() {
        let laid = Laid { deny: vec!["/a\"]\nfiles.read = [\"/".to_owned()], ..Laid::default() };
        let sources = sources(&laid, Path::new("/w"));
        let table: toml::Table = sources[0].text.parse().unwrap();
        assert_eq!(table["files"]["deny"][0].as_str(), Some("/a\"]\nfiles.read = [\""));
        let all = Laid { allow_net: vec!["all".to_owned(), "10.0.0.1".to_owned()], ..Laid::default() };
        let texts: Vec<String> = super::sources(&all, Path::new("/w")).into_iter().map(|source| source.text).collect();
        assert_eq!(texts, ["network.allow = 'all'\nversion = 1\n", "network.allow = [\"10.0.0.1\"]\nversion = 1\n"]);
    }
}
