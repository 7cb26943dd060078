//! Real clients with accounts, end to end: they hold what stands for a secret, their servers get the secret.
//!
//! Invariant: no test sends anything but to loopback; the secrets here are nobody's.
//! Leaves to others: each way of blocking and redacting (`tests/it/terminated`).

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Output, Stdio};

use serde_json::json;

use crate::net::{Net, packages, source};

const FORGE: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
const PACKAGES: &str = "npm_J4k5L6m7N8p9Q0r1S2t3U4v5W6x7Y8z9A0b1";
const CLOUD_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const CLOUD: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// As PyPI has it.
const AWSCLI: &[&str] = &["awscli==1.45.11"];

/// A net with accounts.
struct Town {
    net: Net,
    server: Child,
    port: String,
}

impl Town {
    fn new() -> Town {
        let net = Net::new();
        let mut server = Command::new("python3")
            .arg(source("accounts.py"))
            .args(["root", "keys/cert.pem", "keys/key.pem"].map(|name| net.path(name)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 is installed");
        let secrets = json!({ "forge": FORGE, "packages": PACKAGES, "cloud": CLOUD });
        writeln!(server.stdin.as_mut().unwrap(), "{secrets}").unwrap();
        let mut port = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Town { net, server, port: port.trim().to_owned() }
    }

    /// Runs a script with placeholders of these credentials; `more` is the rest of the policy.
    fn run(&self, credentials: &str, network: &str, before: &[&str], script: &str) -> Output {
        let (port, dns) = (&self.port, self.net.port("dns"));
        let text = format!(
            "version = 1\nextends = ['agent']\n[files]\nread = ['{cache}/**', '{trust}']\n[network]\n\
             allow = ['forge.test:{port}', 'packages.test:{port}', 'cloud.test:{port}', 'other.test:{port}']\n\
             http = [{{ host = 'other.test:{port}' }}]\n\
             private = ['**.test']\nresolvers = ['127.0.0.1:{dns}']\n{network}\n{credentials}",
            cache = crate::net::cache().display(),
            trust = self.net.path("keys/ca.pem").display(),
        );
        let policy = self.net.path("accounts.toml");
        fs::write(&policy, text.replace("PORT", port)).unwrap();
        let project = self.net.project();
        let mut command = Command::new("timeout");
        command.args(["--kill-after=10", "240"]).args(before).arg(env!("CARGO_BIN_EXE_govsh"));
        command.args(["--quiet", "--policy"]).arg(policy).arg("--").args(["bash", "-eu", "-c", script]);
        self.net.environment(&mut command);
        let place = |name: &str| format!("{name}.test:{port}");
        command.current_dir(project).env("SSL_CERT_FILE", self.net.path("keys/ca.pem"));
        command.env("FORGE", place("forge")).env("PACKAGES", place("packages")).env("CLOUD", place("cloud"));
        command.env("OTHER", place("other")).env("OUTSIDE", FORGE);
        command.output().unwrap()
    }

    /// The same; what it says, and that only the servers saw the secret.
    fn unseen(&self, credentials: &str, network: &str, before: &[&str], script: &str, wanted: &str) {
        let output = self.run(credentials, network, before, script);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let asked = fs::read_to_string(self.net.path("root/asked")).unwrap_or_default();
        let seen = self.net.events(&["--kind", "http", "--kind", "credential", "--kind", "alert"]);
        assert!(output.status.success() && out == wanted, "{:?}\n{out}\n{err}\n{asked}\n{seen:#?}", output.status);
        for secret in [FORGE, PACKAGES, CLOUD] {
            assert!(!out.contains(secret) && !err.contains(secret) && !format!("{seen:?}").contains(secret));
        }
        assert!(asked.lines().all(|line| !line.starts_with("other.test ")), "{asked}");
        assert!(seen.iter().any(|event| event["kind"] == "credential"), "{seen:#?}");
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        let _ = self.server.kill(); // gone already is as good
        let _ = self.server.wait();
    }
}

const FORGES: &str = "[credentials.forge]\nsource = 'env:OUTSIDE'\nhost = 'forge.test:PORT'\n\
    env = 'GH_ENTERPRISE_TOKEN'\ninject = 'placeholder'\n";

#[test]
#[ignore = "it is large: GOVSH_AGENTS=all tests/run clients"]
fn gh_asks_for_who_it_is() {
    let town = Town::new();
    town.unseen(FORGES, "", &[], include_str!("accounts/gh.sh"), "shaped\nsomebody\nsomebody\n");
}

#[test]
fn git_pushes_with_what_stands_for_a_token() {
    let town = Town::new();
    let rule = "[[network.git]]\nrepo = 'forge.test:PORT/git/**'\naccess = 'push'\nbranches = ['agent/**']";
    let wanted = "pushed\nrefused\nby the session\npushed many\nnot by ssh\n";
    town.unseen(FORGES, rule, &[], include_str!("accounts/git.sh"), wanted);
}

#[test]
fn npm_publishes_with_a_token_from_a_file() {
    let town = Town::new();
    let file = town.net.path("token");
    fs::write(&file, format!("{PACKAGES}\n")).unwrap();
    let credential = format!(
        "[credentials.packages]\nsource = 'file:{}'\nhost = 'packages.test:PORT'\nenv = 'NPM_TOKEN'\n\
         inject = 'placeholder'\n",
        file.display()
    );
    let wanted = "shaped\nsomebody\n+ sample@1.0.0\nrefused\n";
    town.unseen(&credential, "", &[], include_str!("accounts/npm.sh"), wanted);
}

/// Puts a key into the session's keyring, then becomes what follows: add_key(2).
const KEYRING: &str = "import ctypes, os, sys\n\
    c = ctypes.CDLL(None, use_errno=True)\n\
    number = {'x86_64': 248, 'aarch64': 217}[os.uname().machine]\n\
    value = sys.argv[2].encode()\n\
    assert c.syscall(number, b'user', sys.argv[1].encode(), value, len(value), -3) >= 0, ctypes.get_errno()\n\
    os.execvp(sys.argv[3], sys.argv[3:])";

#[test]
fn a_token_comes_from_the_kernels_keyring() {
    let town = Town::new();
    let credential = "[credentials.forge]\nsource = 'keyring:govsh-test'\nhost = 'forge.test:PORT'\nenv = 'TOKEN'\n";
    let before = ["python3", "-c", KEYRING, "govsh-test", FORGE];
    let script = "curl -sS https://$FORGE/api/v3/user; curl -sS -u me:$TOKEN https://$FORGE/api/v3/user";
    town.unseen(credential, "", &before, script, "{\"login\":\"somebody\"}{\"login\":\"somebody\"}");
}

#[test]
#[ignore = "it is large: GOVSH_AGENTS=all tests/run clients"]
fn aws_is_signed_anew() {
    let town = Town::new();
    let credential = format!(
        "[credentials.cloud]\nsource = ['printf', '{CLOUD_ID}:{CLOUD}']\nhost = 'cloud.test:PORT'\nsign = 'aws'\n"
    );
    let script = format!("AWSCLI={}\n{}", packages(AWSCLI).display(), include_str!("accounts/aws.sh"));
    let wanted = "shaped\narn:aws:iam::1:user/somebody\n\"etag\"\nupload: ./file to s3://bucket/d\na b\n";
    town.unseen(&credential, "", &[], &script, wanted);
}
