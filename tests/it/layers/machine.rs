//! The machine's rules, in a mount namespace with an /etc of its own: made by root, obeyed by root and ordinary users.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::scene::{GOVSH, Scene, is_root, told};

/// A copy of /etc that this test may change, and a scene to run in.
struct Machine {
    scene: Scene,
    copy: tempfile::TempDir,
}

impl Machine {
    fn new(ordinary: bool) -> Machine {
        let copy = tempfile::tempdir().unwrap();
        let copied = Command::new("cp").args(["-a", "/etc"]).arg(copy.path()).output().unwrap();
        assert!(copied.status.success(), "{copied:?}");
        let machine = Machine { scene: Scene::new(ordinary), copy };
        // Whatever this machine itself says is not what is tested.
        let _ = fs::remove_dir_all(machine.etc().join("govsh"));
        machine
    }

    fn etc(&self) -> PathBuf {
        self.copy.path().join("etc")
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.etc().join("govsh").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text.replace("{}", self.scene.path("").to_string_lossy().trim_end_matches('/'))).unwrap();
        for dir in path.ancestors().skip(1).take_while(|dir| *dir != self.etc()) {
            mode(dir, 0o755);
        }
        mode(&path, 0o644);
        path
    }

    fn run(&self, words: &[&str]) -> (Option<i32>, String, String) {
        let etc = self.etc();
        told(&self.scene.command("work", Some(&etc), &[&[GOVSH], words].concat()).output().unwrap())
    }

    fn sh(&self, options: &[&str], script: &str) -> (Option<i32>, String, String) {
        self.run(&[&["--policy", "plain"], options, &["--", "sh", "-c", script]].concat())
    }

    fn reads_other(&self, options: &[&str]) -> bool {
        self.sh(options, &format!("cat {}", self.scene.text("other/file"))).1 == "found\n"
    }
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Only root makes such a machine: `tests/run` runs these as root wherever it can become it.
fn each(test: impl Fn(&Machine)) {
    if is_root() {
        test(&Machine::new(false));
        test(&Machine::new(true));
        return;
    }
    let name = std::thread::current().name().unwrap().to_owned();
    let exe = std::env::current_exe().unwrap();
    let again = Command::new("sudo").arg("-n").arg(exe).args(["--exact", &name]).output().unwrap();
    assert!(again.status.success(), "as root: {}", String::from_utf8_lossy(&again.stdout));
}

#[test]
fn the_machine_denies_and_grants_for_everybody() {
    each(|machine| {
        machine.write("policy.d/10-base.toml", "version = 1\n[files]\nread = ['{}/other/**']\ndeny = ['**/closed']\n");
        machine.scene.write("work/closed", "closed\n");
        assert!(machine.reads_other(&[]), "a grant of the machine");
        assert_eq!(machine.sh(&["--allow-read", "closed"], "cat closed").1, "", "its denial beats every grant");
        let denials = machine.scene.denials();
        assert!(denials.contains("\"layer\":\"machine\"") && denials.contains("10-base.toml"), "{denials}");
        machine.write("org/all.toml", "version = 1\n[files]\ndeny = ['{}/other/**']\n");
        assert!(!machine.reads_other(&[]), "the organisation denies what the machine grants");
        // The agent changes none of it, root or not.
        let script =
            "echo '#' >> /etc/govsh/policy.d/10-base.toml; echo x > /etc/govsh/policy.d/x.toml; rm -r /etc/govsh";
        machine.sh(&["--allow-write", "/etc/govsh"], script);
        let files = fs::read_dir(machine.etc().join("govsh/policy.d")).unwrap().count();
        let text = fs::read_to_string(machine.etc().join("govsh/policy.d/10-base.toml")).unwrap();
        assert!(files == 1 && !text.contains('#'));
    });
}

#[test]
fn what_others_could_have_written_is_refused() {
    each(|machine| {
        let path = machine.write("policy.d/10-base.toml", "version = 1\n");
        assert_eq!(machine.sh(&[], "true").0, Some(0));
        let refused = |wanted: &str| {
            let (status, _, told) = machine.sh(&[], "true");
            assert!(status == Some(125) && told.contains(wanted) && told.contains("hint: "), "{told}");
        };
        for bits in [0o666, 0o646, 0o664] {
            mode(&path, bits);
            refused(&format!("it can be written by others (mode {bits:o})"));
        }
        mode(&path, 0o644);
        chown(&path, Some(65534), None).unwrap();
        refused("it belongs to user 65534, not to root");
        chown(&path, Some(0), None).unwrap();
        let dir = path.parent().unwrap();
        mode(dir, 0o777);
        refused("the directory can be written by others (mode 777)");
        mode(dir, 0o755);
        chown(dir.parent().unwrap(), Some(65534), None).unwrap();
        refused("the directory belongs to user 65534, not to root");
        chown(dir.parent().unwrap(), Some(0), None).unwrap();
        machine.write("policy.d/20-broken.toml", "version = 1\n[file]\n");
        refused("/etc/govsh/policy.d/20-broken.toml' line 2, column 2: unknown key 'file'");
    });
}

