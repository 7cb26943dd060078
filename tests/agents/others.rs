//! The other agents that a profile was made for: each starts, shows its first screen and runs one scripted command under the
//! profile that its name selects, and nothing is refused but what is meant to be.
//!
//! Invariant: the same agent does the same without govsh first. Those that take minutes to install are ignored by name:
//! `GOVSH_AGENTS=all tests/run agents` runs them, too.
//! Leaves to others: codex and claude (`scripted`, `start`).

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::evidence::Evidence;
use crate::install::{aider, more_node_modules, node_modules};
use crate::model::{CLOSING, Model};
use crate::stage::{KEY, Stage, User};
use crate::terminal::Terminal;

/// What every one of them is made to run.
const ACTS: &str = "echo made > made.txt; echo wrote:$?; cat ~/.ssh/id_rsa; echo key:$?";

/// Who looks for others of its kind among all processes reads what each was started with.
const ENVIRON: &str = "/environ (built-in: process outside the session";

/// An agent as these tests run it.
pub struct Other {
    pub name: &'static str,
    install: fn(&Stage),
    /// Its settings in the stage's home, and its variables: the model server, past every first-run question.
    pub settle: fn(&mut Stage, u16),
    /// Without a terminal, one prompt.
    pub turn: &'static [&'static str],
    /// With one.
    start: &'static [&'static str],
    /// On its first screen.
    banner: &'static str,
    /// What ends it then.
    quit: &'static [&'static str],
    /// What it tries and is refused by intent, beside the key: parts of denials.
    meant: &'static [&'static str],
}

pub const GEMINI: Other = Other {
    name: "gemini",
    install: |stage| stage.install(node_modules()),
    settle: |stage, port| {
        let settings = serde_json::json!({
            "security": { "auth": { "selectedType": "gemini-api-key" }, "folderTrust": { "enabled": false } },
            "general": { "disableAutoUpdate": true, "disableUpdateNag": true },
            "privacy": { "usageStatisticsEnabled": false },
        });
        stage.write("home/.gemini/settings.json", &settings.to_string());
        let base = format!("http://127.0.0.1:{port}");
        stage.variables = vec![("GEMINI_API_KEY", "scripted-key".to_owned()), ("GOOGLE_GEMINI_BASE_URL", base)];
    },
    turn: &["gemini", "-m", "gemini-2.5-pro", "--yolo", "-p", "do the work"],
    start: &["gemini", "-m", "gemini-2.5-pro"],
    banner: "Gemini CLI v",
    quit: &["/quit", "Enter"],
    // it brings its settings up to date at start, and goes on when it cannot
    meant: &["/home/.gemini/settings.json (built-in: ", ENVIRON],
};

const OPENCODE: Other = Other {
    name: "opencode",
    install: |stage| stage.install(node_modules()),
    settle: |stage, port| {
        let provider = serde_json::json!({
            "npm": "@ai-sdk/openai-compatible",
            "options": { "baseURL": format!("http://127.0.0.1:{port}/v1"), "apiKey": "scripted-key" },
            "models": { "scripted": { "name": "scripted" } },
        });
        let settings = serde_json::json!({
            "model": "scripted/scripted", "autoupdate": false, "provider": { "scripted": provider },
            "permission": { "*": "allow", "bash": "allow", "external_directory": "allow" },
        });
        stage.write("home/.config/opencode/opencode.json", &settings.to_string());
        let on = || "1".to_owned();
        stage.variables = vec![("OPENCODE_DISABLE_MODELS_FETCH", on()), ("OPENCODE_DISABLE_AUTOUPDATE", on())];
    },
    turn: &["opencode", "run", "do the work"],
    start: &["opencode"],
    banner: "Ask anything",
    quit: &["C-c"],
    meant: &["/home/.config/opencode/opencode.json (built-in: "],
};

const COPILOT: Other = Other {
    name: "copilot",
    install: |stage| stage.install(more_node_modules()),
    settle: |stage, port| {
        let provider = [
            ("COPILOT_PROVIDER_BASE_URL", format!("http://127.0.0.1:{port}/v1")),
            ("COPILOT_PROVIDER_TYPE", "openai".to_owned()),
            ("COPILOT_PROVIDER_API_KEY", "scripted-key".to_owned()),
            ("COPILOT_MODEL", "gpt-5".to_owned()),
            ("COPILOT_OFFLINE", "true".to_owned()),
            ("COPILOT_AUTO_UPDATE", "false".to_owned()),
        ];
        stage.variables = provider.to_vec();
    },
    turn: &["copilot", "-p", "do the work", "--allow-all-tools"],
    start: &["copilot"],
    banner: "Confirm folder trust",
    quit: &["Escape"],
    // an identifier of this machine, for statistics
    meant: &["/home/.cache/Microsoft (default", "call io_uring_setup "],
};

/// Its service speaks to its own clients alone: without an account it gets as far as its question for one.
const AMP: Other = Other {
    name: "amp",
    install: |stage| stage.install(more_node_modules()),
    settle: |_, _| {},
    turn: &[],
    start: &["amp"],
    banner: "log in to Amp?",
    quit: &["n", "Enter"],
    meant: &[],
};

