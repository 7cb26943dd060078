//! What is fuzzed: every parser of what comes from outside, with whatever law is cheap to check beside "does not panic".
//!
//! Invariant: a target is a pure function of its input; it ends, in bounded memory.
//! Leaves to others: where inputs come from (`fuzzer`, `corpus`).

use std::io::Cursor;

use govsh::egress::dns::denied;
use govsh::egress::git::{self, push};
use govsh::egress::http;
use govsh::egress::proxy::{head, socks};
use govsh::egress::sniff::{Opening, look};
use govsh::mcp::Message;
use govsh::mcp::pins::Pinned;
use govsh::mcp::relay::{Now, Relay, Side, Step};
use govsh::policy::mcp::{McpRule, Moment};
use govsh::policy::registries::{Form, Registry, Setting};
use govsh::policy::{
    Access, Host, Layer, Library, PathPattern, Place, Policy, PolicyError, Source, Vars, check_answers, normal_path,
    shipped,
};
use govsh::recording::search::{Case, Places, Progress, Query, search};
use govsh::recording::{self, Archive, PublicKey, Reader, glance, verify};
use govsh::sandbox::refused::{ARCH, refusal};
use govsh::screen::Screen;
use govsh::session::control::protocol::{Pending, Request};
use govsh::supervisor::reading::{
    Address, Guard, access_of, guard, is_own, is_plain, join, magic, process, unix_bytes,
};
use govsh::tui::input::Decoder;

/// Name, and what is done with an input.
pub const TARGETS: [(&str, fn(&[u8])); 21] = [
    ("answers", answers),
    ("archive", archive),
    ("control", control),
    ("dns", dns),
    ("dump", dump),
    ("events", events),
    ("git", git),
    ("hosts", hosts),
    ("input", input),
    ("messages", messages),
    ("notes", notes),
    ("notified", notified),
    ("openings", openings),
    ("paths", paths),
    ("policy", policy),
    ("proxies", proxies),
    ("reader", reader),
    ("relay", relay),
    ("requests", requests),
    ("screen", screen),
    ("search", find),
];

/// A message of MCP: what it is to us it is to a reader that knows nothing of it; in pieces it is read as it is whole.
fn messages(data: &[u8]) {
    let read = Message::parse(data);
    if let Ok(message) = &read {
        let plain: serde_json::Value = serde_json::from_slice(data).expect("read before");
        let method = plain.get("method").and_then(serde_json::Value::as_str);
        match message {
            Message::Request { method: own, params, .. } | Message::Notification { method: own, params } => {
                assert_eq!(Some(own.as_str()), method);
                let name = plain.pointer("/params/name").and_then(serde_json::Value::as_str);
                assert_eq!(params.field("name").and_then(govsh::policy::mcp::Value::text), name);
            }
            Message::Result { .. } | Message::Error { .. } => assert_eq!(method, None),
        }
    }
    if let Ok(text) = std::str::from_utf8(data) {
        drop(Pinned::parse(text));
    }
}

/// Rules that allow one tool and what lies in one directory.
const TOOLS: &str = r#"version = 1
[[mcp.rules]]
id = "t"
effect = "allow"
server = "s"
tools = ["read*"]
[[mcp.rules]]
id = "r"
effect = "allow"
server = "s"
resources = ["file:///w/**"]
"#;

/// Lines of both sides, by their first byte: whatever passes is one message to every reader, and one that is allowed.
fn relay(data: &[u8]) {
    static RULES: std::sync::OnceLock<std::sync::Arc<[McpRule]>> = std::sync::OnceLock::new();
    let rules = RULES.get_or_init(|| {
        let source = Source { name: "x.toml".into(), text: TOOLS.into(), layer: Layer::User, path: None };
        let policy = Policy::load(source, &Plain, &Vars::default()).expect("these rules are well");
        policy.mcp_rules().to_vec().into()
    });
    let now = Now { at: 1, moment: Moment { unix: 0, weekday: 0, minute: 0 }, terminal: true };
    let mut relay = Relay::new("s", rules.clone());
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        let Some((side, rest)) = line.split_first() else { continue };
        let side = if *side == b'>' { Side::Client } else { Side::Server };
        for step in relay.read(side, rest.strip_prefix(b"!").unwrap_or(rest), now) {
            let (Step::Server(bytes) | Step::Client(bytes)) = &step else { continue };
            let text = std::str::from_utf8(bytes).expect("UTF-8");
            let message: serde_json::Value =
                serde_json::from_str(text.trim_start_matches('\u{feff}')).expect("one message");
            assert_eq!(text.lines().count(), 1, "{text:?}");
            if matches!(step, Step::Server(_)) && message["method"] == "tools/call" {
                assert!(message["params"]["name"].as_str().is_some_and(|name| name.starts_with("read")), "{message}");
            }
        }
    }
    drop((relay.ended(Side::Client), relay.ended(Side::Server)));
}

