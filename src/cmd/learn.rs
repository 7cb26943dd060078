//! `govsh learn`: runs a command under the floor, or takes recordings, and writes the small policy that they need.
//!
//! Invariant: nothing is written before the policy was read back, allows every request that was needed and lets no secret out.
//! Leaves to others: the run (`run`), what rules come of requests (`policy::learn`), who may be given what (`teacher`).

mod notes;
mod teacher;

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};

use super::json::pretty;
use super::library::{self, Disk, told};
use super::{find, past, run};
use crate::cli::{self, Learn};
use crate::policy::learn::{Header, Left, Lesson, Proposal, propose, write};
use crate::policy::{Layer, Policy, Source};
use notes::Notes;
use teacher::Teacher;

/// What a small policy is built on.
const BASE: &str = "base";
/// Times that a proposal is mended before it is given up.
const ROUNDS: usize = 8;

/// Learns as asked; the exit status is that of the command.
pub fn learn(options: &Learn) -> Result<i32> {
    let disk = Disk::new();
    if let Some(name) = &options.save {
        kept_at(name)?;
    }
    let mut teacher = Teacher::new(&disk, &options.command, &options.pass)?;
    // A session that has ended has closed standard output for whoever reads it; the policy comes after that.
    let stdout = io::stdout().as_fd().try_clone_to_owned().map(File::from).ok();
    let (status, files) = match options.from.is_empty() {
        true => {
            let (status, id) = run::under(commanded(options)?, teacher.floor()?);
            let Some(id) = id else { return Ok(status) };
            let recording = find::find(&OsString::from(&id)).context("the recording of this run is not there")?;
            (status, vec![recording])
        }
        false => (0, past::files(&options.from)?),
    };
    let notes = files.iter().map(|path| Notes::read(path)).collect::<Result<Vec<_>>>()?;
    for notes in &notes {
        teacher.recognise(&disk, &notes.program)?;
    }
    let learned = learned(options, &disk, &teacher, &notes)?;
    if !options.quiet {
        learned.summary(&notes).iter().for_each(|line| eprintln!("govsh: {line}"));
    }
    learned.give(options, stdout)?;
    Ok(status)
}

/// The run as `govsh run` would have it.
fn commanded(options: &Learn) -> Result<cli::Run> {
    let mut words: Vec<OsString> = ["govsh", "run", "--audit", "full"].map(OsString::from).into();
    words.extend(options.no_adapt.then(|| "--no-adapt".into()));
    words.extend(options.quiet.then(|| "--quiet".into()));
    words.push("--".into());
    words.extend(options.command.iter().cloned());
    match cli::parse_from(words) {
        Ok(cli::Command::Run(run)) => Ok(*run),
        _ => bail!("this command cannot be run"),
    }
}

/// What came of it.
struct Learned {
    text: String,
    proposal: Proposal,
    left: Left,
    needed: u64,
    base: String,
}

