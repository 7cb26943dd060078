//! Processes outside: not read through /proc, not signalled, not traced, not throttled.
//!
//! Invariant: the process outside is the lab's own; it must live through every case.
//! Leaves to others: govsh's own processes (`govsh`).

use crate::case::{Case, Table, Unless, Works, case};
use crate::lab::Lab;
use crate::rules::Rules;

fn with_victim(lab: &mut Lab) {
    lab.victim();
}

const READ: &[Case] = &[
    case("proc plain {pid} environ", Works, "EACCES|EPERM", "open /proc/{pid}/environ"),
    case("proc task {pid} environ", Works, "EACCES|EPERM", "open *"),
    case("proc dots {pid} environ", Works, "EACCES|EPERM", "open /proc/{pid}/environ"),
    case("proc slashes {pid} environ", Works, "EACCES|EPERM", "open /proc/{pid}/environ"),
    case("proc dirfd {pid} environ", Works, "EACCES|EPERM", "open /proc/{pid}/environ"),
    case("proc process_dirfd {pid} environ", Works, "EACCES|EPERM", "open /proc/{pid}/environ"),
    case("proc root {pid} environ", Works, "EACCES|EPERM", "open /proc/{pid}/environ"),
    case("proc chdir {pid} environ", Works, "EACCES|EPERM", "open /proc/{pid}/environ"),
    case("proc symlink {pid} environ {work}/link", Works, "EACCES|EPERM", "open /proc/{pid}/environ"),
    case("proc openat2 {pid} environ", Works, "EACCES|EPERM", "open /proc/{pid}/environ"),
    case("proc plain {pid} maps", Works, "EACCES|EPERM", "open /proc/{pid}/maps"),
    case("proc plain {pid} auxv", Works, "EACCES|EPERM", "open /proc/{pid}/auxv"),
    case("proc plain {pid} fd/0", Works, "EACCES|EPERM", "open *"),
    case("proc plain {pid} cwd/secret", Works, "EACCES|EPERM", "open *"),
    case("proc plain {pid} exe", Works, "EACCES|EPERM", "open *"),
    case("proc list {pid} fd", Works, "EACCES|EPERM", "open /proc/{pid}/fd"),
    case("proc list {pid} root", Works, "EACCES|EPERM", "open *"),
    case("proc list {pid} cwd", Works, "EACCES|EPERM", "open *"),
    case("proc write {pid} mem", Works, "EACCES|EPERM", "open /proc/{pid}/mem"),
    case("proc write {pid} oom_score_adj", Works, "EACCES|EPERM", "open /proc/{pid}/oom_score_adj"),
    case("proc write {pid} clear_refs", Works, "EACCES|EPERM", "open /proc/{pid}/clear_refs"),
];

/// The front could read them all; it must not do so for the agent, whatever the policy says of /proc.
#[test]
fn reading_through_proc() {
    for tested in [Rules::new(), Rules::everything()] {
        Table { set_up: with_victim, tested, allowing: None }.check(READ);
    }
}

#[test]
fn signals() {
    let cases = [
        case("kill {pid} 0", Works, "EPERM", "kill *"),
        case("kill {pid} 15", Works, "EPERM", "kill *"),
        case("kill {pid} 19", Works, "EPERM", "kill *"),
        case("tkill {pid} 15", Works, "EPERM", "tkill *"),
        case("tgkill {pid} 15", Works, "EPERM", "tgkill *"),
        case("kill_group {pid} 15", Works, "EPERM", "kill *"),
        case("sigqueue {pid} 15", Works, "EPERM", "rt_sigqueueinfo *"),
        case("pidfd_send_signal {pid} 15", Works, "EPERM", "pidfd_send_signal *"),
        case("signal by_directory {pid} 15", Works, "EPERM", "pidfd_send_signal *"),
        case("signal by_pidfd_group {pid} 15", Unless("EINVAL"), "EPERM", "pidfd_send_signal *"),
        case("signal thread_queue {pid} 15", Works, "EPERM", "rt_tgsigqueueinfo *"),
        case("signal owner {pid} 15", Works, "EPERM", "fcntl *"),
        case("signal owner_group {pid} 15", Works, "EPERM", "fcntl *"),
        case("signal owner_ex {pid} 15", Works, "EPERM", "fcntl *"),
        case("signal owner_ioctl {pid} 15", Works, "EPERM", "ioctl *"),
    ];
    // An older Landlock keeps no signal inside: then the front sends them.
    for tested in [Rules::new(), Rules::everything(), Rules::everything().landlock("5")] {
        Table { set_up: with_victim, tested, allowing: None }.check(&cases);
    }
}

