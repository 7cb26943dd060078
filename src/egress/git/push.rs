//! What a push wants to change: the commands at the beginning of a receive-pack request.
//!
//! Invariant: nothing is told before all commands are there; what cannot be read as commands is a fault.
//! Leaves to others: judging the refs (`http`), the pack behind the commands. Specification: gitprotocol-pack(5),
//! "Reference Update Request".
//! ```text
//! request  = *(shallow) (command-list | certificate) [push options] [pack]
//! command  = old SP new SP ref        old or new all zeros: the ref is made or removed
//! ```

use super::certificate::Certificate;
use super::pkt::{self, Line, LineFault};

/// Most bytes of the commands of one push.
pub const LONGEST: usize = 1 << 20;

/// Most refs of one push.
const REFS: usize = 4096;

/// What happens to one ref.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Create,
    Update,
    Delete,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub act: Act,
    /// `refs/heads/main`.
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PushFault {
    #[error(transparent)]
    Line(#[from] LineFault),
    #[error("the push has a line that is no command")]
    Command,
    #[error("the push has a certificate that can be read in more than one way")]
    Certificate,
    #[error("the push has more than {REFS} refs or {LONGEST} bytes of commands")]
    Long,
}

/// The commands that `bytes` begins with; None while their end is not there. An empty list is a probe.
pub fn commands(bytes: &[u8]) -> Result<Option<Vec<Command>>, PushFault> {
    let mut commands = Vec::new();
    let mut certificate: Option<Certificate> = None;
    let mut at = 0;
    while let Some((line, length)) = pkt::first(bytes.get(at..).unwrap_or_default())? {
        at += length;
        match (line, &mut certificate) {
            // Git takes one that is cut off so for whole; no client sends it.
            (Line::Flush, Some(_)) => return Err(PushFault::Certificate),
            (Line::Text(text), Some(open)) => {
                if open.line(text, &mut commands)? {
                    certificate = None;
                }
            }
            (Line::Flush, None) => return Ok(Some(commands)),
            (Line::Text(text), None) if text.starts_with(b"shallow ") && commands.is_empty() => {}
            (Line::Text(text), None) if text.starts_with(b"push-cert") => certificate = Some(opened(text)?),
            (Line::Text(text), None) => commands.push(command(text).ok_or(PushFault::Command)?),
            (Line::Delimiter | Line::ResponseEnd, _) => return Err(PushFault::Command),
        }
        if commands.len() > REFS || at > LONGEST {
            return Err(PushFault::Long);
        }
    }
    if bytes.len() > LONGEST { Err(PushFault::Long) } else { Ok(None) }
}

/// `push-cert`, with capabilities behind a NUL.
fn opened(text: &[u8]) -> Result<Certificate, PushFault> {
    let name = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = name.strip_suffix(b"\n").unwrap_or(name);
    if name == b"push-cert" { Ok(Certificate::new()) } else { Err(PushFault::Certificate) }
}

pub(super) fn command(text: &[u8]) -> Option<Command> {
    // Capabilities follow the first command behind a NUL.
    let text = text.split(|byte| *byte == 0).next()?;
    let text = std::str::from_utf8(text).ok()?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let (old, rest) = text.split_once(' ')?;
    let (new, name) = rest.split_once(' ')?;
    if !is_oid(old) || !is_oid(new) || !is_ref(name) {
        return None;
    }
    let zero = |oid: &str| oid.bytes().all(|digit| digit == b'0');
    let act = match (zero(old), zero(new)) {
        (_, true) => Act::Delete,
        (true, false) => Act::Create,
        (false, false) => Act::Update,
    };
    Some(Command { act, name: name.to_owned() })
}

/// SHA-1 or SHA-256 in hexadecimal digits.
fn is_oid(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// As git-check-ref-format(1) has it, as far as a server could read another ref from it than we do.
fn is_ref(name: &str) -> bool {
    let bad = |byte: u8| byte <= b' ' || byte == 0x7f || b"~^:?*[\\".contains(&byte);
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    name.len() <= 1024
        && name.starts_with("refs/")
        && name.split('/').all(part)
        && !name.bytes().any(bad)
        && !name.contains("..")
        && !name.contains("@{")
        && !name.ends_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ZERO: &str = "0000000000000000000000000000000000000000";
    const ONE: &str = "1111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222";

    fn line(text: &str) -> String {
        format!("{:04x}{text}", text.len() + 4)
    }

    fn wanted(act: Act, name: &str) -> Command {
        Command { act, name: name.to_owned() }
    }

    fn push() -> Vec<u8> {
        let first = line(&format!("{ZERO} {ONE} refs/heads/agent/a\0 report-status side-band-64k\n"));
        let second = line(&format!("{ONE} {TWO} refs/heads/main\n"));
        let third = line(&format!("{TWO} {ZERO} refs/tags/v1"));
        format!("{first}{second}{third}0000PACK….").into_bytes()
    }

    #[test]
    fn says_what_becomes_of_each_ref() {
        let commands = commands(&push()).unwrap().unwrap();
        let wanted = [
            wanted(Act::Create, "refs/heads/agent/a"),
            wanted(Act::Update, "refs/heads/main"),
            wanted(Act::Delete, "refs/tags/v1"),
        ];
        assert_eq!(commands, wanted);
        assert_eq!(super::commands(b"0000"), Ok(Some(Vec::new())), "what git sends to see if it may");
        let shallow = format!("{}{}0000", line(&format!("shallow {ONE}")), line(&format!("{ZERO} {ONE} refs/heads/x")));
        assert_eq!(super::commands(shallow.as_bytes()).unwrap().unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_command_is_refused() {
        let fault = |text: &str| commands(format!("{}0000", line(text)).as_bytes()).unwrap_err();
        for text in [
            "".to_owned(),
            "PACK".to_owned(),
            format!("{ZERO} {ONE}"),
            format!("{ZERO} {ONE} main"),
            format!("{ZERO} 11 refs/heads/x"),
            format!("{ZERO} {ONE} refs/heads/a..b"),
            format!("{ZERO} {ONE} refs/heads/../tags/x"),
            format!("{ZERO} {ONE} refs/heads/a\nx"),
            format!("{ZERO} {ONE} refs//heads"),
        ] {
            assert_eq!(fault(&text), PushFault::Command, "{text:?}");
        }
        assert_eq!(fault("push-cert\0x"), PushFault::Certificate, "not ended");
        assert_eq!(fault("push-cert-end\n"), PushFault::Certificate);
        let many = line(&format!("{ZERO} {ONE} refs/heads/x")).repeat(REFS + 1);
        assert_eq!(commands(many.as_bytes()), Err(PushFault::Long));
    }

    fn signed(lines: &[&str]) -> Result<Option<Vec<Command>>, PushFault> {
        let whole: String = lines.iter().map(|text| line(text)).collect();
        commands(format!("{whole}0000PACK").as_bytes())
    }

    #[test]
    fn a_signed_push_says_what_it_changes() {
        let (one, two) = (format!("{ZERO} {ONE} refs/heads/agent/a\n"), format!("{ONE} {ZERO} refs/heads/main\n"));
        let head =
            ["push-cert\0report-status\n", "certificate version 0.1\n", "pusher me <m@x> 1 +0000\n", "nonce 1-2\n"];
        let begin = "-----BEGIN SSH SIGNATURE-----\n";
        let rest = [begin, "U1NIU0lH\n", "-----END SSH SIGNATURE-----\n", "push-cert-end\n"];
        let told_of = |middle: &[&str]| signed(&[&head[..], middle, &rest[..]].concat());
        let told = told_of(&["\n", &one, &two]).unwrap().unwrap();
        assert_eq!(told, [wanted(Act::Create, "refs/heads/agent/a"), wanted(Act::Delete, "refs/heads/main")]);
        let behind = [&head[..], &["\n", one.as_str()], &rest[..], &[two.as_str()]].concat();
        assert_eq!(signed(&behind).unwrap().unwrap().len(), 2, "commands may follow the certificate");
        for (middle, what) in [
            (vec!["\n", one.trim_end(), two.as_str()], "a line without an end"),
            (vec!["x\n\n", one.as_str(), "\n"], "two lines in one"),
            (vec!["\n", "x\0y\n"], "a NUL"),
            (vec!["\n", one.as_str(), begin, two.as_str()], "a command between two signatures"),
            (vec!["\n", one.as_str(), "anything\n"], "no command"),
            (vec![one.as_str()], "no commands"),
        ] {
            assert!(told_of(&middle).is_err(), "{what}");
        }
        assert!(signed(&[&head[..], &["\n", one.as_str(), "push-cert-end\n"]].concat()).is_err(), "no signature");
        assert!(signed(&["push-certificate\n"]).is_err());
    }

    proptest! {
        #[test]
        fn told_at_any_split_from_the_flush_on_and_not_before(cut in 0usize..200) {
            let whole = push();
            let flush = whole.len() - "PACK….".len();
            let cut = cut % (whole.len() + 1);
            let told = commands(&whole[..cut]).unwrap();
            prop_assert_eq!(told.is_some(), cut >= flush);
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = commands(&bytes);
        }
    }
}
