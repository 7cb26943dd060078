//! The control socket of the agent's own session, and of another one: who could speak there could answer its own questions.
//!
//! Invariant: the policy allows everything that a policy can, sockets by path too; outside, the same attempt is answered.
//! Leaves to others: other users and misbehaving clients (`tests/it/watch`).

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::lab::{Lab, attempt, finish_after, govsh};
use crate::rules::Rules;

const WAYS: [&str; 16] = [
    "control path",
    "control root",
    "control front_root",
    "control front_cwd",
    "control monitor_root",
    "control dots",
    "control abstract",
    "control symlink",
    "control link",
    "control chdir",
    "control opath",
    "control dirfd",
    "control scratch",
    "control pidfd",
    "control replace",
    "control beside",
];

/// Everything, and every socket by path and by abstract name.
fn everything() -> Rules {
    Rules::everything().socket("/**").socket("@*")
}

/// The socket that appears beside those.
fn appears(lab: &Lab, beside: &[PathBuf]) -> PathBuf {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let sessions = std::fs::read_dir(lab.path("run/govsh")).into_iter().flatten().flatten();
        let mut sockets = sessions.map(|entry| entry.path().join("control")).filter(|path| path.exists());
        if let Some(fresh) = sockets.find(|path| !beside.contains(path)) {
            return fresh;
        }
        assert!(Instant::now() < end, "no control socket appeared");
        std::thread::yield_now();
    }
}

fn tell(lab: &Lab, socket: &std::path::Path, front: u32) {
    // Written beside and moved, so that it is never read half.
    lab.file("work/told.new", &format!("{}\n{front}\n.\n", socket.display()));
    std::fs::rename(lab.path("work/told.new"), lab.path("work/told")).expect("rename");
}

/// What one attempt says from inside a session about a socket: status, output, error.
fn inside(lab: &Lab, way: &str, socket: Option<(PathBuf, u32)>, beside: &[PathBuf]) -> (i32, String, String) {
    let (mut command, recording) = lab.command(&everything(), &attempt().to_string_lossy());
    command.args(way.split(' ')).arg(lab.path("work/told")).stdin(Stdio::piped());
    let said = finish_after(command, way, |front| {
        let own = appears(lab, beside);
        let (socket, front) = socket.unwrap_or((own, front));
        tell(lab, &socket, front);
    });
    let events = lab.events(&recording);
    assert!(
        events.last().is_some_and(|last| last["kind"] == "exit"),
        "{way}: the recording does not end with the exit"
    );
    let denied = events.iter().any(|event| event["verdict"] == "deny");
    // Nobody has the abstract name, and the policy allows them all.
    assert!(denied || way.ends_with(" abstract"), "{way}: no event of the refusal");
    let forged = |event: &&serde_json::Value| matches!(event["kind"].as_str(), Some("marker" | "answer"));
    assert_eq!(events.iter().find(forged), None, "{way}");
    said
}

fn refused((status, stdout, _): &(i32, String, String)) -> bool {
    *status == 1
        && ["EACCES", "EPERM", "ENOENT", "ECONNREFUSED", "EXDEV", "ELOOP"]
            .iter()
            .any(|errno| stdout.contains(&format!("errno {errno}")))
}

#[test]
fn its_own_session() {
    let mut wrong = Vec::new();
    for way in WAYS {
        let lab = Lab::new();
        let said = inside(&lab, way, None, &[]);
        if !refused(&said) {
            wrong.push(format!("{way}: {said:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A session that waits until it is killed.
struct Other {
    child: Child,
    socket: PathBuf,
}

impl Other {
    fn start(lab: &Lab) -> Other {
        let (mut command, _) = lab.command(&everything(), "/bin/sleep");
        let child = command.arg("600").stdin(Stdio::null()).spawn().expect("govsh");
        Other { socket: appears(lab, &[]), child }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn another_session() {
    let lab = Lab::new();
    let other = Other::start(&lab);
    tell(&lab, &other.socket, other.child.id());
    let told = lab.path("work/told").to_string_lossy().into_owned();
    for way in ["control path", "control root", "control dots", "control chdir", "control opath", "control dirfd"] {
        let outside = lab.outside(&format!("{way} {told}"), false);
        assert!(outside.worked(), "outside, {way}: {outside:?}");
    }
    for way in WAYS.into_iter().filter(|way| *way != "control beside") {
        let beside = [other.socket.clone()];
        let said = inside(&lab, way, Some((other.socket.clone(), other.child.id())), &beside);
        assert!(refused(&said), "{way}: {said:?}");
    }
}

/// Our own programs are no way around.
#[test]
fn by_govsh_itself() {
    let lab = Lab::new();
    let other = Other::start(&lab);
    let id = other.socket.parent().and_then(|dir| dir.file_name()).expect("an id").to_string_lossy().into_owned();
    for words in [vec!["watch", "--json"], vec!["answer", &id], vec!["answer", &id, "1", "allow"]] {
        let (mut command, _) = lab.command(&everything(), &govsh().to_string_lossy());
        command.args(&words).stdin(Stdio::null());
        let (status, stdout, stderr) = crate::lab::finish(command, "govsh inside");
        let empty = words == ["watch", "--json"] && stdout.trim() == "[]";
        assert!(empty || (status == 125 && stdout.is_empty()), "{words:?}: {status} {stdout} {stderr}");
    }
}
