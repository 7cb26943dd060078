//! The same program twice, once with the panel in between.

use crate::pane::Pane;
use crate::picture::Picture;
use crate::scene::{Scene, until};

/// Draws `first`, waits until the terminal has drawn it, writes `rest`, waits for a key, draws `second`.
const ACTOR: &str = r#"stty -echo -icanon
place() { printf '\e[6n'; IFS= read -rs -d R reply; }
cat first; place; cat rest; : > drawn
IFS= read -rsn1 key
cat second; place; : > finished
IFS= read -rsn1 key
"#;

#[derive(Default)]
struct Play<'a> {
    first: &'a [u8],
    rest: &'a [u8],
    second: &'a [u8],
    resized: Option<(u16, u16)>,
    /// govsh does not know that it is tmux: as in a terminal of its own.
    unnamed: bool,
}

/// The pictures before and after the second part.
fn act(play: &Play, panel: bool, expected: Option<&Picture>) -> (Picture, Picture) {
    let scene = Scene::new();
    for (name, bytes) in
        [("first", play.first), ("rest", play.rest), ("second", play.second), ("actor", ACTOR.as_bytes())]
    {
        std::fs::write(scene.path(name), bytes).unwrap();
    }
    let pane = Pane::new(&scene, 80, 24);
    pane.types(&["clear; for n in 1 2 3 4 5 6; do echo a line of the shell $n; done", "Enter"]);
    pane.shows("shell 6\nouter$");
    if play.unnamed {
        pane.types(&["unset TMUX; clear; echo unset", "Enter"]);
        pane.until("unset", |screen| screen.starts_with("unset\nouter$"));
        pane.types(&["clear; for n in 1 2 3 4 5 6; do echo a line of the shell $n; done", "Enter"]);
        pane.shows("shell 6\nouter$");
    }
    pane.govsh(&["--no-record"], &["bash", "actor"]);
    until("the first part is drawn", || scene.path("drawn").exists());
    // The rest may be on its way still, in which case the picture is already the one to come.
    let before = pane.picture();
    let resize = || {
        if let Some((cols, rows)) = play.resized {
            pane.resize(cols, rows);
            until("the size is known", || pane.picture().state != before.state || rows == 24);
        }
    };
    match expected {
        Some(expected) => pane.becomes(expected),
        None => resize(),
    }
    if panel {
        pane.visit_panel(resize);
        if play.resized.is_none() {
            pane.becomes(&before);
        }
    }
    pane.types(&["x"]);
    until("the second part is drawn", || scene.path("finished").exists());
    let after = pane.picture();
    pane.types(&["x"]);
    (before, after)
}

#[track_caller]
fn same(play: &Play) {
    let (before, plain) = act(play, false, None);
    let mut with = vec![act(play, true, Some(&before)).1];
    if play.resized.is_none() {
        with.push(act(&Play { unnamed: true, ..*play }, true, Some(&before)).1);
    }
    for with in with {
        alike(&plain, &with);
    }
}

#[track_caller]
fn alike(plain: &Picture, with: &Picture) {
    if let Some(difference) = plain.difference(with) {
        panic!("{difference}\nwithout: {plain:?}\nwith: {with:?}");
    }
}

fn lines(count: usize) -> Vec<u8> {
    let line = |n: usize| format!("\x1b[3{}mline {n}\x1b[0m of \x1b[1;48;5;{}ma log 世界\x1b[0m\n", n % 8, n % 256);
    (1..=count).map(line).collect::<String>().into_bytes()
}

#[test]
fn a_log_that_has_scrolled() {
    same(&Play { first: &lines(60), second: &lines(7), ..Play::default() });
}

#[test]
fn a_few_lines_under_those_of_the_shell() {
    same(&Play { first: &lines(3), rest: b"\x1b[1;4;38;2;1;2;3mand", second: b" more\nlines\n", ..Play::default() });
}

