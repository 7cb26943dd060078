//! What holds a verdict on this machine: the kernel, the front, or nothing but the record.
//!
//! Invariant: the answer comes from the plan that a session would be started with.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::policy::{Access, Audit, Decision, Policy, Reach, Request, Verdict};
use crate::sandbox::{self, Options, Plan};

/// `enforced` by the kernel alone, `brokered`, `continued`, or `none` where no session can start.
pub(super) struct Mechanism {
    pub how: &'static str,
    pub by: String,
}

fn by(how: &'static str, by: &str) -> Mechanism {
    Mechanism { how, by: by.to_owned() }
}

pub(super) fn of(policy: &Policy, request: &Request<'_>, decision: Decision) -> Mechanism {
    let audit = policy.record().audit.unwrap_or(Audit::Full);
    let options = Options {
        cgroup: Default::default(),
        audit,
        env: Vec::new(),
        cwd: PathBuf::from("/"),
        session_dir: PathBuf::from("/run/govsh"),
        pts: None,
    };
    let plan = match Plan::new(policy, &options) {
        Ok(plan) => plan,
        Err(error) => {
            return Mechanism { how: "none", by: format!("no session starts with this policy here: {error}") };
        }
    };
    match request {
        Request::File { path, access } => file(&plan, policy, audit, (path, *access), decision.verdict),
        Request::Exec { path, .. } => file(&plan, policy, audit, (path, Access::EXEC), decision.verdict),
        Request::Net(reach) if reach.host.is_some() => named(policy, reach, decision.verdict),
        Request::Net(_) => net(policy, decision.verdict),
        Request::Unix { .. } => by("brokered", "the front connects, or refuses"),
    }
}

fn file(plan: &Plan, policy: &Policy, audit: Audit, (path, access): (&[u8], Access), verdict: Verdict) -> Mechanism {
    let kernel = |right| {
        let mut trees = plan.agent.trees.iter();
        trees.any(|tree| tree.access.contains(right) && sandbox::beneath(path, tree.path.as_os_str().as_bytes()))
    };
    let seen = "; that it is there can be seen all the same (stat is not mediated)";
    if verdict == Verdict::Ask {
        return by("brokered", "the call waits in the front until somebody answers; no answer is a denial");
    }
    if access.contains(Access::EXEC) {
        return match (verdict, kernel(Access::EXEC)) {
            (Verdict::Allow, _) => by(
                "brokered",
                "judged at execve, and the new image again before its first notified call; Landlock grants EXECUTE underneath",
            ),
            (_, true) => by("brokered", "the front refuses; Landlock would let it run"),
            (_, false) => by("enforced", "the front refuses, and Landlock grants no EXECUTE there"),
        };
    }
    if access.changes() {
        return match verdict {
            Verdict::Allow => {
                by("brokered", "the front makes the change; the agent's own domain has no right to write")
            }
            _ => by("enforced", "the front refuses, and Landlock grants the agent no right to write anywhere"),
        };
    }
    match (verdict, kernel(Access::READ), audit) {
        (Verdict::Allow, true, Audit::Writes) => by("enforced", "Landlock alone; the open is not recorded"),
        (Verdict::Allow, true, Audit::Full) if !policy.carves_reads() => {
            by("continued", "the front judges the open and lets the kernel go on; Landlock grants what the policy does")
        }
        (Verdict::Allow, _, _) => by(
            "brokered",
            "the front opens it and hands the descriptor over, or lets the kernel go on where nothing can change the path",
        ),
        (_, false, _) => {
            Mechanism { how: "enforced", by: format!("the front refuses, and Landlock grants nothing there{seen}") }
        }
        (_, true, _) => {
            let text = "the front refuses, without which no open happens; Landlock grants the tree around it, as running needs";
            Mechanism { how: "brokered", by: format!("{text}{seen}") }
        }
    }
}

fn named(policy: &Policy, reach: &Reach<'_>, verdict: Verdict) -> Mechanism {
    let inspected = reach.host.is_some_and(|host| policy.inspects(host, reach.port));
    match verdict {
        Verdict::Allow if inspected => by(
            "brokered",
            "the front looks the name up, dials what it has checked, and judges each request within the connection",
        ),
        Verdict::Allow => by(
            "brokered",
            "the front looks the name up, dials what it has checked, and lets only this name through (SNI, Host)",
        ),
        Verdict::Ask => by("brokered", "the call waits in the front until somebody answers; no answer is a denial"),
        Verdict::Deny => by("brokered", "the front does not look the name up, and refuses the connection"),
    }
}

fn net(policy: &Policy, verdict: Verdict) -> Mechanism {
    match verdict {
        Verdict::Allow => by("brokered", "the front connects on the agent's behalf, to the address that was judged"),
        Verdict::Ask => by("brokered", "the call waits in the front until somebody answers; no answer is a denial"),
        Verdict::Deny if !policy.names_outside() => {
            by("enforced", "the front refuses, and sockets are tied to the loopback device")
        }
        Verdict::Deny if sandbox::abi() >= 4 => {
            by("brokered", "the front refuses; Landlock lets the agent itself open no TCP connection")
        }
        Verdict::Deny => by("brokered", "the front refuses; this kernel's Landlock knows no TCP (ABI 4 is needed)"),
    }
}
