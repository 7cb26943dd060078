//! `govsh completions SHELL`: the completion script, made from the definitions in `cli`.
//!
//! Invariant: subcommands that are hidden stay so.

use std::io::Write as _;

use clap::CommandFactory as _;
use clap_complete::shells::{Bash, Fish, Zsh};

use crate::cli::{Cli, Completions, Shell};

/// Prints the script and returns the exit status.
pub fn run(options: &Completions) -> anyhow::Result<i32> {
    std::io::stdout().lock().write_all(&script(options.shell))?;
    Ok(0)
}

/// The script of one shell.
#[must_use]
pub fn script(shell: Shell) -> Vec<u8> {
    let mut cli = visible(&Cli::command());
    let mut text = Vec::new();
    match shell {
        Shell::Bash => clap_complete::generate(Bash, &mut cli, "govsh", &mut text),
        Shell::Zsh => clap_complete::generate(Zsh, &mut cli, "govsh", &mut text),
        Shell::Fish => clap_complete::generate(Fish, &mut cli, "govsh", &mut text),
    }
    text
}

/// The generators do not know of hidden subcommands.
fn visible(cli: &clap::Command) -> clap::Command {
    let subcommands = cli.get_subcommands().filter(|subcommand| !subcommand.is_hide_set());
    clap::Command::new("govsh")
        .version(env!("CARGO_PKG_VERSION"))
        .args(cli.get_arguments().cloned())
        .subcommands(subcommands.cloned())
}
