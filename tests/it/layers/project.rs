//! Projects' policies: they narrow at once, and widen only what was looked at, as long as it stays the same.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::scene::{GOVSH, Scene, each};

const WIDENS: &str = "version = 1\n[files]\nread = ['{}/other/**']\ndeny = ['${workdir}/closed/**']\n";

#[test]
fn grants_count_for_the_text_that_was_trusted() {
    each(|scene| {
        scene.write("work/.govsh/policy.toml", WIDENS);
        scene.write("work/closed/file", "closed\n");
        assert!(!scene.reads_other(), "untrusted");
        assert_eq!(scene.sh("cat closed/file").1, "");
        assert!(scene.denials().contains("\"layer\":\"project\""), "{}", scene.denials());
        // Shown, but not asked without a terminal.
        let (status, shown, told) = scene.govsh(&["trust"]);
        assert_eq!(status, Some(125), "{told}");
        assert!(shown.contains("to read") && shown.contains("/other/**") && told.contains("--yes"), "{shown}{told}");
        assert!(!scene.reads_other(), "shown alone");
        let (status, shown, _) = scene.govsh(&["trust", "--json"]);
        let rows: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!((status, &rows[0]["trusted"], &rows[0]["grants"][0]["line"]), (Some(0), &false.into(), &3.into()));
        assert!(!scene.reads_other(), "looked at");

        assert_eq!(scene.govsh(&["trust", "--yes"]).0, Some(0));
        assert!(scene.reads_other(), "trusted");
        assert_eq!(scene.sh("cat closed/file").1, "", "its denial holds as before");
        let store = fs::read_dir(scene.path("state/govsh/trust")).unwrap().next().unwrap().unwrap();
        assert_eq!(store.metadata().unwrap().permissions().mode() & 0o7777, 0o600);

        scene.write("work/.govsh/policy.toml", &format!("{WIDENS}# more\n"));
        assert!(!scene.reads_other(), "changed after it was trusted");
        assert!(scene.govsh(&["trust", "--list", "--json"]).1.contains("\"state\": \"changed\""));
        scene.write("work/.govsh/policy.toml", WIDENS);
        assert!(scene.reads_other(), "the trusted text again");
        // The same text elsewhere is another policy.
        scene.write("work/sub/.govsh/policy.toml", &WIDENS.replace("${workdir}/closed", "${workdir}/no"));
        fs::rename(scene.path("work/.govsh"), scene.path("work/sub/moved")).unwrap();
        fs::copy(scene.path("work/sub/moved/policy.toml"), scene.path("work/sub/.govsh/policy.toml")).unwrap();
        let read = ["--policy", "plain", "--", "cat", &scene.text("other/file")];
        let sub = scene.command("work/sub", None, &[&[GOVSH], &read[..]].concat()).output().unwrap();
        assert_eq!(sub.stdout, b"");
        fs::rename(scene.path("work/sub/moved"), scene.path("work/.govsh")).unwrap();
        assert!(scene.reads_other());
        assert!(scene.govsh(&["trust", "--revoke"]).1.starts_with("no longer trusted: "));
        assert!(!scene.reads_other(), "revoked");
    });
}

