//! Recordings made to hurt whoever looks at them: nothing crashes, hangs, takes the memory, or reaches a terminal raw.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, NativePtySystem, PtySize, PtySystem};

use crate::desk::Desk;
use crate::forge::{bomb, data, head, index, note, table};

/// Seconds of processor time and bytes of address space for one command.
const CPU: u32 = 60;
const MEMORY: u64 = 3 << 30;
/// Seconds after which a command that does not spin hangs: a busy machine takes minutes for what it could do in seconds.
const HANGS: u64 = 600;

/// What must not come out on a terminal: nobody of ours writes these.
const RAW: [&[u8]; 5] = [b"\x1b]0;owned", b"\x1b]52;", b"\x1b[5n", b"\x1bc", b"\x07"];
/// The same as an attacker puts it into names, with the C1 form.
const PAYLOAD: &str = "\x1b]0;owned\x07\x1b]52;c;QQ==\x07\x1b[5n\x1bc\u{9b}5n\u{202e}\r\n";

/// Every way to look at the file, from a pipe.
fn look(desk: &Desk, path: &Path, name: &str) {
    let file = path.to_str().expect("UTF-8");
    let ways: [&[&str]; 10] = [
        &["ls"],
        &["ls", "--json"],
        &["show", file],
        &["show", "--events", file],
        &["show", "--programs", file],
        &["show", "--json", file],
        &["search", "-C2", "aa|owned", file],
        &["verify", file],
        &["prune", "--keep", "0"],
        &["replay", "--plain", "--speed", "1000000", "--idle-limit", "0", file],
    ];
    for way in ways {
        let output = bounded(desk, way);
        let status = output.status.code();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            status.is_some_and(|status| status < 101 || status == 125),
            "{name}: {way:?}: {:?} {said}",
            output.status
        );
        assert!(!said.contains("panicked"), "{name}: {way:?}: {said}");
        if way[0] != "replay" {
            for raw in RAW {
                let found = |bytes: &[u8]| bytes.windows(raw.len()).any(|part| part == raw);
                assert!(!found(&output.stdout) && !found(&output.stderr), "{name}: {way:?} lets {raw:?} through");
            }
        }
    }
}

fn bounded(desk: &Desk, arguments: &[&str]) -> Output {
    let plain = desk.command(arguments);
    let mut command = Command::new("prlimit");
    command.args([format!("--as={MEMORY}"), format!("--cpu={CPU}"), "--core=0".to_owned(), "--".to_owned()]);
    command.args(["timeout", &HANGS.to_string()]).arg(plain.get_program()).args(plain.get_args()).env_clear();
    plain.get_envs().filter_map(|(name, value)| value.map(|value| (name, value))).for_each(|(name, value)| {
        command.env(name, value);
    });
    command.output().expect("prlimit and timeout run")
}

/// The view on a terminal of its own, until it has drawn and been left again.
fn view(desk: &Desk, path: &Path, name: &str) {
    let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
    let pair = NativePtySystem::default().openpty(size).expect("a terminal");
    let mut command = CommandBuilder::new("prlimit");
    command.args([format!("--as={MEMORY}"), format!("--cpu={CPU}"), "--".to_owned()]);
    command.args([env!("CARGO_BIN_EXE_govsh"), "replay", path.to_str().expect("UTF-8")]);
    command.env_clear();
    command.env("XDG_STATE_HOME", desk.dir.path());
    command.env("HOME", desk.dir.path());
    command.env("PATH", "/usr/bin:/bin");
    command.env("TERM", "xterm-256color");
    command.env("LC_ALL", "C.UTF-8");
    let mut child = pair.slave.spawn_command(command).expect("govsh runs");
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().expect("a reader");
    let mut writer = pair.master.take_writer().expect("a writer");
    let (send, receive) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 65536];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            if send.send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    let (mut seen, begun, mut asked) = (Vec::new(), Instant::now(), 0);
    // It ends when it is asked to; keys may come before it listens.
    let status = loop {
        match receive.recv_timeout(Duration::from_millis(200)) {
            Ok(bytes) => seen.extend_from_slice(&bytes),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        if begun.elapsed() > Duration::from_secs(1 + 3 * asked) {
            asked += 1;
            // It may just have ended.
            let _ = writer.write_all(if asked == 1 { b"d" } else { b"q" });
        }
        assert!(begun.elapsed() < Duration::from_secs(HANGS), "{name}: the view does not end");
    };
    seen.extend(receive.try_iter().flatten());
    let text = String::from_utf8_lossy(&seen);
    assert!(status.exit_code() < 101 || status.exit_code() == 125, "{name}: {status:?}\n{text}");
    assert!(!text.contains("panicked"), "{name}: {text}");
    for raw in RAW {
        assert!(!seen.windows(raw.len()).any(|part| part == raw), "{name}: the view lets {raw:?} through");
    }
}

