//! System calls that no agent needs and that reach round every path and address check: one attempt each.
//!
//! Invariant: where real success would hurt the machine, the words are such that the kernel's own code refuses
//! them after its permission checks (`reaches`).
//! Leaves to others: namespaces and mounts (`spaces`), sockets (`sockets`).

use std::ffi::CString;

use libc::*;

use crate::call::{CWD, at, c, call, child, forked, into, pages, read_some, to};
use crate::report::{Outcome, Refused, Try, Worked, reaches};
use crate::{Attempt, ring};

pub const ATTEMPTS: &[Attempt] = &[
    ("io_uring_setup", |_| ring::setup().map(|(fd, _)| fd).into()),
    ("io_uring_enter", |_| reaches(call(SYS_io_uring_enter, &[usize::MAX, 1, 0, 0]), &[EBADF])),
    ("io_uring_register", |_| reaches(call(SYS_io_uring_register, &[usize::MAX, 2, 0, 0]), &[EBADF, EINVAL])),
    ("io_uring_open", |args| shows(ring::open(&args.path(0)))),
    ("io_setup", |_| {
        let mut ring = 0usize;
        call(SYS_io_setup, &[1, into(&mut ring)]).into()
    }),
    ("io_submit", |args| native_aio(&args.path(0))),
    ("process_vm_readv", |_| own_memory(SYS_process_vm_readv).into()),
    ("process_vm_writev", |_| own_memory(SYS_process_vm_writev).into()),
    ("process_madvise", |_| {
        let page = pages(4096, 0) as usize;
        call(SYS_process_madvise, &[own_pidfd(), to(&[page, 4096usize]), 1, MADV_COLD as usize, 0]).into()
    }),
    ("pidfd_getfd", |_| call(SYS_pidfd_getfd, &[own_pidfd(), 0, 0]).into()),
    ("kcmp", |_| call(SYS_kcmp, &[own_pid(), own_pid(), 0, 0, 0]).into()),
    ("bpf", |_| {
        // BPF_MAP_CREATE of an array with one entry of four bytes
        call(SYS_bpf, &[0, to(&[2u32, 4, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 72]).into()
    }),
    ("perf_event_open", |_| perf()),
    ("userfaultfd", |_| call(SYS_userfaultfd, &[1 | O_CLOEXEC as usize]).into()),
    ("keyctl", |_| reaches(call(SYS_keyctl, &[0, (-3isize) as usize, 1]), &[ENOKEY])),
    ("add_key", |_| {
        let (kind, label) = (c("user"), c("govsh-escape"));
        call(SYS_add_key, &[at(&kind), at(&label), to(b"x"), 1, (-2isize) as usize]).into()
    }),
    ("request_key", |_| {
        let (kind, label) = (c("user"), c("govsh-escape-none"));
        reaches(call(SYS_request_key, &[at(&kind), at(&label), 0, 0]), &[ENOKEY])
    }),
    ("name_to_handle_at", |args| file_handle(&args.path(0)).map(|_| 0).into()),
    ("open_by_handle_at", |args| by_handle(&args.path(0))),
    ("init_module", |_| reaches(call(SYS_init_module, &[0, 0, at(&c(""))]), &[ENOEXEC, EFAULT, EINVAL])),
    ("finit_module", |_| reaches(call(SYS_finit_module, &[usize::MAX, at(&c("")), 0]), &[EBADF])),
    ("delete_module", |_| reaches(call(SYS_delete_module, &[at(&c("govsh_none")), O_NONBLOCK as usize]), &[ENOENT])),
    ("kexec_load", |_| reaches(call(SYS_kexec_load, &[0, 99, 0, 0]), &[EINVAL])),
    ("kexec_file_load", |_| reaches(call(SYS_kexec_file_load, &[usize::MAX, usize::MAX, 0, 0, 0]), &[EBADF, EINVAL])),
    ("reboot", |_| reaches(call(SYS_reboot, &[1, 2, 3, 0]), &[EINVAL])),
    ("swapon", |_| reaches(call(SYS_swapon, &[at(&c("/nowhere/swap")), 0]), &[ENOENT])),
    ("swapoff", |_| reaches(call(SYS_swapoff, &[at(&c("/nowhere/swap"))]), &[ENOENT])),
    ("acct", |_| reaches(call(SYS_acct, &[at(&c("/nowhere/acct"))]), &[ENOENT])),
    ("quotactl", |_| reaches(call(SYS_quotactl, &[0x80_0001 << 8, 0, 0, 0]), &[ENODEV])),
    ("quotactl_fd", |_| reaches(call(443, &[usize::MAX, 0, 0, 0]), &[EBADF])),
    ("settimeofday", |_| call(SYS_settimeofday, &[0, 0]).into()),
    ("clock_settime", |_| reaches(call(SYS_clock_settime, &[0, to(&[-1i64, -1i64])]), &[EINVAL])),
    ("adjtimex", |_| same_clock(None).into()),
    ("clock_adjtime", |_| same_clock(Some(0)).into()),
    ("iopl", |_| forked_call(172, &[3]).into()),
    ("ioperm", |_| forked_call(173, &[0x80, 1, 1]).into()),
    ("modify_ldt", |_| call(154, &[0, into(&mut [0u8; 64]), 64]).into()),
    ("vhangup", |_| {
        child(forked(|| {
            // a session without a terminal: there is nothing to hang up
            unsafe { setsid() };
            call(SYS_vhangup, &[]).err().unwrap_or(0)
        }))
        .into()
    }),
    ("syslog", |_| call(SYS_syslog, &[3, into(&mut [0u8; 256]), 256]).into()),
    ("fanotify_init", |_| call(SYS_fanotify_init, &[0x200, 0]).into()),
    ("personality", |args| forked_call(SYS_personality, &[args.number(0) as usize]).into()),
    ("seccomp_listener", |_| second_listener().into()),
    ("memfd_secret", |_| call(SYS_memfd_secret, &[0]).into()),
    ("landlock_version", |_| call(SYS_landlock_create_ruleset, &[0, 0, 1]).into()),
    ("landlock_ruleset", |_| call(SYS_landlock_create_ruleset, &[to(&[1u64, 0, 0]), 24, 0]).into()),
    ("mq_open", |args| call(SYS_mq_open, &[at(&args.path(0)), O_RDWR as usize, 0, 0]).into()),
    ("unknown_call", |args| match call(args.number(0), &[0; 6]) {
        Err(ENOSYS) => Refused(ENOSYS, String::new()),
        other => Worked(format!("answered {other:?}")),
    }),
    ("x32_open", |args| shows(call(0x4000_0000 | SYS_openat, &[CWD, at(&args.path(0)), 0, 0]))),
    ("int80_open", |args| shows(int80_open(&args.path(0)))),
];

/// A descriptor that must not exist: what can be read from it.
pub fn shows(opened: Try) -> Outcome {
    match opened.and_then(read_some) {
        Ok(bytes) => Worked(String::from_utf8_lossy(&bytes).trim_end().to_owned()),
        Err(errno) => Refused(errno, String::new()),
    }
}

fn own_pid() -> usize {
    std::process::id() as usize
}

fn own_pidfd() -> usize {
    call(SYS_pidfd_open, &[own_pid(), 0]).map_or(usize::MAX, |fd| fd as usize)
}

/// For calls that change the calling process: made in a child.
fn forked_call(number: i64, words: &[usize]) -> Try {
    child(forked(|| call(number, words).err().unwrap_or(0)))
}

fn own_memory(number: i64) -> Try {
    let (from, mut onto) = ([7u8; 8], [0u8; 8]);
    let (local, remote) = ([into(&mut onto[..]), 8], [to(&from[..]), 8]);
    call(number, &[own_pid(), to(&local), 1, to(&remote), 1, 0])
}

/// Native AIO: a read that lands in memory while another call is being judged.
fn native_aio(path: &CString) -> Outcome {
    let file = call(SYS_openat, &[CWD, at(path), 0, 0]).unwrap_or(0);
    let mut ring = 0usize;
    let _ = call(SYS_io_setup, &[1, into(&mut ring)]);
    let mut onto = [0u8; 16];
    let mut block = [0u64; 8];
    block[2] = (file as u64) << 32;
    block[3] = into(&mut onto[..]) as u64;
    block[4] = 16;
    let list = [to(&block)];
    reaches(call(SYS_io_submit, &[ring, 1, to(&list)]), &[EINVAL])
}

fn perf() -> Outcome {
    let mut attributes = [0u64; 16];
    attributes[0] = 1 | (128 << 32);
    attributes[5] = 0b110_0000;
    call(SYS_perf_event_open, &[to(&attributes), 0, usize::MAX, usize::MAX, 0]).into()
}

/// A file's handle as `struct file_handle`: 8 bytes of header, up to 128 of handle.
fn file_handle(path: &CString) -> Result<[u32; 34], i32> {
    let mut handle = [0u32; 34];
    handle[0] = 128;
    let mut mount = 0i32;
    call(SYS_name_to_handle_at, &[CWD, at(path), into(&mut handle), into(&mut mount), 0])?;
    Ok(handle)
}

fn by_handle(path: &CString) -> Outcome {
    let handle = file_handle(path).unwrap_or([0; 34]);
    let root =
        call(SYS_openat, &[CWD, at(&c("/")), (O_RDONLY | O_DIRECTORY) as usize, 0]).unwrap_or(i64::from(AT_FDCWD));
    shows(call(SYS_open_by_handle_at, &[root as usize, to(&handle), O_RDONLY as usize]))
}

/// Sets the clock's status word to what it already is.
fn same_clock(clock: Option<usize>) -> Try {
    let mut adjust: timex = unsafe { std::mem::zeroed() };
    let before = into(&mut adjust);
    match clock {
        Some(clock) => call(SYS_clock_adjtime, &[clock, before])?,
        None => call(SYS_adjtimex, &[before])?,
    };
    adjust.modes = ADJ_STATUS;
    match clock {
        Some(clock) => call(SYS_clock_adjtime, &[clock, into(&mut adjust)]),
        None => call(SYS_adjtimex, &[into(&mut adjust)]),
    }
}

/// A filter of one's own, with a listener of one's own.
fn second_listener() -> Try {
    unsafe { prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    // BPF_RET | BPF_K, SECCOMP_RET_ALLOW
    let program = [u64::from(0x06u16) | (0x7fff_0000u64 << 32)];
    let header = [1usize, to(&program)];
    call(SYS_seccomp, &[1, 8, to(&header)])
}

/// `open` by its i386 number, whose filter would be looking at x86_64 numbers.
#[cfg(target_arch = "x86_64")]
fn int80_open(path: &CString) -> Try {
    let low = pages(8192, MAP_32BIT);
    let bytes = path.as_bytes_with_nul();
    unsafe { low.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    let mut result: i32 = 5;
    unsafe {
        std::arch::asm!(
            "push rbx", "mov ebx, {path:e}", "int 0x80", "pop rbx",
            path = in(reg) low as usize, inlateout("eax") result, in("ecx") 0, in("edx") 0,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    if result < 0 { Err(-result) } else { Ok(i64::from(result)) }
}

#[cfg(not(target_arch = "x86_64"))]
fn int80_open(_path: &CString) -> Try {
    Err(ENOSYS)
}
