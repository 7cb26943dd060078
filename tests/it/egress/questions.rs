//! Questions about hosts, and policies that change while a session runs.

use crate::server;
use crate::world::World;

const NAMES: &[(&str, &[&str])] = &[("asked.test", &["127.66.0.9"])];
const ASKED: &str = "allow = ['127.66.0.1']\nask = ['asked.test']\nprivate = ['asked.test']";

/// The parked connect goes on once somebody allows the host, and the next one is not asked about.
#[test]
fn a_connect_waits_for_its_answer() {
    let world = World::new(ASKED, NAMES);
    let port = server::http("127.66.0.9").port();
    let script = format!(
        "import urllib.request\nfor n in range(2): print(urllib.request.urlopen('http://asked.test:{port}/q').read().decode(), flush=True)"
    );
    world.write("ask.py", &script);
    for proxied in [false, true] {
        let unset = if proxied { "true" } else { "unset http_proxy HTTP_PROXY all_proxy ALL_PROXY" };
        let line = format!("read line; {unset}; exec python3 ask.py");
        let mut session = world.start(&[], &["sh", "-c", &line]);
        let mut person = session.person();
        session.tell("go");
        let question = person.question();
        assert_eq!((&question["host"], &question["op"]), (&"asked.test".into(), &"connect".into()), "{question}");
        person.answer(question["ask"].as_u64().expect("a number"), "allow", "session");
        drop(person);
        assert_eq!(session.end().said(), "GET /q\nGET /q", "proxied: {proxied}");
        assert_eq!(world.events("ask").len(), 1);
    }
}

#[test]
fn a_denial_is_a_refusal() {
    let world = World::new(ASKED, NAMES);
    let script = "import socket\nat = socket.getaddrinfo('asked.test', 80, socket.AF_INET)[0][4]\ns = socket.socket()\n\
                  try: s.connect(at)\nexcept ConnectionRefusedError: print('refused')";
    world.write("ask.py", script);
    let mut session = world.start(&[], &["sh", "-c", "read line; exec python3 ask.py"]);
    let mut person = session.person();
    session.tell("go");
    let question = person.question();
    person.answer(question["ask"].as_u64().expect("a number"), "deny", "once");
    assert_eq!(session.end().said(), "refused");
    assert_eq!(world.resolver.asked(), [], "a name that was not allowed was told to somebody");
}

/// A policy that is put in force at once: tunnels it does not allow are closed, what it allows gets through.
#[test]
fn a_reloaded_policy_holds_at_once() {
    let world = World::new("allow = ['127.66.0.1']", &[]);
    let (first, second) = (server::echo("127.66.0.1").port(), server::echo("127.66.0.2").port());
    let script = format!(
        r"
import socket, sys
def reach(ip, port):
    s = socket.socket()
    try: s.connect((ip, port)); s.sendall(b'a'); return s, s.recv(1)
    except OSError as e: return s, None
s, a = reach('127.66.0.1', {first}); print('first', a, flush=True)
_, b = reach('127.66.0.2', {second}); print('second', b, flush=True)
sys.stdin.readline()
try: s.sendall(b'b'); d = s.recv(1)
except OSError: d = b''
print('old', d, flush=True)
_, a = reach('127.66.0.1', {first}); _, b = reach('127.66.0.2', {second}); print('now', a, b, flush=True)
"
    );
    world.write("reload.py", &script);
    let mut session = world.start(&[], &["python3", "reload.py"]);
    session.until("second None");
    world.policy("allow = ['127.66.0.2']", "[limits]\nopen_files = 4000\n");
    let output = world.govsh(&["policy", "reload", "last"]).output().expect("govsh runs");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    assert!(told.contains("takes effect in the next session: [limits]"), "{told}");
    session.tell("go");
    assert_eq!(session.until("old"), "old b''");
    assert_eq!(session.until("now"), "now None b'a'");
    world.policy("allow = 17", "");
    let output = world.govsh(&["policy", "reload", "last"]).output().expect("govsh runs");
    assert!(!output.status.success() || session.end().status == Some(0), "{output:?}");
}
