//! What cannot be started says so in one line, with the right status; who starts it does not matter.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::scene::{GOVSH, Scene, text};

fn mode(scene: &Scene, name: &str, mode: u32) {
    fs::set_permissions(scene.path(name), fs::Permissions::from_mode(mode)).unwrap();
}

fn is_root() -> bool {
    govsh::sys::cred::euid() == 0
}

/// The words that make a command one of an ordinary user without any capability.
const NOBODY: [&str; 6] =
    ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"];

/// The scene, given to that user.
fn given_away(scene: &Scene) {
    let status = Command::new("chown").args(["-R", "65534:65534"]).arg(scene.root()).status().unwrap();
    assert!(status.success());
}

#[test]
fn statuses_are_those_of_a_shell() {
    let scene = Scene::new();
    let status = |command: &[&str]| scene.run(&["--no-record"], command).status.code();
    assert_eq!(status(&["true"]), Some(0));
    assert_eq!(status(&["sh", "-c", "exit 77"]), Some(77));
    assert_eq!(status(&["sh", "-c", "kill -9 $$"]), Some(137));
    assert_eq!(status(&["sh", "-c", "kill -TERM $$"]), Some(143));
}

#[test]
fn what_cannot_be_run_is_told_in_one_line() {
    let scene = Scene::new();
    fs::write(scene.path("plain"), "echo x").unwrap();
    fs::write(scene.path("script"), "echo from a script without a first line").unwrap();
    mode(&scene, "script", 0o755);
    fs::write(scene.path("lost"), "#!/no/such/interpreter\n").unwrap();
    mode(&scene, "lost", 0o755);
    let run = |command: &str| {
        let output = scene.run(&["--no-record"], &[command]);
        (output.status.code(), text(&output.stderr), text(&output.stdout))
    };
    let (status, line, _) = run("no-such-command");
    assert_eq!((status, line.as_str()), (Some(127), "govsh: 'no-such-command' was not found in PATH\n"));
    let (status, line, _) = run("./missing");
    assert_eq!((status, line.as_str()), (Some(127), "govsh: './missing' does not exist\n"));
    let (status, line, _) = run("./plain/x");
    assert_eq!((status, line.as_str()), (Some(127), "govsh: './plain/x' does not exist\n"));
    let (status, line, _) = run("");
    assert_eq!((status, line.as_str()), (Some(127), "govsh: '' was not found in PATH\n"));
    let (status, line, _) = run("./plain");
    assert_eq!((status, line.as_str()), (Some(126), "govsh: './plain' is not executable\n"));
    let (status, line, _) = run("/usr");
    assert_eq!((status, line.as_str()), (Some(126), "govsh: '/usr' is a directory\n"));
    let (status, line, _) = run("./lost");
    assert!(matches!(status, Some(126 | 127)) && line.lines().count() == 1, "{line}");
    let (status, _, output) = run("./script");
    assert_eq!((status, output.as_str()), (Some(0), "from a script without a first line\n"));
}