/// A request of git's: its commands are told once, and nothing that follows them changes what they are.
fn git(data: &[u8]) {
    if let Ok(Some(commands)) = push::commands(data) {
        let longer = [data, b"PACK"].concat();
        assert_eq!(push::commands(&longer), Ok(Some(commands)));
    }
    for cut in 0..data.len().min(64) {
        if let Ok(Some(commands)) = push::commands(&data[..cut]) {
            assert_eq!(push::commands(data), Ok(Some(commands)), "told at {cut}");
        }
    }
    let text = String::from_utf8_lossy(data);
    let (path, query) = text.split_once('?').unwrap_or((&text, ""));
    if let Some(call) = git::call("GET", path, query) {
        assert!(path.contains(call.repo));
    }
    git::downloads(data);
}

/// Heads of HTTP/1 and chunked bodies: what is taken of a body does not depend on how it comes.
fn requests(data: &[u8]) {
    if let Ok(Some(end)) = http::head::end(data) {
        assert!(data[..end].ends_with(b"\r\n\r\n"));
        if http::head::check(&data[..end]).is_ok() {
            let hosts = data[..end].to_ascii_lowercase().windows(7).filter(|piece| piece == b"\r\nhost:").count();
            assert_eq!(hosts, 1);
        }
    }
    let mut whole = http::head::Chunks::default();
    let Ok(taken) = whole.take(data) else { return };
    let mut apart = http::head::Chunks::default();
    let pieces = data.chunks(1).map(|piece| apart.take(piece).expect("taken before"));
    assert_eq!(pieces.sum::<usize>(), taken);
    assert_eq!(apart, whole);
}

/// First line of a recording, and its first event.
const HEAD: &[u8] = b"{\"version\":3,\"term\":{\"cols\":20,\"rows\":5},\"timestamp\":1,\"command\":\"x\",\"govsh\":{\"format\":2,\"id\":\"k3f9\"}}\n";

/// A message to the stub, and the reply to it: its number, and that it is a reply.
fn dns(data: &[u8]) {
    if let Some(reply) = denied(data) {
        assert!(reply.len() >= 12 && reply.len() <= 1_232, "{}", reply.len());
        assert!(reply[..2] == data[..2] && reply[2] & 0x80 != 0 && denied(&reply).is_none());
    }
}

/// The first bytes of a connection: what they are does not change with what follows, nor by how they came.
fn openings(data: &[u8]) {
    let whole = look(data, false);
    for cut in [data.len() / 3, data.len() / 2, data.len().saturating_sub(1)] {
        let early = look(&data[..cut], false);
        if matches!(early, Some(Opening::Other | Opening::Http(_) | Opening::Http2)) {
            assert_eq!(early, whole, "cut at {cut}");
        }
    }
    assert!(look(data, true).is_some(), "nothing is said at the end");
}

/// What clients of the proxies say: a message takes none of the bytes behind it.
fn proxies(data: &[u8]) {
    let more = [data, b"\r\n\r\nmore"].concat();
    if let socks::Step::Read(open, length) = socks::greeting(data) {
        assert!(length <= data.len());
        assert_eq!(socks::greeting(&more), socks::Step::Read(open, length));
        drop(socks::request(&data[length..]));
    }
    if let socks::Step::Read(place, length) = socks::request(data) {
        assert!(length <= data.len());
        assert_eq!(socks::request(&more), socks::Step::Read(place, length));
    }
    match head::read(data) {
        head::Step::Connect { length, port, .. } => {
            assert!(length <= data.len() && port != 0);
            assert_eq!(head::read(&more), head::read(data));
        }
        head::Step::Forward { port, .. } => assert!(port != 0 && head::for_origin(data).is_some()),
        head::Step::More | head::Step::Bad(..) | head::Step::NoHost(_) => {}
    }
}

/// A whole file.
fn reader(data: &[u8]) {
    if let Ok(mut reader) = Reader::open(Cursor::new(data)) {
        for _ in reader.by_ref().take(100_000) {}
    }
    drop(glance(Cursor::new(data)));
    drop(verify(Cursor::new(data), None));
}

/// A whole file at any place; what is read so agrees with what is read in order.
fn archive(data: &[u8]) {
    let Ok(mut archive) = Archive::open(Cursor::new(data)) else { return };
    let mut last = 0;
    for frame in 0..archive.len().min(64) {
        let Ok(events) = archive.events(frame) else { continue };
        if let Some(stamped) = events.last() {
            last = last.max(stamped.t);
        }
        drop(archive.screen_before(frame));
    }
    drop(archive.screen_at(last));
    assert!(archive.frame_at(last) <= archive.len());
    drop(archive.refresh());
}

