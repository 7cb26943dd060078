//! Any moment of a real recording is what feeding it from the start shows, however it is reached.

use std::path::{Path, PathBuf};

use govsh::recording::{Reader, draw};
use govsh::screen::Screen;
use govsh::tui::player::Player;
use govsh::tui::source::{Recorded, Source};

use crate::outer::Outer;
use crate::scene::{GOVSH, Scene};

/// The screen at each of these times, from the start.
fn from_the_start(path: &Path, times: &[u64]) -> Vec<Screen> {
    let mut screens: Vec<Screen> = Vec::new();
    for until in times {
        let mut screen: Option<Screen> = None;
        for stamped in Reader::open(std::fs::File::open(path).unwrap()).unwrap().map(Result::unwrap) {
            if let govsh::event::Event::Start(start) = &stamped.event {
                screen.get_or_insert_with(|| Screen::new(start.cols, start.rows));
            }
            if stamped.t > *until {
                break;
            }
            draw(screen.as_mut().unwrap(), &stamped.event);
        }
        screens.push(screen.unwrap());
    }
    screens
}

fn is_the_same_everywhere(path: PathBuf) {
    let mut source = Recorded::open(path.clone()).unwrap();
    let end = source.duration();
    let times: Vec<u64> = (0..=6).map(|part| end / 6 * part).chain([end]).collect();
    let wanted = from_the_start(&path, &times);
    let mut player = Player::new(&mut source).unwrap();
    // Forward, and then jumping to and fro.
    let order = (0..times.len()).chain([5, 1, 4, 0, 7, 2, 6, 3]);
    for at in order {
        player.seek(&mut source, times[at]).unwrap();
        assert_eq!(player.screen(), &wanted[at], "{} at {}", path.display(), times[at]);
    }
}

#[test]
fn programs_recorded_now() {
    for (words, seen, keys) in [
        (&["vim", "-u", "NONE", "-i", "NONE", "-n", "poem"][..], "verse 1", "GOtext\x1b:q!\r"),
        (&["less", "poem"][..], "verse 1", "  b/verse 5\rq"),
        (&["htop", "-d", "1"][..], "Load", "q"),
        (&["sh", "-c", "seq 1 20000; stty size"][..], "20000", ""),
    ] {
        let scene = Scene::new();
        std::fs::write(scene.path("poem"), (1..=80).map(|line| format!("verse {line}\n")).collect::<String>()).unwrap();
        let mut outer = Outer::start(&scene, &[&[GOVSH, "--quiet", "--policy", "observe", "--"], words].concat(), true);
        outer.sees(seen);
        outer.resize(20, 60);
        outer.types(keys);
        outer.ends();
        is_the_same_everywhere(scene.recording());
    }
}

#[test]
fn golden_recordings() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings");
    for entry in std::fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().ends_with(".cast.zst") {
            is_the_same_everywhere(path);
        }
    }
}
