//! Landlock: the broker's domain and, nested in it, the agent's.
//!
//! Invariant: the agent's domain handles every right the kernel knows and grants reading and executing only.
//! See landlock(7); rights a kernel lacks are left out there and named in the report.

use std::os::fd::AsFd;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
};

use super::SandboxError;
use super::plan::{AgentPlan, BrokerPlan, Tree};
use crate::policy;
use crate::sys::file;

/// The newest ABI whose rights we name.
const NEWEST: ABI = ABI::V9;

fn failed(error: impl std::fmt::Display) -> SandboxError {
    SandboxError::Landlock(error.to_string())
}

/// The kernel's Landlock ABI version; 0 when it has none.
#[must_use]
pub fn abi() -> i32 {
    crate::sys::limits::landlock_abi()
}

/// The rights that an access means beneath a directory.
fn rights(access: policy::Access) -> BitFlags<AccessFs> {
    let mut rights = BitFlags::empty();
    if access.contains(policy::Access::READ) {
        rights |= AccessFs::ReadFile | AccessFs::ReadDir;
    }
    if access.contains(policy::Access::EXEC) {
        rights |= AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::Execute;
    }
    if access.changes() {
        rights |= AccessFs::from_write(NEWEST) | AccessFs::ReadFile | AccessFs::ReadDir;
    }
    rights
}

fn add_tree(rules: RulesetCreated, path: &Path, rights: BitFlags<AccessFs>) -> Result<RulesetCreated, SandboxError> {
    // What does not exist (any more) needs no rule: the late-place path serves it.
    let Ok(fd) = PathFd::new(path) else { return Ok(rules) };
    let Ok(found) = file::stat(fd.as_fd()) else { return Ok(rules) };
    // What is not in a file system (a pipe behind /dev/stdout) cannot have a rule, and needs none; the rest is in one.
    let in_place = || file::path_of(fd.as_fd()).is_ok_and(|name| name.starts_with(b"/"));
    if !matches!(found.kind(), libc::S_IFDIR | libc::S_IFREG | libc::S_IFCHR | libc::S_IFBLK) && !in_place() {
        return Ok(rules);
    }
    let rights = if found.is_dir() { rights } else { rights & AccessFs::from_file(NEWEST) };
    if rights.is_empty() {
        return Ok(rules);
    }
    rules.add_rule(PathBeneath::new(fd, rights)).map_err(failed)
}

/// Restricts the calling thread, and all it starts from now on, to the union of what the policy mentions.
/// Network and signals stay free: the broker connects, and ends the agent.
pub fn enter_broker_domain(plan: &BrokerPlan) -> Result<(), SandboxError> {
    // Connecting to Unix sockets (ABI 9) is the broker's work, so it is not handled here.
    let handled = AccessFs::from_all(ABI::V7);
    let mut rules = Ruleset::default().handle_access(handled).map_err(failed)?.create().map_err(failed)?;
    for Tree { path, access } in &plan.trees {
        rules = add_tree(rules, path, rights(*access) & handled)?;
    }
    enforced(rules)
}

/// Whether an ABI has the scope of signals (6, kernel 6.12).
#[must_use]
pub fn scopes_signals(abi: i32) -> bool {
    abi >= 6
}

/// Restricts the calling process for good: no writing, no TCP, no signals or abstract sockets to the outside.
/// What the plan's ABI has must be had: the front relies on it.
pub(super) fn restrict_agent(plan: &AgentPlan) -> Result<(), SandboxError> {
    let abi = ABI::from(plan.abi).min(NEWEST);
    let handled = AccessFs::from_all(abi);
    let mut rules = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    rules = rules.handle_access(handled).map_err(failed)?;
    if plan.abi >= 4 {
        rules = rules.handle_access(AccessNet::BindTcp | AccessNet::ConnectTcp).map_err(failed)?;
    }
    if scopes_signals(plan.abi) {
        rules = rules.scope(Scope::Signal | Scope::AbstractUnixSocket).map_err(failed)?;
    }
    let mut rules = rules.create().map_err(failed)?;
    for Tree { path, access } in &plan.trees {
        rules = add_tree(rules, path, rights(*access) & handled)?;
    }
    enforced(rules)
}

fn enforced(rules: RulesetCreated) -> Result<(), SandboxError> {
    let status = rules.restrict_self().map_err(failed)?;
    if status.ruleset == RulesetStatus::NotEnforced { Err(SandboxError::NoLandlock) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the broker is told to open, whoever tells it, the kernel refuses outside its plan.
    #[test]
    fn a_broker_cannot_open_what_the_policy_never_mentions() {
        let home = tempfile::tempdir().unwrap();
        let (secret, work) = (home.path().join(".ssh"), home.path().join("work"));
        for dir in [&secret, &work] {
            std::fs::create_dir(dir).unwrap();
            std::fs::write(dir.join("id_rsa"), "x").unwrap();
        }
        let read = |dir: &Path| std::fs::read(dir.join("id_rsa")).map_err(|e| e.raw_os_error());
        assert!(read(&secret).is_ok(), "readable without the domain, else this proves nothing");
        let plan = BrokerPlan {
            trees: vec![Tree { path: work.clone(), access: policy::Access::READ | policy::Access::CHANGES }],
            late: Vec::new(),
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                crate::sys::cred::set_no_new_privs().unwrap();
                enter_broker_domain(&plan).unwrap();
                assert!(read(&work).is_ok());
                assert_eq!(read(&secret), Err(Some(libc::EACCES)));
                let child = std::thread::spawn(move || std::fs::read(secret.join("id_rsa")).is_ok());
                assert!(!child.join().unwrap(), "a thread started inside is inside");
            });
        });
    }
}
