//! Policies on disk: which one a session gets, and what its variables stand for here.
//!
//! Invariant: a policy file is a regular file of at most 1 MiB in UTF-8, or it is refused; opening one never waits.
//! Leaves to others: what is in it (`policy`), what is laid over each policy (`layers`).
//!
//! ```text
//! NAME          ~/.config/govsh/policies/NAME.toml, /etc/govsh/policies/NAME.toml, then the shipped profile
//! has a '/' or ends in .toml: a file, in `extends` beside the file that says so
//! ```

mod command;
mod git;
mod layers;
mod read;
mod registries;
pub mod trust;

use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use read::{Writer, error_text};
use trust::Store;

use crate::policy::registries::{Registry, Setting};
use crate::policy::{Kind, Layer, Library, Policy, PolicyError, Source, Vars, shipped};
use crate::sys::{cred, file};

/// The machine's own directory.
const MACHINE: &str = "/etc/govsh";

/// The machine's and the user's policies, and the shipped ones.
#[derive(Debug)]
pub struct Disk {
    /// Where named policies lie, most wanted first.
    dirs: Vec<(PathBuf, Layer)>,
    workdir: PathBuf,
    /// What the command line lays over the rest.
    flags: Vec<Source>,
}

impl Disk {
    /// With the directories of this user on this machine.
    pub fn new() -> Disk {
        let user = config_dir().join("govsh/policies");
        let workdir = std::env::current_dir().unwrap_or_else(|_| "/".into());
        let machine = Path::new(MACHINE).join("policies");
        Disk { dirs: vec![(user, Layer::User), (machine, Layer::Machine)], workdir, flags: Vec::new() }
    }

    /// Lays these over all the rest.
    pub fn with_flags(self, flags: Vec<Source>) -> Disk {
        Disk { flags, ..self }
    }

    /// The project's own policies here, the outermost first.
    pub fn projects(&self) -> Result<Vec<Source>, PolicyError> {
        layers::project(&self.workdir, &home())
    }

    /// A file that a project's policy is made of: it lies in a directory `.govsh`.
    pub fn project_file(&self, path: &Path) -> Result<Source, PolicyError> {
        let source = read::policy(path, Layer::Project, Writer::Anyone)?;
        let real = Path::new(OsStr::from_bytes(source.path.as_deref().unwrap_or_default()));
        if !in_project(path) && !in_project(real) {
            let hint = "a project's policy is .govsh/policy.toml";
            return Err(PolicyError::whole(&source.name, "it lies in no directory '.govsh'", Some(hint)));
        }
        Ok(source)
    }

    /// The policy of this name or file, as `--policy` gives it.
    pub fn find(&self, name_or_file: &str) -> Result<Source, PolicyError> {
        if is_file(name_or_file) {
            let path = Path::new(name_or_file);
            return self.read(path, self.layer(path, Layer::CommandLine));
        }
        self.named(name_or_file, None)
    }

    /// The policy made for a program: the first that names it in `agent.match`, else `agent`.
    pub fn find_for(&self, argv0: &OsStr) -> Result<Source, PolicyError> {
        let program = Path::new(argv0).file_name().and_then(OsStr::to_str).unwrap_or_default();
        let quoted = format!("\"{program}\"");
        for source in self.all()? {
            // A shipped profile that does not have the name in its text, as those write it, need not be read further.
            if source.layer == Layer::Shipped && !source.text.contains(&quoted) {
                continue;
            }
            if Policy::matches(&source)?.iter().any(|name| name == program) {
                return Ok(source);
            }
        }
        self.named(shipped::DEFAULT, None)
    }

    /// Every policy with a name, those that hide others of the same name first.
    pub fn all(&self) -> Result<Vec<Source>, PolicyError> {
        let mut all: Vec<Source> = Vec::new();
        for (dir, layer) in &self.dirs {
            let mut files: Vec<PathBuf> =
                fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
            files.sort();
            for path in files.iter().filter(|path| path.extension() == Some(OsStr::new("toml"))) {
                all.push(self.read(path, *layer)?);
            }
        }
        all.extend(shipped::all().filter_map(|(name, _)| shipped::source(name)));
        Ok(all)
    }

    /// A name among the directories and the shipped profiles, but never `from` itself.
    fn named(&self, name: &str, from: Option<&Source>) -> Result<Source, PolicyError> {
        for (dir, layer) in &self.dirs {
            let path = dir.join(format!("{name}.toml"));
            let found = fs::canonicalize(&path)
                .is_ok_and(|real| from.is_none_or(|from| from.path.as_deref() != Some(bytes(&real))));
            if found && !name.is_empty() {
                return self.read(&path, *layer);
            }
        }
        shipped::source(name).ok_or_else(|| {
            let names: Vec<&str> = shipped::all().map(|(name, _)| name).collect();
            let hint = format!("shipped: {}; a file is written with a '/' or ends in .toml", names.join(", "));
            PolicyError::whole(name, "there is no policy of this name", Some(&hint))
        })
    }

