//! Connections between two in-memory peers.

use std::sync::Mutex;

use tokio::io::{AsyncBufReadExt, BufReader, DuplexStream, duplex};

use super::*;
use crate::policy::mcp::{Moment, Names, Segments, When};
use crate::policy::{RuleId, Verdict};

const MOMENT: Moment = Moment { unix: 0, weekday: 0, minute: 0 };

/// Records what it is told, and answers every question so; None leaves it open.
#[derive(Default)]
struct Witness {
    answer: Option<bool>,
    dropped: Mutex<Vec<String>>,
    open: Mutex<Vec<oneshot::Sender<bool>>>,
}

impl Asks for Witness {
    fn ask(&self, _: Question) -> oneshot::Receiver<bool> {
        let (reply, answer) = oneshot::channel();
        match self.answer {
            Some(allow) => drop(reply.send(allow)),
            None => self.open.lock().unwrap().push(reply),
        }
        answer
    }
}

impl Tells for Witness {
    fn now(&self) -> Now {
        Now { at: 0, moment: MOMENT, terminal: false }
    }

    fn told(&self, _: Told) {}

    fn changed(&self, _: Changed) {}

    fn pin(&self, _: Pinned) {}

    fn dropped(&self, side: Side, what: &str) {
        self.dropped.lock().unwrap().push(format!("{side:?}: {what}"));
    }
}

fn rules(effect: Verdict) -> Arc<[McpRule]> {
    let every = || vec![Segments::parse("**")];
    Arc::new([McpRule {
        rule: RuleId(0),
        id: "r".into(),
        effect,
        servers: every(),
        names: Names { tools: every(), resources: every(), prompts: every(), methods: every() },
        arguments: Vec::new(),
        forbids_others: false,
        rate: None,
        when: When::default(),
        reason: String::new(),
        cedar: None,
    }])
}

struct Bench {
    client: BufReader<DuplexStream>,
    server: BufReader<DuplexStream>,
    ended: tokio::task::JoinHandle<Ended>,
    rules: watch::Sender<Arc<[McpRule]>>,
    witness: Arc<Witness>,
}

fn bench(effect: Verdict, answer: Option<bool>) -> Bench {
    let (client, near) = duplex(4096);
    let (server, far) = duplex(4096);
    let witness = Arc::new(Witness { answer, ..Witness::default() });
    let (sender, receiver) = watch::channel(rules(effect));
    let relay = Relay::new("s", rules(effect));
    let setup = Setup { relay, asks: witness.clone(), tells: witness.clone(), rules: receiver };
    let ended = tokio::spawn(run(near, far, setup));
    Bench { client: BufReader::new(client), server: BufReader::new(server), ended, rules: sender, witness }
}

async fn line(from: &mut BufReader<DuplexStream>) -> String {
    let mut line = String::new();
    time::timeout(Duration::from_secs(60), from.read_line(&mut line)).await.unwrap().unwrap();
    line
}

fn call(id: usize, text: &str) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{{\"name\":\"x\",\"arguments\":{{\"t\":\"{text}\"}}}}}}\n"
    )
}

fn block<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

#[test]
fn a_call_and_its_answer_pass_as_they_are_and_the_end_is_passed_on() {
    block(async {
        let mut bench = bench(Verdict::Allow, None);
        bench.client.write_all(call(1, "a").as_bytes()).await.unwrap();
        assert_eq!(line(&mut bench.server).await, call(1, "a"));
        let answer = "{\"result\":{}, \"jsonrpc\":\"2.0\",\"id\":1}\r\n";
        bench.server.write_all(answer.as_bytes()).await.unwrap();
        assert_eq!(line(&mut bench.client).await, answer);
        bench.client.write_all(b"{\"half").await.unwrap();
        bench.client.shutdown().await.unwrap();
        assert_eq!(line(&mut bench.server).await, "");
        drop(bench.server);
        assert_eq!(line(&mut bench.client).await, "");
        assert_eq!(bench.ended.await.unwrap(), Ended::Server);
        assert_eq!(*bench.witness.dropped.lock().unwrap(), ["Client: 6 bytes of a message without its end"]);
    });
}

#[test]
fn a_side_that_reads_nothing_holds_only_the_other_up() {
    block(async {
        let mut bench = bench(Verdict::Allow, None);
        // The server takes nothing: the client is stopped at some point, and not before.
        let text = "t".repeat(1000);
        let mut sent = 0;
        while time::timeout(Duration::from_millis(300), bench.client.write_all(call(sent, &text).as_bytes()))
            .await
            .is_ok()
        {
            sent += 1;
            assert!(sent < 4000, "all of it is held");
        }
        assert!(sent > 800, "{sent}");
        // What it says passes all the same.
        let word = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}\n";
        bench.server.write_all(word.as_bytes()).await.unwrap();
        assert_eq!(line(&mut bench.client).await, word);
    });
}

#[test]
fn a_question_parks_one_call_and_no_other() {
    block(async {
        let mut bench = bench(Verdict::Ask, None);
        bench.client.write_all(call(1, "a").as_bytes()).await.unwrap();
        bench.client.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}\n").await.unwrap();
        assert_eq!(line(&mut bench.server).await, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}\n");
        let reply = bench.witness.open.lock().unwrap().pop().unwrap();
        reply.send(true).unwrap();
        assert_eq!(line(&mut bench.server).await, call(1, "a"));
        bench.client.write_all(call(3, "b").as_bytes()).await.unwrap();
        let cancel = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":3}}\n";
        bench.client.write_all(cancel.as_bytes()).await.unwrap();
        bench.client.write_all(call(4, "c").as_bytes()).await.unwrap();
        bench.client.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"ping\"}\n").await.unwrap();
        assert!(line(&mut bench.server).await.contains("ping"));
        let mut open = std::mem::take(&mut *bench.witness.open.lock().unwrap());
        assert!(open[0].is_closed() && !open[1].is_closed());
        drop(open.remove(1));
        assert!(line(&mut bench.client).await.contains("Denied by policy r"));
    });
}

#[test]
fn other_rules_hold_for_the_next_message() {
    block(async {
        let mut bench = bench(Verdict::Allow, None);
        bench.client.write_all(call(1, "a").as_bytes()).await.unwrap();
        assert_eq!(line(&mut bench.server).await, call(1, "a"));
        bench.rules.send(rules(Verdict::Deny)).unwrap();
        bench.client.write_all(call(2, "b").as_bytes()).await.unwrap();
        let denied = line(&mut bench.client).await;
        assert!(denied.contains("\"id\":2") && denied.contains("Unknown tool"), "{denied}");
    });
}

#[test]
fn a_server_that_dies_ends_it_after_its_last_word() {
    block(async {
        let mut bench = bench(Verdict::Allow, None);
        bench.client.write_all(call(1, "a").as_bytes()).await.unwrap();
        assert_eq!(line(&mut bench.server).await, call(1, "a"));
        let answer = "{\"result\":{},\"jsonrpc\":\"2.0\",\"id\":1}\n";
        bench.server.write_all(answer.as_bytes()).await.unwrap();
        drop(bench.server);
        assert_eq!(line(&mut bench.client).await, answer);
        assert_eq!(line(&mut bench.client).await, "");
        assert_eq!(bench.ended.await.unwrap(), Ended::Server);
    });
}
