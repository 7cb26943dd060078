//! Laws of the model.

use proptest::prelude::*;

use super::{Attrs, Colour, Screen};

fn screen(cols: u16, rows: u16, text: &str) -> Screen {
    let mut screen = Screen::new(cols, rows);
    screen.feed(text.as_bytes());
    screen
}

/// Everything that can be told of a screen.
fn whole(screen: &Screen) -> (Vec<u8>, usize, Vec<String>) {
    let cols = screen.size().0;
    let history = (0..screen.scrollback())
        .map(|line| (0..cols).map(|col| screen.scrollback_cell(line, col).text).collect())
        .collect();
    (screen.dump(), screen.scrollback(), history)
}

#[test]
fn text_colours_and_wide_characters_are_cells() {
    let screen = screen(10, 3, "\x1b[1;31mab\x1b[0m\r\n世\x1b[48;2;1;2;3mx");
    let bold = screen.cell(0, 0);
    assert_eq!((bold.text, bold.fg, bold.attrs), ('a', Colour::Indexed(1), Attrs::BOLD));
    assert_eq!((screen.cell(1, 0).text, screen.cell(1, 0).width, screen.cell(1, 1).width), ('世', 2, 0));
    assert_eq!(screen.cell(1, 2).bg, Colour::Rgb(1, 2, 3));
    assert_eq!(screen.text(), ["ab", "世x", ""]);
    assert_eq!(screen.modes().pen.bg, Colour::Rgb(1, 2, 3));
    assert_eq!(screen.cell(99, 99).text, ' ');
}

#[test]
fn what_avt_misreads_is_put_right() {
    let curly = screen(10, 1, "\x1b[4:3ma\x1b[4:0mb\x1b[58;2;5;4;9mc\x1b[0;58:5:1;1md\x1b[58;5;1me");
    let attrs: Vec<Attrs> = (0..5).map(|col| curly.cell(0, col).attrs).collect();
    let none = Attrs::empty();
    assert_eq!(attrs, [Attrs::UNDERLINE, none, none, Attrs::BOLD, Attrs::BOLD]);
    let colour = screen(10, 1, "\x1b[38;2;21;58;4;4:2ma");
    assert_eq!((colour.cell(0, 0).fg, colour.cell(0, 0).attrs), (Colour::Rgb(21, 58, 4), Attrs::UNDERLINE));
    let accent = screen(10, 1, "e\u{301}x\u{200d}y\x7fz");
    assert_eq!(accent.row_text(0), "exyz");
}

#[test]
fn the_character_sets_come_back_with_the_cursor() {
    let screen = screen(10, 1, "\x1b(0\x1b7\x1b(Bq\x1b8\x1b[2Gq");
    assert_eq!(screen.row_text(0), "q─");
}

#[test]
fn modes_are_known() {
    let mut screen =
        screen(10, 5, "\x1b[?2004;1006;1000h\x1b[2;4r\x1b[?6h\x1b[4h\x1b[?7l\x1b[3 q\x1b[>5u\x1b]0;a\x07\x1b=");
    let modes = screen.modes();
    assert!(modes.is_set(2004) && modes.is_set(1006) && modes.mouse() && modes.keypad);
    assert!(modes.origin && modes.insert && !modes.autowrap);
    assert_eq!((modes.region, modes.cursor_style, modes.kitty, screen.title()), ((1, 3), 3, 5, "a"));
    screen.feed(b"\x1b[<u\x1b[?2026h\x1b[?2004l\x1b]2;b\x1b\\");
    let modes = screen.modes();
    assert!(!modes.is_set(2004) && modes.is_set(2026));
    assert_eq!((modes.kitty, screen.title()), (0, "b"));
    screen.feed(b"\x1bc");
    assert_eq!(screen.modes(), Screen::new(10, 5).modes());
}

