//! However the view ends, the terminal is given back.

use govsh::sys::process;

use crate::glass::Glass;
use crate::outer::Outer;
use crate::scene::{GOVSH, Scene};

fn recorded() -> Scene {
    let scene = Scene::new();
    let output = scene.run(&[], &["sh", "-c", "echo first; sleep 0.2; echo second"]);
    assert!(output.status.success());
    scene
}

/// What is undone at the end stands in what was sent.
fn is_put_back(sent: &str) {
    for (on, off) in [("\x1b[?1049h", "\x1b[?1049l"), ("\x1b[?1002h", "\x1b[?1002l"), ("\x1b[?2004h", "\x1b[?2004l")] {
        assert!(sent.rfind(off) > sent.rfind(on), "{off:?} does not follow {on:?}");
    }
    assert!(sent.rfind("\x1b[?25h") > sent.rfind("\x1b[?25l"));
}

#[test]
fn leaving_gives_the_terminal_back() {
    let scene = recorded();
    let mut glass = Glass::replay(&scene, &["last"]);
    glass.shows("? help");
    glass.types("q");
    let (status, sent) = glass.ends();
    assert_eq!(status, 0);
    is_put_back(&sent);
}

#[test]
fn signals_end_the_view_and_give_the_terminal_back() {
    let scene = recorded();
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGHUP] {
        let mut glass = Glass::replay(&scene, &["last"]);
        glass.shows("? help");
        process::kill(glass.outer.pid(), signal).unwrap();
        let (status, sent) = glass.ends();
        assert_eq!(status, 128 + signal);
        is_put_back(&sent);
    }
}

#[test]
fn a_closed_window_ends_the_view() {
    let scene = recorded();
    let mut glass = Glass::replay(&scene, &["last"]);
    glass.shows("? help");
    glass.outer.hang_up();
    assert_eq!(glass.outer.ends(), 128 + libc::SIGHUP);
}

#[test]
fn it_stops_for_the_shell_and_goes_on() {
    let scene = recorded();
    let mut outer = Outer::shell(&scene);
    let before = outer.attributes();
    outer.types(format!("{GOVSH} replay last\r"));
    let mut glass = Glass::over(outer);
    glass.shows("? help");
    glass.types("\x1a");
    glass.shows("Stopped");
    glass.shows("outer$");
    crate::scene::until("the shell has its terminal back", || glass.outer.attributes().has_output_of(&before));
    glass.types("fg\r");
    glass.until("the view again", |rows| rows[0].contains("sh ·") && rows.iter().any(|row| row.contains("? help")));
    glass.types("q");
    glass.until("the shell", |rows| !rows[0].contains("sh ·"));
    glass.types("echo back in $((40+2))\r");
    glass.shows("back in 42");
}

#[test]
fn what_cannot_be_shown_is_told_in_a_line() {
    let scene = Scene::new();
    std::fs::write(scene.path("text"), "no recording\n").unwrap();
    let mut outer = Outer::start(&scene, &[GOVSH, "replay", "./text"], true);
    let said = outer.sees("is not a govsh recording");
    assert!(!said.contains('\x1b'), "{said:?}");
    assert_eq!(outer.ends(), 125);
}
