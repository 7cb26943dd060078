//! Datagrams: sockets of IPv6 alone that ask for names, sockets that were connected before a policy came into force.

use crate::world::World;

#[test]
fn a_socket_of_ipv6_alone_is_answered() {
    let world = World::new("allow = ['**.test']\nprivate = ['**.test']", &[("api.test", &["127.66.0.1"])]);
    let script = r#"
import socket, struct
question = struct.pack('>HHHHHH', 7, 0x100, 1, 0, 0, 0) + b'\3api\4test\0' + struct.pack('>HH', 1, 1)
for connects in (True, False):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.settimeout(60)
    server = ('2001:db8::53', 53)
    if connects:
        s.connect(server)
        s.send(question)
        answer = s.recv(512)
    else:
        s.sendto(question, server)
        answer, source = s.recvfrom(512)
        assert source[:2] == server, source
    print('.'.join(str(b) for b in answer[-4:]))
"#;
    assert_eq!(world.python(script).said(), "127.66.0.1\n127.66.0.1");
}

#[test]
fn a_reload_takes_away_peers_that_are_not_allowed_any_more() {
    let allowed = "allow = ['127.66.3.7:5000', '127.66.3.8:5000']";
    let world = World::new(allowed, &[]);
    world.write(
        "script.py",
        r#"
import os, socket, sys
def connected(ip):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect((ip, 5000))
    return s
stays, goes = connected('127.66.3.8'), connected('127.66.3.7')
# held by a child as well
if os.fork() == 0:
    sys.stdin.readline()
    os._exit(0)
print('ready', flush=True)
sys.stdin.readline()
for s in (stays, goes):
    try:
        print(s.getpeername()[0])
    except OSError:
        print('none')
"#,
    );
    let mut running = world.start(&[], &["python3", "script.py"]);
    running.until("ready");
    world.policy("allow = ['127.66.3.8:5000']", "");
    let reload = world.govsh(&["policy", "reload", "last"]).output().expect("govsh runs");
    assert!(reload.status.success(), "{}", String::from_utf8_lossy(&reload.stderr));
    running.tell("on");
    running.tell("on");
    let ran = running.end();
    assert_eq!(ran.said(), "127.66.3.8\nnone", "{ran:?}");
    let denied = world.events("net");
    assert!(
        denied.iter().any(|event| event["verdict"] == "deny" && event.to_string().contains("127.66.3.7")),
        "{denied:?}"
    );
}
