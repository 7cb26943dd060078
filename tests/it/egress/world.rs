//! A session's surroundings: directories, a policy of the user's with a resolver in it, and what ran.
//!
//! Invariant: nothing of the user's own is read or written; nothing waits longer than `PATIENCE`.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::resolver::Resolver;

pub const PATIENCE: Duration = Duration::from_secs(120);

/// Directories of one test; `work` is where programs run.
pub struct World {
    dir: tempfile::TempDir,
    pub resolver: Resolver,
}

/// What ran, and how it went.
#[derive(Debug)]
pub struct Ran {
    pub status: Option<i32>,
    pub out: String,
    pub err: String,
}

impl World {
    /// `network` is the policy's `[network]`; whatever else a program needs is allowed. `names` are `(name, addresses)`.
    pub fn new(network: &str, names: &[(&str, &[&str])]) -> World {
        World::with(network, names, "")
    }

    /// The same with more tables of the policy.
    pub fn with(network: &str, names: &[(&str, &[&str])], more: &str) -> World {
        let dir = tempfile::Builder::new().prefix("govsh-egress-").tempdir().expect("a directory");
        let world = World { dir, resolver: Resolver::start(names) };
        for name in ["home", "work", "state", "run", "config/govsh/policies"] {
            std::fs::create_dir_all(world.path(name)).expect("a directory");
        }
        world.policy(network, more);
        world
    }

    /// Writes the policy anew.
    pub fn policy(&self, network: &str, more: &str) {
        let work = self.path("work");
        let text = format!(
            "version = 1\n[files]\nread = ['/**']\nexec = ['/**']\nwrite = ['{}/**', '/dev/null', '/dev/tty']\n\
             [network]\nresolvers = ['{}']\n{network}\n{more}",
            work.display(),
            self.resolver.addr
        );
        std::fs::write(self.path("config/govsh/policies/world.toml"), text).expect("written");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        // As the kernel names it.
        self.dir.path().canonicalize().expect("it is there").join(name)
    }

    /// Puts a file into `work`.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path("work").join(name), text).expect("written");
    }

    pub fn govsh(&self, words: &[&str]) -> Command {
        let mut govsh = Command::new(env!("CARGO_BIN_EXE_govsh"));
        govsh.args(words).current_dir(self.path("work")).env("HOME", self.path("home"));
        govsh.env("XDG_STATE_HOME", self.path("state")).env("XDG_RUNTIME_DIR", self.path("run"));
        govsh.env("XDG_CONFIG_HOME", self.path("config")).env_remove("CI").stdin(Stdio::null());
        ["http_proxy", "https_proxy", "all_proxy", "no_proxy"].iter().for_each(|name| {
            govsh.env_remove(name).env_remove(name.to_uppercase());
        });
        govsh
    }

    /// Runs a program to its end under the policy.
    pub fn run(&self, program: &[&str]) -> Ran {
        let mut govsh = self.govsh(&["run", "--quiet", "--policy", "world", "--"]);
        ran(govsh.args(program).output().expect("govsh runs"))
    }

    /// Runs Python in `work` without variables that name proxies, which redirection does not need.
    pub fn python(&self, script: &str) -> Ran {
        self.write("script.py", script);
        self.bare(&["python3", "script.py"])
    }

    /// Runs a program that is told of no proxy.
    pub fn bare(&self, program: &[&str]) -> Ran {
        let mut words = vec!["env"];
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
            words.extend(["-u", name]);
        }
        words.extend(program);
        self.run(&words)
    }

    /// A session that runs while the test looks at it.
    pub fn start(&self, options: &[&str], program: &[&str]) -> Running<'_> {
        let mut govsh = self.govsh(&["run", "--quiet", "--policy", "world"]);
        govsh.args(options).arg("--").args(program);
        govsh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running { world: self, child: govsh.spawn().expect("govsh runs") }
    }

    /// The last session's events of these kinds, commas between them.
    pub fn events(&self, kinds: &str) -> Vec<Value> {
        let mut all = Vec::new();
        for kind in kinds.split(',') {
            let output = self.govsh(&["show", "last", "--events", "--json", "--kind", kind]).output().expect("it runs");
            let text = String::from_utf8(output.stdout).expect("UTF-8");
            all.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")));
        }
        all
    }
}

