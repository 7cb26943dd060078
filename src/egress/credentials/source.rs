//! Fetching secrets from where the policy says they are, before the session begins.
//!
//! Invariant: what is fetched is wiped when it is dropped, and no error holds any of it.
//! Leaves to others: which source (`policy`), what becomes of the value (`credentials`).

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use zeroize::{Zeroize, Zeroizing};

use crate::policy::SecretSource;
use crate::sys::{Errno, keyring};

/// How long a program may take to say a secret: it may have to ask the user.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longest text that is read, in bytes.
const LONGEST: usize = 64 << 10;

/// Why a secret could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("cannot read file '{}'", .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("cannot run '{program}'")]
    Command { program: String, source: io::Error },
    #[error("'{program}' ended with {status}")]
    Failed { program: String, status: std::process::ExitStatus },
    #[error("'{program}' said nothing for {} seconds", PATIENCE.as_secs())]
    Slow { program: String },
    #[error("cannot read key '{description}' of the kernel's keyrings")]
    Keyring { description: String, source: Errno },
    #[error("there is nothing at its source")]
    Empty,
}

/// Reads a variable of the environment that govsh was started in.
pub type Ambient<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The secret without the white space around it; None where its variable is not set or empty.
pub fn fetch(source: &SecretSource, ambient: Ambient) -> Result<Option<Zeroizing<Vec<u8>>>, SourceError> {
    let text = match source {
        SecretSource::Env(name) => match ambient(name) {
            Some(value) => Zeroizing::new(value.into_vec()),
            None => return Ok(None),
        },
        SecretSource::File(path) => file(OsString::from_vec(path.clone()).into())?,
        SecretSource::Command(argv) => command(argv)?,
        SecretSource::Keyring(description) => key(description)?,
        SecretSource::SecretService(attributes) => {
            let words = attributes.iter().flat_map(|(name, value)| [name.clone(), value.clone()]);
            let argv: Vec<String> = ["secret-tool", "lookup"].map(str::to_owned).into_iter().chain(words).collect();
            command(&argv)?
        }
    };
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
    match (line.is_empty(), source) {
        (false, _) => Ok(Some(Zeroizing::new(line.to_vec()))),
        (true, SecretSource::Env(_)) => Ok(None),
        (true, _) => Err(SourceError::Empty),
    }
}

fn file(path: PathBuf) -> Result<Zeroizing<Vec<u8>>, SourceError> {
    let read = File::open(&path).and_then(bounded);
    read.map_err(|source| SourceError::File { path, source })
}

/// Grows once, so that no copy of the secret is left in memory that was given back.
fn bounded(from: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(Vec::with_capacity(LONGEST));
    from.take(LONGEST as u64).read_to_end(&mut text)?;
    Ok(text)
}

/// What the program says on its standard output; its standard error is the user's.
fn command(argv: &[String]) -> Result<Zeroizing<Vec<u8>>, SourceError> {
    let (program, arguments) = argv.split_first().ok_or(SourceError::Empty)?;
    let failed = |source| SourceError::Command { program: program.clone(), source };
    let mut child =
        Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let output = child.stdout.take().ok_or(SourceError::Empty)?;
    let (tell, told) = mpsc::sync_channel(1);
    // Ends with the program's output, at the latest when the program is killed; nobody listens then.
    std::thread::spawn(move || drop(tell.send(bounded(output))));
    let Ok(text) = told.recv_timeout(PATIENCE) else {
        // Whether it is gone already or not: it is waited for next.
        let _ = child.kill();
        let _ = child.wait();
        return Err(SourceError::Slow { program: program.clone() });
    };
    let status = child.wait().map_err(failed)?;
    let text = text.map_err(failed)?;
    if status.success() { Ok(text) } else { Err(SourceError::Failed { program: program.clone(), status }) }
}

fn key(description: &str) -> Result<Zeroizing<Vec<u8>>, SourceError> {
    let failed = |source| SourceError::Keyring { description: description.to_owned(), source };
    let name = CString::new(description).map_err(|_| failed(Errno(libc::EINVAL)))?;
    let mut text = Zeroizing::new(vec![0; LONGEST]);
    let length = keyring::find(&name).and_then(|key| keyring::read(key, &mut text)).map_err(failed)?;
    if length > text.len() {
        text.zeroize();
        return Err(failed(Errno(libc::E2BIG)));
    }
    text.truncate(length);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetched(source: SecretSource) -> Result<Option<String>, SourceError> {
        let ambient = |name: &str| (name == "TOKEN").then(|| OsString::from(" from-env "));
        fetch(&source, &ambient).map(|text| text.map(|text| String::from_utf8(text.to_vec()).unwrap()))
    }

    #[test]
    fn a_secret_is_the_first_line_of_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "from-file\r\nsecond").unwrap();
        let file = SecretSource::File(path.into_os_string().into_vec());
        let words = |words: &[&str]| SecretSource::Command(words.iter().map(|word| (*word).to_owned()).collect());
        assert_eq!(fetched(SecretSource::Env("TOKEN".into())).unwrap().unwrap(), "from-env");
        assert_eq!(fetched(file).unwrap().unwrap(), "from-file");
        assert_eq!(fetched(words(&["printf", "from-%s\nx", "command"])).unwrap().unwrap(), "from-command");
    }

    #[test]
    fn what_is_not_there_is_an_error_but_for_variables() {
        assert_eq!(fetched(SecretSource::Env("OTHER".into())).unwrap(), None);
        assert!(matches!(fetched(SecretSource::File(b"/nonexistent/x".to_vec())), Err(SourceError::File { .. })));
        let said =
            |words: &[&str]| fetched(SecretSource::Command(words.iter().map(|word| (*word).to_owned()).collect()));
        assert!(matches!(said(&["true"]), Err(SourceError::Empty)));
        assert!(matches!(said(&["sh", "-c", "echo x; exit 3"]), Err(SourceError::Failed { .. })));
        assert!(matches!(said(&["/nonexistent/program"]), Err(SourceError::Command { .. })));
        let key = SecretSource::Keyring("govsh-test-that-nobody-has".into());
        assert!(matches!(fetched(key), Err(SourceError::Keyring { .. })));
    }
}
