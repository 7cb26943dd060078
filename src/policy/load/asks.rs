//! Ask rules and kept answers: numbered, then put in place.
//!
//! Invariant: a question follows every symbolic link, as a deny does; as a possible grant it follows none that the agent could
//! have placed. Answers come from the user's own file alone.

use super::carves::Grants;
use super::{Build, File, PathRule};
use crate::policy::asks::{AskedPath, read_answers};
use crate::policy::chain::Link;
use crate::policy::compiled::Files;
use crate::policy::document::{AskEntry, Document};
use crate::policy::links::Links;
use crate::policy::network::{Purpose, parse};
use crate::policy::pattern::Pattern;
use crate::policy::trie::Slot;
use crate::policy::{Access, Cover, Grant, Layer, Library, PolicyError, RuleId, Touch};

/// A question about running that needs a grant to be of any use.
pub(super) struct OnlyExec {
    pattern: Pattern,
    /// Index of its file in the chain, and the place in it.
    file: usize,
    at: usize,
}

impl Build<'_> {
    /// The ask lists of one file.
    pub(super) fn ask(&mut self, file: &File<'_>, document: &Document) -> Result<(), PolicyError> {
        for entry in &document.files_ask {
            let patterns =
                Pattern::parse_all(&entry.text.value, self.vars).map_err(|fault| file.fault(entry.text.at, fault))?;
            let rule = self.ask_rule(file, "files.ask", entry);
            if let Some(once) = entry.once {
                self.policy.asks.once.insert(rule, once);
            }
            for mut pattern in patterns {
                // What a question is about takes along what it holds.
                pattern.tree = true;
                // A layer is laid over profiles that run other programs, too.
                if entry.access == Access::EXEC && file.group == 0 && file.grants {
                    let index = self.policy.sources.len().saturating_sub(1);
                    self.only_exec.push(OnlyExec { pattern: pattern.clone(), file: index, at: entry.text.at });
                }
                self.policy.asks.files.push(AskedPath { rule, access: entry.access, pattern });
            }
        }
        self.program_asks(file, &document.exec_ask)?;
        // What the profile or a layer rules out as a whole is not asked about in another layer.
        let closed = file.group != 0 && self.closed_network();
        for entry in &document.network_ask {
            let rule = RuleId(self.ask_rule(file, "network.ask", entry));
            let asked =
                parse(&entry.text.value, Purpose::Deny, rule).map_err(|fault| file.fault(entry.text.at, fault))?;
            for one in asked.into_iter().filter(|_| !closed) {
                let list = match file.grants {
                    true if one.is_every_name() => &mut self.net.ask_else,
                    true => &mut self.net.ask,
                    false => &mut self.net.narrow_ask,
                };
                list.push(one);
            }
        }
        Ok(())
    }

    pub(super) fn ask_rule(&mut self, file: &File<'_>, key: &'static str, entry: &AskEntry) -> u32 {
        let rule = self.add(file.rule(key, &entry.text.value, entry.text.at));
        let reach = match entry.once {
            None => None,
            Some(Touch::File) => Some("an answer holds for this file until the session ends"),
            Some(Touch::Directory) => Some("an answer holds for the files of this directory until the session ends"),
        };
        let reason = crate::policy::error::visible(&entry.reason);
        let said: Vec<&str> = [reason.as_str()].into_iter().filter(|text| !text.is_empty()).chain(reach).collect();
        if !said.is_empty() {
            self.policy.asks.reasons.insert(rule, said.join("; "));
        }
        rule
    }

    /// The answers that were kept for this policy.
    pub(super) fn answers(&mut self, library: &dyn Library) -> Result<(), PolicyError> {
        let Some(source) = library.answers(&self.policy.answers_key)? else { return Ok(()) };
        if source.layer != Layer::User {
            return Err(PolicyError::whole(&source.name, "answers are the user's own", None));
        }
        let file = File::new(&source, true, 0);
        self.policy.sources.push(file.shown.to_string());
        let vars = self.vars;
        let number = |text: &str, at: usize| self.add(file.rule("answers", text, at));
        self.policy.asks.answers = read_answers(&source, vars, number)?;
        Ok(())
    }

    /// Puts the patterns of questions into the automaton, as written and by real path, and notes what answers may grant.
    pub(super) fn place_asks(&mut self, links: &mut Links<'_>) {
        let mut asked = Vec::new();
        let written = std::mem::take(&mut self.policy.asks.files);
        let narrow_from = self.policy.narrow_from;
        for path in &written {
            // A question that only narrows is about what is granted already.
            let widens = path.rule < narrow_from;
            asked.extend(widens.then(|| grant(path)));
            let Some(real) = links.real(&path.pattern) else { continue };
            let real_path = AskedPath { pattern: real.pattern, ..path.clone() };
            if widens && !real.by.iter().any(|link| self.could_be_placed(link)) {
                asked.push(grant(&real_path));
            }
            self.policy.asks.files.push(real_path);
        }
        self.policy.asks.files.extend(written);
        for path in &self.policy.asks.files {
            place(&mut self.policy.files, path);
        }
        self.policy.files.asked = asked.into_iter().filter(|grant| !grant.access.is_empty()).collect();
        let reads = |path: &&AskedPath| path.access.contains(Access::READ);
        let grants: Vec<&PathRule> = self.paths.iter().filter(|path| !path.key.narrows()).collect();
        let grants = Grants::new(&grants);
        let inside = |path: &AskedPath| grants.meet(&path.pattern);
        self.policy.files.carves_reads |= self.policy.asks.files.iter().filter(reads).any(inside);
    }

    /// A question about running what nothing grants would never be put: that is a mistake.
    pub(super) fn check_asks(&self, chain: &[Link]) -> Result<(), PolicyError> {
        for only in &self.only_exec {
            let mut grants = self.paths.iter().filter(|path| !path.key.narrows() && path.access.contains(Access::EXEC));
            if grants.any(|grant| grant.pattern.meets(&only.pattern)) {
                continue;
            }
            let Some(link) = chain.get(only.file) else { continue };
            let hint = "what may be run must stand in files.exec as well: the kernel is told before anything is asked";
            let reason = "nothing that may be run matches this question";
            return Err(PolicyError::at(&link.source, only.at, reason, Some(hint.to_owned())));
        }
        Ok(())
    }
}

