//! `govsh policy`: what is no policy is refused in one line, with its place and at once; what is one is shown whole.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Runs `govsh policy ARGS` in `dir`, which is its home too.
fn policy(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_govsh"));
    command.arg("policy").args(args).current_dir(dir).env("HOME", dir).env_remove("XDG_CONFIG_HOME");
    let begun = Instant::now();
    let output = command.output().expect("govsh runs");
    assert!(begun.elapsed() < Duration::from_secs(20), "{args:?} waited");
    output
}

/// What `check` says of a file, after `govsh: `.
fn refusal(dir: &Path, file: &str) -> String {
    let output = policy(dir, &["check", file]);
    assert_eq!(output.status.code(), Some(1), "{file}: {output:?}");
    assert!(output.stdout.is_empty(), "{file}: {output:?}");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(said.lines().count() <= 2, "{file}: {said}");
    let first = said.lines().next().unwrap_or_default();
    first.strip_prefix("govsh: ").unwrap_or_else(|| panic!("{said}")).to_owned()
}

#[test]
fn what_is_no_policy_file_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("dir.toml")).unwrap();
    assert!(Command::new("mkfifo").arg(at("fifo.toml")).status().unwrap().success());
    fs::write(at("large.toml"), vec![b'#'; (1 << 20) + 1]).unwrap();
    fs::write(at("bytes.toml"), b"version = 1\n# \xff\n").unwrap();
    fs::write(at("empty.toml"), "").unwrap();
    fs::write(at("a.toml"), "version = 1\nextends = ['./b.toml']").unwrap();
    fs::write(at("b.toml"), "version = 1\nextends = ['a.toml']").unwrap();
    fs::write(at("huge.toml"), "version = 1\n[limits]\nmemory = 99999999999999999999999").unwrap();
    let cases = [
        ("dir.toml", "cannot use policy 'dir.toml': it is a directory"),
        ("fifo.toml", "cannot use policy 'fifo.toml': it is no regular file"),
        ("/dev/zero", "cannot use policy '/dev/zero': it is no regular file"),
        ("large.toml", "cannot use policy 'large.toml': it is larger than 1 MiB"),
        ("none.toml", "cannot use policy 'none.toml': no such file or directory"),
        ("none", "cannot use policy 'none': there is no policy of this name"),
        ("", "cannot use policy '': there is no policy of this name"),
        ("bytes.toml", "policy 'bytes.toml' line 2, column 3: byte 0xff is not UTF-8"),
        ("empty.toml", "policy 'empty.toml' line 1, column 1: 'version' is missing"),
        ("huge.toml", "policy 'huge.toml' line 3, column 10: 99999999999999999999999 is no value of 'memory'"),
    ];
    for (file, said) in cases {
        assert_eq!(refusal(dir.path(), file), said);
    }
    let cycle = refusal(dir.path(), "a.toml");
    assert!(cycle.contains("b.toml' line 2, column 12: extends itself: a.toml → "), "{cycle}");
}

