//! Streams that are not a terminal stay what they are, byte for byte, and are recorded as what they are.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use govsh::event::{Event, Stream};
use govsh::recording::Reader;

use crate::scene::{GOVSH, Scene, govsh, text, until};

#[derive(Debug, Default, PartialEq)]
pub struct Recorded {
    pub terminal: Vec<u8>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub input: Vec<u8>,
    pub redacted: u64,
    pub sizes: Vec<(u16, u16)>,
    pub limits: usize,
}

/// What the recording of the only session says about bytes.
pub fn recorded(scene: &Scene) -> Recorded {
    let mut recorded = Recorded::default();
    for stamped in Reader::open(File::open(scene.recording()).unwrap()).unwrap() {
        match stamped.unwrap().event {
            Event::Output { stream: Stream::Terminal, data } => recorded.terminal.extend(data),
            Event::Output { stream: Stream::Stdout, data } => recorded.stdout.extend(data),
            Event::Output { stream: Stream::Stderr, data } => recorded.stderr.extend(data),
            Event::Input { data } => recorded.input.extend(data),
            Event::Redacted { bytes } => recorded.redacted += bytes,
            Event::Resize { cols, rows } => recorded.sizes.push((cols, rows)),
            Event::Limit { .. } => recorded.limits += 1,
            _ => {}
        }
    }
    recorded
}

/// Bytes of every value, not in a simple order.
fn noise(length: usize) -> Vec<u8> {
    let mut seed = 7u32;
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn pipes_are_separate_exact_and_recorded() {
    let scene = Scene::new();
    let input = noise(300_000);
    let script = "head -c 100000 >&2; cat";
    let mut child = scene
        .govsh(&[], &["sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let typed = input.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&typed));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    // head may read more than it prints, natively too
    assert_eq!(output.stderr, input[..100_000]);
    assert!(input.ends_with(&output.stdout), "{}", output.stdout.len());
    let recorded = recorded(&scene);
    assert_eq!(recorded.input, input);
    assert_eq!((recorded.stdout, recorded.stderr), (output.stdout, output.stderr));
}

#[test]
fn one_file_for_both_keeps_their_order() {
    let scene = Scene::new();
    let script = "for n in 1 2 3 4 5 6 7 8 9; do echo o$n; echo e$n >&2; done";
    let both = File::create(scene.path("both")).unwrap();
    let mut command = scene.govsh(&["--no-record"], &["sh", "-c", script]);
    command.stdout(both.try_clone().unwrap()).stderr(both);
    assert!(command.status().unwrap().success());
    let wanted: String = (1..=9).map(|n| format!("o{n}\ne{n}\n")).collect();
    assert_eq!(scene.read("both"), wanted);
}

#[test]
fn a_file_is_appended_to_where_it_stands() {
    let scene = Scene::new();
    let script = format!("echo a > f; {{ echo b; {} echo c; echo d; }} >> f", govsh(&["--no-record"], &[]).join(" "));
    assert!(scene.command(&["sh", "-c", &script]).status().unwrap().success());
    assert_eq!(scene.read("f"), "a\nb\nc\nd\n");
}

#[test]
fn input_from_a_file_is_the_file() {
    let scene = Scene::new();
    std::fs::write(scene.path("in"), "first\nsecond\n").unwrap();
    let script = format!("{} sh -c 'read -r l; echo $l'; cat", govsh(&["--no-record"], &[]).join(" "));
    let output = scene.command(&["sh", "-c", &script]).stdin(File::open(scene.path("in")).unwrap()).output().unwrap();
    assert_eq!(text(&output.stdout), "first\nsecond\n");
}

#[test]
fn sockets_are_relayed_both_ways() {
    let scene = Scene::new();
    let (mut here, there) = UnixStream::pair().unwrap();
    let mut command = scene.govsh(&[], &["sh", "-c", "stat -Lc %F /proc/self/fd/0 /proc/self/fd/1; cat"]);
    let there = std::os::fd::OwnedFd::from(there);
    let mut child = command.stdin(there.try_clone().unwrap()).stdout(there).spawn().unwrap();
    drop(command);
    here.write_all(b"over the socket").unwrap();
    here.shutdown(std::net::Shutdown::Write).unwrap();
    let mut got = String::new();
    here.read_to_string(&mut got).unwrap();
    assert_eq!(got, "socket\nsocket\nover the socket");
    assert!(child.wait().unwrap().success());
    assert_eq!(recorded(&scene).input, b"over the socket");
}

#[test]
fn a_reader_that_leaves_ends_the_writer_as_natively() {
    let scene = Scene::new();
    let script = format!("{} yes | head -1; echo ${{PIPESTATUS[@]}}", govsh(&["--no-record"], &[]).join(" "));
    let output = scene.command(&["bash", "-c", &script]).output().unwrap();
    assert_eq!(text(&output.stdout), "y\n141 0\n");
}

#[test]
fn a_reader_that_leaves_is_seen_without_a_write() {
    let scene = Scene::new();
    let (reader, writer) = govsh::sys::unix::pipe().unwrap();
    // poll(2) on stdout, as tail -f does, from a program that never writes.
    let script = "import select; p = select.poll(); p.register(1, 0); p.poll()";
    let mut command = scene.govsh(&["--no-record"], &["/usr/bin/python3", "-c", script]);
    let mut child = command.stdout(Stdio::from(writer)).spawn().unwrap();
    drop(command);
    drop(reader);
    until("the agent sees it", || child.try_wait().unwrap().is_some());
}

#[test]
fn descriptors_that_are_closed_stay_closed() {
    let scene = Scene::new();
    let open = |redirections: &str| {
        let list = "import os; print([n for n in range(9) if os.path.exists(f\"/proc/self/fd/{n}\")], file=open(\"l\", \"w\"))";
        let words = govsh(&["--no-record"], &[]).join(" ");
        let script = format!("{words} /usr/bin/python3 -c '{list}' {redirections}");
        assert!(
            scene
                .command(&["sh", "-c", &script])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .unwrap()
                .success()
        );
        scene.read("l")
    };
    assert_eq!(open(""), "[0, 1, 2]\n");
    assert_eq!(open("<&-"), "[1, 2]\n");
    assert_eq!(open(">&- 2>&-"), "[0]\n");
    assert_eq!(open("<&- >&- 2>&-"), "[]\n");
    assert_eq!(open("7</dev/null 8>&1"), "[0, 1, 2]\n");
}

#[test]
fn no_terminal_at_all_is_enough() {
    let scene = Scene::new();
    let mut command = scene.command(&["setsid", "-w"]);
    command.args(govsh(&[], &["sh", "-c", "tty; test -e /dev/null && exit 5"]));
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(5), "not a tty\n".to_owned()));
    let quiet = Command::new(GOVSH)
        .args(["--no-record", "--", "true"])
        .env_clear()
        .envs(scene.env())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(quiet.unwrap().success());
}

#[test]
fn nothing_is_added_to_streams() {
    let scene = Scene::new();
    let output =
        scene.command(&[GOVSH, "--policy", "observe", "--", "sh", "-c", "echo o; echo e >&2"]).output().unwrap();
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("o\n".to_owned(), "e\n".to_owned()));
}
