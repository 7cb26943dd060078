//! The kernel floor: what BPF and Landlock refuse under every policy, even one that allows everything it can.
//!
//! Invariant: no case here can be allowed by a policy; each is shown to work outside instead.
//! Leaves to others: sockets (`sockets`), files (`files`), other processes (`procs`).

use crate::case::{Case, Never, Root, RootUnless, Table, Unless, Works, case};
use crate::lab::Lab;
use crate::rules::Rules;

fn everything(cases: &[Case]) {
    Table { set_up: |lab: &mut Lab| lab.dir("work/mount"), tested: Rules::everything(), allowing: None }.check(cases);
}

/// Calls that reach round every check on paths and addresses.
#[test]
fn calls_past_the_checks() {
    everything(&[
        case("io_uring_setup", Works, "EPERM|ENOSYS", "io_uring_setup *"),
        case("io_uring_enter", Works, "EPERM|ENOSYS", "io_uring_enter *"),
        case("io_uring_register", Works, "EPERM|ENOSYS", "io_uring_register *"),
        case("io_uring_open {out}/secret", Works, "EPERM|ENOSYS", "io_uring_setup *"),
        case("io_setup", Works, "EPERM|ENOSYS", "io_setup *"),
        case("io_submit {work}/plain", Works, "EPERM|ENOSYS", "io_setup|io_submit *"),
        case("ptrace_me", Works, "EPERM", "ptrace *"),
        case("process_vm_readv", Works, "EPERM", "process_vm_readv *"),
        case("process_vm_writev", Works, "EPERM", "process_vm_writev *"),
        case("process_madvise", Works, "EPERM", "process_madvise *"),
        case("pidfd_getfd", Works, "EPERM", "pidfd_getfd *"),
        case("kcmp", Works, "EPERM", "kcmp *"),
        case("userfaultfd", Works, "EPERM", "userfaultfd *"),
        case("memfd_secret", Unless("ENOSYS"), "EPERM|ENOSYS", "memfd_secret *"),
        case("name_to_handle_at {out}/secret", Works, "EPERM", "name_to_handle_at *"),
        case("open_by_handle_at {out}/secret", Root, "EPERM", "name_to_handle_at|open_by_handle_at *"),
        case("seccomp_listener", Works, "EPERM|EBUSY", "seccomp *"),
        case("landlock_version", Works, "EOPNOTSUPP", "- a question: a program's own Landlock is not offered"),
        case("landlock_ruleset", Works, "EOPNOTSUPP", "- a program's own Landlock is not offered"),
        // ADDR_NO_RANDOMIZE, READ_IMPLIES_EXEC, MMAP_PAGE_ZERO
        case("personality 262144", Works, "EPERM", "personality *"),
        case("personality 4194304", Works, "EPERM", "personality *"),
        case("personality 1048576", Works, "EPERM", "personality *"),
    ]);
}

/// The machine itself.
#[test]
fn calls_on_the_machine() {
    everything(&[
        case("bpf", Root, "EPERM", "bpf *"),
        case("perf_event_open", RootUnless("ENOENT"), "EPERM", "perf_event_open *"),
        case("keyctl", Works, "EPERM", "keyctl *"),
        case("add_key", Works, "EPERM", "add_key *"),
        case("request_key", Works, "EPERM", "request_key *"),
        case("init_module", RootUnless("ENOSYS"), "EPERM", "init_module *"),
        case("finit_module", RootUnless("ENOSYS"), "EPERM", "finit_module *"),
        case("delete_module", RootUnless("ENOSYS"), "EPERM", "delete_module *"),
        case("kexec_load", RootUnless("ENOSYS"), "EPERM", "kexec_load *"),
        case("kexec_file_load", RootUnless("ENOSYS"), "EPERM", "kexec_file_load *"),
        case("reboot", Root, "EPERM", "reboot *"),
        case("swapon", Root, "EPERM", "swapon *"),
        case("swapoff", Root, "EPERM", "swapoff *"),
        case("acct", Root, "EPERM", "acct *"),
        case("quotactl", Unless("ENOSYS"), "EPERM", "quotactl *"),
        case("quotactl_fd", Unless("ENOSYS"), "EPERM", "quotactl_fd *"),
        case("settimeofday", Root, "EPERM", "settimeofday *"),
        case("clock_settime", Works, "EPERM", "clock_settime *"),
        case("adjtimex", Root, "EPERM", "adjtimex *"),
        case("clock_adjtime", Root, "EPERM", "clock_adjtime *"),
        case("iopl", RootUnless("ENOSYS"), "EPERM|ENOSYS", "iopl *"),
        case("ioperm", RootUnless("ENOSYS"), "EPERM|ENOSYS", "ioperm *"),
        case("modify_ldt", Unless("ENOSYS"), "EPERM", "modify_ldt *"),
        case("vhangup", Root, "EPERM", "vhangup *"),
        case("syslog", Root, "EPERM", "syslog *"),
        case("fanotify_init", Works, "EPERM", "fanotify_init *"),
        case("netlink_up", Root, "EPERM", "- the kernel's own word: the right (CAP_NET_ADMIN) was dropped"),
        case("interface_up", Root, "EPERM", "ioctl *"),
    ]);
}

