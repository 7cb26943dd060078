//! A cgroup (v2) of the session's own, where one was delegated to the user: what it holds, the kernel holds exactly.
//!
//! ```text
//! /sys/fs/cgroup/user.slice/…/app.slice          memory and pids are on for children, and we may write there
//!                                 └─ govsh-ID     memory.max, pids.max; the agent and all it starts; cgroup.kill at the end
//! ```
//! Invariant: used only where both making it and moving into it are permitted; without one, others hold the limits.
//! Leaves to others: which limits there are (`policy`), who holds them without it (`sandbox::limits`).

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::policy::Limits;
use crate::sandbox::Controllers;

/// How long what was killed may take to leave it.
const PATIENCE: Duration = Duration::from_secs(2);

/// The session's own.
#[derive(Debug)]
pub struct Cgroup {
    dir: PathBuf,
    limits: Limits,
    holds: Controllers,
    /// Of memory.events and pids.events: how often a limit was hit when that was told last.
    told: (u64, u64),
}

impl Cgroup {
    /// None where a limit it could hold is missing from the policy, or none is delegated.
    pub fn make(id: &str, limits: &Limits) -> Option<Cgroup> {
        if limits.memory.is_none() && limits.processes.is_none() {
            return None;
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let (mount, dir) = place(&mounts, &own)?;
        Cgroup::beneath(&mount, &dir, id, limits)
    }

    /// In `dir` or the nearest directory above it, up to `mount`, whose children get a controller that is needed.
    fn beneath(mount: &Path, dir: &Path, id: &str, limits: &Limits) -> Option<Cgroup> {
        for parent in dir.ancestors().take_while(|parent| parent.starts_with(mount)) {
            let on = fs::read_to_string(parent.join("cgroup.subtree_control")).unwrap_or_default();
            let on = |name: &str| on.split_whitespace().any(|word| word == name);
            let holds = Controllers {
                memory: on("memory") && limits.memory.is_some(),
                pids: on("pids") && limits.processes.is_some(),
            };
            // Moving needs the right to write where the way there forks.
            if holds == Controllers::default() || !is_writable(&parent.join("cgroup.procs")) {
                continue;
            }
            let dir = parent.join(format!("govsh-{id}"));
            if fs::create_dir(&dir).is_ok() {
                let made = Cgroup { dir, limits: *limits, holds, told: (0, 0) };
                // Half of it is worse than none: dropping it removes it.
                return made.set().is_ok().then_some(made);
            }
        }
        None
    }

    fn set(&self) -> io::Result<()> {
        if let Some(bytes) = self.limits.memory.filter(|_| self.holds.memory) {
            fs::write(self.dir.join("memory.max"), bytes.to_string())?;
        }
        if let Some(most) = self.limits.processes.filter(|_| self.holds.pids) {
            fs::write(self.dir.join("pids.max"), most.to_string())?;
        }
        Ok(())
    }

    pub fn holds(&self) -> Controllers {
        self.holds
    }

    /// The way in: a process whose number is written there is inside, and all it starts.
    pub fn door(&self) -> io::Result<Door> {
        File::options().write(true).open(self.dir.join("cgroup.procs")).map(Door)
    }

    /// Limits that were hit since the last look, in words.
    pub fn news(&mut self) -> Vec<String> {
        let count = |file: &str, name: &str| {
            let text = fs::read_to_string(self.dir.join(file)).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
        };
        let now = (count("memory.events", "oom_kill"), count("pids.events", "max"));
        let mut news = Vec::new();
        if now.0 > self.told.0 {
            let most = self.limits.memory.unwrap_or(0);
            news.push(format!("memory: the session had {most} bytes; the kernel killed a process of it"));
        }
        // Whoever forks in a loop hits it in a loop.
        if now.1 > 0 && self.told.1 == 0 {
            let most = self.limits.processes.unwrap_or(0);
            news.push(format!("processes: the session had {most}; the kernel refused it another"));
        }
        self.told = now;
        news
    }

    /// SIGKILL for everything inside (cgroup.kill, 5.14).
    pub fn kill(&self) {
        // Older kernels leave it to the monitor, which ends all descendants anyway.
        let _ = fs::write(self.dir.join("cgroup.kill"), "1");
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        self.kill();
        let deadline = Instant::now() + PATIENCE;
        // Busy until the last one was reaped; one that cannot be removed is empty and harmless.
        while fs::remove_dir(&self.dir).is_err_and(|error| error.kind() == io::ErrorKind::ResourceBusy) {
            if Instant::now() > deadline {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// An open way into a cgroup: it stays open where nothing else of it can be reached.
#[derive(Debug)]
pub struct Door(File);

impl Door {
    /// Moves a process inside.
    pub fn admit(&mut self, pid: i32) -> io::Result<()> {
        self.0.write_all(pid.to_string().as_bytes())
    }
}

fn is_writable(path: &Path) -> bool {
    File::options().write(true).open(path).is_ok()
}

/// Where cgroup v2 is mounted, and our own directory there. From the texts of /proc/self/mountinfo and /proc/self/cgroup.
fn place(mounts: &str, own: &str) -> Option<(PathBuf, PathBuf)> {
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let mount = mounts.lines().find_map(|line| {
        let (fields, kind) = line.split_once(" - ")?;
        let mut fields = fields.split(' ').skip(3);
        let (root, place) = (fields.next()?, fields.next()?);
        (root == "/" && kind.starts_with("cgroup2 ")).then(|| PathBuf::from(place))
    })?;
    let dir = mount.join(own);
    Some((mount, dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        processes: Some(7),
        memory: Some(4096),
        open_files: None,
        file_size: None,
        wall_seconds: None,
        cpu_seconds: None,
        output_bytes: None,
    };

    /// Directories that look like a hierarchy: `app` is delegated with these controllers, `app/own` is ours.
    fn tree(controllers: &str) -> tempfile::TempDir {
        let tree = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(tree.path().join("app/own")).expect("mkdir");
        for (dir, on) in [("", "memory pids"), ("app", controllers), ("app/own", "")] {
            fs::write(tree.path().join(dir).join("cgroup.subtree_control"), on).expect("write");
        }
        // The mount's own top is the machine's, not ours.
        for dir in ["app", "app/own"] {
            fs::write(tree.path().join(dir).join("cgroup.procs"), "").expect("write");
        }
        tree
    }

    #[test]
    fn the_nearest_delegated_directory_is_taken() {
        let tree = tree("cpu memory pids\n");
        let own = tree.path().join("app/own");
        let mut cgroup = Cgroup::beneath(tree.path(), &own, "k3f9", &LIMITS).expect("delegated");
        let dir = tree.path().join("app/govsh-k3f9");
        assert_eq!(cgroup.holds(), Controllers { memory: true, pids: true });
        let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap_or_default();
        assert_eq!((read("memory.max"), read("pids.max")), ("4096".into(), "7".into()));
        fs::write(dir.join("cgroup.procs"), "").expect("write");
        cgroup.door().and_then(|mut door| door.admit(42)).expect("open");
        assert_eq!(read("cgroup.procs"), "42");
        assert_eq!(cgroup.news(), Vec::<String>::new());
        fs::write(dir.join("memory.events"), "max 3\noom_kill 1\n").expect("write");
        fs::write(dir.join("pids.events"), "max 12\n").expect("write");
        assert_eq!(cgroup.news().len(), 2);
        assert_eq!(cgroup.news(), Vec::<String>::new());
        cgroup.kill();
        assert_eq!(read("cgroup.kill"), "1");
    }

    #[test]
    fn what_is_not_delegated_is_left_alone() {
        let only = tree("pids");
        let holds = |tree: &tempfile::TempDir, limits: &Limits| {
            Cgroup::beneath(tree.path(), &tree.path().join("app/own"), "a", limits).map(|cgroup| cgroup.holds())
        };
        assert_eq!(holds(&only, &LIMITS), Some(Controllers { memory: false, pids: true }));
        assert_eq!(holds(&only, &Limits { processes: None, ..LIMITS }), None);
        assert_eq!(holds(&tree(""), &LIMITS), None);
        assert!(Cgroup::make("a", &Limits::default()).is_none());
    }

    #[test]
    fn the_place_is_read_from_what_the_kernel_says() {
        let mounts = "31 23 0:26 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
                      32 23 0:27 / /sys/fs/cgroup/unified rw shared:1 - cgroup2 cgroup2 rw\n";
        let own = "4:memory:/x\n0::/user.slice/a.scope\n";
        let unified = PathBuf::from("/sys/fs/cgroup/unified");
        assert_eq!(place(mounts, own), Some((unified.clone(), unified.join("user.slice/a.scope"))));
        assert_eq!(place(mounts, "4:memory:/x\n"), None);
        assert_eq!(place("", own), None);
    }
}
