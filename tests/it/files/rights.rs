//! Rights by access, as the kernel's callers see them.

use crate::lab::Lab;

const BASE: &str = "extends = [\"agent\"]\n[files]\n";

/// Every line of `script` ends in a word that says how it went.
fn told(lab: &Lab, script: &[(&str, bool)]) {
    let lines: Vec<String> = script
        .iter()
        .enumerate()
        .map(|(n, (line, _))| format!("if ({line}) 2>/dev/null; then echo {n}+; else echo {n}-; fi"))
        .collect();
    let done = lab.run(&lines.join("\n"));
    for (n, (line, works)) in script.iter().enumerate() {
        let sign = if *works { '+' } else { '-' };
        assert!(done.out.lines().any(|said| said == format!("{n}{sign}")), "{line}: {}", done.out);
    }
}

#[test]
fn each_right_is_one_thing() {
    let lab = Lab::new(&format!(
        "{BASE}deny = [\n\
         {{ path = '${{workdir}}/keep/**', access = ['delete', 'rename'] }},\n\
         {{ path = '${{workdir}}/log', access = ['write'] }},\n\
         {{ path = '${{workdir}}/mode', access = 'change' }},\n\
         {{ path = '${{workdir}}/new', access = ['create'] }},\n]\n"
    ));
    for name in ["keep/a", "keep/b", "log", "mode", "free"] {
        lab.write(&format!("work/{name}"), "x\n");
    }
    told(
        &lab,
        &[
            ("echo y > keep/a", true),
            ("echo y > keep/fresh", true),
            ("rm keep/a", false),
            ("mv keep/b keep/c", false),
            // What a rename replaces goes.
            ("echo z > free2 && mv free2 keep/b", false),
            ("chmod 600 keep/b", true),
            ("cat log", true),
            ("echo y >> log", false),
            ("truncate -s 0 log", false),
            // Another file in its place would be other contents.
            ("echo evil > t1 && mv t1 log", false),
            ("echo evil > t2 && ln -f t2 log", false),
            ("ln log other", false),
            ("chmod 600 log", true),
            ("mv log elsewhere", false),
            ("rm log", true),
            ("ln -s /etc/passwd log", false),
            ("echo y > mode", true),
            ("chmod 600 mode", false),
            ("touch -d 2001-01-01 mode", false),
            ("mv mode mode2", false),
            ("echo x > new", false),
            ("mkdir new", false),
            ("mv free new", false),
            ("ln -s x new", false),
            ("mv free free3 && rm free3", true),
        ],
    );
    assert_eq!((lab.read("work/mode"), lab.read("work/keep/b")), ("y\n".to_owned(), "x\n".to_owned()));
    let denied = lab.denials("keep/a");
    assert!(denied.iter().any(|event| event["op"] == "unlink" && event["access"] == "delete"), "{denied:?}");
}

#[test]
fn grants_are_one_by_one() {
    let lab = Lab::new(&format!(
        "{BASE}allow = [\n\
         {{ path = '~/drop/**', access = ['create', 'write'] }},\n\
         {{ path = '~/grow.log', access = ['read', 'write'] }},\n]\n"
    ));
    for name in ["drop/old", "grow.log"] {
        lab.write(&format!("home/{name}"), "x\n");
    }
    told(
        &lab,
        &[
            ("echo y > ~/drop/new", true),
            ("cat ~/drop/new", false),
            ("ls ~/drop", false),
            ("rm ~/drop/old", false),
            ("chmod 777 ~/drop/old", false),
            ("echo y >> ~/grow.log", true),
            // Made only if it is not there.
            ("echo z > ~/grow.log", true),
            ("rm ~/grow.log", false),
            ("echo x > t && mv t ~/grow.log", false),
            ("echo x > ~/other", false),
        ],
    );
    assert_eq!((lab.read("home/grow.log"), lab.read("home/drop/new")), ("z\n".to_owned(), "y\n".to_owned()));
}

#[test]
fn what_is_hidden_is_not_there() {
    let lab =
        Lab::new(&format!("{BASE}deny = [{{ path = '${{workdir}}/vault/**', hide = true }}, '${{workdir}}/shut']\n"));
    lab.write("work/vault/deep/key", "SECRET\n");
    lab.write("work/shut", "SECRET\n");
    lab.write("work/open.txt", "needle\n");
    let done = lab.run("cat vault/deep/key shut; ls vault; echo x > vault/new; rm vault/deep/key; mv vault v2; rg needle; find . -name open.txt");
    let lines: Vec<&str> = done.out.lines().collect();
    assert!(!done.out.contains("SECRET"), "{}", done.out);
    assert!(lines.contains(&"cat: vault/deep/key: No such file or directory"), "{}", done.out);
    assert!(lines.contains(&"cat: shut: Permission denied"), "{}", done.out);
    assert!(lines.contains(&"open.txt:needle") || lines.contains(&"./open.txt"), "{}", done.out);
    assert_eq!(lab.read("work/vault/deep/key"), "SECRET\n");
    assert!(!lab.denials("vault/deep/key").is_empty());
}

#[test]
fn lock_and_temporary_files_beside_a_granted_one_need_no_grant_on_home() {
    // What Claude Code does to its configuration, call by call.
    const DANCE: &str = r#"
import os, sys, time
home = os.path.expanduser("~")
config = home + "/.claude.json"
for n in range(3):
    lock = os.open(config + ".lock", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    temporary = "%s.tmp.%d.%d" % (config, os.getpid(), time.time_ns())
    new = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    os.write(new, b'{"n": %d}\n' % n)
    os.fsync(new)
    os.close(new)
    os.rename(temporary, config)
    os.close(lock)
    os.unlink(config + ".lock")
print("danced")
for name in [".other", ".claude.jsonx", ".bashrc"]:
    try:
        os.open(home + "/" + name, os.O_CREAT | os.O_WRONLY)
        print("made", name)
    except OSError as error:
        print(name, error.errno)
"#;
    let rules = [
        "extends = [\"claude\"]\n",
        // Written out: the file itself, the names beside it and nothing else of the home directory.
        "extends = [\"agent\"]\n[files]\nwrite = ['~/.claude.json', '~/.claude.json.lock', '~/.claude.json.tmp.*']\n",
    ];
    for rules in rules {
        let lab = Lab::new(rules);
        lab.write("home/.claude.json", "{}\n");
        lab.write("work/dance.py", DANCE);
        let done = lab.run("python3 dance.py");
        assert!(done.out.contains("danced\n.other 13\n.claude.jsonx 13\n.bashrc 13\n"), "{}", done.out);
        assert_eq!(lab.read("home/.claude.json"), "{\"n\": 2}\n");
        let left: Vec<_> =
            std::fs::read_dir(lab.path("home")).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().contains("lock")), "{left:?}");
    }
    // The file alone can be replaced too, from wherever writing is allowed on the same file system.
    let lab = Lab::new("extends = [\"agent\"]\n[files]\nwrite = ['~/.claude.json']\n");
    lab.write("home/.claude.json", "{}\n");
    let done = lab.run(
        "echo '{\"a\": 1}' > t && mv t ~/.claude.json && rm ~/.claude.json && echo '{}' > ~/.claude.json && echo done",
    );
    assert!(done.out.contains("done\n"), "{}", done.out);
}
