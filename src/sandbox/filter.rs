//! The BPF programs: sets of system calls and argument checks, compiled by seccompiler.
//!
//! The kernel runs all programs on every call and takes the strictest answer (errno before notify before allow),
//! so one program per answer says the whole, without a compiler of our own:
//!
//! ```text
//! allowed     in the list → allow          else ENOSYS   (unknown numbers, x32)
//! nested      landlock_* → EOPNOTSUPP
//! notified    in the list, or one that no policy allows (`refused`) → user notification, else allow
//! ```
//! What no policy allows could be refused by BPF alone; it is handed over so that the attempt is on record. The front
//! refuses it before it looks at anything else, and a front that is gone leaves ENOSYS.
//!
//! Invariant: a foreign architecture gets ENOSYS from every program.

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

/// BPF programs in the order of installation; the last is the one with the listener.
#[derive(Debug, Clone, PartialEq)]
pub struct Programs {
    pub plain: Vec<BpfProgram>,
    pub notify: BpfProgram,
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;
type Built<T> = Result<T, seccompiler::BackendError>;

/// Stands for "user notification", which seccompiler has no word for, until [`rewrite`] puts the real word in.
const MARKER: SeccompAction = SeccompAction::Trace(0x60d5);
const RET_TRACE: u32 = 0x7ff0_0000;
const RET_USER_NOTIF: u32 = 0x7fc0_0000;
const RET_KILL_PROCESS: u32 = 0x8000_0000;
const RET_ERRNO: u32 = 0x0005_0000;
/// `BPF_RET | BPF_K`.
const RETURN: u16 = 0x06;

/// Puts the words in that seccompiler cannot say: its kill on a foreign architecture becomes ENOSYS, the marker becomes
/// a user notification. Touches return instructions only; jumps stay as they are.
fn rewrite(mut program: BpfProgram) -> BpfProgram {
    for step in program.iter_mut().filter(|step| step.code == RETURN) {
        step.k = match step.k {
            RET_KILL_PROCESS => RET_ERRNO | libc::ENOSYS as u32,
            k if k == RET_TRACE | 0x60d5 => RET_USER_NOTIF,
            k => k,
        };
    }
    program
}

fn compile(rules: Rules, matched: SeccompAction, otherwise: SeccompAction) -> Result<BpfProgram, SandboxError> {
    let leaf = |rules: &Vec<_>| if rules.is_empty() { Leaf::Return(matched.clone().into()) } else { Leaf::Rules };
    let calls: Vec<_> = rules.iter().filter_map(|(nr, rules)| Some((u32::try_from(*nr).ok()?, leaf(rules)))).collect();
    let argued = rules.iter().filter(|(_, rules)| !rules.is_empty()).map(|(nr, rules)| (*nr, rules.clone())).collect();
    let short = chain(argued, matched.clone(), otherwise.clone())?;
    let program = match tree::grow(&short, calls.into_iter(), otherwise.clone().into()) {
        Some(program) => program,
        None => chain(rules, matched, otherwise)?,
    };
    Ok(rewrite(program))
}

/// The program as seccompiler makes it: one number after the other.
fn chain(rules: Rules, matched: SeccompAction, otherwise: SeccompAction) -> Result<BpfProgram, SandboxError> {
    let arch = std::env::consts::ARCH.try_into().map_err(SandboxError::Filter)?;
    let filter = SeccompFilter::new(rules, otherwise, matched, arch).map_err(SandboxError::Filter)?;
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

/// The programs for an audit level; `root` says whether the front can change credentials, `network` whether it answers for
/// name servers.
pub fn programs(audit: Audit, root: bool, network: bool) -> Result<Programs, SandboxError> {
    let errno = |n: i32| SeccompAction::Errno(n as u32);
    let notified = notified(audit, root, network).map_err(SandboxError::Filter)?;
    let mut allowed = whole(&[
        sets::ALLOWED,
        sets::ALLOWED_HERE,
        sets::ALLOWED_NEWER,
        sets::NO_NESTED_LANDLOCK,
        sets::NOTIFIED_AS_ROOT,
    ]);
    allowed.extend(notified.keys().map(|nr| (*nr, Vec::new())));
    let nested = whole(&[sets::NO_NESTED_LANDLOCK]);
    let pass = || SeccompAction::Allow;
    Ok(Programs {
        plain: vec![compile(allowed, pass(), errno(libc::ENOSYS))?, compile(nested, errno(libc::EOPNOTSUPP), pass())?],
        notify: compile(notified, MARKER, pass())?,
    })
}

fn notified(audit: Audit, root: bool, network: bool) -> Built<Rules> {
    let mut rules = whole(&[sets::NOTIFIED, sets::NOTIFIED_HERE, sets::NOTIFIED_NEWER]);
    if root {
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
    if network {
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
    // Who is signalled; but SIGURG, which Go sends its own threads all the time, is Landlock's alone.
    add(&mut rules, libc::SYS_tgkill, rule([other(2, libc::SIGURG.into())])?);
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
mod tests {
    use seccompiler::sock_filter;

    use super::*;

    #[test]
    fn rewriting_changes_returns_only() {
        let step = |code, k| sock_filter { code, jt: 1, jf: 2, k };
        let before = vec![
            step(RETURN, RET_KILL_PROCESS),
            step(RETURN, RET_TRACE | 0x60d5),
            step(RETURN, 0x7fff_0000),
            step(0x15, RET_KILL_PROCESS),
        ];
        let after = rewrite(before);
        let words: Vec<u32> = after.iter().map(|s| s.k).collect();
        assert_eq!(words, [RET_ERRNO | libc::ENOSYS as u32, RET_USER_NOTIF, 0x7fff_0000, RET_KILL_PROCESS]);
        assert!(after.iter().all(|s| s.jt == 1 && s.jf == 2));
    }

    #[test]
    fn every_program_compiles_and_fits() -> Result<(), SandboxError> {
        for audit in [Audit::Full, Audit::Writes] {
            let built = programs(audit, true, true)?;
            for program in built.plain.iter().chain([&built.notify]) {
                assert!(program.len() < 4096);
                assert!(!program.iter().any(|s| s.code == RETURN && s.k == RET_KILL_PROCESS));
            }
            assert!(built.notify.iter().any(|s| s.k == RET_USER_NOTIF));
        }
        Ok(())
    }

    #[test]
    fn no_call_is_both_plainly_allowed_and_refused() {
        let refused = sets::REFUSED.iter().chain(sets::REFUSED_HERE).map(|(nr, _)| nr);
        for nr in refused.chain(sets::NO_NESTED_LANDLOCK) {
            assert!(!sets::ALLOWED.contains(nr) && !sets::ALLOWED_HERE.contains(nr), "system call {nr}");
            assert!(!sets::NOTIFIED.contains(nr) && !sets::NOTIFIED_HERE.contains(nr), "system call {nr}");
        }
    }

    /// Runs a program as the kernel would, for one call.
    fn run(program: &[sock_filter], nr: u32, args: [u64; 6]) -> u32 {
        let words: Vec<u32> = args.iter().flat_map(|arg| [*arg as u32, (*arg >> 32) as u32]).collect();
        let arch = if cfg!(target_arch = "x86_64") { 0xc000_003e } else { 0xc000_00b7 };
        let load = |at: u32| match at {
            0 => nr,
            4 => arch,
            at => words[(at as usize - 16) / 4],
        };
        let (mut at, mut a) = (0, 0);
        loop {
            let step = &program[at];
            let branch = |taken| usize::from(if taken { step.jt } else { step.jf });
            at += 1;
            match step.code {
                0x20 => a = load(step.k),
                0x54 => a &= step.k,
                0x05 => at += step.k as usize,
                0x15 => at += branch(a == step.k),
                0x25 => at += branch(a > step.k),
                0x35 => at += branch(a >= step.k),
                RETURN => return step.k,
                code => unreachable!("instruction {code:#x}"),
            }
        }
    }

    #[test]
    fn the_tree_answers_as_the_chain() -> Result<(), SandboxError> {
        let built = |rules: Built<Rules>| rules.map_err(SandboxError::Filter);
        let sets = [
            built(notified(Audit::Full, true, true))?,
            built(notified(Audit::Writes, false, false))?,
            built(refused())?,
            built(families())?,
            built(protocols())?,
            whole(&[sets::ALLOWED, sets::ALLOWED_HERE, sets::NO_NESTED_LANDLOCK]),
        ];
        let values = [0, 1, 2, 3, 10, 16, 41, 0x5412, 0x4100, 0x80000, 0x200000, 0x2000_0000, u64::MAX, 1 << 32];
        for rules in sets {
            let tree = compile(rules.clone(), MARKER, SeccompAction::Allow)?;
            let chain = rewrite(chain(rules.clone(), MARKER, SeccompAction::Allow)?);
            for nr in (0..520).chain([u32::MAX, 0x4000_0000]) {
                assert_eq!(run(&tree, nr, [1; 6]), run(&chain, nr, [1; 6]), "call {nr}");
            }
            for nr in rules.iter().filter(|(_, rules)| !rules.is_empty()).map(|(nr, _)| *nr as u32) {
                for (index, value) in (0..6).flat_map(|index| values.map(|value| (index, value))) {
                    let mut args = [1; 6];
                    args[index] = value;
                    assert_eq!(run(&tree, nr, args), run(&chain, nr, args), "call {nr}, argument {index} = {value:#x}");
                }
            }
        }
        Ok(())
    }

    /// What BPF hands over as refused, and only that, is refused by the front.
    #[test]
    fn the_front_refuses_what_bpf_means() -> Result<(), SandboxError> {
        let built = |rules: Built<Rules>| compile(rules.map_err(SandboxError::Filter)?, MARKER, SeccompAction::Allow);
        let all = [built(refused())?, built(families())?, built(protocols())?];
        let spaces = no::SPACES.map(|(space, _)| space as u64);
        let values = [0, 1, 2, 3, 6, 8, 10, 16, 17, 20, 41, 57, 62, 132, 262, 0x80, 0x100, 0x300, 0x10100, 0x20000];
        let wide = [
            0x541c,
            0x5412,
            0x5423,
            0x541d,
            0x8914,
            0x4008_6602,
            0x401c_5820,
            0x2000_0000,
            0xffff_ffff,
            u64::MAX,
            1 << 32,
        ];
        let flags = [0x4100, 0x4111, 0x80800, 0x8_0001, 0x8_0003, 0x1_0000_0002, 25];
        let values: Vec<u64> = values.into_iter().chain(wide).chain(flags).chain(spaces).collect();
        for nr in 0..520u32 {
            let argued = [libc::SYS_socket, libc::SYS_setsockopt, libc::SYS_clone, libc::SYS_unshare, libc::SYS_ioctl];
            let seconds = if argued.contains(&i64::from(nr)) { &values[..] } else { &values[..3] };
            for (&first, &second) in values.iter().flat_map(|first| seconds.iter().map(move |second| (first, second))) {
                for args in [[first, second, 0, second, 0, 0], [first, 1, second, 0, 0, 0]] {
                    let meant = all.iter().any(|program| run(program, nr, args) == RET_USER_NOTIF);
                    assert_eq!(meant, no::refusal(i64::from(nr), &args).is_some(), "call {nr} {args:x?}");
                }
            }
        }
        Ok(())
    }
}
