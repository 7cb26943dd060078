//! The places a run needs: terminals, /proc, directories for recordings and sockets.
//!
//! Invariant: whatever a probe makes in a directory, it removes.

use std::ffi::CStr;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Instant;

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use super::Need::{Required, Stronger};
use super::{Fault, LIMIT, Outcome, Plan, Step};
use crate::sys::{Errno, cred, file, probe as sys};

pub(super) const PLANS: &[Plan] = &[
    Plan {
        name: "terminal",
        need: Required,
        gives: "a terminal of the agent's own",
        without: "only commands without a terminal can run",
        run: terminal,
    },
    Plan {
        name: "proc",
        need: Required,
        gives: "who a process is: its program, arguments, directory",
        without: "no new program could be checked after execve",
        run: proc,
    },
    Plan {
        name: "lookup",
        need: Required,
        gives: "paths resolved once, without links that lead elsewhere (openat2, 5.6)",
        without: "a link in /proc could lead the broker out of the policy",
        run: lookup,
    },
    Plan {
        name: "recordings",
        need: Required,
        gives: "a place for recordings",
        without: "a run stops at its start, unless --record or --no-record is given",
        run: recordings,
    },
    Plan {
        name: "runtime",
        need: Required,
        gives: "a private directory where front and monitor meet",
        without: "no run starts",
        run: runtime,
    },
    Plan {
        name: "cgroup",
        need: Stronger,
        gives: "a control group that ends all its processes at one stroke; this version does not need it",
        without: "nothing: the monitor ends a session's processes one by one until none is left",
        run: cgroup,
    },
];

fn terminal() -> Outcome {
    let wrong = |act: &str, error: &dyn std::fmt::Display| Fault::wrong(format!("{act}: {error}"));
    let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).map_err(|error| wrong("allocating a terminal", &error))?;
    let mut leader = pair.master.try_clone_reader().map_err(|error| wrong("opening the leader", &error))?;
    let mut command = CommandBuilder::new("/bin/sh");
    command.args(["-c", "test -t 0 && test -t 1 && printf y"]);
    let mut child = pair.slave.spawn_command(command).map_err(|error| wrong("starting a program on it", &error))?;
    let mut seen = [0];
    leader.read_exact(&mut seen).step("reading from the terminal")?;
    child.wait().step("waiting for the program")?;
    if seen == *b"y" { Ok("allocated, used".into()) } else { Err(Fault::wrong("the program saw no terminal")) }
}

/// A path looked up as the broker does: never through a link that the kernel makes up.
fn lookup() -> Outcome {
    let look = |path: &CStr| file::open_how(None, path, libc::O_PATH | libc::O_CLOEXEC, 0, libc::RESOLVE_NO_MAGICLINKS);
    look(c"/proc/self/status").step("looking a file up with openat2")?;
    match look(c"/proc/self/exe") {
        Err(Errno(libc::ELOOP)) => Ok("magic links are not followed".into()),
        _ => Err(Fault::wrong("a magic link was followed")),
    }
}

fn proc() -> Outcome {
    let child = sys::spawn(|| {
        std::thread::sleep(LIMIT);
        0
    })
    .step("starting a child")?;
    let of = |entry: &str| PathBuf::from(format!("/proc/{}/{entry}", child.pid()));
    let ours = std::fs::read_link("/proc/self/exe").step("reading /proc/self/exe")?;
    let theirs = std::fs::read_link(of("exe")).step("reading /proc/PID/exe")?;
    std::fs::read(of("cmdline")).step("reading /proc/PID/cmdline")?;
    std::fs::read_link(of("cwd")).step("reading /proc/PID/cwd")?;
    std::fs::read(of("status")).step("reading /proc/PID/status")?;
    if ours == theirs {
        Ok("processes can be looked up".into())
    } else {
        Err(Fault::wrong("/proc shows another program"))
    }
}

/// The first of these variables that is an absolute path.
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

