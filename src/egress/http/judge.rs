//! One request against the policy in force.
//!
//! Invariant: a request that git would take for its own is judged as git's, by what it does to which repository; every
//! other one by method and path. Of a push nothing is sent on before its refs are known and allowed.
//! Leaves to others: rules (`policy`), what git says (`git`).

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap};

use super::ahead::{Ahead, Reading};
use super::answer::Refusal;
use super::check::{Call, Spot};
use crate::egress::git::unpack::Unpacked;
use crate::egress::git::{self, Use, push};
use crate::egress::tunnel::Tunnel;
use crate::egress::{NetQuestion, Ruling};
use crate::policy::{Decision, GitCall, GitRef, GitService, HttpCall, Policy, Reach, Verdict};

/// Bytes of one piece of a body, at most, as hyper reads it.
const PIECE: usize = 1 << 20;
/// Longest Git LFS batch, in bytes.
const BATCH: usize = 1 << 20;

/// What is known when a request may go on.
pub struct Passed {
    pub ruling: Ruling,
    pub ahead: Ahead,
}

/// Judges a request. Waits for an answer where a rule asks.
pub async fn judge(
    tunnel: &Tunnel,
    spot: &Spot<'_>,
    call: &Call,
    headers: &HeaderMap,
    body: &mut Incoming,
) -> Result<Passed, Refusal> {
    let policy = tunnel.policy();
    let git = git::call(call.method.as_str(), &call.path, &call.query);
    // Where no rule speaks of repositories, git's requests are requests as all others.
    let Some(git) = git.filter(|_| policy.has_git(spot.host, spot.port)) else {
        let (method, path, query) = (call.method.as_str(), call.path.as_str(), call.query.as_str());
        let wanted = HttpCall { host: spot.host, port: spot.port, method, path, query, upgrade: call.upgrade };
        let ruling = settle(tunnel, spot, &policy, policy.decide_http(&wanted)).await?;
        return Ok(Passed { ruling, ahead: Ahead::default() });
    };
    if git.repo.contains("%2F") || git.repo.contains("//") || git.repo.contains(';') {
        return Err(Refusal::of(StatusCode::BAD_REQUEST, "its repository can be read in more than one way"));
    }
    let repo = format!("{}/{}", spot.host, git.repo);
    let judge = Git { tunnel, spot, repo: &repo };
    match git.wants {
        Use::Fetch => judge.settle(GitService::Fetch, None, Ahead::default()).await,
        Use::Prepare | Use::Write => judge.settle(GitService::Push, None, Ahead::default()).await,
        Use::Push => {
            // Before any of the body is read: who may not push at all is told so at once.
            judge.settle(GitService::Push, None, Ahead::default()).await?;
            let (commands, ahead) = commands(headers, body).await?;
            let refs: Vec<GitRef<'_>> = commands
                .iter()
                .map(|command| GitRef { name: &command.name, deletes: command.act == push::Act::Delete })
                .collect();
            judge.settle(GitService::Push, Some(&refs), ahead).await
        }
        Use::Batch => {
            let batch = whole(headers, body, BATCH).await?;
            let service = if git::downloads(&batch.bytes) { GitService::Fetch } else { GitService::Push };
            judge.settle(service, None, batch).await
        }
    }
}

struct Git<'g> {
    tunnel: &'g Tunnel,
    spot: &'g Spot<'g>,
    repo: &'g str,
}

impl Git<'_> {
    async fn settle(&self, service: GitService, refs: Option<&[GitRef<'_>]>, ahead: Ahead) -> Result<Passed, Refusal> {
        let policy = self.tunnel.policy();
        let call = GitCall { host: self.spot.host, port: self.spot.port, repo: self.repo, service, refs };
        let ruling = settle(self.tunnel, self.spot, &policy, policy.decide_git(&call)).await?;
        Ok(Passed { ruling, ahead })
    }
}

