//! Recordings that nobody honest would make.

use std::io::Write;

/// A data frame of these lines.
pub fn data(text: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(text, 1).expect("a vector takes everything")
}

/// The header and the first event, as a session with this size, argument and title would have them.
pub fn head(cols: u32, rows: u32, argument: &str) -> String {
    let argument = serde_json::to_string(argument).expect("JSON");
    format!(
        "{{\"version\":3,\"term\":{{\"cols\":{cols},\"rows\":{rows}}},\"timestamp\":1,\"command\":{argument},\"govsh\":{{\"format\":2,\"id\":\"k3f9\"}}}}\n\
         #govsh {{\"seq\":0,\"t\":0.000000,\"kind\":\"start\",\"id\":\"k3f9\",\"timestamp\":1,\"argv\":[\"sh\",{argument}],\"cwd\":{argument},\"user\":{argument},\"uid\":0,\"host\":{argument},\"version\":{argument},\"cols\":{cols},\"rows\":{rows},\"term\":{argument},\"stdin_tty\":true,\"stdout_tty\":true,\"stderr_tty\":true}}\n"
    )
}

/// A skippable frame of ours: kind 1 index, 2 end, 3 keyframe, 4 directory.
pub fn note(kind: u8, members: &[u8]) -> Vec<u8> {
    let mut content = b"govsh\0\x02".to_vec();
    content.push(kind);
    content.extend_from_slice(members);
    // The links and signatures of nobody.
    let (links, back) = match kind {
        1 => (32, false),
        2 => (96, true),
        _ => (0, false),
    };
    content.extend(std::iter::repeat_n(0, links));
    let whole = content.len() as u32 + 8 + if back { 4 } else { 0 };
    let mut out = 0x184D_2A57_u32.to_le_bytes().to_vec();
    out.extend_from_slice(&(whole - 8).to_le_bytes());
    out.extend_from_slice(&content);
    if back {
        out.extend_from_slice(&whole.to_le_bytes());
    }
    out
}

/// An index that claims what it likes.
pub fn index(claims: &str) -> Vec<u8> {
    note(1, format!("{{\"frame\":0,\"ns\":[0,1],\"seq\":[0,1],\"at\":[0,9],\"text\":[0,9],{claims}\"counts\":{{\"output\":18446744073709551615}}}}").as_bytes())
}

/// zstd's seek table, of no use, as a closed recording ends.
pub fn table(groups: u32) -> Vec<u8> {
    let mut out = 0x184D_2A5E_u32.to_le_bytes().to_vec();
    out.extend_from_slice(&17u32.to_le_bytes());
    out.extend_from_slice(&[0xff; 8]);
    out.extend_from_slice(&groups.to_le_bytes());
    out.push(0);
    out.extend_from_slice(&0x8F92_EAB1_u32.to_le_bytes());
    out
}

/// A data frame that begins with `head` and goes on for `blocks` × 128 KiB of one byte: four bytes in the file for each.
pub fn bomb(head: &[u8], byte: u8, blocks: usize) -> Vec<u8> {
    let mut out = 0xFD2F_B528_u32.to_le_bytes().to_vec();
    // No checksum, a window of 128 KiB.
    out.extend_from_slice(&[0, 7 << 3]);
    let block = |size: u32, kind: u32, last: bool| (size << 3 | kind << 1 | u32::from(last)).to_le_bytes();
    out.write_all(&block(head.len() as u32, 0, false)[..3]).expect("a vector takes everything");
    out.extend_from_slice(head);
    for n in 1..=blocks {
        out.extend_from_slice(&block(128 << 10, 1, n == blocks)[..3]);
        out.push(byte);
    }
    out
}
