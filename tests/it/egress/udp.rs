//! Datagrams: names through the stub whatever resolver asks, and nothing else but what the policy names.

use crate::server;
use crate::world::World;

const NAMED: &str = "allow = ['allowed.test', '127.66.0.0/16']";
const NAMES: &[(&str, &[&str])] = &[("allowed.test", &["127.66.0.9"]), ("other.test", &["127.66.0.10"])];

/// A resolver in a few lines: a question by each call that sends, an answer by each that receives, and who it came from.
const CALLS: &str = r"
import array, ctypes, errno, os, socket, struct, sys
server = ('192.0.2.53', 53)
question = b'\x12\x34\1\0\0\1\0\0\0\0\0\0' + b''.join(bytes([len(l)]) + l for l in b'allowed.test'.split(b'.')) + b'\0\0\1\0\1'
def told(name, got, sender):
    assert sender is None or sender[0].replace('::ffff:', '') == server[0] and sender[1] == 53, (name, sender)
    print(name, socket.inet_ntoa(got[-4:]))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.sendto(question, server); told('recvfrom', *u.recvfrom(512))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.sendto(question, server); d, _, _, a = u.recvmsg(512); told('recvmsg', d, a)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.connect(server); u.send(question); told('connected', *u.recvfrom(512))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.connect(server); u.send(question); told('recv', u.recv(512), None)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.sendmsg([question], [], 0, server)
b = bytearray(512); n, _, _, a = u.recvmsg_into([memoryview(b)[:5], memoryview(b)[5:]]); told('recvmsg, two parts', bytes(b[:n]), a)
u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); u.sendto(question, ('::ffff:192.0.2.53', 53)); told('six', *u.recvfrom(512))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(20); u.sendto(question, server); told('timeout', *u.recvfrom(512))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('ll', 0, 50000))
u.sendto(question, server); told('limit', *u.recvfrom(512))
try: u.recvfrom(512)
except OSError as e: print('nothing', errno.errorcode[e.errno])
t = socket.create_connection(server, 20); t.sendall(struct.pack('>H', len(question)) + question); d = t.recv(512); told('tcp', d, None)
";

#[test]
fn every_way_of_asking_is_answered_by_whom_it_asked() {
    let world = World::new(NAMED, NAMES);
    let said = world.python(CALLS);
    let lines: Vec<&str> = said.said().lines().collect();
    assert_eq!(lines.len(), 10, "{said:?}");
    for line in lines.iter().filter(|line| !line.starts_with("nothing")) {
        assert!(line.ends_with(" 127.66.0.9"), "{line}");
    }
    assert!(lines.contains(&"nothing EAGAIN"));
}

#[test]
fn a_library_resolves_and_connects_by_name() {
    let world = World::new(NAMED, NAMES);
    let port = server::http("127.66.0.9").port();
    let said = world.python(&format!(
        "import urllib.request, socket\nprint(urllib.request.urlopen('http://allowed.test:{port}/y').read().decode())\n\
         try: socket.getaddrinfo('denied.test', 80)\nexcept socket.gaierror as e: print(e.errno == socket.EAI_NONAME)"
    ));
    assert_eq!(said.said(), "GET /y\nTrue");
    assert!(world.resolver.asked().iter().all(|(name, _)| name == "allowed.test"), "{:?}", world.resolver.asked());
}

/// Probing addresses, as getaddrinfo(3) does to sort them, is nobody's business; sending is.
#[test]
fn probes_are_silent_and_sending_is_not() {
    let world = World::new(NAMED, &[]);
    let said = world.python(
        "import errno, socket\nu = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\nu.connect(('192.0.2.7', 443))\n\
         try: u.send(b'x')\nexcept OSError as e: print(errno.errorcode[e.errno])\n\
         try: u.sendto(b'x', ('192.0.2.7', 443))\nexcept OSError as e: print(errno.errorcode[e.errno])\n\
         try: u.connect(('169.254.169.254', 80))\nexcept OSError as e: print(errno.errorcode[e.errno])",
    );
    assert_eq!(said.said(), "EDESTADDRREQ\nEHOSTUNREACH\nEHOSTUNREACH");
    let events = world.events("net");
    let of = |op: &str, addr: &str| events.iter().filter(|event| event["op"] == op && event["addr"] == addr).count();
    assert_eq!((of("connect", "192.0.2.7:443"), of("send", "192.0.2.7:443")), (0, 1));
    assert_eq!(of("connect", "169.254.169.254:80"), 1);
}
