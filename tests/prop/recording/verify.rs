//! A closed recording cannot be changed without being found out, a cut one is a valid prefix, and both say so.

use govsh::recording::{Archive, Integrity, PublicKey, SecretKey, verify};

use super::*;

fn key(seed: u8) -> SecretKey {
    SecretKey::new(&[seed; 32], "laptop".to_owned())
}

fn signed(events: &[Stamped], flush_every: usize) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &start()).expect("a vector takes everything");
    for (index, stamped) in events.iter().enumerate() {
        writer.write(stamped).expect("a vector takes everything");
        if index % flush_every == flush_every - 1 {
            writer.flush().expect("a vector takes everything");
        }
    }
    writer.seal(Some(&key(7))).expect("a vector takes everything");
    writer.into_inner()
}

fn verified(file: &[u8]) -> Result<Integrity, ReadError> {
    verify(Cursor::new(file), None)
}

/// Places after the links of all frames.
pub fn links(file: &[u8]) -> Vec<usize> {
    let archive = Archive::open(Cursor::new(file)).expect("readable");
    let index = |frame: &govsh::recording::Index| (frame.at[0] + frame.at[1] + frame.key) as usize;
    let length = |at: usize| u32::from_le_bytes(file[at + 4..at + 8].try_into().expect("four")) as usize + 8;
    archive.frames().iter().map(index).map(|at| at + length(at)).collect()
}

