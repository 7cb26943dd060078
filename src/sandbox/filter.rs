//! The BPF program: sets of system calls and argument checks, compiled by seccompiler, below a search tree of our own.
//!
//! ```text
//! clone3               → ENOSYS       its flags lie in memory; libc asks for it with every thread and goes on with clone
//! landlock_*           → EOPNOTSUPP
//! known, not notified  → allow
//! everything else      → user notification: calls to be judged, those that no policy allows (`refused`), unknown
//!                        numbers, x32, other architectures
//! ```
//! What no policy allows, and what is not known, could be refused by BPF alone; it is handed over so that the attempt is
//! on record. The front refuses it before it looks at anything else, and a front that is gone leaves ENOSYS.
//!
//! Invariant: only numbers of the lists are ever allowed, so a call that nobody thought of ends at the front, which has
//! ENOSYS for it.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

use super::SandboxError;
use super::refused as no;
use super::syscalls as sets;
use super::tree::{self, Leaf};
use crate::policy::Audit;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;
type Built<T> = Result<T, seccompiler::BackendError>;

/// Stands for "user notification", which seccompiler has no word for, until [`rewrite`] puts the real word in.
const MARKER: SeccompAction = SeccompAction::Trace(0x60d5);
const RET_TRACE: u32 = 0x7ff0_0000;
const RET_USER_NOTIF: u32 = 0x7fc0_0000;
const RET_KILL_PROCESS: u32 = 0x8000_0000;
/// `BPF_RET | BPF_K`.
const RETURN: u16 = 0x06;

/// Puts the words in that seccompiler cannot say: its kill on a foreign architecture and the marker become user
/// notifications. Touches return instructions only; jumps stay as they are.
fn rewrite(mut program: BpfProgram) -> BpfProgram {
    for step in program.iter_mut().filter(|step| step.code == RETURN) {
        step.k = match step.k {
            RET_KILL_PROCESS => RET_USER_NOTIF,
            k if k == RET_TRACE | 0x60d5 => RET_USER_NOTIF,
            k => k,
        };
    }
    program
}

/// Notifies what matches `rules`, answers `settled` numbers at once, and notifies every other.
fn compile(rules: &Rules, settled: &BTreeMap<i64, SeccompAction>) -> Result<BpfProgram, SandboxError> {
    let leaf = |rules: &Vec<_>| if rules.is_empty() { Leaf::Return(MARKER.into()) } else { Leaf::Rules };
    let mut calls: BTreeMap<u32, Leaf> = BTreeMap::new();
    let number = |nr: &i64| u32::try_from(*nr).ok();
    let words = settled.iter().map(|(nr, action)| (nr, Leaf::Return(action.clone().into())));
    for (nr, leaf) in words.chain(rules.iter().map(|(nr, rules)| (nr, leaf(rules)))) {
        calls.extend(number(nr).map(|nr| (nr, leaf)));
    }
    let argued = rules.iter().filter(|(_, rules)| !rules.is_empty()).map(|(nr, rules)| (*nr, rules.clone())).collect();
    let short = chain(argued)?;
    let too_large = || SandboxError::Filter(seccompiler::BackendError::FilterTooLarge(calls.len()));
    tree::grow(&short, calls.iter().map(|(nr, leaf)| (*nr, *leaf)), MARKER.into()).map(rewrite).ok_or_else(too_large)
}

/// The program as seccompiler makes it: one number after the other, notified where a rule matches and allowed else.
fn chain(rules: Rules) -> Result<BpfProgram, SandboxError> {
    let arch = std::env::consts::ARCH.try_into().map_err(SandboxError::Filter)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, MARKER, arch).map_err(SandboxError::Filter)?;
    filter.try_into().map_err(SandboxError::Filter)
}

fn arg(index: u8, op: SeccompCmpOp, value: u64) -> Built<SeccompCondition> {
    SeccompCondition::new(index, SeccompCmpArgLen::Dword, op, value)
}

fn equal(index: u8, value: i64) -> Built<SeccompCondition> {
    arg(index, SeccompCmpOp::Eq, value as u32 as u64)
}

fn other(index: u8, value: i64) -> Built<SeccompCondition> {
    arg(index, SeccompCmpOp::Ne, value as u32 as u64)
}

/// The bits of `mask` have exactly the value `bits`.
fn bits(index: u8, mask: i64, bits: i64) -> Built<SeccompCondition> {
    arg(index, SeccompCmpOp::MaskedEq(mask as u32 as u64), bits as u32 as u64)
}