#[test]
fn an_enrolled_machine_is_only_narrowed() {
    each(|machine| {
        machine.scene.write("work/.govsh/policy.toml", "version = 1\n[files]\nread = ['{}/other/**']\n");
        assert_eq!(machine.run(&["trust", "--yes"]).0, Some(0));
        assert!(machine.reads_other(&[]));
        machine.write("policy.d/10-base.toml", "version = 1\n[machine]\nenrolled = true\n");
        assert!(!machine.reads_other(&[]), "trusted before, and not heard any more");
        let refused = |options: &[&str], wanted: &str| {
            let (status, _, told) = machine.sh(options, "true");
            assert!(status == Some(125) && told.contains(wanted), "{told}");
            assert!(told.contains("this machine is enrolled (/etc/govsh/policy.d/10-base.toml:3)"), "{told}");
        };
        refused(&["--allow-read", "../other"], "'--allow-read ../other' line 1");
        refused(&["--with", "rust"], "'--with rust' line 1");
        refused(&["--with", "docker"], "'--with docker' line 1");
        // Where it is on already, it would leave the others out: that is not what was typed.
        let (status, _, told) = machine.run(&["--policy", "agent", "--with", "rust", "--", "true"]);
        assert!(status == Some(125) && told.contains("'--with rust' line 1"), "{told}");
        refused(&["--no-record"], "--no-record does not");
        refused(&["--audit", "writes"], "--audit writes does not");
        machine.scene.write("work/mine.toml", "version = 1\nextends = ['plain']\n[files]\nread = ['/**']\n");
        let (status, _, told) = machine.run(&["--policy", "./mine.toml", "--", "true"]);
        assert!(status == Some(125) && told.contains("line 4, column 9: this machine is enrolled"), "{told}");
        machine.scene.write("work/mine.toml", "version = 1\nextends = ['plain']\n[files]\ndeny = ['**/x']\n");
        assert_eq!(machine.run(&["--policy", "./mine.toml", "--", "true"]).0, Some(0), "it may narrow");
        machine.scene.write("work/x", "x\n");
        assert_eq!(machine.sh(&["--deny", "x"], "cat x").1, "");
        let (status, _, told) = machine.run(&["trust", "--yes"]);
        assert!(status == Some(125) && told.contains("trusted or not"), "{told}");
    });
}

#[test]
fn a_requirement_that_is_not_met_names_who_makes_it() {
    each(|machine| {
        let refused = |require: &str, options: &[&str], wanted: &[&str]| {
            machine.write("policy.d/10-base.toml", &format!("version = 1\n[require]\n{require}\n"));
            let (status, _, told) = machine.sh(options, "true");
            assert!(status != Some(0), "{require}");
            for wanted in wanted.iter().chain(&["/etc/govsh/policy.d/10-base.toml' line 3", "machine layer"]) {
                assert!(told.contains(wanted), "{require}: {told}");
            }
        };
        refused("recording = true", &["--no-record"], &["require.recording"]);
        refused("audit = 'full'", &["--audit", "writes"], &["require.audit"]);
        refused("landlock_abi = 900", &[], &["require.landlock_abi", "900"]);
        refused("policies = ['agent']", &[], &["require.policies", "not made of 'agent'"]);
        assert_eq!(machine.run(&["--policy", "agent", "--", "true"]).0, Some(0));
        // One of that name that the user wrote does not do.
        machine.scene.write("config/govsh/policies/agent.toml", crate::scene::PLAIN);
        assert_ne!(machine.run(&["--policy", "agent", "--", "true"]).0, Some(0));
        let own = "version = 1\nextends = ['agent']\n";
        machine.scene.write("config/govsh/policies/agent.toml", own);
        assert_eq!(machine.run(&["--policy", "agent", "--", "true"]).0, Some(0), "built on the shipped one");
        machine.write("policy.d/10-base.toml", "version = 1\n[require]\nrecording = true\naudit = 'full'\n");
        assert_eq!(machine.sh(&[], "true").0, Some(0));
    });
}
