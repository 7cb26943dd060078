//! Bytes pass untouched, and a terminal that does not read holds nobody up but the agent.

use crate::outer::Outer;
use crate::scene::{Scene, kill, lives, pids, until};

/// Copies so many bytes from the terminal to the terminal, both raw.
fn mirror(bytes: usize) -> String {
    format!("stty raw -echo; printf ready; head -c {bytes}; printf done")
}

#[test]
fn every_byte_passes_both_ways() {
    let scene = Scene::new();
    let mut typed: Vec<u8> = (0..=255).collect();
    // bracketed paste, kitty keyboard reports, SGR mouse, device attributes, a cut UTF-8 character, a string with BEL
    typed.extend(b"\x1b[200~pasted\r\n\x03\x1b[201~\x1b[97;5u\x1b[57399;1:3u\x1b[<0;10;20M\x1b[?62;4c\xc3\x28\xf0\x9f\x1b]0;t\x07");
    let mut outer = Outer::run(&scene, &[], &["sh", "-c", &mirror(typed.len())]);
    outer.sees("ready");
    outer.types(&typed);
    let wanted = [&typed[..], b"done"].concat();
    let shown = outer.takes("the bytes again", |shown| (shown.len() >= wanted.len()).then_some(wanted.len()));
    assert_eq!(shown, wanted);
    assert_eq!(outer.ends(), 0);
    let recorded = crate::streams::recorded(&scene);
    assert_eq!(recorded.input, typed);
    assert!(recorded.terminal.ends_with(&wanted), "{}", crate::scene::text(&recorded.terminal));
}

#[test]
fn a_password_is_counted_and_not_kept() {
    let scene = Scene::new();
    let script = "printf name; read -r n; stty -echo; printf pass; read -r p; stty echo; printf \"$n/$p\"";
    let mut outer = Outer::run(&scene, &[], &["sh", "-c", script]);
    outer.sees("name");
    outer.types("ann\r");
    outer.sees("pass");
    outer.types("hunter2\r");
    outer.sees("ann/hunter2");
    assert_eq!(outer.ends(), 0);
    let recorded = crate::streams::recorded(&scene);
    assert_eq!((recorded.input.as_slice(), recorded.redacted), (b"ann\r".as_slice(), 8));
}

#[test]
fn the_last_byte_arrives() {
    let scene = Scene::new();
    let mut outer = Outer::run(&scene, &["--no-record"], &["sh", "-c", "stty raw; seq 200000; printf end"]);
    let shown = outer.sees("end");
    assert_eq!(outer.ends(), 0);
    let wanted: String = (1..=200_000).map(|n| format!("{n}\n")).collect();
    assert_eq!(shown, wanted + "end");
}

#[test]
fn a_stalled_terminal_costs_no_memory_and_ctrl_c_passes() {
    let scene = Scene::new();
    let mut outer = Outer::run_stalled(&scene, &["sh", "-c", "echo $$ > pid; exec yes"]);
    let agent = pids(&scene.path("pid"), 1)[0];
    let blocked = || {
        std::fs::read_to_string(format!("/proc/{agent}/wchan")).unwrap_or_default().contains("tty_write")
            || std::fs::read_to_string(format!("/proc/{agent}/wchan")).unwrap_or_default().contains("wait_woken")
    };
    until("yes is blocked in write", || {
        let written = || field(agent, "io", "wchar:");
        let before = written();
        blocked()
            && (0..20).all(|_| {
                std::thread::park_timeout(std::time::Duration::from_millis(5));
                written() == before
            })
    });
    let peak = field(outer.pid(), "status", "VmHWM:");
    assert!(peak < 64 << 10, "{peak} kB");
    outer.types("\x03");
    until("yes is interrupted", || !lives(agent));
    // Nobody reads what is left: Ctrl-C again, and the session ends.
    until("the session ends", || {
        outer.types("\x03");
        outer.child.try_wait().unwrap().is_some()
    });
}

fn field(pid: i32, file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[test]
fn a_new_size_reaches_the_agent() {
    let scene = Scene::new();
    let script = "trap 'stty size' WINCH; stty size; while :; do read -r -t 1 _; done";
    let mut outer = Outer::run(&scene, &[], &["bash", "-c", script]);
    outer.sees("30 100");
    outer.resize(41, 123);
    outer.sees("41 123");
    kill(outer.pid(), libc::SIGTERM);
    assert_eq!(outer.ends(), 143);
    assert_eq!(crate::streams::recorded(&scene).sizes, [(123, 41)]);
}
