//! Which system call belongs to which set: allowed, notified, refused with EPERM. What is in no set gets ENOSYS.
//!
//! Invariant: a call that takes a path or an address and could reach something is notified or refused, never only allowed.
//! Numbers missing from libc's tables are written out from the kernel's `syscall_64.tbl` and `asm-generic/unistd.h`.

use libc::c_long;

/// Numbers that are the same on every architecture, for calls newer than libc's tables.
pub mod newer {
    use libc::c_long;
    pub const FCHMODAT2: c_long = 452;
    pub const CACHESTAT: c_long = 451;
    pub const MAP_SHADOW_STACK: c_long = 453;
    pub const FUTEX_WAKE: c_long = 454;
    pub const FUTEX_WAIT: c_long = 455;
    pub const FUTEX_REQUEUE: c_long = 456;
    pub const GETXATTRAT: c_long = 464;
    pub const LISTXATTRAT: c_long = 465;
    pub const FILE_GETATTR: c_long = 468;
    pub const MSEAL: c_long = 462;
}

macro_rules! numbers {
    ($($name:ident)*) => { &[$(libc::$name),*] };
}

macro_rules! named {
    ($($name:ident)*) => { &[$((libc::$name, stringify!($name))),*] };
}

/// Allowed as they are: no path that yields content, no address, or bounded by descriptors the target has.
pub const ALLOWED: &[c_long] = numbers![
    SYS_read SYS_write SYS_close SYS_close_range SYS_fstat SYS_lseek SYS_mmap SYS_mprotect SYS_munmap SYS_brk
    SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigreturn SYS_rt_sigpending SYS_rt_sigtimedwait
    SYS_rt_sigsuspend SYS_sigaltstack SYS_pread64 SYS_pwrite64 SYS_readv SYS_writev SYS_preadv
    SYS_pwritev SYS_preadv2 SYS_pwritev2 SYS_faccessat SYS_faccessat2 SYS_pipe2 SYS_pselect6 SYS_ppoll SYS_sched_yield
    SYS_mremap SYS_msync SYS_mincore SYS_madvise SYS_shmdt SYS_dup SYS_dup3
    SYS_nanosleep SYS_getitimer SYS_setitimer SYS_getpid SYS_sendfile SYS_accept SYS_accept4 SYS_recvfrom SYS_recvmsg
    SYS_recvmmsg SYS_shutdown SYS_listen SYS_getsockname SYS_getpeername SYS_socketpair SYS_getsockopt SYS_exit
    SYS_exit_group SYS_wait4 SYS_waitid SYS_tgkill SYS_uname SYS_fcntl SYS_flock SYS_fsync SYS_fdatasync
    SYS_ftruncate SYS_getcwd SYS_readlinkat SYS_umask SYS_gettimeofday SYS_getrlimit SYS_getrusage SYS_sysinfo
    SYS_times SYS_getuid SYS_getgid SYS_geteuid SYS_getegid SYS_setpgid SYS_getppid SYS_setsid SYS_getpgid
    SYS_getsid SYS_getgroups SYS_getresuid SYS_getresgid SYS_capget SYS_statfs SYS_fstatfs SYS_getpriority
    SYS_sched_getparam SYS_sched_getscheduler
    SYS_sched_get_priority_max SYS_sched_get_priority_min SYS_sched_rr_get_interval SYS_sched_getaffinity
    SYS_sched_getattr SYS_mlock SYS_mlock2 SYS_munlock SYS_mlockall SYS_munlockall SYS_prctl
    SYS_setrlimit SYS_sync SYS_syncfs SYS_gettid SYS_readahead SYS_getxattr SYS_lgetxattr SYS_fgetxattr
    SYS_listxattr SYS_llistxattr SYS_flistxattr SYS_futex SYS_set_tid_address SYS_restart_syscall
    SYS_fadvise64 SYS_timer_create SYS_timer_settime SYS_timer_gettime SYS_timer_getoverrun SYS_timer_delete
    SYS_clock_gettime SYS_clock_getres SYS_clock_nanosleep SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait
    SYS_epoll_pwait2 SYS_mbind SYS_set_mempolicy SYS_get_mempolicy SYS_ioprio_get
    SYS_inotify_init1 SYS_inotify_add_watch SYS_inotify_rm_watch SYS_set_robust_list SYS_get_robust_list SYS_splice
    SYS_tee SYS_sync_file_range SYS_signalfd4 SYS_timerfd_create SYS_timerfd_settime SYS_timerfd_gettime
    SYS_eventfd2 SYS_fallocate SYS_getcpu SYS_getrandom SYS_memfd_create SYS_membarrier SYS_copy_file_range SYS_statx
    SYS_rseq SYS_pkey_mprotect SYS_pkey_alloc SYS_pkey_free SYS_pidfd_open SYS_newfstatat
    SYS_clone SYS_unshare SYS_ioctl SYS_personality SYS_seccomp SYS_socket SYS_setsockopt SYS_process_mrelease
    SYS_futex_waitv
    SYS_getdents64
];

