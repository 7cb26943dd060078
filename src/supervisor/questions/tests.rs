//! Questions without a session: who answers what, and what holds afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::*;
use crate::bus::{Tap, bus};
use crate::event::{Choice, Kind, Stamped};
use crate::policy::{Access, Layer, RuleId};

const LONG: Duration = Duration::from_secs(60);

fn subject(line: &str) -> Subject {
    Subject {
        of: Kind::Exec,
        op: "exec",
        access: Access::EXEC,
        path: b"/usr/bin/git".to_vec(),
        path2: Vec::new(),
        addr: None,
        host: None,
        port: 0,
        argv: line.split(' ').map(|word| word.as_bytes().to_vec()).collect(),
        cwd: b"/work".to_vec(),
        about: Vec::new(),
    }
}

fn ask(subject: &Subject) -> Ask {
    let choice = |text: &str| Choice { key: "exec".to_owned(), text: text.to_owned() };
    Ask {
        id: 0,
        of: subject.of,
        op: subject.op,
        access: subject.access,
        path: subject.path.clone(),
        path2: Vec::new(),
        addr: None,
        host: None,
        port: 0,
        argv: subject.argv.clone(),
        pid: 7,
        ancestry: vec![subject.argv.clone()],
        cwd: subject.cwd.clone(),
        rule: Arc::from("ask \"git push **\" a.toml:3"),
        layer: Layer::User,
        reason: String::new(),
        choices: vec![
            choice(&subject.argv.iter().map(|w| String::from_utf8_lossy(w)).collect::<Vec<_>>().join(" ")),
            choice("git push **"),
        ],
        file: String::new(),
        timeout: 0,
    }
}

struct Bench {
    questions: Questions,
    tap: Tap,
    here: Option<Attendance>,
}

impl Bench {
    fn new(timeout: Duration) -> Bench {
        let (bus, tap) = bus(Instant::now());
        let questions = Questions::new(bus, timeout, "~/answers.toml".to_owned());
        let here = Some(questions.attend());
        Bench { questions, tap, here }
    }

    fn events(&mut self) -> Vec<Event> {
        let mut batch: Vec<Stamped> = Vec::new();
        let _ = self.tap.take(&mut batch, Duration::ZERO);
        batch.into_iter().map(|stamped| stamped.event).collect()
    }

    /// A call on a thread of its own; `still` says what its process does: 0 waits, 1 signalled, 2 gone.
    fn call(&self, line: &str, rule: u32, still: &Arc<AtomicU8>) -> JoinHandle<Outcome> {
        let (questions, subject, still) = (self.questions.clone(), subject(line), Arc::clone(still));
        std::thread::spawn(move || {
            let make = || ask(&subject);
            let put = Put {
                subject: subject.clone(),
                rule: RuleId(rule),
                program: b"/usr/bin/git".to_vec(),
                once: Vec::new(),
                ask: &make,
            };
            questions.ask(&put, &mut || match still.load(Ordering::Relaxed) {
                0 => Still::Waits,
                1 => Still::Signalled,
                _ => Still::Gone,
            })
        })
    }

    fn waits(&self, line: &str) -> JoinHandle<Outcome> {
        self.call(line, 1, &Arc::new(AtomicU8::new(0)))
    }

    /// The list once it satisfies `wanted`.
    fn until(&self, wanted: impl Fn(&[Waiting]) -> bool) -> Vec<Waiting> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let waiting = self.questions.waiting();
            if wanted(&waiting) {
                return waiting;
            }
            assert!(Instant::now() < deadline, "{waiting:?}");
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    fn one(&self) -> Waiting {
        self.until(|waiting| waiting.len() == 1).remove(0)
    }
}

fn reply(verdict: Verdict, scope: Scope, choice: usize) -> Reply {
    Reply { verdict, scope, choice, by: By::Terminal, who: "u@pts/3".to_owned(), screen: Some(3), rule: String::new() }
}

fn verdict(call: JoinHandle<Outcome>) -> Verdict {
    match call.join().expect("no panic") {
        Outcome::Given(given) => given.verdict,
        other => panic!("{other:?}"),
    }
}

