//! What the hot key takes, and what it leaves to the program.

use crate::pane::Pane;
use crate::scene::{Scene, until};

/// Writes down as many bytes as are typed, at a terminal without any keys that make signals.
const LISTENER: &str = "stty raw -echo; printf listening; dd bs=1 of=typed status=none count=$1; stty sane";

fn listening(scene: &Scene, options: &[&str], count: &str) -> String {
    std::fs::write(scene.path("listener"), LISTENER).unwrap();
    let pane = Pane::new(scene, 80, 24);
    pane.govsh(&[&["--no-record"], options].concat(), &["bash", "listener", count]);
    pane.shows("listening");
    pane.types(&["a", "C-\\", "x"]);
    until("the other key is typed", || scene.read("typed").ends_with('x'));
    pane.types(&["C-\\"]);
    until("nothing follows", || scene.read("typed").ends_with('\u{1c}'));
    pane.types(&["C-\\", "g"]);
    if options.is_empty() {
        pane.shows("q close");
        ["b", "o", "Enter", "Space", "q"].into_iter().for_each(|key| pane.types(&[key]));
        until("the panel is gone", || !pane.screen().contains("q close"));
    }
    pane.types(&["."]);
    until("it is over", || scene.read("typed").ends_with('.'));
    scene.read("typed")
}

#[test]
fn everything_but_the_hot_key_goes_through() {
    assert_eq!(listening(&Scene::new(), &[], "5"), "a\u{1c}x\u{1c}.");
    assert_eq!(listening(&Scene::new(), &["--hot-key", "off"], "7"), "a\u{1c}x\u{1c}\u{1c}g.");
    assert_eq!(listening(&Scene::new(), &["--hot-key", "ctrl-] k"], "7"), "a\u{1c}x\u{1c}\u{1c}g.");
}

#[test]
fn a_marker_is_typed_into_the_recording() {
    let scene = Scene::new();
    let pane = Pane::new(&scene, 80, 24);
    pane.govsh(&[], &["bash", "--norc", "-c", r#"echo th""ere; read x"#]);
    pane.shows("there");
    pane.types(&["C-\\", "g"]);
    pane.shows("q close");
    pane.types(&["m"]);
    pane.shows("marker:");
    pane.types(&["-l", "looks odd here"]);
    pane.types(&["Enter"]);
    pane.shows("marked");
    pane.types(&["q"]);
    until("the panel is gone", || !pane.screen().contains("q close") && !pane.screen().contains("marked"));
    pane.types(&["Enter"]);
    let shown =
        || scene.command(&[crate::scene::GOVSH, "show", "last", "--events", "--kind", "marker"]).output().unwrap();
    until("the recording has it", || String::from_utf8_lossy(&shown().stdout).contains("looks odd here"));
}
