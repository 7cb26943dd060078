//! Job control: the agent's own, and the shell's around govsh.

use std::time::Duration;

use crate::outer::Outer;
use crate::scene::{self, Scene};

#[test]
fn a_shell_inside_has_job_control() {
    let scene = Scene::new();
    let mut outer = Outer::run(&scene, &["--no-record"], &["bash", "--norc", "-i"]);
    outer.sees("outer$ ");
    outer.types("sh -c 'echo up; exec cat'\r");
    outer.sees("up\r\n");
    outer.types("one\r");
    outer.sees("one\r\none\r\n");
    outer.types("\x1a");
    let stopped = outer.sees("outer$ ");
    assert!(stopped.contains("Stopped"), "{stopped}");
    outer.types("fg\r");
    outer.sees("exec cat'\r\n");
    outer.types("two\r");
    outer.sees("two\r\ntwo\r\n");
    outer.types("\x03");
    outer.sees("outer$ ");
    assert!(outer.asks("echo status $?").contains("status 130"));
    outer.types("exit 7\r");
    assert_eq!(outer.ends(), 7);
    assert_eq!(outer.attributes(), outer.before);
}

#[test]
fn ctrl_z_suspends_both_and_fg_resumes_both() {
    let scene = Scene::new();
    let mut outer = Outer::shell(&scene);
    let cooked = outer.asks("stty -g");
    // What is typed before a program has the terminal is lost on the way natively, too: so each waits for the other.
    outer.types("$GOVSH sh -c 'echo up; exec cat'\r");
    outer.sees("up\r");
    for round in ["one", "two", "three"] {
        outer.types(format!("{round}\r"));
        outer.sees(&format!("{round}\r\n{round}\r\n"));
        outer.types("\x1a");
        let stopped = outer.sees("outer$ ");
        assert!(stopped.contains("Stopped"), "{stopped}");
        assert_eq!(outer.asks("stty -g"), cooked);
        outer.types("fg\r");
        outer.sees("exec cat'\r\n");
    }
    outer.types("four\r");
    outer.sees("four\r\nfour\r\n");
    outer.types("\x04");
    outer.sees("outer$ ");
    assert!(outer.asks("echo status $?").contains("status 0"));
    assert_eq!(outer.asks("stty -g"), cooked);
}

/// SIGCONT discards a stop that waits, so a Ctrl-Z must not reach the agent's terminal before the agent was woken.
#[test]
fn ctrl_z_right_after_fg_is_not_lost() {
    let scene = Scene::new();
    let mut outer = Outer::shell(&scene);
    outer.types("$GOVSH sh -c 'echo up; exec cat'\r");
    outer.sees("up\r");
    outer.types("\x1a");
    outer.sees("outer$ ");
    let front = scene::children(outer.pid());
    let monitor = scene::children(front[0]);
    assert_eq!((front.len(), monitor.len()), (1, 1));
    // Whoever is to wake the agent gets no time.
    scene::kill(monitor[0], libc::SIGSTOP);
    outer.types("fg\r");
    outer.sees("exec cat'\r\n");
    scene::until("the terminal is the agent's", || outer.attributes() == outer.attributes().raw());
    outer.types("\x1a");
    // Nothing is to happen, which cannot be waited for.
    std::thread::park_timeout(Duration::from_millis(200));
    scene::kill(monitor[0], libc::SIGCONT);
    let stopped = outer.sees("outer$ ");
    assert!(stopped.contains("Stopped"), "{stopped}");
    outer.types("fg\r");
    outer.sees("exec cat'\r\n");
    // before that the shell's terminal would take Ctrl-D for itself
    scene::until("the terminal is the agent's", || outer.attributes() == outer.attributes().raw());
    outer.types("\x04");
    outer.sees("outer$ ");
    assert!(outer.asks("echo status $?").contains("status 0"));
}

#[test]
fn a_size_changed_while_stopped_is_known_after_fg() {
    let scene = Scene::new();
    let mut outer = Outer::shell(&scene);
    outer.types("$GOVSH bash -c 'echo up; read -r _; stty size'\r");
    outer.sees("up\r");
    outer.types("\x1a");
    outer.sees("outer$ ");
    outer.resize(20, 70);
    outer.types("fg\r");
    outer.sees("stty size'\r\n");
    outer.types("\r");
    outer.sees("20 70");
}

#[test]
fn in_the_background_it_waits_for_the_terminal_like_any_job() {
    let scene = Scene::new();
    let mut outer = Outer::shell(&scene);
    let cooked = outer.asks("stty -g");
    outer.types("$GOVSH sh -c 'echo up; read -r line; echo \"got $line\"' &\r");
    outer.sees("up\r");
    // It wants to read, so the shell must come to see it stopped.
    scene::until("the job is stopped", || outer.asks("jobs").contains("Stopped"));
    assert_eq!(outer.asks("stty -g"), cooked);
    outer.types("fg\r");
    outer.sees("$line\"'\r\n");
    outer.types("word\r");
    outer.sees("got word");
    outer.sees("outer$ ");
    assert_eq!(outer.asks("stty -g"), cooked);
}

#[test]
fn a_loop_around_it_ends_with_ctrl_c() {
    let scene = Scene::new();
    let mut outer = Outer::shell(&scene);
    outer.types("while :; do $GOVSH sh -c 'echo up; exec sleep 100'; done\r");
    outer.sees("up\r");
    outer.types("\x03");
    outer.sees("outer$ ");
    assert!(outer.asks("echo status $?").contains("status 130"));
}
