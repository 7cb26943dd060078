//! The servers that clients are tried with, on loopback behind names of their own, and a project to run clients in.
//!
//! Invariant: nothing of it is reachable from elsewhere, and all of it ends with the test.
//! Leaves to others: which clients, and what they have to say.

use std::collections::hash_map::DefaultHasher;
use std::env;
use std::fs::{self, File, Permissions};
use std::hash::{Hash, Hasher};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use serde_json::Value;
use tempfile::TempDir;

/// No client takes longer, on a busy machine either.
const SECONDS: &str = "240";
/// What `requests.sh` and `quic.sh` import.
const PYTHONS: [&str; 3] = ["requests==2.32.5", "httpx==0.28.1", "curl_cffi==0.16.3"];

pub struct Net {
    dir: TempDir,
    servers: Child,
    sshd: Child,
    ports: Value,
    ssh: u16,
    count: std::cell::Cell<u32>,
}

impl Net {
    pub fn new() -> Net {
        // Not among the temporary directories, which every profile lets its agent write.
        let beneath = if is_root() { "/srv" } else { env!("CARGO_TARGET_TMPDIR") };
        let dir = tempfile::Builder::new().prefix("govsh-clients-").tempdir_in(beneath).unwrap();
        for made in ["home", "run", "root", "keys"] {
            fs::create_dir(dir.path().join(made)).unwrap();
            fs::set_permissions(dir.path().join(made), Permissions::from_mode(0o700)).unwrap();
        }
        must(Command::new("bash").arg(source("stock.sh")).arg(dir.path().join("root")));
        certify(dir.path());
        let mut servers = Command::new("python3")
            .arg(source("servers.py"))
            .args(["root", "keys/cert.pem", "keys/key.pem"].map(|name| dir.path().join(name)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // what it says of clients that distrust it is not asked for
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 is installed");
        let mut line = String::new();
        BufReader::new(servers.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ports: Value = serde_json::from_str(&line).expect("the servers name their ports");
        let (sshd, ssh) = sshd(dir.path());
        let net = Net { dir, servers, sshd, ports, ssh, count: std::cell::Cell::new(0) };
        net.write_policy();
        net
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join(inside)
    }

    pub fn port(&self, name: &str) -> u64 {
        self.ports[name].as_u64().unwrap()
    }

    /// Names the servers, one by one; what else they could be asked by is refused.
    fn write_policy(&self) {
        let (tls, web, database, ssh) = (self.port("tls"), self.port("web"), self.port("database"), self.ssh);
        let dir = self.dir.path().display();
        let text = format!(
            "version = 1\nextends = ['agent']\n[files]\nread = ['{dir}/keys/ca.pem', '{cache}/**']\n\
             exec = ['{toolchain}/**']\n[network]\n\
             allow = ['web.test:{tls}', 'plain.test:{web}', 'db.test:{database}', 'ssh.test:{ssh}']\n\
             private = ['**.test']\nresolvers = ['127.0.0.1:{dns}']\n",
            cache = cache().display(),
            toolchain = sysroot(),
            dns = self.port("dns"),
        );
        fs::write(self.path("policy.toml"), text).unwrap();
    }

    /// A fresh directory to work in, with the one key that the SSH server takes.
    pub fn project(&self) -> PathBuf {
        let number = self.count.get();
        self.count.set(number + 1);
        let project = self.path(&format!("project{number}"));
        fs::create_dir(&project).unwrap();
        fs::copy(self.path("keys/client"), project.join("client")).unwrap();
        fs::set_permissions(project.join("client"), Permissions::from_mode(0o600)).unwrap();
        project
    }

    /// Runs a client in `project`, with where the servers are in its environment.
    pub fn govsh(&self, project: &Path, words: &[&str]) -> Output {
        let (tls, web) = (self.port("tls"), self.port("web"));
        let mut command = Command::new("timeout");
        command.args(["--kill-after=10", SECONDS, env!("CARGO_BIN_EXE_govsh"), "--quiet", "--policy"]);
        command.arg(self.path("policy.toml")).arg("--").args(words).current_dir(project);
        self.environment(&mut command);
        command
            .env("WEB", format!("web.test:{tls}"))
            .env("PLAIN", format!("plain.test:{web}"))
            .env("OTHER", format!("other.test:{tls}"))
            .env("DATABASE", format!("db.test:{}", self.port("database")))
            .env("SSH", format!("ssh.test:{}", self.ssh))
            .env("SSHKEY", project.join("client"))
            .env("REPOSITORY", self.path("root/git/repo.git"))
            .env("CA", self.path("keys/ca.pem"))
            .env("PYTHONS", packages(&PYTHONS));
        command.output().unwrap()
    }

    pub fn environment(&self, command: &mut Command) {
        let path = format!("{}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", sysroot());
        command.stdin(Stdio::null()).env_clear().env("PATH", path).env("HOME", self.path("home"));
        command.env("XDG_RUNTIME_DIR", self.path("run")).env("LANG", "C.UTF-8").env("TERM", "dumb");
    }

    /// The last session's events that `show` is asked for.
    pub fn events(&self, kinds: &[&str]) -> Vec<Value> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_govsh"));
        command.args(["show", "last", "--events", "--json"]).args(kinds);
        self.environment(&mut command);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for server in [&mut self.servers, &mut self.sshd] {
            let _ = server.kill(); // gone already is as good
            let _ = server.wait();
        }
    }
}

/// An authority, and what it says of every name under .test.
fn certify(dir: &Path) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "authority of a test");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    // A verifier may take no wildcard right beneath the top.
    let names = ["*.test", "web.test", "forge.test", "packages.test", "cloud.test", "other.test"];
    let mut leaf = CertificateParams::new(names.map(str::to_owned)).unwrap();
    leaf.distinguished_name.push(DnType::CommonName, "web.test");
    leaf.use_authority_key_identifier_extension = true;
    let leaf = leaf.signed_by(&key, &*authority).unwrap();
    fs::write(dir.join("keys/ca.pem"), authority.pem()).unwrap();
    fs::write(dir.join("keys/cert.pem"), leaf.pem()).unwrap();
    fs::write(dir.join("keys/key.pem"), key.serialize_pem()).unwrap();
}

