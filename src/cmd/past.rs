//! Recorded decisions, as the requests they were about.
//!
//! Invariant: a request comes out as it was judged then; what the session decided by itself, whatever its policy, is told apart.
//! Leaves to others: what becomes of them (`learn`, `backtest`).

use std::path::{Path, PathBuf};

use crate::event::{Judged, Kind, Start};
use crate::policy::learn::Outcome;
use crate::policy::{Access, Host, Layer, NetOp, Reach, Request, UnixAddr, Vars, Verdict};

/// The name that a recorded call was judged by, where it is one.
pub fn host(judged: &Judged) -> Option<Host> {
    Host::parse(judged.host.as_deref()?).ok()
}

/// The requests that one recorded call stands for: a rename is two. None for what cannot be judged again. `host` as in [`host`].
pub fn requests<'j>(judged: &'j Judged, host: Option<&'j Host>) -> Vec<Request<'j>> {
    let path = judged.path.as_slice();
    match (judged.kind, judged.addr) {
        (Kind::Exec, _) if path.starts_with(b"/") => vec![Request::Exec { path, argv: &judged.argv }],
        (Kind::Net, Some(addr)) => {
            let op = match judged.op {
                "bind" => NetOp::Bind,
                "connect" => NetOp::Connect,
                _ => NetOp::Send,
            };
            vec![Request::Net(Reach { host, ..Reach::to(op, addr) })]
        }
        (Kind::Net, None) if judged.host.is_some() => {
            host.map(|host| Request::Net(Reach::named(host, judged.port))).into_iter().collect()
        }
        (Kind::Net, None) if judged.op == "bind" => file(path, Access::CREATE).into_iter().collect(),
        (Kind::Net, None) => match path.strip_prefix(b"@") {
            Some(name) => vec![Request::Unix { addr: UnixAddr::Abstract(name) }],
            None if path.starts_with(b"/") => vec![Request::Unix { addr: UnixAddr::Path(path) }],
            None => Vec::new(),
        },
        (Kind::File, _) => {
            let (first, second) = judged.access.of_ends(judged.op);
            file(path, first).into_iter().chain(file(&judged.path2, second)).collect()
        }
        (Kind::Exec | Kind::Call | Kind::Mcp, _) => Vec::new(),
    }
}

fn file(path: &[u8], access: Access) -> Option<Request<'_>> {
    (path.starts_with(b"/") && !access.is_empty()).then_some(Request::File { path, access })
}

/// How it ended. A rule of a policy has a place; what is built in and judged by policies too has one of these names.
pub fn outcome(judged: &Judged) -> Outcome {
    let own = judged.layer == Layer::BuiltIn && !is_of_policies(&judged.rule);
    match (judged.verdict, judged.errno) {
        (Verdict::Allow, libc::ENOENT | libc::ENOTDIR) => Outcome::Absent,
        _ if own => Outcome::Own,
        (Verdict::Deny | Verdict::Ask, _) => Outcome::Denied,
        (_, errno) if FAILURES.contains(&errno) => Outcome::Failed,
        _ => Outcome::Done,
    }
}

/// Errors after which a request had been in vain whatever was allowed.
const FAILURES: &[i32] = &[
    libc::EACCES,
    libc::EPERM,
    libc::ELOOP,
    libc::ENAMETOOLONG,
    libc::EROFS,
    libc::EISDIR,
    libc::ENXIO,
    libc::ENODEV,
    libc::EINVAL,
];

/// Whether a decision by this built-in rule is the policy's: the protections above every policy, not the front's own sense.
fn is_of_policies(rule: &str) -> bool {
    const FRONT: &[&str] = &[
        "service of the session",
        "socket of the session",
        "MCP servers of the session",
        "certificates of the session",
        "the session's own name service",
        "the session's own proxy",
        "own process",
        "own descriptor",
        "own terminal",
        "no terminal of its own",
        "terminal outside the session",
        "process outside the session",
        "memory and identity of a process",
        "another mount of /proc",
        "a git repository, as git makes it",
        "configuration and hooks of a git directory, whatever its name",
        "a git directory in the making, whatever its name:",
        "a submodule's work tree would lead elsewhere",
        "a submodule's work tree would lead elsewhere:",
        "another name of a denied file",
        "leads to a protected path",
        "nothing there",
        "nothing to ask about",
        "no path leads there",
        "no policy allows this",
        "program cannot be read",
        "program without a name",
        "program for the loader not found",
        "program for the loader without its path",
        "loaders behind loaders",
        "the command that was started",
        "the program's memory cannot be read",
        "the request changed whenever it was answered",
    ];
    let name = rule.strip_prefix("built-in: ").unwrap_or(rule);
    // After a colon stands what of it was in the way.
    !FRONT.iter().any(|known| name == *known || known.ends_with(':') && name.starts_with(known))
}

