//! Questions answered from outside: the first answer wins, and everybody hears of it.

use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::line::{Line, Running, events};
use crate::scene::{GOVSH, Scene, text, until};

/// A policy that asks before `echo push`.
fn asking(scene: &Scene) -> String {
    let file = scene.root().join("asking.toml");
    let text =
        "version = 1\nextends = [\"observe\"]\n[exec]\nask = [{ argv = \"echo push **\", reason = \"it leaves\" }]\n";
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

/// A session in which `echo push one`, `echo push two`, … run after each other once somebody watches.
fn session(scene: &Scene, words: &str) -> (Running, Line) {
    let script = format!("mkfifo go; read -r _ < go; for word in {words}; do /bin/echo push $word; done; echo done");
    let words = [GOVSH, "--quiet", "--policy", &asking(scene), "--", "bash", "-c", &script];
    let session = Running::of(scene, scene.command(&words));
    let mut line = session.line();
    line.yes(json!({ "op": "subscribe", "answers": true }));
    until("it waits", || scene.path("go").exists());
    (session, line)
}

fn go(scene: &Scene) {
    std::fs::write(scene.path("go"), "\n").unwrap();
}

/// The first question that waits.
fn question(line: &mut Line) -> Value {
    line.hears("questions", |told| !told["questions"].as_array().unwrap().is_empty())["questions"][0].clone()
}

fn answer(scene: &Scene, words: &[&str]) -> Child {
    let all: Vec<&str> = [GOVSH, "answer"].into_iter().chain(words.iter().copied()).collect();
    scene.command(&all).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_watcher_answers_and_everybody_hears_of_it() {
    let scene = Scene::new();
    let (mut session, mut line) = session(&scene, "one two");
    let mut other = session.line();
    other.yes(json!({ "op": "subscribe" }));
    go(&scene);
    let asked = question(&mut line);
    assert_eq!(asked["argv"], json!(["/bin/echo", "push", "one"]));
    assert_eq!((&asked["reason"], &asked["calls"]), (&json!("it leaves"), &json!(1)));
    assert!(asked["left"].as_u64().unwrap() > 50_000, "{asked}");
    assert_eq!(asked["ancestry"].as_array().unwrap().last().unwrap()[0], "bash", "{asked}");
    assert_eq!(question(&mut other)["ask"], asked["ask"]);
    assert_eq!(line.status()["state"], "asks");
    let listed = answer(&scene, &[&session.id]).wait_with_output().unwrap();
    assert!(text(&listed.stdout).contains("run /bin/echo push one"), "{listed:?}");
    line.no(json!({ "op": "answer", "ask": asked["ask"], "verdict": "allow", "scope": "never" }));
    line.no(json!({ "op": "answer", "ask": asked["ask"], "verdict": "allow", "scope": "session", "choice": 9 }));
    line.yes(json!({ "op": "answer", "ask": asked["ask"], "verdict": "allow", "scope": "once" }));
    let again = other.no(json!({ "op": "answer", "ask": asked["ask"], "verdict": "deny", "scope": "once" }));
    assert!(again.contains("already answered: allowed by "), "{again}");
    other.hears("questions", |told| told["questions"].as_array().unwrap().iter().all(|one| one["ask"] != asked["ask"]));
    let second = question(&mut other);
    other.yes(json!({ "op": "answer", "ask": second["ask"], "verdict": "deny", "scope": "once" }));
    assert_eq!(session.ends(), 0);
    let answers = events(&scene, "answer");
    let told = |at: usize, name: &str| answers[at][name].as_str().unwrap().to_owned();
    assert_eq!([told(0, "verdict"), told(1, "verdict")], ["allow", "deny"]);
    assert_eq!([told(0, "by"), told(1, "by")], ["watch", "watch"]);
    assert!(told(0, "who").contains('@') && answers[0]["screen"].is_u64(), "{}", answers[0]);
}

#[test]
fn of_many_answers_one_wins_and_the_others_are_told_whose() {
    let scene = Scene::new();
    let (mut session, mut line) = session(&scene, "one two");
    go(&scene);
    let asked = question(&mut line)["ask"].to_string();
    let race: Vec<Child> =
        (0..8).map(|n| answer(&scene, &[&session.id, &asked, if n % 2 == 0 { "allow" } else { "deny" }])).collect();
    let outs: Vec<_> = race.into_iter().map(|one| one.wait_with_output().unwrap()).collect();
    let won: Vec<_> = outs.iter().filter(|out| out.status.code() == Some(0)).collect();
    assert_eq!(won.len(), 1, "{outs:?}");
    for out in outs.iter().filter(|out| out.status.code() != Some(0)) {
        assert_eq!(out.status.code(), Some(1));
        assert!(text(&out.stderr).contains("already answered: "), "{out:?}");
    }
    // The session was there until the last of them had come.
    let is_other = |one: &Value| one["ask"].as_u64() != asked.parse().ok();
    let second = line.hears("questions", |told| told["questions"].as_array().unwrap().iter().any(is_other));
    line.yes(json!({ "op": "answer", "ask": second["questions"][0]["ask"], "verdict": "deny", "scope": "once" }));
    assert_eq!(session.ends(), 0);
    let answers = events(&scene, "answer");
    assert_eq!((answers.len(), &answers[0]["by"]), (2, &json!("command")));
    let verdict = if text(&won[0].stdout).contains("allowed") { "allow" } else { "deny" };
    assert_eq!(answers[0]["verdict"], verdict);
}

/// Without a terminal, somebody who watches is what makes a question wait.
#[test]
fn without_anybody_it_is_denied_at_once() {
    let scene = Scene::new();
    let (mut session, mut line) = session(&scene, "one");
    line.yes(json!({ "op": "subscribe", "answers": false }));
    go(&scene);
    assert_eq!(session.ends(), 0);
    let answers = events(&scene, "answer");
    assert_eq!((&answers[0]["verdict"], &answers[0]["by"]), (&json!("deny"), &json!("nobody")));
}
