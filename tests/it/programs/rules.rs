//! `[exec]` against the ways around it.

use crate::bench::Bench;

const ECHO: &str = "[exec]\ndeny = ['echo push **']";

#[track_caller]
fn refused(bench: &Bench, line: &str, rule: &str) {
    let ran = bench.sh(line);
    assert!(ran.denied(rule), "{line}: no denial by {rule}: {} {}\n{:?}", ran.stdout, ran.stderr, ran.events);
    assert!(!ran.stdout.contains("reached"), "{line}: {}", ran.stdout);
}

#[track_caller]
fn allowed(bench: &Bench, line: &str) {
    let ran = bench.sh(line);
    assert!(ran.stdout.contains("reached"), "{line}: {} {}", ran.stdout, ran.stderr);
}

#[test]
fn a_command_line_is_denied_whoever_starts_it() {
    let bench = Bench::new(ECHO);
    for line in [
        "/usr/bin/echo push reached",
        "/bin/echo push reached",
        "env echo push reached",
        "env -S 'echo push reached'",
        "env -i /usr/bin/echo push reached",
        "nice xargs /usr/bin/echo push reached </dev/null",
        "sh -c '/usr/bin/echo push reached'",
        "bash -c 'exec -a harmless /usr/bin/echo push reached'",
        "/usr/bin/echo -n --x y push reached",
        "exec 3</usr/bin/echo; /proc/self/fd/3 push reached",
        "ln -s /usr/bin/echo ./harmless; ./harmless push reached",
        "bash -c 'exec -a echo /usr/bin/printf push reached'",
        "printf '#!/usr/bin/echo push\\n' > s; chmod +x s; ./s reached",
    ] {
        refused(&bench, line, "echo push **");
    }
    for line in ["/usr/bin/echo pull reached", "/usr/bin/echo reached push", "/usr/bin/printf 'push reached'"] {
        allowed(&bench, line);
    }
    // As the manual says: a copy is another program.
    allowed(&bench, "cp /usr/bin/echo ./other; ./other push reached");
}

#[test]
fn only_what_is_named_runs() {
    let bench =
        Bench::new("[exec]\nallow = ['sh', 'dash', 'echo **', 'hello', '{work}/tools/**']\ndeny = ['echo no **']");
    bench.program("work/hello", b"#!/bin/bash\necho reached\n");
    allowed(&bench, "/usr/bin/echo reached");
    // Its interpreter is not named, and reads nothing else.
    allowed(&bench, "./hello");
    for line in ["ls; echo", "/bin/bash -c 'echo reached'", "bash -c 'exec -a echo ls /'", "env echo reached"] {
        refused(&bench, line, "not in exec.allow");
    }
    refused(&bench, "/usr/bin/echo no reached", "echo no **");
    // The command itself is no exception.
    let ran = bench.run(&["/usr/bin/true"]);
    assert_eq!(ran.status, Some(126), "{}", ran.stderr);
    assert!(ran.stderr.contains("not in exec.allow"), "{}", ran.stderr);
}

#[test]
fn scripts_are_judged_by_interpreter_and_by_script() {
    let bench = Bench::new("[exec]\ndeny = ['{work}/deploy.sh', 'perl', 'tool.sh prod **']");
    for name in ["work/deploy.sh", "work/tool.sh"] {
        bench.program(name, b"#!/bin/sh\necho reached\n");
    }
    bench.program("work/by-perl", b"#!/usr/bin/perl\nprint 'reached';\n");
    for line in
        ["./deploy.sh", "sh deploy.sh", "bash -x ./deploy.sh", "sh -e -o nounset deploy.sh", "ln -s deploy.sh a; sh a"]
    {
        refused(&bench, line, "deploy.sh");
    }
    refused(&bench, "./by-perl", "\"perl\"");
    refused(&bench, "./tool.sh prod", "tool.sh prod **");
    refused(&bench, "bash tool.sh prod", "tool.sh prod **");
    allowed(&bench, "./tool.sh test");
    // As the manual says: what is read from a pipe is no program.
    allowed(&bench, "cat deploy.sh | sh");
}

#[test]
fn applets_are_programs() {
    let bench = Bench::new("[exec]\ndeny = ['wget']");
    let echo = std::fs::read("/usr/bin/echo").expect("echo");
    bench.program("work/busybox", &echo);
    std::os::unix::fs::symlink("busybox", bench.path("work/wget")).expect("a link");
    for line in ["./busybox wget reached", "./busybox busybox wget reached", "./wget reached"] {
        refused(&bench, line, "wget");
    }
    allowed(&bench, "./busybox ls reached wget");
}

#[test]
fn the_loader_runs_nothing_that_may_not_run() {
    let bench = Bench::new(ECHO);
    let loader = std::fs::canonicalize(
        ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"]
            .iter()
            .find(|p| std::path::Path::new(p).exists())
            .expect("a loader"),
    )
    .expect("a loader");
    let loader = loader.display();
    let outside = bench.program("out/echo", &std::fs::read("/usr/bin/echo").expect("echo"));
    allowed(&bench, &format!("{loader} /usr/bin/echo reached"));
    refused(&bench, &format!("{loader} /usr/bin/echo push reached"), "echo push **");
    refused(&bench, &format!("{loader} --argv0 x --inhibit-cache /usr/bin/echo push reached"), "echo push **");
    refused(&bench, &format!("{loader} --library-path /usr/bin echo push reached"), "echo push **");
    refused(&bench, &format!("{loader} --library-path /usr/bin printf reached"), "loader without its path");
    refused(&bench, &format!("{loader} {} reached", outside.display()), "default");
    refused(&bench, &format!("{loader} {loader} /usr/bin/echo push reached"), "echo push **");
    refused(&bench, &format!("ln -s /usr/bin/echo l; {loader} ./l push reached"), "echo push **");
}