    fn read(&self, path: &Path, layer: Layer) -> Result<Source, PolicyError> {
        let writer = match layer {
            Layer::Org | Layer::Machine => Writer::Root,
            Layer::User => Writer::User,
            _ => Writer::Anyone,
        };
        read::policy(path, layer, writer)
    }

    /// A file's layer by where it lies; one that is named by way of a project is the project's.
    fn layer(&self, path: &Path, otherwise: Layer) -> Layer {
        if in_project(path) {
            return Layer::Project;
        }
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let named = self.dirs.iter().find(|(dir, _)| dir.parent().is_some_and(|dir| real.starts_with(dir)));
        match named {
            Some((_, layer)) => *layer,
            None if in_project(&real) => Layer::Project,
            None => otherwise,
        }
    }
}

impl Default for Disk {
    fn default() -> Disk {
        Disk::new()
    }
}

impl Library for Disk {
    fn load(&self, name_or_file: &str, from: &Source) -> Result<Source, PolicyError> {
        if !is_file(name_or_file) {
            return self.named(name_or_file, Some(from));
        }
        let beside = from.path.as_deref().and_then(|path| Path::new(OsStr::from_bytes(path)).parent());
        let path = match (name_or_file.strip_prefix("~/"), beside) {
            (Some(rest), _) => home().join(rest),
            // without the './' that such names begin with
            (None, Some(dir)) => dir.join(name_or_file).components().collect(),
            (None, None) => PathBuf::from(name_or_file),
        };
        self.read(&path, self.layer(&path, from.layer))
    }

    fn layers(&self) -> Result<Vec<Source>, PolicyError> {
        let mut layers = layers::standing(Path::new(MACHINE), &config_dir().join("govsh"))?;
        layers.extend(self.projects()?);
        layers.extend(self.flags.iter().cloned());
        Ok(layers)
    }

    fn trusts(&self, source: &Source) -> Result<bool, PolicyError> {
        store().holds(source).map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            PolicyError::whole(&source.name, format!("cannot tell whether it is trusted: {error}{cause}"), None)
        })
    }

    fn answers(&self, key: &str) -> Result<Option<Source>, PolicyError> {
        let path = answers_file(key);
        let whole = |reason: &str| PolicyError::whole(&path.to_string_lossy(), reason, None);
        match fs::symlink_metadata(&path) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) => Ok(None),
            Err(error) => Err(whole(&error_text(&error))),
            Ok(found) if !found.is_file() => Err(whole("it is no regular file")),
            Ok(found) if found.uid() != cred::euid() => Err(whole("it belongs to another user")),
            Ok(_) => self.read(&path, Layer::User).map(Some),
        }
    }

    fn registry(&self, which: Registry) -> Vec<Setting> {
        registries::settings(which, &home(), &config_dir())
    }

    fn own_program(&self) -> Option<Vec<u8>> {
        fs::read_link("/proc/self/exe").ok().map(|path| bytes(&path).to_vec())
    }

    fn kind(&self, path: &[u8]) -> Kind {
        match fs::symlink_metadata(OsStr::from_bytes(path)) {
            Ok(found) if found.is_symlink() => Kind::Unknown,
            Ok(_) => Kind::Plain,
            Err(_) => Kind::Absent,
        }
    }

    fn realpath(&self, literal: &[u8]) -> Option<Vec<u8>> {
        // One walk by the kernel instead of one look at each part: there are hundreds of literals.
        let path = std::ffi::CString::new(literal).ok()?;
        let fd = file::open(None, &path, libc::O_PATH, 0).ok()?;
        file::path_of(fd.as_fd()).ok().filter(|real| real.starts_with(b"/"))
    }
}

/// The policy of a session: what `--policy` names, else the one made for `argv0`.
/// `session` is its private directory, in which `${session}` is made; `own` what else is govsh's and lies outside its usual places (a recording).
pub fn load(
    disk: &Disk,
    choice: Option<&str>,
    argv0: &OsStr,
    session: &Path,
    own: &[PathBuf],
) -> Result<Policy, PolicyError> {
    let source = match choice {
        Some(name) => disk.find(name)?,
        None => disk.find_for(argv0)?,
    };
    load_source(source, disk, argv0, session, own)
}

/// As [`load`], for a session that runs already.
pub fn load_again(
    disk: &Disk,
    choice: Option<&str>,
    argv0: &OsStr,
    session: &Path,
    own: &[PathBuf],
) -> Result<Policy, PolicyError> {
    let source = match choice {
        Some(name) => disk.find(name)?,
        None => disk.find_for(argv0)?,
    };
    Policy::load(source, disk, &vars_of(argv0, session, own))
}

/// As [`load`], of a source that was found already.
pub fn load_source(
    source: Source,
    disk: &Disk,
    argv0: &OsStr,
    session: &Path,
    own: &[PathBuf],
) -> Result<Policy, PolicyError> {
    let vars = vars_of(argv0, session, own);
    let scratch = Path::new(OsStr::from_bytes(&vars.session));
    DirBuilder::new().mode(0o700).create(scratch).map_err(|error| {
        PolicyError::whole(&source.name, format!("cannot make '{}': {}", scratch.display(), error_text(&error)), None)
    })?;
    Policy::load(source, disk, &vars).map_err(|error| match in_project(Path::new(error.policy())) {
        // Somebody else may have written it: it is looked at, not run.
        true => error
            .advise("this is the project's policy: nothing runs here until it is right or gone ('cat -v' shows it)"),
        false => error,
    })
}

