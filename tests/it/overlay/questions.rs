//! Questions of a real policy, answered at the terminal.

use crate::pane::Pane;
use crate::scene::{GOVSH, Scene, until};

/// Asks before `echo push …`, and says what came of it.
const POLICY: &str = "version = 1\nextends = [\"observe\"]\n[exec]\nask = [{ argv = \"echo push **\", reason = \"it leaves the house\" }]\n";

struct Asked<'a> {
    scene: &'a Scene,
    pane: Pane<'a>,
}

impl<'a> Asked<'a> {
    /// Runs the script under the policy.
    fn new(scene: &'a Scene, options: &[&str], script: &str) -> Self {
        std::fs::write(scene.path("../policy.toml"), POLICY).unwrap();
        std::fs::write(scene.path("script"), script).unwrap();
        let pane = Pane::new(scene, 90, 24);
        let words = [&[GOVSH, "--quiet", "--policy", "../policy.toml"], options, &["--", "bash", "script"]].concat();
        pane.types(&["-l", &words.join(" ")]);
        pane.types(&["Enter"]);
        Asked { scene, pane }
    }

    /// The panel, once keys count.
    #[track_caller]
    fn ready(&self, question: &str) -> String {
        self.pane.until(question, |screen| {
            screen.contains("govsh asks")
                && screen.contains(question)
                && !screen.contains("a moment")
                && !screen.contains("answering")
        })
    }

    #[track_caller]
    fn gone(&self) {
        until("the panel is gone", || !self.pane.screen().contains("govsh asks"));
    }

    fn events(&self, kind: &str) -> String {
        let show = [GOVSH, "show", "last", "--events", "--kind", kind, "--json"];
        String::from_utf8_lossy(&self.scene.command(&show).output().unwrap().stdout).into_owned()
    }
}

const ONE: &str =
    "echo before; /bin/echo push one && echo allowed || echo denied; read -rsn1 key; echo \"key: $key\"; read x";

#[test]
fn it_says_who_what_why_and_takes_once_or_deny() {
    for (key, verdict) in [("o", "push one\nallowed"), ("d", "denied")] {
        let scene = Scene::new();
        let asked = Asked::new(&scene, &[], ONE);
        let panel = asked.ready("push one");
        for part in [
            "bash wants to run",
            "/bin/echo push one",
            "it leaves the house",
            "policy.toml:4",
            "always:",
            "exec \"",
            "answers/",
        ] {
            assert!(panel.contains(part), "{part}: {panel}");
        }
        // Neither of these answers, however long one waits.
        for other in ["Enter", "Space", "y", "C-m", "M-o", "F1"] {
            asked.pane.types(&[other]);
        }
        asked.pane.types(&["-l", "oo"]);
        // The arrow shows that they were read: a key that is read together with them counts for nobody either.
        let rule = |screen: &str| screen.lines().find(|line| line.contains("always:")).map(str::to_owned);
        asked.pane.types(&["Right"]);
        asked.pane.until("a wider rule", |screen| rule(screen).is_some_and(|wider| Some(wider) != rule(&panel)));
        asked.pane.types(&[key]);
        asked.gone();
        asked.pane.shows(verdict);
        asked.pane.types(&["k"]);
        asked.pane.shows("key: k");
        asked.pane.types(&["Enter"]);
        until("the answer is recorded", || asked.events("answer").contains("\"by\":\"terminal\""));
    }
}

#[test]
fn what_was_typed_before_is_the_programs() {
    let scene = Scene::new();
    let script = "echo ready; read -rsn1 go; /bin/echo push && echo allowed || echo denied; read -rsn6 rest; echo \"rest: $rest\"; read x";
    let asked = Asked::new(&scene, &[], script);
    asked.pane.shows("ready");
    // In one go, and while it opens: nothing of it answers, all of it arrives.
    asked.pane.types(&["g", "o", "o", "o", "s", "a", "d"]);
    asked.ready("push");
    assert!(!asked.pane.screen().contains("allowed"));
    asked.pane.types(&["d"]);
    asked.gone();
    asked.pane.shows("denied");
    asked.pane.shows("rest: ooosad");
}

#[test]
fn a_burst_is_one_panel() {
    let scene = Scene::new();
    let script = "for n in 1 2 3; do /bin/echo push $n & done; wait; echo all over; read x";
    let asked = Asked::new(&scene, &[], script);
    asked.ready("2 more waiting");
    asked.pane.types(&["Down"]);
    asked.ready("2 more waiting");
    for left in ["1 more waiting", "push", ""] {
        asked.pane.types(&["o"]);
        match left {
            "" => asked.gone(),
            "push" => drop(asked.pane.until("the last one", |screen| {
                screen.contains("push")
                    && !["more waiting", "a moment", "answering"].iter().any(|word| screen.contains(word))
            })),
            left => drop(asked.ready(left)),
        }
    }
    let over = asked.pane.shows("all over");
    for n in 1..=3 {
        assert!(over.contains(&format!("push {n}\n")), "{over}");
    }
}

#[test]
fn session_never_and_always_hold() {
    let scene = Scene::new();
    let script = "for n in 1 2 3; do /bin/echo push same && echo allowed $n || echo denied $n; done; read x";
    let asked = Asked::new(&scene, &[], script);
    asked.ready("push same");
    asked.pane.types(&["s"]);
    asked.pane.shows("allowed 3");
    asked.pane.types(&["Enter"]);

    let scene = Scene::new();
    let asked = Asked::new(&scene, &[], script);
    asked.ready("push same");
    asked.pane.types(&["n"]);
    asked.pane.shows("denied 3");
    asked.pane.types(&["Enter"]);

    let scene = Scene::new();
    let asked = Asked::new(&scene, &[], script);
    asked.ready("push same");
    asked.pane.types(&["a"]);
    asked.pane.shows("allowed 3");
    let answers = scene.root().join("home/.config/govsh/answers");
    let kept = std::fs::read_dir(&answers).unwrap().map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let kept: Vec<String> = kept.collect();
    assert!(kept.iter().any(|text| text.contains("push same")), "{kept:?}");
}

#[test]
fn the_screen_can_be_seen_first_and_time_runs_out() {
    let scene = Scene::new();
    let asked = Asked::new(&scene, &["--ask-timeout", "6"], ONE);
    asked.ready("push one");
    asked.pane.types(&["v"]);
    asked.gone();
    asked.pane.types(&["v"]);
    asked.pane.shows("govsh asks");
    asked.pane.shows("00:01");
    asked.gone();
    asked.pane.shows("denied");
}

#[test]
fn over_vim_it_leaves_vim_as_it_was() {
    let scene = Scene::new();
    std::fs::write(scene.path("text"), "some words\n".repeat(60)).unwrap();
    let script = "(until [ -e go ]; do sleep 0.05; done; /bin/echo push x > out) & exec vim -N -u NONE -c 'set number ruler' text";
    let asked = Asked::new(&scene, &[], script);
    asked.pane.shows("23 some words");
    asked.pane.types(&["10G", "5l"]);
    asked.pane.shows("10,6");
    let before = asked.pane.picture();
    std::fs::write(scene.path("go"), "").unwrap();
    asked.ready("push x");
    asked.pane.types(&["o"]);
    asked.gone();
    asked.pane.becomes(&before);
    until("the program ran", || scene.read("out") == "push x\n");
    asked.pane.types(&[":q", "Enter"]);
}
