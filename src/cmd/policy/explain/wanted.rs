//! What was asked about, as a session would see it.
//!
//! Invariant: a path is resolved as the front resolves it: every link on the way followed, the last one only where the
//! access is to what it leads to.

use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::cli::PolicyExplain;
use crate::cmd::run::place::Place;
use crate::cmd::run::program::Program;
use crate::policy::{self, Access, Host, NetOp, Reach, Request, UnixAddr, rights};

enum What {
    File { path: PathBuf, access: Access },
    Exec { path: PathBuf, argv: Vec<Vec<u8>> },
    Net(NetOp, SocketAddr),
    Host(Host, u16),
    Path(PathBuf),
    Abstract(Vec<u8>),
}

/// A request and how it came about.
pub(super) struct Wanted {
    what: What,
    /// As asked.
    pub shown: String,
    /// What is judged, where that is something else.
    pub judged: Vec<String>,
}

impl Wanted {
    pub fn request(&self) -> Request<'_> {
        match &self.what {
            What::File { path, access } => Request::File { path: path.as_os_str().as_bytes(), access: *access },
            What::Exec { path, argv } => Request::Exec { path: path.as_os_str().as_bytes(), argv },
            What::Net(op, addr) => Request::Net(Reach::to(*op, *addr)),
            What::Host(host, port) => Request::Net(Reach::named(host, *port)),
            What::Path(path) => Request::Unix { addr: UnixAddr::Path(path.as_os_str().as_bytes()) },
            What::Abstract(name) => Request::Unix { addr: UnixAddr::Abstract(name) },
        }
    }

    pub fn json(&self) -> Value {
        let mut json = match &self.what {
            What::File { path, access } => {
                json!({ "kind": "file", "path": path.to_string_lossy(), "access": access.words() })
            }
            What::Exec { path, argv } => {
                let argv: Vec<_> = argv.iter().map(|word| String::from_utf8_lossy(word)).collect();
                json!({ "kind": "exec", "path": path.to_string_lossy(), "argv": argv })
            }
            What::Host(host, port) => json!({ "kind": "connect", "host": &**host, "port": port }),
            What::Net(NetOp::Bind, addr) => json!({ "kind": "bind", "addr": addr.to_string() }),
            What::Net(_, addr) => json!({ "kind": "connect", "addr": addr.to_string() }),
            What::Path(path) => json!({ "kind": "socket", "path": path.to_string_lossy() }),
            What::Abstract(name) => json!({ "kind": "socket", "path": format!("@{}", String::from_utf8_lossy(name)) }),
        };
        json["asked"] = self.shown.clone().into();
        json["judged"] = self.judged.clone().into();
        json
    }
}

/// The requests that the options mean: several where a name has several addresses.
pub(super) fn find(options: &PolicyExplain) -> Result<Vec<Wanted>> {
    let place = Place::find()?;
    if let Some(path) = &options.file {
        let access = rights(&options.access).with_context(|| {
            format!(
                "'{}' is no access\nhint: r, w, x, read, write, exec, create, delete, rename, change",
                options.access
            )
        })?;
        return Ok(vec![file(path, access, &place.cwd)]);
    }
    if let Some(text) = &options.connect {
        return connect(text);
    }
    if let Some(addr) = options.bind {
        let shown = format!("listen at {addr}");
        return Ok(vec![Wanted { what: What::Net(NetOp::Bind, addr), shown, judged: Vec::new() }]);
    }
    if let Some(socket) = &options.socket {
        return Ok(vec![unix(socket, &place.cwd)]);
    }
    Ok(vec![exec(&options.exec, &place)])
}

fn file(written: &OsStr, access: Access, cwd: &Path) -> Wanted {
    let whole = expanded(written, cwd);
    let follows = access.intersects(Access::READ | Access::WRITE | Access::EXEC | Access::CHANGE);
    let path = resolve(&whole, follows);
    let mut judged = Vec::new();
    if path.as_os_str() != written {
        judged.push(path.to_string_lossy().into_owned());
    }
    if path != plain(&whole) {
        judged.push(format!("the real path alone; '{}' leads there by symbolic links", written.to_string_lossy()));
    }
    let shown = format!("{} {}", access.words(), written.to_string_lossy());
    Wanted { what: What::File { path, access }, shown, judged }
}

/// A Unix socket by its path, links on the way followed as connect(2) does, or by its abstract name.
fn unix(written: &OsStr, cwd: &Path) -> Wanted {
    let shown = format!("connect to {}", written.to_string_lossy());
    if let Some(name) = written.as_bytes().strip_prefix(b"@") {
        return Wanted { what: What::Abstract(name.to_vec()), shown, judged: Vec::new() };
    }
    let path = resolve(&expanded(written, cwd), true);
    let judged = if path.as_os_str() == written { Vec::new() } else { vec![path.to_string_lossy().into_owned()] };
    Wanted { what: What::Path(path), shown, judged }
}

