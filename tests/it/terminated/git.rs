//! Git over HTTPS: fetched and pushed as rules for repositories say, by git itself against git's own backend.

use std::convert::Infallible;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::{Response, StatusCode};

use crate::far::Seen;
use crate::rig::{API, Rig, said};

/// git-http-backend(1), as a web server runs it.
pub fn backend(root: &Path, seen: &Seen, query: &str) -> Response<BoxBody<Bytes, Infallible>> {
    let path = seen.uri.split('?').next().unwrap_or_default();
    let path = path.find("/git/").map_or("", |at| &path[at + "/git".len()..]);
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "test")
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("REQUEST_METHOD", &seen.method)
        .env("CONTENT_TYPE", seen.header("content-type"))
        .env("HTTP_CONTENT_ENCODING", seen.header("content-encoding"))
        .env("GIT_PROTOCOL", seen.header("git-protocol"))
        .env("CONTENT_LENGTH", seen.body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, body) = (child.stdin.take().unwrap(), seen.body.clone());
    let writer = std::thread::spawn(move || drop(input.write_all(&body)));
    let output = child.wait_with_output().unwrap().stdout;
    writer.join().unwrap();
    let end = memchr::memmem::find(&output, b"\r\n\r\n").unwrap_or(0);
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(&output[end + 4..])).boxed());
    for line in String::from_utf8_lossy(&output[..end]).lines() {
        let (name, value) = line.split_once(": ").unwrap();
        if name == "Status" {
            *response.status_mut() = StatusCode::from_bytes(&value.as_bytes()[..3]).unwrap();
        } else {
            response.headers_mut().insert(name.parse::<hyper::header::HeaderName>().unwrap(), value.parse().unwrap());
        }
    }
    response
}

const RULES: &str = r#"
[network]
allow = ["api.example.test:PORT"]

[[network.git]]
repo = "api.example.test:PORT/git/acme/open"
access = "fetch"

[[network.git]]
repo = "api.example.test:PORT/git/acme/work"
access = "push"
branches = ["agent/**"]

[credentials.forge]
source = "env:OUTSIDE"
host = "api.example.test:PORT"
header = "authorization: Basic x-access-token:{}"
"#;

struct Forge(Rig);

impl Forge {
    fn new() -> Forge {
        let rig = Rig::new(RULES, &[("OUTSIDE", "ghp_16C7e42F292c6912E7710c838347Ae178B4a")]);
        for name in ["open", "work", "shut"] {
            let path = rig.far.repositories.path().join(format!("acme/{name}.git"));
            let made = |arguments: &[&str]| {
                let (text, ok) = said(Command::new("git").args(arguments).stdin(Stdio::null()));
                assert!(ok, "{text}");
            };
            let path = path.to_str().unwrap();
            made(&["init", "--quiet", "--bare", "--initial-branch=main", path]);
            made(&["-C", path, "config", "http.receivepack", "true"]);
            let seed = rig.dir.path().join(format!("seed-{name}"));
            let seed = seed.to_str().unwrap();
            made(&["init", "--quiet", "--initial-branch=main", seed]);
            let commit = [
                "-C",
                seed,
                "-c",
                "user.name=t",
                "-c",
                "user.email=t@t",
                "commit",
                "--quiet",
                "--allow-empty",
                "-m",
                "first",
            ];
            made(&commit);
            made(&["-C", seed, "push", "--quiet", path, "main"]);
        }
        Forge(rig)
    }

    fn url(&self, name: &str) -> String {
        self.0.url(&format!("/git/acme/{name}.git"))
    }

    /// As the agent: with its environment, which makes git trust the session's authority.
    fn git(&self, arguments: &[&str]) -> (String, bool) {
        let mut git = self.0.command("git");
        let resolve = format!("http.curloptResolve={API}:{}:127.0.0.1", self.0.port);
        git.args(["-c", &resolve, "-c", "user.name=t", "-c", "user.email=t@t"]);
        git.env("GIT_TERMINAL_PROMPT", "0").env("GIT_CONFIG_NOSYSTEM", "1");
        said(git.args(arguments))
    }
}

