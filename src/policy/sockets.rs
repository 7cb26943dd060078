//! `[sockets]`: the names of well-known Unix sockets, and where they are found.
//!
//! Invariant: a name stands for sockets of that service only; what the environment names badly is left out.
//! Leaves to others: sockets that the session itself bound (`supervisor`).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::pattern::{Fault, Glob, Pattern};
use super::{UnixAddr, Vars};

/// Which sockets an entry stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Path(Pattern),
    Abstract(Abstract),
}

/// Names in the abstract namespace, without the leading NUL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Abstract {
    Exact(Box<[u8]>),
    Glob(Glob),
}

impl Abstract {
    pub fn matches(&self, name: &[u8]) -> bool {
        match self {
            Abstract::Exact(exact) => **exact == *name,
            Abstract::Glob(glob) => glob.matches(name),
        }
    }
}

/// The names that `sockets.allow` knows.
pub const NAMES: &[&str] = &[
    "ssh-agent",
    "gpg-agent",
    "docker",
    "podman",
    "containerd",
    "dbus",
    "dbus-system",
    "tmux",
    "x11",
    "wayland",
    "pulseaudio",
    "pipewire",
    "nscd",
    "resolved",
    "userdb",
    "syslog",
];

/// What an entry stands for: a name, `@abstract`, or a path pattern. A name may stand for nothing here.
pub fn places(text: &str, vars: &Vars) -> Result<Vec<Place>, Fault> {
    if let Some(name) = text.strip_prefix('@') {
        if name.is_empty() {
            return Err(Fault { reason: "empty abstract socket name".into(), hint: None });
        }
        return Ok(vec![Place::Abstract(abstract_name(name))]);
    }
    if text.contains('/') || text.starts_with('~') || text.starts_with('$') {
        return Ok(Pattern::parse_all(text, vars)?.into_iter().map(Place::Path).collect());
    }
    if !NAMES.contains(&text) {
        let near =
            super::table::closest(text, NAMES).map(|near| format!("did you mean '{near}'? ")).unwrap_or_default();
        return Err(Fault {
            reason: format!("unknown socket name '{text}'"),
            hint: Some(format!("{near}names: {}; or a path, or @name for an abstract socket", NAMES.join(", "))),
        });
    }
    Ok(Finder { vars }.named(text))
}

/// The well-known name that stands for this socket here.
pub fn name_of(addr: UnixAddr<'_>, vars: &Vars) -> Option<&'static str> {
    let is_it = |place: &Place| match (place, addr) {
        (Place::Path(pattern), UnixAddr::Path(path)) => pattern.matches(path),
        (Place::Abstract(known), UnixAddr::Abstract(name)) => known.matches(name),
        _ => false,
    };
    NAMES.iter().copied().find(|name| Finder { vars }.named(name).iter().any(is_it))
}

/// Whether an entry is one of the well-known names.
pub fn is_named(text: &str) -> bool {
    NAMES.contains(&text)
}

fn abstract_name(name: &str) -> Abstract {
    Glob::parse(name).map_or_else(|| Abstract::Exact(name.as_bytes().into()), Abstract::Glob)
}

struct Finder<'v> {
    vars: &'v Vars,
}

