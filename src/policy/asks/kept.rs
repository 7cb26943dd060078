//! An answer that holds for longer: its pattern, and the file that keeps it.
//!
//! Invariant: an answer about a program holds for the very file that was asked about; whatever is not understood rejects the
//! whole file. Leaves to others: where the file lies (`cmd::library`), writing it (`session::answers`).
//!
//! ```toml
//! version = 1
//!
//! # 2026-11-22T05:12:03Z, session k3f9, event 42, by u@pts/3
//! [[answers]]
//! ask = "exec"
//! match = "git push origin agent/**"
//! program = "/usr/bin/git"
//! verdict = "allow"
//! ```

use toml::de::DeTable;

use super::argv::ArgvPattern;
use super::call::CallPattern;
use super::{Answered, Touch, Wanted};
use crate::policy::network::{Entry, Purpose, parse};
use crate::policy::pattern::{Fault, Glob, Pattern, Segment};
use crate::policy::table::Table;
use crate::policy::{Access, Layer, PolicyError, RuleId, Source, Vars, Verdict};

/// Answers in one file.
const MOST: usize = 10_000;

/// What an answer covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept(What);

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Exec { program: Vec<u8>, pattern: ArgvPattern },
    File { access: Access, pattern: Pattern },
    Net(Vec<Entry>),
    Mcp(CallPattern),
}

impl Kept {
    /// Keys as in `Choice::key`; `program` is the file that runs, for `exec` alone.
    pub fn parse(key: &str, text: &str, program: &[u8], vars: &Vars) -> Result<Kept, Fault> {
        let file = |access| Ok(Kept(What::File { access, pattern: Pattern::parse(text, vars)? }));
        match key {
            "exec" if program.starts_with(b"/") => {
                Ok(Kept(What::Exec { program: program.to_vec(), pattern: ArgvPattern::parse(text)? }))
            }
            "exec" => fault("an answer about a program without its path", "program = \"/usr/bin/git\""),
            "files.read" => file(Access::READ),
            "files.write" => file(Access::READ | Access::CHANGES),
            "files.exec" => file(Access::READ | Access::EXEC),
            "network" => Ok(Kept(What::Net(parse(text, Purpose::Deny, RuleId::DEFAULT)?))),
            "mcp" => Ok(Kept(What::Mcp(CallPattern::parse(text)?))),
            _ => fault("no kind of question", "one of: exec, files.read, files.write, files.exec, network, mcp"),
        }
    }

    /// What an answer about this file comes to by a rule that asks once.
    pub fn touched(touch: Touch, path: &[u8], access: Access) -> Kept {
        let mut pattern = Pattern::literal(path, false);
        if touch == Touch::Directory && pattern.segments.pop().is_some() {
            pattern.segments.push(Segment::Glob(Glob::any()));
        }
        let access = if access.changes() { access | Access::READ | Access::CHANGES } else { access };
        Kept(What::File { access, pattern })
    }

    pub fn covers(&self, wanted: &Wanted<'_>) -> bool {
        match (&self.0, wanted) {
            (What::Exec { program, pattern }, Wanted::Exec { path, argv }) => {
                program == path && pattern.matches(path, argv)
            }
            (What::File { access, pattern }, Wanted::File { path, access: asked }) => {
                access.contains(*asked) && pattern.matches(path)
            }
            (What::Mcp(pattern), Wanted::Mcp(call)) => pattern.covers(call),
            (What::Net(entries), Wanted::Net(reach)) => entries.iter().any(|entry| entry.means(reach)),
            _ => false,
        }
    }
}

fn fault<T>(reason: &str, hint: &str) -> Result<T, Fault> {
    Err(Fault { reason: reason.to_owned(), hint: Some(hint.to_owned()) })
}

