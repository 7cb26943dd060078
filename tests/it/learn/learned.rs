//! What is learned from real tools, and what never is.

use std::fs;

use crate::stage::{SECRET, Stage, entries};

#[test]
fn git_is_learned_from_one_commit() {
    let stage = Stage::new();
    let commit = "echo a > a; git add a; git -c user.name=u -c user.email=u@h commit -qm one";
    let again = "echo b > b; git add b; git -c user.name=u -c user.email=u@h commit -qm two; git log --oneline | wc -l; \
                 git switch -qc other; git gc --quiet; git status --short";
    let text = stage.learned(commit, again);
    assert_eq!(entries(&text, "files.write"), ["${workdir}/**"], "{text}");
    assert_eq!(entries(&text, "files.exec"), Vec::<String>::new(), "{text}");
    assert!(text.contains("git"), "it says who needed it: {text}");
}

#[test]
fn cargo_is_learned_from_one_build() {
    let stage = Stage::with_rust();
    stage.write("project/Cargo.toml", "[package]\nname = \"shop\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    stage.write("project/build.rs", "fn main() { println!(\"cargo::rerun-if-changed=build.rs\"); }\n");
    stage.write("project/src/main.rs", "fn main() { println!(\"Hello\"); }\n");
    let again = "touch src/main.rs; echo '// more' >> src/main.rs; cargo build --offline --quiet; ./target/debug/shop";
    let text = stage.learned("cargo build --offline --quiet", again);
    assert!(entries(&text, "files.write").contains(&"${workdir}/**".to_owned()), "{text}");
    assert!(entries(&text, "files.exec").contains(&"${workdir}/**".to_owned()), "{text}");
    assert_person_would_accept(&text);
}

#[test]
fn npm_is_learned_from_one_install() {
    let stage = Stage::new();
    stage.write("project/dep/package.json", "{\"name\":\"dep\",\"version\":\"1.0.0\",\"main\":\"index.js\"}");
    stage.write("project/dep/index.js", "module.exports = 41;");
    stage.write("project/package.json", "{\"name\":\"shop\",\"version\":\"1.0.0\",\"private\":true}");
    let install = "npm pack --silent ./dep; npm install --offline --no-audit --no-fund --silent ./dep-1.0.0.tgz";
    let again = "rm -rf node_modules package-lock.json; npm install --offline --no-audit --no-fund --silent ./dep-1.0.0.tgz; \
                 node -e 'console.log(require(\"dep\") + 1)'";
    let text = stage.learned(install, again);
    assert_person_would_accept(&text);
}

/// Nothing as wide as a home or a directory of the system.
#[track_caller]
fn assert_person_would_accept(text: &str) {
    let all = ["files.write", "files.exec", "files.read"].map(|key| entries(text, key)).concat();
    for wide in ["/**", "~/**", "/home/**", "/etc/**", "/srv/**", "/usr/**", "/root/**", "~/.config/**", "~/.local/**"]
    {
        assert!(!all.iter().any(|entry| entry == wide), "{wide}: {text}");
    }
    assert!(all.len() <= 12, "{} rules: {text}", all.len());
}

#[test]
fn accounts_of_other_agents_are_never_proposed() {
    let stage = Stage::new();
    for file in [".codex/auth.json", ".claude/.credentials.json", ".codex/history.jsonl", ".claude/history.jsonl"] {
        stage.write(&format!("home/{file}"), "token\n");
    }
    let script =
        "cat ~/.codex/auth.json ~/.claude/.credentials.json ~/.codex/history.jsonl ~/.claude/history.jsonl || true";
    // A shell is no agent, and gets none of them; one that is called codex gets its own.
    std::fs::copy("/bin/bash", stage.path("home/codex")).unwrap();
    let codex = stage.path("home/codex");
    for (program, own) in [("bash", ""), (codex.to_str().unwrap(), "~/.codex/auth.json")] {
        let output = stage.govsh(["learn", "--no-adapt", "--output", "-", "--", program, "-c", script]);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let text = out.split_at(out.find("# Learned").unwrap_or_else(|| panic!("{output:?}"))).1;
        let rules = entries(text, "files.read").join(" ");
        assert!(!rules.contains("credentials") && err.contains(".credentials.json"), "{program}: {err}{text}");
        assert_eq!(rules.contains("~/.codex/auth.json") || rules.contains("~/.codex/**"), !own.is_empty(), "{text}");
        assert!(rules.contains("~/.claude/history.jsonl") && !rules.contains("~/.claude/**"), "{text}");
        stage.write("project/learned.toml", text);
        let again = stage.govsh([
            "--no-adapt",
            "--policy",
            "./learned.toml",
            "--allow-exec",
            program,
            "--",
            program,
            "-c",
            script,
        ]);
        let out = String::from_utf8_lossy(&again.stdout).into_owned();
        assert_eq!(out.matches("token").count(), 2 + usize::from(!own.is_empty()), "{again:?}");
    }
}

#[test]
fn secrets_are_refused_while_learning_and_never_proposed() {
    let stage = Stage::new();
    let script = "cat ~/.ssh/id_rsa .env || echo refused; echo x > .git/hooks/pre-commit || true; cat ~/.notes; echo made > made";
    stage.write("home/.notes", "notes");
    let output = stage.govsh(["learn", "--output", "-", "--", "bash", "-c", script]);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && !out.contains(SECRET) && out.contains("refused"), "{output:?}");
    let text = out.split_at(out.find("# Learned").unwrap()).1;
    assert_eq!(entries(text, "files.write"), ["${workdir}/**"]);
    assert_eq!(entries(text, "files.read"), ["~/.notes"]);
    let rules = text.lines().filter(|line| !line.starts_with('#')).collect::<String>();
    assert!(!rules.contains("id_rsa") && !rules.contains(".env"), "{text}");
    for named in ["never proposed", "id_rsa", "/project/.env"] {
        assert!(err.contains(named), "{named}: {err}");
    }
    // And under it they are still refused.
    stage.write("project/task.toml", text);
    let output = stage.govsh([
        "--policy",
        "./task.toml",
        "--",
        "bash",
        "-c",
        "cat ~/.ssh/id_rsa .env ~/.notes; echo x > .git/hooks/a",
    ]);
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(
        !out.contains(SECRET) && out.contains("notes") && !stage.path("project/.git/hooks/a").exists(),
        "{output:?}"
    );
}

#[test]
fn the_exit_status_is_the_commands_and_the_run_is_recorded() {
    let stage = Stage::new();
    let output = stage.govsh(["learn", "--quiet", "--json", "--", "sh", "-c", "exit 7"]);
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    let learned: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(learned["base"], "base");
    assert!(
        learned["left"]["base"].as_u64().unwrap() > 0 && learned["policy"].as_str().unwrap().contains("version = 1")
    );
    let (shown, _) = stage.told(["show", "last", "--events", "--json", "--kind", "policy"]);
    assert!(shown.contains("\"name\":\"learn\"") && shown.contains("\"vars\":"), "{shown}");
}

#[test]
fn recordings_teach_too_and_a_policy_is_widened() {
    let stage = Stage::new();
    stage.write("home/.notes", "notes");
    stage.write("home/.more", "more");
    stage.told(["learn", "--quiet", "--save", "notes", "--", "cat", &stage.text("home/.notes")]);
    let first = fs::read_to_string(stage.path("home/.config/govsh/policies/notes.toml")).unwrap();
    assert_eq!(entries(&first, "files.read"), ["~/.notes"], "{first}");

    // What was denied under it is taken in only when asked for.
    let denied = stage.govsh(["--policy", "notes", "--quiet", "--", "cat", &stage.text("home/.more")]);
    assert!(!denied.status.success());
    let (text, said) = stage.told(["learn", "--from", "last", "--merge", "notes", "--output", "-"]);
    assert_eq!(entries(&text, "files.read"), Vec::<String>::new(), "{text}");
    assert!(said.contains("denied then"), "{said}");
    stage.told(["learn", "--quiet", "--from", "last", "--denied", "--merge", "notes", "--output", "wider.toml"]);
    let wider = fs::read_to_string(stage.path("project/wider.toml")).unwrap();
    assert_eq!(entries(&wider, "files.read"), ["~/.more"], "{wider}");
    let both = ["--policy", "./wider.toml", "--", "cat", &stage.text("home/.notes"), &stage.text("home/.more")];
    assert_eq!(stage.told(both).0, "notesmore");

    // Never over a file that is there, never under a name that is a path.
    for arguments in [["--output", "wider.toml"], ["--save", "../x"], ["--save", "notes"]] {
        let output = stage.govsh(["learn", "--from", "last"].iter().chain(&arguments));
        assert_eq!(output.status.code(), Some(125), "{arguments:?}: {output:?}");
    }
}

#[test]
fn a_variable_that_looks_like_a_secret_is_passed_only_when_named() {
    let stage = Stage::new();
    let script = "echo \"[${SHOP_TOKEN-none}]\"";
    let run = |arguments: &[&str]| {
        let mut command = stage.command([env!("CARGO_BIN_EXE_govsh")]);
        let output = command.args(arguments).args(["--", "sh", "-c", script]).env("SHOP_TOKEN", "t").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(run(&["learn", "--output", "-"]).starts_with("[none]\n"));
    let passed = run(&["learn", "--output", "-", "--pass", "SHOP_TOKEN"]);
    let text = passed.strip_prefix("[t]\n").unwrap();
    stage.write("project/task.toml", text);
    assert_eq!(run(&["--policy", "./task.toml"]), "[t]\n");
}
