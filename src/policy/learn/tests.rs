//! Requests in, policies out: what a person would write, and the laws that hold for any session.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::policy::{Library, PolicyError, Reach, Source, shipped};

/// A disk without symbolic links, and the shipped profiles.
struct Shipped;

impl Library for Shipped {
    fn load(&self, name: &str, _: &Source) -> Result<Source, PolicyError> {
        shipped::source(name).ok_or_else(|| PolicyError::whole(name, "no such profile", None))
    }

    fn realpath(&self, path: &[u8]) -> Option<Vec<u8>> {
        Some(path.to_vec())
    }
}

fn vars() -> Vars {
    Vars {
        home: b"/home/u".into(),
        workdir: b"/home/u/src/shop".into(),
        tmp: b"/tmp".into(),
        session: b"/run/user/1000/govsh/x/scratch".into(),
        uid: 1000,
        state_dirs: vec![b"/home/u/.local/state/govsh".into(), b"/run/user/1000/govsh".into()],
        ..Vars::default()
    }
}

fn shipped(name: &str, vars: &Vars) -> Policy {
    Policy::load(shipped::source(name).unwrap(), &Shipped, vars).unwrap()
}

/// Floor and base of the usual session, read once.
static USUAL: LazyLock<[Policy; 2]> = LazyLock::new(|| ["learn", "base"].map(|name| shipped(name, &vars())));

