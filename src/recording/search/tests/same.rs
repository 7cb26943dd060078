//! What is left undrawn changes nothing.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// Mostly lines of a flood, now and then something that is not.
fn token() -> impl Strategy<Value = String> {
    let other = vec![
        "\r",
        "\n",
        "\t",
        "\x1b[H",
        "\x1b[2J",
        "\x1b[3;2H",
        "\x1b[K",
        "\x1b[1K",
        "\x1b[2K",
        "\x1b[2;4r",
        "\x1b[r",
        "\x1b[?1049h",
        "\x1b[?1049l",
        "\x1b[?7l",
        "\x1b[?7h",
        "\x1b[4h",
        "\x1b[4l",
        "\x1b[A",
        "\x1b[",
        "\x1b(0",
        "\x1b(B",
        "\x1b]0;ab\x07",
        "\x0e",
        "\x0f",
        "客",
        "é",
        "a\u{301}",
    ];
    let line = "[abc xy]{0,9}(\x1b\\[3[0-7]m)?[abcxy]{0,40}\r?\r\n";
    let lines = vec(line, 0..60).prop_map(|lines| lines.concat());
    let dull = (0usize..60).prop_map(|count| "nothing here\r\n".repeat(count));
    prop_oneof![3 => lines, 3 => dull, 2 => "[abcxy ]{0,12}", 1 => select(other).prop_map(str::to_owned)]
}

fn patterns() -> impl Strategy<Value = &'static str> {
    select(vec!["ab", "^ab", "ab$", "a.*b c", "\\bcab\\b", "cab|bacc", "[ab]{6}", "aé", "x客", "ab y", "A\\Sb", "c{4}"])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn what_is_left_out_could_not_be_found(
        tokens in vec(token(), 1..14),
        cuts in vec(any::<prop::sample::Index>(), 0..12),
        pattern in patterns(),
        context in 0usize..3,
        resize in any::<bool>(),
    ) {
        let bytes = tokens.concat().into_bytes();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([0, bytes.len()]).collect();
        cuts.sort_unstable();
        let parts = cuts.windows(2).filter_map(|two| bytes.get(two[0]..two[1])).filter(|part| !part.is_empty());
        let output = |part: &[u8]| Event::Output { stream: Stream::Terminal, data: part.to_vec() };
        let mut events: Vec<_> = (1..).zip(parts).map(|(n, part)| (n * 700, output(part))).collect();
        if resize {
            let middle = events.len() / 2;
            let t = events.get(middle).map_or(1, |event| event.0);
            events.insert(middle, (t, Event::Resize { cols: 30, rows: 5 }));
        }
        let file = recorded(events);
        let fast = Query::new(pattern, false, Case::Smart, Places::OUTPUT, context).expect("a pattern");
        prop_assert!(fast.relaxed.is_some());
        let slow = Query { relaxed: None, needed: None, ..fast.clone() };
        prop_assert_eq!(all(&file, &fast, 1), all(&file, &slow, 1));
    }
}
