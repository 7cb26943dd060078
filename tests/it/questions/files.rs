//! Questions about files: scopes, what is kept, and files that change while somebody thinks.

use crate::lab::{Lab, choices, text};

const SECRET: &str = "[files]\nask = [\"${workdir}/secret/**\"]\n";

#[test]
fn once_is_for_the_calls_that_wait() {
    let lab = Lab::new(SECRET);
    let (session, mut person) = lab.attended(&[], "cat secret/a; cat secret/a");
    let question = person.one();
    let secret = text(&lab.path("work/secret"));
    assert_eq!(question["path"], format!("{secret}/a"));
    assert_eq!(question["of"], "file");
    assert_eq!(choices(&question), [format!("files.read {secret}/a"), format!("files.read {secret}/**")]);
    assert_eq!(question["ancestry"][1][1], "secret/a");
    person.answer(&question, "allow", "once", 0);
    let again = person.until(|list| list.len() == 1 && list[0]["ask"] == 2).remove(0);
    person.answer(&again, "deny", "once", 0);
    let (out, _) = session.end();
    assert_eq!(out, "AAA\ncat: secret/a: Permission denied\n");
    let (asks, answers) = (lab.events("ask"), lab.events("answer"));
    assert_eq!((asks.len(), answers.len()), (2, 2));
    assert_eq!(
        (&answers[0]["verdict"], &answers[0]["scope"], &answers[0]["by"]),
        (&"allow".into(), &"once".into(), &"watch".into())
    );
    assert_eq!(answers[0]["screen"], asks[0]["seq"]);
    let judged = lab.events("file");
    let of_secret: Vec<_> = judged.iter().filter(|event| event["path"] == question["path"]).collect();
    assert_eq!(of_secret.len(), 2);
    let rule = of_secret[0]["rule"].as_str().expect("text");
    assert!(rule.starts_with("answered: once by ") && rule.contains("(ask \"${workdir}/secret/**\" "), "{rule}");
    assert_eq!((&of_secret[0]["verdict"], &of_secret[1]["verdict"]), (&"allow".into(), &"deny".into()));
}

#[test]
fn the_first_touch_of_each_file_or_directory_is_asked_about() {
    let lab = Lab::new("[files]\nask = [{ path = \"${workdir}/secret/**\", once = \"file\" }]\n");
    let script = "cat secret/a; cat secret/a; echo b > secret/a; cat secret/a; cat secret/z; cat secret/z";
    let (session, mut person) = lab.attended(&[], script);
    let first = person.one();
    assert_eq!((&first["op"], first["path"].as_str()), (&"open".into(), lab.path("work/secret/a").to_str()));
    person.answer(&first, "allow", "once", 0);
    // Reading was answered; changing is another touch, and holds for reading what was changed.
    let write = person.until(|list| list.len() == 1 && list[0]["ask"] == 2).remove(0);
    assert_eq!((&write["access"], &write["path"]), (&"write".into(), &first["path"]), "{write}");
    person.answer(&write, "allow", "once", 0);
    let other = person.until(|list| list.len() == 1 && list[0]["ask"] == 3).remove(0);
    person.answer(&other, "deny", "once", 0);
    let (out, _) = session.end();
    assert_eq!(out, "AAA\nAAA\nb\ncat: secret/z: Permission denied\ncat: secret/z: Permission denied\n");
    assert_eq!(lab.events("ask").len(), 3);

    let lab = Lab::new("[files]\nask = [{ path = \"${workdir}/secret/**\", once = \"directory\" }]\n");
    std::fs::create_dir(lab.path("work/secret/sub")).expect("made");
    lab.write("work/secret/sub/b", "BBB\n");
    let (session, mut person) = lab.attended(&[], "cat secret/a secret/z; cat secret/sub/b; cat secret/z secret/sub/b");
    let first = person.one();
    person.answer(&first, "allow", "once", 0);
    let below = person.until(|list| list.len() == 1 && list[0]["ask"] == 2).remove(0);
    assert_eq!(below["path"], text(&lab.path("work/secret/sub/b")), "another directory");
    person.answer(&below, "allow", "once", 0);
    assert_eq!(session.end().0, "AAA\nZZZ\nBBB\nZZZ\nBBB\n");
    assert_eq!(lab.events("ask").len(), 2);
    assert!(lab.answers().is_none(), "kept for this session alone");
}

#[test]
fn a_file_is_not_offered_as_a_tree() {
    let lab = Lab::new("[files]\nask = [\"${workdir}/secret/a\"]\n");
    let (session, mut person) = lab.attended(&[], "cat secret/a");
    let question = person.one();
    assert_eq!(choices(&question), [format!("files.read {}", text(&lab.path("work/secret/a")))]);
    person.answer(&question, "allow", "once", 0);
    assert_eq!(session.end().0, "AAA\n");
}

