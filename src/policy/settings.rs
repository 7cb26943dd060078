//! The parts of a policy that are values rather than rules on paths or addresses.
//!
//! Invariant: every number was checked against its range when it was read.
//! Leaves to others: applying them (`sandbox`, `session`).

/// How much the supervisor sees of reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Audit {
    /// Every open is judged and recorded.
    Full,
    /// Opens for reading are left to the kernel's rules and not recorded.
    Writes,
}

/// What happens when the recording cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnFailure {
    /// The session ends.
    #[default]
    Stop,
    /// The session goes on, with a `lost` event once writing works again.
    Continue,
}

/// `[agent]`: which programs select this profile and what is added to their command line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Agent {
    /// Names of argv[0] without directory.
    pub matches: Vec<String>,
    /// Appended to the command line when argv[0] is one of `matches`.
    pub append_args: Vec<String>,
    /// How the policy's MCP servers are handed to it; None: not at all.
    pub mcp: Option<Handover>,
}

/// `agent.mcp`: whose way of being given MCP servers at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Handover {
    /// `-c mcp_servers.NAME.…` in front of its arguments.
    Codex,
    /// `--mcp-config JSON --strict-mcp-config` in front of its arguments.
    Claude,
    /// A file of settings that `GEMINI_CLI_SYSTEM_SETTINGS_PATH` names.
    Gemini,
    /// JSON in `OPENCODE_CONFIG_CONTENT`.
    Opencode,
}

/// `mcp.on_change`: what follows when a server is not what was pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum OnChange {
    /// It is recorded, and goes on.
    Log,
    /// Somebody is asked; nobody there is deny.
    #[default]
    Ask,
    /// What changed is withheld.
    Deny,
}

/// `[limits]`: None where the policy sets none. None of them is ever 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    pub processes: Option<u64>,
    /// Bytes.
    pub memory: Option<u64>,
    pub open_files: Option<u64>,
    /// Bytes.
    pub file_size: Option<u64>,
    pub wall_seconds: Option<u64>,
    pub cpu_seconds: Option<u64>,
    /// Bytes written to the terminal, standard output and standard error together.
    pub output_bytes: Option<u64>,
}

/// `[record]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// None: as the command line says, else full.
    pub audit: Option<Audit>,
    /// Whether what the user types is kept.
    pub input: bool,
    pub on_failure: OnFailure,
    pub mcp: Depth,
    /// Of the recordings that are there when a session has ended.
    pub retention: Retention,
}

/// `record.mcp`: what is kept of arguments and results of MCP servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Depth {
    /// Digests of the arguments' values, under a key of the session; of results their size.
    #[default]
    Digest,
    /// Everything, up to a bound.
    Full,
}

/// `record.retention`: which recordings stay. None: no such bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Since the last change.
    pub days: Option<u64>,
    pub count: Option<u64>,
    /// Bytes, of all together.
    pub size: Option<u64>,
    /// Those with a denial stay whatever their age and number.
    pub keep_denied: bool,
}

impl Default for Record {
    fn default() -> Record {
        Record {
            audit: None,
            input: true,
            on_failure: OnFailure::Stop,
            mcp: Depth::Digest,
            retention: Retention::default(),
        }
    }
}

/// `[require]`: what a machine and a command line must offer, or the session does not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Require {
    pub landlock_abi: Option<u32>,
    pub audit: Option<Audit>,
    /// `--no-record` is refused.
    pub recording: bool,
}
