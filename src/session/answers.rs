//! Answers that hold for later sessions too: written to the user's file, then given.
//!
//! Invariant: the file is whole at every moment (a new one takes its place), 0600, never reached through a link, and what is
//! written is read back before it counts; when it cannot be written, nothing is answered.
//! Leaves to others: what the entries mean (`policy`), whether the question is still open (`supervisor::questions`).

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::event::{Ask, Choice, Kind, Scope};
use crate::policy::{PolicyError, Verdict, check_answers};
use crate::supervisor::questions::{Questions, Refused, Reply};
use crate::sys::cred;

/// Longest file of answers, in bytes: as for policies.
const LONGEST: u64 = 1 << 20;

/// Why an answer was not given.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("there is no choice {0} to keep")]
    Choice(usize),
    #[error("there is nowhere to keep an answer for this policy")]
    Nowhere,
    #[error("cannot {act} '{}'", path.display())]
    File { act: &'static str, path: PathBuf, source: io::Error },
    #[error("'{}' is not an ordinary file of this user", path.display())]
    Strange { path: PathBuf },
    #[error("'{}' would be larger than 1 MiB", path.display())]
    Full { path: PathBuf },
    #[error("the program's path is not text and cannot be written down")]
    NotText,
    #[error(transparent)]
    Unreadable(#[from] PolicyError),
}

/// Answers question `ask`. For `Always` the rule is first written to `policy_file` (the policy's file of answers); what
/// is said to the user comes back. Touches the disk: never call it on the pump.
pub fn settle(questions: &Questions, policy_file: &Path, ask: u64, mut reply: Reply) -> Result<String, AnswerError> {
    let Some(waiting) = questions.waiting().into_iter().find(|waiting| waiting.ask.id == ask) else {
        // Whoever was quicker is named.
        questions.answer(ask, reply)?;
        return Err(Refused::Unknown(ask).into());
    };
    let choice = waiting.ask.choices.get(reply.choice);
    let verdict = if reply.verdict == Verdict::Allow { "allowed" } else { "denied" };
    let rule = |choice: Option<&Choice>| choice.map(|choice| format!("{} \"{}\"", choice.key, choice.text));
    let said = match reply.scope {
        Scope::Once => format!("{verdict} once"),
        Scope::Program => format!("{verdict} for this program, this session"),
        Scope::Never => "denied, and not asked again this session".to_owned(),
        Scope::Session => format!("{verdict} this session: {}", rule(choice).unwrap_or_default()),
        Scope::Always => {
            let choice = choice.ok_or(AnswerError::Choice(reply.choice))?;
            if policy_file.as_os_str().is_empty() || waiting.ask.file.is_empty() {
                return Err(AnswerError::Nowhere);
            }
            let place = format!("session {}, event {}", questions.session(), waiting.seq.unwrap_or(0));
            keep(policy_file, &entry(&waiting.ask, choice, &reply, &place)?)?;
            reply.rule = rule(Some(choice)).unwrap_or_default();
            format!("{verdict} always: {} → {}", reply.rule, policy_file.display())
        }
    };
    questions.answer(ask, reply)?;
    Ok(said)
}

/// One answer as it stands in the file.
fn entry(ask: &Ask, choice: &Choice, reply: &Reply, place: &str) -> Result<String, AnswerError> {
    let now = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).unwrap_or_default();
    let who = crate::recording::visible(reply.who.as_bytes());
    let mut text = format!("\n# {now}, {place}, by {who}\n[[answers]]\n");
    text.push_str(&format!("ask = {}\nmatch = {}\n", quoted(&choice.key), quoted(&choice.text)));
    if ask.of == Kind::Exec {
        let program = std::str::from_utf8(&ask.path).map_err(|_| AnswerError::NotText)?;
        text.push_str(&format!("program = {}\n", quoted(program)));
    }
    let verdict = if reply.verdict == Verdict::Allow { "allow" } else { "deny" };
    text.push_str(&format!("verdict = {}\n", quoted(verdict)));
    Ok(text)
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut out = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

const HEADER: &str = "# Answers that govsh was told to keep. They hold against `ask` rules of this policy, never against a deny.\nversion = 1\n";

/// Adds `entry` to the file, which is made when it is not there.
fn keep(path: &Path, entry: &str) -> Result<(), AnswerError> {
    let failed = |act| move |source| AnswerError::File { act, path: path.to_owned(), source };
    let dir = path.parent().ok_or(AnswerError::Nowhere)?;
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed("make the directory of"))?;
    // Two sessions of one user may be answered at the same time.
    let lock = File::open(dir).map_err(failed("open the directory of"))?;
    lock.lock().map_err(failed("lock the directory of"))?;
    let mut text = before(path)?;
    text.push_str(entry);
    if text.len() as u64 > LONGEST {
        return Err(AnswerError::Full { path: path.to_owned() });
    }
    check_answers(&path.to_string_lossy(), &text)?;
    let fresh = dir.join(format!(".answers-{}", std::process::id()));
    let options = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh);
    let file = options().or_else(|error| match error.kind() {
        // Left behind by a session that died in this moment; the lock is ours.
        io::ErrorKind::AlreadyExists => std::fs::remove_file(&fresh).and_then(|()| options()),
        _ => Err(error),
    });
    let written = file.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    if let Err(error) = written.and_then(|()| std::fs::rename(&fresh, path)) {
        // The first error is the one to tell.
        let _ = std::fs::remove_file(&fresh);
        return Err(failed("write")(error));
    }
    // The name is there; whether it survives a crash of the machine is no reason to refuse the answer.
    let _ = lock.sync_all();
    Ok(())
}