#[test]
fn identical_calls_are_one_question_and_the_first_answer_wins() {
    let mut bench = Bench::new(LONG);
    let calls = [bench.waits("git push a"), bench.waits("git push a"), bench.waits("git push a")];
    let waiting = bench.until(|waiting| waiting.len() == 1 && waiting[0].calls == 3).remove(0);
    assert_eq!(bench.questions.answer(1, reply(Verdict::Allow, Scope::Once, 0)), Ok(()));
    let late = bench.questions.answer(1, reply(Verdict::Deny, Scope::Once, 0)).expect_err("too late");
    let by = Refused::Answered { ask: 1, by: By::Terminal, who: "u@pts/3".to_owned(), verdict: Verdict::Allow };
    assert_eq!(late, by);
    assert_eq!(late.to_string(), "question 1 is already answered: allowed by u@pts/3");
    assert_eq!(bench.questions.answer(9, reply(Verdict::Allow, Scope::Once, 0)), Err(Refused::Unknown(9)));
    assert!(calls.into_iter().all(|call| verdict(call) == Verdict::Allow));
    let events = bench.events();
    let [Event::Ask(asked), Event::Answer(answer)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((asked.id, asked.timeout, asked.file.as_str()), (1, 60_000_000_000, "~/answers.toml"));
    assert_eq!((waiting.seq, answer.calls, answer.screen, answer.by), (Some(0), 3, Some(3), By::Terminal));
    // Once is once.
    let again = bench.waits("git push a");
    assert_eq!(bench.one().ask.id, 2);
    bench.questions.close();
    assert_eq!(verdict(again), Verdict::Deny);
}

#[test]
fn a_session_answer_holds_for_its_pattern_and_answers_what_waits() {
    let bench = Bench::new(LONG);
    let (a, b, c) = (bench.waits("git push a"), bench.waits("git push b"), bench.waits("git fetch b"));
    let waiting = bench.until(|waiting| waiting.len() == 3);
    let a_id = waiting.iter().find(|one| one.ask.argv[2] == b"a").expect("it waits").ask.id;
    assert!(bench.questions.answer(a_id, reply(Verdict::Allow, Scope::Session, 7)).is_err());
    bench.questions.answer(a_id, reply(Verdict::Allow, Scope::Session, 1)).expect("open");
    assert_eq!((verdict(a), verdict(b)), (Verdict::Allow, Verdict::Allow));
    assert_eq!(verdict(bench.waits("git push c")), Verdict::Allow);
    assert_eq!(bench.one().ask.argv[1], b"fetch");
    bench.questions.close();
    assert_eq!(verdict(c), Verdict::Deny);
}

#[test]
fn the_narrow_choice_is_narrow() {
    let bench = Bench::new(LONG);
    let a = bench.waits("git push a");
    bench.questions.answer(bench.one().ask.id, reply(Verdict::Allow, Scope::Session, 0)).expect("open");
    assert_eq!((verdict(a), verdict(bench.waits("git push a"))), (Verdict::Allow, Verdict::Allow));
    let b = bench.waits("git push b");
    bench.questions.answer(bench.one().ask.id, reply(Verdict::Deny, Scope::Once, 0)).expect("open");
    assert_eq!(verdict(b), Verdict::Deny);
}

#[test]
fn never_is_a_denial_for_all_the_rule_asks_about_and_program_a_permission() {
    let bench = Bench::new(LONG);
    let a = bench.waits("git push a");
    bench.questions.answer(bench.one().ask.id, reply(Verdict::Allow, Scope::Never, 0)).expect("open");
    assert_eq!((verdict(a), verdict(bench.waits("git push b"))), (Verdict::Deny, Verdict::Deny));
    let still = Arc::new(AtomicU8::new(0));
    let other = bench.call("git push a", 2, &still);
    bench.questions.answer(bench.one().ask.id, reply(Verdict::Allow, Scope::Program, 0)).expect("open");
    assert_eq!((verdict(other), verdict(bench.call("git push z", 2, &still))), (Verdict::Allow, Verdict::Allow));
}

#[test]
fn time_runs_out_and_nobody_is_there() {
    let mut bench = Bench::new(Duration::from_millis(80));
    assert_eq!(verdict(bench.waits("git push a")), Verdict::Deny);
    bench.here = None;
    assert_eq!(
        (verdict(bench.waits("git push b")), verdict(bench.waits("git push b"))),
        (Verdict::Deny, Verdict::Deny)
    );
    let answers = bench.events().into_iter().filter_map(|event| match event {
        Event::Answer(answer) => Some((answer.by, answer.calls, !answer.hint.is_empty())),
        _ => None,
    });
    assert_eq!(answers.collect::<Vec<_>>(), [(By::Timeout, 1, false), (By::Nobody, 0, true)]);
}

#[test]
fn a_signal_does_not_ask_twice_and_a_death_withdraws() {
    let bench = Bench::new(LONG);
    let still = Arc::new(AtomicU8::new(0));
    let call = bench.call("git push a", 1, &still);
    let first = bench.one();
    still.store(1, Ordering::Relaxed);
    assert_eq!(call.join().expect("no panic"), Outcome::Signalled);
    still.store(0, Ordering::Relaxed);
    let again = bench.call("git push a", 1, &still);
    bench.until(|waiting| waiting.len() == 1 && waiting[0].calls == 1 && waiting[0].ask.id == first.ask.id);
    // Answered while it is away, it finds the answer.
    still.store(1, Ordering::Relaxed);
    assert_eq!(again.join().expect("no panic"), Outcome::Signalled);
    bench.questions.answer(first.ask.id, reply(Verdict::Allow, Scope::Once, 0)).expect("open");
    still.store(0, Ordering::Relaxed);
    assert_eq!(verdict(bench.call("git push a", 1, &still)), Verdict::Allow);
    let last = bench.call("git push a", 1, &still);
    let id = bench.one().ask.id;
    assert_eq!(id, 2);
    still.store(2, Ordering::Relaxed);
    assert_eq!(last.join().expect("no panic"), Outcome::Gone);
    let gone = bench.questions.answer(id, reply(Verdict::Allow, Scope::Once, 0));
    assert!(matches!(gone, Err(Refused::Answered { by: By::Withdrawn, .. })), "{gone:?}");
}

#[test]
fn a_burst_is_bounded_and_said_once() {
    let mut bench = Bench::new(LONG);
    let calls: Vec<_> = (0..200).map(|n| bench.waits(&format!("git push {n}"))).collect();
    bench.until(|waiting| waiting.len() == 32);
    let denied = || calls.iter().filter(|call| call.is_finished()).count();
    let deadline = Instant::now() + Duration::from_secs(20);
    while denied() < 168 {
        assert!(Instant::now() < deadline);
        std::thread::park_timeout(Duration::from_millis(1));
    }
    for waiting in bench.questions.waiting() {
        bench.questions.answer(waiting.ask.id, reply(Verdict::Allow, Scope::Once, 0)).expect("open");
    }
    let allowed = calls.into_iter().map(verdict).filter(|verdict| *verdict == Verdict::Allow).count();
    assert!((32..=40).contains(&allowed), "{allowed}");
    let said = bench.events().iter().filter(|event| matches!(event, Event::Limit { .. })).count();
    assert_eq!(said, 1);
}

#[test]
fn listeners_hear_of_changes_and_may_go() {
    use std::io::Read;
    let bench = Bench::new(LONG);
    let mut ear = std::os::unix::net::UnixStream::from(bench.questions.changed().expect("a pair"));
    drop(bench.questions.changed().expect("a pair"));
    let call = bench.waits("git push a");
    let id = bench.one().ask.id;
    let mut eight = [0; 8];
    let deadline = Instant::now() + Duration::from_secs(20);
    while ear.read_exact(&mut eight).is_err() {
        assert!(Instant::now() < deadline);
    }
    bench.questions.answer(id, reply(Verdict::Allow, Scope::Once, 0)).expect("open");
    assert_eq!(verdict(call), Verdict::Allow);
    assert!(ear.read_exact(&mut eight).is_ok());
}

#[test]
fn a_call_of_a_server_does_not_wait_as_long_as_its_client_would() {
    let put_by = |questions: &Questions, timeout_of: Kind| {
        let (questions, mut subject) = (questions.clone(), subject("github tool create"));
        subject.of = timeout_of;
        std::thread::spawn(move || {
            let make = || ask(&subject);
            let program = b"github".to_vec();
            let put = Put { subject: subject.clone(), rule: RuleId(1), program, once: Vec::new(), ask: &make };
            questions.ask(&put, &mut || Still::Waits)
        })
    };
    // Clients give up after a minute: the user's own time is cut to less, and a shorter one is left as it is.
    for (own, of, seconds) in [(90, Kind::Mcp, 45), (90, Kind::Exec, 90), (7, Kind::Mcp, 7)] {
        let bench = Bench::new(Duration::from_secs(own));
        let waits = put_by(&bench.questions, of);
        let waiting = bench.until(|waiting| waiting.len() == 1);
        assert_eq!(waiting[0].ask.timeout, seconds * 1_000_000_000, "{own} {of:?}");
        bench.questions.close();
        assert!(matches!(waits.join().unwrap(), Outcome::Given(given) if given.verdict == Verdict::Deny));
    }
    let bench = Bench::new(Duration::from_millis(20));
    let Outcome::Given(given) = put_by(&bench.questions, Kind::Mcp).join().unwrap() else { unreachable!("it ran out") };
    assert_eq!((given.verdict, given.words.as_str()), (Verdict::Deny, "no answer in 0 s"));
}
