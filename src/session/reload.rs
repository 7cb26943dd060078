//! Another policy for a running session: `govsh policy reload`.
//!
//! ```text
//! control socket ─▶ load (as at the start) ─▶ what this session's kernel rules cannot give is told, or refused
//!                                           └▶ supervisor, warden, questions, way out: in force for all that comes
//! ```
//! Invariant: it is loaded by whoever started the session, from where it was loaded then, never from the agent's side; when it
//! cannot be loaded or cannot hold here, nothing changes. What holds is never less than what the new policy denies.
//! Leaves to others: finding and reading policies (`cmd`), judging (`policy`).

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::outside::Outside;
use super::servers::Servers;
use crate::bus::Bus;
use crate::event::{Event, PolicyUsed};
use crate::policy::{Access, Audit, Policy};
use crate::sandbox::{self, AgentPlan, BrokerPlan, Plan, Tree, beneath};
use crate::supervisor::Reloader;

/// Loads the policy once more; an error is told to whoever asked.
pub type Load = Box<dyn Fn() -> Result<Policy, String> + Send + Sync>;

/// What can be reloaded.
pub struct Reload {
    load: Load,
    options: sandbox::Options,
    bus: Bus,
    running: OnceLock<Running>,
    /// In force, and what the report was made of; held while it is replaced.
    now: Mutex<Arc<Policy>>,
    first: Arc<Plan>,
}

struct Running {
    supervisor: Reloader,
    outside: Option<Arc<Outside>>,
    servers: Option<Arc<Servers>>,
}

impl Reload {
    pub fn new(load: Load, policy: Arc<Policy>, plan: Arc<Plan>, options: sandbox::Options, bus: Bus) -> Self {
        Self { load, options, bus, running: OnceLock::new(), now: Mutex::new(policy), first: plan }
    }

    /// From here on there is something to reload.
    pub fn started(&self, supervisor: Reloader, outside: Option<Arc<Outside>>, servers: Option<Arc<Servers>>) {
        // It starts once.
        let _ = self.running.set(Running { supervisor, outside, servers });
    }

    /// Puts the policy in force as it is written now; lines to tell.
    pub fn reload(&self) -> Result<Vec<String>, String> {
        let running = self.running.get().ok_or("the session is not running yet")?;
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let policy = Arc::new((self.load)()?);
        // What could not be started cannot be put in force either.
        let plan = Plan::new(&policy, &self.options).map_err(|error| error.to_string())?;
        let fresh = running.servers.as_ref().map(|servers| servers.prepare(&policy)).transpose()?;
        let mut told = self.withheld(&now, &policy, &plan);
        let late = late(&self.first.broker, &plan.broker);
        running.supervisor.reload(&policy, late, covers(&plan.agent.trees, &self.first.agent.trees, Access::READ));
        if let Some(outside) = &running.outside {
            outside.reload(Arc::clone(&policy));
        }
        if let (Some(servers), Some(fresh)) = (&running.servers, fresh) {
            servers.reload(&policy, fresh);
        }
        self.publish(&policy);
        told.insert(0, format!("policy {} is in force", policy.name()));
        *now = policy;
        Ok(told)
    }

    fn publish(&self, policy: &Policy) {
        let (denies, asks) = policy.counts();
        let audit = if self.options.audit == Audit::Full { "full" } else { "writes" };
        self.bus.publish(Event::Policy(Box::new(PolicyUsed {
            name: policy.name().to_owned(),
            sources: policy.sources().to_vec(),
            audit: audit.to_owned(),
            denies,
            asks,
            appended: Vec::new(),
            notices: Vec::new(),
            vars: Some(Box::new(policy.vars().clone())),
        })));
    }

    /// What of the new policy this session cannot have any more: it was fixed when the session started.
    fn withheld(&self, old: &Policy, new: &Policy, plan: &Plan) -> Vec<String> {
        let mut told = Vec::new();
        let mut later = |what: &str| told.push(format!("takes effect in the next session: {what}"));
        let AgentPlan { trees, env, limits, .. } = &self.first.agent;
        if sandbox::knows_network(new) && self.running.get().is_some_and(|running| running.outside.is_none()) {
            later("the network; this session was started without one");
        }
        if !new.servers().is_empty() && self.running.get().is_some_and(|running| running.servers.is_none()) {
            later("[mcp.servers]; this session was started without any");
        }
        for tree in plan.agent.trees.iter().filter(|tree| tree.access.contains(Access::EXEC)) {
            if !is_covered(tree, trees, Access::EXEC) {
                later(&format!("running programs in {}", tree.path.display()));
            }
        }
        if self.options.audit == Audit::Writes && !covers(&plan.agent.trees, trees, Access::READ) {
            later("what can be read no more: reads are left to the kernel (--audit writes)");
        }
        if plan.agent.env != *env {
            later("[environment]");
        }
        if plan.agent.limits != *limits || old.limits() != new.limits() {
            later("[limits]");
        }
        if new.inspects_any() && !old.inspects_any() {
            later("rules on requests: the programs that run know nothing of the session's certificates");
        }
        if old.credentials() != new.credentials() {
            later("[credentials]");
        }
        if old.record() != new.record() {
            later("[record]");
        }
        told
    }
}

/// Whether every tree of `inner` is granted by `outer`, as far as `access` goes.
fn covers(outer: &[Tree], inner: &[Tree], access: Access) -> bool {
    inner.iter().filter(|tree| tree.access.contains(access)).all(|tree| is_covered(tree, outer, access))
}

fn is_covered(tree: &Tree, by: &[Tree], access: Access) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let path = tree.path.as_os_str().as_bytes();
    by.iter().any(|root| root.access.contains(access) && beneath(path, root.path.as_os_str().as_bytes()))
}

/// What the new policy grants and the broker's own domain does not: done by the warden.
fn late(first: &BrokerPlan, new: &BrokerPlan) -> Vec<Vec<u8>> {
    use std::os::unix::ffi::OsStrExt;
    let fresh = new.trees.iter().filter(|tree| !is_covered(tree, &first.trees, tree.access));
    let mut late: Vec<Vec<u8>> = fresh.map(|tree| tree.path.as_os_str().as_bytes().to_vec()).collect();
    late.extend(new.late.iter().cloned());
    late.sort();
    late.dedup();
    late
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(path: &str, access: Access) -> Tree {
        Tree { path: path.into(), access }
    }

    #[test]
    fn what_the_first_domain_lacks_is_late() {
        let first = BrokerPlan { trees: vec![tree("/a", Access::READ), tree("/b", Access::READ)], late: Vec::new() };
        let trees =
            vec![tree("/a/x", Access::READ), tree("/b", Access::READ | Access::WRITE), tree("/c", Access::READ)];
        let new = BrokerPlan { trees, late: vec![b"/d".to_vec()] };
        assert_eq!(late(&first, &new), [b"/b".to_vec(), b"/c".to_vec(), b"/d".to_vec()]);
        assert!(covers(&first.trees, &new.trees[..1], Access::READ) && !covers(&first.trees, &new.trees, Access::READ));
    }
}
