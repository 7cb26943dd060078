//! The manual pages, the help and the completions say what the program does.

use std::process::Command;

use clap::{CommandFactory as _, ValueEnum as _};
use govsh::cli::{Cli, KINDS, Shell};
use govsh::cmd::completions;

use crate::source::root;

/// A page's source with roff's dashes and fonts taken out.
fn page(name: &str) -> String {
    let text = std::fs::read_to_string(root().join("man").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    ["\\fB", "\\fI", "\\fR", "\\fP", "\\&"].iter().fold(text.replace("\\-", "-"), |text, font| text.replace(font, ""))
}

/// The words of a page: options are whole words there.
fn has_word(text: &str, wanted: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    text.split(|c| !part_of_word(c)).any(|word| word == wanted)
}

/// The part of govsh.1 on one subcommand: from its `.SS` to the next heading.
fn section(page: &str, heading: &str) -> Option<String> {
    let start = page.find(&format!("\n.SS {heading}\n"))? + 1;
    let body = &page[start..];
    let end = ["\n.SS ", "\n.SH "].iter().filter_map(|next| body[4..].find(next)).min().map_or(body.len(), |at| at + 4);
    Some(body[..end].to_owned())
}

/// Every visible subcommand with its heading: `run`, `policy list`.
fn subcommands() -> Vec<(String, clap::Command)> {
    let mut found = Vec::new();
    let mut cli = Cli::command();
    cli.build();
    let mut left: Vec<(String, clap::Command)> = vec![(String::new(), cli)];
    while let Some((name, command)) = left.pop() {
        let visible = command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help");
        let subs: Vec<_> =
            visible.map(|sub| (format!("{name} {}", sub.get_name()).trim().to_owned(), sub.clone())).collect();
        if subs.is_empty() {
            found.push((name, command));
        }
        left.extend(subs);
    }
    assert!(found.len() >= 9, "{found:?}");
    found
}

fn options(command: &clap::Command) -> Vec<String> {
    let own = command.get_arguments().filter(|arg| !["help", "version"].contains(&arg.get_id().as_str()));
    own.flat_map(|arg| {
        let long = arg.get_long().map(|long| format!("--{long}"));
        long.into_iter().chain(arg.get_short().map(|short| format!("-{short}")))
    })
    .collect()
}

#[test]
fn every_option_is_in_govsh_1() {
    let page = page("govsh.1");
    let mut missing = Vec::new();
    for (name, command) in subcommands() {
        let Some(text) = section(&page, &name) else {
            missing.push(format!("a section '.SS {name}'"));
            continue;
        };
        missing.extend(options(&command).into_iter().filter(|o| !has_word(&text, o)).map(|o| format!("{name} {o}")));
    }
    let everywhere = ["--help", "--version"].into_iter().filter(|option| !has_word(&page, option));
    missing.extend(everywhere.map(str::to_owned));
    assert!(missing.is_empty(), "not in man/govsh.1: {missing:?}");
}

#[test]
fn govsh_1_names_no_option_that_is_not_there() {
    let page = page("govsh.1");
    for (name, command) in subcommands() {
        let text = section(&page, &name).unwrap_or_default();
        let known = options(&command);
        let lines: Vec<_> = text.lines().collect();
        let tagged = lines.windows(2).filter(|pair| pair[0] == ".TP" && pair[1].contains(" -")).map(|pair| pair[1]);
        for line in tagged {
            let named = line.split([' ', ',', '"']).filter(|word| word.starts_with('-') && word.len() > 1);
            for option in named {
                assert!(known.iter().any(|known| known == option), "{name}: {option} is in the manual only");
            }
        }
    }
}

#[test]
fn every_exit_status_variable_and_file_is_in_govsh_1() {
    let page = page("govsh.1");
    for wanted in [
        "125",
        "126",
        "127",
        "128",
        "XDG_STATE_HOME",
        "XDG_RUNTIME_DIR",
        "XDG_CONFIG_HOME",
        "CI",
        "GITHUB_STEP_SUMMARY",
    ] {
        assert!(has_word(&page, wanted), "{wanted}");
    }
}

#[test]
fn every_kind_of_event_is_in_govsh_recording_5() {
    let page = page("govsh-recording.5");
    let missing: Vec<_> = KINDS.iter().filter(|kind| !has_word(&page, kind)).collect();
    assert!(missing.is_empty(), "not in man/govsh-recording.5: {missing:?}");
}

#[test]
fn pages_render_without_a_warning() {
    let mut pages: Vec<_> = std::fs::read_dir(root().join("man")).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    assert_eq!(pages.len(), 4, "{pages:?}");
    for page in pages {
        let out = Command::new("man")
            .args(["--warnings", "-E", "UTF-8", "-l"])
            .arg(&page)
            .env("MANWIDTH", "80")
            .env("LC_ALL", "C.UTF-8")
            .output()
            .expect("man(1) is needed");
        let complaints = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success() && complaints.is_empty(), "{}: {complaints}", page.display());
        assert!(String::from_utf8_lossy(&out.stdout).contains("NAME"), "{} is empty", page.display());
    }
}