fn recordings() -> Outcome {
    let state = variable("XDG_STATE_HOME").or_else(|| variable("HOME").map(|home| home.join(".local/state")));
    let dir = state.ok_or_else(|| Fault::wrong("neither XDG_STATE_HOME nor HOME is set"))?.join("govsh/recordings");
    private_directory(&dir)?;
    let file = dir.join(format!(".probe-{}", std::process::id()));
    let written = write_frame(&file);
    let removed = std::fs::remove_file(&file);
    written?;
    removed.step("removing the trial recording")?;
    Ok(dir.display().to_string())
}

fn write_frame(path: &Path) -> Result<(), Fault> {
    let text = b"{\"version\":3}\n";
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .step(&format!("creating {}", path.display()))?;
    let frame = zstd::encode_all(&text[..], 3).step("compressing")?;
    file.write_all(&frame).step("writing a recording")?;
    let read = File::open(path).and_then(zstd::decode_all).step("reading the recording back")?;
    if read == text { Ok(()) } else { Err(Fault::wrong("the recording read back wrong")) }
}

fn private_directory(dir: &Path) -> Result<(), Fault> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).step(&format!("creating {}", dir.display()))?;
    let found = dir.symlink_metadata().step(&format!("looking at {}", dir.display()))?;
    if found.is_dir() && found.uid() == cred::euid() && found.mode() & 0o077 == 0 {
        Ok(())
    } else {
        Err(Fault::wrong(format!("{} must be a directory of this user that nobody else may enter", dir.display())))
    }
}

fn runtime() -> Outcome {
    let named = variable("XDG_RUNTIME_DIR").filter(|dir| dir.is_dir()).map(|dir| dir.join("govsh"));
    let dir = named.unwrap_or_else(|| PathBuf::from(format!("/tmp/govsh-{}", cred::euid())));
    private_directory(&dir)?;
    let path = dir.join(format!(".probe-{}", std::process::id()));
    let met = UnixListener::bind(&path).and_then(|listener| {
        let _ours = UnixStream::connect(&path)?;
        listener.accept().map(drop)
    });
    let removed = std::fs::remove_file(&path);
    met.step(&format!("meeting on a socket in {}", dir.display()))?;
    removed.step("removing the trial socket")?;
    Ok(dir.display().to_string())
}

/// Makes a group below our own, puts a child into it and ends it by `cgroup.kill`.
fn cgroup() -> Outcome {
    let mounts = std::fs::read_to_string("/proc/self/mounts").step("reading /proc/self/mounts")?;
    let root = mounts
        .lines()
        .find_map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
            [_, place, "cgroup2", ..] => Some(place),
            _ => None,
        })
        .ok_or_else(|| Fault::wrong("no cgroup v2 is mounted"))?;
    let own = std::fs::read_to_string("/proc/self/cgroup").step("reading /proc/self/cgroup")?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::/")).ok_or_else(|| Fault::wrong("no cgroup v2"))?;
    let group = Path::new(root).join(own).join(format!("govsh-probe-{}", std::process::id()));
    std::fs::create_dir(&group).step("making a group")?;
    let ended = end_by_group(&group);
    let end = Instant::now() + LIMIT / 4;
    while let Err(error) = std::fs::remove_dir(&group) {
        // the group stays busy for a moment after its last process was reaped
        if Instant::now() > end {
            return Err(error).step("removing the trial group");
        }
        std::thread::yield_now();
    }
    ended.map(|()| "delegated, ends what is in it".into())
}

fn end_by_group(group: &Path) -> Result<(), Fault> {
    let write = |file: &str, text: String| {
        OpenOptions::new().write(true).open(group.join(file)).and_then(|mut file| file.write_all(text.as_bytes()))
    };
    let child = sys::spawn(|| {
        std::thread::sleep(LIMIT);
        0
    })
    .step("starting a child")?;
    write("cgroup.procs", child.pid().to_string()).step("moving a child into a group")?;
    write("cgroup.kill", "1".into()).step("writing cgroup.kill (5.14)")?;
    if sys::ready(child.pidfd(), LIMIT / 4) { Ok(()) } else { Err(Fault::wrong("cgroup.kill ended nothing")) }
}
