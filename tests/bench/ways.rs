//! The ways to run a command: bare, and under each of the tools compared.
//!
//! Invariant: every way gets the same command, environment, working directory and standard streams; only the wrapper differs.
//! A run that hangs is ended after two minutes and counts as failed.
//! Leaves to others: the policies' meaning (govsh), pseudo-terminals (`terminal`).

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::scratch::Scratch;

const DEADLINE: Duration = Duration::from_secs(120);

/// What `strace` and the reference supervisor look at: the notified set that all share.
const TRACED: &str = "trace=open,openat,openat2,creat,execve,execveat,connect";

/// Names of the cases, as printed and as bounds refer to them.
pub const NATIVE: &str = "native";
pub const FLOOR: &str = "empty supervisor";
pub const STRACE: &str = "strace --seccomp-bpf";

/// How to run a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Native,
    Bwrap,
    /// `strace -f`: stops at every call.
    StraceAll,
    /// `strace -f --seccomp-bpf`, stops only at the notified set.
    Strace,
    /// The same, only openat.
    StraceOpenat,
    /// The reference supervisor of `floor`.
    Floor,
    Govsh {
        policy: Profile,
        audit: &'static str,
        record: bool,
    },
}

/// Which policy govsh gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Chosen by govsh itself.
    Default,
    /// Reads and writes what the workloads need, denies nothing inside: opens for reading may be continued.
    NoCarveOuts,
    /// The same, and what `tunnels` reaches.
    Tunnels,
    /// The same, with an MCP server and the rules for it (`stdio` writes it).
    Mcp,
    /// The same as without carve-outs, with `**/.env` and `.git/hooks` taken out.
    CarveOuts,
    /// The shipped `agent` profile, with its denies inside readable trees.
    Agent,
}

pub struct Ways<'a> {
    pub scratch: &'a Scratch,
    pub govsh: Option<PathBuf>,
    environment: Vec<(OsString, OsString)>,
}

impl<'a> Ways<'a> {
    pub fn new(govsh: Option<&Path>, scratch: &'a Scratch) -> Result<Ways<'a>> {
        let govsh = match govsh {
            Some(path) if path == Path::new("none") => None,
            Some(path) => Some(fs::canonicalize(path).with_context(|| format!("cannot find {}", path.display()))?),
            None => Some(build()?),
        };
        let whole = no_carve_outs(scratch);
        let carved = format!("{whole}deny = [\"**/.env\"]\nreadonly = [\"**/.git/hooks/**\"]\n");
        fs::write(scratch.policy("no-carve-outs.toml"), whole)?;
        fs::write(scratch.policy("carve-outs.toml"), carved)?;
        fs::write(scratch.policy("agent.toml"), agent(scratch))?;
        Ok(Ways { scratch, govsh, environment: environment(scratch) })
    }

    /// The whole command line that runs `command` this way.
    pub fn argv(&self, way: Way, command: &[OsString]) -> Result<Vec<OsString>> {
        let fixed = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let mut argv = match way {
            Way::Native => Vec::new(),
            Way::Bwrap => fixed(&["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]),
            Way::StraceAll => fixed(&["strace", "-f", "-o", "/dev/null"]),
            Way::Strace => fixed(&["strace", "-f", "--seccomp-bpf", "-e", TRACED, "-o", "/dev/null"]),
            Way::StraceOpenat => fixed(&["strace", "-f", "--seccomp-bpf", "-e", "openat", "-o", "/dev/null"]),
            Way::Floor => vec![self.scratch.bench().into(), "__floor".into()],
            Way::Govsh { policy, audit, record } => self.govsh_argv(policy, audit, record)?,
        };
        argv.extend_from_slice(command);
        Ok(argv)
    }

    fn govsh_argv(&self, policy: Profile, audit: &str, record: bool) -> Result<Vec<OsString>> {
        let govsh = self.govsh.as_ref().context("no govsh binary")?;
        let mut argv: Vec<OsString> =
            vec![govsh.into(), "run".into(), "--quiet".into(), "--audit".into(), audit.into()];
        if !record {
            argv.push("--no-record".into());
        }
        let file = match policy {
            Profile::Default => None,
            Profile::NoCarveOuts => Some("no-carve-outs.toml"),
            Profile::Tunnels => Some("tunnels.toml"),
            Profile::Mcp => Some("mcp.toml"),
            Profile::CarveOuts => Some("carve-outs.toml"),
            Profile::Agent => Some("agent.toml"),
        };
        if let Some(file) = file {
            argv.extend(["--policy".into(), self.scratch.policy(file).into()]);
        }
        argv.push("--".into());
        Ok(argv)
    }

    /// A process for `argv` with the common environment and working directory; nothing on its standard streams yet.
    pub fn command(&self, argv: &[OsString]) -> Command {
        use std::os::unix::process::CommandExt as _;
        let mut command = Command::new(&argv[0]);
        command
            .args(&argv[1..])
            .env_clear()
            .envs(self.environment.iter().cloned())
            .current_dir(self.scratch.work())
            .process_group(0);
        command
    }

    pub fn environment(&self) -> &[(OsString, OsString)] {
        &self.environment
    }

    /// Runs `argv` to its end; what it wrote to stdout and the seconds that it took.
    pub fn run(&self, argv: &[OsString]) -> Result<(String, f64)> {
        let errors = self.scratch.out("stderr");
        let output = self.scratch.out("stdout");
        let mut command = self.command(argv);
        command.stdin(Stdio::null()).stdout(File::create(&output)?).stderr(File::create(&errors)?);
        let guard = Guard::start();
        let start = Instant::now();
        let mut child = command.spawn().with_context(|| format!("cannot start {}", argv[0].display()))?;
        guard.watch(&child);
        let status = child.wait()?;
        let seconds = start.elapsed().as_secs_f64();
        if guard.fired() {
            bail!("took longer than {} s", DEADLINE.as_secs());
        }
        if !status.success() {
            let said = fs::read_to_string(&errors).unwrap_or_default();
            bail!("{status}: {}", said.trim_end().lines().last().unwrap_or("no message"));
        }
        Ok((fs::read_to_string(&output)?, seconds))
    }
}

/// Ends a run that hangs.
struct Guard {
    pid: std::sync::mpsc::Sender<u32>,
    thread: std::thread::JoinHandle<bool>,
}

impl Guard {
    fn start() -> Guard {
        use std::sync::mpsc::{RecvTimeoutError, channel};
        let (pid, pids) = channel::<u32>();
        let thread = std::thread::spawn(move || {
            let Ok(pid) = pids.recv() else { return false };
            let late = pids.recv_timeout(DEADLINE) == Err(RecvTimeoutError::Timeout);
            if late {
                let _ = Command::new("kill").args(["-KILL", "--", &format!("-{pid}")]).status(); // gone already is as good
            }
            late
        });
        Guard { pid, thread }
    }

    fn watch(&self, child: &Child) {
        let _ = self.pid.send(child.id()); // the thread waits for exactly this
    }

    fn fired(self) -> bool {
        drop(self.pid);
        self.thread.join().unwrap_or(true)
    }
}

/// Builds the release binary of this tree and says where it is.
fn build() -> Result<PathBuf> {
    crate::measure::progress("building govsh", true);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let status = Command::new(cargo)
        .args(["build", "--release", "--bin", "govsh", "--quiet", "--manifest-path", manifest])
        .status()?;
    if !status.success() {
        bail!("cannot build govsh: {status}");
    }
    // this binary is TARGET/release/examples/bench, or a debug build of it
    let own = std::env::current_exe()?;
    let target = own.ancestors().nth(3).context("the benchmark is not in a target directory")?;
    let govsh = target.join("release/govsh");
    govsh.is_file().then_some(govsh).context("cargo built no govsh beside the benchmark")
}

/// What every way's command sees: the user's search path, home and toolchain, the scratch directory for all else.
fn environment(scratch: &Scratch) -> Vec<(OsString, OsString)> {
    let kept = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];
    let own = kept.iter().filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?)));
    let scratch = [
        ("TMPDIR", scratch.work().join("tmp")),
        ("XDG_STATE_HOME", scratch.root().join("state")),
        ("XDG_CONFIG_HOME", scratch.root().join("config")),
        ("GIT_CONFIG_GLOBAL", "/dev/null".into()),
        ("npm_config_cache", scratch.work().join("tmp/npm")),
        ("TERM", "xterm-256color".into()),
    ];
    own.chain(scratch.into_iter().map(|(name, value)| (name.into(), value.into()))).collect()
}

