//! The summary of a small session, and of a hostile one.

use std::sync::Arc;

use super::*;
use crate::event::{Answer, Ask, By, Credential, CredentialUse, Dns, Http, Proc, ProcOp, Scope, Tunnel, TunnelOp, Via};
use crate::policy::Layer;

fn judged(kind: Kind, op: &'static str, access: Access, verdict: Verdict, path: &str) -> Event {
    Event::Judged(Judged {
        kind,
        op,
        pid: 11,
        access,
        path: path.into(),
        path2: Vec::new(),
        addr: None,
        host: None,
        port: 0,
        argv: Vec::new(),
        verdict,
        rule: Arc::from("\"~/.ssh/**\" agent.toml:18"),
        layer: Layer::Shipped,
        via: Via::Brokered,
        errno: if verdict == Verdict::Deny { libc::EACCES } else { 0 },
        duration: 6_000,
    })
}

fn exec(pid: i32, parent: i32, exe: &str) -> Event {
    let argv = vec![exe.as_bytes().to_vec(), b"-x".to_vec()];
    Event::Proc(Box::new(Proc {
        pid,
        parent,
        op: ProcOp::Exec,
        exe: exe.into(),
        argv,
        argv_cut: false,
        cwd: b"/home/u/shop".to_vec(),
        exit: None,
        signal: None,
        digest: None,
    }))
}

fn summary(events: Vec<Event>) -> Summary {
    let mut summary = Summary::default();
    for (n, event) in (0u64..).zip(events) {
        summary.feed(&Stamped { seq: n, t: n * 1_000_000_000, event });
    }
    summary
}

fn small() -> Summary {
    let connect = judged(Kind::Net, "connect", Access::empty(), Verdict::Allow, "");
    let Event::Judged(mut connect) = connect else { panic!("made above") };
    connect.addr = Some("10.0.0.1:443".parse().expect("an address"));
    summary(vec![
        exec(10, 1, "/usr/bin/bash"),
        exec(11, 10, "/usr/bin/cat"),
        judged(Kind::File, "openat", Access::READ, Verdict::Deny, "/home/u/.ssh/id_rsa"),
        judged(Kind::File, "openat", Access::READ, Verdict::Deny, "/home/u/.ssh/id_rsa"),
        judged(Kind::File, "openat", Access::WRITE, Verdict::Allow, "/home/u/shop/a|`\n"),
        judged(Kind::File, "openat", Access::READ, Verdict::Allow, "/usr/lib/x"),
        Event::Judged(connect),
        Event::Exit { status: 0, signal: None },
    ])
}

#[test]
fn denials_come_first_then_what_to_type() {
    let [first, second] = small().closing_lines(Some("k3f9"), b"/home/u");
    assert_eq!(first, "2 denied: read ~/.ssh/id_rsa (cat) · 7.0s · 2 programs · 1 file written · 1 host: 10.0.0.1");
    assert_eq!(second, "look at it: govsh replay k3f9 --denied");
}

#[test]
fn programs_are_a_tree() {
    let summary = small();
    let kept = summary.programs.kept();
    assert_eq!((kept[0].parent, kept[1].parent), (None, Some(0)));
    assert_eq!(summary.programs.names(), [(&b"bash"[..], 1), (&b"cat"[..], 1)]);
}

#[test]
fn markdown_cannot_be_broken_out_of() {
    let text = step_summary(&small(), b"/home/u");
    assert!(text.contains("| 00:02 | `read ~/.ssh/id_rsa` ×2 | `cat` | `\"~/.ssh/**\" agent.toml:18` |"), "{text}");
    assert!(text.contains("1 file written: `~/shop` 1"), "{text}");
}

#[test]
fn a_hostile_agent_costs_bounded_memory_and_every_denial_counts() {
    let mut summary = Summary::default();
    for n in 0..20_000u64 {
        let path = format!("/{n}/{}", "x".repeat(8_000));
        let denied = judged(Kind::File, "open", Access::READ, Verdict::Deny, &path);
        summary.feed(&Stamped { seq: n, t: n, event: denied });
        summary.feed(&Stamped { seq: n, t: n, event: exec(n as i32, 0, &path) });
        summary.feed(&Stamped { seq: n, t: n, event: Event::Alert { pid: 1, what: path } });
    }
    assert_eq!(summary.denied.total(), 20_000);
    assert_eq!(summary.denied.beyond(), 19_000);
    assert!(summary.denied.kept().iter().all(|denial| denial.object.len() <= 1 << 10));
    assert_eq!((summary.programs.total(), summary.programs.kept().len()), (20_000, 4_096));
    assert_eq!((summary.alerts.total, summary.alerts.first.len()), (20_000, NOTES));
}