fn place(files: &mut Files, path: &AskedPath) {
    files.trie.insert_each(&path.pattern, &Slot::asking(path.access), path.rule, &[]);
}

/// For the broker's own floor: what may be read or written once somebody says so. Running needs a grant anyway.
fn grant(path: &AskedPath) -> Grant {
    let mut access = path.access - Access::EXEC;
    if access.changes() {
        access |= Access::READ;
    }
    let cover = if path.pattern.is_literal() { Cover::Tree } else { Cover::Beneath };
    Grant { path: path.pattern.literal_prefix().0, access, cover, rule: RuleId(path.rule) }
}

#[cfg(test)]
mod tests {
    use crate::policy::{Layer, Library, NetOp, Policy, PolicyError, Source, Vars, Verdict};

    struct Shelf {
        base: &'static str,
        answers: Option<(&'static str, Layer)>,
    }

    fn source(name: &str, text: &str, layer: Layer) -> Source {
        Source { name: name.into(), text: format!("version = 1\n{text}"), layer, path: None }
    }

    impl Library for Shelf {
        fn load(&self, name: &str, _: &Source) -> Result<Source, PolicyError> {
            Ok(source(&format!("{name}.toml"), self.base, Layer::Shipped))
        }

        fn answers(&self, key: &str) -> Result<Option<Source>, PolicyError> {
            assert_eq!(key, "team");
            Ok(self.answers.map(|(text, layer)| source("answers/team.toml", text, layer)))
        }

        fn realpath(&self, path: &[u8]) -> Option<Vec<u8>> {
            Some(path.to_vec())
        }
    }