#[test]
fn the_last_column_holds_the_wrap_back() {
    let mut screen = screen(4, 2, "abcd");
    assert!(screen.modes().pending_wrap);
    assert_eq!(screen.cursor().col, 3);
    screen.feed(b"e");
    assert_eq!(screen.text(), ["abcd", "e"]);
}

#[test]
fn hostile_sizes_and_endless_sequences_are_bounded() {
    let mut screen = Screen::new(u16::MAX, u16::MAX);
    assert_eq!(screen.size(), (2048, 128));
    screen.resize(0, u16::MAX);
    assert_eq!(screen.size(), (1, 1024));
    screen.resize(80, 24);
    screen.feed(b"\x1b]52;c;");
    (0..1000).for_each(|_| screen.feed(&[b'A'; 1000]));
    assert!(screen.unfinished().len() <= 64 << 10 && !screen.is_ground());
    assert!(Screen::restore(&screen.dump()).is_some());
    screen.feed(b"\x07ok\x1b[");
    (0..10).for_each(|_| screen.feed(&[b'1'; 1000]));
    assert!(screen.is_ground());
    screen.feed(b"a\x1b[65535b");
}

#[test]
fn a_flood_shows_its_end() {
    let line = format!("\x1b[31m{}\x1b[0m\r\n", "x".repeat(78));
    let mut screen = Screen::new(80, 24);
    screen.feed(line.repeat(800).as_bytes());
    screen.feed(b"end");
    assert_eq!((screen.row_text(0), screen.row_text(23)), ("x".repeat(78), "end".to_owned()));
    assert_eq!((screen.cell(0, 0).fg, screen.cell(23, 0).fg), (Colour::Indexed(1), Colour::Default));
}

#[test]
fn a_dump_is_refused_when_it_is_none() {
    let dump = screen(20, 5, "hello\x1b[1;3").dump();
    assert!(Screen::restore(&dump).is_some());
    for length in 0..dump.len() {
        assert!(Screen::restore(&dump[..length]).is_none(), "{length}");
    }
    assert!(Screen::restore(&[&dump[..], b"x"].concat()).is_none());
}

/// Pieces that terminals get, and pieces of pieces.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let number = || prop_oneof![Just(String::new()), (0u16..30).prop_map(|n| n.to_string()), Just("65535".to_owned())];
    let csi = (prop::sample::select(vec!["", "", "", "?", ">", "<", "="]), number(), number(), number(), "[@-~]");
    let private = (
        prop::sample::select(vec![1u16, 6, 7, 25, 47, 1000, 1047, 1048, 1049, 2004, 2026]),
        prop::sample::select(vec!['h', 'l']),
    );
    prop_oneof![
        4 => "[ -~]{0,12}".prop_map(String::into_bytes),
        2 => "[a-z]{0,4}(\r\n|\n|\r|\t)".prop_map(String::into_bytes),
        2 => "[世界é─\u{301}x🙂]{1,3}".prop_map(String::into_bytes),
        3 => csi.prop_map(|(p, a, b, c, f)| format!("\x1b[{p}{a};{b};{c}{f}").into_bytes()),
        2 => csi_short(),
        2 => private.prop_map(|(mode, on)| format!("\x1b[?{mode}{on}").into_bytes()),
        2 => prop::sample::select(vec!["\x1b7", "\x1b8", "\x1b[s", "\x1b[u", "\x1bc", "\x1bM", "\x1bD", "\x1bE", "\x1b#8", "\x1b(0",
            "\x1b(B", "\x1b)0", "\x0e", "\x0f", "\x1b[!p", "\x1b]0;t\x07", "\x1b]2;u\x1b\\", "\x1bP1$q\x1b\\", "\x1b[4:3m", "\x08"])
            .prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ]
}

fn csi_short() -> impl Strategy<Value = Vec<u8>> {
    ("[ABCDGHJKLMPSTXdmrfhl@]", 0u8..9, 0u8..9).prop_map(|(last, a, b)| format!("\x1b[{a};{b}{last}").into_bytes())
}

fn stream(pieces: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(piece(), 0..pieces).prop_map(|pieces| pieces.concat())
}

