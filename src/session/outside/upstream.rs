//! `[network.upstream]` of the machine, made ready: certificates read, the proxy's authorization fetched.
//!
//! Invariant: it comes from the policy, whose rules say which files may say it; nothing of the environment that the agent or
//! its user's shell could have changed.
//! Leaves to others: using it (`egress`).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::egress::credentials::{SourceError, fetch};
use crate::egress::{Direct, Forward, Upstream};
use crate::policy::{self, Policy};

/// Bytes of one file of certificates.
const LONGEST: u64 = 4 << 20;

/// Why the machine's way out cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    #[error("cannot read certificates '{}' (network.upstream.ca)", path.display())]
    Certificates { path: PathBuf, source: std::io::Error },
    #[error("cannot fetch the proxy's authorization (network.upstream.authorization)")]
    Authorization(#[source] SourceError),
    #[error("there is no authorization for the proxy (network.upstream.authorization), or it is no text")]
    NoAuthorization,
}

/// As the policy has it.
pub fn of(policy: &Policy) -> Result<Upstream, UpstreamError> {
    let configured = policy.upstream();
    let mut upstream = Upstream::default();
    if let Some((host, port)) = &configured.proxy {
        let authorization = match &configured.authorization {
            None => String::new(),
            Some(source) => {
                let value = fetch(source, &|name| std::env::var_os(name)).map_err(UpstreamError::Authorization)?;
                let value = value.ok_or(UpstreamError::NoAuthorization)?;
                String::from_utf8(value.to_vec()).map_err(|_| UpstreamError::NoAuthorization)?
            }
        };
        upstream.proxy = Some(Forward { host: host.clone(), port: *port, authorization });
    }
    let direct = configured.direct.iter().map(|direct| match direct {
        policy::Direct::Name(host) => Direct::Name(host.clone()),
        policy::Direct::Range(range) => Direct::Range(*range),
    });
    upstream.direct = direct.collect();
    for path in configured.ca.iter().map(|path| Path::new(OsStr::from_bytes(path))) {
        let read = certificates(path);
        let text = read.map_err(|source| UpstreamError::Certificates { path: path.to_owned(), source })?;
        upstream.authorities.extend(text);
        upstream.authorities.push(b'\n');
    }
    Ok(upstream)
}

fn certificates(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut text = Vec::new();
    std::fs::File::open(path)?.take(LONGEST).read_to_end(&mut text)?;
    Ok(text)
}
