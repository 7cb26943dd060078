//! The glass shows what a screen shows.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// Text, controls and sequences that matter to text, and some that are broken.
fn token() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![3 => 0u16..12, 1 => any::<u16>()];
    let finals: Vec<u8> = b"ABCDEFGHIJKLMPSTXZ`abdefghlmrsu@".to_vec();
    let csi = (select(vec!["", "?", ">", "!"]), vec(number, 0..3), select(finals)).prop_map(|(sign, numbers, last)| {
        let numbers: Vec<_> = numbers.iter().map(u16::to_string).collect();
        format!("\x1b[{sign}{}{}", numbers.join(";"), char::from(last)).into_bytes()
    });
    let modes = select(vec!["?6", "?7", "?1047", "?1048", "?1049", "4", "20"]);
    let mode = (modes, select(vec!["h", "l"])).prop_map(|(mode, set)| format!("\x1b[{mode}{set}").into_bytes());
    let words = vec![
        "\r",
        "\n",
        "\r\n",
        "\t",
        "\x08",
        "\x1bM",
        "\x1bD",
        "\x1bE",
        "\x1b7",
        "\x1b8",
        "\x1bH",
        "\x1bc",
        "\x1b#8",
        "\x0e",
        "\x0f",
        "\x1b(0",
        "\x1b(B",
        "\x1b)0",
        "漢字",
        "é",
        "e\u{301}",
        "🦀",
        "\u{9b}2J",
        "\x7f",
        "\u{a0}",
        "\x1b[!p",
        "\x1b]0;t\x07",
        "\x1b]8;id=a;http://b\x07",
        "\x1bPq#\x1b\\",
        "\x1b[",
    ];
    prop_oneof![
        4 => "[ -~]{0,30}".prop_map(String::into_bytes),
        4 => csi,
        2 => mode,
        4 => select(words).prop_map(|word| word.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..6),
    ]
}

fn same(screen: &Screen, glass: &Glass) -> Result<(), TestCaseError> {
    let (rows, cols) = (screen.size().1, screen.size().0);
    for row in 0..rows {
        prop_assert_eq!(screen.row_text(row), glass.row_text(usize::from(row)), "row {}", row);
        prop_assert_eq!(screen.is_wrapped(row), glass.grid.row(usize::from(row)).is_some_and(|row| row.wrapped));
    }
    let cursor = screen.cursor();
    prop_assert_eq!(
        (usize::from(cursor.row), usize::from(cursor.col)),
        (glass.row, glass.col.min(usize::from(cols) - 1))
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn it_shows_what_a_screen_shows(size in (1u16..14, 1u16..8), tokens in vec(token(), 0..40), cut in any::<prop::sample::Index>()) {
        let bytes = tokens.concat();
        let (first, second) = bytes.split_at(cut.index(bytes.len() + 1));
        let mut screen = Screen::new(size.0, size.1);
        let mut glass = Glass::new(size.0, size.1);
        for part in [first, second] {
            screen.feed(part);
            glass.feed(part, &mut Blind);
            same(&screen, &glass)?;
        }
    }

    #[test]
    fn it_goes_on_where_a_screen_is(size in (2u16..14, 1u16..8), tokens in vec(token(), 0..30), cut in any::<prop::sample::Index>()) {
        let bytes = tokens.concat();
        let (first, second) = bytes.split_at(cut.index(bytes.len() + 1));
        let mut screen = Screen::new(size.0, size.1);
        screen.feed(first);
        let Some(mut screen) = Screen::restore(&screen.dump()) else { return Err(TestCaseError::fail("no dump")) };
        let Some(mut glass) = Glass::of(&screen.dump(), &mut Blind) else { return Err(TestCaseError::fail("no dump")) };
        same(&screen, &glass)?;
        screen.feed(second);
        glass.feed(second, &mut Blind);
        same(&screen, &glass)?;
    }
}
