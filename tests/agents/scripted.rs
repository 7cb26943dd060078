//! One scripted turn: the agent runs a command that writes a file, reads a key, and connects to a place not allowed.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;

use crate::evidence::Evidence;
use crate::install::node_modules;
use crate::model::{CLOSING, Model};
use crate::stage::{KEY, Stage, User};

/// What both agents send as their key to the model server, which takes any.
const KEY_OF_MODEL: &str = "scripted-key";

/// An agent as these tests run it.
#[derive(Clone, Copy)]
pub struct Agent {
    pub name: &'static str,
    /// What it is asked for: without a terminal, one prompt.
    pub turn: &'static [&'static str],
}

pub const CODEX: Agent = Agent {
    name: "codex",
    turn: &["codex", "exec", "--sandbox", "danger-full-access", "--skip-git-repo-check", "do the work"],
};
pub const CLAUDE: Agent = Agent { name: "claude", turn: &["claude", "-p", "do the work", "--allowedTools", "Bash"] };

impl Agent {
    /// Its settings in the stage's home: the model server, and past every first-run question.
    pub fn settle(self, stage: &mut Stage, port: u16) {
        let project = stage.text("project");
        let codex = format!(
            "model = \"scripted\"\nmodel_provider = \"scripted\"\ncheck_for_update_on_startup = false\n\
             [analytics]\nenabled = false\n[features]\nplugins = false\napps = false\n\
             [model_providers.scripted]\nname = \"scripted\"\nwire_api = \"responses\"\n\
             env_key = \"OPENAI_API_KEY\"\n\
             base_url = \"http://127.0.0.1:{port}/v1\"\n[projects.\"{project}\"]\ntrust_level = \"trusted\"\n"
        );
        let claude = serde_json::json!({
            "hasCompletedOnboarding": true,
            "theme": "dark",
            "customApiKeyResponses": { "approved": [KEY_OF_MODEL], "rejected": [] },
            "projects": { project: { "hasTrustDialogAccepted": true } },
        });
        stage.variables = match self.name {
            "codex" => {
                stage.write("home/.codex/config.toml", &codex);
                vec![("OPENAI_API_KEY", KEY_OF_MODEL.to_owned())]
            }
            _ => {
                stage.write("home/.claude.json", &claude.to_string());
                let base = format!("http://127.0.0.1:{port}");
                vec![("ANTHROPIC_API_KEY", KEY_OF_MODEL.to_owned()), ("ANTHROPIC_BASE_URL", base)]
            }
        };
    }
}

/// What the agent is made to run: three acts and how each of them ended.
fn acts(forbidden: u16) -> String {
    format!(
        "echo made > made.txt; echo wrote:$?; cat ~/.ssh/id_rsa; echo key:$?; \
         bash -c 'exec 3<>/dev/tcp/127.0.0.1/{forbidden}'; echo net:$?"
    )
}

fn turn(agent: Agent, user: User) {
    let mut stage = Stage::new(user);
    stage.install(node_modules());
    let forbidden = TcpListener::bind("127.0.0.1:0").unwrap();
    forbidden.set_nonblocking(true).unwrap();
    let port = forbidden.local_addr().unwrap().port();

    let natively = Model::start(&stage.path(""), &acts(port));
    agent.settle(&mut stage, natively.port);
    let output = stage.command(agent.turn).output().unwrap();
    assert_turn_ended(&output);
    let result = natively.tool_result();
    assert!(result.contains("wrote:0") && result.contains(KEY) && result.contains("net:0"), "natively: {result}");
    forbidden.accept().expect("natively the connection arrives");
    fs::remove_file(stage.path("project/made.txt")).unwrap();
    drop(natively);

    let model = Model::start(&stage.path(""), &acts(port));
    agent.settle(&mut stage, model.port);
    let policy = stage.write(
        "team.toml",
        &format!("version = 1\nextends = [\"{}\"]\n[network]\nallow = [\"127.0.0.1:{}\"]\n", agent.name, model.port),
    );
    let arguments = ["--policy", policy.to_str().unwrap(), "--"];
    let output = stage.govsh(arguments.iter().chain(agent.turn)).output().unwrap();
    assert_turn_ended(&output);
    let result = model.tool_result();
    assert!(result.contains("wrote:0"), "{result}");
    assert!(result.contains("key:1") && !result.contains(KEY), "{result}");
    assert!(result.contains("net:1"), "{result}");
    assert_eq!(fs::read_to_string(stage.path("project/made.txt")).unwrap(), "made\n");
    assert_eq!(forbidden.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "a connection arrived");
    assert_recorded(&stage, port);
}

