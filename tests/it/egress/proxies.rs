//! Bypasses tried through the proxies and around them: odd names, odd addresses, names inside that were not judged, a relay.
//!
//! Invariant: each attempt is made beside the same thing done rightly, which must work, so that a failure proves something.

use crate::server;
use crate::world::World;

/// Python that talks to the session's proxy by itself.
const CLIENT: &str = r"
import os, socket, ssl, struct
def proxy():
    host, port = os.environ['HTTPS_PROXY'].split('//')[1].strip('/').split('@')[-1].rsplit(':', 1)
    s = socket.create_connection((host.strip('[]'), int(port))); s.settimeout(60); return s
def line(s):
    got = b''
    while not got.endswith(b'\n'):
        piece = s.recv(1)
        if not piece: break
        got += piece
    return got.decode('latin-1').strip()
def connect(place):
    s = proxy(); s.sendall(b'CONNECT ' + place + b' HTTP/1.1\r\nHost: x\r\n\r\n'); return line(s).split(' ')[1]
def absolute(place):
    s = proxy(); s.sendall(b'GET http://' + place + b'/x HTTP/1.1\r\nHost: ' + place + b'\r\n\r\n'); return line(s).split(' ')[1]
def socks(name, port):
    s = proxy(); s.sendall(b'\5\1\0'); assert s.recv(2) == b'\5\0'
    s.sendall(b'\5\1\0\3' + bytes([len(name)]) + name + struct.pack('>H', port)); return s.recv(10)[1]
";

fn world(more: &str) -> (World, u16) {
    let port = server::http("127.66.0.21").port();
    let network = format!("allow = ['api.test:{port}']\nprivate = ['api.test', 'evil.test']\n{more}");
    (World::new(&network, &[("api.test", &["127.66.0.21"]), ("evil.test", &["127.66.0.21"])]), port)
}

fn talks(world: &World, script: &str) -> String {
    world.write("script.py", &format!("{CLIENT}\n{script}"));
    world.run(&["python3", "script.py"]).said().to_owned()
}

#[test]
fn every_form_is_judged_alike_e1_e2_e5() {
    let (world, port) = world("");
    let said = talks(
        &world,
        &format!(
            r"
port = {port}
at = lambda host: host + b':%d' % port
print(connect(at(b'api.test')), absolute(at(b'api.test')), socks(b'api.test', port))
for host in [b'evil.test', b'127.66.0.21', b'0x7f.66.21', b'2134966293', b'[::ffff:127.66.0.21]', b'169.254.169.254', b'[64:ff9b::a9fe:a9fe]']:
    print(connect(at(host)), absolute(at(host)), socks(host.strip(b'[]'), port))
for host in [b'evil.test\0.api.test', b'api.test%00', b'a@api.test', b'api.test#']:
    print(connect(at(host)), socks(host, port))
"
        ),
    );
    let mut lines = said.lines();
    assert_eq!(lines.next(), Some("200 200 0"));
    let denied: Vec<&str> = lines.by_ref().take(7).collect();
    assert_eq!(denied, ["403 403 2"; 7], "{said}");
    assert_eq!(lines.collect::<Vec<_>>(), ["400 2"; 4], "{said}");
    let events = world.events("net");
    assert!(events.iter().any(|event| event["verdict"] == "deny" && event["host"] == "evil.test"), "{events:?}");
}

/// SOCKS is spoken where the variables say HTTP, by a client that has not read this.
#[test]
fn socks_is_spoken_at_the_same_port() {
    let (world, port) = world("");
    let line = format!(
        "at=socks5h://${{HTTPS_PROXY#http://}}; for host in api.test evil.test; do \
         curl -sS --noproxy '' -x $at http://$host:{port}/s && echo || echo \"no: $?\"; done 2>&1"
    );
    let said = world.run(&["sh", "-c", &line]);
    let lines: Vec<&str> = said.said().lines().collect();
    assert_eq!((lines.first(), lines.last()), (Some(&"GET /s"), Some(&"no: 97")), "{said:?}");
    assert_eq!(world.resolver.asked().iter().filter(|(name, _)| name == "evil.test").count(), 0);
}

#[test]
fn a_name_inside_that_was_not_judged_is_cut_off_e7_e8() {
    let (world, port) = world("");
    let said = talks(
        &world,
        &format!(
            r"
def ends(first):
    s = socket.create_connection(('api.test', {port})); s.settimeout(60)
    try: s.sendall(first); return s.recv(100)
    except OSError as e: return type(e).__name__
def hello(name):
    out, into = ssl.MemoryBIO(), ssl.MemoryBIO(); c = ssl.create_default_context(); c.check_hostname = False
    t = c.wrap_bio(into, out, server_hostname=name)
    try: t.do_handshake()
    except ssl.SSLWantReadError: pass
    return out.read()
def http(host): return b'GET /y HTTP/1.1\r\nHost: ' + host + b'\r\nConnection: close\r\n\r\n'
print(ends(http(b'api.test:{port}'))[:15])
print(ends(http(b'evil.test'))[:12])
print(ends(b'\r\n' + http(b'evil.test'))[:12])
print(ends(hello('evil.test')))
print(ends(hello(None)))
"
        ),
    );
    const ALERT: &str = r"b'\x15\x03\x03\x00\x02\x021'";
    assert_eq!(
        said.lines().collect::<Vec<_>>(),
        ["b'HTTP/1.1 200 OK'", "b'HTTP/1.1 403'", "b'HTTP/1.1 403'", ALERT, ALERT]
    );
    let events = world.events("net");
    assert!(events.iter().any(|event| event["end"] == "denied" && event["sni"] == "evil.test"), "{events:?}");
}

#[test]
fn nothing_gets_around_the_front_e3_e14_e15() {
    let (world, port) = world("");
    let said = talks(
        &world,
        &format!(
            r"
import threading
def outcome(deed):
    try: return deed()
    except OSError as e: return type(e).__name__
port = proxy().getpeername()[1]
# the proxy's port at another address, and the place itself by its address
print(outcome(lambda: socket.create_connection(('127.66.0.21', port), 60)))
print(outcome(lambda: socket.create_connection(('127.66.0.21', {port}), 60)))
# a relay inside: what comes through it is judged as everything else
relay = socket.create_server(('127.0.0.1', 0))
def pump(a, b):
    try:
        while True:
            got = a.recv(4096)
            if not got: break
            b.sendall(got)
    except OSError: pass
def serve():
    while True:
        c, _ = relay.accept(); p = proxy()
        for a, b in ((c, p), (p, c)): threading.Thread(target=pump, args=(a, b), daemon=True).start()
threading.Thread(target=serve, daemon=True).start()
def through(place):
    s = socket.create_connection(relay.getsockname()); s.settimeout(60)
    s.sendall(b'CONNECT ' + place + b' HTTP/1.1\r\n\r\n'); return line(s).split(' ')[1]
print(through(b'api.test:{port}'), through(b'evil.test:{port}'))
"
        ),
    );
    assert_eq!(said.lines().collect::<Vec<_>>(), ["ConnectionRefusedError", "ConnectionRefusedError", "200 403"]);
    // Without variables and with a resolver of one's own nothing changes.
    let bare = world.python(&format!(
        r"
import socket
for host in ('api.test', 'evil.test'):
    try: s = socket.create_connection((host, {port}), 60); s.sendall(b'GET /z HTTP/1.1\r\nHost: api.test:{port}\r\n\r\n'); print(s.recv(15))
    except OSError as e: print(type(e).__name__)
"
    ));
    assert_eq!(bare.said(), "b'HTTP/1.1 200 OK'\ngaierror");
}