#[test]
fn every_shipped_profile_holds_and_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    let listed = policy(dir.path(), &["list", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let (profiles, parts): (Vec<&Value>, Vec<&Value>) =
        listed.as_array().unwrap().iter().partition(|row| row["kind"] == "profile");
    let names = |rows: &[&Value]| rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let shipped = "accounts agent aider amp base ci claude codex copilot cursor-agent gemini goose learn locked-down mcp-server observe \
                   office opencode other secrets shell";
    assert_eq!(names(&profiles), shipped.split_whitespace().collect::<Vec<_>>());
    let toggles = "toolchain:node toolchain:python toolchain:rust toolchain:go toolchain:java toolchain:ruby toolchain:native \
                   toolchain:others device:gpu socket:docker socket:gpg-agent socket:x11";
    assert_eq!(names(&parts), toggles.split_whitespace().collect::<Vec<_>>());
    let about = |rows: &[&Value]| rows.iter().all(|row| row["about"].as_str().is_some_and(|about| !about.is_empty()));
    assert!(about(&profiles) && about(&parts), "{listed}");
    // an agent is found by the name that people type
    for name in ["aider", "amp", "claude", "codex", "copilot", "cursor-agent", "gemini", "goose", "opencode"] {
        let row = profiles.iter().find(|row| row["name"] == name).unwrap();
        assert!(row["match"].as_array().unwrap().contains(&Value::from(name)), "{row}");
    }
    for name in names(&parts) {
        let shown = policy(dir.path(), &["show", &name]);
        assert!(shown.status.success() && shown.stdout.starts_with(b"# "), "{name}: {shown:?}");
    }
    for name in names(&profiles) {
        let name = name.as_str();
        assert_eq!(policy(dir.path(), &["check", name]).status.code(), Some(0), "{name}");
        let shown = policy(dir.path(), &["show", name, "--effective", "--json"]);
        let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
        let rules = shown["rules"].as_array().unwrap();
        assert!(rules.len() > 100, "{name}: the built-in rules are there");
        assert!(rules.iter().all(|rule| rule["layer"] == "built-in" || rule["line"].as_u64() > Some(0)), "{name}");
    }
}

#[test]
fn a_policy_of_the_user_comes_before_the_shipped_one() {
    let dir = tempfile::tempdir().unwrap();
    let own = dir.path().join(".config/govsh/policies");
    fs::create_dir_all(&own).unwrap();
    // builds on the shipped one of the same name
    fs::write(own.join("codex.toml"), "# Mine.\nversion = 1\nextends = ['codex']\n[files]\ndeny = ['/srv/**']\n")
        .unwrap();
    let listed = policy(dir.path(), &["list"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.lines().any(|line| line.split_whitespace().take(3).eq(["codex", "user", "Mine."])), "{listed}");
    assert_eq!(listed.matches("codex").count(), 1, "{listed}");
    let shown = policy(dir.path(), &["show", "codex", "--effective"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    let line = shown.lines().find(|line| line.contains("/srv/**")).unwrap();
    assert!(line.contains("user") && line.ends_with("codex.toml:5"), "{line}");
    assert!(shown.contains("codex.toml:4") || shown.contains("~/.codex/**"), "{shown}");
}

#[test]
fn an_agent_without_a_profile_keeps_what_is_under_its_own_name() {
    // not where every policy may write
    let root = if Path::new("/srv").metadata().is_ok_and(|srv| srv.uid() == fs::metadata("/proc/self").unwrap().uid()) {
        "/srv"
    } else {
        env!("CARGO_TARGET_TMPDIR")
    };
    let dir = tempfile::Builder::new().prefix("govsh-policies-").tempdir_in(root).unwrap();
    let at = |name: &str| dir.path().join(name);
    for name in ["home/.ssh", "home/.elsewhere", "work"] {
        fs::create_dir_all(at(name)).unwrap();
    }
    fs::write(at("home/.ssh/id_rsa"), "secret").unwrap();
    let script = "#!/bin/sh\nname=${0##*/}\nmkdir -p ~/.$name/x ~/.config/$name && echo kept > ~/.$name/x/f; mine=$?\n\
                  echo no 2>/dev/null > ~/.elsewhere/f; cat ~/.ssh/id_rsa 2>/dev/null; exit $mine\n";
    // one that is known by name, one that is not, and one that is named like a directory of keys
    for name in ["qwen", "unheard", "ssh"] {
        fs::write(at("work").join(name), script).unwrap();
        fs::set_permissions(at("work").join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let run = |name: &str, chosen: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_govsh"));
        command.args(["--quiet", "--no-record"]).args(chosen).arg("--").arg(at("work").join(name));
        command.current_dir(at("work")).env("HOME", at("home")).env("XDG_STATE_HOME", at("state"));
        for variable in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"] {
            command.env_remove(variable);
        }
        let output = command.output().expect("govsh runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{name} read what it must not");
        assert!(!at("home/.elsewhere/f").exists(), "{name}");
        (output.status.code(), at("home").join(format!(".{name}/x/f")).exists())
    };
    assert_eq!(run("qwen", &[]), (Some(0), true));
    assert_ne!(run("unheard", &[]).0, Some(0));
    assert_eq!(run("unheard", &["--policy", "other"]), (Some(0), true));
    let (status, kept) = run("ssh", &["--policy", "other"]);
    assert!(status != Some(0) && !kept, "{status:?}");
}