fn rule(conditions: impl IntoIterator<Item = Built<SeccompCondition>>) -> Built<SeccompRule> {
    SeccompRule::new(conditions.into_iter().collect::<Built<Vec<_>>>()?)
}

fn whole(lists: &[&[c_long]]) -> Rules {
    lists.iter().flat_map(|list| list.iter()).map(|nr| (*nr, Vec::new())).collect()
}

fn add(rules: &mut Rules, nr: c_long, rule: SeccompRule) {
    rules.entry(nr).or_default().push(rule);
}

/// What the front can do, and what it need not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Front {
    /// It can change credentials.
    pub root: bool,
    /// It answers for name servers.
    pub network: bool,
    /// Landlock keeps signals inside.
    pub scoped: bool,
}

/// The program for an audit level.
pub fn program(audit: Audit, front: Front) -> Result<BpfProgram, SandboxError> {
    let rules = notified(audit, front).map_err(SandboxError::Filter)?;
    compile(&rules, &settled())
}

/// Numbers that are answered at once, unless a rule notifies them.
fn settled() -> BTreeMap<i64, SeccompAction> {
    let errno = |n: i32| SeccompAction::Errno(n as u32);
    let allowed = [sets::ALLOWED, sets::ALLOWED_HERE, sets::ALLOWED_NEWER, sets::NOTIFIED_AS_ROOT].concat();
    let allowed = allowed.into_iter().chain(sets::ABOUT_PROCESS.iter().map(|(nr, _)| *nr));
    let mut settled: BTreeMap<_, _> = allowed.map(|nr| (nr, SeccompAction::Allow)).collect();
    settled.extend(sets::NO_NESTED_LANDLOCK.iter().map(|nr| (*nr, errno(libc::EOPNOTSUPP))));
    settled.insert(libc::SYS_clone3, errno(libc::ENOSYS));
    settled
}

fn notified(audit: Audit, front: Front) -> Built<Rules> {
    let mut rules = whole(&[sets::NOTIFIED, sets::NOTIFIED_HERE, sets::NOTIFIED_NEWER]);
    if front.root {
        rules.extend(whole(&[sets::NOTIFIED_AS_ROOT]));
    }
    #[cfg(target_arch = "x86_64")]
    opens(&mut rules, libc::SYS_open, 1, audit)?;
    opens(&mut rules, libc::SYS_openat, 2, audit)?;
    for family in [libc::AF_INET, libc::AF_INET6] {
        add(&mut rules, libc::SYS_socket, rule([equal(0, family.into())])?);
    }
    // With an address only: send(2) on a connected socket is a sendto without one and stays fast.
    let addressed = SeccompCondition::new(4, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)?;
    add(&mut rules, libc::SYS_sendto, SeccompRule::new(vec![addressed.clone()])?);
    if front.network {
        // Whom an answer comes from; recv(2) does not ask.
        add(&mut rules, libc::SYS_recvfrom, SeccompRule::new(vec![addressed])?);
        rules.extend(whole(&[sets::NOTIFIED_WITH_NETWORK]));
    }
    for (nr, argument) in sets::ABOUT_PROCESS {
        add(&mut rules, *nr, rule([other(*argument, 0)])?);
        if *argument == 1 {
            // Which set of processes: only PRIO_PROCESS (0) and IOPRIO_WHO_PROCESS (1) name one.
            let one = if *nr == libc::SYS_setpriority { 0 } else { 1 };
            add(&mut rules, *nr, rule([other(0, one)])?);
        }
    }
    let fs = i64::from(libc::CLONE_FS);
    add(&mut rules, libc::SYS_unshare, rule([bits(0, fs, fs)])?);
    // Who is signalled; but SIGURG, which Go sends its own threads all the time, is Landlock's alone where it can be.
    if front.scoped {
        add(&mut rules, libc::SYS_tgkill, rule([other(2, libc::SIGURG.into())])?);
    } else {
        rules.extend(whole(&[&[libc::SYS_tgkill]]));
    }
    for owner in sets::OWNER_COMMANDS {
        add(&mut rules, libc::SYS_fcntl, rule([equal(1, owner.into())])?);
    }
    for (owner, _) in sets::OWNER_REQUESTS {
        add(&mut rules, libc::SYS_ioctl, rule([equal(1, owner)])?);
    }
    for more in [refused()?, families()?, protocols()?] {
        for (nr, conditions) in more {
            match rules.get_mut(&nr) {
                // Notified whatever its arguments are.
                Some(already) if already.is_empty() => {}
                Some(already) if !conditions.is_empty() => already.extend(conditions),
                _ => drop(rules.insert(nr, conditions)),
            }
        }
    }
    Ok(rules)
}

