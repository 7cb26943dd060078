//! Laws of the recording: what is written reads back, wherever the file was cut.

use std::ffi::OsString;
use std::io::Cursor;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use govsh::event::*;
use govsh::policy::{Access, Layer, Vars, Verdict};
use govsh::recording::{ReadError, Reader, Word, Writer, glance, is_denied, object};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

#[path = "recording/archive.rs"]
mod archive;
#[path = "recording/verify.rs"]
mod verify;

fn start() -> Start {
    Start {
        id: "k3f9".to_owned(),
        timestamp: 1_763_747_344,
        argv: vec![b"codex".to_vec(), b"a b".to_vec()],
        cwd: b"/home/u/src/shop".to_vec(),
        user: "u".to_owned(),
        uid: 1000,
        host: "laptop".to_owned(),
        version: "0.1.0".to_owned(),
        cols: 120,
        rows: 32,
        term: "xterm-256color".to_owned(),
        stdin_tty: true,
        stdout_tty: true,
        stderr_tty: true,
    }
}

/// Bytes in which characters are split, cut and broken, with escapes that hurt.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..40),
        "\\PC{0,20}".prop_map(String::into_bytes),
        vec(
            select(vec![0xe2u8, 0x82, 0xac, 0xf0, 0x9f, 0xa6, 0x80, b'a', b'\n', 0x1b, b'"', b'\\', 0xc3, 0xed, 0xa0]),
            0..6
        ),
        Just("€🦀".as_bytes()[..5].to_vec()),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[a-z\\x00-\\x1f\"\\\\]{0,12}"]
}

fn word<T: Word + std::fmt::Debug>() -> impl Strategy<Value = T> {
    select(T::WORDS.iter().map(|entry| entry.0).collect::<Vec<_>>())
}

fn judged() -> impl Strategy<Value = Event> {
    let who = (
        word::<Kind>().prop_filter("in questions alone", |kind| *kind != Kind::Mcp),
        select(vec!["open", "rename", "connect", "exec", "unlink"]),
        any::<i32>(),
        (0..=Access::all().bits()).prop_map(Access::from_bits_truncate),
    );
    let what = (bytes(), bytes(), any::<Option<SocketAddr>>(), vec(bytes(), 0..4), option::of(name()), any::<u16>());
    let why = (word::<Verdict>(), text(), word::<Layer>(), word::<Via>(), -2i32..200, 0u64..1 << 50);
    (who, what, why).prop_map(
        |(
            (kind, op, pid, access),
            (path, path2, addr, argv, host, port),
            (verdict, rule, layer, via, errno, duration),
        )| {
            Event::Judged(Judged {
                kind,
                op,
                pid,
                access,
                path,
                path2,
                addr,
                host,
                port,
                argv,
                verdict,
                rule: Arc::from(rule),
                layer,
                via,
                errno,
                duration,
            })
        },
    )
}

fn name() -> impl Strategy<Value = Arc<str>> {
    text().prop_map(Arc::from)
}

fn network() -> impl Strategy<Value = Event> {
    let why = || (word::<Verdict>(), name(), word::<Layer>());
    let flown = || (0u64..1 << 60, 0u64..1 << 60, 0u64..1 << 50);
    let ends = select(vec!["", "closed", "reset", "denied"]);
    let place = (any::<Option<SocketAddr>>(), option::of(name()), any::<u16>(), option::of(text()), ends);
    let tunnel = (any::<u64>(), word::<TunnelOp>(), any::<i32>(), place, why(), flown()).prop_map(
        |(id, op, pid, (addr, host, port, sni, end), (verdict, rule, layer), (up, down, duration))| {
            // A scope or flow is no part of where a tunnel leads.
            let addr = addr.map(|addr| SocketAddr::new(addr.ip(), addr.port()));
            let tunnel = Tunnel { id, op, pid, addr, host, port, sni, verdict, rule, layer, up, down, duration, end };
            Event::Tunnel(Box::new(tunnel))
        },
    );
    let codes = select(vec!["NOERROR", "NXDOMAIN", "SERVFAIL"]);
    let dns = (any::<i32>(), text(), any::<u16>(), why(), codes, vec(any::<IpAddr>(), 0..4), 0u64..1 << 50).prop_map(
        |(pid, name, qtype, (verdict, rule, layer), rcode, answers, duration)| {
            Event::Dns(Box::new(Dns { pid, name, qtype, verdict, rule, layer, rcode, answers, duration }))
        },
    );
    let request = (any::<u64>(), any::<i32>(), name(), any::<u16>(), text(), text(), any::<u16>());
    let http = (request, why(), flown()).prop_map(
        |((tunnel, pid, host, port, method, path, status), (verdict, rule, layer), (up, down, duration))| {
            let http = Http { tunnel, pid, host, port, method, path, status, verdict, rule, layer, up, down, duration };
            Event::Http(Box::new(http))
        },
    );
    let credential = (name(), any::<u64>(), any::<i32>(), name(), word::<CredentialUse>()).prop_map(
        |(name, tunnel, pid, host, what)| Event::Credential(Box::new(Credential { name, tunnel, pid, host, what })),
    );
    // On the heap: the stack of a test is small.
    prop_oneof![tunnel.boxed(), dns.boxed(), http.boxed(), credential.boxed()]
}