/// The decision, with its question answered.
async fn settle(tunnel: &Tunnel, spot: &Spot<'_>, policy: &Policy, decision: Decision) -> Result<Ruling, Refusal> {
    let rule = policy.rule(decision.rule);
    let ruling = Ruling { verdict: decision.verdict, rule: Arc::clone(&rule.name), layer: rule.layer };
    let ruling = match decision.verdict {
        Verdict::Allow | Verdict::Deny => ruling,
        Verdict::Ask if answered(tunnel, spot, policy, decision) => Ruling { verdict: Verdict::Allow, ..ruling },
        Verdict::Ask => {
            let question = NetQuestion {
                pid: tunnel.pid(),
                program: Arc::clone(&tunnel.passage.program),
                host: Some(spot.host.clone()),
                addr: None,
                port: spot.port,
                decision,
            };
            // A question that nobody answers any more is a denial.
            tunnel.shared.asks.ask(question).await.unwrap_or(Ruling { verdict: Verdict::Deny, ..ruling })
        }
    };
    match ruling.verdict {
        Verdict::Allow => Ok(ruling),
        Verdict::Ask | Verdict::Deny => Err(Refusal::by(ruling.rule, ruling.layer)),
    }
}

/// The connection itself was asked about by the same rule, and is here because of the answer.
fn answered(tunnel: &Tunnel, spot: &Spot<'_>, policy: &Policy, decision: Decision) -> bool {
    let whole = policy.decide_reach(&Reach::named(spot.host, spot.port));
    tunnel.entry().facts().asked && whole.rule == decision.rule
}

/// The commands of a push, and all of its body that was read for them.
async fn commands(headers: &HeaderMap, body: &mut Incoming) -> Result<(Vec<push::Command>, Ahead), Refusal> {
    let mut unpacked = Unpacked::new(is_gzip(headers)?);
    let mut read = Reading::default();
    loop {
        let told =
            push::commands(unpacked.bytes()).map_err(|fault| Refusal::of(StatusCode::FORBIDDEN, &fault.to_string()))?;
        if let Some(commands) = told {
            return Ok((commands, read.done()));
        }
        match piece(body).await? {
            Some(piece) => {
                read.add(&piece)?;
                if read.bytes.len() > push::LONGEST + PIECE {
                    return Err(Refusal::of(StatusCode::FORBIDDEN, &push::PushFault::Long.to_string()));
                }
                let damaged = |fault: git::unpack::Damaged| Refusal::of(StatusCode::BAD_REQUEST, &fault.to_string());
                unpacked.add(&piece).map_err(damaged)?;
            }
            None => return Err(Refusal::of(StatusCode::BAD_REQUEST, "its push ends within its commands")),
        }
    }
}

/// The whole body, where it is no longer than `most`.
pub async fn whole(headers: &HeaderMap, body: &mut Incoming, most: usize) -> Result<Ahead, Refusal> {
    plain(headers)?;
    let mut read = Reading::default();
    while let Some(piece) = piece(body).await? {
        read.add(&piece)?;
        if read.bytes.len() > most {
            return Err(Refusal::of(StatusCode::PAYLOAD_TOO_LARGE, "its body is too long to be looked at as a whole"));
        }
    }
    Ok(read.done())
}

pub async fn piece(body: &mut Incoming) -> Result<Option<Bytes>, Refusal> {
    loop {
        match body.frame().await {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(piece) => return Ok(Some(piece)),
                Err(_) => continue,
            },
            Some(Err(_)) => return Err(Refusal::of(StatusCode::BAD_REQUEST, "its body breaks off")),
            None => return Ok(None),
        }
    }
}

/// Whether the body is in gzip, as git may send what is long. Nothing else is unpacked, and nothing twice.
fn is_gzip(headers: &HeaderMap) -> Result<bool, Refusal> {
    let mut named = headers.get_all(header::CONTENT_ENCODING).iter();
    match (named.next().map(|value| value.as_bytes().to_ascii_lowercase()), named.next()) {
        (Some(name), None) if name == b"gzip" || name == b"x-gzip" => Ok(true),
        _ => plain(headers).map(|()| false),
    }
}

/// Compressed, it would have to be judged by what we make of it, and the server might make something else of it.
fn plain(headers: &HeaderMap) -> Result<(), Refusal> {
    let encoded = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
    match encoded {
        true => Err(Refusal::of(StatusCode::UNSUPPORTED_MEDIA_TYPE, "its body is compressed and cannot be judged")),
        false => Ok(()),
    }
}
