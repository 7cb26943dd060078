//! The program, run as the kernel would: what it says of every number, and that the front means the same.

use seccompiler::sock_filter;

use super::*;

const RET_ALLOW: u32 = 0x7fff_0000;
const RET_ERRNO: u32 = 0x0005_0000;

#[test]
fn rewriting_changes_returns_only() {
    let step = |code, k| sock_filter { code, jt: 1, jf: 2, k };
    let before = vec![
        step(RETURN, RET_KILL_PROCESS),
        step(RETURN, RET_TRACE | 0x60d5),
        step(RETURN, RET_ALLOW),
        step(0x15, RET_KILL_PROCESS),
    ];
    let after = rewrite(before);
    let words: Vec<u32> = after.iter().map(|s| s.k).collect();
    assert_eq!(words, [RET_USER_NOTIF, RET_USER_NOTIF, RET_ALLOW, RET_KILL_PROCESS]);
    assert!(after.iter().all(|s| s.jt == 1 && s.jf == 2));
}

/// All that a program can be made for.
fn ways() -> impl Iterator<Item = (Audit, Front)> {
    let front = |bits: u8| Front { root: bits & 1 != 0, network: bits & 2 != 0, scoped: bits & 4 != 0 };
    [Audit::Full, Audit::Writes].into_iter().flat_map(move |audit| (0..8).map(move |bits| (audit, front(bits))))
}

#[test]
fn every_program_compiles_and_fits() -> Result<(), SandboxError> {
    for (audit, front) in ways() {
        let program = program(audit, front)?;
        assert!(program.len() < 4096);
        assert!(!program.iter().any(|s| s.code == RETURN && s.k == RET_KILL_PROCESS));
    }
    Ok(())
}

/// Numbers of no list, those of x32 and those of other architectures go to the front, which knows none of them.
#[test]
fn what_nobody_thought_of_is_never_allowed() -> Result<(), SandboxError> {
    for (audit, front) in ways() {
        let program = program(audit, front)?;
        let rules = notified(audit, front).map_err(SandboxError::Filter)?;
        let known: Vec<u32> = settled().keys().chain(rules.keys()).map(|nr| *nr as u32).collect();
        let strange = (0..700).chain([u32::MAX, 100_000]).filter(|nr| !known.contains(nr));
        for nr in strange.chain((0..700).map(|nr| nr | 0x4000_0000)) {
            assert_ne!(run(&program, nr, [0; 6]), RET_ALLOW, "call {nr:#x}");
        }
        for nr in (0..700).chain([0x4000_0001, u32::MAX]) {
            assert_eq!(run_as(&program, 0x4000_0003, nr, [1; 6]), RET_USER_NOTIF, "call {nr} of i386");
        }
        assert_eq!(run(&program, libc::SYS_clone3 as u32, [0; 6]), RET_ERRNO | libc::ENOSYS as u32);
        for nr in sets::NO_NESTED_LANDLOCK {
            assert_eq!(run(&program, *nr as u32, [0; 6]), RET_ERRNO | libc::EOPNOTSUPP as u32);
        }
    }
    Ok(())
}

/// Without the scope every signal to anything but a register's own process is the front's.
#[test]
fn without_the_scope_no_signal_passes() -> Result<(), SandboxError> {
    let program = program(Audit::Full, Front { root: false, network: true, scoped: false })?;
    for nr in [
        libc::SYS_kill,
        libc::SYS_tkill,
        libc::SYS_tgkill,
        libc::SYS_rt_sigqueueinfo,
        libc::SYS_rt_tgsigqueueinfo,
        libc::SYS_pidfd_send_signal,
    ] {
        for signal in [0, 9, 15, libc::SIGURG as u64] {
            assert_eq!(run(&program, nr as u32, [1, 1, signal, signal, 0, 0]), RET_USER_NOTIF, "call {nr}");
        }
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
    run_as(program, no::ARCH, nr, args)
}

fn run_as(program: &[sock_filter], arch: u32, nr: u32, args: [u64; 6]) -> u32 {
    let words: Vec<u32> = args.iter().flat_map(|arg| [*arg as u32, (*arg >> 32) as u32]).collect();
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

/// The tree changes nothing of what the rules on arguments say.
#[test]
fn the_tree_answers_as_the_chain() -> Result<(), SandboxError> {
    let values = [0, 1, 2, 3, 8, 10, 16, 41, 0x5412, 0x4100, 0x80000, 0x200000, 0x2000_0000, u64::MAX, 1 << 32];
    for (audit, front) in ways() {
        let rules = notified(audit, front).map_err(SandboxError::Filter)?;
        let (tree, chain) = (compile(&rules, &settled())?, rewrite(chain(rules.clone())?));
        for nr in rules.keys().map(|nr| *nr as u32) {
            assert_eq!(run(&tree, nr, [1; 6]), run(&chain, nr, [1; 6]), "call {nr}");
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
    let known: BTreeMap<i64, SeccompAction> = (0..520).map(|nr| (nr, SeccompAction::Allow)).collect();
    let built = |rules: Built<Rules>| compile(&rules.map_err(SandboxError::Filter)?, &known);
    let all = [built(refused())?, built(families())?, built(protocols())?];
    let spaces = no::SPACES.map(|(space, _)| space as u64);
    let values = [0, 1, 2, 3, 6, 8, 10, 16, 17, 20, 41, 57, 62, 132, 262, 0x80, 0x100, 0x300, 0x10100, 0x20000];
    let wide =
        [0x541c, 0x5412, 0x5423, 0x541d, 0x8914, 0x4008_6602, 0x401c_5820, 0x2000_0000, 0xffff_ffff, u64::MAX, 1 << 32];
    let flags = [0x4100, 0x4111, 0x80800, 0x8_0001, 0x8_0003, 0x1_0000_0002, 25];
    let values: Vec<u64> = values.into_iter().chain(wide).chain(flags).chain(spaces).collect();
    for nr in 0..520u32 {
        let argued = [libc::SYS_socket, libc::SYS_setsockopt, libc::SYS_clone, libc::SYS_unshare, libc::SYS_ioctl];
        let seconds = if argued.contains(&i64::from(nr)) { &values[..] } else { &values[..3] };
        for (&first, &second) in values.iter().flat_map(|first| seconds.iter().map(move |second| (first, second))) {
            for args in [[first, second, 0, second, 0, 0], [first, 1, second, 0, 0, 0]] {
                let meant = all.iter().any(|program| run(program, nr, args) == RET_USER_NOTIF);
                assert_eq!(meant, no::refusal(no::ARCH, i64::from(nr), &args).is_some(), "call {nr} {args:x?}");
            }
        }
    }
    Ok(())
}
