//! Many connections at a time, and the same socket fought over.

use crate::server;
use crate::world::World;

/// Two thousand connections open together, each with an answer of its own.
#[test]
fn thousands_at_a_time() {
    let world = World::new("allow = ['127.66.0.0/16']", &[]);
    let port = server::echo("127.66.0.5").port();
    let said = world.python(&format!(
        r"
import asyncio, resource
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE); resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
gate = asyncio.Semaphore(200)
async def one(n):
    async with gate: r, w = await asyncio.open_connection('127.66.0.5', {port})
    w.write(b'%06d' % n)
    got = await r.readexactly(6)
    return got == b'%06d' % n, w
async def main():
    done = await asyncio.gather(*(one(n) for n in range(2000)))
    print(sum(good for good, _ in done), len({{w.get_extra_info('sockname') for _, w in done}}))
asyncio.run(main())
"
    ));
    assert_eq!(said.said(), "2000 2000");
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
