//! Laws of questions: they come between deny and allow, never give anything by themselves, and no proposed answer is wider
//! than the rule that asked.

use govsh::policy::{Access, Class, Kept, Policy, RuleId, Vars, Verdict, Wanted};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::{Line, access, allowed, covers, decide, forbidden, line, load, path, pattern, render};

/// One `files.ask`: `access`, empty for all, and pattern.
type Ask = (&'static str, String);

fn ask() -> impl Strategy<Value = Ask> {
    (select(vec!["", "read", "write"]), pattern())
}

fn with_asks(lines: &[Line], asks: &[Ask]) -> Result<Policy, govsh::policy::PolicyError> {
    let entry = |(access, path): &Ask| match *access {
        "" => format!("{path:?}"),
        access => format!("{{ path = {path:?}, access = {access:?} }}"),
    };
    let entries: Vec<_> = asks.iter().map(entry).collect();
    load(&format!("{}ask = [{}]\n", render(lines), entries.join(", ")))
}

/// By the book: what each right comes to, and the worst of them.
fn wanted(lines: &[Line], asks: &[Ask], path: &str, access: Access) -> Verdict {
    if forbidden(lines, path, access) {
        return Verdict::Deny;
    }
    let asked = |rights: &[&str]| asks.iter().any(|(access, pattern)| rights.contains(access) && covers(pattern, path));
    let granted = |right| allowed(lines, path, right);
    let or = |granted: bool, ask: bool| match (granted, ask) {
        (_, true) => Verdict::Ask,
        (true, false) => Verdict::Allow,
        (false, false) => Verdict::Deny,
    };
    let right = |right| match right {
        Access::EXEC if granted(Access::EXEC) => or(true, asked(&[""])),
        change if change.changes() => {
            let by_reading = granted(change) && asked(&["read"]);
            or(granted(change), asked(&["", "write"]) || by_reading)
        }
        Access::READ => {
            let by_writing = !granted(Access::READ) && asked(&["write"]);
            or(granted(Access::READ), asked(&["", "read"]) || by_writing)
        }
        _ => Verdict::Deny,
    };
    let verdicts: Vec<_> = access.iter().map(right).collect();
    [Verdict::Deny, Verdict::Ask].into_iter().find(|worst| verdicts.contains(worst)).unwrap_or(Verdict::Allow)
}

fn words() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let word = prop_oneof![
        select(vec!["git", "push", "a/b", "x", "*", "**", "", "a b", "\"", "\\"])
            .prop_map(|word| word.as_bytes().to_vec()),
        vec(1u8.., 0..6),
    ];
    (select(vec!["git", "/usr/bin/git", "x"]), vec(word, 0..5))
        .prop_map(|(first, rest)| std::iter::once(first.as_bytes().to_vec()).chain(rest).collect())
}