#[test]
fn fetching_and_pushing_are_judged_by_repository_and_branch() {
    let forge = Forge::new();
    let tree = forge.0.dir.path().join("tree");
    let tree = tree.to_str().unwrap();
    for version in ["protocol.version=0", "protocol.version=1", "protocol.version=2"] {
        let (text, ok) = forge.git(&["-c", version, "ls-remote", &forge.url("open")]);
        assert!(ok && text.contains("refs/heads/main"), "{version}: {text}");
    }
    let (text, ok) = forge.git(&["clone", "--quiet", &forge.url("work"), tree]);
    assert!(ok, "{text}");
    let (text, ok) = forge.git(&["clone", "--quiet", &forge.url("shut"), "/dev/null/x"]);
    assert!(!ok, "{text}");
    let (text, ok) = forge.git(&["ls-remote", &forge.url("shut")]);
    assert!(!ok && text.contains("403"), "{text}");

    let push = |arguments: &[&str]| {
        let all: Vec<&str> = ["-C", tree, "push", "--quiet"].into_iter().chain(arguments.iter().copied()).collect();
        forge.git(&all)
    };
    assert!(forge.git(&["-C", tree, "commit", "--quiet", "--allow-empty", "-m", "more"]).1);
    let (text, ok) = push(&["origin", "HEAD:refs/heads/agent/one"]);
    assert!(ok, "{text}");
    let (text, ok) = push(&["origin", "HEAD:refs/heads/main"]);
    assert!(!ok && text.contains("403"), "{text}");
    let (text, ok) = push(&["origin", "HEAD:refs/heads/agent/two", "HEAD:refs/heads/main"]);
    assert!(!ok, "one that is denied denies all: {text}");
    let (text, ok) = push(&["origin", ":refs/heads/agent/one"]);
    assert!(!ok, "deleting is not allowed: {text}");
    let (text, ok) = push(&[&forge.url("open"), "HEAD:refs/heads/agent/one"]);
    assert!(!ok, "{text}");

    let heads = Command::new("git")
        .args([
            "-C",
            forge.0.far.repositories.path().join("acme/work.git").to_str().unwrap(),
            "branch",
            "--format=%(refname)",
        ])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&heads.stdout), "refs/heads/agent/one\nrefs/heads/main\n");
    assert!(forge.0.seen().iter().all(|seen| seen.header("authorization").starts_with("Basic ")));
    assert_eq!(forge.0.request("/git/acme/shut.git/info/refs").status, 403);
}

#[test]
fn a_large_push_is_streamed() {
    let forge = Forge::new();
    let tree = forge.0.dir.path().join("tree");
    let tree = tree.to_str().unwrap();
    assert!(forge.git(&["clone", "--quiet", &forge.url("work"), tree]).1);
    let mut noise = vec![0u8; 6 << 20];
    let mut state = 1u64;
    for byte in &mut noise {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *byte = (state >> 56) as u8;
    }
    std::fs::write(Path::new(tree).join("noise"), noise).unwrap();
    assert!(forge.git(&["-C", tree, "add", "."]).1);
    assert!(forge.git(&["-C", tree, "commit", "--quiet", "-m", "noise"]).1);
    // Larger than git's buffer: it probes with an empty push first, then sends chunks.
    let (text, ok) = forge.git(&["-C", tree, "push", "--quiet", "origin", "HEAD:refs/heads/agent/large"]);
    assert!(ok, "{text}");
}

/// Git LFS: one endpoint for both ways, told apart by what its body wants.
#[test]
fn large_files_are_downloads_and_uploads_of_their_repository() {
    let forge = Forge::new();
    let batch = |repo: &str, operation: &str| {
        let url = format!("{}/info/lfs/objects/batch", forge.url(repo));
        let body = format!("{{\"operation\":\"{operation}\",\"transfers\":[\"basic\"],\"objects\":[]}}");
        forge.0.curl(&["-H", "content-type: application/vnd.git-lfs+json", "--data", &body, &url]).0
    };
    let denied = |text: &str| text.contains("is denied by");
    for (repo, operation, refused) in [
        ("open", "download", false),
        ("open", "upload", true),
        ("open", "download\",\"operation\":\"upload", true),
        ("work", "upload", false),
        ("shut", "download", true),
    ] {
        let text = batch(repo, operation);
        assert_eq!(denied(&text), refused, "{repo} {operation}: {text}");
    }
    let arrived = forge.0.seen().iter().filter(|seen| seen.uri.ends_with("/batch")).count();
    assert_eq!(arrived, 2);
}
