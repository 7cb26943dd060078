//! connect(2) as programs make it: every family, blocking and not, bound before, connected twice.

use crate::server;
use crate::world::World;

const OUTSIDE: &str = "allow = ['127.66.0.0/16']";

/// A script with what every one of these needs.
fn script(body: &str) -> String {
    format!(
        "import asyncio, errno, select, socket, struct, sys, threading, time\n\
         def get(s, ask=b'GET /x HTTP/1.0\\r\\n\\r\\n'):\n    s.sendall(ask)\n    d = b''\n    while True:\n        x = s.recv(65536)\n        \
         if not x: return d.split(b'\\r\\n\\r\\n')[-1].decode()\n        d += x\n{body}"
    )
}

#[test]
fn every_kind_of_socket_gets_there() {
    let world = World::new(OUTSIDE, &[]);
    let port = server::http("127.66.0.1").port();
    let said = world.python(&script(&format!(
        r"
port = {port}
def tcp(family=socket.AF_INET): return socket.socket(family, socket.SOCK_STREAM)
s = tcp(); s.connect(('127.66.0.1', port)); print('blocking', get(s))
s = tcp(); s.settimeout(30); s.connect(('127.66.0.1', port)); print('timeout', get(s))
s = tcp(); s.bind(('0.0.0.0', 0)); s.connect(('127.66.0.1', port)); print('bound to all', get(s))
s = tcp(); s.bind(('127.0.0.7', 0)); s.connect(('127.66.0.1', port)); print('bound', s.getsockname()[0], get(s))
s = tcp(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.setsockopt(socket.IPPROTO_IP, 24, 1)
s.bind(('127.0.0.8', 0)); s.connect(('127.66.0.1', port)); print('bound late', get(s))
s = tcp(socket.AF_INET6); s.connect(('::ffff:127.66.0.1', port)); print('mapped', get(s))
s = tcp(socket.AF_INET6); s.bind(('::', 0)); s.connect(('::ffff:127.66.0.1', port)); print('mapped, bound', get(s))
s = tcp(); s.setblocking(False)
first = s.connect_ex(('127.66.0.1', port)); assert first in (0, errno.EINPROGRESS), first
select.select([], [s], []); assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
assert s.connect_ex(('127.66.0.1', port)) in (0, errno.EISCONN); s.setblocking(True); print('not blocking', get(s))
s = tcp(); s.connect(('127.66.0.1', port)); assert s.connect_ex(('127.66.0.1', port)) == errno.EISCONN; print('twice', get(s))
async def main():
    r, w = await asyncio.open_connection('127.66.0.1', port); w.write(b'GET /x HTTP/1.0\r\n\r\n'); d = await r.read()
    print('asyncio', d.split(b'\r\n\r\n')[-1].decode())
asyncio.run(main())
"
    )));
    for line in said.said().lines() {
        assert!(line.ends_with("GET /x"), "{line}");
    }
    assert_eq!(said.out.lines().count(), 10, "{said:?}");
    let tunnels = world.events("net").into_iter().filter(|event| event["op"] == "close").count();
    assert_eq!(tunnels, 10);
}

#[test]
fn six_alone_gets_there() {
    let world = World::new("allow = ['::1']", &[]);
    let port = server::http("::1").port();
    let said = world.python(&script(&format!(
        r"
for only in (0, 1):
    s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM); s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
    s.connect(('::1', {port})); print(get(s))
s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM); s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1); s.bind(('::', 0))
s.connect(('::1', {port})); print(get(s))
"
    )));
    assert_eq!(said.said(), "GET /x\nGET /x\nGET /x");
}

#[test]
fn what_fails_fails_as_it_does_without() {
    let world = World::new(OUTSIDE, &[]);
    let closed = std::net::TcpListener::bind("127.66.0.1:0").expect("a port").local_addr().expect("bound").port();
    let open = server::echo("127.0.0.1").port();
    let said = world.python(&script(&format!(
        r"
def why(ip, port, family=socket.AF_INET, timeout=None):
    s = socket.socket(family, socket.SOCK_STREAM)
    if timeout: s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack('ll', timeout, 0))
    try: s.connect((ip, port)); return 'connected'
    except OSError as e: return errno.errorcode[e.errno]
print(why('127.66.0.1', {closed}), why('127.66.0.1', {closed}, timeout=30), why('127.0.0.1', {open}), why('10.1.2.3', 80), why('::1', {open}, socket.AF_INET6))
s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
import ctypes; libc = ctypes.CDLL(None, use_errno=True)
four = struct.pack('=HH4s8s', socket.AF_INET, socket.htons({open}), socket.inet_aton('127.66.0.1'), b'')
print(libc.connect(s.fileno(), four, len(four)), errno.errorcode[ctypes.get_errno()])
"
    )));
    let refused = "ECONNREFUSED ECONNREFUSED ECONNREFUSED ECONNREFUSED ECONNREFUSED\n-1 EAFNOSUPPORT";
    assert_eq!(said.said(), refused);
    let denied = |addr: &str| {
        world
            .events("net")
            .iter()
            .any(|event| event["verdict"] == "deny" && event["addr"] == addr && event["op"] == "connect")
    };
    assert!(denied("10.1.2.3:80") && denied(&format!("127.0.0.1:{open}")) && denied(&format!("[::1]:{open}")));
}

