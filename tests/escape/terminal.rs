//! A session with a terminal: /dev/tty is the session's own, and Ctrl-C ends a call that is waiting.
//!
//! Invariant: the terminal pair is the test's own; the suite's terminal, if any, is never touched.
//! Leaves to others: everything else about terminals (`tests/it`).

use std::io::{Read, Write};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use crate::lab::{Lab, attempt, test_user};
use crate::rules::Rules;

/// govsh on a terminal of its own: what it writes, by and by, and where to type.
struct OnTerminal {
    child: Box<dyn portable_pty::Child + Send + Sync>,
    typed: Box<dyn Write + Send>,
    shown: mpsc::Receiver<Vec<u8>>,
    seen: String,
    recording: std::path::PathBuf,
}

impl OnTerminal {
    fn start(lab: &Lab, rules: &Rules, words: &[&str]) -> OnTerminal {
        let (command, recording) = lab.command(rules, &attempt().to_string_lossy());
        let pair = native_pty_system().openpty(PtySize::default()).expect("a terminal");
        let mut builder = CommandBuilder::new("/usr/bin/setpriv");
        if let Some(user) = test_user() {
            builder.args([format!("--reuid={}", user.uid), format!("--regid={}", user.gid), "--clear-groups".into()]);
        }
        builder.arg(command.get_program());
        builder.args(command.get_args());
        builder.args(words.iter().map(|word| lab.expand(word)));
        builder.env_clear();
        for (name, value) in command.get_envs() {
            builder.env(name, value.unwrap_or_default());
        }
        builder.env("TERM", "xterm");
        builder.cwd(lab.path("work"));
        let child = pair.slave.spawn_command(builder).expect("govsh");
        let mut reader = pair.master.try_clone_reader().expect("reader");
        let typed = pair.master.take_writer().expect("writer");
        let (sender, shown) = mpsc::channel();
        std::thread::spawn(move || {
            let _leader = pair.master;
            let mut bytes = [0u8; 4096];
            while let Ok(got @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..got].to_vec()).is_err() {
                    break;
                }
            }
        });
        OnTerminal { child, typed, shown, seen: String::new(), recording }
    }

    fn until(&mut self, text: &str) -> bool {
        let end = Instant::now() + Duration::from_secs(20);
        while !self.seen.contains(text) && Instant::now() < end {
            if let Ok(bytes) = self.shown.recv_timeout(Duration::from_millis(100)) {
                self.seen.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
        self.seen.contains(text)
    }

    /// Exit status within ten seconds.
    fn end(&mut self) -> Option<u32> {
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status.exit_code());
            }
            let _ = self
                .shown
                .recv_timeout(Duration::from_millis(10))
                .map(|bytes| self.seen.push_str(&String::from_utf8_lossy(&bytes)));
        }
        let _ = self.child.kill();
        None
    }
}

fn with_terminal() -> Rules {
    Rules::new().write("/dev/tty").write("/dev/pts/**")
}

#[test]
fn dev_tty_is_the_sessions_own() {
    let lab = Lab::new();
    let mut session = OnTerminal::start(&lab, &with_terminal(), &["dev_tty"]);
    assert!(session.until("here"), "{}", session.seen);
    assert!(session.until("\"ok\""), "{}", session.seen);
    assert_eq!(session.end(), Some(0), "{}", session.seen);
}

/// Without a terminal there is no /dev/tty, as everywhere.
#[test]
fn no_dev_tty_without_a_terminal() {
    let lab = Lab::new();
    let (said, _) = lab.inside(&with_terminal(), "dev_tty");
    assert_eq!(said.result, "errno ENXIO", "{said:?}");
}

#[test]
fn ctrl_c_ends_a_waiting_open() {
    let lab = Lab::new();
    let path = std::ffi::CString::new(lab.path("work/fifo").to_string_lossy().into_owned()).expect("a path");
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o666) }, 0);
    let mut session = OnTerminal::start(&lab, &with_terminal(), &["fifo_wait", "{work}/fifo"]);
    assert!(session.until("waiting"), "{}", session.seen);
    session.typed.write_all(&[3]).expect("Ctrl-C");
    assert!(session.end().is_some(), "it still waits: {}", session.seen);
    let events = lab.events(&session.recording);
    assert_eq!(events.last().map(|last| &last["status"]), Some(&serde_json::json!(130)), "{}", session.seen);
}