#[test]
fn what_ps_asks_of_every_process_is_one_line_and_what_is_absent_none() {
    let asked = |path| judged(Kind::File, "open", Access::READ, Verdict::Deny, path);
    let absent = |rule: &str| {
        let Event::Judged(judged) = asked("/.cargo/config") else { panic!("made above") };
        Event::Judged(Judged { errno: libc::ENOENT, rule: Arc::from(rule), ..judged })
    };
    let asked = ["/proc/1/environ", "/proc/4711/environ", "/proc/self/environ"].map(asked);
    let summary = summary(asked.into_iter().chain([absent("default"), absent("\"/.cargo/**\" x.toml:1")]).collect());
    let kept: Vec<_> = summary.denied.kept().iter().map(|denial| (denial.what(b"", 60), denial.count)).collect();
    let line = |what: &str, count| (what.to_owned(), count);
    assert_eq!(
        kept,
        [line("read /proc/*/environ", 2), line("read /proc/self/environ", 1), line("read /.cargo/config", 1)]
    );
    assert_eq!(summary.denied.total(), 4);
}

#[test]
fn what_a_written_rule_refused_is_named_before_what_nothing_allowed() {
    let by = |path, rule: &str| {
        let Event::Judged(denied) = judged(Kind::File, "open", Access::READ, Verdict::Deny, path) else {
            panic!("made above")
        };
        Event::Judged(Judged { rule: Arc::from(rule), ..denied })
    };
    let mut events: Vec<Event> = ["/a", "/b", "/c"].into_iter().map(|path| by(path, "default")).collect();
    events.extend([by("/d", "built-in: x"), by("/key", "\"~/.ssh/**\" agent.toml:18")]);
    let [first, _] = summary(events).closing_lines(None, b"");
    assert!(first.starts_with("5 denied: read /key, read /a, "), "{first}");
}

fn tunnel(id: u64, op: TunnelOp, host: &str, up: u64, down: u64) -> Event {
    Event::Tunnel(Box::new(Tunnel {
        id,
        op,
        pid: 11,
        addr: "192.0.2.7:443".parse().ok(),
        host: Some(Arc::from(host)),
        port: 443,
        sni: Some(host.to_owned()),
        verdict: Verdict::Allow,
        rule: Arc::from("r"),
        layer: Layer::User,
        up,
        down,
        duration: 1_000_000,
        end: if op == TunnelOp::Close { "closed" } else { "" },
    }))
}

fn network() -> Summary {
    let connect = |host: &str, verdict| {
        let Event::Judged(judged) = judged(Kind::Net, "connect", Access::empty(), verdict, "") else {
            panic!("made above")
        };
        let addr = "192.0.2.7:443".parse().ok();
        Event::Judged(Judged { addr, host: Some(Arc::from(host)), ..judged })
    };
    let dns = |name: &str, verdict| {
        Event::Dns(Box::new(Dns {
            pid: 0,
            name: name.to_owned(),
            qtype: 1,
            verdict,
            rule: Arc::from("default"),
            layer: Layer::BuiltIn,
            rcode: "NXDOMAIN",
            answers: Vec::new(),
            duration: 0,
        }))
    };
    let http = |path: &str, verdict| {
        Event::Http(Box::new(Http {
            tunnel: 1,
            pid: 11,
            host: Arc::from("api.test"),
            port: 443,
            method: "GET".to_owned(),
            path: path.to_owned(),
            status: 200,
            verdict,
            rule: Arc::from("\"GET\" a.toml:3"),
            layer: Layer::User,
            up: 0,
            down: 5,
            duration: 1,
        }))
    };
    let credential = |what| {
        let (name, host) = (Arc::from("github"), Arc::from("api.test"));
        Event::Credential(Box::new(Credential { name, tunnel: 1, pid: 11, host, what }))
    };
    summary(vec![
        exec(11, 1, "/usr/bin/curl"),
        dns("api.test", Verdict::Allow),
        connect("api.test", Verdict::Allow),
        tunnel(1, TunnelOp::Open, "api.test", 0, 0),
        http("/a", Verdict::Allow),
        http("/b", Verdict::Deny),
        credential(CredentialUse::Used),
        credential(CredentialUse::PlaceholderBlocked),
        tunnel(1, TunnelOp::Flow, "api.test", 10, 2_000),
        connect("api.test", Verdict::Allow),
        dns("Evil.test", Verdict::Deny),
        connect("evil.test", Verdict::Deny),
        tunnel(1, TunnelOp::Close, "api.test", 100, 4_000),
        tunnel(2, TunnelOp::Close, "www.test", 1, 9_000),
    ])
}