impl Finder<'_> {
    fn named(&self, name: &str) -> Vec<Place> {
        match name {
            "ssh-agent" => self.paths([self.env("SSH_AUTH_SOCK")]),
            "gpg-agent" => {
                let home = self.env("GNUPGHOME").or_else(|| self.home(".gnupg"));
                let runtime = self.runtime("gnupg");
                let dirs = [home, runtime].into_iter().flatten();
                self.paths(dirs.flat_map(|dir| ["S.gpg-agent", "S.keyboxd"].map(|name| Some(join(&dir, name)))))
            }
            "docker" => self.paths([
                self.env("DOCKER_HOST").and_then(|host| host.strip_prefix(b"unix://").map(<[u8]>::to_vec)),
                Some(b"/run/docker.sock".to_vec()),
                Some(b"/var/run/docker.sock".to_vec()),
                self.runtime("docker.sock"),
                self.home(".docker/run/docker.sock"),
                self.home(".docker/desktop/docker.sock"),
            ]),
            "podman" => self.paths([self.runtime("podman/podman.sock"), Some(b"/run/podman/podman.sock".to_vec())]),
            "containerd" => self.paths([Some(b"/run/containerd/containerd.sock".to_vec())]),
            "dbus" => self.dbus(),
            "dbus-system" => {
                self.paths(["/run", "/var/run"].map(|run| Some(join(run.as_bytes(), "dbus/system_bus_socket"))))
            }
            "tmux" => self.tmux(),
            "x11" => self.x11(),
            "wayland" => self.wayland(),
            "pulseaudio" => self.paths([self.runtime("pulse/native")]),
            "pipewire" => self.paths([self.runtime("pipewire-0"), self.runtime("pipewire-0-manager")]),
            "nscd" => self.paths(["/run", "/var/run"].map(|run| Some(join(run.as_bytes(), "nscd/socket")))),
            "resolved" => self.paths([Some(b"/run/systemd/resolve/io.systemd.Resolve".to_vec())]),
            "userdb" => vec![Place::Path(Pattern::literal(b"/run/systemd/userdb", true))],
            "syslog" => self.paths([Some(b"/dev/log".to_vec()), Some(b"/run/systemd/journal/dev-log".to_vec())]),
            _ => Vec::new(),
        }
    }

    /// `unix:path=/run/user/1000/bus,guid=…` and other addresses, separated by `;`.
    fn dbus(&self) -> Vec<Place> {
        let mut places = self.paths([self.runtime("bus")]);
        let addresses = self.env("DBUS_SESSION_BUS_ADDRESS").unwrap_or_default();
        for address in addresses.split(|&b| b == b';').filter_map(|a| a.strip_prefix(b"unix:")) {
            for part in address.split(|&b| b == b',') {
                if let Some(path) = part.strip_prefix(b"path=") {
                    places.extend(self.paths([Some(path.to_vec())]));
                } else if let Some(name) = part.strip_prefix(b"abstract=") {
                    places.push(Place::Abstract(Abstract::Exact(name.into())));
                }
            }
        }
        places
    }

    /// `TMUX` is `socket,pid,session`.
    fn tmux(&self) -> Vec<Place> {
        let current = self.env("TMUX").and_then(|tmux| tmux.split(|&b| b == b',').next().map(<[u8]>::to_vec));
        let dir = self.env("TMUX_TMPDIR").unwrap_or_else(|| b"/tmp".to_vec());
        self.paths([current, Some(join(&dir, &format!("tmux-{}/default", self.vars.uid)))])
    }

    /// The display of `DISPLAY`, which is `:N` or `:N.S`.
    fn x11(&self) -> Vec<Place> {
        let display = self.env("DISPLAY").unwrap_or_default();
        let number: Vec<u8> = display.iter().skip(1).take_while(|b| b.is_ascii_digit()).copied().collect();
        if display.first() != Some(&b':') || number.is_empty() {
            return Vec::new();
        }
        let path = [b"/tmp/.X11-unix/X".as_slice(), &number].concat();
        vec![Place::Path(Pattern::literal(&path, false)), Place::Abstract(Abstract::Exact(path.into()))]
    }

    fn wayland(&self) -> Vec<Place> {
        let display = self.env("WAYLAND_DISPLAY").unwrap_or_else(|| b"wayland-0".to_vec());
        if display.starts_with(b"/") {
            return self.paths([Some(display)]);
        }
        self.paths([std::str::from_utf8(&display).ok().and_then(|name| self.runtime(name))])
    }

    fn env(&self, name: &str) -> Option<Vec<u8>> {
        let value = self.vars.env.iter().find(|(key, _)| key == OsStr::new(name))?;
        let value = value.1.as_bytes();
        (!value.is_empty()).then(|| value.to_vec())
    }

    fn home(&self, below: &str) -> Option<Vec<u8>> {
        Some(join(&self.vars.home, below))
    }

    fn runtime(&self, below: &str) -> Option<Vec<u8>> {
        let dir = self.env("XDG_RUNTIME_DIR").unwrap_or_else(|| format!("/run/user/{}", self.vars.uid).into_bytes());
        Some(join(&dir, below))
    }

    /// The absolute ones among the paths that have no `.` or `..` in them.
    fn paths(&self, paths: impl IntoIterator<Item = Option<Vec<u8>>>) -> Vec<Place> {
        let plain = |path: &Vec<u8>| {
            path.starts_with(b"/") && !super::pattern::split(path).any(|name| name == b"." || name == b"..")
        };
        let mut places = Vec::new();
        for path in paths.into_iter().flatten().filter(plain) {
            let place = Place::Path(Pattern::literal(&path, false));
            if !places.contains(&place) {
                places.push(place);
            }
        }
        places
    }
}

