//! A company's way out: a proxy that wants a password, and servers that its own authority vouches for, from the machine's
//! configuration in a mount namespace of its own.
//!
//! Leaves to others: who may configure it (`tests/it/layers`), each way through a proxy (`egress::dial`).

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::secure::Server;
use crate::world::{PATIENCE, World};

/// CONNECT with a password; every name is at the server's address. What it was asked goes to a file.
const PROXY: &str = r#"
import base64, socket, sys, threading
ip, log = sys.argv[1], sys.argv[2]
listener = socket.create_server((ip, 3128))
def pump(a, b):
    try:
        while data := a.recv(65536): b.sendall(data)
    except OSError: pass
    for s in (a, b):
        try: s.shutdown(socket.SHUT_RDWR)
        except OSError: pass
def serve(client):
    head = b''
    while b'\r\n\r\n' not in head:
        more = client.recv(4096)
        if not more: return
        head += more
    lines = head.decode().split('\r\n')
    right = 'proxy-authorization: basic ' + base64.b64encode(b'me:secret').decode().lower()
    known = any(line.lower() == right for line in lines)
    with open(log, 'a') as out: out.write(f'{lines[0]} {known}\n')
    if not known:
        client.sendall(b'HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n'); client.close(); return
    server = socket.create_connection((ip, int(lines[0].split()[1].rsplit(':', 1)[1])))
    client.sendall(b'HTTP/1.1 200 OK\r\n\r\n')
    threading.Thread(target=pump, args=(server, client), daemon=True).start()
    pump(client, server)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"#;

struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_companys_proxy_and_authority_are_used() {
    const IP: &str = "127.66.21.1";
    let server = Server::start(IP, &["api.test", "spliced.test"]);
    // The names are known to the proxy alone.
    let world = World::new(
        "allow = ['api.test:8443', 'spliced.test:8443']\nhttp = [{ host = 'api.test:8443', methods = ['GET'] }]",
        &[],
    );
    let log = world.path("asked");
    let proxy = Command::new("python3").args(["-c", PROXY, IP]).arg(&log).stdin(Stdio::null()).spawn();
    let _proxy = Proxy(proxy.expect("python3 runs"));
    let deadline = Instant::now() + PATIENCE;
    while std::net::TcpStream::connect((IP, 3128)).is_err() {
        assert!(Instant::now() < deadline, "no proxy");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let etc = world.path("etc");
    let copied = Command::new("cp").args(["-a", "/etc"]).arg(&etc).output().expect("cp runs");
    assert!(copied.status.success(), "{copied:?}");
    let _ = std::fs::remove_dir_all(etc.join("govsh")); // what this machine itself says is not what is tested
    std::fs::create_dir_all(etc.join("govsh/policy.d")).expect("made");
    let password = world.path("password");
    std::fs::write(&password, "Basic bWU6c2VjcmV0\n").expect("written");
    let company = format!(
        "version = 1\n[network]\nupstream = {{ proxy = 'http://{IP}:3128', authorization = 'file:{}', ca = ['{}'] }}\n",
        password.display(),
        server.path("ca.pem").display()
    );
    std::fs::write(etc.join("govsh/policy.d/10-company.toml"), company).expect("written");
    const SCRIPT: &str = "curl -sS -o /dev/null -w '%{http_code}\\n' https://api.test:8443/terminated; \
        curl -sS -o /dev/null -w '%{http_code}\\n' https://spliced.test:8443/spliced; \
        curl -sS -o /dev/null -w '%{http_code}\\n' -X POST https://api.test:8443/terminated; \
        env | grep -i -c 'secret\\|bWU6' ";
    let govsh = world.govsh(&["run", "--quiet", "--policy", "world", "--", "sh", "-c", SCRIPT]);
    let mut command = Command::new(if is_root() { "env" } else { "sudo" });
    if !is_root() {
        command.args(["-n", "--preserve-env"]);
    }
    let mounts = format!("mount --make-rprivate / && mount --bind '{}' /etc && exec \"$@\"", etc.display());
    command.args(["unshare", "-m", "sh", "-c", &mounts, "sh"]).arg(govsh.get_program()).args(govsh.get_args());
    command.current_dir(world.path("work")).env_remove("SSL_CERT_FILE").stdin(Stdio::null());
    for (name, value) in govsh.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let asked = std::fs::read_to_string(&log).unwrap_or_default();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said, "200\n200\n403\n0\n", "{err}\n{asked}\n{:#?}", world.events("net"));
    for name in ["api.test", "spliced.test"] {
        assert!(asked.contains(&format!("CONNECT {name}:8443 HTTP/1.1 True")), "{asked}");
    }
    assert!(!asked.contains("False"), "{asked}");
    assert!(server.asked().contains("/terminated") && server.asked().contains("/spliced"), "{}", server.asked());
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}
