//! Git over HTTP: which repository a request is about, and whether it reads or writes.
//!
//! Invariant: a request that git could use to write is never taken for one that reads.
//! Leaves to others: judging (`policy`), asking for it (`http`). Specification: gitprotocol-http(5), Git LFS API.
//!
//! ```text
//! GET  /acme/x.git/info/refs?service=git-upload-pack     fetch     POST /acme/x.git/git-upload-pack    fetch
//! GET  /acme/x.git/info/refs?service=git-receive-pack    push      POST /acme/x.git/git-receive-pack   push, and says what
//! GET  /acme/x.git/HEAD, /objects/…                      fetch     POST /acme/x.git/info/lfs/…         either
//! ```

mod certificate;
pub mod pkt;
pub mod push;
pub mod unpack;

/// What a request does to a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    Fetch,
    /// Asks what is there, to push.
    Prepare,
    /// Its body begins with commands.
    Push,
    /// Its body says whether it is a download or an upload: `"operation"` of a Git LFS batch.
    Batch,
    /// Writes by another way than receive-pack: locks of Git LFS.
    Write,
}

/// A request for a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call<'p> {
    /// The repository's path on its host, with neither its first slash nor `.git`: `acme/x`.
    pub repo: &'p str,
    pub wants: Use,
}

/// Whether a request with this method, decoded path and query is git's, and which; None for any other.
pub fn call<'p>(method: &str, path: &'p str, query: &str) -> Option<Call<'p>> {
    let reads = matches!(method, "GET" | "HEAD");
    let (repo, wants) = if let Some(repo) = path.strip_suffix("/info/refs") {
        (repo, if reads { advertised(query) } else { Use::Write })
    } else if let Some(repo) = path.strip_suffix("/git-upload-pack") {
        (repo, Use::Fetch)
    } else if let Some(repo) = path.strip_suffix("/git-receive-pack") {
        (repo, if method == "POST" { Use::Push } else { Use::Write })
    } else if let Some((repo, rest)) = path.split_once("/info/lfs") {
        let batch = rest == "/objects/batch" && method == "POST";
        (
            repo,
            if batch {
                Use::Batch
            } else if reads {
                Use::Fetch
            } else {
                Use::Write
            },
        )
    } else {
        (dumb(path)?, if reads { Use::Fetch } else { Use::Write })
    };
    let repo = repo.strip_prefix('/')?;
    let repo = repo.strip_suffix('/').unwrap_or(repo);
    let repo = repo.strip_suffix(".git").unwrap_or(repo);
    (!repo.is_empty()).then_some(Call { repo, wants })
}

/// `service=` of the query. Where it is given twice a server may take either, so a push anywhere is a push.
fn advertised(query: &str) -> Use {
    let push = query.split('&').any(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        // An encoded name or value is no client's; a server would decode it.
        name.contains('%') || name == "service" && value != "git-upload-pack"
    });
    if push { Use::Prepare } else { Use::Fetch }
}

/// The repository whose files a client of the old protocol reads, or writes by WebDAV: only below `NAME.git`, since every
/// other server has paths with `objects` in them.
fn dumb(path: &str) -> Option<&str> {
    let at = path.find(".git/")? + ".git".len();
    let (repo, rest) = path.split_at_checked(at)?;
    let known = ["/objects/", "/HEAD", "/refs/", "/info/", "/config", "/packed-refs", "/hooks/"];
    known.iter().any(|known| rest.starts_with(known)).then_some(repo)
}

/// Whether the body of a Git LFS batch only downloads; false for what cannot be read.
pub fn downloads(batch: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Batch {
        operation: String,
    }
    // A name that is given twice is an error of serde's, so nobody reads another operation than we.
    serde_json::from_slice::<Batch>(batch).is_ok_and(|batch| batch.operation == "download")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(method: &str, path: &str, query: &str) -> Option<(String, Use)> {
        call(method, path, query).map(|call| (call.repo.to_owned(), call.wants))
    }

    #[test]
    fn knows_what_git_asks_for() {
        let is = |wants| Some(("acme/x".to_owned(), wants));
        for (method, path, query, wants) in [
            ("GET", "/acme/x.git/info/refs", "service=git-upload-pack", Use::Fetch),
            ("GET", "/acme/x/info/refs", "service=git-upload-pack", Use::Fetch),
            ("GET", "/acme/x/info/refs", "", Use::Fetch),
            ("GET", "/acme/x.git/info/refs", "service=git-receive-pack", Use::Prepare),
            ("GET", "/acme/x.git/info/refs", "service=git-upload-pack&service=git-receive-pack", Use::Prepare),
            ("GET", "/acme/x.git/info/refs", "service=git%2Dreceive-pack", Use::Prepare),
            ("GET", "/acme/x.git/info/refs", "s%65rvice=git-receive-pack", Use::Prepare),
            ("POST", "/acme/x.git/git-upload-pack", "", Use::Fetch),
            ("POST", "/acme/x.git/git-receive-pack", "", Use::Push),
            ("PUT", "/acme/x.git/git-receive-pack", "", Use::Write),
            ("POST", "/acme/x.git/info/lfs/objects/batch", "", Use::Batch),
            ("GET", "/acme/x.git/info/lfs/locks", "", Use::Fetch),
            ("POST", "/acme/x.git/info/lfs/locks", "", Use::Write),
            ("GET", "/acme/x.git/objects/00/11", "", Use::Fetch),
            ("PUT", "/acme/x.git/objects/00/11", "", Use::Write),
            ("LOCK", "/acme/x.git/info/refs", "", Use::Write),
        ] {
            assert_eq!(told(method, path, query), is(wants), "{method} {path} {query}");
        }
        for path in ["/acme/x", "/acme/x/objects/1", "/info/refs", "/git-receive-pack", "/", "/.git/HEAD"] {
            assert_eq!(told("GET", path, ""), None, "{path}");
        }
    }

    #[test]
    fn a_batch_downloads_only_where_it_says_so() {
        assert!(downloads(br#"{"operation":"download","transfers":["basic"],"objects":[]}"#));
        for other in
            [&br#"{"operation":"upload"}"#[..], b"{}", b"", br#"{"operation":"download","operation":"upload"}"#]
        {
            assert!(!downloads(other));
        }
    }
}