/// Reads an answers file. `number` gives each answer its rule, from its text and its place in the file.
pub fn read_answers(
    source: &Source,
    vars: &Vars,
    mut number: impl FnMut(&str, usize) -> u32,
) -> Result<Vec<Answered>, PolicyError> {
    let parsed = DeTable::parse(&source.text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        PolicyError::at(source, at, error.message().lines().collect::<Vec<_>>().join(", "), None)
    })?;
    let top = Table::top(source, parsed.get_ref());
    top.only(&["version", "answers"], &[])?;
    if top.number("version", 1, 1)?.is_none() {
        return Err(top.fault(0, "'version' is missing", Some("write 'version = 1'".to_owned())));
    }
    let items = top.items("answers")?;
    if items.len() > MOST {
        return Err(top.fault(0, format!("{} answers", items.len()), Some(format!("at most {MOST}"))));
    }
    let mut answers = Vec::new();
    for item in items {
        let at = item.span().start;
        let Some(table) = top.item_table(item, "an answer") else {
            return Err(top.wrong("answers", at, "an array of tables", item.get_ref()));
        };
        table.only(&["ask", "match", "program", "verdict"], &[])?;
        let wanted = |key: &str| {
            let missing = || table.fault(at, format!("an answer without '{key}'"), None);
            table.string(key)?.ok_or_else(missing)
        };
        let (ask, text) = (wanted("ask")?, wanted("match")?);
        let words = [("allow", Verdict::Allow), ("deny", Verdict::Deny)];
        let verdict =
            table.word("verdict", &words)?.ok_or_else(|| table.fault(at, "an answer without 'verdict'", None))?;
        let program = table.string("program")?.map(|program| program.value).unwrap_or_default();
        let kept = Kept::parse(&ask.value, &text.value, program.as_bytes(), vars)
            .map_err(|fault| table.fault(text.at, fault.reason, fault.hint))?;
        answers.push(Answered { rule: number(&text.value, text.at), verdict: verdict.value, kept });
    }
    Ok(answers)
}

/// Whether `text` would be read, as the file of this name.
pub fn check_answers(name: &str, text: &str) -> Result<(), PolicyError> {
    let source = Source { name: name.to_owned(), text: text.to_owned(), layer: Layer::User, path: None };
    let home = Vars { home: b"/".to_vec(), ..Vars::default() };
    read_answers(&source, &home, |_, _| 0).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{NetOp, Reach};

    fn read(text: &str) -> Result<Vec<Answered>, PolicyError> {
        let text = text.to_owned();
        let source = Source { name: "answers/x.toml".into(), text, layer: Layer::User, path: None };
        read_answers(&source, &Vars::default(), |_, _| 7)
    }

    fn argv(line: &str) -> Vec<Vec<u8>> {
        line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
    }

    #[test]
    fn an_answer_about_a_program_holds_for_that_file() {
        let kept = Kept::parse("exec", "git push *", b"/usr/bin/git", &Vars::default()).expect("an answer");
        let covers = |path: &[u8], line: &str| kept.covers(&Wanted::Exec { path, argv: &argv(line) });
        assert!(covers(b"/usr/bin/git", "git push x"));
        assert!(!covers(b"/usr/bin/kubectl", "git push x") && !covers(b"/usr/bin/git", "git push x y"));
        assert!(Kept::parse("exec", "git push", b"", &Vars::default()).is_err());
    }

    #[test]
    fn rights_are_those_of_the_key() {
        let kept = |key| Kept::parse(key, "/a/**", b"", &Vars::default()).expect("an answer");
        let file = |access| Wanted::File { path: b"/a/b", access };
        assert!(kept("files.read").covers(&file(Access::READ)) && !kept("files.read").covers(&file(Access::WRITE)));
        assert!(kept("files.write").covers(&file(Access::READ | Access::CHANGES)));
        assert!(!kept("files.write").covers(&file(Access::EXEC)));
        let net = Kept::parse("network", "10.0.0.0/8:443", b"", &Vars::default()).expect("an answer");
        let to = |addr: &str| Wanted::Net(Reach::to(NetOp::Connect, addr.parse().expect("an address")));
        assert!(net.covers(&to("10.1.1.1:443")) && !net.covers(&to("10.1.1.1:80")) && !net.covers(&file(Access::READ)));
    }

    #[test]
    fn a_file_is_read_whole_or_not_at_all() {
        let one = "version = 1\n[[answers]]\nask = \"network\"\nmatch = \"all\"\nverdict = \"allow\"\n";
        assert_eq!(read(one).expect("a file").len(), 1);
        for wrong in [
            "[[answers]]",
            "version = 2",
            "version = 1\nanswers = [1]",
            &one.replace("allow", "ask"),
            &one.replace("network", "sockets"),
            &one.replace("match", "path"),
            &one.replace("all\"\nverdict", "1.2.3\"\nverdict"),
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
