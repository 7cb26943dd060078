//! Questions about command lines and connections.

use std::io::Read;
use std::net::TcpListener;

use crate::lab::{Lab, choices, text};

const PUSH: &str = "[exec]\nask = [{ argv = \"echo push **\", reason = \"leaves the house\" }]\n";

#[test]
fn whoever_starts_it_is_asked() {
    let lab = Lab::new(PUSH);
    let script = "/bin/echo pull; env echo push a/b; sh -c '/bin/echo push c'; cd other; /bin/echo push a/b";
    let (session, mut person) = lab.attended(&[], script);
    let question = person.one();
    assert_eq!(question["argv"], serde_json::json!(["echo", "push", "a/b"]));
    assert_eq!(choices(&question), ["exec echo push a/b", "exec echo push a/**", "exec echo push **"]);
    assert_eq!((&question["reason"], &question["cwd"]), (&"leaves the house".into(), &text(&lab.path("work")).into()));
    person.answer(&question, "allow", "once", 0);
    for ask in [2, 3] {
        let question = person.until(|list| list.len() == 1 && list[0]["ask"] == ask).remove(0);
        person.answer(&question, if ask == 2 { "deny" } else { "allow" }, "once", 0);
    }
    let (out, _) = session.end();
    assert!(out.starts_with("pull\npush a/b\npush a/b\nsh: "), "{out}");
    let runs = lab.events("exec");
    let asked = runs.iter().filter(|run| run["rule"].as_str().is_some_and(|rule| rule.contains("(ask ")));
    let verdicts: Vec<_> = asked.map(|run| run["verdict"].as_str().expect("text")).collect();
    assert_eq!(verdicts, ["allow", "deny", "allow"]);
}

#[test]
fn an_answer_for_a_session_a_program_or_never() {
    let lab = Lab::new(PUSH);
    let (session, mut person) = lab.attended(&[], "for n in 1 2 3; do /bin/echo push x$n; done; /bin/echo push y z");
    person.until(|list| list.len() == 1);
    let question = person.one();
    person.answer(&question, "allow", "session", 1);
    let wide = person.until(|list| list.len() == 1 && list[0]["argv"][2] == "y").remove(0);
    person.answer(&wide, "allow", "program", 0);
    assert_eq!(session.end().0, "push x1\npush x2\npush x3\npush y z\n");
    let (session, mut person) = lab.attended(&[], "/bin/echo push 1; /bin/echo push 2 2>/dev/null; echo done");
    let question = person.one();
    person.answer(&question, "deny", "never", 0);
    let (out, _) = session.end();
    assert!(out.starts_with("done\n"), "{out}");
    assert_eq!(lab.events("ask").len(), 1);
}

#[test]
fn always_is_kept_for_that_program() {
    let lab = Lab::new(PUSH);
    let (session, mut person) = lab.attended(&[], "/bin/echo push x");
    let question = person.one();
    let file = question["file"].as_str().expect("text");
    assert!(file.ends_with(".toml") && file.contains("govsh/answers/policy-"), "{file}");
    person.answer(&question, "allow", "always", 2);
    assert_eq!(session.end().0, "push x\n");
    let kept = std::fs::read_to_string(lab.answers().expect("kept")).expect("readable");
    assert!(kept.contains("match = \"echo push **\"\nprogram = \"/usr/bin/echo\"\nverdict = \"allow\"\n"), "{kept}");
    // Another program under that name asks.
    std::fs::copy("/bin/cat", lab.path("work/echo")).expect("copied");
    let (session, mut person) = lab.attended(&[], "/bin/echo push y; ./echo push z");
    let question = person.one();
    assert_eq!(question["path"], text(&lab.path("work/echo")));
    person.answer(&question, "deny", "once", 0);
    assert!(session.end().0.starts_with("push y\nsh: "));
    let shown = lab.govsh(&["policy", "show", &text(&lab.path("policy.toml")), "--effective"]).output().expect("runs");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("\nanswers\n  echo push **") && shown.contains("\nexec.ask\n  echo push **"), "{shown}");
    assert!(shown.contains("ask 2\n"), "{shown}");
}

#[test]
fn the_command_that_was_started_is_not_asked_about() {
    let lab = Lab::new(PUSH);
    let session = lab.start(&[], &["echo", "push", "x"]);
    assert_eq!(session.end(), ("push x\n".to_owned(), 0));
}

#[test]
fn connections_wait_for_an_answer() {
    let outside = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = outside.local_addr().expect("bound").port();
    let lab = Lab::new("[network]\nallow = \"none\"\nask = [\"127.0.0.0/8\"]\n");
    let connect = format!(
        "import socket\nfor port in ({port}, {port}):\n  try:\n    s = socket.create_connection(('127.0.0.1', port)); s.send(b'hello'); s.close(); print('sent')\n  except OSError as e: print(e.strerror)\n"
    );
    lab.write("work/connect.py", &connect);
    let (session, mut person) = lab.attended(&[], "python3 connect.py");
    let question = person.one();
    assert_eq!((&question["of"], &question["addr"]), (&"net".into(), &format!("127.0.0.1:{port}").into()));
    let told = choices(&question);
    assert_eq!(told, [format!("network 127.0.0.1:{port}"), "network 127.0.0.1".into(), "network 127.0.0.0/8".into()]);
    person.answer(&question, "allow", "once", 0);
    let again = person.until(|list| list.len() == 1 && list[0]["ask"] == 2).remove(0);
    person.answer(&again, "deny", "once", 0);
    assert_eq!(session.end().0, "sent\nConnection refused\n");
    let mut got = String::new();
    outside.accept().expect("it came").0.read_to_string(&mut got).expect("text");
    assert_eq!(got, "hello");
}
