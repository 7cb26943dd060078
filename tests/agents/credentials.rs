//! Agents that never hold their key: what they are given is a placeholder, and the key is put in on the way to the one host it
//! is bound to, over real TLS, verified on both sides.
//!
//! Invariant: the key is in the front's environment alone; the agent's requests arrive with it all the same.
//! Leaves to others: what becomes of a placeholder that goes elsewhere (`tests/escape`).

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use serde_json::Value;

use crate::evidence::Evidence;
use crate::install::node_modules;
use crate::model::{CLOSING, Model};
use crate::stage::{Stage, User};

/// The key, as its provider would make it.
const REAL: &str = "sk-real-0123456789abcdefghijklmnopqrstuvwxyz";
/// What the agent is made to run: it shows what it holds.
const ACTS: &str = "echo \"held:$OPENAI_API_KEY$ANTHROPIC_API_KEY\"; env | grep -c sk-real; echo made > made.txt";

struct Bound {
    name: &'static str,
    host: &'static str,
    variable: &'static str,
    header: &'static str,
    /// As the server sees it.
    arrives: &'static str,
    turn: &'static [&'static str],
    settle: fn(&mut Stage, &str),
}

const CODEX: Bound = Bound {
    name: "codex",
    host: "api.openai.test",
    variable: "OPENAI_API_KEY",
    header: "authorization: Bearer {}",
    arrives: "Bearer sk-real-0123456789abcdefghijklmnopqrstuvwxyz",
    turn: &["codex", "exec", "--skip-git-repo-check", "do the work"],
    settle: |stage, base| {
        let config = format!(
            "model = \"scripted\"\nmodel_provider = \"scripted\"\ncheck_for_update_on_startup = false\n[analytics]\nenabled = false\n\
             [features]\nplugins = false\napps = false\n[model_providers.scripted]\nname = \"scripted\"\nbase_url = \"{base}/v1\"\nenv_key = \"OPENAI_API_KEY\"\nwire_api = \"responses\"\n\
             [shell_environment_policy]\nignore_default_excludes = true\n"
        );
        stage.write("home/.codex/config.toml", &config);
    },
};

const CLAUDE: Bound = Bound {
    name: "claude",
    host: "api.anthropic.test",
    variable: "ANTHROPIC_API_KEY",
    header: "x-api-key: {}",
    arrives: REAL,
    turn: &["claude", "-p", "do the work", "--allowedTools", "Bash"],
    settle: |stage, base| {
        stage.write("home/.claude.json", "{\"hasCompletedOnboarding\": true}");
        stage.variables.push(("ANTHROPIC_BASE_URL", base.to_owned()));
    },
};

/// The name server of the clients' tests, in which every name under .test is this machine.
struct Names {
    process: Child,
    port: u64,
}

impl Names {
    fn start(root: &Path, [cert, key]: [&Path; 2]) -> Names {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/egress/clients/servers.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(root).args([cert, key]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("python3 is installed");
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ports: Value = serde_json::from_str(&line).expect("it names its ports");
        Names { process, port: ports["dns"].as_u64().unwrap() }
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        let _ = self.process.kill(); // gone already is as good
        let _ = self.process.wait();
    }
}

fn certify(stage: &Stage, host: &str) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "authority of a test");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(vec![host.to_owned()]).unwrap();
    leaf.distinguished_name.push(DnType::CommonName, host);
    leaf.use_authority_key_identifier_extension = true;
    let leaf = leaf.signed_by(&key, &*authority).unwrap();
    for (name, text) in [("ca.pem", authority.pem()), ("cert.pem", leaf.pem()), ("key.pem", key.serialize_pem())] {
        fs::write(stage.path(name), text).unwrap();
    }
}

fn holds_a_placeholder(bound: &Bound) {
    let mut stage = Stage::new(User::Own);
    stage.install(node_modules());
    certify(&stage, bound.host);
    let (cert, key) = (stage.path("cert.pem"), stage.path("key.pem"));
    let names = Names::start(&stage.path("tmp"), [&cert, &key]);
    let model = Model::secure(&stage.path(""), ACTS, [&cert, &key]);
    let place = format!("{}:{}", bound.host, model.port);
    (bound.settle)(&mut stage, &format!("https://{place}"));
    stage.variables.push((bound.variable, REAL.to_owned()));
    // What the front verifies servers by; the agent is told of its own.
    stage.variables.push(("SSL_CERT_FILE", stage.text("ca.pem")));
    let policy = format!(
        "version = 1\nextends = [\"{}\"]\n[network]\nallow = [\"{place}\"]\nprivate = [\"**.test\"]\nresolvers = [\"127.0.0.1:{}\"]\n\
         [credentials.model]\nsource = \"env:{}\"\nhost = \"{place}\"\nheader = \"{}\"\n\
         env = \"{}\"\nprefix = \"sk-\"\n",
        bound.name, names.port, bound.variable, bound.header, bound.variable
    );
    let policy = stage.write("team.toml", &policy);
    let arguments = ["--policy", policy.to_str().unwrap(), "--"];
    let output = stage.govsh(arguments.iter().chain(bound.turn)).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let requests = model.requests();
    assert!(output.status.success() && stdout.contains(CLOSING), "{output:?}\n{requests:#?}");
    let asked: Vec<&Value> = requests.iter().filter(|request| request["answered"] == "call").collect();
    assert!(!asked.is_empty() && asked.iter().all(|request| request["key"] == bound.arrives), "{requests:#?}");
    let result = model.tool_result();
    assert!(result.contains("held:sk-") && !result.contains("sk-real"), "{result}");
    assert_eq!(fs::read_to_string(stage.path("project/made.txt")).unwrap(), "made\n");

    let evidence = Evidence::of_last(&stage);
    let used: Vec<_> = evidence.events.iter().filter(|event| event["kind"] == "credential").collect();
    assert!(!used.is_empty() && used.iter().all(|event| event["what"] == "used"), "{used:#?}");
    let whole = serde_json::to_string(&evidence.events).unwrap();
    assert!(!whole.contains(REAL), "the key is in the recording");
}

#[test]
fn codex_works_without_its_key() {
    holds_a_placeholder(&CODEX);
}

#[test]
fn claude_works_without_its_key() {
    holds_a_placeholder(&CLAUDE);
}
