//! Terminated connections in a whole session: certificates and placeholders reach the agent, secrets the server.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::world::{PATIENCE, World};

const REAL: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

/// Says what it was asked, headers and all, over TLS; one line for each request on its standard output.
const SERVER: &str = r#"
import http.server, ssl, sys
class Asked(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        text = f'{self.path} {self.headers}'.encode()
        with open('asked', 'ab') as log:
            log.write(text)
        self.send_response(200)
        self.send_header('content-length', str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer((sys.argv[1], 8443), Asked)
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain('leaf.pem', 'leaf.key')
server.socket = tls.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"#;

pub struct Server {
    child: Child,
    dir: tempfile::TempDir,
}

impl Server {
    pub fn start(ip: &str, names: &[&str]) -> Server {
        let dir = tempfile::tempdir().expect("a directory");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(vec!["test authority".to_owned()]).expect("a name");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed");
        let key = KeyPair::generate().expect("a key");
        let mut leaf = CertificateParams::new(names).expect("names");
        // Else it is called as its authority is, and looks as if it had signed itself.
        leaf.distinguished_name.push(DnType::CommonName, "leaf");
        let leaf = leaf.signed_by(&key, &authority).expect("signed");
        for (name, text) in [("ca.pem", authority.pem()), ("leaf.pem", leaf.pem()), ("leaf.key", key.serialize_pem())] {
            std::fs::write(dir.path().join(name), text).expect("written");
        }
        let child = Command::new("python3")
            .args(["-c", SERVER, ip])
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .spawn()
            .expect("python3 runs");
        let addr: SocketAddr = format!("{ip}:8443").parse().expect("an address");
        let deadline = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(addr).is_err() {
            assert!(Instant::now() < deadline, "no server");
            std::thread::park_timeout(Duration::from_millis(5));
        }
        Server { child, dir }
    }

    /// A file of its directory.
    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    pub fn asked(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("asked")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const CREDENTIAL: &str = "[credentials.forge]\nsource = 'env:OUTSIDE'\nhost = 'api.test:8443'\nenv = 'FORGE_TOKEN'\n\
    [environment]\ndeny = ['OUTSIDE']";

#[test]
fn a_secret_is_used_and_never_seen() {
    let server = Server::start("127.66.8.1", &["api.test", "other.test"]);
    let network = "allow = ['api.test:8443', 'other.test:8443']\nprivate = ['**.test']\n\
        http = [{ host = 'other.test:8443', methods = ['GET'] }]";
    let names: &[(&str, &[&str])] = &[("api.test", &["127.66.8.1"]), ("other.test", &["127.66.8.1"])];
    let world = World::with(network, names, CREDENTIAL);
    const SCRIPT: &str = r#"
set -u
echo "$FORGE_TOKEN"
curl -sS -H "authorization: Bearer $FORGE_TOKEN" https://api.test:8443/one
curl -sS --http1.1 https://api.test:8443/two
curl -sS -H "authorization: Bearer $FORGE_TOKEN" https://other.test:8443/three
curl -sS -X POST https://other.test:8443/four
python3 -c 'import urllib.request as u; print(u.urlopen("https://other.test:8443/five").read().decode())'
echo changed >> "$SSL_CERT_FILE" || echo untouched
env | grep -c OUTSIDE
"#;
    let mut govsh = world.govsh(&["run", "--quiet", "--policy", "world", "--", "sh", "-c", SCRIPT]);
    govsh.env("OUTSIDE", REAL).env("SSL_CERT_FILE", server.dir.path().join("ca.pem"));
    let output = govsh.output().expect("govsh runs");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let token = said.lines().next().expect("a placeholder").to_owned();
    assert!(token.starts_with("ghp_") && token.len() == REAL.len() && token != REAL, "{said}");
    assert!(!said.contains(REAL), "{said}");
    let asked = server.asked();
    for path in ["/one", "/two"] {
        assert!(asked.contains(path), "{path}: {said}");
    }
    assert_eq!(asked.matches(REAL).count(), 2, "{asked}\n{said}");
    assert!(!asked.contains(&token) && !asked.contains("/three") && !asked.contains("/four"), "{asked}");
    assert!(said.contains("stands for credential 'forge'") && said.contains("is denied by"), "{said}");
    assert!(said.contains("/five") && said.contains("untouched"), "{said}");
    let events = world.events("http,credential,alert");
    let text = format!("{events:?}");
    assert!(text.contains("forge") && !text.contains(REAL), "{text}");
}

/// Reads are left to the kernel, whose rules are made before there is an authority.
#[test]
fn certificates_are_readable_where_reads_are_not_audited() {
    let world = World::new("allow = []", &[]);
    let policy = "version = 1\n[files]\nread = ['/usr/**', '/lib/**', '/lib64/**']\nwrite = ['/dev/null']\n\
        exec = ['/usr/**', '/lib/**', '/lib64/**', '/bin/**']\n\
        [network]\nallow = ['api.test:443']\nhttp = [{ host = 'api.test', methods = ['GET'] }]\n";
    std::fs::write(world.path("config/govsh/policies/world.toml"), policy).expect("written");
    let script = "head -n 1 \"$SSL_CERT_FILE\"; tail -n 1 \"$NODE_EXTRA_CA_CERTS\"; echo x 2>/dev/null >\"$SSL_CERT_FILE\" || echo untouched";
    let ran = world
        .govsh(&["run", "--quiet", "--audit", "writes", "--policy", "world", "--", "/bin/sh", "-c", script])
        .output();
    let output = ran.expect("govsh runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said, "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\nuntouched\n", "{err}");
}
