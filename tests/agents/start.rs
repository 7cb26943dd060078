//! Interactive start: under the profile chosen by the agent's name, it reaches the same first screen as natively, and quits.

use std::fs;
use std::path::PathBuf;

use crate::evidence::Evidence;
use crate::install::node_modules;
use crate::model::Model;
use crate::scripted::{Agent, CLAUDE, CODEX};
use crate::stage::{Stage, User};
use crate::terminal::Terminal;

/// What an agent's first screen has on it, and how it is told to quit.
struct Look {
    banner: &'static str,
    prompt: &'static str,
    quit: &'static str,
    /// Natively only: so that it leaves no process behind, which under govsh it cannot.
    alone: &'static [&'static str],
}

const CODEX_LOOK: Look = Look {
    banner: "OpenAI Codex",
    prompt: "\u{203a} ",
    quit: "/quit",
    alone: &["-c", "features.daemon_auto_start=false"],
};
const CLAUDE_LOOK: Look = Look { banner: "Claude Code v", prompt: "\u{276f}", quit: "/exit", alone: &[] };

/// What an agent tries at start and is refused by intent: all of it would take effect outside the session, or look there.
const BY_INTENT: [&str; 3] =
    ["/environ (built-in: process outside the session", "/home/.codex/config.toml (built-in: ", "/home/.local/share"];

fn first_screen(agent: Agent, look: Look, user: User) {
    let banner = start_and_quit(&mut Stage::new(user), agent, &look, false);
    let mut stage = Stage::new(user);
    assert_eq!(start_and_quit(&mut stage, agent, &look, true), banner);

    let evidence = Evidence::of_last(&stage);
    let policy = evidence.events.iter().find(|event| event["kind"] == "policy").unwrap();
    assert_eq!(policy["name"], agent.name, "{policy}");
    let exit = evidence.events.last().unwrap();
    assert!(exit["kind"] == "exit" && exit["status"] == 0, "{exit}");
    let meant = |denial: &String| BY_INTENT.iter().any(|intent| denial.contains(intent));
    let refused: Vec<_> = evidence.denials().into_iter().filter(|denial| !meant(denial)).collect();
    assert_eq!(refused, Vec::<String>::new(), "the profile lacks something");
    assert_eq!(left_behind(&stage), Vec::<PathBuf>::new(), "outlived the session");
}

/// Programs of the stage that still run, whoever started them.
fn left_behind(stage: &Stage) -> Vec<PathBuf> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let programs = processes.filter_map(|process| fs::read_link(process.path().join("exe")).ok());
    programs.filter(|program| program.starts_with(stage.path("home"))).collect()
}

/// The agent's banner, its version with it.
fn start_and_quit(stage: &mut Stage, agent: Agent, look: &Look, under_govsh: bool) -> String {
    stage.install(node_modules());
    let model = Model::start(&stage.path(""), "true");
    agent.settle(stage, model.port);
    stage.open_network();
    let mut command = if under_govsh { stage.govsh(["--", agent.name]) } else { stage.command([agent.name]) };
    if !under_govsh {
        command.args(look.alone);
    }
    let terminal = Terminal::start(stage, &command);
    terminal.shows(look.prompt);
    let screen = terminal.shows(look.banner);
    terminal.types(&[look.quit]);
    terminal.shows(look.quit);
    terminal.types(&["Enter"]);
    assert_eq!(terminal.ended(), 0);
    let from = screen.find(look.banner).unwrap(); // what stands before it moves
    screen[from..].lines().next().unwrap().trim().to_owned()
}

#[test]
fn codex_starts_in_a_terminal() {
    first_screen(CODEX, CODEX_LOOK, User::Own);
}

#[test]
fn claude_starts_in_a_terminal() {
    first_screen(CLAUDE, CLAUDE_LOOK, User::Own);
}

#[test]
fn codex_of_an_ordinary_user_starts_in_a_terminal() {
    first_screen(CODEX, CODEX_LOOK, User::Ordinary);
}

#[test]
fn claude_of_an_ordinary_user_starts_in_a_terminal() {
    first_screen(CLAUDE, CLAUDE_LOOK, User::Ordinary);
}