/// Where the user's own policies lie.
pub fn own_policies() -> PathBuf {
    config_dir().join("govsh/policies")
}

/// Where trust in projects' policies is kept: `~/.local/state/govsh/trust`.
pub fn store() -> Store {
    Store::at(env_dir("XDG_STATE_HOME").unwrap_or_else(|| home().join(".local/state")).join("govsh/trust"))
}

/// What binds sessions: a session that works in one of these could write what binds the next.
pub fn binding() -> Vec<PathBuf> {
    let config = config_dir().join("govsh");
    let own = ["policies", "policy.d", "org", "answers", "pins", "mcp"].map(|name| config.join(name));
    let mut all: Vec<PathBuf> = own.into_iter().chain([PathBuf::from(MACHINE)]).collect();
    all.push(store().dir().to_owned());
    all
}

/// Where answers to a policy's questions are kept: `~/.config/govsh/answers/KEY.toml`.
pub fn answers_file(key: &str) -> PathBuf {
    config_dir().join("govsh/answers").join(format!("{key}.toml"))
}

/// Where it is kept what MCP servers were: `~/.config/govsh/pins`.
pub fn pins() -> crate::session::pins::Store {
    crate::session::pins::Store::at(config_dir().join("govsh/pins"))
}

/// Where the user's policy of this name lies; its directory is made if there is none.
pub fn kept(name: &str) -> std::io::Result<PathBuf> {
    let dir = config_dir().join("govsh/policies");
    DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
    Ok(dir.join(format!("{name}.toml")))
}

/// What the variables stand for in a session of this command.
fn vars_of(argv0: &OsStr, session: &Path, own: &[PathBuf]) -> Vars {
    let command = command::places(argv0).iter().map(|path| bytes(path).to_vec()).collect();
    Vars { command, ..vars(session, own) }
}

/// What the variables stand for in this process, where no command is started.
pub fn vars(session: &Path, own: &[PathBuf]) -> Vars {
    let home = home();
    let workdir = std::env::current_dir().unwrap_or_else(|_| "/".into());
    let tmp = env_dir("TMPDIR").filter(|dir| dir.is_dir()).unwrap_or_else(|| "/tmp".into());
    let uid = fs::metadata("/proc/self").map_or(0, |own| own.uid());
    let mut state = vec![
        env_dir("XDG_STATE_HOME").unwrap_or_else(|| home.join(".local/state")).join("govsh"),
        home.join(".local/state/govsh"),
        config_dir().join("govsh"),
        home.join(".config/govsh"),
        env_dir("XDG_DATA_HOME").unwrap_or_else(|| home.join(".local/share")).join("govsh"),
        env_dir("XDG_RUNTIME_DIR").unwrap_or_else(|| format!("/run/user/{uid}").into()).join("govsh"),
        format!("/tmp/govsh-{uid}").into(),
        MACHINE.into(),
    ];
    // Each by itself, too: where an agent works in a directory of ours, these stay closed to it.
    state.extend(binding());
    state.extend(session.is_absolute().then(|| session.to_owned()));
    state.extend(own.iter().filter_map(|path| std::path::absolute(path).ok()));
    state.sort();
    state.dedup();
    let repository = fs::canonicalize(&workdir).map(|real| git::find(&real, &home)).unwrap_or_default();
    let listed = |path: Option<PathBuf>| path.iter().map(|path| bytes(path).to_vec()).collect();
    Vars {
        git: listed(repository.git),
        repo: listed(repository.top),
        command: Vec::new(),
        home: bytes(&home).to_vec(),
        workdir: bytes(&workdir).to_vec(),
        tmp: bytes(&tmp).to_vec(),
        session: bytes(&session.join("scratch")).to_vec(),
        uid,
        env: std::env::vars_os().collect(),
        state_dirs: state.iter().map(|path| bytes(path).to_vec()).collect(),
    }
}

/// The error as people see it: a second line with the hint.
pub fn told(error: &PolicyError) -> String {
    match error.hint() {
        Some(hint) => format!("{error}\nhint: {hint}"),
        None => error.to_string(),
    }
}

/// Whether this is the path of a policy rather than its name.
pub fn is_file(name: &str) -> bool {
    name.contains('/') || name.ends_with(".toml")
}

/// Whether the path leads through a directory `.govsh`.
fn in_project(path: &Path) -> bool {
    path.parent().is_some_and(|dir| dir.components().any(|part| part.as_os_str() == ".govsh"))
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

fn home() -> PathBuf {
    std::env::home_dir().filter(|home| home.is_absolute()).unwrap_or_else(|| "/nonexistent".into())
}

fn env_dir(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// The user's configuration: `$XDG_CONFIG_HOME`, else `~/.config`.
pub fn config_dir() -> PathBuf {
    env_dir("XDG_CONFIG_HOME").unwrap_or_else(|| home().join(".config"))
}
