//! What is folded, and what never is.

use proptest::prelude::*;

use super::super::tests::story::{CWD, HOME, Story, judged};
use super::*;

fn bearings() -> Bearings {
    Bearings { home: HOME.to_vec(), cwd: CWD.to_vec() }
}

fn told(story: &Story) -> Vec<String> {
    let rows = rows(&story.events, |stamped| !is_routine(&stamped.event), &bearings());
    rows.iter().map(|row| format!("{} {} {}{} {}", row.kind, row.verb, row.text, row.sign, row.count)).collect()
}

#[test]
fn a_build_is_a_line_for_each_place() {
    let mut story = Story::default();
    for at in 0..107 {
        story.file(1, Access::READ, &format!("/home/ada/src/shop/src/deep/{at}.rs"), 7);
        story.file(1, Access::WRITE, &format!("/home/ada/src/shop/target/debug/deps/{at}.o"), 7);
        story.file(1, Access::WRITE, &format!("/home/ada/src/shop/target/debug/build/{at}"), 7);
        story.file(1, Access::READ, &format!("/usr/lib/rustlib/{at}"), 7);
        story.file(1, Access::READ, "/etc/ld.so.cache", 7);
    }
    assert_eq!(told(&story), ["file r src/deep/… 107", "file w target/debug/… 214", "file r /usr/lib/… /etc/… 214",]);
}

#[test]
fn what_was_refused_is_never_among_others() {
    let mut story = Story::default();
    let denied =
        |path: &str| judged(Kind::File, 7, |judged| (judged.path, judged.verdict) = (path.into(), Verdict::Deny));
    story.file(1, Access::READ, "/home/ada/.cargo/a/x", 7).then(1, denied("/home/ada/.ssh/id_rsa"));
    story.then(1, denied("/home/ada/.ssh/id_rsa")).then(1, denied("/home/ada/.ssh/id_ed25519"));
    story.file(1, Access::READ, "/home/ada/.cargo/a/y", 7).file(1, Access::READ, "/home/ada/.netrc", 7);
    assert_eq!(
        told(&story),
        [
            "file r ~/.cargo/a/x 1",
            "file r ~/.ssh/id_rsa✘ 2",
            "file r ~/.ssh/id_ed25519✘ 1",
            "file r ~/.cargo/a/y 1",
            "file r ~/.netrc 1",
        ]
    );
}

#[test]
fn what_is_telling_stands_alone_even_when_it_was_allowed() {
    let mut story = Story::default();
    let write = Access::WRITE;
    story.file(1, write, "/home/ada/src/shop/.git/objects/1", 7).file(1, write, "/home/ada/src/shop/.git/objects/2", 7);
    story.file(1, write, "/home/ada/src/shop/.git/hooks/pre-commit", 7).file(
        1,
        write,
        "/home/ada/src/shop/.git/config",
        7,
    );
    story.file(1, Access::READ, "/home/ada/src/shop/.git/config", 7).file(
        1,
        Access::READ,
        "/home/ada/src/shop/x/.env",
        7,
    );
    assert_eq!(
        told(&story),
        ["file rw .git/… 3", "file w .git/hooks/pre-commit 1", "file w .git/config 1", "file r x/.env 1",]
    );
}

#[test]
fn names_are_changed_one_by_one_unless_it_is_the_same() {
    let mut story = Story::default();
    for to in ["b", "b", "c"] {
        story.then(
            1,
            judged(Kind::File, 7, |judged| {
                (judged.op, judged.access) = ("rename", Access::WRITE);
                judged.path = b"/home/ada/src/shop/a".to_vec();
                judged.path2 = [b"/home/ada/src/shop/", to.as_bytes()].concat();
            }),
        );
    }
    assert_eq!(told(&story), ["file rename a → b 2", "file rename a → c 1"]);
}

proptest! {
    #[test]
    fn every_event_is_counted_once(picks in prop::collection::vec((0usize..9, 0usize..5, any::<bool>()), 0..200)) {
        let mut story = Story::default();
        for (pick, name, denied) in picks {
            let dirs = ["/usr/lib/a", "/usr/b", "/etc", "/home/ada", "/home/ada/src/shop", "/home/ada/src/shop/x", "/", "rel", ""];
            let path = format!("{}/{name}", dirs[pick]);
            let verdict = if denied && name == 0 { Verdict::Deny } else { Verdict::Allow };
            story.then(1, judged(Kind::File, 7, |judged| (judged.path, judged.verdict) = (path.into(), verdict)));
        }
        let rows = rows(&story.events, |_| true, &bearings());
        prop_assert_eq!(rows.iter().map(|row| row.count).sum::<u64>(), story.events.len() as u64);
        let denied = |event: &Event| matches!(event, Event::Judged(judged) if judged.verdict == Verdict::Deny);
        let refused: u64 = rows.iter().filter(|row| row.sign == "✘").map(|row| row.count).sum();
        prop_assert_eq!(refused, story.events.iter().filter(|stamped| denied(&stamped.event)).count() as u64);
        prop_assert!(rows.iter().all(|row| row.seq[0] <= row.seq[1] && row.t[0] <= row.t[1]));
    }
}