fn mcp() -> impl Strategy<Value = Event> {
    let why = || (word::<Verdict>(), name(), word::<Layer>());
    let about = || (word::<McpSide>(), text(), text(), text());
    let start = (vec(text(), 0..3), any::<Option<[u8; 32]>>(), text(), why()).prop_map(
        |(launch, digest, policy, (verdict, rule, layer))| {
            McpWhat::Start(McpStart { launch, digest, policy, verdict, rule, layer })
        },
    );
    let key = (text(), any::<[u8; 16]>()).prop_map(|(key, digest)| McpKey { key, digest });
    let call = (about(), why(), option::of(text()), vec(key, 0..4), option::of(text())).prop_map(
        |((side, id, method, name), (verdict, rule, layer), argument, keys, arguments)| {
            McpWhat::Call(McpCall { side, id, method, name, verdict, rule, layer, argument, keys, arguments })
        },
    );
    let result = (about(), (0u64..1 << 50, any::<u64>(), any::<u64>()), option::of(text()), option::of(text()));
    let result = result.prop_map(|((side, id, method, name), (duration, size, hidden), error, result)| {
        McpWhat::Result(McpResult { side, id, method, name, duration, size, hidden, error, result })
    });
    let dropped = (word::<McpSide>(), text()).prop_map(|(side, why)| McpWhat::Dropped { side, why });
    let pin = (any::<bool>(), vec(text(), 0..3), word::<Verdict>());
    let pin = pin.prop_map(|(first, changes, verdict)| McpWhat::Pin(McpPin { first, changes, verdict }));
    let end = (any::<Option<i32>>(), text()).prop_map(|(status, why)| McpWhat::End { status, why });
    let stderr = bytes().prop_map(|bytes| McpWhat::Stderr { bytes });
    let end = prop_oneof![end, stderr];
    let what = prop_oneof![start.boxed(), call.boxed(), result.boxed(), dropped.boxed(), pin.boxed(), end.boxed()];
    (name(), any::<u64>(), any::<i32>(), what)
        .prop_map(|(server, connection, pid, what)| Event::Mcp(Box::new(Mcp { server, connection, pid, what })))
}

fn proc() -> impl Strategy<Value = Event> {
    let who = (any::<i32>(), any::<i32>(), word::<ProcOp>(), any::<bool>());
    let end = (any::<Option<i32>>(), any::<Option<i32>>());
    (who, bytes(), vec(bytes(), 0..5), bytes(), end, any::<Option<[u8; 32]>>()).prop_map(
        |((pid, parent, op, argv_cut), exe, argv, cwd, (exit, signal), digest)| {
            Event::Proc(Box::new(Proc { pid, parent, op, exe, argv, argv_cut, cwd, exit, signal, digest }))
        },
    )
}