#[test]
fn session_holds_for_its_pattern_and_always_for_the_next_session_too() {
    let lab = Lab::new(SECRET);
    let (session, mut person) = lab.attended(&[], "cat secret/a; cat secret/z; echo x > secret/z");
    let question = person.one();
    person.answer(&question, "allow", "session", 1);
    let write = person.until(|list| list.len() == 1 && list[0]["access"] == "write").remove(0);
    assert!(choices(&write)[0].starts_with("files.write "), "{write}");
    person.answer(&write, "allow", "always", 0);
    assert_eq!(session.end().0, "AAA\nZZZ\n");
    let kept = std::fs::read_to_string(lab.answers().expect("it was kept")).expect("readable");
    assert!(
        kept.contains("ask = \"files.write\"\nmatch = \"") && kept.contains("event ") && kept.contains("by "),
        "{kept}"
    );

    // The next session asks about the other file alone.
    let (session, mut person) = lab.attended(&[], "cat secret/z; cat secret/a");
    let question = person.one();
    assert_eq!(question["path"], text(&lab.path("work/secret/a")));
    person.answer(&question, "deny", "always", 0);
    assert_eq!(session.end().0, "x\ncat: secret/a: Permission denied\n");
    let (session, _person) = lab.attended(&[], "cat secret/a");
    assert_eq!(session.end().0, "cat: secret/a: Permission denied\n");
}

#[test]
fn no_answer_holds_against_a_deny() {
    let lab = Lab::new(SECRET);
    let (session, mut person) = lab.attended(&[], "cat secret/a");
    let question = person.one();
    person.answer(&question, "allow", "always", 1);
    assert_eq!(session.end().0, "AAA\n");
    let policy = std::fs::read_to_string(lab.path("policy.toml")).expect("readable");
    lab.write("policy.toml", &format!("{policy}deny = [\"${{workdir}}/secret/a\"]\n"));
    let (session, _person) = lab.attended(&[], "cat secret/z; cat secret/a");
    assert_eq!(session.end().0, "ZZZ\ncat: secret/a: Permission denied\n");
}

#[test]
fn a_file_that_was_renamed_meanwhile_is_not_what_was_allowed() {
    let lab = Lab::new(SECRET);
    let (session, mut person) = lab.attended(&[], "cat secret/a; cat linked");
    let question = person.one();
    std::fs::rename(lab.path("work/secret/a"), lab.path("work/secret/b")).expect("renamed");
    person.answer(&question, "allow", "once", 0);
    // Nothing is there any more: the link comes next.
    std::os::unix::fs::symlink("secret/b", lab.path("work/linked")).expect("linked");
    let (out, _) = session.end_after(|| {
        let question = person.until(|list| list.len() == 1 && list[0]["ask"] == 2).remove(0);
        // The link leads elsewhere when the answer comes: that is another question.
        std::fs::remove_file(lab.path("work/linked")).expect("removed");
        std::os::unix::fs::symlink("secret/z", lab.path("work/linked")).expect("linked");
        person.answer(&question, "allow", "once", 0);
        let other = person.until(|list| list.len() == 1 && list[0]["ask"] == 3).remove(0);
        assert_eq!(other["path"], text(&lab.path("work/secret/z")));
        person.answer(&other, "deny", "once", 0);
    });
    assert_eq!(out, "cat: secret/a: No such file or directory\ncat: linked: Permission denied\n");
}

#[test]
fn names_are_asked_about_at_both_ends_and_once() {
    let lab = Lab::new(SECRET);
    let script = "mv secret/a other/a; cat other/a; ln secret/z other/z; mv secret moved; ls";
    let (session, mut person) = lab.attended(&[], script);
    let mut ops = Vec::new();
    for ask in 1..=3 {
        let question = person.until(|list| list.len() == 1 && list[0]["ask"] == ask).remove(0);
        ops.push((
            question["op"].as_str().expect("text").to_owned(),
            question["path"] == text(&lab.path("work/secret")),
        ));
        person.answer(&question, if ask == 2 { "deny" } else { "allow" }, "once", 0);
    }
    assert_eq!(ops, [("rename".to_owned(), false), ("link".to_owned(), false), ("rename".to_owned(), true)]);
    let (out, _) = session.end();
    assert!(out.starts_with("AAA\nmoved\nother\n"), "{out}");
}

#[test]
fn writing_alone_is_asked_about_where_the_rule_says_so() {
    let lab =
        Lab::new("[files]\nask = [{ path = \"${workdir}/secret/a\", access = \"write\", reason = \"it matters\" }]\n");
    let (session, mut person) =
        lab.attended(&[], "cat secret/a; echo new > secret/tmp; mv secret/tmp secret/a; cat secret/a");
    let question = person.one();
    assert_eq!((&question["op"], &question["reason"]), (&"rename".into(), &"it matters".into()));
    person.answer(&question, "allow", "once", 0);
    assert_eq!(session.end().0, "AAA\nnew\n");
}

#[test]
fn the_agent_cannot_reach_the_answers() {
    let lab = Lab::new(SECRET);
    std::fs::create_dir_all(lab.path("config/govsh/answers")).expect("made");
    let config = text(&lab.path("config/govsh"));
    // Even where a rule grants all of it.
    let policy = std::fs::read_to_string(lab.path("policy.toml")).expect("readable");
    lab.write("policy.toml", &format!("{policy}write = [\"{config}/**\"]\n"));
    let script = format!("ls {config}/answers; echo 'version = 1' > {config}/answers/x.toml; mv {config} elsewhere");
    let (session, _person) = lab.attended(&[], &script);
    let (out, _) = session.end();
    assert_eq!(out.matches("ermission denied").count(), 3, "{out}");
    assert!(lab.answers().is_none());
}
