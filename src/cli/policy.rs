//! `govsh policy …`: what can be asked of policies.

use std::ffi::OsString;
use std::net::SocketAddr;

use clap::{ArgGroup, Args, Subcommand, ValueHint};

/// List, show, check, explain, compare, test and reload policies
#[derive(Debug, Subcommand)]
pub enum Policy {
    List(PolicyList),
    Show(PolicyShow),
    Check(PolicyCheck),
    Explain(PolicyExplain),
    Diff(PolicyDiff),
    Test(PolicyTest),
    Reload(PolicyReload),
    Backtest(super::PolicyBacktest),
}

/// List the profiles that --policy knows by name
#[derive(Debug, Args)]
pub struct PolicyList {
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Print a policy as it was written or, with --effective, as it holds
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  govsh policy show agent\n  govsh policy show ./team.toml --effective")]
pub struct PolicyShow {
    /// A profile's name, or a file
    #[arg(default_value = "agent", value_name = "NAME|FILE", value_hint = ValueHint::FilePath)]
    pub policy: String,
    /// Every rule that holds, inherited and built-in ones included, each with its origin
    #[arg(long)]
    pub effective: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Check a policy: the first error, or what is odd about it (dead rules, secrets given away …), each with its place
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  govsh policy check ./team.toml\n  govsh policy check --strict ./team.toml && git commit\n\nA comment '# check: CODE: reason' in the file says that findings of a kind are meant so.\nExit status: 0, or 1 for an error; with --strict also for a warning."
)]
pub struct PolicyCheck {
    /// A policy file, or a profile's name
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub policy: String,
    /// Warnings count as errors
    #[arg(long)]
    pub strict: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub laid: Box<super::Laid>,
}

/// Say what a policy makes of one request: verdict, deciding rule, how it is held here, and what would alter it
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("request").required(true).args(["file", "exec", "connect", "bind", "socket", "mcp"])),
    after_help = "Examples:\n  govsh policy explain codex --file .env\n  govsh policy explain ./team.toml --file ~/notes --access write,create\n  govsh policy explain agent --connect example.org:443\n  govsh policy explain agent --socket /run/docker.sock\n  govsh policy explain agent --with docker --file ~/.docker/contexts/meta\n  govsh policy explain agent --exec git push origin main\n  govsh policy explain codex --mcp github/create_issue --args '{\"repo\": \"acme/x\"}'\n\nExit status: 0 allowed, 1 denied, 2 asked about."
)]
pub struct PolicyExplain {
    /// A profile's name, or a file
    #[arg(value_name = "NAME|FILE", value_hint = ValueHint::FilePath)]
    pub policy: String,
    /// A path, which need not exist
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub file: Option<OsString>,
    /// What is wanted of the path: r, w, x, or read, write, exec, create, delete, rename, change, commas between
    #[arg(long, value_name = "ACCESS", requires = "file", default_value = "read")]
    pub access: String,
    /// A program and its arguments, to the end of the line
    #[arg(long, value_name = "ARGV", num_args = 1.., allow_hyphen_values = true)]
    pub exec: Vec<OsString>,
    /// An address or a host's name, and a port
    #[arg(long, value_name = "HOST:PORT")]
    pub connect: Option<String>,
    /// An address and a port to listen at
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub bind: Option<SocketAddr>,
    /// A Unix socket to connect to: its path, or @NAME for an abstract one
    #[arg(long, value_name = "PATH|@NAME", value_hint = ValueHint::AnyPath)]
    pub socket: Option<OsString>,
    /// A call of an MCP server: SERVER/TOOL, SERVER/resource:URI, SERVER/prompt:NAME or SERVER/method:NAME
    #[arg(long, value_name = "SERVER/TOOL")]
    pub mcp: Option<String>,
    /// Its arguments, a JSON object
    #[arg(long, value_name = "JSON", requires = "mcp")]
    pub args: Option<String>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub laid: Box<super::Laid>,
}

/// Say what a second policy lets happen that the first does not, and the other way round
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  govsh policy diff agent codex\n  govsh policy diff ./old.toml ./new.toml --json\n\nExit status: 0 when nothing differs, 1 when something does."
)]
pub struct PolicyDiff {
    /// A profile's name, or a file
    #[arg(value_name = "A", value_hint = ValueHint::FilePath)]
    pub first: String,
    /// Another one
    #[arg(value_name = "B", value_hint = ValueHint::FilePath)]
    pub second: String,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Hold a policy against the expectations ([[test]]) in it, or in a file of its own
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  govsh policy test ./team.toml\n  govsh policy test ./team.test.toml --json\n\nExit status: 0 when all of them hold, else 1."
)]
pub struct PolicyTest {
    /// A policy with [[test]] entries, or a file of such entries that names its policy
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: String,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Have a running session read its policy again: it holds at once, and connections it does not allow are closed
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  govsh policy reload\n  govsh policy reload k3f9 --json\n\nWhat was fixed when the session started is named, and takes effect in the next one.\nExit status: 0, or 1 when the policy cannot be put in force; then nothing has changed."
)]
pub struct PolicyReload {
    /// A session that runs: its id, a beginning of it, or 'last'
    #[arg(default_value = "last", value_name = "SESSION")]
    pub session: String,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}
