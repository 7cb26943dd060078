//! Ways past the file system: System V objects of other processes, and files that the kernel writes by itself.
//!
//! Invariant: what is reached belongs to this test; a program's own objects go on working.
//! Leaves to others: POSIX message queues (`procs`), calls that no agent needs (`floor`).

use crate::case::{Table, Unless, Works, case, denied};
use crate::lab::{Lab, test_user};
use crate::rules::Rules;

/// One object of each kind, of the user that the suite runs as.
struct Objects {
    memory: i32,
    queue: i32,
    semaphore: i32,
    key: i32,
}

impl Objects {
    fn make(key: i32) -> Objects {
        let mode = libc::IPC_CREAT | libc::IPC_EXCL | 0o666;
        let made = unsafe {
            Objects {
                memory: libc::shmget(key, 4096, mode),
                queue: libc::msgget(key, mode),
                semaphore: libc::semget(key, 1, mode),
                key,
            }
        };
        assert!(made.memory >= 0 && made.queue >= 0 && made.semaphore >= 0, "System V objects are needed");
        // Who is not their owner may not remove them, which is one of the attempts.
        if let Some(user) = test_user() {
            unsafe {
                let mut about: libc::shmid_ds = std::mem::zeroed();
                libc::shmctl(made.memory, libc::IPC_STAT, &mut about);
                about.shm_perm.uid = user.uid;
                libc::shmctl(made.memory, libc::IPC_SET, &mut about);
            }
        }
        let message = [1u64, 7];
        assert_eq!(unsafe { libc::msgsnd(made.queue, message.as_ptr().cast(), 8, 0) }, 0, "a message");
        made
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        unsafe {
            libc::shmctl(self.memory, libc::IPC_RMID, std::ptr::null_mut());
            libc::msgctl(self.queue, libc::IPC_RMID, std::ptr::null_mut());
            libc::semctl(self.semaphore, 0, libc::IPC_RMID);
        }
    }
}

#[test]
fn objects_of_other_processes() {
    let mut wrong = Vec::new();
    for (turn, words) in [
        "ipc shmat {memory}",
        "ipc shmget {key}",
        "ipc shmget_create {key}",
        "ipc shm_remove {memory}",
        "ipc msgrcv {queue}",
        "ipc msgsnd {queue}",
        "ipc msgget {key}",
        "ipc semop {semaphore}",
        "ipc semctl {semaphore}",
        "ipc semget {key}",
    ]
    .into_iter()
    .enumerate()
    {
        let lab = Lab::new();
        let run = |inside: bool| {
            let objects = Objects::make(0x6765_0000 ^ std::process::id() as i32 ^ ((turn as i32) << 24));
            let numbers =
                [("{memory}", objects.memory), ("{queue}", objects.queue), ("{semaphore}", objects.semaphore)];
            let words = numbers
                .into_iter()
                .chain([("{key}", objects.key)])
                .fold(words.to_owned(), |words, (name, number)| words.replace(name, &number.to_string()));
            if inside { lab.inside(&Rules::everything(), &words) } else { (lab.outside(&words, false), Vec::new()) }
        };
        let (outside, _) = run(false);
        if !outside.worked() {
            wrong.push(format!("{words} outside: {outside:?}"));
        }
        let (said, events) = run(true);
        if said.short() != "EACCES" || !events.iter().any(|event| denied(event, op_of(words), "*")) {
            wrong.push(format!("{words}: {said:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Any of them: which one is in the attempt's own words.
fn op_of(_: &str) -> &'static str {
    "shmat|shmget|shmctl|msgrcv|msgsnd|msgget|semop|semctl|semget"
}

#[test]
fn its_own_objects() {
    let lab = Lab::new();
    let (said, _) = lab.inside(&Rules::new(), "own_ipc");
    assert!(said.worked(), "{said:?}");
}

/// A core file is written by the kernel, past the broker, and so must not be.
#[test]
fn core_files() {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").expect("core_pattern");
    // Where cores go elsewhere, none comes about here outside either.
    let outside = if pattern.starts_with(['/', '|', '@']) { Unless("EACCES") } else { Works };
    let set_up = |lab: &mut Lab| lab.dir("work/keep");
    let tested = Rules::new().readonly("{work}/keep/**");
    let table = Table { set_up, tested, allowing: None };
    table.check(&[case(
        "core {work}/keep",
        outside,
        "EACCES",
        "- no call: the kernel is told to write none; the end of the process is on record",
    )]);
}

/// The page of x86_64's first years is neither memory nor code to jump into.
#[test]
fn the_vsyscall_page() {
    let cases = [
        case("vsyscall read", Unless("EFAULT"), "EFAULT", "- the kernel ends the process, as outside"),
        case("vsyscall inside", Unless("EFAULT"), "EFAULT", "- the kernel ends the process, as outside"),
    ];
    Table { set_up: |_| (), tested: Rules::new(), allowing: None }.check(&cases);
}

/// It tells the time, as outside.
#[test]
fn harmless_forms_still_work() {
    let lab = Lab::new();
    let outside = lab.outside("vsyscall time", false);
    let (inside, _) = lab.inside(&Rules::new(), "vsyscall time");
    assert_eq!((inside.short(), inside.status), (outside.short(), outside.status), "{inside:?}");
}
