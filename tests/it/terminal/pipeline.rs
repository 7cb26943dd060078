//! One member of a pipeline, with a terminal that it shares.

use crate::outer::Outer;
use crate::scene::Scene;

#[test]
fn the_terminal_stays_as_it_is_while_nobody_asks_for_it() {
    let scene = Scene::new();
    let mut outer = Outer::shell(&scene);
    outer.types("$GOVSH sh -c 'echo up; exec sleep 100' | cat\r");
    outer.sees("up\r");
    // As a shell leaves it for a job: lines, echo, and line ends for all of the pipeline.
    assert_eq!(outer.attributes(), outer.before);
    outer.types("\x03");
    outer.sees("outer$ ");
    assert!(outer.asks("echo status ${PIPESTATUS[@]}").contains("status 130"));
}

#[test]
fn ctrl_c_reaches_everyone_in_it() {
    let scene = Scene::new();
    let mut outer = Outer::shell(&scene);
    outer.types("bash -c 'echo $$ > left; exec sleep 100' | $GOVSH sh -c 'echo up; exec sleep 100'\r");
    outer.sees("up\r");
    outer.types("\x03");
    outer.sees("outer$ ");
    assert!(outer.asks("echo status ${PIPESTATUS[@]}").contains("status 130 130"));
}

#[test]
fn who_reads_the_terminal_gets_it() {
    let scene = Scene::new();
    let mut outer = Outer::shell(&scene);
    let cooked = outer.asks("stty -g");
    outer.types("echo piped | $GOVSH sh -c 'read -r a; echo \"$a\"; read -r b < /dev/tty; echo \"got $b\"' | cat\r");
    outer.sees("piped\r");
    outer.types("typed\r");
    outer.sees("got typed");
    outer.sees("outer$ ");
    assert_eq!(outer.asks("stty -g"), cooked);
}

#[test]
fn ctrl_z_stops_the_whole_pipeline() {
    let scene = Scene::new();
    let mut outer = Outer::shell(&scene);
    outer.types("$GOVSH sh -c 'echo up; read -r a < /dev/tty; echo got $a' | cat\r");
    outer.sees("up\r");
    outer.types("\x1a");
    assert!(outer.sees("outer$ ").contains("Stopped"));
    outer.types("fg\r");
    outer.sees("| cat\r\n");
    outer.types("word\r");
    outer.sees("got word");
}