fn try_all(name: &str, file: &[u8]) {
    let desk = Desk::new();
    let path = desk.keep("k3f9", file, 0);
    look(&desk, &path, name);
    view(&desk, &path, name);
}

#[test]
fn sizes_that_no_terminal_has() {
    let mut text = head(65535, 65535, "x");
    for n in 0..50 {
        text.push_str(&format!(
            "[0.0,\"r\",\"{}x{}\"]\n[0.0,\"o\",\"aaaa\\u001b[99999;99999Hb\\u001b[65535b\\u001b#8\"]\n",
            65535 - n,
            65535
        ));
        text.push_str("[0.0,\"r\",\"0x0\"]\n[0.0,\"o\",\"\\u001b[65535@\\u001b[65535L\\u001b[65535S\"]\n");
    }
    try_all("sizes", &data(text.as_bytes()));
}

#[test]
fn frames_that_inflate_to_gigabytes() {
    // Eight gigabytes: one line without an end, in an event and outside of one.
    let text = head(80, 24, "x");
    try_all("a line", &bomb(text.as_bytes(), b'a', 65_536));
    try_all("an event", &bomb(format!("{text}[0.0,\"o\",\"").as_bytes(), b'a', 65_536));
    try_all("no lines", &bomb(text.as_bytes(), b'\n', 40));
    // A keyframe and a directory that do the same.
    let mut file = data(text.as_bytes());
    let large = bomb(b"GVSC\x01", 0, 65_536);
    file.extend(note(3, &large));
    file.extend(index(&format!("\"key\":{},", large.len() + 16)));
    file.extend(data(b"[0.1,\"o\",\"aa\"]\n"));
    file.extend(note(4, &[&0u64.to_le_bytes()[..], &large].concat()));
    file.extend(index("\"dir\":100,"));
    try_all("notes", &file);
}

#[test]
fn events_without_number() {
    // Claimed.
    let mut file = data(head(80, 24, "x").as_bytes());
    file.extend(index("\"clock_us\":18446744073709551615,"));
    let counts =
        "\"counts\":{\"file\":18446744073709551615,\"output\":18446744073709551615},\"denied\":18446744073709551615";
    file.extend(note(
        2,
        format!("{{\"frames\":18446744073709551615,\"ns\":18446744073709551615,{counts}}}").as_bytes(),
    ));
    file.extend(table(u32::MAX));
    try_all("claimed", &file);
    // Real: half a million lines in a few hundred bytes, with times that run away.
    let mut text = head(80, 24, "x").into_bytes();
    for _ in 0..250_000 {
        text.extend_from_slice(b"[18446744073.0,\"o\",\"a\\r\\n\"]\n#govsh {\"seq\":18446744073709551615,\"t\":18446744073.7,\"kind\":\"redacted\",\"bytes\":18446744073709551615}\n");
    }
    try_all("real", &data(&text));
}

