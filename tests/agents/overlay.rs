//! The panel and a question over the real agents: what they leave is what was there, cell by cell.
//!
//! codex draws in an inline viewport and pushes what it has said into the terminal's history; claude repaints its own lines.
//! Both animate while they work, so pictures are taken once nothing moves any more.

use std::fs;

use crate::install::node_modules;
use crate::model::{CLOSING, Model};
use crate::scripted::{Agent, CLAUDE, CODEX};
use crate::stage::{Stage, User};
use crate::terminal::Terminal;

/// What the agent is made to run; the policy asks about it.
const ACT: &str = "/usr/bin/touch made.txt";

fn over(agent: Agent, prompt: &str, options: &[&str]) {
    let mut stage = Stage::new(User::Own);
    stage.install(node_modules());
    let model = Model::start(&stage.path(""), ACT);
    agent.settle(&mut stage, model.port);
    let text = format!(
        "version = 1\nextends = [\"{}\"]\n[network]\nallow = [\"127.0.0.1:{}\"]\n[exec]\nask = [\"touch **\"]\n",
        agent.name, model.port
    );
    let policy = stage.write("team.toml", &text);
    let run = ["--quiet", "--policy", policy.to_str().unwrap(), "--", agent.name];
    let terminal = Terminal::start(&stage, &stage.govsh(run.iter().chain(options)));
    terminal.shows(prompt);
    visit_panel(&terminal);

    terminal.types(&["-l", "do the work"]);
    visit_panel(&terminal);
    terminal.types(&["Enter"]);
    let ready = |screen: &str| screen.contains("govsh asks") && !screen.contains("a moment");
    let question = terminal.until("a question whose keys count", ready);
    assert!(question.contains("touch") && question.contains("wants to run"), "{question}");
    assert!(fs::metadata(stage.path("project/made.txt")).is_err());
    terminal.types(&["o"]);
    let screen = terminal.shows(CLOSING);
    assert!(!screen.contains("govsh asks") && fs::metadata(stage.path("project/made.txt")).is_ok(), "{screen}");
    // All that it drew is there, and nothing of the panel, in the history neither.
    let after = visit_panel(&terminal);
    assert!(after.contains("do the work") && !after.contains("wants to run"), "{after}");
}

/// Opens the panel and closes it: everything is as it was. The picture in text.
fn visit_panel(terminal: &Terminal<'_>) -> String {
    let before = terminal.still();
    terminal.types(&["C-\\", "g"]);
    terminal.shows("q close");
    terminal.types(&["q"]);
    terminal.until("no panel", |screen| !screen.contains("q close"));
    terminal.becomes(&before);
    format!("{before:?}")
}

#[test]
fn codex_is_as_it_was() {
    over(CODEX, "\u{203a} ", &[]);
}

#[test]
fn claude_is_as_it_was() {
    over(CLAUDE, "\u{276f}", &["--permission-mode", "default", "--allowedTools", "Bash"]);
}
