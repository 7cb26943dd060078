//! A session to ask questions in, and a person who answers them over the control socket.
//!
//! Invariant: nothing waits longer than `PATIENCE`; a session that is still there when its test ends is killed.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub const PATIENCE: Duration = Duration::from_secs(60);

/// Directories of one test: `work` is where programs run, the rest is govsh's own.
pub struct Lab {
    dir: tempfile::TempDir,
}

/// A running session.
pub struct Session {
    child: Child,
    runtime: PathBuf,
}

/// Somebody who answers.
pub struct Person {
    lines: BufReader<UnixStream>,
}

impl Lab {
    /// `rules` is what the policy says beyond the profile `agent`.
    pub fn new(rules: &str) -> Lab {
        let dir = tempfile::tempdir().expect("a directory");
        for name in ["work/secret", "work/other", "state", "run", "config"] {
            std::fs::create_dir_all(dir.path().join(name)).expect("a directory");
        }
        let lab = Lab { dir };
        lab.write("work/secret/a", "AAA\n");
        lab.write("work/secret/z", "ZZZ\n");
        lab.write("policy.toml", &format!("version = 1\nextends = [\"agent\"]\n{rules}"));
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        // As the kernel names it.
        self.dir.path().canonicalize().expect("it is there").join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).expect("written");
    }

    pub fn govsh(&self, words: &[&str]) -> Command {
        let mut govsh = Command::new(env!("CARGO_BIN_EXE_govsh"));
        govsh.args(words).current_dir(self.path("work"));
        govsh.env("XDG_STATE_HOME", self.path("state")).env("XDG_RUNTIME_DIR", self.path("run"));
        govsh.env("XDG_CONFIG_HOME", self.path("config")).env_remove("CI");
        govsh
    }

    /// Starts `program` with its arguments, and waits until it can be reached.
    pub fn start(&self, options: &[&str], program: &[&str]) -> Session {
        let policy = self.path("policy.toml");
        let mut govsh = self.govsh(&["run", "--policy", policy.to_str().expect("text")]);
        govsh.args(options).arg("--").args(program);
        govsh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Session { child: govsh.spawn().expect("govsh runs"), runtime: self.path("run/govsh") }
    }

    /// Starts a shell that waits for a line before it does anything, with somebody who attends already.
    pub fn attended(&self, options: &[&str], script: &str) -> (Session, Person) {
        let mut session = self.start(options, &["sh", "-c", &format!("read line; {script}")]);
        let person = session.person();
        session.go();
        (session, person)
    }

    /// The newest recording's events of a kind.
    pub fn events(&self, kind: &str) -> Vec<Value> {
        let output = self.govsh(&["show", "last", "--events", "--json", "--kind", kind]).output().expect("it runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// The file of kept answers; there is one policy, so one file.
    pub fn answers(&self) -> Option<PathBuf> {
        let dir = std::fs::read_dir(self.path("config/govsh/answers")).ok()?;
        dir.flatten().map(|entry| entry.path()).find(|path| path.extension().is_some_and(|end| end == "toml"))
    }
}

impl Session {
    fn socket(&self) -> PathBuf {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let dirs = std::fs::read_dir(&self.runtime).into_iter().flatten().flatten();
            let mut sockets = dirs.map(|entry| entry.path().join("control"));
            if let Some(socket) = sockets.find(|socket| UnixStream::connect(socket).is_ok()) {
                return socket;
            }
            assert!(Instant::now() < deadline, "no session came up");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Somebody who sits there and answers.
    pub fn person(&self) -> Person {
        let socket = UnixStream::connect(self.socket()).expect("connected");
        socket.set_read_timeout(Some(PATIENCE)).expect("set");
        let mut person = Person { lines: BufReader::new(socket) };
        person.say(json!({ "op": "hello", "version": 1 }));
        person.say(json!({ "op": "subscribe", "answers": true }));
        person
    }

    /// Lets the shell of [`Lab::attended`] begin.
    pub fn go(&mut self) {
        self.child.stdin.as_mut().expect("piped").write_all(b"go\n").expect("taken");
    }

    /// As [`Session::end`], after `act` was done.
    pub fn end_after(self, act: impl FnOnce()) -> (String, i32) {
        act();
        self.end()
    }

    /// What it wrote to both streams, and its exit status.
    pub fn end(mut self) -> (String, i32) {
        drop(self.child.stdin.take());
        let (mut out, mut err) = (String::new(), String::new());
        self.child.stdout.take().expect("piped").read_to_string(&mut out).expect("UTF-8");
        self.child.stderr.take().expect("piped").read_to_string(&mut err).expect("UTF-8");
        let status = self.child.wait().expect("it ends").code().unwrap_or(-1);
        (out + &err, status)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Ended already, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Person {
    /// One request, and its answer; what is pushed in between is skipped.
    pub fn try_say(&mut self, request: Value) -> Value {
        self.heard(request).unwrap_or(Value::Null)
    }

    /// None when the session is over.
    fn heard(&mut self, request: Value) -> Option<Value> {
        self.lines.get_mut().write_all(format!("{request}\n").as_bytes()).ok()?;
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let value: Value = serde_json::from_str(&line).expect("JSON");
            if value.get("push").is_none() {
                return Some(value);
            }
        }
    }

    /// The list, while the session lives.
    pub fn try_questions(&mut self) -> Option<Vec<Value>> {
        self.heard(json!({ "op": "questions" }))?["questions"].as_array().cloned()
    }

    fn say(&mut self, request: Value) -> Value {
        let answer = self.try_say(request.clone());
        assert_eq!(answer["ok"], true, "{request}: {answer}");
        answer
    }

    pub fn questions(&mut self) -> Vec<Value> {
        let answer = self.say(json!({ "op": "questions" }));
        answer["questions"].as_array().expect("a list").clone()
    }

    /// The list once it satisfies `wanted`.
    pub fn until(&mut self, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let list = self.questions();
            if wanted(&list) {
                return list;
            }
            assert!(Instant::now() < deadline, "{list:?}");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// The one question that waits.
    pub fn one(&mut self) -> Value {
        self.until(|list| list.len() == 1).remove(0)
    }

    pub fn answer(&mut self, question: &Value, verdict: &str, scope: &str, choice: usize) {
        let ask = &question["ask"];
        self.say(json!({ "op": "answer", "ask": ask, "verdict": verdict, "scope": scope, "choice": choice }));
    }
}

/// The patterns that a question proposes.
pub fn choices(question: &Value) -> Vec<String> {
    let list = question["choices"].as_array().expect("a list");
    list.iter()
        .map(|one| format!("{} {}", one["key"].as_str().expect("a word"), one["text"].as_str().expect("a word")))
        .collect()
}

pub fn text(path: &Path) -> String {
    path.to_str().expect("text").to_owned()
}
