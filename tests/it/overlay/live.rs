//! Programs that go on: nothing they write is lost, and they look the same afterwards.

use crate::pane::Pane;
use crate::scene::{Scene, until};

#[test]
fn vim_looks_the_same() {
    let scene = Scene::new();
    let text: String = (1..200).map(|n| format!("fn number_{n}() {{ println!(\"{n}\"); }} // 世界\n")).collect();
    std::fs::write(scene.path("text.rs"), text).unwrap();
    let pane = Pane::new(&scene, 90, 28);
    pane.govsh(
        &["--no-record"],
        &["vim", "-N", "-u", "NONE", "-c", "syntax on", "-c", "set showmode", "-c", "set number ruler", "text.rs"],
    );
    pane.shows("number_20");
    pane.types(&["50G", "20l", "v", "3j"]);
    pane.shows("53,");
    pane.shows("VISUAL");
    let before = pane.picture();
    pane.visit_panel(|| {});
    pane.becomes(&before);
    pane.types(&["Escape", ":q!", "Enter"]);
    pane.shows("outer$");
}

#[test]
fn nothing_of_a_flood_is_lost() {
    let scene = Scene::new();
    let script =
        "for ((n = 1; n <= 40000; n++)); do printf '\\e[3%dmline %d\\e[0m\\n' $((n % 8)) $n; done; echo finished";
    std::fs::write(scene.path("flood"), script).unwrap();
    let pane = Pane::new(&scene, 80, 24);
    pane.govsh(&["--no-record"], &["bash", "flood"]);
    pane.shows("line 1");
    pane.visit_panel(|| {
        let held = pane.screen();
        assert_eq!(held, pane.screen());
    });
    pane.shows("finished");
    let numbers: Vec<u32> =
        pane.history().lines().filter_map(|line| line.strip_prefix("line ")?.trim().parse().ok()).collect();
    assert_eq!(numbers.len(), 40000);
    assert!(numbers.iter().zip(1..).all(|(one, two)| *one == two));
}

#[test]
fn small_terminals_are_usable() {
    for (cols, rows) in [(30, 6), (20, 3), (39, 24), (80, 5), (10, 2), (1, 1)] {
        let scene = Scene::new();
        std::fs::write(scene.path("actor"), "clear; echo hi; : > drawn; read -rsn1 key; echo bye").unwrap();
        let pane = Pane::new(&scene, 80, 24);
        pane.govsh(&["--no-record"], &["bash", "actor"]);
        until("it is drawn", || scene.path("drawn").exists());
        pane.resize(cols, rows);
        until("the size is known", || pane.screen().lines().count() <= usize::from(rows));
        let before = pane.picture();
        pane.types(&["C-\\", "g"]);
        until("the panel is there", || pane.picture() != before);
        pane.types(&["q"]);
        pane.becomes(&before);
        pane.resize(80, 24);
        pane.types(&["x"]);
        pane.shows("bye");
    }
}
