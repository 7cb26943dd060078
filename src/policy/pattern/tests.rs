//! What patterns mean, and which texts are none.

use super::*;

fn vars() -> Vars {
    Vars { home: b"/home/u".into(), workdir: b"/home/u/src".into(), tmp: b"/tmp".into(), ..Vars::default() }
}

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text, &vars()).unwrap()
}

fn reason(text: &str) -> String {
    Pattern::parse(text, &vars()).unwrap_err().reason
}

#[test]
fn reads_anchors() {
    assert_eq!(pattern("~"), Pattern::literal(b"/home/u", false));
    assert_eq!(pattern("~/.ssh/**"), Pattern::literal(b"/home/u/.ssh", true));
    assert_eq!(pattern("${workdir}/a"), Pattern::literal(b"/home/u/src/a", false));
    assert_eq!(pattern("/"), Pattern::literal(b"/", false));
    assert_eq!(pattern("/**"), Pattern::literal(b"/", true));
    assert_eq!(pattern("/a\\[1\\]"), Pattern::literal(b"/a[1]", false));
}

#[test]
fn refuses_what_it_could_only_misread() {
    assert_eq!(reason(""), "empty pattern");
    assert_eq!(reason("src/**"), "pattern 'src/**' is relative");
    assert_eq!(reason("**"), "'**' alone matches every path");
    assert_eq!(reason("**/**"), "'**' alone matches every path");
    assert_eq!(reason("/a/"), "pattern ends in '/'");
    assert_eq!(reason("~/"), "pattern ends in '/'");
    assert_eq!(reason("/a//b"), "'//' in a pattern");
    assert_eq!(reason("/a/../b"), "'..' in a pattern");
    assert_eq!(reason("/a**/b"), "'**' is not a whole segment");
    assert_eq!(reason("/*.{key,pem}"), "'{' in a pattern");
    assert_eq!(reason("~root/x"), "only one's own home is known: '~user' is not");
    assert_eq!(reason("${home}/x"), "unknown variable '${home}'");
    assert_eq!(reason("${session}/x"), "'${session}' has no value here");
}

#[test]
fn matches_single_paths() {
    let yes = [
        ("/a/**", "/a"),
        ("/a/**", "/a/b/c"),
        ("**/.env", "/.env"),
        ("**/.env", "/x/y/.env"),
        ("/a/*/c", "/a/b/c"),
        ("/a/**/c", "/a/c"),
        ("/a/**/c/**", "/a/x/c/d"),
        ("/**/**", "/"),
        ("/*.pem", "/x.pem"),
        ("/a*b*c", "/aXbYc"),
        ("/**", "/"),
    ];
    let no = [
        ("/a/**", "/ab"),
        ("**/.env", "/x/.env/y"),
        ("/a/*/c", "/a/b/x/c"),
        ("/*.pem", "/a/x.pem"),
        ("/ab*ba", "/aba"),
        ("/a", "/a/b"),
        ("/a/*", "/a"),
    ];
    assert!(yes.iter().all(|(p, path)| pattern(p).matches(path.as_bytes())));
    assert!(!no.iter().any(|(p, path)| pattern(p).matches(path.as_bytes())));
}

#[test]
fn knows_what_meets() {
    let yes = [
        ("/a/**", "/a/b/c"),
        ("**/.env", "/usr/**"),
        ("/a/*/x", "/a/b/**"),
        ("/a/**/z", "/a/b/*"),
        ("/a", "/**"),
        ("/a/*.pem", "/a/k*"),
        ("/x/**/a", "/x/**/a/**"),
    ];
    let no = [("/a/**", "/b/**"), ("**/.env", "/usr"), ("/a/*.pem", "/a/x.key"), ("/a/b", "/a"), ("/a/*.x", "/a/*.y")];
    for (a, b) in yes {
        assert!(pattern(a).meets(&pattern(b)) && pattern(b).meets(&pattern(a)), "{a} {b}");
    }
    for (a, b) in no {
        assert!(!pattern(a).meets(&pattern(b)) && !pattern(b).meets(&pattern(a)), "{a} {b}");
    }
}