/// What the policy's variables stood for in a session; of older recordings, what they are here, with the session's directory.
/// The second value is whether they were recorded.
pub fn vars(recorded: Option<&Vars>, start: Option<&Start>) -> (Vars, bool) {
    if let Some(vars) = recorded {
        return (vars.clone(), true);
    }
    let mut vars = super::library::vars(Path::new("/run/govsh/session"), &[]).meant();
    if let Some(start) = start {
        vars.workdir.clone_from(&start.cwd);
        vars.uid = start.uid;
    }
    (vars, false)
}

/// The last part of a program's path, for people.
pub fn name_of(exe: &[u8]) -> String {
    let last = exe.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    String::from_utf8_lossy(last).into_owned()
}

/// The recordings that words name: directories stand for all in them.
pub fn files(sessions: &[std::ffi::OsString]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for session in sessions {
        let path = super::find::find(session)?;
        if path.is_dir() {
            files.extend(super::find::recordings(&path)?.into_iter().map(|found| found.path));
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

/// Opens a recording; never waits for what is no file.
pub fn open(path: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if file.metadata()?.is_dir() { Err(std::io::ErrorKind::IsADirectory.into()) } else { Ok(file) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::event::Via;

    fn judged(verdict: Verdict, rule: &str, layer: Layer, errno: i32) -> Judged {
        Judged {
            kind: Kind::File,
            op: "open",
            pid: 1,
            access: Access::READ,
            path: b"/x".to_vec(),
            path2: Vec::new(),
            addr: None,
            host: None,
            port: 0,
            argv: Vec::new(),
            verdict,
            rule: Arc::from(rule),
            layer,
            via: Via::Brokered,
            errno,
            duration: 0,
        }
    }

    /// What the front decides by itself must not be taken for a policy's word: the list here is that of its sources.
    #[test]
    fn every_ruling_of_the_front_is_known() {
        let mut names = BTreeSet::new();
        let mut left = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/supervisor")];
        while let Some(path) = left.pop() {
            if path.is_dir() {
                left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let begun = text.match_indices("\"built-in: ");
            names.extend(begun.filter_map(|(at, begin)| {
                text.get(at + begin.len()..).and_then(|rest| rest.split('"').next()).map(str::to_owned)
            }));
        }
        assert!(names.len() > 15, "{names:?}");
        let unknown: Vec<&String> = names.iter().filter(|name| is_of_policies(&format!("built-in: {name}"))).collect();
        assert_eq!(unknown, Vec::<&String>::new(), "add them to FRONT, unless policies decide them");
        assert!(is_of_policies("built-in: shell start-up files"));
    }

    #[test]
    fn an_outcome_is_the_policys_or_not() {
        let of = |verdict, rule, layer, errno| outcome(&judged(verdict, rule, layer, errno));
        let user = Layer::User;
        assert_eq!(of(Verdict::Allow, "\"~/**\" a.toml:1", user, 0), Outcome::Done);
        assert_eq!(of(Verdict::Allow, "\"~/**\" a.toml:1", user, libc::ENOENT), Outcome::Absent);
        assert_eq!(of(Verdict::Allow, "\"~/**\" a.toml:1", user, libc::EACCES), Outcome::Failed);
        assert_eq!(of(Verdict::Deny, "default", Layer::BuiltIn, libc::EACCES), Outcome::Denied);
        assert_eq!(of(Verdict::Deny, "built-in: shell start-up files", Layer::BuiltIn, libc::EACCES), Outcome::Denied);
        assert_eq!(of(Verdict::Allow, "built-in: own process", Layer::BuiltIn, 0), Outcome::Own);
    }

    #[test]
    fn a_rename_is_two_requests() {
        let access = Access::READ | Access::RENAME | Access::WRITE | Access::CREATE;
        let rename =
            Judged { op: "rename", access, path2: b"/y".to_vec(), ..judged(Verdict::Allow, "r", Layer::User, 0) };
        assert_eq!(
            requests(&rename, None),
            [
                Request::File { path: b"/x", access: Access::READ | Access::RENAME },
                Request::File { path: b"/y", access: Access::WRITE | Access::CREATE },
            ]
        );
    }
}