/// From the working directory, or from home where a shell that quoted it left the '~' in its place.
fn expanded(written: &OsStr, cwd: &Path) -> PathBuf {
    let home = written.as_bytes().strip_prefix(b"~/");
    let home = home.and_then(|rest| Some(std::env::home_dir()?.join(OsStr::from_bytes(rest))));
    home.unwrap_or_else(|| cwd.join(written))
}

/// What the program would be found as, or as it stands where there is none.
fn exec(words: &[OsString], place: &Place) -> Wanted {
    let argv: Vec<Vec<u8>> = words.iter().map(|word| word.clone().into_vec()).collect();
    let shown = format!("run {}", argv.iter().map(|word| String::from_utf8_lossy(word)).collect::<Vec<_>>().join(" "));
    let mut judged = Vec::new();
    let path = match Program::find(words, place) {
        Ok(program) => {
            if program.path != program.real {
                judged.push(format!("{} (found as {})", program.real.display(), program.path.display()));
            } else {
                judged.push(program.real.to_string_lossy().into_owned());
            }
            program.real
        }
        Err(error) => {
            let first = words.first().cloned().unwrap_or_default();
            let bare = !first.as_bytes().contains(&b'/');
            let path = if bare { Path::new("/usr/bin").join(&first) } else { resolve(&place.cwd.join(&first), true) };
            judged.push(format!("{}, as if it were there: {error}", path.display()));
            path
        }
    };
    judged.push("the file and its arguments; what it then opens and runs is judged for itself".to_owned());
    Wanted { what: What::Exec { path, argv }, shown, judged }
}

fn connect(text: &str) -> Result<Vec<Wanted>> {
    let shown = format!("connect {text}");
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    let parts = text.rsplit_once(':').and_then(|(host, end)| Some((host, port(end)?)));
    let Some((host, port)) = parts.filter(|(host, _)| !host.is_empty()) else {
        bail!("'{text}' is no host and port\nhint: such as example.org:443 or [2001:db8::1]:443");
    };
    let found = policy::Place::parse(host.as_bytes()).with_context(|| format!("'{text}' is no host and port"))?;
    let to = |ip: IpAddr| Wanted {
        what: What::Net(NetOp::Connect, SocketAddr::new(ip, port)),
        shown: shown.clone(),
        judged: if text == SocketAddr::new(ip, port).to_string() {
            Vec::new()
        } else {
            vec![format!("{ip}, port {port}")]
        },
    };
    Ok(match found {
        policy::Place::Addr(ip) => vec![to(ip)],
        // Programs find these in a file of their own, and connect to the address.
        policy::Place::Name(host) if host.is_localhost() => {
            vec![to(Ipv4Addr::LOCALHOST.into()), to(Ipv6Addr::LOCALHOST.into())]
        }
        policy::Place::Name(host) => {
            let judged = vec![
                format!("{host}, port {port}, by its name"),
                "what it stands for is judged again when it is dialled: never an address of this machine or its network"
                    .to_owned(),
            ];
            vec![Wanted { what: What::Host(host, port), shown, judged }]
        }
    })
}

/// The deepest part that exists without links, the rest as it is; the last component itself where it is not followed.
fn resolve(path: &Path, follows: bool) -> PathBuf {
    let last = path.components().next_back().filter(|last| matches!(last, Component::Normal(_)));
    if let (false, Some(last), Some(above)) = (follows, last, path.parent()) {
        return resolve(above, true).join(last);
    }
    let mut below = Vec::new();
    let mut at = plain(path);
    // Dots behind a link are those of where it leads.
    if let Ok(real) = std::fs::canonicalize(path) {
        return real;
    }
    loop {
        if let Ok(real) = std::fs::canonicalize(&at) {
            return below.iter().rev().fold(real, |real, name: &OsString| real.join(name));
        }
        match (at.file_name().map(OsStr::to_owned), at.parent()) {
            (Some(name), Some(above)) => {
                below.push(name);
                at = above.to_owned();
            }
            _ => return plain(path),
        }
    }
}

/// Without `.` and `..`, as text alone.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => plain.push(name),
            Component::ParentDir => drop(plain.pop()),
            _ => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_judged_where_links_lead() {
        let dir = tempfile::tempdir().unwrap();
        let real = std::fs::canonicalize(dir.path()).unwrap();
        std::fs::create_dir(real.join("a")).unwrap();
        std::os::unix::fs::symlink("a", real.join("link")).unwrap();
        let at = |name: &str, follows| resolve(&real.join(name), follows);
        assert_eq!(at("link/new/x", true), real.join("a/new/x"));
        assert_eq!((at("link", true), at("link", false)), (real.join("a"), real.join("link")));
        assert_eq!(at("link/./b/../c", true), real.join("a/c"));
        assert_eq!(plain(Path::new("/a/./b/../../../c")), Path::new("/c"));
    }
}
