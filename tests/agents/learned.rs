//! A policy learned from one turn of an agent lets it do another turn, and gives away no key.
//!
//! Invariant: both turns talk to the same scripted model; the second is recorded without a refusal of anything that the first
//! was allowed.

use std::fs;

use crate::evidence::Evidence;
use crate::install::node_modules;
use crate::model::{CLOSING, Model};
use crate::scripted::{Agent, CLAUDE, CODEX};
use crate::stage::{KEY, Stage, User};

fn learned(agent: Agent) {
    let mut stage = Stage::new(User::Own);
    stage.install(node_modules());
    let model =
        Model::start(&stage.path(""), "echo made > made.txt; cat ~/.ssh/id_rsa; echo key:$?; git status --short");
    agent.settle(&mut stage, model.port);

    let turn = |arguments: &[&str]| {
        let output = stage.govsh(arguments.iter().chain(&["--"]).chain(agent.turn)).output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && stdout.contains(CLOSING), "{output:?}");
        let result = model.tool_result();
        assert!(result.contains("key:1") && !result.contains(KEY), "{result}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = turn(&["learn", "--save", "mine"]);
    assert!(said.contains("never proposed") && said.contains("id_rsa"), "{said}");
    let text = fs::read_to_string(stage.path("home/.config/govsh/policies/mine.toml")).unwrap();
    assert!(text.contains("\"${workdir}/**\"") && !text.contains("id_rsa"), "{text}");
    assert!(text.contains(&format!("match = [\"{}\"]", agent.name)), "{text}");
    for wide in ["\"/**\"", "\"~/**\"", "\"/srv/**\"", "\"~/.config/**\""] {
        assert!(!text.contains(wide), "{text}");
    }
    let rules = text.lines().filter(|line| line.starts_with("  \"")).count();
    assert!(rules <= 40, "{rules} rules: {text}");

    fs::remove_file(stage.path("project/made.txt")).unwrap();
    turn(&["--policy", "mine"]);
    assert_eq!(fs::read_to_string(stage.path("project/made.txt")).unwrap(), "made\n");
    let denials = Evidence::of_last(&stage).denials();
    let others: Vec<String> = denials.into_iter().filter(|denial| !denial.contains("id_rsa")).collect();
    assert_eq!(others, Vec::<String>::new(), "{said}\n{text}");
}

#[test]
fn codex_is_learned_from_one_turn() {
    learned(CODEX);
}

#[test]
fn claude_is_learned_from_one_turn() {
    learned(CLAUDE);
}