fn learned(options: &Learn, disk: &Disk, teacher: &Teacher, notes: &[Notes]) -> Result<Learned> {
    let base = options.merge.as_deref().unwrap_or(BASE);
    let load =
        |source: Source, notes: &Notes| Policy::load(source, disk, &notes.vars).map_err(|error| anyhow!(told(&error)));
    let find = |name: &str| disk.find(name).map_err(|error| anyhow!(told(&error)));
    let mut policies = Vec::new();
    for notes in notes {
        policies.push((load(teacher.floor()?, notes)?, load(find(base)?, notes)?));
    }
    let mut lessons = Vec::new();
    for (notes, (floor, base)) in notes.iter().zip(&policies) {
        let mut lesson = Lesson::new(floor, base, &notes.real_vars(), options.denied);
        notes.each(|past| lesson.take(past));
        lessons.push(lesson);
    }
    let mut proposal = propose(&lessons);
    let extends = if library::is_file(base) { absolute(base)? } else { base.to_owned() };
    let needed = lessons.iter().map(|lesson| lesson.needed).sum();
    for _ in 0..ROUNDS {
        let text = write(&header(notes, teacher, &extends, needed, &proposal), &proposal);
        let mut sound = true;
        for (notes, lesson) in notes.iter().zip(&lessons) {
            let policy = load(source(&text), notes)?;
            sound &= proposal.mend(lesson, &policy);
        }
        if sound {
            let left = together(&lessons);
            return Ok(Learned { text, proposal, left, needed, base: extends });
        }
    }
    // What is denied by the base itself cannot be granted on top of it; a secret is never let out.
    let text = write(&header(notes, teacher, &extends, needed, &proposal), &proposal);
    let mut left = together(&lessons);
    for (notes, lesson) in notes.iter().zip(&lessons) {
        let policy = load(source(&text), notes)?;
        if let Some(secret) = Proposal::leaking(lesson, &policy) {
            bail!("no policy was written: it would allow '{secret}', which no learned policy may");
        }
        if let Some(missing) = Proposal::missing(lesson, &policy) {
            *left.unsaid.entry(missing).or_default() += 1;
        }
    }
    Ok(Learned { text, proposal, left, needed, base: extends })
}

/// The text as it will be read: a policy of the user's.
fn source(text: &str) -> Source {
    Source { name: "learned.toml".to_owned(), text: text.to_owned(), layer: Layer::User, path: None }
}

fn absolute(file: &str) -> Result<String> {
    let path = std::path::absolute(file).with_context(|| format!("cannot tell where '{file}' lies"))?;
    path.into_os_string()
        .into_string()
        .map_err(|_| anyhow!("the path of '{file}' is not UTF-8: a policy cannot name it"))
}