fn read_back(text: &str, vars: &Vars) -> Policy {
    let source = Source { name: "learned.toml".into(), text: text.into(), layer: Layer::User, path: None };
    Policy::load(source, &Shipped, vars).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// `rw /path`, with the program that asked.
type Asked = (&'static str, String, &'static str);

fn access(letters: &str) -> Access {
    let bit = |letter| match letter {
        'r' => Access::READ,
        'w' => Access::WRITE | Access::CREATE,
        _ => Access::EXEC,
    };
    letters.chars().map(bit).collect()
}

fn take(lesson: &mut Lesson<'_>, asked: &[Asked]) {
    for (letters, path, program) in asked {
        let request = Request::File { path: path.as_bytes(), access: access(letters) };
        lesson.take(&Past { request, outcome: Outcome::Done, program, times: 1 });
    }
}

/// The policy that comes of these requests, mended until it is sound.
fn learned(asked: &[Asked], vars: &Vars) -> (String, Vec<Line>) {
    learned_on(&[shipped("learn", vars), shipped("base", vars)], asked, vars)
}

fn learned_on([floor, base]: &[Policy; 2], asked: &[Asked], vars: &Vars) -> (String, Vec<Line>) {
    let mut lesson = Lesson::new(floor, base, vars, false);
    take(&mut lesson, asked);
    let mut proposal = propose(std::slice::from_ref(&lesson));
    let header = Header { extends: "base".into(), ..Header::default() };
    for _ in 0..4 {
        let text = write(&header, &proposal);
        if proposal.mend(&lesson, &read_back(&text, vars)) {
            return (text, proposal.lines);
        }
    }
    panic!("not sound: {}", write(&header, &proposal));
}

/// The lines as `key text`.
fn lines(asked: &[(&'static str, &str)]) -> Vec<String> {
    let asked: Vec<Asked> = asked.iter().map(|(letters, path)| (*letters, (*path).to_owned(), "sh")).collect();
    learned(&asked, &vars()).1.iter().map(|line| format!("{} {}", line.key.word(), line.text)).collect()
}

#[test]
fn a_project_is_one_tree() {
    assert_eq!(
        lines(&[("r", "/home/u/src/shop/Cargo.toml"), ("rw", "/home/u/src/shop/target/x"), ("x", "/usr/bin/cargo")]),
        ["files.write ${workdir}/**"]
    );
    assert_eq!(lines(&[("r", "/home/u/src/shop/a")]), ["files.read ${workdir}/**"]);
    assert_eq!(lines(&[("w", "/tmp/x/y"), ("r", "/tmp/z")]), ["files.write ${tmp}/**"]);
}

#[test]
fn an_application_is_one_tree_at_most_one_level_down() {
    let cargo = [
        ("r", "/home/u/.cargo/registry/index/a"),
        ("rw", "/home/u/.cargo/registry/cache/b.crate"),
        ("rw", "/home/u/.cargo/registry/src/c/lib.rs"),
        ("rw", "/home/u/.cargo/registry/src/d/lib.rs"),
        ("rw", "/home/u/.cargo/.package-cache"),
        ("x", "/home/u/.cargo/bin/cargo"),
    ];
    assert_eq!(
        lines(&cargo),
        ["files.write ~/.cargo/.package-cache", "files.write ~/.cargo/registry/**", "files.exec ~/.cargo/bin/cargo",]
    );
}

#[test]
fn what_varies_becomes_a_star_and_nothing_wider_than_an_application() {
    assert_eq!(
        lines(&[("rw", "/home/u/.claude.json.tmp.4711.1763800000000"), ("rw", "/home/u/.claude.json")]),
        ["files.write ~/.claude.json", "files.write ~/.claude.json.tmp.*"]
    );
    let many: Vec<(&str, String)> = (0..40).map(|n| ("r", format!("/home/u/.x{n}"))).collect();
    let many: Vec<(&'static str, &str)> = many.iter().map(|(access, path)| (*access, path.as_str())).collect();
    assert_eq!(lines(&many).len(), 40, "files of the home itself are never `~/**`");
    let etc =
        [("r", "/etc/a"), ("r", "/etc/b"), ("r", "/etc/c"), ("r", "/etc/x/1a"), ("r", "/etc/x/2b"), ("r", "/etc/x/3c")];
    assert_eq!(lines(&etc), ["files.read /etc/a", "files.read /etc/b", "files.read /etc/c", "files.read /etc/x/**"]);
}

#[test]
fn a_home_directory_is_no_project() {
    for workdir in ["/home/u", "/home", "/", "/etc", "/home/u/.config"] {
        let vars = Vars { workdir: workdir.into(), ..vars() };
        let asked = ["/home/u/.config/a/b", "/home/u/Documents/c", "/etc/d"].map(|path| ("rw", path.to_owned(), "sh"));
        let (text, _) = learned(&asked, &vars);
        assert!(!text.contains("${workdir}/**") && !text.contains("\"~/**"), "{workdir}: {text}");
    }
}

#[test]
fn secrets_are_refused_by_name_and_never_part_of_a_tree() {
    let vars = vars();
    let (floor, base) = (shipped("learn", &vars), shipped("base", &vars));
    let mut lesson = Lesson::new(&floor, &base, &vars, true);
    let paths = [
        "/home/u/.ssh/id_rsa",
        "/home/u/src/shop/.env",
        "/home/u/.config/gcloud/x",
        "/home/u/.bashrc",
        "/home/u/.config/gh/a",
        "/home/u/.config/gh/b",
        "/home/u/.config/gh/c",
    ];
    for path in paths {
        let request = Request::File { path: path.as_bytes(), access: Access::READ | Access::WRITE };
        lesson.take(&Past { request, outcome: Outcome::Denied, program: "sh", times: 2 });
    }
    let refused: Vec<&str> = lesson.left.refused.keys().map(String::as_str).collect();
    assert_eq!(
        refused,
        [
            "write /home/u/.bashrc",
            "write /home/u/.config/gcloud/x",
            "write /home/u/.ssh/id_rsa",
            "write /home/u/src/shop/.env"
        ]
    );
    let proposal = propose(&[lesson]);
    let texts: Vec<&str> = proposal.lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, ["~/.config/gh/**"]);
}

#[test]
fn what_is_not_needed_is_left_out() {
    let vars = vars();
    let (floor, base) = (shipped("learn", &vars), shipped("base", &vars));
    let mut lesson = Lesson::new(&floor, &base, &vars, false);
    let request = |path: &'static str| Request::File { path: path.as_bytes(), access: Access::READ };
    for (path, outcome) in [
        ("/home/u/.nothing", Outcome::Absent),
        ("/root/x", Outcome::Failed),
        ("/proc/self/x", Outcome::Own),
        ("/home/u/.denied", Outcome::Denied),
        ("/usr/lib/x", Outcome::Done),
    ] {
        lesson.take(&Past { request: request(path), outcome, program: "sh", times: 3 });
    }
    let Left { base, absent, failed, own, denied, .. } = lesson.left.clone();
    assert_eq!((base, absent, failed, own), (3, 3, 3, 3));
    assert_eq!(denied.into_iter().collect::<Vec<_>>(), [("read /home/u/.denied".to_owned(), 3)]);
    assert!(propose(&[lesson]).lines.is_empty());
}

#[test]
fn addresses_and_sockets_are_what_a_person_would_write() {
    let vars = Vars { env: vec![("SSH_AUTH_SOCK".into(), "/tmp/ssh-a/agent.7".into())], ..vars() };
    let (floor, base) = (shipped("learn", &vars), shipped("base", &vars));
    let mut lesson = Lesson::new(&floor, &base, &vars, false);
    let mut take = |request, outcome| lesson.take(&Past { request, outcome, program: "node", times: 1 });
    let addresses = [
        "127.0.0.1:4000",
        "127.0.0.1:4001",
        "127.0.0.1:4002",
        "[::1]:80",
        "1.1.1.1:443",
        "1.1.1.2:443",
        "1.1.1.3:443",
        "9.9.9.9:53",
        "169.254.169.254:80",
    ];
    for addr in addresses {
        take(Request::Net(Reach::to(NetOp::Connect, addr.parse().unwrap())), Outcome::Done);
    }
    take(Request::Unix { addr: UnixAddr::Path(b"/tmp/ssh-a/agent.7") }, Outcome::Done);
    take(Request::Unix { addr: UnixAddr::Path(b"/run/docker.sock") }, Outcome::Denied);
    let refused: Vec<&str> = lesson.left.refused.keys().map(String::as_str).collect();
    assert_eq!(refused, ["connect to 169.254.169.254:80", "socket /run/docker.sock"]);
    let proposal = propose(&[lesson]);
    let texts: Vec<&str> = proposal.lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, ["ssh-agent", "0.0.0.0/0:443", "127.0.0.1", "9.9.9.9:53", "[::1]:80"]);
}

#[test]
fn the_file_says_who_needed_what_and_cannot_be_broken_out_of() {
    let asked = [
        ("rw", "/home/u/.x/\"]\n\u{202e}*y".to_owned(), "evil\n[files]\nread = [\"/**\"]\nsh"),
        ("x", "/opt/a/b".to_owned(), "sh"),
    ];
    let (text, lines) = learned(&asked, &vars());
    assert_eq!(lines.len(), 2, "{text}");
    let policy = read_back(&text, &vars());
    assert_eq!(policy.decide_file(b"/home/u/.y", Access::READ).verdict, Verdict::Deny, "{text}");
    assert!(text.contains("# sh, once") && !text.contains("\nread = [\"/**\"]"), "{text}");
}

fn name() -> impl Strategy<Value = String> {
    let known = select(vec![
        ".ssh",
        ".env",
        "id_rsa",
        ".config",
        ".cache",
        ".local",
        "share",
        "src",
        "a",
        "b",
        "c",
        "1.2.3",
        "4711",
        "deadbeef01",
        "x*y",
        "key.pem",
        ".cargo",
        "credentials.toml",
        ".git",
        "hooks",
        "target",
        "ä",
        "gcloud",
        "tmp9aZ3bQ",
    ]);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => "[a-z]{1,3}"]
}

fn asked() -> impl Strategy<Value = Asked> {
    let root = select(vec![
        "/home/u",
        "/home/u/.config",
        "/home/u/.cache",
        "/home/u/src/shop",
        "/home/u/.local/share",
        "/tmp",
        "/etc",
        "/opt",
        "/var/lib",
        "/home/v",
        "/srv",
        "",
    ]);
    let path = (root, vec(name(), 1..5)).prop_map(|(root, names)| format!("{root}/{}", names.join("/")));
    (select(vec!["r", "w", "rw", "x", "rx", "rwx"]), path, select(vec!["sh", "cargo", "node"]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Everything that the floor lets through is allowed again, nothing that it refuses is, and the order makes no difference.
    #[test]
    fn what_was_needed_is_allowed_and_no_secret_is((asked, shuffled) in vec(asked(), 1..30).prop_flat_map(|asked| {
        (Just(asked.clone()), Just(asked).prop_shuffle())
    })) {
        let vars = vars();
        let (text, _) = learned_on(&USUAL, &asked, &vars);
        prop_assert_eq!(&text, &learned_on(&USUAL, &shuffled, &vars).0);
        let policy = read_back(&text, &vars);
        for (letters, path, _) in &asked {
            let request = Request::File { path: path.as_bytes(), access: access(letters) };
            let by_floor = USUAL[0].decide(&request).verdict;
            prop_assert_eq!(policy.decide(&request).verdict, by_floor, "{} {}\n{}", letters, path, text);
        }
        for wide in ["/home/u/zz", "/home/u/zz/y", "/etc/zz", "/home/zz", "/zz", "/home/v/zz", "/var/zz", "/home/u/.config/zz"] {
            for access in [Access::READ, Access::WRITE, Access::EXEC] {
                let request = Request::File { path: wide.as_bytes(), access };
                prop_assert_eq!(policy.decide(&request).verdict, Verdict::Deny, "{}\n{}", wide, text);
            }
        }
    }

    /// A name fits the pattern that it becomes.
    #[test]
    fn a_name_fits_what_it_becomes(name in "[a-zA-Z0-9._-]{1,40}") {
        if let Some(pieces) = super::names::varying(&name) {
            let glob = crate::policy::pattern::Glob::new(pieces.into_iter().map(String::into_bytes).collect());
            prop_assert!(glob.matches(name.as_bytes()));
        }
    }
}