const AIDER: Other = Other {
    name: "aider",
    install: |stage| {
        let imported = stage.text("home/.local/share/pipx/aider");
        fs::create_dir_all(stage.path("home/.local/share/pipx")).unwrap();
        crate::stage::hard_link(aider(), &stage.path("home/.local/share/pipx/aider"));
        let text = format!(
            "#!/usr/bin/env python3\nimport sys\nsys.path.insert(0, '{imported}')\nfrom aider.main import main\nsys.exit(main())\n"
        );
        let program = stage.write("home/.npm-global/bin/aider", &text);
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    },
    settle: |stage, port| {
        stage.write("home/.gitconfig", "[user]\nname = U\nemail = u@example.com\n");
        // what it would look up elsewhere before it starts
        stage.write("home/.aider/caches/model_prices_and_context_window.json", "{\"scripted\": {}}");
        stage.variables = vec![
            ("OPENAI_API_KEY", "scripted-key".to_owned()),
            ("OPENAI_API_BASE", format!("http://127.0.0.1:{port}/v1")),
            ("LITELLM_LOCAL_MODEL_COST_MAP", "True".to_owned()),
            ("AIDER_MODEL", "openai/scripted".to_owned()),
            ("AIDER_SHOW_MODEL_WARNINGS", "false".to_owned()),
            ("AIDER_CHECK_UPDATE", "false".to_owned()),
            ("AIDER_ANALYTICS", "false".to_owned()),
            ("AIDER_SHOW_RELEASE_NOTES", "false".to_owned()),
            ("AIDER_GITIGNORE", "false".to_owned()),
        ];
    },
    // it has no tools: what a failing test prints is what it sends
    turn: &[
        "aider",
        "--yes-always",
        "--message",
        "/test echo made > made.txt; echo wrote:$?; cat ~/.ssh/id_rsa; echo key:$?; exit 3",
    ],
    start: &["aider"],
    banner: "Aider v",
    quit: &["/exit", "Enter"],
    meant: &["/project/.env ("],
};

fn staged(agent: &Other) -> (Stage, Model) {
    let mut stage = Stage::new(User::Own);
    (agent.install)(&stage);
    let model = Model::start(&stage.path(""), ACTS);
    (agent.settle)(&mut stage, model.port);
    stage.open_network();
    (stage, model)
}

/// The command runs natively, and under the profile with the key refused.
fn scripted(agent: &Other) {
    let (stage, model) = staged(agent);
    let output = stage.command(agent.turn).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && stdout.contains(CLOSING), "natively: {output:?}");
    let result = model.tool_result();
    assert!(result.contains("wrote:0") && result.contains(KEY), "natively: {result}");
    drop(model);

    let (stage, model) = staged(agent);
    let output = stage.govsh(["--"].iter().chain(agent.turn)).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && stdout.contains(CLOSING), "{output:?}");
    let result = model.tool_result();
    assert!(result.contains("wrote:0") && result.contains("key:1") && !result.contains(KEY), "{result}");
    assert_eq!(fs::read_to_string(stage.path("project/made.txt")).unwrap(), "made\n");
    let evidence = Evidence::of_last(&stage);
    evidence.decided("file", "path", &stage.text("home/.ssh/id_rsa"), "deny");
    assert_meant(agent, &stage, &evidence);
}

/// It reaches its first screen natively and under the profile, and quits.
fn first_screen(agent: &Other) {
    for under_govsh in [false, true] {
        let (stage, _model) = staged(agent);
        let command =
            if under_govsh { stage.govsh(["--"].iter().chain(agent.start)) } else { stage.command(agent.start) };
        let terminal = Terminal::start(&stage, &command);
        terminal.shows(agent.banner);
        for key in agent.quit {
            terminal.types(&[key]);
            // typed at once, a command and its Enter are taken for something pasted
            if key.starts_with('/') {
                terminal.shows(key);
            }
        }
        terminal.ended();
        if under_govsh {
            assert_meant(agent, &stage, &Evidence::of_last(&stage));
        }
    }
}

fn assert_meant(agent: &Other, stage: &Stage, evidence: &Evidence) {
    let policy = evidence.events.iter().find(|event| event["kind"] == "policy").unwrap();
    assert_eq!(policy["name"], agent.name, "{policy}");
    // who looks for settings in every directory above the project reads their names, which nobody needs
    let project = stage.path("project");
    let above: Vec<String> =
        project.ancestors().skip(1).map(|dir| format!("file open {} (default", dir.display())).collect();
    let refused = evidence.denials().into_iter().filter(|denial| {
        let meant = agent.meant.iter().any(|meant| denial.contains(meant)) || denial.contains("/home/.ssh/id_rsa (");
        !meant && !above.iter().any(|above| denial.starts_with(above))
    });
    assert_eq!(refused.collect::<Vec<_>>(), Vec::<String>::new(), "the profile lacks something");
}

#[test]
fn gemini_runs_a_command() {
    scripted(&GEMINI);
}

#[test]
#[ignore = "draws late on a slow machine: GOVSH_AGENTS=all tests/run agents"]
fn gemini_starts_in_a_terminal() {
    first_screen(&GEMINI);
}

#[test]
fn opencode_runs_a_command() {
    scripted(&OPENCODE);
}

#[test]
#[ignore = "draws late on a slow machine: GOVSH_AGENTS=all tests/run agents"]
fn opencode_starts_in_a_terminal() {
    first_screen(&OPENCODE);
}

#[test]
#[ignore = "takes minutes to install: GOVSH_AGENTS=all tests/run agents"]
fn copilot_runs_a_command() {
    scripted(&COPILOT);
}

#[test]
#[ignore = "takes minutes to install: GOVSH_AGENTS=all tests/run agents"]
fn copilot_starts_in_a_terminal() {
    first_screen(&COPILOT);
}

#[test]
#[ignore = "takes minutes to install: GOVSH_AGENTS=all tests/run agents"]
fn amp_asks_for_its_account() {
    first_screen(&AMP);
}

#[test]
#[ignore = "takes minutes to install: GOVSH_AGENTS=all tests/run agents"]
fn aider_runs_a_command() {
    scripted(&AIDER);
}

#[test]
#[ignore = "takes minutes to install: GOVSH_AGENTS=all tests/run agents"]
fn aider_starts_in_a_terminal() {
    first_screen(&AIDER);
}
