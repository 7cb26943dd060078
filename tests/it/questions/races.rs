//! Memory and names that change while a question is open, or after its answer: the answer holds for what was asked.

use crate::lab::Lab;

/// A thread that keeps swapping the path in the memory that the other thread opens by.
const SWAP: &str = r"
import ctypes, os, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
tries, good, bad = int(sys.argv[1]), b'secret/a', b'secret/z'
memory = ctypes.create_string_buffer(good)
stop = False
def swap():
    while not stop:
        ctypes.memmove(memory, bad, len(bad))
        ctypes.memmove(memory, good, len(good))
thread = threading.Thread(target=swap)
thread.start()
counts = {}
for _ in range(tries):
    fd = libc.open(memory, os.O_RDONLY)
    if fd < 0:
        what = 'refused'
    else:
        what = os.read(fd, 3).decode()
        os.close(fd)
    counts[what] = counts.get(what, 0) + 1
stop = True
thread.join()
print('AAA' in counts, counts.get('ZZZ', 0), sum(counts.values()))
";

#[test]
fn ten_thousand_swapped_pointers_win_nothing() {
    let lab = Lab::new("[files]\nask = [\"${workdir}/secret/a\", \"${workdir}/secret/z\"]\n");
    lab.write("work/swap.py", SWAP);
    let (session, mut person) = lab.attended(&[], "python3 swap.py 10000");
    // One is allowed for the session, the other never.
    for _ in 0..2 {
        let question = person.one();
        let allowed = question["path"].as_str().is_some_and(|path| path.ends_with("/a"));
        let (verdict, scope) = if allowed { ("allow", "session") } else { ("deny", "never") };
        person.answer(&question, verdict, scope, 0);
        person.until(|list| list.is_empty() || list[0]["ask"] != question["ask"]);
    }
    assert_eq!(session.end().0, "True 0 10000\n");
}

#[test]
fn a_pointer_that_is_swapped_while_somebody_thinks_asks_anew() {
    let lab = Lab::new("[files]\nask = [\"${workdir}/secret/a\", \"${workdir}/secret/z\"]\n");
    lab.write("work/swap.py", SWAP);
    let (session, mut person) = lab.attended(&[], "python3 swap.py 12; touch other/done");
    let mut seen = 0;
    while !lab.path("work/other/done").exists() {
        let Some(question) = person.questions().into_iter().next() else { continue };
        let allowed = question["path"].as_str().is_some_and(|path| path.ends_with("/a"));
        person.answer(&question, if allowed { "allow" } else { "deny" }, "once", 0);
        seen += 1;
    }
    let (out, _) = session.end();
    assert!(out.ends_with(" 0 12\n"), "{out}");
    assert!(seen >= 12, "{seen}");
}

/// Processes that run a program while another thread keeps changing its last argument.
const SWAP_ARGUMENT: &str = r"
import ctypes, os, sys, threading
libc = ctypes.CDLL(None)
word = ctypes.create_string_buffer(b'ok')
echo, push = ctypes.create_string_buffer(b'echo'), ctypes.create_string_buffer(b'push')
argv = (ctypes.c_void_p * 4)(ctypes.addressof(echo), ctypes.addressof(push), ctypes.addressof(word), None)
env = (ctypes.c_void_p * 1)(None)
def swap():
    while True:
        ctypes.memmove(word, b'no', 2)
        ctypes.memmove(word, b'ok', 2)
for _ in range(int(sys.argv[1])):
    pid = os.fork()
    if pid == 0:
        threading.Thread(target=swap, daemon=True).start()
        libc.execve(b'/bin/echo', argv, env)
        os._exit(1)
    os.waitpid(pid, 0)
";

#[test]
fn an_argument_that_is_changed_after_the_answer_runs_nothing() {
    let lab = Lab::new("[exec]\nask = [\"echo push **\"]\n");
    lab.write("work/swap.py", SWAP_ARGUMENT);
    let mut allowed = 0;
    for _ in 0..3 {
        let (session, mut person) = lab.attended(&[], "python3 swap.py 300");
        let mut answered = 0;
        while answered < 2 {
            let Some(question) = person.try_questions() else { break };
            let Some(question) = question.into_iter().next() else { continue };
            let verdict = if question["argv"][2] == "ok" { "allow" } else { "deny" };
            person.try_say(serde_json::json!({
                "op": "answer", "ask": question["ask"], "verdict": verdict, "scope": "session", "choice": 0,
            }));
            answered += 1;
        }
        let (out, status) = session.end();
        assert!(!out.contains("push no"), "{out}");
        allowed += out.matches("push ok").count();
        // Either every swap came too early, or the session died of the first that came between answer and start.
        let alerts = lab.events("alert");
        let told = alerts.iter().any(|alert| alert["what"].as_str().is_some_and(|what| what.contains("push no")));
        assert!(status == 0 || told, "{status}: {alerts:?}");
    }
    assert!(allowed > 0, "nothing that was allowed ran");
}
