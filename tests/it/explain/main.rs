//! `govsh policy explain`, `check`, `diff` and `test`, as people run them.
//!
//! Invariant: what is proposed as a change is written to where it says, and the request is then judged as promised.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The home directory of the policies: of nobody, and in no directory that profiles grant for temporary files.
const HOME: &str = "/nonexistent/home";

/// A project, and where policies of one's own are kept.
struct Place {
    _dir: tempfile::TempDir,
    config: PathBuf,
    work: PathBuf,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().expect("a directory");
        let real = fs::canonicalize(dir.path()).expect("it is there");
        let (config, work) = (real.join("config"), real.join("src/shop"));
        for dir in [&config, &work] {
            fs::create_dir_all(dir).expect("made");
        }
        Place { _dir: dir, config, work }
    }

    fn govsh(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_govsh"));
        command.args(args).current_dir(&self.work).env("HOME", HOME).env("TMPDIR", "/tmp");
        command.env("XDG_CONFIG_HOME", &self.config);
        for name in ["XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_DATA_HOME"] {
            command.env_remove(name);
        }
        command.output().expect("govsh runs")
    }

    /// The exit status and what was printed, as JSON.
    fn json(&self, args: &[&str]) -> (Option<i32>, Value) {
        let output = self.govsh(args);
        let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        (output.status.code(), json)
    }

    /// Verdict by status, and the one explanation.
    fn explain(&self, args: &[&str]) -> (Option<i32>, Value) {
        let (status, json) = self.json(&[&["policy", "explain", "--json"], args].concat());
        (status, json["explanations"][0].clone())
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.work.join(name);
        fs::write(&path, text).expect("written");
        path.to_string_lossy().into_owned()
    }

    /// Does what a change says, by hand.
    fn apply(&self, change: &Value) {
        let file = Path::new(change["file"].as_str().expect("a file"));
        fs::create_dir_all(file.parent().expect("a directory")).expect("made");
        if let Some(whole) = change["contents"].as_str() {
            return fs::write(file, whole).expect("written");
        }
        let text = match change["copy_of"].as_str() {
            Some(profile) => String::from_utf8(self.govsh(&["policy", "show", profile]).stdout).expect("UTF-8"),
            None => fs::read_to_string(file).expect("it is there"),
        };
        let line = change["line"].as_u64().expect("a line") as usize;
        let new = change["text"].as_str().expect("a text");
        let mut lines: Vec<&str> = text.lines().collect();
        lines[line - 1] = new;
        fs::write(file, lines.join("\n")).expect("written");
    }
}