fn argv_pattern() -> impl Strategy<Value = String> {
    let token = select(vec!["push", "*", "**", "a/*", "a/**", "x", "\"a b\""]);
    (select(vec!["git", "*", "/usr/bin/git", "g*"]), vec(token, 0..4))
        .prop_map(|(first, rest)| std::iter::once(first).chain(rest).collect::<Vec<_>>().join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decides_with_questions_as_the_oracle(
        lines in vec(line(), 0..10),
        asks in vec(ask(), 0..4),
        paths in vec(path(), 1..8),
        access in access(),
    ) {
        let policy = with_asks(&lines, &asks).unwrap();
        prop_assert_eq!(policy.counts().1, asks.len());
        for path in &paths {
            let decision = decide(&policy, path, access);
            prop_assert_eq!(decision.verdict, wanted(&lines, &asks, path, access), "{}", path);
            if decision.verdict == Verdict::Ask {
                let rule = policy.rule(decision.rule);
                prop_assert!(rule.key == "files.ask" && covers(&rule.text, path), "{} by {}", path, rule.name);
            }
        }
    }

    #[test]
    fn a_question_more_gives_nothing(
        lines in vec(line(), 0..10),
        asks in vec(ask(), 0..3),
        more in ask(),
        paths in vec(path(), 1..8),
        access in access(),
    ) {
        let before = with_asks(&lines, &asks).unwrap();
        let mut asks = asks;
        asks.push(more);
        let after = with_asks(&lines, &asks).unwrap();
        for path in &paths {
            let (was, is) = (decide(&before, path, access), decide(&after, path, access).verdict);
            let same_or_asked = is == was.verdict || is == Verdict::Ask;
            prop_assert!(same_or_asked, "{}: {:?} became {:?}", path, was, is);
            // What a written rule denies is not even asked about.
            prop_assert!(was.verdict != Verdict::Deny || was.rule == RuleId::DEFAULT || is == Verdict::Deny, "{}", path);
        }
    }

    #[test]
    fn questions_are_carve_outs(lines in vec(line(), 0..8), asks in vec(ask(), 1..4), path in path()) {
        let policy = with_asks(&lines, &asks).unwrap();
        let asked = decide(&policy, &path, Access::READ).verdict == Verdict::Ask;
        prop_assert!(!asked || !allowed(&lines, &path, Access::READ) || policy.carves_reads());
        if policy.protected(path.as_bytes()) {
            let names = crate::parts(&path);
            for end in 0..names.len() {
                let dir = format!("/{}", names[..end].join("/"));
                let known = policy.carves_beneath(dir.as_bytes()) || policy.floating_beneath(dir.as_bytes());
                // Beneath a tree that is asked about as a whole, moving the directory is the question.
                let asked = decide(&policy, &dir, Access::WRITE).verdict == Verdict::Ask;
                let denied = decide(&policy, &dir, Access::WRITE).verdict == Verdict::Deny;
                prop_assert!(known || asked || denied, "{} above {}", dir, path);
            }
        }
    }

    #[test]
    fn no_proposal_is_wider_than_its_rule(
        asks in vec(ask(), 1..4),
        path in path(),
        others in vec(path(), 1..20),
        access in access(),
    ) {
        let grants = vec![("write", "/**".to_owned(), Vec::new()), ("exec", "/**".to_owned(), Vec::new())];
        let policy = with_asks(&grants, &asks).unwrap();
        let decision = decide(&policy, &path, access);
        if decision.verdict != Verdict::Ask {
            return Ok(());
        }
        let rights = policy.asked_rights(path.as_bytes(), access);
        let file = Wanted::File { path: path.as_bytes(), access: rights };
        let choices = policy.choices(decision.rule, &file);
        prop_assert!(rights.contains(Access::EXEC) || (1..=4).contains(&choices.len()), "{choices:?}");
        for (key, text) in choices {
            let kept = Kept::parse(key, &text, b"", &Vars::default()).unwrap();
            prop_assert!(kept.covers(&file));
            for other in &others {
                let covered = kept.covers(&Wanted::File { path: other.as_bytes(), access: Access::READ });
                prop_assert!(!covered || covers(&policy.rule(decision.rule).text, other), "{} covers {}", text, other);
            }
        }
    }

    #[test]
    fn command_lines_are_asked_about_and_answered_as_written(
        pattern in argv_pattern(),
        argv in words(),
        other in words(),
        denied in any::<bool>(),
    ) {
        let deny = if denied { "deny = ['git']\n" } else { "" };
        let text = |ask: &str| format!("version = 1\n[files]\nexec = ['/usr/**']\n[exec]\n{deny}ask = [{ask}]\n");
        let (plain, asking) = (load(&text("")).unwrap(), load(&text(&format!("'{pattern}'"))).unwrap());
        let path = b"/usr/bin/git";
        let (was, is) = (plain.decide_exec(path, &argv), asking.decide_exec(path, &argv));
        prop_assert!(is.verdict == was.verdict || was.verdict == Verdict::Allow && is.verdict == Verdict::Ask);
        if is.verdict != Verdict::Ask {
            return Ok(());
        }
        let program = Wanted::Exec { path, argv: &argv };
        let choices = asking.choices(is.rule, &program);
        prop_assert!((1..=4).contains(&choices.len()), "{choices:?}");
        for (index, (key, text)) in choices.iter().enumerate() {
            let kept = Kept::parse(key, text, path, &Vars::default()).unwrap();
            prop_assert!(kept.covers(&program), "{}", text);
            let covered = kept.covers(&Wanted::Exec { path, argv: &other });
            prop_assert!(!covered || asking.decide_exec(path, &other).verdict == Verdict::Ask, "{} covers {:?}", text, other);
            // The narrowest is this command line alone.
            prop_assert!(index > 0 || !covered || argv[1..] == other[1..], "{} covers {:?}", text, other);
        }
    }

    #[test]
    fn no_answer_beats_a_deny(ip in any::<u32>(), port in 1u16.., none in any::<bool>()) {
        let address = std::net::SocketAddr::from((std::net::Ipv4Addr::from(ip), port));
        let allow = if none { "\"none\"" } else { "[\"10.0.0.0/8\"]" };
        let policy = load(&format!("version = 1\n[network]\nallow = {allow}\nask = [\"all\"]")).unwrap();
        let decision = policy.decide_net(govsh::policy::NetOp::Connect, &address);
        // What no general rule means is not asked about either.
        let never = matches!(Class::of(address.ip(), Some(port)), Class::Metadata | Class::Special(_));
        prop_assert_eq!(decision.verdict == Verdict::Ask, !never);
        if decision.verdict == Verdict::Ask {
            let choices = policy.choices(decision.rule, &Wanted::Net(govsh::policy::Reach::to(govsh::policy::NetOp::Connect, address)));
            prop_assert_eq!(choices.len(), 3);
            prop_assert_eq!(&choices[2].1, "all");
        }
    }

    #[test]
    fn no_text_of_questions_makes_the_reader_panic(text in "\\PC{0,60}") {
        for key in ["[files]", "[exec]", "[network]"] {
            let _ = load(&format!("version = 1\n{key}\nask = [{text:?}]"));
        }
        let _ = govsh::policy::check_answers("x", &text);
        let _ = govsh::policy::check_answers(
            "x",
            &format!("version = 1\n[[answers]]\nask = \"exec\"\nmatch = {text:?}\nprogram = \"/x\"\nverdict = \"allow\""),
        );
    }
}