#[test]
fn everything_explains_itself() {
    for (name, command) in subcommands() {
        assert!(command.get_about().is_some(), "{name}: no description");
        for arg in command.get_arguments() {
            assert!(arg.get_help().is_some(), "{name}: {} has no help", arg.get_id());
        }
    }
    let govsh = env!("CARGO_BIN_EXE_govsh");
    let names = subcommands().into_iter().map(|(name, _)| name).chain(["".into(), "policy".into()]);
    for name in names {
        let words = name.split_whitespace().chain(["--help"]);
        let out = Command::new(govsh).args(words).output().unwrap();
        assert!(out.status.success() && out.stderr.is_empty(), "{name} --help: {out:?}");
        assert!(String::from_utf8_lossy(&out.stdout).contains("Usage: govsh"), "{name} --help: {out:?}");
    }
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in Shell::value_variants() {
        let script = String::from_utf8(completions::script(*shell)).unwrap();
        for wanted in ["replay", "policy", "doctor", "no-record", "idle-limit"] {
            assert!(script.contains(wanted), "{shell:?}: {wanted}");
        }
        assert!(!script.contains("__monitor"), "{shell:?} completes what is hidden");
    }
    let script = String::from_utf8(completions::script(Shell::Bash)).unwrap();
    let out = Command::new("bash").args(["-c", &format!("{script}\ncomplete -p govsh")]).output().unwrap();
    assert!(out.status.success() && out.stderr.is_empty(), "{out:?}");
}

/// The keys that a table of a policy knows, as the error for an unknown one lists them; None for what is no table.
fn policy_keys(table: &str) -> Option<Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trial.toml");
    let heading = if table.is_empty() { String::new() } else { format!("[{table}]\n") };
    let version = if table == "version" { "" } else { "version = 1\n" };
    std::fs::write(&file, format!("{version}{heading}no-such-key = 1\n")).unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_govsh")).args(["policy", "check"]).arg(&file).output().unwrap();
    assert!(!out.status.success(), "{table}: an unknown key was taken");
    let said = String::from_utf8(out.stderr).unwrap();
    let (_, keys) = said.split_once("keys: ")?;
    Some(keys.lines().next().unwrap_or_default().split(", ").map(str::to_owned).collect())
}

#[test]
fn every_policy_key_is_in_govsh_policy_5() {
    let page = page("govsh-policy.5");
    let top = policy_keys("").expect("the keys of a policy");
    assert!(top.len() > 8, "{top:?}");
    let mut missing = Vec::new();
    let mut tables = 0;
    for table in &top {
        let keys = policy_keys(table);
        tables += usize::from(keys.is_some());
        for key in keys.iter().flatten().chain([table]) {
            if !has_word(&page, key) {
                missing.push(format!("{table}: {key}"));
            }
        }
    }
    assert!(tables > 6, "{top:?}");
    assert!(missing.is_empty(), "not in man/govsh-policy.5: {missing:?}");
}
