//! Ways out: names that are read in two ways, hosts that are not who was judged, answers that lead inside, and floods.
//!
//! ```text
//! names read in two ways   NUL, escapes, userinfo, wildcards, numbers     plain, relayed, undirected requests
//! other than judged        SNI, ECH, Host, second request, smuggling      rebinding, name service as a tunnel
//! ```
//! Invariant: the server answers whatever reaches it, and every name leads to it; so what is refused was refused by the
//! session. A good request works beside every flood, and the front's memory stays bounded.
//! Leaves to others: sockets and addresses (`sockets`), credentials and certificates (`tests/it`).

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use crate::lab::{Lab, Said, attempt};
use crate::rules::Rules;

/// The front's peak resident memory under any flood, in KiB: of a debug build.
const MOST_MEMORY: u64 = 400 << 10;

/// A server that says `reached` to whatever it is sent; its port.
fn origin() -> u16 {
    static PORT: OnceLock<u16> = OnceLock::new();
    *PORT.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("address").port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut piece = [0u8; 8192];
                    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
                    while stream.read(&mut piece).is_ok_and(|n| n > 0) {
                        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nreached";
                        if stream.write_all(answer).is_err() {
                            break;
                        }
                    }
                });
            }
        });
        port
    })
}

/// A name server to which every name is an address: 127.0.0.1, but `rebind.test` leads into other networks.
fn resolver() -> u16 {
    static PORT: OnceLock<u16> = OnceLock::new();
    *PORT.get_or_init(|| {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let port = socket.local_addr().expect("address").port();
        std::thread::spawn(move || {
            let mut message = [0u8; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut message) {
                if let Some(answer) = answer(&message[..length]) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        port
    })
}

fn answer(message: &[u8]) -> Option<Vec<u8>> {
    let mut at = 12;
    let mut name = String::new();
    while let length @ 1.. = usize::from(*message.get(at)?) {
        name.push_str(&String::from_utf8_lossy(message.get(at + 1..at + 1 + length)?));
        name.push('.');
        at += length + 1;
    }
    let kind = message.get(at + 1..at + 3)?;
    let question = message.get(12..at + 5)?;
    let addresses: &[[u8; 4]] = match &*name.to_ascii_lowercase() {
        _ if kind != [0, 1] => &[],
        "rebind.test." => &[[203, 0, 113, 5], [127, 0, 0, 1]],
        "metadata.test." => &[[169, 254, 169, 254]],
        _ => &[[127, 0, 0, 1]],
    };
    let mut answer = [&message[..2], &[0x81, 0x80, 0, 1, 0, addresses.len() as u8, 0, 0, 0, 0], question].concat();
    for address in addresses {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend(address);
    }
    Some(answer)
}

/// A policy of names: `good.test`, what is under `wild.test`, and two that lead where no name may lead.
fn named() -> Rules {
    let (port, resolver) = (origin(), resolver());
    Rules::new()
        .network(&format!("good.test:{port}"))
        .network(&format!("*.wild.test:{port}"))
        .network(&format!("rebind.test:{port}"))
        .network(&format!("metadata.test:{port}"))
        .toml(&format!("private = [\"good.test\", \"*.wild.test\"]\nresolvers = [\"127.0.0.1:{resolver}\"]\n"))
}

fn run(rules: &Rules, words: &str) -> (Said, Vec<Value>) {
    let port = origin();
    Lab::new().inside(rules, &words.replace("{port}", &port.to_string()))
}

/// Whether anything of the way out was refused on record.
fn told(events: &[Value]) -> bool {
    let refused = |event: &Value| event["verdict"] == "deny" || event["kind"] == "alert";
    events
        .iter()
        .any(|event| refused(event) && ["net", "dns", "http", "alert"].iter().any(|kind| event["kind"] == *kind))
}

/// Every line in a session of its own: refused, on record, and the session ends well.
fn refused(rules: &Rules, lines: &[&str]) {
    let mut wrong = Vec::new();
    for line in lines {
        let (said, events) = run(rules, line);
        if said.status != 1 {
            wrong.push(format!("{line}: {said:?}"));
        }
        if !told(&events) {
            wrong.push(format!("{line}: no event of the refusal: {said:?}"));
        }
        if events.last().is_none_or(|last| last["kind"] != "exit") {
            wrong.push(format!("{line}: the recording does not end with the exit"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn work(rules: &Rules, lines: &[&str]) {
    let mut wrong = Vec::new();
    for line in lines {
        let (said, _) = run(rules, line);
        if !said.worked() {
            wrong.push(format!("{line}: {said:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The same ways reach what is allowed, else none of the refusals would prove anything.
#[test]
fn harmless_forms_still_work() {
    let lines = [
        "out socks good.test {port}",
        "out connect good.test {port}",
        "out absolute good.test {port}",
        "out relay good.test {port}",
        "out connect GOOD.Test. {port}",
        "out connect a.wild.test {port}",
        "out host good.test {port} good.test",
        "out sni good.test {port} good.test",
        "out name good.test 1",
        "out name good.test 1 tcp",
    ];
    work(&named(), &lines);
}

/// One decision for every form in which a host can be asked for.
#[test]
fn hosts_that_no_rule_names() {
    let lines = [
        "out socks evil.test {port}",
        "out connect evil.test {port}",
        "out absolute evil.test {port}",
        "out relay evil.test {port}",
        "out connect good.test 9",
        "out socks good.test 9",
        "out connect evilwild.test {port}",
        "out connect wild.test {port}",
        "out connect a.b.wild.test {port}",
        "out connect a.wild.test.evil.test {port}",
        "out connect good.test.evil.test {port}",
        "out connect xn--good-test-9f6d {port}",
    ];
    refused(&named(), &lines);
}

/// Names that one reader cuts where the next does not.
#[test]
fn names_read_in_two_ways() {
    let lines = [
        "out socks evil.test%00.good.test {port}",
        "out socks good.test%00.evil.test {port}",
        "out socks good.test%00 {port}",
        "out socks evil.test%0d%0agood.test {port}",
        "out socks good.test@evil.test {port}",
        "out socks evil.test#good.test {port}",
        "out socks good..test {port}",
        "out socks .good.test {port}",
        "out socks *.test {port}",
        "out connect good.test%00 {port}",
        "out connect evil.test%2500.good.test {port}",
        "out connect good.test@evil.test {port}",
        "out connect evil.test#.good.test {port}",
        "out connect evil.test/good.test {port}",
        "out connect evil.test%5cgood.test {port}",
        "out connect go%f0%9f%98%80od.test {port}",
        "out absolute good.test@evil.test {port}",
        "out absolute good.test%00.evil.test {port}",
        "out absolute evil.test%09good.test {port}",
    ];
    refused(&named(), &lines);
}

/// Addresses in every spelling, none of which is named by the policy.
#[test]
fn addresses_in_disguise() {
    let lines = [
        "out connect 127.0.0.1 {port}",
        "out connect 127.1 {port}",
        "out connect 0x7f.1 {port}",
        "out connect 0177.0.0.1 {port}",
        "out connect 2130706433 {port}",
        "out connect [::1] {port}",
        "out connect [::ffff:127.0.0.1] {port}",
        "out connect [64:ff9b::7f00:1] {port}",
        "out connect [2002:7f00:1::] {port}",
        "out connect [::1%251] {port}",
        "out socks 2130706433 {port}",
        "out absolute 127.0.0.1 {port}",
        "out connect 169.254.169.254 80",
        "out direct 127.0.0.1 {port}",
    ];
    refused(&named(), &lines);
    let all = Rules::everything();
    refused(
        &all,
        &["out connect 169.254.169.254 80", "out connect [::ffff:169.254.169.254] 80", "out connect 0.0.0.0 {port}"],
    );
}

/// A name that is allowed and leads where no name may lead, and one whose answers are good and bad.
#[test]
fn names_that_lead_inside() {
    refused(
        &named(),
        &[
            "out connect rebind.test {port}",
            "out socks metadata.test {port}",
            "out name metadata.test 1",
            "out name rebind.test 1",
        ],
    );
}

/// What follows is for another host than the one that was judged.
#[test]
fn other_hosts_behind_a_judged_one() {
    let lines = [
        "out sni good.test {port} evil.test",
        "out sni good.test {port} a.wild.test",
        "out no_sni good.test {port}",
        "out ech good.test {port} good.test",
        "out host good.test {port} evil.test",
        "out host good.test {port} a.wild.test",
        "out second good.test {port} evil.test",
        "out raw good.test {port} GET%20http://evil.test/%20HTTP/1.1%0d%0aHost:%20good.test%0d%0a%0d%0a",
        "out raw good.test {port} GET%20/%20HTTP/1.1%0d%0aHost:%20good.test%0d%0aHost:%20evil.test%0d%0a%0d%0a",
        "out raw good.test {port} GET%20/%20HTTP/1.1%0d%0aHost:%20good.test,evil.test%0d%0a%0d%0a",
        "out raw good.test {port} GET%20/%20HTTP/1.1%0d%0aHost%20:%20good.test%0d%0a%0d%0a",
        "out raw good.test {port} GET%20/%20HTTP/1.1%0d%0a%0d%0a",
    ];
    refused(&named(), &lines);
}

/// Requests whose end two readers see in different places.
#[test]
fn requests_with_two_ends() {
    let head = "out raw good.test {port} POST%20/%20HTTP/1.1%0d%0aHost:%20good.test%0d%0a";
    let tails = [
        "Content-Length:%204%0d%0aTransfer-Encoding:%20chunked%0d%0a%0d%0a0%0d%0a%0d%0a",
        "Content-Length:%204%0d%0aContent-Length:%205%0d%0a%0d%0aabcd",
        "Transfer-Encoding:%20chunked,%20identity%0d%0a%0d%0a0%0d%0a%0d%0a",
        "Transfer-Encoding:%0bchunked%0d%0a%0d%0a0%0d%0a%0d%0a",
        "X:%20a%0d%0a%20Transfer-Encoding:%20chunked%0d%0a%0d%0a",
        "Content-Length:%20+4%0d%0a%0d%0aabcd",
        "X:%00%0d%0a%0d%0a",
    ];
    let lines: Vec<String> = tails.iter().map(|tail| format!("{head}{tail}")).collect();
    refused(&named(), &lines.iter().map(String::as_str).collect::<Vec<_>>());
}

/// Bytes that are no request, at the proxy's own door: nobody is reached, and the session goes on to its end.
#[test]
fn no_requests_at_all() {
    let lines = [
        "out proxy_raw x 0 %05%00",
        "out proxy_raw x 0 %05%01%00%05%01%00%03%00%00%50",
        "out proxy_raw x 0 %05%01%00%05%02%00%01%7f%00%00%01%00%50",
        "out proxy_raw x 0 %04%01%00%50%7f%00%00%01%00",
        "out proxy_raw x 0 CONNECT%20good.test%20HTTP/1.1%0d%0a%0d%0a",
        "out proxy_raw x 0 CONNECT%20good.test:99999%20HTTP/1.1%0d%0a%0d%0a",
        "out proxy_raw x 0 GET%20/%20HTTP/1.1%0d%0aHost:%20good.test%0d%0a%0d%0a",
        "out proxy_raw x 0 GET%20ftp://good.test/%20HTTP/1.1%0d%0a%0d%0a",
        "out proxy_raw x 0 PRI%20*%20HTTP/2.0%0d%0a%0d%0aSM%0d%0a%0d%0a",
        "out proxy_raw x 0 %16%03%01%ff%ff%01",
        "out proxy_raw x 0 %00%00%00%00%00%00%00%00%0d%0a%0d%0a",
    ];
    for line in lines {
        let (said, events) = run(&named(), line);
        assert_eq!(said.status, 1, "{line}: {said:?}");
        assert!(told(&events) || line.ends_with("%05%00"), "{line}: no event");
        assert!(events.last().is_some_and(|last| last["kind"] == "exit"), "{line}");
    }
}

/// Whatever a name server could carry out: other types, other names, the wrong class of server.
#[test]
fn name_service_as_a_tunnel() {
    let lines = [
        "out name secret.evil.test 1",
        "out name secret.evil.test 16",
        "out name good.test 16",
        "out name good.test 255",
        "out name good.test 10",
        "out name secret.evil.test 1 tcp",
    ];
    refused(&named(), &lines);
}

/// No list, no way out: not even a proxy to ask.
#[test]
fn nothing_named_is_nothing_allowed() {
    for rules in [Rules::new(), Rules::new().network("none")] {
        for line in ["out connect good.test {port}", "out direct 127.0.0.1 {port}", "out name good.test 1"] {
            let (said, _) = run(&rules, line);
            assert_eq!(said.status, 1, "{line}: {said:?}");
        }
    }
}

/// Runs it and watches the front's memory: what was said, and the peak in KiB.
fn watched(rules: &Rules, words: &str) -> (Said, u64) {
    let lab = Lab::new();
    let (mut command, _) = lab.command(rules, &attempt().to_string_lossy());
    command.args(words.replace("{port}", &origin().to_string()).split(' '));
    let peak = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let seen = peak.clone();
    let ended = crate::lab::finish_after(command, words, move |front| {
        std::thread::spawn(move || {
            while let Ok(status) = std::fs::read_to_string(format!("/proc/{front}/status")) {
                let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
                let Some(kib) = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()) else { break };
                seen.fetch_max(kib, std::sync::atomic::Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
    });
    (crate::lab::said(ended), peak.load(std::sync::atomic::Ordering::Relaxed))
}

/// Clients that begin and never end, that come and go, names without end: whoever asks properly is served, in bounded memory.
#[test]
fn floods() {
    for words in
        ["out hold good.test {port} 300", "out storm good.test {port} 3000", "out names good.test {port} 50000"]
    {
        let (said, peak) = watched(&named(), words);
        assert!(said.worked(), "{words}: {said:?}");
        assert!((1..MOST_MEMORY).contains(&peak), "{words}: the front took {peak} KiB");
        eprintln!("{words}: {}, the front's peak {peak} KiB", said.detail);
    }
}