/// An SSH server for whoever runs the tests, by one key.
fn sshd(dir: &Path) -> (Child, u16) {
    for name in ["host", "client"] {
        must(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(dir.join("keys").join(name)));
    }
    fs::copy(dir.join("keys/client.pub"), dir.join("keys/authorized")).unwrap();
    // Free a moment ago; were it taken meanwhile, the server would end and the test say so.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        "ListenAddress 127.0.0.1:{port}\nHostKey {keys}/host\nAuthorizedKeysFile {keys}/authorized\nStrictModes no\n\
         UsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nPidFile none\n",
        keys = dir.join("keys").display()
    );
    fs::write(dir.join("keys/sshd_config"), config).unwrap();
    if is_root() {
        // Where the server puts its part without rights.
        fs::create_dir_all("/run/sshd").unwrap();
    }
    let mut server = Command::new("/usr/sbin/sshd");
    server.arg("-D").arg("-f").arg(dir.join("keys/sshd_config")).stdin(Stdio::null()).stderr(Stdio::null());
    (server.spawn().expect("sshd is installed"), port)
}

/// The machine's Rust toolchain.
fn sysroot() -> String {
    let asked = Command::new("rustc").args(["--print", "sysroot"]).output().unwrap();
    String::from_utf8(asked.stdout).unwrap().trim().to_owned()
}

/// Packages of PyPI, installed once.
pub fn packages(wanted: &[&str]) -> PathBuf {
    fs::create_dir_all(cache()).unwrap();
    let lock = File::create(cache().join("pythons.lock")).unwrap();
    lock.lock().unwrap();
    let mut hash = DefaultHasher::new();
    wanted.hash(&mut hash);
    let done = cache().join(format!("pythons-{:016x}", hash.finish()));
    if !done.exists() {
        let fresh = done.with_extension("new");
        let _ = fs::remove_dir_all(&fresh); // what an interrupted install left, if anything
        let quiet = ["--quiet", "--disable-pip-version-check", "--root-user-action=ignore", "--target"];
        must(Command::new("python3").args(["-m", "pip", "install"]).args(quiet).arg(&fresh).args(wanted));
        fs::rename(&fresh, &done).unwrap();
    }
    done
}

pub fn cache() -> PathBuf {
    let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = base.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    base.expect("HOME or XDG_CACHE_HOME says where to keep packages").join("govsh-tests")
}

pub fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/egress/clients").join(name)
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// Runs a program that has to be there and to succeed.
fn must(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    assert!(output.status.success(), "{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
}