/// The lines of one frame.
fn events(data: &[u8]) {
    let text = [HEAD, data].concat();
    let Ok(file) = zstd::bulk::compress(&text, 1) else { return };
    archive(&file);
    reader(&file);
}

/// Names of hosts, paths of requests and configurations of registries, each a line of its own: one form, and never an address.
fn hosts(data: &[u8]) {
    for line in data.split(|byte| *byte == b'\n').take(64) {
        if let Ok(Place::Name(host)) = Place::parse(line) {
            assert!(host.parse::<std::net::IpAddr>().is_err() && Host::parse(&host).as_ref() == Ok(&host));
        }
        let text = String::from_utf8_lossy(line);
        if let Ok((path, _)) = normal_path(&text) {
            assert!(path.starts_with('/') && !path.split('/').any(|segment| matches!(segment, "." | "..")));
        }
        if let Ok(pattern) = PathPattern::parse(&text) {
            pattern.matches("/a/b%2Fc/d");
        }
    }
    let text = String::from_utf8_lossy(data).into_owned();
    for form in [Form::Lines, Form::Toml, Form::Xml, Form::Main] {
        let settings = [Setting { form, text: text.clone() }];
        assert!(Registry::ALL.iter().all(|which| which.origins(&settings).len() <= 64));
    }
}

/// The notes behind a frame: the content of skippable frames, each with its length in two bytes before it.
fn notes(data: &[u8]) {
    let Ok(mut file) = zstd::bulk::compress(HEAD, 1) else { return };
    let mut rest = data;
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (content, after) = after.split_at(usize::from(u16::from_le_bytes(*length)).min(after.len()));
        file.extend_from_slice(&0x184D_2A57_u32.to_le_bytes());
        file.extend_from_slice(&(content.len() as u32 + 6).to_le_bytes());
        file.extend_from_slice(b"govsh\0");
        file.extend_from_slice(content);
        rest = after;
    }
    archive(&file);
    reader(&file);
}

/// A keyframe: what was restored goes on as its own dump does.
fn dump(data: &[u8]) {
    let Some(mut screen) = Screen::restore(data) else { return };
    let Some(mut again) = Screen::restore(&screen.dump()) else { panic!("a dump of what was restored is no dump") };
    assert!(screen == again, "another screen comes out of its dump");
    for text in [&b"x\x1b[2;2Hy\x1b[K\r\n"[..], b"\x1b[?1049l\x1b8z"] {
        screen.feed(text);
        again.feed(text);
        assert!(screen == again, "the restored screen goes another way");
    }
}

/// What an agent draws; fed in two parts it is the same.
fn screen(data: &[u8]) {
    let [cols, rows, cut, bytes @ ..] = data else { return };
    let (cols, rows) = (u16::from(*cols % 40) + 1, u16::from(*rows % 12) + 1);
    let (mut whole, mut split) = (Screen::new(cols, rows), Screen::new(cols, rows));
    whole.feed(bytes);
    let (first, second) = bytes.split_at(usize::from(*cut).min(bytes.len()));
    split.feed(first);
    split.feed(second);
    assert!(whole == split, "splitting made a difference");
    whole.resize(rows, cols);
    whole.feed(bytes);
    drop(whole.modes());
}

/// What an agent draws, searched: every hit lies in its line.
fn find(data: &[u8]) {
    let mut text = HEAD.to_vec();
    for (n, piece) in data.chunks(97).enumerate() {
        let shown: String = String::from_utf8_lossy(piece).into_owned();
        let quoted = serde_json::to_string(&shown).unwrap_or_default();
        let line =
            if n % 7 == 6 { format!("[0.1,\"r\",\"{}x9\"]\n", 3 + n % 60) } else { format!("[0.1,\"o\",{quoted}]\n") };
        text.extend_from_slice(line.as_bytes());
    }
    let Ok(file) = zstd::bulk::compress(&text, 1) else { return };
    let Ok(query) = Query::new("[a-e]+|^.", false, Case::Smart, Places::all(), 1) else { return };
    let mut hits = |hit: recording::search::Hit| {
        hit.ranges.iter().for_each(|range| assert!(hit.text.get(range.clone()).is_some(), "{hit:?}"));
        true
    };
    drop(search(|| Ok(Cursor::new(&file[..])), &query, 1, &Progress::default(), &mut hits));
}

/// The shipped profiles are all there is to extend; there are no links.
struct Plain;

impl Library for Plain {
    fn load(&self, name: &str, _: &Source) -> Result<Source, PolicyError> {
        shipped::source(name).ok_or_else(|| PolicyError::whole(name, "no such profile", None))
    }

    fn realpath(&self, path: &[u8]) -> Option<Vec<u8>> {
        Some(path.to_vec())
    }
}