impl Ran {
    /// What was written, of a program that went well.
    #[track_caller]
    pub fn said(&self) -> &str {
        assert_eq!(self.status, Some(0), "{}{}", self.err, self.out);
        self.out.trim()
    }
}

fn ran(output: Output) -> Ran {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { status: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A session that runs; killed when its test ends before it does.
pub struct Running<'w> {
    world: &'w World,
    child: Child,
}

/// Somebody at the control socket.
pub struct Person(BufReader<UnixStream>);

impl Running<'_> {
    /// Process id of the front.
    pub fn front(&self) -> u32 {
        self.child.id()
    }

    /// A line for the program's standard input.
    pub fn tell(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("piped");
        writeln!(input, "{line}").and_then(|()| input.flush()).expect("taken");
    }

    /// Reads what the program writes, up to a whole line that satisfies.
    pub fn until(&mut self, wanted: &str) -> String {
        let mut out = BufReader::new(self.child.stdout.as_mut().expect("piped"));
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(out.read_line(&mut line).expect("read"), 0, "it ended before it said '{wanted}'");
            if line.contains(wanted) {
                return line.trim().to_owned();
            }
        }
    }

    /// Somebody who sits there and answers.
    pub fn person(&self) -> Person {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let dirs = std::fs::read_dir(self.world.path("run/govsh")).into_iter().flatten().flatten();
            if let Some(socket) = dirs.map(|dir| dir.path().join("control")).find_map(|at| UnixStream::connect(at).ok())
            {
                socket.set_read_timeout(Some(PATIENCE)).expect("set");
                let mut person = Person(BufReader::new(socket));
                person.say(json!({ "op": "hello", "version": 1 }));
                person.say(json!({ "op": "subscribe", "answers": true }));
                return person;
            }
            assert!(Instant::now() < deadline, "no session came up");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ran {
        drop(self.child.stdin.take());
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait().expect("waited").is_none() {
            assert!(Instant::now() < deadline, "the session does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        let read = |stream: Option<&mut dyn std::io::Read>| {
            let mut text = String::new();
            if let Some(stream) = stream {
                stream.read_to_string(&mut text).expect("read");
            }
            text
        };
        let out = read(self.child.stdout.as_mut().map(|stream| stream as _));
        let err = read(self.child.stderr.as_mut().map(|stream| stream as _));
        Ran { status: self.child.wait().expect("waited").code(), out, err }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Ended already, most of the time.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Person {
    /// One request; its answer. What is pushed in between is left out.
    pub fn say(&mut self, request: Value) -> Value {
        let mut line = request.to_string();
        line.push('\n');
        self.0.get_mut().write_all(line.as_bytes()).expect("taken");
        loop {
            let told = self.hear();
            if told.get("push").is_none() {
                return told;
            }
        }
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        assert_ne!(self.0.read_line(&mut line).expect("read"), 0, "the session hung up");
        serde_json::from_str(&line).expect("JSON")
    }

    /// The first question that waits.
    pub fn question(&mut self) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let told = self.say(json!({ "op": "questions" }));
            if let Some(first) = told["questions"].as_array().and_then(|all| all.first()) {
                return first.clone();
            }
            assert!(Instant::now() < deadline, "nobody asks");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn answer(&mut self, ask: u64, verdict: &str, scope: &str) {
        let told = self.say(json!({ "op": "answer", "ask": ask, "verdict": verdict, "scope": scope }));
        assert_eq!(told["ok"], true, "{told}");
    }
}
