//! `govsh key show`: the public half of the key with which this machine signs.
//!
//! Invariant: the secret half is never printed.
//! Leaves to others: the key file (`session::recorder`).

use std::io::{self, Write};

use serde_json::json;

use super::paint::printed;
use crate::recording::visible;
use crate::session::recorder::{key_path, own_key};

/// Shows it; makes one where there is none yet.
pub fn show(json: bool) -> anyhow::Result<i32> {
    let (key, path) = (own_key()?, key_path()?);
    let public = key.public();
    let mut out = io::stdout().lock();
    let outcome = if json {
        let object = json!({
            "key": public.to_string(),
            "fingerprint": public.fingerprint(),
            "name": key.name(),
            "file": path.to_string_lossy(),
        });
        super::json::pretty(&mut out, &object)
    } else {
        let file = visible(path.as_os_str().as_encoded_bytes());
        let name = visible(key.name().as_bytes());
        writeln!(out, "{public} {name}\nfingerprint {}\nsecret in {file}", public.fingerprint())
    };
    printed(outcome.and_then(|()| out.flush()), 0)
}