fn policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let vars = Vars {
        home: b"/home/u".to_vec(),
        workdir: b"/work".to_vec(),
        tmp: b"/tmp".to_vec(),
        session: b"/run/s".to_vec(),
        ..Vars::default()
    };
    let source = Source { name: "x.toml".into(), text: text.into(), layer: Layer::User, path: None };
    match Policy::load(source, &Plain, &vars) {
        Ok(policy) => {
            let words = [b"git".to_vec(), b"push".to_vec()];
            assert_eq!(policy.decide_exec(b"/usr/bin/git", &words), policy.decide_exec(b"/usr/bin/git", &words));
        }
        Err(error) => drop((error.to_string(), error.hint().map(str::to_owned))),
    }
}

fn answers(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        drop(check_answers("x.toml", text));
    }
}

/// Requests of clients, and what they are told.
fn control(data: &[u8]) {
    for line in data.split(|byte| *byte == b'\n') {
        if let Ok(request) = Request::parse(line) {
            let again = request.line();
            assert!(
                Request::parse(again.strip_suffix(b"\n").unwrap_or(&again)).is_ok(),
                "{request:?} does not read back"
            );
        }
        if let Ok(value) = serde_json::from_slice(line) {
            drop(Pending::from_value(&value));
        }
        if let Ok(text) = std::str::from_utf8(line) {
            assert!(text.parse::<PublicKey>().map_or(true, |key| key.to_string().parse::<PublicKey>() == Ok(key)));
        }
    }
}

/// Keys and the mouse; read byte by byte they are the same.
fn input(data: &[u8]) {
    let (mut whole, mut single) = (Decoder::default(), Decoder::default());
    let mut all = whole.feed(data);
    let mut each: Vec<_> = data.iter().flat_map(|byte| single.feed(&[*byte])).collect();
    all.extend(whole.settle());
    each.extend(single.settle());
    assert_eq!(format!("{all:?}"), format!("{each:?}"));
}

/// What a target hands over with a call: number, registers, the address they may point to.
fn notified(data: &[u8]) {
    let (registers, address) = data.split_at(data.len().min(52));
    let mut words = registers.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default()));
    let args = [(); 6].map(|()| words.next().unwrap_or_default());
    let nr = registers.get(48..52).and_then(|nr| nr.try_into().ok()).map_or(0, u32::from_le_bytes);
    if let Some(refused) = refusal(ARCH, i64::from(nr % 600), &args) {
        assert!(refused.errno.0 > 0 && !refused.op.is_empty(), "{refused:?}");
    }
    // Whatever the upper half of a register holds, the kernel takes an int.
    let low = args.map(|word| word & 0xffff_ffff);
    assert_eq!(refusal(ARCH, i64::from(nr % 600), &args), refusal(ARCH, i64::from(nr % 600), &low));
    let asked = access_of(args[0] as i32);
    assert!(!asked.is_empty(), "an open that wants nothing");
    if let Address::Path(path) = Address::parse(address)
        && let Some(bytes) = unix_bytes(&path)
    {
        assert_eq!(Address::parse(&bytes), Address::Path(path));
    }
}

/// A directory and a path in it, as a target writes it: what counts as plain is what the kernel would call it.
fn paths(data: &[u8]) {
    let mut halves = data.splitn(2, |byte| *byte == b'\n');
    let (dir, path) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
    let full = join(dir, path);
    if is_plain(path) && is_plain(dir) && dir.starts_with(b"/") {
        assert!(full.starts_with(b"/") && is_plain(&full), "{}", full.escape_ascii());
        let parts = |path: &[u8]| path.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).count();
        let above = if path.starts_with(b"/") { 0 } else { parts(dir) };
        assert_eq!(parts(&full), above + parts(path), "{}", full.escape_ascii());
    }
    for access in [Access::READ, Access::WRITE, Access::READ | Access::EXEC] {
        let nobody = guard(&full, access, |_| false);
        // No process is inside: nothing of one is given, but what everybody may see of it.
        if let Some((_, rest)) = process(&full) {
            let given = matches!(nobody, Guard::Own(_)) || (nobody == Guard::Policy && access != Access::READ);
            assert!(!given, "{} of a process outside", rest.escape_ascii());
            // A thread has one of its own; `task/environ` is no file.
            let of_thread = rest.strip_prefix(b"task/").and_then(|rest| rest.splitn(2, |byte| *byte == b'/').nth(1));
            let is_secret = of_thread.unwrap_or(rest) == b"environ";
            assert!(nobody != Guard::Policy || !is_secret, "{}", full.escape_ascii());
        }
        let inside = guard(&full, access, |_| true);
        assert!(inside != Guard::Terminal || full.starts_with(b"/dev/"), "{}", full.escape_ascii());
    }
    let (_, _) = (is_own(&full), magic(dir, path));
}