#[test]
fn a_run_says_what_does_not_count_and_what_to_type() {
    each(|scene| {
        scene.write("work/.govsh/policy.toml", WIDENS);
        let line = format!("{GOVSH} --policy plain -- true");
        let (_, screen, _) = crate::scene::told(&scene.output(&["script", "-qec", &line, "/dev/null"]));
        let said: Vec<&str> = screen.lines().filter(|line| line.contains("is not trusted")).collect();
        assert_eq!(said.len(), 1, "{screen}");
        let path = scene.text("work/.govsh/policy.toml");
        assert!(said[0].contains(&path) && said[0].contains("its 1 grant does not count"), "{screen}");
        assert!(said[0].contains("govsh trust"), "{screen}");
        // Recorded, shown again, and told in a job's log, where no terminal is.
        let (_, shown, _) = scene.govsh(&["show", "last"]);
        assert!(shown.contains(&format!("{path} is not trusted")), "{shown}");
        let (_, events, _) = scene.govsh(&["show", "last", "--events", "--kind", "policy", "--json"]);
        let event: serde_json::Value = serde_json::from_str(events.lines().next().unwrap()).unwrap();
        assert!(event["notices"][0].as_str().unwrap().contains("its 1 grant does not count"), "{event}");
        let job = |ci: &str, words: &[&str]| {
            let words = [&["env", ci, GOVSH], words, &["--policy", "plain", "--", "true"]].concat();
            crate::scene::told(&scene.output(&words)).2
        };
        assert_eq!(job("CI=", &[]), "", "no terminal");
        let told = job("CI=true", &[]);
        assert!(told.starts_with(&format!("govsh: {path} is not trusted")) && told.lines().count() == 1, "{told}");
        assert_eq!(job("CI=true", &["--quiet"]), "");
        scene.write("work/.govsh/policy.toml", "version = 1\n[files]\ndeny = ['${workdir}/x']\n");
        let (_, screen, _) = crate::scene::told(&scene.output(&["script", "-qec", &line, "/dev/null"]));
        assert!(!screen.contains("trusted"), "nothing to trust: {screen}");
        let list = scene.govsh(&["policy", "list"]).1;
        assert!(list.contains("laid over each of them") && list.contains(&path), "{list}");
    });
}

#[test]
fn nothing_is_trusted_from_inside() {
    each(|scene| {
        scene.write("work/.govsh/policy.toml", WIDENS);
        let exec = format!("--allow-exec={GOVSH}");
        let inside = |words: &[&str]| {
            let start = [
                "--policy",
                "plain",
                &exec,
                "--allow-read",
                &scene.text("state"),
                "--allow-write",
                &scene.text("state"),
                "--",
            ];
            scene.govsh(&[&start[..], words].concat())
        };
        let (_, _, told) = inside(&[GOVSH, "trust", "--yes"]);
        assert!(told.contains("inside govsh session"), "{told}");
        // Without the mark of the session it is the sandbox that holds.
        let (status, _, told) = inside(&["env", "-u", "GOVSH_SESSION", GOVSH, "trust", "--yes"]);
        assert!(status != Some(0) && told.contains("denied"), "{told}");
        // An entry copied there by hand: works outside, as it must, and not inside.
        assert_eq!(scene.govsh(&["trust", "--yes"]).0, Some(0));
        assert!(scene.reads_other());
        let trust = scene.path("state/govsh/trust");
        let entry = fs::read_dir(&trust).unwrap().next().unwrap().unwrap().path();
        let kept = scene.path("work/entry");
        fs::rename(&entry, &kept).unwrap();
        assert!(!scene.reads_other());
        let put = format!("cp -p {} {}", kept.display(), entry.display());
        let (_, _, told) = inside(&["sh", "-c", &put]);
        assert!(told.contains("denied") && !entry.exists(), "{told}");
        let moved = format!("mv {0} {0}.old; mkdir {0}; {put}", trust.display());
        inside(&["sh", "-c", &moved]);
        assert!(!scene.reads_other());
        assert!(scene.output(&["sh", "-c", &put]).status.success());
        assert!(scene.reads_other(), "outside the same command works");
    });
}