#[test]
fn the_last_cell_with_the_wrap_pending() {
    same(&Play { first: b"\x1b[31m\x1b[24;80HX", second: b"Y", ..Play::default() });
    same(&Play { first: "\x1b[24;79H世".as_bytes(), second: b"Y", ..Play::default() });
    same(&Play { first: b"\x1b[?1049h\x1b[2J\x1b[24;80H\x1b[7mX", second: b"Y", ..Play::default() });
}

#[test]
fn a_scroll_region_and_a_saved_cursor() {
    let first = b"\x1b[5;20r\x1b[10;5H\x1b[32mhere\x1b7\x1b[0m\x1b[20;1Hone\ntwo\nthree\x1b[7;7H";
    same(&Play { first, second: b"\x1b8again\x1b[20;1H\n\n\nend\x1b[r\x1b[24;1Hlast\n", ..Play::default() });
}

#[test]
fn a_viewport_that_puts_lines_above_itself() {
    // As inline agents draw: rows are inserted above by a region, the viewport stays below.
    let insert = |n: usize| format!("\x1b7\x1b[1;18r\x1b[18;1H\r\n\x1b[2K{n}: an inserted line\x1b[r\x1b8");
    let viewport = "\x1b[19;1H\x1b[J\x1b[48;5;236m› type here          \x1b[0m\r\n  hints\x1b[19;3H";
    let first = viewport.to_owned() + &(1..25).map(insert).collect::<String>();
    let second = (25..32).map(insert).collect::<String>() + "typed";
    same(&Play { first: first.as_bytes(), second: second.as_bytes(), ..Play::default() });
}

#[test]
fn origin_insert_charset_and_no_wrap() {
    let first = b"\x1b[3;10r\x1b[?6h\x1b[2;2Habcdef\x1b[4h\x1b(0\x1b[1;31;44m\x1b[2;3H";
    same(&Play { first, second: b"qqq\x1b[5;1Hxx\x1b(B", ..Play::default() });
    same(&Play { first: b"\x1b)0\x0e\x1b[?7l\x1b[?25l", second: &[b'q'; 100], ..Play::default() });
    same(&Play {
        first: b"\x1b[?1049h\x1b[H\x1b[3;10r\x1b[?6h\x1b[4habc\x1b[1;2H",
        second: b"inserted\n\n\n\n\n\n\n\n\nx",
        ..Play::default()
    });
}

#[test]
fn the_alternate_screen_with_everything_on_it() {
    let wide: String =
        (1..=24).map(|row| format!("\x1b[{row};1H\x1b[3{}m{}\x1b[0m", row % 8, "世界x".repeat(16))).collect();
    let styles = "\x1b[5;5H\x1b[1;2;3;4;5;7;9mall\x1b[0m\x1b[6;1H\x1b[45m\x1b[K\x1b[0m\x1b[12;40H";
    let first = format!("\x1b[?1049h\x1b[?1000h\x1b[?2004h{wide}{styles}");
    same(&Play { first: first.as_bytes(), second: b"over\x1b[?1000l\x1b[?1049lback\n", ..Play::default() });
}

#[test]
fn in_the_middle_of_a_sequence() {
    same(&Play { first: b"abc", rest: b"\x1b[3", second: b"1mred\n", ..Play::default() });
    same(&Play { first: b"abc", rest: b"\x1b]2;a ti", second: b"tle\x1b\\def\n", ..Play::default() });
    same(&Play { first: b"abc", rest: b"\xe4\xb8", second: b"\x96def\n", ..Play::default() });
    same(&Play { first: b"\x1b[?1049h\x1b[Habc", rest: b"\x1b", second: b"[5;5Hdef\n", ..Play::default() });
}

#[test]
fn another_size_while_it_is_open() {
    let second = b"after\n";
    same(&Play { first: &lines(60), second, resized: Some((70, 18)), ..Play::default() });
    same(&Play { first: &lines(60), second, resized: Some((100, 30)), ..Play::default() });
    let first = b"\x1b[?1049h\x1b[2J\x1b[H\x1b[32mtext\x1b[10;1Hmore\x1b[3;3H";
    same(&Play { first, second: b"\x1b[1;1H\x1b[2Kdrawn again", resized: Some((60, 20)), ..Play::default() });
}