/// Everybody at once: the process outside must live, with and without the kernel's help.
#[test]
fn signals_to_everybody() {
    for tested in [Rules::everything(), Rules::everything().landlock("5")] {
        let mut lab = Lab::new();
        lab.victim();
        let (said, events) = lab.inside(&tested, "kill -1 9");
        assert_eq!(said.short(), "EPERM", "{said:?}");
        assert!(events.iter().any(|event| crate::case::denied(event, "kill", "*")), "the attempt is on record");
        assert!(lab.victim_lives(), "the process outside died");
    }
}

/// What programs send to themselves, their children and their jobs arrives, whoever sends it.
#[test]
fn signals_of_its_own() {
    for rules in [Rules::new(), Rules::new().landlock("5"), Rules::new().landlock("1")] {
        for words in ["own_signals", "own_group", "own_children"] {
            let lab = Lab::new();
            assert!(lab.outside(words, false).worked(), "{words} outside");
            let (said, events) = lab.inside(&rules, words);
            assert!(said.worked(), "{words} under {:?}: {said:?}", rules.environment());
            let denied: Vec<_> = events.iter().filter(|event| event["verdict"] == "deny").collect();
            assert!(denied.is_empty(), "{words}: {denied:?}");
        }
    }
}

/// A signal that the kernel sends when a pipe becomes readable: asking is possible, it must not arrive.
#[test]
fn signals_by_way_of_a_descriptor() {
    let gone = |lab: &mut Lab| {
        let end = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while lab.victim_lives() && std::time::Instant::now() < end {
            std::thread::yield_now();
        }
        !lab.victim_lives()
    };
    let mut lab = Lab::new();
    lab.victim();
    assert!(lab.outside("sigio {pid} 15", false).worked() && gone(&mut lab), "outside it must kill");
    for tested in [Rules::everything(), Rules::everything().landlock("5")] {
        let mut lab = Lab::new();
        lab.victim();
        let (said, events) = lab.inside(&tested, "sigio {pid} 15");
        assert_eq!(said.short(), "EPERM", "{said:?}");
        assert!(events.iter().any(|event| crate::case::denied(event, "fcntl", "*")), "the attempt is on record");
        assert!(lab.victim_lives(), "the process outside died");
    }
}

#[test]
fn tracing_and_throttling() {
    let table = Table { set_up: with_victim, tested: Rules::everything(), allowing: None };
    table.check(&[
        case("ptrace_seize {pid}", Unless("EPERM"), "EPERM", "ptrace *"),
        case("ptrace_attach {pid}", Unless("EPERM"), "EPERM", "ptrace *"),
        case("vm_readv {pid}", Unless("EPERM"), "EPERM", "process_vm_readv *"),
        case("prlimit {pid}", Works, "EPERM", "prlimit64 *"),
        case("setaffinity {pid}", Works, "EPERM", "sched_setaffinity *"),
        case("setscheduler {pid}", Works, "EPERM", "sched_setscheduler *"),
        case("setpriority {pid}", Works, "EPERM", "setpriority *"),
        case("ioprio {pid}", Works, "EPERM", "ioprio_set *"),
    ]);
}

/// A message queue made outside has a name that is no path.
#[test]
fn message_queues() {
    let name = format!("govsh-escape-{}", std::process::id());
    let text = std::ffi::CString::new(format!("/{name}")).expect("a name");
    let made = unsafe {
        libc::mq_open(text.as_ptr(), libc::O_RDWR | libc::O_CREAT, 0o666, std::ptr::null_mut::<libc::mq_attr>())
    };
    assert!(made >= 0, "a message queue is needed: {}", std::io::Error::last_os_error());
    let lab = Lab::new();
    let outside = lab.outside(&format!("mq_open {name}"), true);
    let (inside, events) = lab.inside(&Rules::everything(), &format!("mq_open {name}"));
    unsafe { libc::mq_unlink(text.as_ptr()) };
    assert!(outside.worked(), "{outside:?}");
    assert!(inside.status == 1 && ["ENOSYS", "EPERM", "EACCES"].contains(&inside.short()), "{inside:?}");
    assert!(events.iter().any(|event| crate::case::denied(event, "mq_open", "*")), "the attempt is on record");
}