/// Lines as a flood has them, with what makes lines wrap.
fn flood() -> impl Strategy<Value = Vec<u8>> {
    let colour = || {
        let sequences =
            vec!["", "", "\x1b[0m", "\x1b[1;41m", "\x1b[m\x1b[K", "\x1b[4:3m", "\x1b[58;5;1m", "\x1b[0;7m", "\x1b[1K"];
        prop::sample::select(sequences)
    };
    let end = prop::sample::select(vec!["\r\n", "\r\n", "\r\n", "\n", "\r", "\n\r"]);
    let line = (colour(), "[a-z\t世]{0,30}", colour(), end).prop_map(|(a, b, c, d)| format!("{a}{b}{c}{d}"));
    let odd = prop_oneof![30 => Just(String::new()), 1 => Just("\x1b[H".to_owned()), 1 => Just("\x1b[2;4r".to_owned())];
    prop::collection::vec((line, odd), 0..120)
        .prop_map(|lines| lines.into_iter().map(|(line, odd)| line + &odd).collect::<String>().into_bytes())
}

fn size() -> impl Strategy<Value = (u16, u16)> {
    (1u16..24, 1u16..9)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn split_anywhere_is_whole((cols, rows) in size(), bytes in stream(40), flood in flood(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let bytes = [bytes, flood].concat();
        let mut whole_one = Screen::with_scrollback(cols, rows, 5);
        whole_one.feed(&bytes);
        let mut split = Screen::with_scrollback(cols, rows, 5);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let mut from = 0;
        for cut in cuts.into_iter().chain([bytes.len()]) {
            split.feed(&bytes[from..cut]);
            from = cut;
        }
        prop_assert_eq!(whole(&whole_one), whole(&split));
        let mut single = Screen::with_scrollback(cols, rows, 5);
        bytes.iter().for_each(|byte| single.feed(&[*byte]));
        prop_assert_eq!(whole(&whole_one), whole(&single));
        prop_assert!(whole_one == split);
    }

    #[test]
    fn what_is_skipped_would_not_show((cols, rows) in size(), before in stream(20), flood in flood(), after in stream(10), history in 0usize..12) {
        let mut fast = Screen::with_scrollback(cols, rows, history);
        let mut slow = Screen::with_scrollback(cols, rows, history);
        for screen in [&mut fast, &mut slow] {
            screen.feed(&before);
        }
        fast.feed(&flood);
        flood.iter().for_each(|byte| slow.feed(&[*byte]));
        prop_assert_eq!(whole(&fast), whole(&slow));
        for screen in [&mut fast, &mut slow] {
            screen.feed(&after);
        }
        prop_assert_eq!(whole(&fast), whole(&slow));
    }

    #[test]
    fn a_restored_screen_goes_on_as_the_first((cols, rows) in size(), before in stream(40), after in stream(20), resized in size()) {
        let mut first = Screen::new(cols, rows);
        first.feed(&before);
        let dump = first.dump();
        let mut second = Screen::restore(&dump).unwrap();
        prop_assert_eq!(&dump, &second.dump());
        prop_assert_eq!(first.unfinished(), second.unfinished());
        for screen in [&mut first, &mut second] {
            screen.feed(&after);
        }
        prop_assert_eq!(first.dump(), second.dump());
        for screen in [&mut first, &mut second] {
            screen.resize(resized.0, resized.1);
            screen.feed(&before);
        }
        prop_assert_eq!(first.dump(), second.dump());
        prop_assert!(first == second);
    }

    #[test]
    fn no_dump_is_dangerous(bytes in stream(20), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut dump = screen(12, 4, &String::from_utf8_lossy(&bytes)).dump();
        let at = at.index(dump.len());
        dump[at] = byte;
        if let Some(mut screen) = Screen::restore(&dump) {
            screen.feed(&bytes);
            let _ = (screen.dump(), screen.modes(), screen.text());
        }
    }
}