#[track_caller]
fn assert_turn_ended(output: &Output) {
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && stdout.contains(CLOSING), "{output:?}");
}

/// All three acts are in the recording, each with what allowed or refused it, and `show` names the refusals.
fn assert_recorded(stage: &Stage, port: u16) {
    let evidence = Evidence::of_last(stage);
    let written = evidence.decided("file", "path", &stage.text("project/made.txt"), "allow");
    assert!(written["access"].as_str().unwrap().contains('w'), "{written}");
    let key = stage.text("home/.ssh/id_rsa");
    let refused = evidence.decided("file", "path", &key, "deny");
    assert!(refused["rule"].as_str().unwrap().contains("~/.ssh"), "{refused}");
    assert_eq!(refused["errno"], "EACCES", "{refused}");
    let address = format!("127.0.0.1:{port}");
    let refused = evidence.decided("net", "addr", &address, "deny");
    assert!(["ECONNREFUSED", "EHOSTUNREACH"].contains(&refused["errno"].as_str().unwrap()), "{refused}");

    let programs = evidence.programs();
    let read = programs.iter().find(|argv| argv.contains(&key));
    assert_eq!(read, Some(&vec!["cat".to_owned(), key.clone()]), "{programs:#?}");
    let connect = format!("exec 3<>/dev/tcp/127.0.0.1/{port}");
    let connected = programs.iter().any(|argv| argv[1..] == ["-c", &connect]);
    assert!(connected, "{programs:#?}");
    let cat = evidence.of("exec", "verdict", "allow").into_iter().find(|event| event["argv"][1] == key.as_str());
    assert!(cat.is_some_and(|event| event["rule"].as_str().is_some_and(|rule| !rule.is_empty())), "{cat:?}");

    assert!(evidence.shown.contains("id_rsa"), "{}", evidence.shown);
    assert!(evidence.shown.contains(&address), "{}", evidence.shown);
    let exit = evidence.events.last().unwrap();
    assert!(exit["kind"] == "exit" && exit["status"] == 0, "{exit}");

    // The profile lets the agent do all it does by itself.
    let about = |denial: &String| denial.contains(&key) || denial.contains(&address);
    assert_eq!(
        evidence.denials().into_iter().filter(|denial| !about(denial)).collect::<Vec<_>>(),
        Vec::<String>::new()
    );
}

/// A command line the agent itself refuses: its own exit status, whatever it is, comes through.
fn refused_by_the_agent(agent: Agent) {
    let stage = Stage::new(User::Own);
    stage.install(node_modules());
    let argv = [agent.name, "--no-such-option"];
    let natively = stage.command(argv).output().unwrap().status.code();
    assert!(natively.is_some_and(|code| code != 0 && code < 125), "{natively:?}");
    let under_govsh = stage.govsh(["--", argv[0], argv[1]]).output().unwrap();
    assert_eq!(under_govsh.status.code(), natively, "{under_govsh:?}");
}

#[test]
fn codex_writes_and_is_refused_the_rest() {
    turn(CODEX, User::Own);
}

#[test]
fn claude_writes_and_is_refused_the_rest() {
    turn(CLAUDE, User::Own);
}

#[test]
fn codex_of_an_ordinary_user_writes_and_is_refused_the_rest() {
    turn(CODEX, User::Ordinary);
}

#[test]
fn claude_of_an_ordinary_user_writes_and_is_refused_the_rest() {
    turn(CLAUDE, User::Ordinary);
}

#[test]
fn the_exit_status_of_codex_comes_through() {
    refused_by_the_agent(CODEX);
}

#[test]
fn the_exit_status_of_claude_comes_through() {
    refused_by_the_agent(CLAUDE);
}

#[test]
fn the_installed_agents_are_the_pinned_ones() {
    for (name, package) in [("codex", "@openai/codex"), ("claude", "@anthropic-ai/claude-code")] {
        let stage = Stage::new(User::Own);
        stage.install(node_modules());
        let manifest = fs::read_to_string(Path::new(node_modules()).join(package).join("package.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        let output = stage.command([name, "--version"]).output().unwrap();
        let version = String::from_utf8_lossy(&output.stdout);
        assert!(version.contains(manifest["version"].as_str().unwrap()), "{version} {manifest}");
    }
}