fn together(lessons: &[Lesson<'_>]) -> Left {
    let mut left = Left::default();
    for lesson in lessons {
        left.base += lesson.left.base;
        left.absent += lesson.left.absent;
        left.failed += lesson.left.failed;
        left.own += lesson.left.own;
        for (all, one) in [
            (&mut left.denied, &lesson.left.denied),
            (&mut left.refused, &lesson.left.refused),
            (&mut left.unsaid, &lesson.left.unsaid),
        ] {
            one.iter().for_each(|(what, times)| *all.entry(what.clone()).or_default() += times);
        }
    }
    left
}

fn header(notes: &[Notes], teacher: &Teacher, extends: &str, needed: u64, proposal: &Proposal) -> Header {
    let mut comment = vec![format!("Learned from {}.", notes::together(notes)), String::new()];
    comment.push(format!("{needed} requests that '{extends}' does not allow became {} rules.", proposal.lines.len()));
    comment.push("Each says which programs needed it and how often. Keys and patterns: govsh-policy(5).".to_owned());
    Header {
        comment,
        extends: extends.to_owned(),
        matches: teacher.matches.clone(),
        append_args: teacher.append_args.clone(),
        pass: teacher.pass.clone(),
    }
}

impl Learned {
    /// What was generalised to what, and what was left out.
    fn summary(&self, notes: &[Notes]) -> Vec<String> {
        let left = &self.left;
        let rules = self.proposal.lines.len();
        let mut lines = vec![format!(
            "learned from {}: {} requests became {rules} rules on top of '{}'",
            notes::together(notes),
            self.needed,
            self.base
        )];
        let counts = [
            (left.base, format!("that '{}' allows", self.base)),
            (left.absent, "for what is not there".to_owned()),
            (left.failed, "that failed by themselves".to_owned()),
            (left.own, "of the session's own".to_owned()),
            (left.denied.values().sum(), "that were denied then and not needed (--denied takes them in)".to_owned()),
        ];
        let counts: Vec<String> =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        if !counts.is_empty() {
            lines.push(format!("left out: {}", counts.join(", ")));
        }
        lines.extend(named("refused, and never proposed", &left.refused));
        lines.extend(named("no rule can say", &left.unsaid));
        for notes in notes.iter().filter(|notes| notes.audit == "writes") {
            lines.push(format!("session {} recorded no reads (--audit writes): the policy lacks them", notes.id));
        }
        lines
    }

    fn give(&self, options: &Learn, stdout: Option<File>) -> Result<()> {
        if options.json {
            let mut json = Vec::new();
            pretty(&mut json, &self.json())?;
            return print(stdout, &json);
        }
        match (&options.output, &options.save) {
            (Some(path), _) if path.as_os_str() == "-" => print(stdout, self.text.as_bytes()),
            (Some(path), _) => self.put(path, options),
            (None, Some(name)) => self.put(&kept_at(name)?, options),
            (None, None) => {
                print(stdout, self.text.as_bytes())?;
                match asked()? {
                    Some(name) => self.put(&kept_at(&name)?, options),
                    None => Ok(()),
                }
            }
        }
    }

    /// A new file, never one that is there.
    fn put(&self, path: &Path, options: &Learn) -> Result<()> {
        let shown = path.display();
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path).with_context(|| {
            let exists = path.exists();
            let hint = if exists { "\nhint: another name, or --merge to build on it" } else { "" };
            format!("cannot write '{shown}'{hint}")
        })?;
        file.write_all(self.text.as_bytes()).with_context(|| format!("cannot write '{shown}'"))?;
        if !options.quiet {
            let name = match path.file_stem().and_then(|stem| stem.to_str()) {
                Some(stem) if kept_at(stem).is_ok_and(|kept| kept == path) => stem.to_owned(),
                _ if path.components().count() > 1 => shown.to_string(),
                _ => format!("./{shown}"),
            };
            eprintln!("govsh: kept in {shown}: govsh --policy {name} -- …");
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let line = |line: &crate::policy::learn::Line| json!({ "key": line.key.word(), "text": line.text, "times": line.by.times, "programs": line.by.programs });
        let left = &self.left;
        json!({
            "policy": self.text, "base": self.base, "requests": self.needed,
            "rules": self.proposal.lines.iter().map(line).collect::<Vec<_>>(),
            "left": {
                "base": left.base, "absent": left.absent, "failed": left.failed, "own": left.own,
                "denied": left.denied, "refused": left.refused, "unsaid": left.unsaid,
            },
        })
    }
}

/// Nobody reads it where standard output was closed from the start.
fn print(stdout: Option<File>, text: &[u8]) -> Result<()> {
    let written = stdout.map_or(Ok(()), |mut out| out.write_all(text));
    super::paint::printed(written, 0).map(drop)
}

/// The first few of what was left out by name.
fn named(what: &str, all: &std::collections::BTreeMap<String, u64>) -> Option<String> {
    const SHOWN: usize = 6;
    let mut all: Vec<(&String, &u64)> = all.iter().collect();
    all.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let times = |times: u64| if times == 1 { String::new() } else { format!(" ({times}×)") };
    let shown: Vec<String> = all.iter().take(SHOWN).map(|(text, count)| format!("{text}{}", times(**count))).collect();
    let more = all.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!shown.is_empty()).then(|| format!("{what}: {}{more}", shown.join(", ")))
}

/// Where a policy of this name is kept.
fn kept_at(name: &str) -> Result<PathBuf> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        bail!("'{}' is no name for a policy\nhint: letters, digits, '-' and '_'", name.escape_debug());
    }
    library::kept(name).map_err(anyhow::Error::from)
}

/// A name, where somebody is there to give one.
fn asked() -> Result<Option<String>> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() || !io::stderr().is_terminal() {
        return Ok(None);
    }
    eprint!("govsh: keep it under which name? (nothing: do not keep it) ");
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).context("cannot read the answer")?;
    let name = line.trim();
    Ok((!name.is_empty()).then(|| name.to_owned()))
}