#[test]
fn places_are_told_by_name_with_their_bytes_and_refusals() {
    let summary = network();
    let places: Vec<_> = summary.reached.places();
    let told: Vec<_> = places
        .iter()
        .map(|(spot, visit)| (spot.place(), visit.count, visit.denied, visit.up, visit.down, visit.requests))
        .collect();
    let row = |place: &str, count, denied, up, down, requests| (place.to_owned(), count, denied, up, down, requests);
    assert_eq!(
        told,
        [
            row("www.test:443", 1, 0, 1, 9_000, 0),
            row("api.test:443", 2, 1, 100, 4_000, 2),
            row("evil.test", 0, 1, 0, 0, 0),
            row("evil.test:443", 0, 1, 0, 0, 0),
        ]
    );
    let (_, api) = places[1];
    assert_eq!((api.first, &api.addrs[..]), (2_000_000_000, &["192.0.2.7".parse().expect("an address")][..]));
    assert_eq!(api.programs, [b"curl".to_vec()]);
    assert_eq!((summary.reached.hosts(), summary.denied.total()), (2, 4));
    let held: Vec<_> =
        summary.credentials.kept().map(|(name, host, held)| (name, host, held.used, held.blocked)).collect();
    assert_eq!(held, [("github", "api.test", 1, 1)]);
    let [first, _] = summary.closing_lines(None, b"");
    assert!(first.contains("2 hosts: www.test, api.test, 101 B out, 13 kB in"), "{first}");
    assert!(
        first.starts_with("4 denied: request GET api.test:443/b (curl), connect evil.test:443 (curl), "),
        "{first}"
    );
    assert!(summary.denied.kept().iter().any(|denial| denial.what(b"", 60) == "lookup Evil.test"));
}

fn ask(id: u64, line: &str) -> Event {
    Event::Ask(Box::new(Ask {
        id,
        of: Kind::Exec,
        op: "execve",
        access: Access::EXEC,
        path: b"/usr/bin/git".to_vec(),
        path2: Vec::new(),
        addr: None,
        host: None,
        port: 0,
        argv: line.split(' ').map(|word| word.as_bytes().to_vec()).collect(),
        pid: 11,
        ancestry: Vec::new(),
        cwd: b"/home/u".to_vec(),
        rule: Arc::from("ask \"git push **\" a.toml:3"),
        layer: Layer::User,
        reason: String::new(),
        choices: Vec::new(),
        file: String::new(),
        timeout: 60_000_000_000,
    }))
}

fn answer(ask: u64, verdict: Verdict, by: By) -> Event {
    let who = if by == By::Terminal { "u@pts/3" } else { "" };
    let hint = if by == By::Nobody { "use govsh watch" } else { "" };
    Event::Answer(Box::new(Answer {
        ask,
        verdict,
        scope: Scope::Once,
        by,
        who: who.to_owned(),
        waited: 6_000_000_000,
        rule: String::new(),
        hint: hint.to_owned(),
        screen: None,
        calls: 1,
    }))
}

#[test]
fn questions_are_told_with_what_became_of_them() {
    let summary = summary(vec![
        ask(1, "git push origin a"),
        ask(2, "git push origin b"),
        answer(2, Verdict::Deny, By::Nobody),
        answer(1, Verdict::Allow, By::Terminal),
        ask(3, "git push origin c"),
    ]);
    let told: Vec<_> =
        summary.asked.kept().iter().map(|one| format!("{}: {}", one.what(b"", 60), one.outcome())).collect();
    assert_eq!(
        told,
        [
            "run git push origin a: allowed once after 6.0s, u@pts/3 on its terminal",
            "run git push origin b: denied: nobody was there to ask",
            "run git push origin c: not answered",
        ]
    );
    let [line, _] = summary.closing_lines(None, b"");
    assert!(
        line.starts_with("nothing denied · 3 questions, nobody there to answer (hint: use govsh watch) · "),
        "{line}"
    );
}