#[test]
fn bytes_flow_both_ways_and_ends_are_kept_apart() {
    let world = World::new(OUTSIDE, &[]);
    let (echo, count) = (server::echo("127.66.0.3").port(), server::count("127.66.0.3").port());
    let said = world.python(&script(&format!(
        r"
s = socket.create_connection(('127.66.0.3', {echo})); big = bytes(range(256)) * 16384; got = []
def read():
    while True:
        d = s.recv(1 << 16)
        if not d: return
        got.append(d)
t = threading.Thread(target=read); t.start(); s.sendall(big); s.shutdown(socket.SHUT_WR); t.join(); print(b''.join(got) == big)
s = socket.create_connection(('127.66.0.3', {count})); s.sendall(b'x' * 1000000); s.shutdown(socket.SHUT_WR); print(s.recv(100).decode())
s = socket.create_connection(('127.66.0.3', {echo}))
for n in range(50):
    s.sendall(b'%d' % n); assert s.recv(10) == b'%d' % n
print('long')
"
    )));
    assert_eq!(said.said(), "True\n1000000\nlong");
}

/// What the session serves it reaches directly; the same port of the host is out of reach.
#[test]
fn services_of_the_session_stay_its_own() {
    for network in ["allow = ['127.66.0.0/16']", "allow = 'all'"] {
        let world = World::new(network, &[]);
        let said = world.python(&script(
            r"
for family, ip in ((socket.AF_INET, '127.0.0.1'), (socket.AF_INET6, '::1')):
    l = socket.socket(family, socket.SOCK_STREAM); l.bind((ip, 0)); l.listen()
    c = socket.socket(family, socket.SOCK_STREAM); c.connect(l.getsockname()); a, peer = l.accept()
    print(c.getpeername() == l.getsockname(), peer == c.getsockname())
",
        ));
        assert_eq!(said.said(), "True True\nTrue True", "{network}");
        assert!(!world.events("net").iter().any(|event| event["op"] == "open"), "{network}");
    }
}

#[test]
fn a_socket_that_is_dissolved_connects_again() {
    let world = World::new(OUTSIDE, &[]);
    let port = server::echo("127.66.0.1").port();
    let said = world.python(&script(&format!(
        r"
import ctypes; libc = ctypes.CDLL(None, use_errno=True)
s = socket.socket(); s.connect(('127.66.0.1', {port})); s.sendall(b'a'); print(s.recv(1))
print(libc.connect(s.fileno(), b'\0' * 16, 16))
s.connect(('127.66.0.1', {port})); s.sendall(b'b'); print(s.recv(1))
"
    )));
    assert_eq!(said.said(), "b'a'\n0\nb'b'");
}

/// Nothing at all is started where the policy knows no network.
#[test]
fn without_a_network_there_is_no_way_out() {
    let world = World::new("allow = 'none'", &[]);
    let said = world.run(&["sh", "-c", "env | grep -ci _proxy=; exit 0"]);
    assert_eq!(said.said(), "0");
}

/// A server that takes nobody in: its queue is full.
struct Full(std::process::Child, u16);

impl Full {
    fn at(ip: &str) -> Full {
        let script = format!(
            "import socket, sys\nl = socket.socket(); l.bind(('{ip}', 0)); l.listen(0); keep = []\n\
             for n in range(4):\n    s = socket.socket(); s.setblocking(False); s.connect_ex(l.getsockname()); keep.append(s)\n\
             print(l.getsockname()[1], flush=True); sys.stdin.read()"
        );
        let mut python = std::process::Command::new("python3");
        python.args(["-c", &script]).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = python.spawn().expect("python runs");
        let mut line = String::new();
        let mut out = std::io::BufReader::new(child.stdout.take().expect("piped"));
        std::io::BufRead::read_line(&mut out, &mut line).expect("a line");
        let port = line.trim().parse().expect("a port");
        Full(child, port)
    }
}

impl Drop for Full {
    fn drop(&mut self) {
        // It ends by itself once its input is closed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A blocking connect waits as long as its caller allows: a limit on the socket, a signal, the end of the process.
#[test]
fn waiting_ends_when_the_caller_says_so() {
    let world = World::new(OUTSIDE, &[]);
    let full = Full::at("127.66.0.8");
    let said = world.python(&script(&format!(
        r"
import signal, os
def slow(s):
    t = time.monotonic()
    try: s.connect(('127.66.0.8', {port})); return 'connected'
    except OSError as e: return errno.errorcode[e.errno], time.monotonic() - t < 60
    except InterruptedError: return 'interrupted'
    except KeyError: return 'signal', time.monotonic() - t < 60
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack('ll', 1, 0)); print(*slow(s))
def ring(*_): raise KeyError
signal.signal(signal.SIGALRM, ring); signal.setitimer(signal.ITIMER_REAL, 0.5); print(*slow(socket.socket()))
child = os.fork()
if child == 0: slow(socket.socket()); os._exit(0)
time.sleep(0.3); os.kill(child, signal.SIGKILL); print(os.waitpid(child, 0)[1])
",
        port = full.1
    )));
    assert_eq!(said.said(), "EINPROGRESS True\nsignal True\n9");
}
