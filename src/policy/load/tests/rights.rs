//! Rights one by one, and names that a directory may fold.

use super::*;

fn rights(policy: &Policy, path: &str) -> &'static str {
    let granted = |right: &Access| may(policy, path, *right);
    Access::all().iter().filter(granted).collect::<Access>().words()
}

#[test]
fn rights_are_granted_one_by_one() {
    let policy = load(
        "[files]\nallow = [{ path = '/a/**', access = ['read', 'create'] }, { path = '/b', access = 'write' }, { path = '/c', access = ['exec'] }]",
    );
    assert_eq!([rights(&policy, "/a/x"), rights(&policy, "/c")], ["read create", "read exec"]);
    assert_eq!(rights(&policy, "/b"), "write create delete rename change");
    // Together they are one request: what is missing refuses it.
    assert!(!may(&policy, "/a/x", Access::CREATE | Access::DELETE));
}

#[test]
fn rights_are_taken_away_one_by_one() {
    let policy = load(
        "[files]\nwrite = ['/a/**']\ndeny = [{ path = '/a/log/**', access = ['delete', 'write'], except = ['/a/log/tmp'] }, { path = '/a/r', access = 'write' }, { path = '/a/h', hide = true }]",
    );
    assert_eq!(rights(&policy, "/a/log/x"), "read create rename change");
    assert_eq!([rights(&policy, "/a/log/tmp"), rights(&policy, "/a/r")], [rights(&policy, "/a/x"), "read"]);
    assert_eq!(policy.refused_rights(b"/a/log/x"), Access::WRITE | Access::DELETE);
    assert!(policy.hides(b"/a/h/x") && !policy.hides(b"/a/r") && rights(&policy, "/a/h/x").is_empty());
    // Reading is not touched: the kernel may do it. What hides is no such rule.
    assert!(policy.carves_reads() && policy.tells_changes_apart());
    let text = "[files]\nread = ['/a/**']\ndeny = [{ path = '/a/x', access = ['delete'] }]";
    assert!(!load(text).carves_reads());
}

#[test]
fn rights_are_asked_about_one_by_one() {
    let policy = load("[files]\nwrite = ['/a/**']\nask = [{ path = '/a/x', access = ['delete'], once = 'directory' }]");
    let asked = |right| policy.decide_file(b"/a/x", right).verdict == Verdict::Ask;
    assert!(asked(Access::DELETE) && !asked(Access::WRITE) && !asked(Access::READ));
    let rule = policy.decide_file(b"/a/x", Access::DELETE).rule;
    let kept = policy.holds_once(rule, b"/a/x", Access::DELETE).expect("it asks once");
    let covers =
        |path: &str| kept.covers(&crate::policy::Wanted::File { path: path.as_bytes(), access: Access::DELETE });
    assert!(covers("/a/x") && covers("/a/y") && !covers("/a") && !covers("/a/d/x"));
    assert!(policy.reason(rule).contains("directory until the session ends"));
}

#[test]
fn rights_that_say_nothing_are_refused() {
    for wrong in [
        "allow = ['/a']",
        "allow = [{ path = '/a' }]",
        "allow = [{ path = '/a', access = [] }]",
        "allow = [{ path = '/a', access = ['all'] }]",
        "allow = [{ path = '/a', access = 'read', hide = true }]",
        "read = [{ path = '/a', access = 'read' }]",
        "deny = [{ path = '/a', access = 'write', hide = true }]",
        "ask = [{ path = '/a', once = 'day' }]",
    ] {
        let source = source("x.toml", &format!("[files]\n{wrong}"), Layer::User);
        assert!(Policy::load(source, &Disk::default(), &vars()).is_err(), "{wrong}");
    }
}

#[test]
fn names_that_a_directory_may_take_for_a_protected_one_are_doubtful() {
    let policy = load("[files]\nwrite = ['/w/**']\ndeny = ['**/.env', '/w/Keys/*.Pem']");
    let doubtful = |path: &str| policy.is_doubtful(path.as_bytes());
    assert!(doubtful("/w/.ENV") && doubtful("/W/.Env") && doubtful("/w/keys/A.PEM") && doubtful("/w/.Git/config"));
    assert!(doubtful("/w/\u{212a}eys/x.pem"));
    assert!(
        !policy.is_doubtful(b"/w/src/main.rs")
            && !policy.is_doubtful(b"/w/.env")
            && !policy.is_doubtful(b"/w/Keys/x.Pem")
    );
}

#[test]
fn directories_within_the_reach_of_the_same_rules_are_alike() {
    let policy = load(
        "[files]\nwrite = ['/w/**']\ndeny = ['**/.env', { path = '**/*.key', except = ['**/fixtures/**'] }, '/w/a/*/x']",
    );
    assert!(policy.alike(b"/w/b/c", b"/w/d") && policy.alike(b"/w/b/node_modules/.x-1", b"/w/b/node_modules/x"));
    assert!(
        !policy.alike(b"/w/b/fixtures", b"/w/d") && !policy.alike(b"/w/a/c", b"/w/d") && !policy.alike(b"/w/d", b"/x")
    );
    assert!(!policy.alike(b"/w/d/.git", b"/w/d/x"));
}