#[test]
fn a_policy_that_does_not_allow_it_refuses_it() {
    let scene = Scene::new();
    fs::write(scene.path("no.toml"), "version = 1\nextends = [\"observe\"]\n[exec]\ndeny = [\"sleep\"]\n").unwrap();
    let output = scene.command(&[GOVSH, "-p", "./no.toml", "--", "sleep", "1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(126));
    let told = text(&output.stderr);
    assert!(told.contains("does not allow running") && told.contains("no.toml:4"), "{told}");
    assert!(!scene.root().join("state/govsh").exists(), "nothing ran, so nothing is recorded");
}

#[test]
fn inside_another_session_it_says_which() {
    let scene = Scene::new();
    let output = scene.run(&["--no-record"], &[GOVSH, "--", "true"]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{told}");
    assert!(told.starts_with("govsh: this is inside govsh session "), "{told}");
}

#[test]
fn a_working_directory_that_is_gone_is_told() {
    let scene = Scene::new();
    let script = format!("mkdir gone; cd gone; rmdir ../gone; exec {GOVSH} --no-record -- true");
    let output = scene.command(&["sh", "-c", &script]).output().unwrap();
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{told}");
    assert!(told.starts_with("govsh: cannot tell the working directory: ") && told.lines().count() == 1, "{told}");
}

#[test]
fn no_home_is_no_obstacle() {
    let scene = Scene::new();
    let unset = scene.govsh(&["--no-record"], &["true"]).env_remove("HOME").output().unwrap();
    assert!(unset.status.success(), "{}", text(&unset.stderr));
    let missing = scene.govsh(&["--no-record"], &["true"]).env("HOME", "/no/such/home").output().unwrap();
    assert!(missing.status.success(), "{}", text(&missing.stderr));
}

#[test]
fn a_recording_that_cannot_be_written_ends_it_before_it_began() {
    let scene = Scene::new();
    fs::write(scene.path("file"), "").unwrap();
    for place in ["file", "file/in", "no/such/dir/x.cast.zst"] {
        let output = scene.run(&["--record", place], &["sh", "-c", "echo ran"]);
        let told = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(125), ""), "{place}: {told}");
        assert!(told.starts_with("govsh: cannot "), "{place}: {told}");
    }
}

#[test]
fn a_recording_that_fails_on_the_way_ends_it() {
    let scene = Scene::new();
    let inner = "trap '' TERM HUP; head -c 3000000 /dev/urandom; echo $$ > pid; sleep 1000";
    let words = crate::scene::govsh(&[], &[]).join(" ");
    let script = format!("ulimit -f 512; {words} sh -c \"$0\" | cat > /dev/null; exit ${{PIPESTATUS[0]}}");
    let output = scene.command(&["bash", "-c", &script, inner]).output().unwrap();
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{told}");
    assert!(told.starts_with("govsh: the recording cannot be written, so the session was ended: "), "{told}");
}

#[test]
fn ci_gets_a_summary() {
    let scene = Scene::new();
    let mut command = scene.govsh(&[], &["sh", "-c", "ls ../state/govsh/recordings"]);
    command.env("CI", "true").env("GITHUB_STEP_SUMMARY", scene.path("summary")).output().unwrap();
    let summary = scene.read("summary");
    assert!(
        summary.starts_with("### govsh: ") && summary.contains("1 denied") && !summary.contains('\x1b'),
        "{summary}"
    );
}

#[test]
fn an_ordinary_user_without_capabilities_can_run_it() {
    if !is_root() {
        // Then every other test says so.
        return;
    }
    let scene = Scene::new();
    given_away(&scene);
    let words = crate::scene::govsh(&[], &["sh", "-c", "id -u; echo x > made; cat"]);
    // The binary may lie where that user may not look.
    let own = scene.root().join("govsh");
    fs::copy(GOVSH, &own).unwrap();
    fs::set_permissions(&own, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(scene.root(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = scene.command(&[&NOBODY[..], &[own.to_str().unwrap()], &words[1..]].concat());
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), "65534\n"), "{}", text(&output.stderr));
    assert_eq!(scene.read("made"), "x\n");
}

#[test]
fn programs_that_are_special_to_the_kernel() {
    if !is_root() {
        return;
    }
    let scene = Scene::new();
    for (name, bits) in [("setuid", 0o4755), ("unreadable", 0o711)] {
        fs::copy("/usr/bin/id", scene.path(name)).unwrap();
        mode(&scene, name, bits);
    }
    let own = scene.root().join("govsh");
    fs::copy(GOVSH, &own).unwrap();
    fs::set_permissions(&own, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(scene.root(), fs::Permissions::from_mode(0o755)).unwrap();
    for dir in ["run", "home", "state"] {
        let dir = scene.root().join(dir);
        assert!(Command::new("chown").arg("65534:65534").arg(dir).status().unwrap().success());
    }
    let run = |program: &str| {
        let words = crate::scene::govsh(&["--no-record"], &[program, "-u"]);
        scene.command(&[&NOBODY[..], &[own.to_str().unwrap()], &words[1..]].concat()).output().unwrap()
    };
    let setuid = run("./setuid");
    assert_eq!(text(&setuid.stdout), "65534\n", "{}", text(&setuid.stderr));
    let unreadable = run("./unreadable");
    assert_eq!(unreadable.status.code(), Some(126));
    assert!(text(&unreadable.stderr).contains("cannot be read, only executed"), "{}", text(&unreadable.stderr));
}
