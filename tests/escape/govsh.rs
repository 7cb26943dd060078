//! Attacks on govsh itself: its recording, policy, state and runtime directories, and its two processes.
//!
//! Invariant: the policy allows everything that a policy can, so what holds here is built in.
//! Leaves to others: what happens when somebody outside kills the front (`tests/it`).

use std::process::Stdio;

use crate::lab::{Lab, Said, attempt, finish};
use crate::rules::Rules;

const REFUSED: [&str; 2] = ["EACCES", "EPERM"];

fn refused(said: &Said) -> bool {
    said.status == 1 && REFUSED.contains(&said.short())
}

/// Each line is tried in a session of its own, which must end well and leave a whole recording.
fn withstands(lab: impl Fn() -> Lab, lines: &[String]) {
    let mut wrong = Vec::new();
    for line in lines {
        let lab = lab();
        let (said, events) = lab.inside(&Rules::everything(), line);
        if !refused(&said) {
            wrong.push(format!("{line}: {said:?}"));
        }
        if events.last().is_none_or(|last| last["kind"] != "exit") {
            wrong.push(format!("{line}: the recording does not end with the exit"));
        }
        if !events.iter().any(|event| event["verdict"] == "deny") {
            wrong.push(format!("{line}: no event of the refusal"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn every_way(file: &str) -> Vec<String> {
    let dir = file.rsplit_once('/').map_or("", |(dir, _)| dir);
    let mut lines: Vec<String> = [
        "open openat",
        "open opath",
        "write append",
        "write trunc",
        "write truncate",
        "name unlink",
        "meta chmod",
        "meta utimes",
        "meta proc_chmod",
    ]
    .iter()
    .map(|way| format!("{way} {file}"))
    .collect();
    lines.push(format!("name rename {file} {{work}}/taken"));
    lines.push(format!("name rename {{work}}/plain {file}"));
    lines.push(format!("name link {file} {{work}}/taken"));
    lines.push(format!("name symlink {dir}/planted /etc/passwd"));
    lines.push(format!("name rename {dir} {{work}}/taken"));
    lines
}

/// The recording of the very session, named on the command line.
#[test]
fn the_running_recording() {
    let mut lines = every_way("{work}/rec/recording0.cast.zst");
    lines.retain(|line| !line.contains("planted") && !line.starts_with("name rename {work}/rec "));
    let lab = || {
        let mut lab = Lab::new();
        lab.dir("work/rec");
        lab.record_in("work/rec");
        lab
    };
    withstands(lab, &lines);
}

/// Recordings of other sessions, in their own place.
#[test]
fn older_recordings_and_configuration() {
    let lab = || {
        let lab = Lab::new();
        for dir in ["state/govsh", "state/govsh/recordings", "config/govsh", "config/govsh/policies"] {
            lab.dir(dir);
        }
        lab.file("state/govsh/recordings/old.cast.zst", "secret\n");
        lab.file("config/govsh/policies/mine.toml", "version = 1\n");
        lab
    };
    let mut lines = every_way("{state}/govsh/recordings/old.cast.zst");
    lines.extend(every_way("{config}/govsh/policies/mine.toml"));
    lines.push("list {state}/govsh/recordings".into());
    lines.push("name rename {state} {work}/taken".into());
    lines.push("write openat {config}/govsh/policies/new.toml".into());
    withstands(lab, &lines);
}

/// The key that signs recordings: with it, any recording could be made anew.
#[test]
fn the_signing_key() {
    let lab = || {
        let lab = Lab::new();
        lab.dir("state/govsh");
        lab.file("state/govsh/signing.key", &format!("govsh signing key 1, secret\nlab\n{}\n", "0a".repeat(32)));
        lab
    };
    let mut lines = every_way("{state}/govsh/signing.key");
    lines.push("list {state}/govsh".into());
    lines.push("write openat {state}/govsh/.key-1".into());
    withstands(lab, &lines);
}

/// The runtime directory: nothing to list, to connect to, or to put there.
#[test]
fn the_runtime_directory() {
    let lines = [
        "list {run}/govsh",
        "write openat {run}/govsh/new",
        "name bind {run}/govsh/socket",
        "name rename {run}/govsh {work}/taken",
        "name mkdir {run}/govsh/new",
    ];
    withstands(Lab::new, &lines.map(str::to_owned));
}

/// The policy of the session cannot be written; a session's own policy in the project least of all.
#[test]
fn the_policy_file() {
    let lines = [
        "write append {base}/policy0.toml",
        "write trunc {base}/policy0.toml",
        "name unlink {base}/policy0.toml",
        "name rename {work}/plain {base}/policy0.toml",
        "meta chmod {base}/policy0.toml",
    ];
    withstands(Lab::new, &lines.map(str::to_owned));
}

/// Front and monitor: not signalled, traced, read or throttled.
#[test]
fn the_processes() {
    let ways = [
        "kill {who} 9",
        "kill {who} 19",
        "kill {who} 0",
        "tgkill {who} 9",
        "pidfd_send_signal {who} 9",
        "sigqueue {who} 9",
        "ptrace_seize {who}",
        "vm_readv {who}",
        "prlimit {who}",
        "setscheduler {who}",
        "setpriority {who}",
        "setaffinity {who}",
        "proc plain {who} environ",
        "proc list {who} fd",
        "proc write {who} mem",
        "proc plain {who} maps",
    ];
    let mut wrong = Vec::new();
    for way in ways {
        // the monitor is the agent's parent; the front's number comes by a file once it is known
        for who in ["parent", "@{work}/front"] {
            let lab = Lab::new();
            let words = lab.expand(&way.replace("{who}", who));
            let (mut command, recording) = lab.command(&Rules::everything(), &attempt().to_string_lossy());
            command.args(words.split(' ')).stdin(Stdio::piped());
            let (status, stdout, stderr) = with_front_told(command, &lab, &words);
            let answer = REFUSED.iter().any(|errno| stdout.contains(&format!("errno {errno}")));
            if status != 1 || !answer {
                wrong.push(format!("{words}: status {status} {stdout} {stderr}"));
            }
            let events = lab.events(&recording);
            if events.last().is_none_or(|last| last["kind"] != "exit") {
                wrong.push(format!("{words}: the recording does not end with the exit"));
            }
            if !events.iter().any(|event| event["verdict"] == "deny") {
                wrong.push(format!("{words}: no event of the refusal"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Starts the front, then writes its number where the attempt waits for it.
fn with_front_told(command: std::process::Command, lab: &Lab, words: &str) -> (i32, String, String) {
    crate::lab::finish_after(command, words, |front| lab.file("work/front", &front.to_string()))
}

/// What the agent says to its own session by way of environment or standing descriptors: nothing of govsh is there.
#[test]
fn nothing_left_behind() {
    let lab = Lab::new();
    let (said, _) = lab.inside(&Rules::everything(), "open_above_2");
    assert_eq!(said.status, 1, "{said:?}");
    let (mut command, _) = lab.command(&Rules::new(), "/usr/bin/env");
    command.stdin(Stdio::null());
    let (status, stdout, _) = finish(command, "env");
    assert_eq!(status, 0);
    let names: Vec<&str> =
        stdout.lines().filter(|line| line.to_lowercase().contains(".sock") || line.contains("/run/govsh")).collect();
    assert!(names.is_empty(), "the environment names govsh's own: {names:?}");
}