#[test]
fn a_denied_read_is_explained_and_the_change_holds() {
    let place = Place::new();
    fs::write(place.work.join(".env"), "x").unwrap();
    std::os::unix::fs::symlink(".env", place.work.join("innocent")).unwrap();
    let (status, why) = place.explain(&["codex", "--file", "innocent"]);
    assert_eq!(status, Some(1));
    assert_eq!((&why["verdict"], &why["rule"]["text"]), (&"deny".into(), &"**/.env".into()));
    assert_eq!(why["request"]["path"], place.work.join(".env").to_string_lossy().into_owned());
    assert_eq!(why["mechanism"]["how"], "brokered");
    let others = why["others"].as_array().unwrap();
    assert!(others.iter().any(|o| o["rule"]["text"] == "${workdir}/**" && o["why"] == "a deny comes before it"));
    let changes = why["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "{why}");
    place.apply(&changes[0]);
    let (status, after) = place.explain(&["codex", "--file", "innocent"]);
    assert_eq!((status, &after["verdict"]), (Some(0), &"allow".into()), "{after}");
    assert_eq!(place.explain(&["codex", "--file", "sub/.env"]).0, Some(1), "only this one");
}

#[test]
fn what_is_granted_by_nothing_is_granted_by_a_file_of_ones_own() {
    let place = Place::new();
    for (args, key) in [
        (&["agent", "--file", "/srv/data/x", "--access", "read"][..], "read"),
        (&["agent", "--file", "/srv/data/x", "--access", "rwx"], "exec"),
        (&["locked-down", "--connect", "192.0.2.1:443"], "allow"),
    ] {
        let (status, why) = place.explain(args);
        assert_eq!(status, Some(1), "{why}");
        let changes = why["changes"].as_array().unwrap();
        assert!(changes[0]["text"].as_str().unwrap().starts_with(key), "{why}");
        changes.iter().for_each(|change| place.apply(change));
        assert_eq!(place.explain(args).0, Some(0), "{args:?} after {changes:?}");
        fs::remove_file(changes[0]["file"].as_str().unwrap()).unwrap();
    }
}

#[test]
fn sockets_and_listening_are_explained_and_the_change_holds() {
    let place = Place::new();
    for (args, entry) in [
        (&["agent", "--socket", "/run/docker.sock"][..], "\"docker\""),
        (&["agent", "--socket", "/run/other/service.sock"], "\"/run/other/service.sock\""),
        (&["agent", "--socket", "@some/name"], "\"@some/name\""),
    ] {
        let (status, why) = place.explain(args);
        assert_eq!(status, Some(1), "{why}");
        let changes = why["changes"].as_array().unwrap();
        assert_eq!((changes.len(), changes[0]["entry"].as_str()), (1, Some(entry)), "{why}");
        place.apply(&changes[0]);
        let (status, now) = place.explain(args);
        assert_eq!(status, Some(0), "{args:?} after {changes:?}: {now}");
        fs::remove_file(changes[0]["file"].as_str().unwrap()).unwrap();
    }
    let (status, why) = place.explain(&["locked-down", "--bind", "192.0.2.1:80"]);
    assert_eq!((status, &why["request"]["kind"]), (Some(1), &"bind".into()), "{why}");
    assert_eq!(why["unchangeable"], "no one line in a file of yours alters it");
    assert_eq!(place.explain(&["locked-down", "--bind", "127.0.0.1:80"]).0, Some(0));
    // And the other way round.
    let (status, why) = place.explain(&["agent", "--socket", "/run/nscd/socket"]);
    assert_eq!((status, &why["changes"][0]["what"]), (Some(0), &"add to sockets.deny".into()), "{why}");
    place.apply(&why["changes"][0]);
    assert_eq!(place.explain(&["agent", "--socket", "/run/nscd/socket"]).0, Some(1));
}

#[test]
fn rules_of_the_command_line_are_judged_with_the_policy() {
    let place = Place::new();
    let read = ["agent", "--file", "/srv/data/x"];
    assert_eq!(place.explain(&read).0, Some(1));
    assert_eq!(place.explain(&[&["--allow-read", "/srv/data/**"], &read[..]].concat()).0, Some(0));
    let (status, why) = place.explain(&["agent", "--deny", "notes", "--file", "notes/x"]);
    assert_eq!((status, &why["rule"]["source"]), (Some(1), &"--deny notes".into()), "{why}");
    let (status, why) = place.explain(&["agent", "--ask-exec", "make **", "--exec", "make", "all"]);
    assert_eq!((status, &why["verdict"]), (Some(2), &"ask".into()), "{why}");

    let twice = place.json(&["policy", "check", "--json", "agent", "--deny", "**/.env"]).1;
    let found = &twice["findings"][0];
    assert_eq!((&found["code"], &found["policy"]), (&"dead".into(), &"--deny **/.env".into()), "{twice}");
    let wrong = place.govsh(&["policy", "check", "agent", "--allow-net", "nowhere at all"]);
    let told = String::from_utf8(wrong.stderr).unwrap();
    assert!(wrong.status.code() == Some(1) && told.contains("policy '--allow-net nowhere at all' line 1"), "{told}");
}

#[test]
fn toggles_are_told_of_and_hold_for_one_run() {
    let place = Place::new();
    let small = place.write("small.toml", "version = 1\nextends = ['base']\n[files]\nwrite = ['${workdir}/**']\n");
    let read = ["--file", "~/.cargo/registry/x"];
    let (status, why) = place.explain(&[&[small.as_str()], &read[..]].concat());
    assert_eq!((status, &why["toggles"][0]["name"]), (Some(1), &"rust".into()), "{why}");
    assert_eq!(why["toggles"][0]["key"], "toolchains.allow");
    assert_eq!(place.explain(&[&["--with", "rust", &small], &read[..]].concat()).0, Some(0));
    // One that is on stays on, beside it; and several at once.
    let both = ["--with", "gpu", "--with", "go", "agent", "--access", "w", "--file"];
    for path in ["~/.cargo/registry/x", "~/go/pkg/x", "/dev/dri/card0"] {
        assert_eq!(place.explain(&[&both[..], &[path]].concat()).0, Some(0), "{path}");
    }
    assert_eq!(place.explain(&["--with", "docker", "agent", "--socket", "/run/docker.sock"]).0, Some(0));
    let (status, _) = place.explain(&["--with", "docker", "agent", "--file", "~/.docker/contexts/meta/x"]);
    assert_eq!(status, Some(0), "with the files that come with it");
    let unknown = place.govsh(&["policy", "explain", "--with", "dokcer", "agent", "--file", "x"]);
    let told = String::from_utf8(unknown.stderr).unwrap();
    assert!(unknown.status.code() == Some(125) && told.contains("'docker'"), "{told}");
}

#[test]
fn verdicts_have_their_statuses_and_nothing_lifts_what_is_built_in() {
    let place = Place::new();
    let team = place.write(
        "team.toml",
        "version = 1\nextends = ['agent']\n[exec]\nask = ['git push **']\n[files]\nwrite = ['~/notes/**']\n",
    );
    assert_eq!(place.explain(&[&team, "--file", "src/main.rs", "--access", "w"]).0, Some(0));
    let (status, asks) = place.explain(&[&team, "--exec", "git", "push", "origin"]);
    assert_eq!((status, &asks["verdict"]), (Some(2), &"ask".into()), "{asks}");
    place.apply(&serde_json::json!({ "file": asks["changes"][0]["file"], "contents": asks["changes"][0]["contents"] }));
    assert_eq!(place.explain(&[&team, "--exec", "git", "push", "origin"]).0, Some(0), "the answer was kept");
    let own = place.config.join("govsh/policies/x.toml");
    let (status, built_in) = place.explain(&[&team, "--file", &own.to_string_lossy()]);
    assert_eq!(status, Some(1));
    assert_eq!(built_in["unchangeable"], "it is built in: nothing lifts it");
    assert_eq!(
        place.govsh(&["policy", "explain", "agent", "--file", "x", "--access", "rites"]).status.code(),
        Some(125)
    );
}

#[test]
fn checks_name_place_and_kind() {
    let place = Place::new();
    let odd = place.write("odd.toml", "version = 1\n[files]\nread = ['/a/**', '/a/b', '~/**']\n");
    let plain = place.govsh(&["policy", "check", &odd]);
    let text = String::from_utf8(plain.stdout).unwrap();
    assert_eq!(plain.status.code(), Some(0), "{text}");
    assert!(text.contains("odd.toml:3:18: warning (dead): \"/a/b\" changes nothing"), "{text}");
    assert_eq!(place.govsh(&["policy", "check", "--strict", &odd]).status.code(), Some(1));
    let (status, json) = place.json(&["policy", "check", "--json", &odd]);
    let codes: Vec<&str> = json["findings"].as_array().unwrap().iter().filter_map(|f| f["code"].as_str()).collect();
    assert_eq!((status, codes), (Some(0), vec!["dead", "secret", "wide"]));
}

#[test]
fn differences_are_told_in_terms_of_access() {
    let place = Place::new();
    assert_eq!(place.govsh(&["policy", "diff", "agent", "agent"]).status.code(), Some(0));
    let (status, json) = place.json(&["policy", "diff", "agent", "codex", "--json"]);
    assert_eq!(status, Some(1));
    let found = json["differences"].as_array().unwrap();
    let grown = |what: &str| found.iter().any(|d| d["side"] == "grows" && d["what"] == what);
    assert!(grown("~/.codex/**") && grown("OPENAI_API_KEY"), "{json}");
    assert!(found.iter().all(|d| d["side"] != "shrinks"), "{json}");
}

#[test]
fn every_shipped_profile_is_what_its_expectations_say() {
    let place = Place::new();
    let expectations = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/tests");
    let (_, listed) = place.json(&["policy", "list", "--json"]);
    let profiles = listed.as_array().unwrap().iter().filter(|row| row["kind"] == "profile");
    let names: Vec<&str> = profiles.filter_map(|row| row["name"].as_str()).collect();
    assert!(names.len() >= 8, "{names:?}");
    for name in names {
        let path = expectations.join(format!("{name}.toml"));
        let output = place.govsh(&["policy", "test", &path.to_string_lossy()]);
        assert_eq!(output.status.code(), Some(0), "{name}: {output:?}");
    }
}

#[test]
fn an_expectation_that_does_not_hold_is_explained() {
    let place = Place::new();
    let tests =
        "[[test]]\nfile = '/a/x'\nexpect = 'allow'\n[[test]]\nfile = '/a/b'\nexpect = 'allow'\nrule = '/a/**'\n";
    let rules = "version = 1\n[files]\nread = ['/a/**']\ndeny = ['/a/b']\n";
    let file = place.write("own.toml", &format!("{rules}{tests}"));
    let output = place.govsh(&["policy", "test", &file]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("own.toml:8:1: not as expected read /a/b: expected allow by \"/a/**\", got deny"), "{text}");
    assert!(text.contains("a deny comes before it") && text.contains("1 of 2 as expected of "), "{text}");
    let beside = place.write("own.test.toml", &format!("policy = './own.toml'\n{tests}"));
    let (status, json) = place.json(&["policy", "test", "--json", &beside]);
    assert_eq!((status, &json["failed"]), (Some(1), &1.into()));
}
