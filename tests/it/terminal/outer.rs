//! The terminal that a person sits at: the leader of a PTY, and what was written to it.

use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use govsh::sys::tty::Attributes;
use govsh::sys::unix;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize};

use crate::scene::{DEADLINE, Scene, govsh, text};

/// What the terminal has received.
#[derive(Default)]
struct Shown {
    bytes: Mutex<Vec<u8>>,
    more: Condvar,
    closed: AtomicBool,
}

pub struct Outer {
    leader: Option<Box<dyn MasterPty + Send>>,
    keys: Option<Box<dyn Write + Send>>,
    fd: Option<OwnedFd>,
    pub child: Box<dyn Child + Send + Sync>,
    shown: Arc<Shown>,
    reader: Option<std::thread::JoinHandle<()>>,
    /// How the terminal was before anything ran in it.
    pub before: Attributes,
}

const SIZE: PtySize = PtySize { rows: 30, cols: 100, pixel_width: 0, pixel_height: 0 };

impl Outer {
    /// govsh with this command as the only thing in the terminal.
    pub fn run(scene: &Scene, options: &[&str], command: &[&str]) -> Outer {
        Self::start(scene, &govsh(options, command), true)
    }

    /// As [`Outer::run`], at a terminal that reads nothing until [`Outer::read`].
    pub fn run_stalled(scene: &Scene, command: &[&str]) -> Outer {
        Self::start(scene, &govsh(&["--no-record"], command), false)
    }

    /// An interactive shell, with `$GOVSH` to run things in.
    pub fn shell(scene: &Scene) -> Outer {
        let mut outer = Self::start(scene, &["bash", "--norc", "-i"], true);
        outer.sees("outer$ ");
        outer
    }

    pub fn start(scene: &Scene, words: &[&str], reading: bool) -> Outer {
        let pair = portable_pty::native_pty_system().openpty(SIZE).unwrap();
        let mut command = CommandBuilder::new(words[0]);
        command.args(&words[1..]);
        command.env_clear();
        for (name, value) in scene.env() {
            command.env(name, value);
        }
        command.env("GOVSH", govsh(&["--no-record"], &[]).join(" "));
        command.cwd(scene.path(""));
        let fd = unix::duplicate(pair.master.as_raw_fd().unwrap()).unwrap();
        let before = Attributes::of(fd.as_fd()).unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        let keys = pair.master.take_writer().unwrap();
        let mut outer = Outer {
            leader: Some(pair.master),
            keys: Some(keys),
            fd: Some(fd),
            child,
            shown: Arc::default(),
            reader: None,
            before,
        };
        if reading {
            outer.read();
        }
        outer
    }

    /// Reads what comes, from now on.
    pub fn read(&mut self) {
        let leader = unix::duplicate(self.leader.as_ref().unwrap().as_raw_fd().unwrap()).unwrap();
        let shown = Arc::clone(&self.shown);
        self.reader = Some(std::thread::spawn(move || {
            let mut buffer = [0; 65536];
            while !shown.closed.load(Ordering::Relaxed) {
                let mut entry = [unix::poll_for(leader.as_fd(), libc::POLLIN)];
                unix::poll(&mut entry, 20).unwrap();
                if entry[0].revents == 0 {
                    continue;
                }
                let Ok(bytes @ 1..) = unix::read(leader.as_fd(), &mut buffer) else { return };
                shown.bytes.lock().unwrap().extend_from_slice(&buffer[..bytes]);
                shown.more.notify_all();
            }
        }));
    }

    pub fn types(&mut self, keys: impl AsRef<[u8]>) {
        let writer = self.keys.as_mut().unwrap();
        writer.write_all(keys.as_ref()).unwrap();
        writer.flush().unwrap();
    }

    /// Waits until so much more was shown, from the end of what was last waited for, and takes it.
    #[track_caller]
    pub fn takes(&mut self, what: &str, enough: impl Fn(&[u8]) -> Option<usize>) -> Vec<u8> {
        let end = Instant::now() + DEADLINE;
        let mut bytes = self.shown.bytes.lock().unwrap();
        loop {
            if let Some(length) = enough(&bytes) {
                return bytes.drain(..length).collect();
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not seen: {what}\n{}", text(&bytes));
            bytes = self.shown.more.wait_timeout(bytes, left).unwrap().0;
        }
    }

    /// Waits for a text and takes everything up to its end.
    #[track_caller]
    pub fn sees(&mut self, wanted: &str) -> String {
        let find = |bytes: &[u8]| bytes.windows(wanted.len()).position(|part| part == wanted.as_bytes());
        let taken = self.takes(wanted, |bytes| find(bytes).map(|at| at + wanted.len()));
        text(&taken)
    }

    /// Types a line to a shell and takes what it shows up to its next prompt.
    #[track_caller]
    pub fn asks(&mut self, line: &str) -> String {
        self.types(format!("{line}\r"));
        self.sees("\n");
        self.sees("outer$ ")
    }

    pub fn attributes(&self) -> Attributes {
        Attributes::of(self.fd.as_ref().unwrap().as_fd()).unwrap()
    }

    pub fn resize(&self, rows: u16, cols: u16) {
        self.leader.as_ref().unwrap().resize(PtySize { rows, cols, ..SIZE }).unwrap();
    }

    pub fn pid(&self) -> i32 {
        self.child.process_id().unwrap() as i32
    }

    /// Waits for the end of what was started; exit status as a shell has it.
    #[track_caller]
    pub fn ends(&mut self) -> i32 {
        let mut status = None;
        crate::scene::until("the program ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().exit_code() as i32
    }

    /// The window is closed.
    pub fn hang_up(&mut self) {
        self.leader = None;
        self.keys = None;
        self.fd = None;
        self.shown.closed.store(true, Ordering::Relaxed);
        self.reader.take().unwrap().join().unwrap();
    }
}

impl Drop for Outer {
    fn drop(&mut self) {
        // Only what is still there needs it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