/// Numbers the filter does not know, and other architectures' numbers for calls it does.
#[test]
fn unknown_numbers() {
    everything(&[
        case("unknown_call 400", Never("ENOSYS"), "ENOSYS", "unknown *"),
        case("unknown_call 600", Never("ENOSYS"), "ENOSYS", "unknown *"),
        case("unknown_call 100000", Never("ENOSYS"), "ENOSYS", "unknown *"),
        // statmount and listmount: newer than the list, and not needed
        case("unknown_call 457", Unless("ENOSYS"), "ENOSYS", "statmount *"),
        case("unknown_call 458", Unless("ENOSYS"), "ENOSYS", "listmount *"),
        // a kernel without x32 knows no such number either
        case("x32_open {out}/secret", Unless("ENOSYS"), "ENOSYS", "x32 *"),
        case("int80_open {out}/secret", Unless("ENOSYS"), "ENOSYS", "foreign *"),
        // its flags lie in memory: BPF cannot tell a namespace from a thread, and the kernel is never asked for either
        case("clone3", Works, "ENOSYS", "- libc asks so for every thread; what it does next, clone, is judged"),
        case("clone3_user", Unless("EPERM"), "ENOSYS", "- as on a kernel without it; clone with this flag is refused"),
    ]);
}

#[test]
fn namespaces() {
    everything(&[
        case("unshare NEWUSER", Unless("EPERM"), "EPERM", "unshare *"),
        case("unshare NEWNS", Root, "EPERM", "unshare *"),
        case("unshare NEWUTS", Root, "EPERM", "unshare *"),
        case("unshare NEWIPC", Root, "EPERM", "unshare *"),
        case("unshare NEWPID", Root, "EPERM", "unshare *"),
        case("unshare NEWNET", Root, "EPERM", "unshare *"),
        case("unshare NEWCGROUP", Root, "EPERM", "unshare *"),
        case("unshare NEWTIME", RootUnless("EINVAL"), "EPERM", "unshare *"),
        case("unshare_high NEWUSER", Unless("EINVAL|EPERM"), "EPERM", "unshare *"),
        case("unshare_high NEWNET", RootUnless("EINVAL"), "EPERM", "unshare *"),
        case("clone NEWUSER", Unless("EPERM"), "EPERM", "clone *"),
        case("clone NEWNS", Root, "EPERM", "clone *"),
        case("clone NEWUTS", Root, "EPERM", "clone *"),
        case("clone NEWIPC", Root, "EPERM", "clone *"),
        case("clone NEWPID", Root, "EPERM", "clone *"),
        case("clone NEWNET", Root, "EPERM", "clone *"),
        case("clone NEWCGROUP", Root, "EPERM", "clone *"),
        case("clone_high NEWUSER", Unless("EPERM"), "EPERM", "clone *"),
        case("clone_high NEWPID", Root, "EPERM", "clone *"),
        // memory shared with something that is neither a thread nor a vfork child
        case("clone_vm", Works, "EPERM", "clone *"),
        case("clone_vm_files", Works, "EPERM", "clone *"),
        case("setns", Root, "EPERM", "setns *"),
    ]);
}

