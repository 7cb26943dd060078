//! Policies on disk: which one a session gets, and what its variables stand for here.
//!
//! Invariant: a policy file is a regular file of at most 1 MiB in UTF-8, or it is refused; opening one never waits.
//! Leaves to others: what is in it (`policy`).
//!
//! ```text
//! NAME          ~/.config/govsh/policies/NAME.toml, /etc/govsh/policies/NAME.toml, then the shipped profile
//! has a '/' or ends in .toml: a file, in `extends` beside the file that says so
//! ```

mod git;

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::policy::{Kind, Layer, Library, Policy, PolicyError, Source, Vars, shipped};
use crate::sys::{cred, file};

/// Longest policy file, in bytes.
const LONGEST: u64 = 1 << 20;

/// The machine's and the user's policies, and the shipped ones.
#[derive(Debug)]
pub struct Disk {
    /// Where named policies lie, most wanted first.
    dirs: Vec<(PathBuf, Layer)>,
    workdir: PathBuf,
}

impl Disk {
    /// With the directories of this user on this machine.
    pub fn new() -> Disk {
        let user = config_dir().join("govsh/policies");
        let workdir = std::env::current_dir().unwrap_or_else(|_| "/".into());
        Disk { dirs: vec![(user, Layer::User), (PathBuf::from("/etc/govsh/policies"), Layer::Machine)], workdir }
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
        for source in self.all()? {
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
        let name = path.to_string_lossy().into_owned();
        let whole = |reason: &str| PolicyError::whole(&name, reason, None);
        let open = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
        let file = open.map_err(|error| whole(&error_text(&error)))?;
        let real = fs::canonicalize(path).map_err(|error| whole(&error_text(&error)))?;
        let raw = contents(file).map_err(|reason| whole(&reason))?;
        let text = String::from_utf8(raw)
            .map_err(|error| not_utf8(&name, error.as_bytes(), error.utf8_error().valid_up_to()))?;
        Ok(Source { name, text, layer, path: Some(bytes(&real).to_vec()) })
    }

    /// A file's layer by where it lies.
    fn layer(&self, path: &Path, otherwise: Layer) -> Layer {
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let named = self.dirs.iter().find(|(dir, _)| dir.parent().is_some_and(|dir| real.starts_with(dir)));
        match named {
            Some((_, layer)) => *layer,
            None if real.starts_with(self.workdir.join(".govsh")) => Layer::Project,
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
pub fn load(choice: Option<&str>, argv0: &OsStr, session: &Path, own: &[PathBuf]) -> Result<Policy, PolicyError> {
    let disk = Disk::new();
    let source = match choice {
        Some(name) => disk.find(name)?,
        None => disk.find_for(argv0)?,
    };
    load_source(source, &disk, session, own)
}

/// As [`load`], of a source that was found already.
pub fn load_source(source: Source, disk: &Disk, session: &Path, own: &[PathBuf]) -> Result<Policy, PolicyError> {
    let vars = vars(session, own);
    let scratch = Path::new(OsStr::from_bytes(&vars.session));
    DirBuilder::new().mode(0o700).create(scratch).map_err(|error| {
        PolicyError::whole(&source.name, format!("cannot make '{}': {}", scratch.display(), error_text(&error)), None)
    })?;
    Policy::load(source, disk, &vars)
}

/// Where the user's own policies lie.
pub fn own_policies() -> PathBuf {
    config_dir().join("govsh/policies")
}

/// Where answers to a policy's questions are kept: `~/.config/govsh/answers/KEY.toml`.
pub fn answers_file(key: &str) -> PathBuf {
    config_dir().join("govsh/answers").join(format!("{key}.toml"))
}

/// Where the user's policy of this name lies; its directory is made if there is none.
pub fn kept(name: &str) -> std::io::Result<PathBuf> {
    let dir = config_dir().join("govsh/policies");
    DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
    Ok(dir.join(format!("{name}.toml")))
}

/// What the variables stand for in this process.
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
        "/etc/govsh".into(),
    ];
    state.extend(session.is_absolute().then(|| session.to_owned()));
    state.extend(own.iter().filter_map(|path| std::path::absolute(path).ok()));
    state.sort();
    state.dedup();
    let repository = fs::canonicalize(&workdir).map(|real| git::find(&real, &home)).unwrap_or_default();
    let listed = |path: Option<PathBuf>| path.iter().map(|path| bytes(path).to_vec()).collect();
    Vars {
        git: listed(repository.git),
        repo: listed(repository.top),
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

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

fn home() -> PathBuf {
    std::env::home_dir().filter(|home| home.is_absolute()).unwrap_or_else(|| "/nonexistent".into())
}

fn env_dir(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

fn config_dir() -> PathBuf {
    env_dir("XDG_CONFIG_HOME").unwrap_or_else(|| home().join(".config"))
}

/// The bytes of a regular file that is not too large.
fn contents(file: File) -> Result<Vec<u8>, String> {
    let kind = file.metadata().map_err(|error| error_text(&error))?;
    if kind.is_dir() {
        return Err("it is a directory".into());
    }
    if !kind.is_file() {
        return Err("it is no regular file".into());
    }
    let mut raw = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut raw).map_err(|error| error_text(&error))?;
    if raw.len() as u64 > LONGEST {
        return Err("it is larger than 1 MiB".into());
    }
    Ok(raw)
}

/// An error's text without its number: `no such file or directory`.
fn error_text(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

fn not_utf8(name: &str, raw: &[u8], valid: usize) -> PolicyError {
    let before = String::from_utf8_lossy(raw.get(..valid).unwrap_or_default()).into_owned();
    let byte = raw.get(valid).copied().unwrap_or_default();
    PolicyError::At {
        policy: name.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
        reason: format!("byte 0x{byte:02x} is not UTF-8"),
        hint: Some("policies are UTF-8 text".into()),
    }
}
