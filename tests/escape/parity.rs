//! What an ordinary program sees must be the same inside as outside: errors, modes, flags, numbers, waiting, signals.
//!
//! Invariant: a topic is described by `attempt` in one line, and the two lines are compared whole.
//! Leaves to others: that denied things are denied.

use crate::lab::{Lab, is_root, test_user};
use crate::rules::Rules;

/// Policies under which the same must be seen: opens continued, opens brokered, and reads not notified.
fn policies() -> [(&'static str, Rules); 3] {
    let plain = Rules::new().exec("{work}/**");
    [
        ("plain", plain.clone()),
        ("with carve-outs", plain.clone().deny("**/.env").readonly("{work}/kept/**")),
        ("writes audited only", plain.option("--audit").option("writes")),
    ]
}

fn same(words: &[&str]) {
    let mut wrong = Vec::new();
    for words in words {
        let lab = Lab::new();
        lab.dir("work/d");
        let outside = lab.outside(&format!("{words} {{work}}/d"), false);
        assert!(outside.worked(), "outside: {words}: {outside:?}");
        for (name, rules) in policies() {
            let lab = Lab::new();
            lab.dir("work/d");
            let (inside, _) = lab.inside(&rules, &format!("{words} {{work}}/d"));
            if inside.detail != outside.detail {
                wrong.push(format!(
                    "{words}, {name}:\n  outside {}\n  inside  {} {} {}",
                    outside.detail, inside.detail, inside.result, inside.stderr
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn opening() {
    same(&[
        "same umask",
        "same cloexec",
        "same flags",
        "same excl",
        "same nofollow",
        "same tmpfile",
        "same limits",
        "same numbers",
    ]);
}

#[test]
fn names_and_exec() {
    same(&["same names", "same exec"]);
}

/// root that becomes somebody else.
#[test]
fn given_up_root() {
    if is_root() && test_user().is_none() {
        same(&["same owner"]);
    }
}

#[test]
fn paths() {
    same(&[
        "path lengths",
        "path memory",
        "path dirfds",
        "path chdir",
        "path thread_chdir",
        "path own_cwd",
        "path deleted_cwd",
    ]);
}

#[test]
fn magic_links() {
    same(&["magic fds", "magic kinds", "magic self", "magic thread", "magic streams"]);
}

/// openat2 may answer EAGAIN or ENOSYS where its flags would need the kernel's own walk; the rest must agree.
#[test]
fn magic_roots() {
    same(&["magic roots"]);
}

#[test]
fn waiting() {
    same(&["parked fifo", "parked interrupted", "parked restarted"]);
}

#[test]
fn signals_at_2_khz() {
    let outside = Lab::new();
    outside.dir("work/d");
    for topic in ["storm", "storm_restart"] {
        let words = format!("parked {topic} {{work}}/d 3000");
        assert_eq!(outside.outside(&words, false).detail, "failed {} signals many", "outside");
        for (name, rules) in policies() {
            let lab = Lab::new();
            lab.dir("work/d");
            let (inside, _) = lab.inside(&rules, &words);
            let clean = inside.detail == "failed {} signals many";
            // a signal that arrives before the front has taken the call ends it, unless it is to be restarted
            let only_interrupted =
                topic == "storm" && inside.detail.starts_with("failed {\"EINTR\": ") && !inside.detail.contains(',');
            assert!(clean || only_interrupted, "{topic}, {name}: {inside:?}");
        }
    }
}

#[test]
fn callers_that_vanish() {
    same(&["parked sibling_exec", "parked sibling_exit", "parked dying_threads"]);
}

/// Numbers of threads come again as numbers of processes.
#[test]
fn numbers_that_come_again() {
    same(&["parked recycled"]);
}

/// A process that forbids being looked into: for root as ever; else its calls are refused, never answered by chance.
#[test]
fn not_dumpable() {
    let lab = Lab::new();
    lab.dir("work/d");
    let (inside, events) = lab.inside(&Rules::new(), "parked not_dumpable {work}/d");
    if is_root() && test_user().is_none() {
        assert_eq!(inside.detail, "ok", "{inside:?}");
    } else {
        assert_eq!(inside.detail, "EACCES", "{inside:?}");
        assert!(
            events.iter().any(|event| event["verdict"] == "deny" || event["kind"] == "alert"),
            "the refusal is recorded"
        );
    }
}

/// A program that may be run but not read: root sees no difference, others get a clear refusal.
#[test]
fn execute_only() {
    let lab = Lab::new();
    std::fs::copy("/bin/true", lab.path("work/only")).expect("copy");
    lab.mode("work/only", 0o111);
    let rules = Rules::new().exec("{work}/**");
    assert!(lab.outside("unreadable {work}/only", false).worked());
    let (inside, events) = lab.inside(&rules, "unreadable {work}/only");
    if is_root() && test_user().is_none() {
        assert!(inside.worked(), "{inside:?}");
    } else {
        assert_eq!(inside.result, "errno EACCES", "{inside:?}");
        assert!(
            events.iter().any(|event| crate::case::denied(event, "exec", &lab.expand("{work}/only"))),
            "the refusal is recorded"
        );
    }
}