/// Directories outside the system's own that the workloads' tools live in.
fn tool_trees() -> Vec<PathBuf> {
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    let of = |name: &str, usual: &str| std::env::var_os(name).map_or_else(|| home.join(usual), PathBuf::from);
    let trees = [of("CARGO_HOME", ".cargo"), of("RUSTUP_HOME", ".rustup")];
    trees.into_iter().filter(|tree| tree.is_dir()).collect()
}

fn list(trees: &[PathBuf]) -> String {
    let pattern = |tree: &PathBuf| format!("{}{}", tree.display(), if tree.is_dir() { "/**" } else { "" });
    let quoted: Vec<String> = trees.iter().map(|tree| format!("{:?}", pattern(tree))).collect();
    quoted.join(", ")
}

/// What programs read below `/etc`, without `/etc/govsh`, which no policy opens.
const SETTINGS: [&str; 16] = [
    "alternatives",
    "ca-certificates.conf",
    "gai.conf",
    "gitconfig",
    "group",
    "host.conf",
    "hosts",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "nsswitch.conf",
    "passwd",
    "python3.11",
    "resolv.conf",
    "ssl/openssl.cnf",
];

fn no_carve_outs(scratch: &Scratch) -> String {
    let system = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/proc", "/sys"].map(PathBuf::from);
    let settings = SETTINGS.iter().map(|name| Path::new("/etc").join(name));
    let own = [scratch.read_only().to_path_buf()];
    let all = system.into_iter().chain(settings).chain(tool_trees()).chain(own);
    let readable: Vec<PathBuf> = all.filter(|tree| tree.exists()).collect();
    let work = scratch.work();
    let writable = [work.clone(), tool_trees().into_iter().next().unwrap_or(work)];
    format!(
        "version = 1\n\n[files]\nread = [{read}]\nwrite = [{write}, \"/dev/null\", \"/dev/tty\"]\nexec = [{read}, {write}]\n",
        read = list(&readable),
        write = list(&writable),
    )
}

fn agent(scratch: &Scratch) -> String {
    let trees: Vec<PathBuf> = tool_trees().into_iter().chain([scratch.read_only().to_path_buf()]).collect();
    format!("version = 1\nextends = [\"agent\"]\n\n[files]\nread = [{trees}]\nexec = [{trees}]\n", trees = list(&trees))
}

/// `words` as a command line.
pub fn words(words: &[&dyn AsRef<OsStr>]) -> Vec<OsString> {
    words.iter().map(|word| word.as_ref().to_owned()).collect()
}