fn ask() -> impl Strategy<Value = Event> {
    let what = (
        any::<u64>(),
        word::<Kind>(),
        (0..=Access::all().bits()).prop_map(Access::from_bits_truncate),
        bytes(),
        bytes(),
        any::<Option<SocketAddr>>(),
        (option::of(name()), any::<u16>()),
    );
    let who = (any::<i32>(), vec(vec(bytes(), 0..3), 0..3), vec(bytes(), 0..3), bytes());
    let choice = (text(), text()).prop_map(|(key, text)| Choice { key, text });
    let why = (text(), word::<Layer>(), text(), vec(choice, 0..3), text(), 0u64..1 << 50);
    (what, who, why).prop_map(
        |(
            (id, of, access, path, path2, addr, (host, port)),
            (pid, ancestry, argv, cwd),
            (rule, layer, reason, choices, file, timeout),
        )| {
            let (op, rule) = ("exec", Arc::from(rule));
            Event::Ask(Box::new(Ask {
                id,
                of,
                op,
                access,
                path,
                path2,
                addr,
                host,
                port,
                argv,
                pid,
                ancestry,
                cwd,
                rule,
                layer,
                reason,
                choices,
                file,
                timeout,
            }))
        },
    )
}

fn answer() -> impl Strategy<Value = Event> {
    let what = (any::<u64>(), word::<Verdict>(), word::<Scope>(), word::<By>());
    let who = (text(), 0u64..1 << 50, text(), text(), any::<Option<u64>>(), any::<u64>());
    (what, who).prop_map(|((ask, verdict, scope, by), (who, waited, rule, hint, screen, calls))| {
        Event::Answer(Box::new(Answer { ask, verdict, scope, by, who, waited, rule, hint, screen, calls }))
    })
}

fn vars() -> impl Strategy<Value = Vars> {
    let name = "[A-Z_]{1,8}".prop_map(OsString::from);
    let env = vec((name, bytes().prop_map(OsString::from_vec)), 0..3);
    let many = || vec(bytes(), 0..3);
    (bytes(), bytes(), bytes(), bytes(), many(), many(), many(), any::<u32>(), env, many()).prop_map(
        |(home, workdir, tmp, session, git, repo, command, uid, env, state_dirs)| Vars {
            home,
            workdir,
            tmp,
            session,
            git,
            repo,
            command,
            uid,
            env,
            state_dirs,
        },
    )
}

fn rare() -> impl Strategy<Value = Event> {
    let lists = (vec(text(), 0..3), vec(text(), 0..3));
    let policy = (text(), vec(text(), 0..3), text(), any::<usize>(), lists, option::of(vars())).prop_map(
        |(name, sources, audit, denies, (appended, notices), vars)| {
            let vars = vars.map(Box::new);
            let used = PolicyUsed { name, sources, audit, denies, asks: 3, appended, notices, vars };
            Event::Policy(Box::new(used))
        },
    );
    let line = (text(), select(vec!["enforced", "brokered", "observed", "missing"]), text());
    let line = line.prop_map(|(rule, how, by)| ReportLine { rule: rule.into(), how, by: by.into() });
    let report = (any::<i32>(), vec(line, 0..4));
    prop_oneof![
        policy,
        report.prop_map(|(landlock_abi, lines)| Event::Report(Box::new(Report { landlock_abi, lines }))),
        any::<u64>().prop_map(|bytes| Event::Redacted { bytes }),
        (any::<u16>(), any::<u16>()).prop_map(|(cols, rows)| Event::Resize { cols, rows }),
        (text(), text()).prop_map(|(label, by)| Event::Marker { label, by }),
        (any::<i32>(), text()).prop_map(|(pid, what)| Event::Alert { pid, what }),
        text().prop_map(|what| Event::Limit { what }),
        (any::<u64>(), any::<u64>(), text()).prop_map(|(events, bytes, why)| Event::Lost { events, bytes, why }),
        (any::<i32>(), any::<Option<i32>>()).prop_map(|(status, signal)| Event::Exit { status, signal }),
        (bytes(), vec(bytes(), 0..3)).prop_map(|(cwd, argv)| Event::Start(Box::new(Start { cwd, argv, ..start() }))),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (word::<Stream>(), bytes()).prop_map(|(stream, data)| Event::Output { stream, data }),
        2 => bytes().prop_map(|data| Event::Input { data }),
        3 => judged().boxed(),
        1 => proc().boxed(),
        3 => network().boxed(),
        2 => mcp().boxed(),
        2 => rare().boxed(),
        1 => ask().boxed(),
        1 => answer().boxed(),
    ]
}