/// Output in many frames, of so many lines each; with 120, some have keyframes.
fn long(lines: usize) -> Vec<Stamped> {
    let line = |n: u64| format!("\x1b[3{}m{n} {}\r\n", n % 8, "€".repeat(20 + n as usize % 50));
    let event = |n: u64| match n % 9 {
        0 => Event::Alert { pid: 1, what: "x".to_owned() },
        1 => Event::Resize { cols: 80 + (n % 40) as u16, rows: 24 },
        _ => Event::Output { stream: Stream::Terminal, data: line(n).repeat(lines).into_bytes() },
    };
    (0..700).map(|n| Stamped { seq: n, t: n * 11_000_000_000, event: event(n) }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn what_is_signed_verifies(events in events()) {
        let file = signed(&events, 3);
        match verified(&file).expect("readable") {
            Integrity::Signed { by } => {
                prop_assert_eq!((by.key, &by.name[..]), (key(7).public(), "laptop"));
            }
            other => prop_assert!(false, "{other:?}"),
        }
        let by = |seed| verify(Cursor::new(&file), Some(&key(seed).public()));
        let holds = matches!(by(7), Ok(Integrity::Signed { .. }));
        let fails = matches!(by(8), Ok(Integrity::Altered { .. }));
        prop_assert!(holds && fails);
        prop_assert_eq!(verified(&written(&events, 3)).expect("readable"), Integrity::Unsigned { chained: true });
    }

    #[test]
    fn a_changed_byte_is_named_with_its_frame(events in events(), at in any::<prop::sample::Index>(), other in 1u8..) {
        let mut file = signed(&events, 4);
        let links = links(&file);
        let at = at.index(file.len());
        file[at] ^= other;
        let frame = links.iter().filter(|link| **link <= at).count() as u64;
        match verified(&file) {
            Ok(Integrity::Altered { frame: named, .. }) => prop_assert_eq!(named, frame),
            // Its first bytes: no recording at all.
            Err(ReadError::Foreign) => prop_assert!(at < 4),
            other => prop_assert!(false, "byte {at}: {other:?}"),
        }
    }

    #[test]
    fn a_cut_recording_is_a_valid_prefix(events in events(), cut in any::<prop::sample::Index>()) {
        let file = signed(&events, 3);
        let cut = cut.index(file.len());
        let frames = links(&file).iter().filter(|link| **link <= cut).count() as u64;
        match verified(&file[..cut]).expect("a cut file is no error") {
            Integrity::Open { frames: intact, .. } => prop_assert_eq!(intact, frames),
            other => prop_assert!(false, "cut at {cut} of {}: {other:?}", file.len()),
        }
    }

    #[test]
    fn random_bytes_verify_as_nothing(file in vec(any::<u8>(), 4..400)) {
        let closed = matches!(verified(&file), Ok(Integrity::Signed { .. } | Integrity::Unsigned { .. }));
        prop_assert!(!closed);
    }
}

#[test]
fn every_byte_of_one_file() {
    let file = signed(&long(1)[..24], 3);
    let links = links(&file);
    for at in 4..file.len() {
        for change in [1 << (at % 8), 0xff] {
            let mut file = file.clone();
            file[at] ^= change;
            let frame = links.iter().filter(|link| **link <= at).count() as u64;
            let found = verified(&file);
            let named = matches!(found, Ok(Integrity::Altered { frame: named, .. }) if named == frame);
            assert!(named, "byte {at} of {}, frame {frame}: {found:?}", file.len());
        }
    }
}

#[test]
fn every_cut_of_one_file_is_a_prefix() {
    let file = signed(&long(1)[..24], 3);
    for cut in 0..file.len() {
        let found = verified(&file[..cut]);
        assert!(matches!(found, Ok(Integrity::Open { .. })), "cut at {cut} of {}: {found:?}", file.len());
    }
}

#[test]
fn a_long_file_with_keyframes_and_directories() {
    let file = signed(&long(120), 5);
    assert!(matches!(verified(&file), Ok(Integrity::Signed { .. })));
    let links = links(&file);
    assert_eq!(links.len(), 700);
    let keyframes =
        Archive::open(Cursor::new(&file)).expect("readable").frames().iter().filter(|index| index.key > 0).count();
    assert!(keyframes > 5, "{keyframes}");
    // Each region: the bytes right before and after every link, and the last ones of the file.
    let near = links.iter().step_by(70).flat_map(|link| [link - 40, link - 1, *link, link + 9]);
    for at in near.chain(file.len() - 300..file.len()) {
        let mut file = file.clone();
        file[at] ^= 0x10;
        let frame = links.iter().filter(|link| **link <= at).count() as u64;
        let found = verified(&file);
        assert!(matches!(found, Ok(Integrity::Altered { frame: named, .. }) if named == frame), "byte {at}: {found:?}");
    }
}

/// As a reader of zstd's seekable format does: each entry is a part of the file that gives a part of the text.
#[test]
fn the_table_finds_every_part_of_the_text() {
    for count in [10, 40, 700] {
        let file = signed(&long(20)[..count], 3);
        let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four")) as usize;
        assert_eq!(number(file.len() - 4), 0x8F92_EAB1);
        let groups = number(file.len() - 9);
        let table = file.len() - 9 - 8 * groups;
        assert_eq!((number(table - 8), number(table - 4)), (0x184D_2A5E, 8 * groups + 9));
        let whole = zstd::decode_all(&file[..]).expect("ordinary zstd");
        let (mut at, mut text) = (0, 0);
        for group in 0..groups {
            let (length, lines) = (number(table + 8 * group), number(table + 8 * group + 4));
            let part = zstd::decode_all(&file[at..at + length]).expect("a part stands alone");
            assert_eq!(part, whole[text..text + lines], "group {group}");
            (at, text) = (at + length, text + lines);
        }
        assert_eq!((at, text), (table - 8, whole.len()));
    }
}

#[test]
fn frames_that_were_moved_are_altered() {
    let file = signed(&long(3)[..20], 3);
    let archive = Archive::open(Cursor::new(&file)).expect("readable");
    let starts: Vec<usize> = archive.frames().iter().map(|index| index.at[0] as usize).collect();
    let group = |n: usize| &file[starts[n]..starts[n + 1]];
    let parts = |order: &[usize]| -> Vec<u8> { order.iter().flat_map(|n| group(*n).to_vec()).collect() };
    let rest = &file[starts[6]..];
    let other = signed(&long(3)[1..21], 3);
    for (what, begin) in [
        ("dropped", parts(&[0, 1, 3, 4, 5])),
        ("duplicated", parts(&[0, 1, 2, 2, 3, 4, 5])),
        ("reordered", parts(&[0, 1, 3, 2, 4, 5])),
        ("without the first", parts(&[1, 2, 3, 4, 5])),
    ] {
        let found = verified(&[&begin, rest].concat());
        assert!(matches!(found, Ok(Integrity::Altered { .. })), "{what}: {found:?}");
        // Also where the end was thrown away.
        let found = verified(&begin);
        assert!(matches!(found, Ok(Integrity::Altered { .. })), "{what}, open: {found:?}");
    }
    let spliced = [&parts(&[0, 1, 2]), &other[starts[3].min(other.len())..]].concat();
    assert!(matches!(verified(&spliced), Ok(Integrity::Altered { .. })));
    let longer = [&file[..], b"more"].concat();
    assert!(matches!(verified(&longer), Ok(Integrity::Altered { .. })));
}

#[test]
fn a_signature_cannot_be_moved_or_removed() {
    let (file, unsigned) = (signed(&long(3)[..20], 3), written(&long(3)[..20], 3));
    let end = |file: &[u8]| *links(file).last().expect("a frame");
    let stripped = [&file[..end(&file)], &unsigned[end(&unsigned)..]].concat();
    assert!(matches!(verified(&stripped), Ok(Integrity::Altered { .. } | Integrity::Unsigned { .. })));
    let moved = [&unsigned[..end(&unsigned)], &signed(&long(3)[..19], 3)[..]].concat();
    assert!(matches!(verified(&moved), Ok(Integrity::Altered { .. })));
    let _: PublicKey = key(7).public().to_string().parse().expect("a key");
}