fn join(dir: &[u8], below: &str) -> Vec<u8> {
    [dir, b"/", below.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(env: &[(&str, &str)]) -> Vars {
        let env = env.iter().map(|(key, value)| (key.into(), value.into())).collect();
        Vars { home: b"/home/u".into(), uid: 7, env, ..Vars::default() }
    }

    fn path(path: &str) -> Place {
        Place::Path(Pattern::literal(path.as_bytes(), false))
    }

    #[test]
    fn finds_sockets_by_environment() {
        let vars = vars(&[
            ("SSH_AUTH_SOCK", "/tmp/ssh-1/agent.2"),
            ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/run/user/7/bus;unix:abstract=/tmp/dbus-x,guid=1"),
            ("DISPLAY", ":1.0"),
            ("TMUX", "/tmp/tmux-7/work,123,0"),
        ]);
        assert_eq!(places("ssh-agent", &vars), Ok(vec![path("/tmp/ssh-1/agent.2")]));
        let bus = Place::Abstract(Abstract::Exact((*b"/tmp/dbus-x").into()));
        assert_eq!(places("dbus", &vars), Ok(vec![path("/run/user/7/bus"), path("/run/user/7/bus"), bus]));
        let x = Place::Abstract(Abstract::Exact((*b"/tmp/.X11-unix/X1").into()));
        assert_eq!(places("x11", &vars), Ok(vec![path("/tmp/.X11-unix/X1"), x]));
        assert_eq!(places("tmux", &vars), Ok(vec![path("/tmp/tmux-7/work"), path("/tmp/tmux-7/default")]));
    }

    #[test]
    fn knows_whose_socket_it_is() {
        let vars = vars(&[("SSH_AUTH_SOCK", "/tmp/ssh-1/agent.2"), ("DISPLAY", ":1")]);
        let name = |path: &str| name_of(UnixAddr::Path(path.as_bytes()), &vars);
        let asked = ["/tmp/ssh-1/agent.2", "/run/docker.sock", "/run/systemd/userdb/x", "/tmp/ssh-1/agent.3"];
        assert_eq!(asked.map(name), [Some("ssh-agent"), Some("docker"), Some("userdb"), None]);
        assert_eq!(name_of(UnixAddr::Abstract(b"/tmp/.X11-unix/X1"), &vars), Some("x11"));
    }

    #[test]
    fn leaves_out_what_is_not_there() {
        assert_eq!(places("ssh-agent", &vars(&[])), Ok(Vec::new()));
        assert_eq!(places("ssh-agent", &vars(&[("SSH_AUTH_SOCK", "agent")])), Ok(Vec::new()));
        assert_eq!(places("x11", &vars(&[("DISPLAY", "host:0")])), Ok(Vec::new()));
    }

    #[test]
    fn refuses_unknown_names() {
        let fault = places("ssh_agent", &vars(&[])).unwrap_err();
        assert_eq!(fault.reason, "unknown socket name 'ssh_agent'");
        assert!(fault.hint.unwrap().starts_with("did you mean 'ssh-agent'? names: "));
    }
}