/// Mostly as the bus makes them (no gaps, whole microseconds), sometimes anything.
fn events() -> impl Strategy<Value = Vec<Stamped>> {
    let step = prop_oneof![6 => (0u64..3_000_000).prop_map(|us| us * 1_000), 1 => 0u64..1 << 40];
    vec((prop_oneof![9 => Just(0u64), 1 => 0..1u64 << 40], step, event()), 0..60).prop_map(|list| {
        let (mut seq, mut t) = (0, 0);
        list.into_iter()
            .map(|(gap, step, event)| {
                (seq, t) = (seq + gap, t + step);
                seq += 1;
                Stamped { seq: seq - 1, t, event }
            })
            .collect()
    })
}

fn written(events: &[Stamped], flush_every: usize) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &start()).expect("a vector takes everything");
    for (index, stamped) in events.iter().enumerate() {
        writer.write(stamped).expect("a vector takes everything");
        if index % flush_every == flush_every - 1 {
            writer.flush().expect("a vector takes everything");
        }
    }
    writer.finish().expect("a vector takes everything");
    writer.into_inner()
}

fn read(file: &[u8]) -> Result<(Vec<Stamped>, bool), ReadError> {
    let mut reader = Reader::open(Cursor::new(file))?;
    let events = reader.by_ref().collect::<Result<_, _>>()?;
    Ok((events, reader.truncated()))
}

fn stock_lines(file: &[u8]) -> Vec<String> {
    let text = zstd::decode_all(file).expect("ordinary zstd");
    let text = String::from_utf8(text).expect("UTF-8");
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back(events in events(), flush_every in 1usize..30) {
        let file = written(&events, flush_every);
        let (back, truncated) = read(&file).expect("readable");
        prop_assert_eq!(back, events);
        prop_assert!(!truncated);
    }

    #[test]
    fn stock_players_see_valid_lines_and_all_text(events in events()) {
        let lines = stock_lines(&written(&events, 7));
        let mut clock = 0.0;
        let mut shown = String::new();
        for line in lines.iter().skip(1) {
            prop_assert!(line.is_ascii() || !line.contains("\\ud"), "lone surrogate");
            let (interval, code, data): (f64, String, String) = serde_json::from_str(line).expect("three elements");
            prop_assert!("oimrx".contains(&code) && code.len() == 1);
            clock += interval;
            if code == "o" {
                shown.push_str(&data);
            }
        }
        let last = events.iter().rev().find(|stamped| matches!(stamped.event, Event::Output { .. } | Event::Resize { .. }));
        if let Some(last) = last {
            prop_assert!(clock + 1e-5 >= last.t as f64 / 1e9 - 1e-6, "{clock} is before {}", last.t);
        }
        if events.iter().all(|stamped| !matches!(stamped.event, Event::Output { stream: Stream::Stdout | Stream::Stderr, .. })) {
            let all: Vec<u8> = events.iter().flat_map(|stamped| match &stamped.event {
                Event::Output { data, .. } => data.clone(),
                _ => Vec::new(),
            }).collect();
            let mut whole = String::from_utf8_lossy(&all).into_owned();
            if !whole.starts_with(&shown) {
                // An unfinished character at the very end is not shown.
                whole.truncate(whole.len().saturating_sub(3));
            }
            prop_assert!(whole.starts_with(&shown), "{shown:?} is not the start of {whole:?}");
        }
    }

    #[test]
    fn any_cut_reads_as_a_prefix(events in events(), cut in any::<prop::sample::Index>()) {
        let file = written(&events, 3);
        let cut = cut.index(file.len());
        let (back, truncated) = read(&file[..cut]).expect("a cut file is no error");
        prop_assert!(truncated);
        prop_assert!(back.len() <= events.len());
        prop_assert_eq!(&back[..], &events[..back.len()]);
        glance(Cursor::new(&file[..cut])).expect("a cut file is no error");
    }

    #[test]
    fn a_flush_puts_everything_into_the_file(events in events()) {
        let mut writer = Writer::new(Vec::new(), &start()).expect("a vector takes everything");
        for stamped in &events {
            writer.write(stamped).expect("a vector takes everything");
        }
        writer.flush().expect("a vector takes everything");
        let (back, truncated) = read(writer.get_ref()).expect("readable");
        prop_assert_eq!(back, events);
        prop_assert!(truncated);
    }

    #[test]
    fn a_changed_byte_never_panics_and_never_loops(events in events(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut file = written(&events, 5);
        let at = at.index(file.len());
        file[at] = byte;
        if let Ok(reader) = Reader::open(Cursor::new(&file)) {
            prop_assert!(reader.count() <= 4 * events.len() + 4);
        }
        let _ = glance(Cursor::new(&file));
    }

    #[test]
    fn random_bytes_are_no_recording(file in vec(any::<u8>(), 4..400)) {
        prop_assume!(!file.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]));
        prop_assert!(matches!(read(&file), Err(ReadError::Foreign)));
    }

    #[test]
    fn the_glance_agrees_with_the_events(events in events()) {
        let file = written(&events, 9);
        let whole = glance(Cursor::new(&file)).expect("readable");
        let denied = events.iter().filter(|stamped| is_denied(&stamped.event)).count();
        prop_assert_eq!(whole.tally.denied, denied as u64);
        prop_assert_eq!(whole.tally.counts.values().sum::<u64>(), events.len() as u64);
        prop_assert!(whole.end.is_some());
        // Without its end the same is found by hopping from frame to frame.
        let end = *verify::links(&file).last().expect("a frame");
        let hopped = glance(Cursor::new(&file[..end])).expect("readable");
        prop_assert_eq!(hopped.tally, whole.tally);
        prop_assert!(hopped.end.is_none());
    }

    #[test]
    fn every_event_is_one_json_object(stamped in events()) {
        for stamped in stamped {
            let mut json = Vec::new();
            object(&stamped, &mut json);
            let value: serde_json::Value = serde_json::from_slice(&json).expect("valid JSON");
            prop_assert_eq!(value["seq"].as_u64(), Some(stamped.seq));
        }
    }
}