#[test]
fn notes_that_lie_and_go_in_circles() {
    let first = data(head(80, 24, "x").as_bytes());
    let more = data(b"[0.1,\"o\",\"aa\"]\n[0.1,\"o\",\"bb\"]\n");
    let at = first.len() as u64;
    for claims in [
        "\"dir\":18446744073709551615,",
        "\"key\":18446744073709551615,",
        "\"dir\":1,\"key\":7,",
        "\"at\":[9223372036854775807,9223372036854775807],",
        "\"seq\":[18446744073709551615,0],\"ns\":[18446744073709551615,0],",
    ] {
        let lie = index(claims);
        // A directory whose predecessor is itself.
        let circle = note(4, &[&(at + lie.len() as u64).to_le_bytes()[..], &data(&[1, 0, 1])].concat());
        let mut file = [&first[..], &lie, &circle, &more, &lie, &circle, &more, &index("")].concat();
        try_all(claims, &file);
        let here = at + lie.len() as u64;
        file.extend(note(
            2,
            format!("{{\"frames\":3,\"ns\":1,\"dir\":{here},\"counts\":{{}},\"denied\":0}}").as_bytes(),
        ));
        file.extend(table(3));
        try_all(claims, &file);
    }
    // Lengths that reach beyond the file, and notes that are nothing.
    let mut beyond = first.clone();
    beyond.extend_from_slice(&0x184D_2A57_u32.to_le_bytes());
    beyond.extend_from_slice(&u32::MAX.to_le_bytes());
    try_all("beyond", &beyond);
    let empty: Vec<u8> = [&0x184D_2A50_u32.to_le_bytes()[..], &0u32.to_le_bytes()].concat();
    try_all("many", &[&first[..], &empty.repeat(1_000_000)].concat());
}

#[test]
fn names_that_drive_terminals() {
    let mut text = head(80, 24, PAYLOAD);
    let json = serde_json::to_string(PAYLOAD).expect("JSON");
    let lines = [
        format!(
            "\"kind\":\"policy\",\"name\":{json},\"sources\":[{json}],\"audit\":{json},\"denies\":1,\"asks\":1,\"appended\":[{json}]"
        ),
        format!("\"kind\":\"report\",\"landlock_abi\":6,\"lines\":[{{\"rule\":{json},\"how\":{json},\"by\":{json}}}]"),
        format!(
            "\"kind\":\"proc\",\"op\":\"exec\",\"pid\":5,\"parent\":1,\"exe\":{json},\"argv\":[{json}],\"cwd\":{json}"
        ),
        format!(
            "\"kind\":\"file\",\"op\":{json},\"access\":\"r\",\"verdict\":\"deny\",\"rule\":{json},\"layer\":\"user\",\"via\":\"brokered\",\"errno\":\"EACCES\",\"pid\":5,\"path\":{json},\"path2\":{json}"
        ),
        format!(
            "\"kind\":\"exec\",\"op\":\"execve\",\"verdict\":\"allow\",\"rule\":{json},\"layer\":\"user\",\"via\":\"continued\",\"pid\":5,\"path\":{json},\"argv\":[{json}]"
        ),
        format!("\"kind\":\"alert\",\"pid\":5,\"what\":{json}"),
        format!("\"kind\":\"limit\",\"what\":{json}"),
        format!("\"kind\":\"lost\",\"events\":1,\"bytes\":1,\"why\":{json}"),
    ];
    for (seq, line) in (1..).zip(lines) {
        text.push_str(&format!("#govsh {{\"seq\":{seq},\"t\":{seq}.0,{line}}}\n"));
    }
    text.push_str(&format!(
        "[9.0,\"m\",{json}]\n[0.1,\"i\",{json}]\n[0.1,\"o\",\"aa \\u001b]2;owned\\u0007 bb\"]\n[0.1,\"x\",\"0\"]\n"
    ));
    let mut file = data(text.as_bytes());
    file.extend(index(""));
    let by = format!("{{\"frames\":1,\"ns\":1,\"counts\":{{{json}:1}},\"denied\":1,\"key\":{json},\"by\":{json}}}");
    file.extend(note(2, by.as_bytes()));
    file.extend(table(1));
    try_all("names", &file);
    // In the file's own name, and in what an error says.
    let desk = Desk::new();
    let name = format!("20261121T174904Z-codex-{}.cast.zst", PAYLOAD.replace('/', "").replace(['\r', '\n'], ""));
    let path = desk.recordings().join(name);
    fs::write(&path, &file[..file.len() / 2]).expect("written");
    look(&desk, &path, "file name");
}
