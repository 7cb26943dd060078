//! Names as programs look them up: what is found, what does not exist, and what a name is good for afterwards.

use std::io::Write;
use std::net::TcpListener;

use crate::world::World;

/// A question of any type over UDP, in a few lines.
const ASK: &str = r"
import socket, struct
def ask(name, kind, server=('192.0.2.53', 53)):
    q = b'\x12\x34\1\0\0\1\0\0\0\0\0\0' + b''.join(bytes([len(l)]) + l for l in name.encode().split(b'.')) + b'\0' + struct.pack('>HH', kind, 1)
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(30); u.sendto(q, server)
    d = u.recv(4096)
    return d[3] & 15, struct.unpack('>H', d[6:8])[0], d[12:12 + len(name) + 1]
";

#[test]
fn what_no_rule_could_allow_does_not_exist_and_is_asked_of_nobody() {
    let world = World::new(
        "allow = ['allowed.test']\nprivate = ['allowed.test']",
        &[("allowed.test", &["127.66.0.9"]), ("evil.test", &["127.66.0.10"])],
    );
    let said = world.python(&format!(
        "{ASK}\nprint(ask('evil.test', 1)[0], ask('key-0123.evil.test', 28)[0], ask('allowed.test', 1)[:2])\n\
         try: socket.getaddrinfo('evil.test', 80)\nexcept socket.gaierror as e: print(e.errno == socket.EAI_NONAME)"
    ));
    assert_eq!(said.said(), "3 3 (0, 1)\nTrue");
    assert!(world.resolver.asked().iter().all(|(name, _)| name == "allowed.test"), "{:?}", world.resolver.asked());
    let events = world.events("dns");
    let denied = |name: &str| {
        events.iter().any(|event| {
            event["name"] == name && event["verdict"] == "deny" && event["rcode"] == "NXDOMAIN" && event["rule"] != ""
        })
    };
    assert!(denied("evil.test") && denied("key-0123.evil.test"), "{events:?}");
    let found = events.iter().find(|event| event["verdict"] == "allow").expect("the other one");
    assert_eq!((&found["name"], &found["answers"]), (&"allowed.test".into(), &serde_json::json!(["127.66.0.9"])));
}

#[test]
fn text_is_looked_up_of_nobody_and_letters_keep_their_case() {
    let world =
        World::new("allow = ['allowed.test']\nprivate = ['allowed.test']", &[("allowed.test", &["127.66.0.9"])]);
    let said = world.python(&format!(
        "{ASK}\nfor kind in (16, 65, 33, 10, 255): print(kind, *ask('allowed.test', kind)[:2])\n\
         print(ask('aLLoWed.TEST', 1)[2][:13])"
    ));
    assert_eq!(said.said(), "16 0 0\n65 0 0\n33 0 0\n10 4 0\n255 4 0\nb'\\x07aLLoWed\\x04TEST'");
    assert!(world.resolver.asked().iter().all(|(_, kind)| matches!(kind, 1 | 28)), "{:?}", world.resolver.asked());
    let refused = world.events("dns").into_iter().filter(|event| event["verdict"] == "deny").count();
    assert_eq!(refused, 3, "TXT, NULL and ANY");
}

/// node's `dns.resolve` is c-ares, which wants its answers from the address that it asked.
#[test]
fn c_ares_resolves() {
    let world = World::new(
        "allow = ['*.allowed.test']\nprivate = ['**.test']",
        &[("a.allowed.test", &["127.66.0.9", "127.66.0.10"]), ("b.allowed.test", &["127.66.0.11"])],
    );
    world.write(
        "look.js",
        "const dns = require('dns').promises;\n(async () => {\n\
         console.log((await dns.resolve4('a.allowed.test')).sort().join(' '));\n\
         console.log((await dns.lookup('b.allowed.test')).address);\n\
         for (const f of [() => dns.resolve4('evil.test'), () => dns.resolveTxt('a.allowed.test')])\n\
           try { await f(); console.log('found'); } catch (e) { console.log(e.code); }\n\
         console.log((await dns.reverse('127.66.0.11')).join(' '));\n})();",
    );
    let said = world.bare(&["node", "look.js"]);
    assert_eq!(said.said(), "127.66.0.10 127.66.0.9\n127.66.0.11\nENOTFOUND\nENODATA\nb.allowed.test");
}

