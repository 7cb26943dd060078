//! Time, absence, signals, deaths, bursts: nobody waits for ever and nobody is held up.

use std::time::{Duration, Instant};

use crate::lab::Lab;

const SECRET: &str = "[files]\nask = [\"${workdir}/secret/**\"]\n";

#[test]
fn without_an_answer_it_is_denied() {
    let lab = Lab::new(SECRET);
    let began = Instant::now();
    let (session, _person) = lab.attended(&["--ask-timeout", "1"], "cat secret/a");
    assert_eq!(session.end().0, "cat: secret/a: Permission denied\n");
    assert!(began.elapsed() >= Duration::from_secs(1));
    let answers = lab.events("answer");
    assert_eq!((&answers[0]["by"], &answers[0]["calls"]), (&"timeout".into(), &1.into()));
    assert!(answers[0]["waited"].as_f64().is_some_and(|waited| (1.0..20.0).contains(&waited)), "{answers:?}");
}

#[test]
fn where_nobody_is_it_is_denied_at_once_and_says_how_to_allow() {
    let lab = Lab::new(SECRET);
    let session = lab.start(&[], &["sh", "-c", "cat secret/a; cat secret/a"]);
    assert_eq!(session.end().0.matches("Permission denied").count(), 2);
    let answers = lab.events("answer");
    assert_eq!((answers.len(), &answers[0]["by"]), (1, &"nobody".into()));
    let hint = answers[0]["hint"].as_str().expect("a hint");
    assert!(hint.contains("govsh watch") && hint.contains("answers/policy-"), "{hint}");
    let shown = lab.govsh(&["show", "last"]).output().expect("runs");
    assert!(String::from_utf8_lossy(&shown.stdout).contains("asked      1"), "{shown:?}");
}

const SIGNALLED: &str = "
import os, signal, sys
taken = []
signal.signal(signal.SIGUSR1, lambda *_: taken.append(1))
print(os.getpid(), flush=True)
with open('secret/a') as f: print(f.read().strip(), len(taken))
";

#[test]
fn a_signal_is_taken_and_the_question_stays() {
    let lab = Lab::new(SECRET);
    lab.write("work/signalled.py", SIGNALLED);
    let (session, mut person) = lab.attended(&[], "python3 signalled.py");
    let question = person.one();
    let pid = question["pid"].as_i64().expect("a pid").to_string();
    for _ in 0..3 {
        let sent = std::process::Command::new("kill").args(["-USR1", &pid]).status().expect("kill runs");
        assert!(sent.success());
        // Taken: it has left and come back.
        let pending = || std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
        let deadline = Instant::now() + Duration::from_secs(20);
        while pending().lines().any(|line| line.starts_with("ShdPnd") && !line.ends_with("0000000000000000")) {
            assert!(Instant::now() < deadline, "the signal is not taken");
            std::thread::park_timeout(Duration::from_millis(5));
        }
        person.until(|list| list.len() == 1 && list[0]["calls"] == 1);
    }
    person.answer(&question, "allow", "once", 0);
    let (out, _) = session.end();
    assert!(out.ends_with("AAA 3\n"), "{out}");
    assert_eq!(lab.events("ask").len(), 1);
}

#[test]
fn who_dies_asks_no_more() {
    let lab = Lab::new(SECRET);
    let (session, mut person) = lab.attended(&[], "cat secret/a & wait $!; echo $?; cat secret/z");
    let question = person.one();
    let pid = question["pid"].as_i64().expect("a pid").to_string();
    assert!(std::process::Command::new("kill").args(["-9", &pid]).status().expect("kill runs").success());
    let next = person.until(|list| list.iter().any(|one| one["ask"] == 2)).pop().expect("the newest");
    person.until(|list| list.len() == 1);
    let late = person.try_say(serde_json::json!({ "op": "answer", "ask": 1, "verdict": "allow", "scope": "once" }));
    assert_eq!(late["ok"], false);
    person.answer(&next, "allow", "once", 0);
    let (out, _) = session.end();
    assert!(out.starts_with("137\nZZZ\n"), "{out}");
    assert_eq!(lab.events("answer")[0]["by"], "withdrawn");
}

#[test]
fn two_who_ask_the_same_are_one_question_and_the_command_answers_it() {
    let lab = Lab::new(SECRET);
    let (session, mut person) = lab.attended(&[], "cat secret/a & cat secret/a; wait");
    person.until(|list| list.len() == 1 && list[0]["calls"] == 2);
    let listed = lab.govsh(&["answer", "last"]).output().expect("runs");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("secret/a"), "{listed}");
    let said = lab.govsh(&["answer", "last", "1", "allow"]).output().expect("runs");
    assert!(said.status.success(), "{said:?}");
    let late = lab.govsh(&["answer", "last", "1", "deny"]).output().expect("runs");
    assert!(!late.status.success());
    assert_eq!(session.end().0, "AAA\nAAA\n");
    let answers = lab.events("answer");
    assert_eq!((answers.len(), &answers[0]["by"], &answers[0]["calls"]), (1, &"command".into(), &2.into()));
}

#[test]
fn a_burst_is_bounded_and_holds_nobody_up() {
    let lab = Lab::new(SECRET);
    for n in 0..200 {
        lab.write(&format!("work/secret/{n}"), "x\n");
    }
    let script = "for n in $(seq 0 199); do cat secret/$n 2>/dev/null & done; \
                  for n in $(seq 300); do cat other/none 2>/dev/null; done; echo through > other/done; wait";
    // Longer than the slowest machine needs for all of it.
    let (session, mut person) = lab.attended(&["--ask-timeout", "600"], script);
    let waiting = person.until(|list| list.len() >= 32);
    // While all of those wait, others go on.
    let deadline = Instant::now() + Duration::from_secs(50);
    while !lab.path("work/other/done").exists() {
        assert!(Instant::now() < deadline, "held up");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    assert!(person.questions().len() <= 64);
    person.answer(&waiting[0], "deny", "never", 0);
    person.until(<[_]>::is_empty);
    let (out, _) = session.end();
    assert_eq!(out, "");
    assert_eq!(lab.events("limit").len(), 1);
    assert!(lab.events("ask").len() <= 64);
}