#[test]
fn every_cut_of_one_file() {
    let mut events = Vec::new();
    for n in 0..200u64 {
        let event = match n % 3 {
            0 => Event::Output { stream: Stream::Terminal, data: format!("line {n} €\r\n").into_bytes() },
            1 => Event::Alert { pid: 1, what: "x".to_owned() },
            _ => Event::Input { data: vec![0xff, n as u8] },
        };
        events.push(Stamped { seq: n, t: n * 50_000_000, event });
    }
    let file = written(&events, 10);
    let mut seen = 0;
    for cut in 0..file.len() {
        let (back, truncated) = read(&file[..cut]).expect("a cut file is no error");
        assert!(truncated, "cut at {cut} of {}", file.len());
        assert!(back.len() >= seen, "a longer file has fewer events");
        assert_eq!(back[..], events[..back.len()]);
        seen = back.len();
    }
    assert_eq!(seen, events.len());
}

#[test]
fn a_bomb_is_refused_in_bounded_memory() {
    let header = br#"{"version":3,"term":{"cols":80,"rows":24},"govsh":{"format":1,"id":"aaaa"}}"#;
    let mut bomb = header.to_vec();
    bomb.push(b'\n');
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).expect("an encoder");
    std::io::Write::write_all(&mut encoder, &bomb).expect("a vector takes everything");
    for _ in 0..256 {
        std::io::Write::write_all(&mut encoder, &vec![b' '; 1 << 20]).expect("a vector takes everything");
    }
    let file = encoder.finish().expect("a vector takes everything");
    assert!(matches!(read(&file), Err(ReadError::Damaged { .. })));
}

#[test]
fn an_empty_file_and_a_foreign_one() {
    assert_eq!(read(b"").expect("empty is cut"), (Vec::new(), true));
    let stock = zstd::encode_all(&b"{\"version\":3,\"term\":{\"cols\":80,\"rows\":24}}\n[0.1,\"o\",\"x\"]\n"[..], 3)
        .expect("zstd");
    assert!(matches!(read(&stock), Err(ReadError::Foreign)));
    let later = zstd::encode_all(&b"{\"version\":3,\"govsh\":{\"format\":9}}\n"[..], 3).expect("zstd");
    assert!(matches!(read(&later), Err(ReadError::Newer { format: 9 })));
}