#[test]
fn asyncio_resolves_many_at_once() {
    let names: Vec<String> = (0..60).map(|n| format!("n{n}.many.test")).collect();
    let table: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), &["127.66.0.9"][..])).collect();
    let world = World::new("allow = ['*.many.test']\nprivate = ['*.many.test']", &table);
    let said = world.python(
        "import asyncio, socket\nasync def main():\n    loop = asyncio.get_running_loop()\n\
         \x20   found = await asyncio.gather(*[loop.getaddrinfo(f'n{n}.many.test', 80, family=socket.AF_INET) for n in range(60)])\n\
         \x20   print(sum(f[0][4][0] == '127.66.0.9' for f in found))\nasyncio.run(main())",
    );
    assert_eq!(said.said(), "60");
}

/// Rebinding: an address of this machine or of its network is reached through no name that is not said to have one.
#[test]
fn one_bad_address_denies_the_name() {
    let world = World::new(
        "allow = ['*.allowed.test']\nprivate = ['good.allowed.test']",
        &[
            ("good.allowed.test", &["127.66.0.9"]),
            ("meta.allowed.test", &["192.0.2.1", "169.254.169.254"]),
            ("home.allowed.test", &["192.168.1.1"]),
            ("self.allowed.test", &["127.0.0.1"]),
        ],
    );
    let said = world.python(&format!(
        "{ASK}\nfor n in ('good', 'meta', 'home', 'self'): print(n, *ask(n + '.allowed.test', 1)[:2])"
    ));
    assert_eq!(said.said(), "good 0 1\nmeta 3 0\nhome 3 0\nself 3 0");
    let events = world.events("dns");
    assert_eq!(events.iter().filter(|event| event["verdict"] == "deny").count(), 3, "{events:?}");
}

/// A protocol that names nothing (SSH, databases) is judged by the name that its address was looked up under.
#[test]
fn plain_tcp_is_judged_by_the_name_of_its_address() {
    let listener = TcpListener::bind("127.66.0.21:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.and_then(|mut stream| stream.write_all(b"SSH-2.0-test\r\n"));
        }
    });
    let world = World::new(
        &format!("allow = ['git.test:{port}']\nprivate = ['git.test']"),
        &[("git.test", &["127.66.0.21"]), ("evil.test", &["127.66.0.22"])],
    );
    let said = world.python(&format!(
        r"
import errno, socket
def connect(ip, port={port}):
    try:
        s = socket.create_connection((ip, port), 60); return s.recv(100).decode().strip()
    except OSError as e: return errno.errorcode.get(e.errno, str(e))
print(connect('127.66.0.21'))
ip = socket.getaddrinfo('git.test', {port}, type=socket.SOCK_STREAM)[0][4][0]
print(ip, connect(ip))
print(connect(ip, 1), connect('127.66.0.22'))
"
    ));
    assert_eq!(said.said(), "ECONNREFUSED\n127.66.0.21 SSH-2.0-test\nECONNREFUSED ECONNREFUSED");
    let events = world.events("net");
    let by_name = |event: &&serde_json::Value| event["op"] == "close" && event["host"] == "git.test";
    let close = events.iter().find(by_name).expect("its end");
    assert_eq!((&close["addr"], &close["down"]), (&format!("127.66.0.21:{port}").into(), &14.into()), "{close}");
    assert!(
        events
            .iter()
            .any(|event| event["op"] == "connect" && event["host"] == "git.test" && event["verdict"] == "allow")
    );
}

/// A name can carry what must not leave: so many different ones under a wildcard, and no more.
#[test]
fn a_flood_of_names_is_stopped_and_told() {
    let world = World::new("allow = ['**.zone.test']", &[]);
    let said = world.python(&format!(
        "{ASK}\nfor n in range(250): ask(f'chunk{{n}}.zone.test', 1)\n\
         print(sum(ask('0123456789abcdef' * 3 + f'{{n}}.zone.test', 1)[0] for n in range(20)))"
    ));
    said.said();
    let names: std::collections::HashSet<_> = world.resolver.asked().into_iter().map(|(name, _)| name).collect();
    assert!((50..200).contains(&names.len()), "{} names left this machine", names.len());
    let alerts = world.events("alert");
    assert!(
        alerts.iter().any(|alert| alert["what"].as_str().is_some_and(|what| what.contains("zone.test"))),
        "{alerts:?}"
    );
}