    const RULES: &str =
        "extends = ['base']\n[files]\nexec = ['/usr/**']\nask = ['/a/**']\n[exec]\nask = ['git push **']";
    const ANSWERS: &str = "[[answers]]\nask = 'exec'\nmatch = 'git push x'\nprogram = '/usr/bin/git'\nverdict = 'allow'\n\
                           [[answers]]\nask = 'files.read'\nmatch = '/a/**'\nverdict = 'allow'\n\
                           [[answers]]\nask = 'files.read'\nmatch = '/a/b'\nverdict = 'deny'";

    fn load(rules: &str, shelf: &Shelf) -> Result<Policy, PolicyError> {
        Policy::load(source("/c/team.toml", rules, Layer::User), shelf, &Vars::default())
    }

    fn run(policy: &Policy, line: &str) -> Verdict {
        let argv: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        policy.decide_exec(b"/usr/bin/git", &argv).verdict
    }

    fn read(policy: &Policy, path: &str) -> Verdict {
        policy.decide_file(path.as_bytes(), crate::policy::Access::READ).verdict
    }

    #[test]
    fn answers_beat_questions_and_denies_beat_answers() {
        let mut shelf = Shelf { base: "", answers: None };
        let plain = load(RULES, &shelf).unwrap();
        assert_eq!([run(&plain, "git push x"), read(&plain, "/a/c")], [Verdict::Ask; 2]);
        shelf.answers = Some((ANSWERS, Layer::User));
        let answered = load(RULES, &shelf).unwrap();
        assert_eq!([run(&answered, "git push x"), run(&answered, "git push y")], [Verdict::Allow, Verdict::Ask]);
        assert_eq!([read(&answered, "/a/c"), read(&answered, "/a/b")], [Verdict::Allow, Verdict::Deny]);
        assert_eq!(read(&answered, "/elsewhere"), Verdict::Deny);
        assert!(answered.sources().contains(&"answers/team.toml".to_owned()));
        shelf.base = "[files]\ndeny = ['/a/c']\n[exec]\ndeny = ['git']";
        let denied = load(RULES, &shelf).unwrap();
        assert_eq!(
            [run(&denied, "git push x"), read(&denied, "/a/c"), read(&denied, "/a/d")],
            [Verdict::Deny, Verdict::Deny, Verdict::Allow]
        );
    }

    #[test]
    fn answers_of_others_and_broken_ones_refuse_the_policy() {
        for (text, layer) in [(ANSWERS, Layer::Project), ("[[answers]]\nask = 'exec'", Layer::User)] {
            assert!(load(RULES, &Shelf { base: "", answers: Some((text, layer)) }).is_err(), "{text}");
        }
    }

    #[test]
    fn running_is_asked_about_only_where_it_is_granted() {
        let shelf = Shelf { base: "", answers: None };
        let error =
            load("[files]\nexec = ['/usr/**']\nask = [{ path = '/opt/x', access = 'exec' }]", &shelf).unwrap_err();
        assert!(error.to_string().contains("line 4, column 17: nothing that may be run"), "{error}");
        let policy =
            load("[files]\nexec = ['/usr/**']\nask = [{ path = '/usr/bin/git', access = 'exec' }]", &shelf).unwrap();
        assert_eq!((run(&policy, "git status"), policy.carves_reads()), (Verdict::Ask, false));
    }

    #[test]
    fn no_network_means_no_questions_of_bases() {
        let shelf = Shelf { base: "[network]\nask = ['all']", answers: None };
        let connect = |rules: &str| {
            let policy = load(&format!("extends = ['base']\n{rules}"), &shelf).unwrap();
            policy.decide_net(NetOp::Connect, &"192.0.2.1:1".parse().unwrap()).verdict
        };
        assert_eq!(connect(""), Verdict::Ask);
        assert_eq!(connect("[network]\nallow = 'none'"), Verdict::Deny);
        assert_eq!(connect("[network]\nallow = 'none'\nask = ['192.0.2.0/24']"), Verdict::Ask);
        assert_eq!(connect("[network]\nallow = 'all'"), Verdict::Ask);
    }
}
