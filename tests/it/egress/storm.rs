//! Many connections at a time, and the same socket fought over.

use crate::server;
use crate::world::World;

/// So many connections open together, each with an answer of its own; what the front took for them at most, in MiB.
fn open_together(count: usize) -> u64 {
    let world = World::new("allow = ['127.66.0.0/16']", &[]);
    let port = server::echo("127.66.0.5").port();
    let script = format!(
        r"
import asyncio, resource, sys
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE); resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, {count} + 64), hard))
gate = asyncio.Semaphore(200)
async def one(n):
    async with gate: r, w = await asyncio.open_connection('127.66.0.5', {port})
    w.write(b'%06d' % n)
    got = await r.readexactly(6)
    return got == b'%06d' % n, w
async def main():
    done = await asyncio.gather(*(one(n) for n in range({count})))
    print(sum(good for good, _ in done), len({{w.get_extra_info('sockname') for _, w in done}}), flush=True)
    sys.stdin.readline()
asyncio.run(main())
"
    );
    world.write("many.py", &script);
    let mut session = world.start(&[], &["python3", "many.py"]);
    assert_eq!(session.until(" "), format!("{count} {count}"));
    let status = std::fs::read_to_string(format!("/proc/{}/status", session.front())).expect("it runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    session.tell("go");
    session.end().said();
    peak.map_or(0, |kib: u64| kib >> 10)
}

#[test]
fn thousands_at_a_time() {
    open_together(2000);
}

/// As many as this machine's descriptors allow.
#[test]
#[ignore = "it is long: cargo test --test egress ten_thousand -- --ignored --nocapture"]
fn ten_thousand_at_a_time() {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("limits");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("its line");
    let hard: usize = line.split_whitespace().nth(4).and_then(|hard| hard.parse().ok()).unwrap_or(usize::MAX);
    // Two of the front's for each, and its own.
    let count = 10_000.min((hard - 512) / 2);
    let peak = open_together(count);
    eprintln!("{count} at a time: the front's peak {peak} MiB");
    assert!(peak < 400, "{peak} MiB");
}

/// Threads that connect one socket to an allowed place and to a forbidden one: whoever wins, the forbidden one is not reached.
#[test]
fn a_socket_that_is_fought_over_reaches_nothing_forbidden() {
    let world = World::new("allow = ['127.66.0.6']", &[]);
    let (good, bad) = (server::http("127.66.0.6").port(), server::http("127.66.0.7").port());
    let said = world.python(&format!(
        r"
import ctypes, socket, struct, threading
libc = ctypes.CDLL(None)
def addr(ip, port): return struct.pack('=HH4s8s', socket.AF_INET, socket.htons(port), socket.inet_aton(ip), b'')
good, bad = addr('127.66.0.6', {good}), addr('127.66.0.7', {bad})
wins = 0
for n in range(60):
    s = socket.socket(); buf = ctypes.create_string_buffer(good, 16); stop = []
    def swap():
        while not stop: buf[:] = bad; buf[:] = good
    def fight(): libc.connect(s.fileno(), bad, 16)
    ts = [threading.Thread(target=swap), threading.Thread(target=fight)]
    for t in ts: t.start()
    libc.connect(s.fileno(), buf, 16); stop.append(1)
    for t in ts: t.join()
    try: s.settimeout(20); s.sendall(b'GET /r HTTP/1.0\r\n\r\n'); wins += b'GET /r' in s.recv(1000)
    except OSError: pass
    s.close()
print(wins > 0)
"
    ));
    assert_eq!(said.said(), "True");
    let reached = |event: &serde_json::Value| {
        event["op"] == "open" && event["addr"].as_str().is_some_and(|addr| addr.starts_with("127.66.0.7:"))
    };
    assert!(!world.events("net").iter().any(reached));
}