#[test]
fn what_an_agent_plants_only_narrows() {
    each(|scene| {
        fs::create_dir(scene.path("work/.git")).unwrap();
        scene.write("work/sub/file", "here\n");
        // In its own directory and above, up to the top of the repository, it can plant nothing.
        for dir in ["work", "work/sub"] {
            let script = format!(
                "mkdir -p {0}/.govsh; ln -s /tmp {0}/.govsh; echo 'version = 1' > {0}/.govsh/policy.toml",
                scene.text("work")
            );
            let words = [GOVSH, "--policy", "plain", "--allow-write", &scene.text("work"), "--", "sh", "-c", &script];
            scene.command(dir, None, &words).output().unwrap();
            assert!(fs::symlink_metadata(scene.path("work/.govsh")).is_err(), "from {dir}");
        }
        assert!(scene.output(&["mkdir", "-p", "work-outside"]).status.success());
        // Further in it can, and the next session there is narrower for it, never wider.
        let plant = format!(
            "mkdir sub/.govsh; printf 'version = 1\\nextends = [\"observe\"]\\n[files]\\nread = [\"{}/**\"]\\ndeny = [\"${{workdir}}/file\"]\\n' > sub/.govsh/policy.toml",
            scene.text("other")
        );
        assert_eq!(scene.sh(&plant).0, Some(0));
        let read = format!("cat {} file", scene.text("other/file"));
        let words = [GOVSH, "--policy", "plain", "--", "sh", "-c", &read];
        let (_, out, told) = crate::scene::told(&scene.command("work/sub", None, &words).output().unwrap());
        assert_eq!(out, "", "{told}");
        fs::remove_dir_all(scene.path("work/sub/.govsh")).unwrap();
        let (_, out, _) = crate::scene::told(&scene.command("work/sub", None, &words).output().unwrap());
        assert_eq!(out, "here\n");
        // Nor does it take away what the project says further out.
        scene.write("work/.govsh/policy.toml", "version = 1\n[files]\ndeny = ['**/file']\n");
        fs::create_dir(scene.path("work/sub/.git")).unwrap();
        let (_, out, _) = crate::scene::told(&scene.command("work/sub", None, &words).output().unwrap());
        assert_eq!(out, "");
    });
}

#[test]
fn a_linked_directory_stays_in_the_project_or_nothing_runs() {
    each(|scene| {
        scene.write("other/policy.toml", "version = 1\n[files]\nread = ['/**']\n");
        symlink(scene.path("other"), scene.path("work/.govsh")).unwrap();
        let (status, _, told) = scene.sh("true");
        assert_eq!(status, Some(125));
        assert!(told.contains("leads out of the project") && told.contains("hint: "), "{told}");
        // Also not by way of the user's own policies, which would be trusted.
        fs::remove_file(scene.path("work/.govsh")).unwrap();
        fs::create_dir(scene.path("work/.govsh")).unwrap();
        scene.write("config/govsh/policies/wide.toml", "version = 1\n[files]\nread = ['/**']\n");
        symlink(scene.path("config/govsh/policies/wide.toml"), scene.path("work/.govsh/policy.toml")).unwrap();
        assert_eq!(scene.sh("true").0, Some(125));
        fs::remove_dir_all(scene.path("work/.govsh")).unwrap();
        scene.write("work/conf/policy.toml", WIDENS);
        scene.write("work/closed/file", "closed\n");
        symlink("conf", scene.path("work/.govsh")).unwrap();
        assert!(!scene.reads_other());
        assert_eq!(scene.sh("cat closed/file; echo x >> conf/policy.toml; rm .govsh; ln -sfn /tmp .govsh").1, "");
        assert_eq!(fs::read_link(scene.path("work/.govsh")).unwrap().as_os_str(), "conf");
        assert!(!fs::read_to_string(scene.path("work/conf/policy.toml")).unwrap().ends_with("x\n"));
        assert_eq!(scene.govsh(&["trust", "--yes"]).0, Some(0));
        assert!(scene.reads_other());
    });
}

#[test]
fn a_policy_that_does_not_parse_stops_the_run() {
    each(|scene| {
        for (text, wanted) in [
            ("version = 1\n[files]\nraed = ['/x']\n", "line 3, column 1: unknown key 'raed'"),
            ("version = 1\n[files]\nread = 1\n", "line 3, column 8: 'read' wants"),
            ("version = 1\n[files]\nread = ['x']\n", "line 3, column 9: pattern 'x' is relative"),
            ("version = 1\n[machine]\nenrolled = true\n", "line 2, column 2: only the machine can be enrolled"),
            ("version = 1\n[agent]\nappend_args = ['--yolo']\n", "'append_args' in a file that is laid over"),
            ("version = 1\n[record]\nretention = { days = 1 }\n", "a project cannot have recordings removed"),
        ] {
            scene.write("work/.govsh/policy.toml", text);
            let (status, _, told) = scene.sh("true");
            assert_eq!(status, Some(125), "{text}");
            assert!(told.contains(wanted) && told.contains("this is the project's policy"), "{told}");
        }
        let path = scene.path("work/.govsh/policy.toml");
        fs::remove_file(&path).unwrap();
        assert!(scene.output(&["mkfifo", ".govsh/policy.toml"]).status.success());
        assert!(scene.sh("true").2.contains("it is no regular file"), "opening it waits for nobody");
    });
}