/// Opens with O_PATH pass: they yield no content. With `writes`, so do those that only read.
fn opens(rules: &mut Rules, nr: c_long, flags: u8, audit: Audit) -> Built<()> {
    let path = i64::from(libc::O_PATH);
    if audit == Audit::Full {
        add(rules, nr, rule([bits(flags, path, 0)])?);
        return Ok(());
    }
    let temporary = libc::O_TMPFILE & !libc::O_DIRECTORY;
    for bit in [libc::O_WRONLY, libc::O_RDWR, libc::O_CREAT, libc::O_TRUNC, temporary] {
        let bit = i64::from(bit);
        add(rules, nr, rule([bits(flags, path | bit, bit)])?);
    }
    Ok(())
}

/// What `refused` refuses, for BPF.
fn refused() -> Built<Rules> {
    let mut rules: Rules = sets::REFUSED.iter().chain(sets::REFUSED_HERE).map(|(nr, _)| (*nr, Vec::new())).collect();
    for (request, _) in no::TERMINALS.into_iter().chain(no::INODE_FLAGS).chain(no::INTERFACES) {
        add(&mut rules, libc::SYS_ioctl, rule([equal(1, request)])?);
    }
    for space in no::SPACES.map(|(space, _)| i64::from(space)) {
        add(&mut rules, libc::SYS_clone, rule([bits(0, space, space)])?);
        add(&mut rules, libc::SYS_unshare, rule([bits(0, space, space)])?);
    }
    let time = i64::from(no::NEWTIME);
    add(&mut rules, libc::SYS_unshare, rule([bits(0, time, time)])?);
    let [mask, shared] = no::SHARED_MEMORY.map(i64::from);
    add(&mut rules, libc::SYS_clone, rule([bits(0, mask, shared)])?);
    let parent = i64::from(no::SIBLING);
    add(&mut rules, libc::SYS_clone, rule([bits(0, parent, parent)])?);
    let listener = i64::from(no::NEW_LISTENER);
    add(&mut rules, libc::SYS_seccomp, rule([bits(1, listener, listener)])?);
    add(&mut rules, libc::SYS_personality, rule(no::PERSONALITIES.map(|known| other(0, known.into())))?);
    let fast_open = i64::from(libc::MSG_FASTOPEN);
    for (nr, flags, _) in no::FAST_OPEN {
        add(&mut rules, nr, rule([bits(flags, fast_open, fast_open)])?);
    }
    for (level, option, _) in no::OPTIONS {
        add(&mut rules, libc::SYS_setsockopt, rule([equal(1, level.into()), equal(2, option.into())])?);
    }
    Ok(rules)
}

/// socket(2): Unix, IPv4, IPv6 and netlink; of the internet families streams and datagrams only.
fn families() -> Built<Rules> {
    let mut rules = Rules::new();
    add(&mut rules, libc::SYS_socket, rule(no::FAMILIES.map(|family| other(0, family.into())))?);
    add(&mut rules, libc::SYS_socketpair, rule([other(0, libc::AF_UNIX.into())])?);
    for family in [libc::AF_INET, libc::AF_INET6].map(i64::from) {
        for kind in (0..16).filter(|kind| !no::TYPES.contains(kind)).map(i64::from) {
            add(&mut rules, libc::SYS_socket, rule([equal(0, family), bits(1, 0xf, kind)])?);
        }
    }
    Ok(rules)
}

/// socket(2): TCP and UDP of the internet families, routing of netlink.
fn protocols() -> Built<Rules> {
    let mut rules = Rules::new();
    for family in [libc::AF_INET, libc::AF_INET6].map(i64::from) {
        let known = no::PROTOCOLS.map(|protocol| other(2, protocol.into()));
        add(&mut rules, libc::SYS_socket, rule(std::iter::once(equal(0, family)).chain(known))?);
    }
    let route = i64::from(libc::NETLINK_ROUTE);
    add(&mut rules, libc::SYS_socket, rule([equal(0, libc::AF_NETLINK.into()), other(2, route)])?);
    Ok(rules)
}

/// A program as numbers, for the plan's way to the monitor.
#[must_use]
pub fn to_words(program: &BpfProgram) -> Vec<(u16, u8, u8, u32)> {
    program.iter().map(|s| (s.code, s.jt, s.jf, s.k)).collect()
}

/// The program again.
#[must_use]
pub fn from_words(words: &[(u16, u8, u8, u32)]) -> Vec<libc::sock_filter> {
    words.iter().map(|&(code, jt, jf, k)| libc::sock_filter { code, jt, jf, k }).collect()
}

#[cfg(test)]
mod tests;