/// What the file holds already.
fn before(path: &Path) -> Result<String, AnswerError> {
    let failed = |source| AnswerError::File { act: "read", path: path.to_owned(), source };
    let open = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    let file = match open {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HEADER.to_owned()),
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
            return Err(AnswerError::Strange { path: path.to_owned() });
        }
        Err(error) => return Err(failed(error)),
    };
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.uid() != cred::euid() {
        return Err(AnswerError::Strange { path: path.to_owned() });
    }
    let mut text = String::new();
    file.take(LONGEST + 1).read_to_string(&mut text).map_err(failed)?;
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(if text.trim().is_empty() { HEADER.to_owned() } else { text })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn read(path: &Path) -> String {
        std::fs::read_to_string(path).expect("it was written")
    }

    const ENTRY: &str = "\n# now\n[[answers]]\nask = \"network\"\nmatch = \"10.0.0.0/8:443\"\nverdict = \"allow\"\n";

    #[test]
    fn entries_add_up_in_a_private_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("answers/codex.toml");
        keep(&path, ENTRY).expect("written");
        keep(&path, ENTRY).expect("written");
        let text = read(&path);
        assert!(text.starts_with(HEADER) && text.matches("[[answers]]").count() == 2, "{text}");
        assert_eq!(path.metadata().expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path().join("answers")).expect("there").count(), 1);
    }

    #[test]
    fn links_and_broken_files_are_left_alone() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, other) = (dir.path().join("a.toml"), dir.path().join("other"));
        std::fs::write(&other, "").expect("written");
        std::os::unix::fs::symlink(&other, &path).expect("linked");
        assert!(matches!(keep(&path, ENTRY), Err(AnswerError::Strange { .. })));
        assert_eq!(read(&other), "");
        std::fs::remove_file(&path).expect("removed");
        std::fs::write(&path, "version = 1\nanswers = 3\n").expect("written");
        assert!(matches!(keep(&path, ENTRY), Err(AnswerError::Unreadable(_))));
        assert_eq!(read(&path), "version = 1\nanswers = 3\n");
    }

    #[test]
    fn strings_read_back_whatever_is_in_them() {
        let text = "a\"b\\c\nd\te\u{7f}\u{1b}ä\u{85}";
        let value: toml::Table = format!("x = {}", quoted(text)).parse().expect("TOML");
        assert_eq!(value["x"].as_str(), Some(text));
    }
}