#[test]
fn rules_of_the_command_line_hold_for_one_run() {
    each(|scene| {
        scene.write("work/secret", "s\n");
        scene.write("work/dir/file", "f\n");
        let other = scene.text("other");
        let run = |options: &[&str], script: &str| {
            let words = [&["--policy", "plain"], options, &["--", "sh", "-c", script]].concat();
            scene.govsh(&words).1
        };
        let read = format!("cat {other}/file");
        assert_eq!(run(&["--allow-read", "../other"], &read), "found\n");
        assert_eq!(run(&["--allow-read", &other, "--deny", "../other/file"], &read), "");
        assert_eq!(run(&["--deny", "secret"], "cat secret dir/file"), "f\n");
        assert!(scene.denials().contains("--deny secret") && scene.denials().contains("\"layer\":\"command-line\""));
        assert_eq!(run(&["--readonly", "dir/"], "cat dir/file; echo g > dir/file; cat dir/file"), "f\nf\n");
        assert_eq!(run(&["--deny-exec", "cat"], "cat secret; echo done"), "done\n");
        // Nobody is there to be asked.
        assert_eq!(run(&["--ask", "secret", "--ask-exec", "ls **"], "cat secret; ls dir; cat dir/file"), "f\n");
        let (status, _, told) = scene.govsh(&["--policy", "plain", "--allow-net", "*.org:443", "--", "true"]);
        assert_eq!(status, Some(125));
        assert!(told.contains("policy '--allow-net *.org:443' line 1"), "{told}");
        // A project's denial holds against the command line, and against the user's own rules.
        scene.write("work/.govsh/policy.toml", "version = 1\n[files]\ndeny = ['${workdir}/secret']\n");
        scene.write(
            "config/govsh/policy.d/me.toml",
            "version = 1\n[files]\nread = ['${workdir}/secret', '{}/other/**']\n",
        );
        assert_eq!(run(&["--allow-read", "secret"], "cat secret; cat ../other/file"), "found\n");
    });
}

#[test]
fn the_users_own_rules_must_be_the_users() {
    each(|scene| {
        scene.write("config/govsh/policy.d/me.toml", "version = 1\n[files]\nread = ['{}/other/**']\n");
        assert!(scene.reads_other());
        let path = scene.path("config/govsh/policy.d/me.toml");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        let (status, _, told) = scene.sh("true");
        assert_eq!(status, Some(125));
        assert!(told.contains("can be written by others (mode 666)") && told.contains("chmod"), "{told}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        // A session that works where such rules lie could write the next one's.
        let words = [GOVSH, "--policy", "plain", "--", "true"];
        let there = scene.command("config/govsh/policy.d", None, &words).output().unwrap();
        let (status, _, told) = crate::scene::told(&there);
        assert!(status == Some(125) && told.contains("which holds what binds sessions"), "{told}");
        let script = "echo 'version = 1' > policy.d/you.toml; echo x >> policy.d/me.toml; mv policy.d p; ls";
        let words = [GOVSH, "--policy", "plain", "--", "sh", "-c", script];
        let (_, _, told) = crate::scene::told(&scene.command("config/govsh", None, &words).output().unwrap());
        assert!(!scene.path("config/govsh/policy.d/you.toml").exists() && path.exists(), "{told}");
        assert!(scene.reads_other(), "nothing of it was changed");
    });
}

#[test]
fn a_chosen_project_policy_grants_nothing_untrusted() {
    let scene = Scene::new(false);
    scene.write("work/.govsh/policy.toml", "version = 1\nextends = ['observe']\n");
    let run = || scene.govsh(&["--policy", ".govsh/policy.toml", "--", "cat", &scene.text("other/file")]);
    let (status, _, told) = run();
    assert!(status == Some(125) && told.contains("is not trusted, and so grants nothing"), "{told}");
    assert_eq!(scene.govsh(&["trust", "--yes"]).0, Some(0));
    assert_eq!(run().1, "found\n");
}