/// Allowed calls that only x86_64 has.
#[cfg(target_arch = "x86_64")]
pub const ALLOWED_HERE: &[c_long] = numbers![
    SYS_stat SYS_lstat SYS_poll SYS_access SYS_pipe SYS_select SYS_dup2 SYS_pause SYS_alarm SYS_fork SYS_vfork
    SYS_getdents SYS_readlink SYS_getpgrp SYS_time SYS_epoll_create SYS_epoll_wait SYS_inotify_init SYS_signalfd
    SYS_eventfd SYS_arch_prctl
];
/// Allowed calls that only this architecture has.
#[cfg(not(target_arch = "x86_64"))]
pub const ALLOWED_HERE: &[c_long] = &[];

/// Newer calls, allowed by number.
pub const ALLOWED_NEWER: &[c_long] = &[
    newer::CACHESTAT,
    newer::MAP_SHADOW_STACK,
    newer::FUTEX_WAKE,
    newer::FUTEX_WAIT,
    newer::FUTEX_REQUEUE,
    newer::GETXATTRAT,
    newer::LISTXATTRAT,
    newer::FILE_GETATTR,
    newer::MSEAL,
];

/// Wait for the front, whatever their arguments are.
pub const NOTIFIED: &[c_long] = numbers![
    SYS_openat2 SYS_execve SYS_execveat SYS_connect SYS_bind SYS_sendmsg SYS_sendmmsg
    SYS_unlinkat SYS_renameat2 SYS_linkat SYS_symlinkat SYS_mkdirat SYS_mknodat SYS_truncate
    SYS_fchmod SYS_fchmodat SYS_fchown SYS_fchownat SYS_utimensat
    SYS_setxattr SYS_lsetxattr SYS_fsetxattr SYS_removexattr SYS_lremovexattr SYS_fremovexattr
    SYS_chdir SYS_fchdir SYS_umask SYS_sched_setaffinity SYS_exit_group
    SYS_shmget SYS_shmat SYS_shmctl SYS_msgget SYS_msgsnd SYS_msgrcv SYS_msgctl SYS_semget SYS_semop SYS_semtimedop
    SYS_semctl SYS_kill SYS_tkill SYS_rt_sigqueueinfo SYS_rt_tgsigqueueinfo SYS_pidfd_send_signal
];

/// The older forms of the notified calls.
#[cfg(target_arch = "x86_64")]
pub const NOTIFIED_HERE: &[c_long] = numbers![
    SYS_creat SYS_unlink SYS_rmdir SYS_rename SYS_renameat SYS_link SYS_symlink SYS_mkdir SYS_mknod SYS_chmod SYS_chown
    SYS_lchown SYS_utime SYS_utimes SYS_futimesat
];
/// The older forms of the notified calls.
#[cfg(not(target_arch = "x86_64"))]
pub const NOTIFIED_HERE: &[c_long] = numbers![SYS_renameat];

/// Notified calls written by number.
pub const NOTIFIED_NEWER: &[c_long] = &[newer::FCHMODAT2];

/// Allowed on the caller itself (process 0) and notified on any other: only processes of the session may be meant.
/// The argument that holds the process id stands beside.
pub const ABOUT_PROCESS: &[(c_long, u8)] = &[
    (libc::SYS_sched_setscheduler, 0),
    (libc::SYS_sched_setparam, 0),
    (libc::SYS_sched_setattr, 0),
    (libc::SYS_prlimit64, 0),
    (libc::SYS_setpriority, 1),
    (libc::SYS_ioprio_set, 1),
];