#[test]
fn mounts_and_roots() {
    everything(&[
        case("mount {work}/mount", Root, "EPERM", "mount *"),
        case("mount_bind {out} {work}/mount", Root, "EPERM", "mount *"),
        case("umount2", Root, "EPERM", "umount2 *"),
        case("move_mount", Root, "EPERM", "move_mount *"),
        case("open_tree", Root, "EPERM", "open_tree *"),
        case("open_tree_attr", RootUnless("ENOSYS"), "ENOSYS", "open_tree_attr *"),
        case("fsopen", Root, "EPERM", "fsopen *"),
        case("fsconfig", Works, "EPERM", "fsconfig *"),
        case("fsmount", Root, "EPERM", "fsmount *"),
        case("fspick", Root, "EPERM", "fspick *"),
        case("mount_setattr", Root, "EPERM", "mount_setattr *"),
        case("pivot_root {work}/mount", Root, "EPERM", "pivot_root *"),
        case("chroot", Root, "EPERM", "chroot *"),
    ]);
}

/// Typing into a terminal, changing its kind.
#[test]
fn terminals() {
    everything(&[
        case("tiocsti", Unless("EIO"), "EPERM", "ioctl *"),
        case("tiocsti_high", Unless("EIO"), "EPERM", "ioctl *"),
        case("tioclinux", Works, "EPERM", "ioctl *"),
        case("tiocsetd", Works, "EPERM", "ioctl *"),
        case("tiocsetd_high", Works, "EPERM", "ioctl *"),
    ]);
}

/// A descriptor that the caller left open does not reach the agent.
#[test]
fn inherited_descriptors() {
    use std::os::fd::AsRawFd;
    use std::os::unix::process::CommandExt;
    let lab = Lab::new();
    let secret = std::fs::File::open(lab.path("out/secret")).expect("secret");
    let number = secret.as_raw_fd();
    let leave_open = move || {
        // the file is closed by exec unless it is duplicated without that flag
        if unsafe { libc::dup2(number, 77) } == -1 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
    };
    let mut outside = std::process::Command::new(crate::lab::attempt());
    outside.args(["inherited", "77"]).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    unsafe { outside.pre_exec(leave_open) };
    let (status, stdout, _) = crate::lab::finish(outside, "inherited outside");
    assert_eq!((status, stdout.contains("secret")), (0, true), "outside: {stdout}");
    for words in [["inherited", "77"], ["open_above_2", ""]] {
        let (mut inside, _) = lab.command(&Rules::everything(), &crate::lab::attempt().to_string_lossy());
        inside.args(words);
        unsafe { inside.pre_exec(leave_open) };
        let (status, stdout, stderr) = crate::lab::finish(inside, "inherited inside");
        assert_eq!((status, stdout.contains("EBADF")), (1, true), "inside: {words:?} {stdout} {stderr}");
    }
}

/// What is allowed stays usable: the filter is not simply refusing everything.
#[test]
fn harmless_forms_still_work() {
    let lab = Lab::new();
    for words in [
        "personality 0",
        "own_children",
        "own_socket {work}/own.sock",
        "own_socket @govsh-escape-own",
        "pass_descriptor {work}/plain",
        "exec execve /bin/true",
    ] {
        for rules in [Rules::everything(), Rules::new()] {
            let (said, _) = lab.inside(&rules, words);
            assert!(said.worked(), "{words}: {said:?}");
        }
    }
}

/// A program with the set-user-ID bit gives an ordinary user nothing.
#[test]
fn set_user_id_programs() {
    if crate::lab::test_user().is_none() {
        return; // root has nothing to gain: the pass as another user shows it
    }
    let lab = Lab::new();
    let program = lab.path("root");
    std::fs::copy(crate::lab::attempt(), &program).expect("copy");
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o4755)).expect("mode");
    let mut outside = std::process::Command::new(&program);
    outside.arg("root").stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    crate::lab::as_user(&mut outside);
    assert_eq!(crate::lab::finish(outside, "set-user-ID outside").0, 0, "outside it must be root");
    let rules = Rules::new().exec("{base}/root");
    let (mut inside, _) = lab.command(&rules, &program.to_string_lossy());
    inside.arg("root");
    let (status, stdout, stderr) = crate::lab::finish(inside, "set-user-ID inside");
    assert_eq!(status, 1, "{stdout} {stderr}");
}