/// fcntl(2): who is signalled when a descriptor becomes ready. The owner is kept by the kernel as it was when asked for.
pub const OWNER_COMMANDS: [libc::c_int; 2] = [libc::F_SETOWN, F_SETOWN_EX];
/// F_SETOWN_EX of fcntl(2).
pub const F_SETOWN_EX: libc::c_int = 15;
/// The same by ioctl(2).
pub const OWNER_REQUESTS: [(i64, &str); 2] = [(0x8901, "FIOSETOWN"), (0x8902, "SIOCSPGRP")];

/// Names of calls that are not in any list, for the record: what is not offered here, and newer than the lists.
#[cfg(target_arch = "x86_64")]
pub const UNLISTED: &[(c_long, &str)] = &[
    (libc::SYS_mq_open, "mq_open"),
    (libc::SYS_mq_unlink, "mq_unlink"),
    (libc::SYS_mq_timedsend, "mq_timedsend"),
    (libc::SYS_mq_timedreceive, "mq_timedreceive"),
    (libc::SYS_mq_notify, "mq_notify"),
    (libc::SYS_mq_getsetattr, "mq_getsetattr"),
    (457, "statmount"),
    (458, "listmount"),
    (463, "setxattrat"),
    (466, "removexattrat"),
    (467, "open_tree_attr"),
    (469, "file_setattr"),
];
/// Names of calls that are not in any list, for the record.
#[cfg(not(target_arch = "x86_64"))]
pub const UNLISTED: &[(c_long, &str)] = &[
    (457, "statmount"),
    (458, "listmount"),
    (463, "setxattrat"),
    (466, "removexattrat"),
    (467, "open_tree_attr"),
    (469, "file_setattr"),
];

/// Notified only when the front is root: they change the credentials that it must act with.
pub const NOTIFIED_AS_ROOT: &[c_long] = numbers![
    SYS_setuid SYS_setgid SYS_setreuid SYS_setregid SYS_setresuid SYS_setresgid SYS_setfsuid SYS_setfsgid SYS_setgroups
    SYS_capset
];

/// Notified only where the front answers for name servers: what is received may name the stub. Else allowed.
pub const NOTIFIED_WITH_NETWORK: &[c_long] = numbers![SYS_recvmsg SYS_recvmmsg];

/// Refused with EPERM whatever their arguments are (`refused`): Landlock does not cover them.
pub const REFUSED: &[(c_long, &str)] = named![
    SYS_io_uring_setup SYS_io_uring_enter SYS_io_uring_register SYS_io_setup SYS_io_submit
    SYS_ptrace SYS_process_vm_readv SYS_process_vm_writev SYS_process_madvise SYS_pidfd_getfd SYS_kcmp
    SYS_bpf SYS_perf_event_open SYS_userfaultfd SYS_keyctl SYS_add_key SYS_request_key
    SYS_open_by_handle_at SYS_name_to_handle_at
    SYS_mount SYS_umount2 SYS_move_mount SYS_open_tree SYS_fsopen SYS_fsmount SYS_fsconfig SYS_fspick
    SYS_mount_setattr SYS_pivot_root SYS_chroot SYS_setns
    SYS_init_module SYS_finit_module SYS_delete_module SYS_kexec_load SYS_reboot SYS_swapon SYS_swapoff
    SYS_acct SYS_quotactl SYS_settimeofday SYS_clock_settime SYS_adjtimex SYS_clock_adjtime
    SYS_lookup_dcookie SYS_vhangup SYS_syslog SYS_fanotify_init SYS_fanotify_mark SYS_vmsplice SYS_memfd_secret
    SYS_migrate_pages SYS_move_pages SYS_nfsservctl SYS_sethostname SYS_setdomainname SYS_remap_file_pages
];

/// Refused calls that only x86_64 has.
#[cfg(target_arch = "x86_64")]
pub const REFUSED_HERE: &[(c_long, &str)] = named![
    SYS_kexec_file_load SYS_iopl SYS_ioperm SYS_modify_ldt
    SYS_uselib SYS_ustat SYS_sysfs SYS__sysctl SYS_quotactl_fd
];
/// Refused calls that only this architecture has.
#[cfg(not(target_arch = "x86_64"))]
pub const REFUSED_HERE: &[(c_long, &str)] = named![SYS_kexec_file_load SYS_quotactl_fd];

/// Refused with EOPNOTSUPP, as a kernel does that has Landlock switched off: a target's own layer would be bypassed
/// by the broker, which opens with the front's rights, so it is not offered.
pub const NO_NESTED_LANDLOCK: &[c_long] =
    numbers![SYS_landlock_create_ruleset SYS_landlock_add_rule SYS_landlock_restrict_self];
