//! Clients of the stub, and a name server that the test controls.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;

use super::*;
use crate::bus::{Tap, bus};
use crate::event::Stamped;
use crate::policy::{Layer, Library, PolicyError, Source, Vars};

struct Bare;

impl Library for Bare {
    fn load(&self, name: &str, _: &Source) -> Result<Source, PolicyError> {
        Err(PolicyError::whole(name, "no such policy", None))
    }

    fn realpath(&self, path: &[u8]) -> Option<Vec<u8>> {
        Some(path.to_vec())
    }
}

fn policy(network: &str) -> Arc<Policy> {
    let text = format!("version = 1\n[network]\n{network}");
    let source = Source { name: "t.toml".into(), text, layer: Layer::User, path: None };
    Arc::new(Policy::load(source, &Bare, &Vars::default()).unwrap())
}

/// Answers what it was given, in turn where there is more than one, and counts.
#[derive(Default)]
struct World {
    answers: HashMap<(&'static str, RecordType), Vec<Vec<RData>>>,
    asked: AtomicU32,
    /// Of these nothing is ever said.
    mute: Vec<&'static str>,
}

impl World {
    fn with(mut self, name: &'static str, addresses: &[&str]) -> World {
        for ip in addresses.iter().map(|ip| ip.parse::<IpAddr>().unwrap()) {
            let (kind, rdata) = match ip {
                IpAddr::V4(ip) => (RecordType::A, RData::A(A(ip))),
                IpAddr::V6(ip) => (RecordType::AAAA, RData::AAAA(AAAA(ip))),
            };
            self.answers.entry((name, kind)).or_insert_with(|| vec![Vec::new()])[0].push(rdata);
        }
        self
    }

    fn then(mut self, name: &'static str, ip: &str) -> World {
        let rdata = RData::A(A(ip.parse().unwrap()));
        self.answers.entry((name, RecordType::A)).or_default().push(vec![rdata]);
        self
    }

    fn reply(&self, question: &Message) -> Option<Vec<u8>> {
        let count = self.asked.fetch_add(1, Ordering::SeqCst);
        let query = question.queries.first()?.clone();
        let name = query.name().to_ascii().to_lowercase();
        let name = name.trim_end_matches('.');
        if self.mute.iter().any(|mute| name.ends_with(mute)) {
            return None;
        }
        let mut reply = Message::response(question.metadata.id, OpCode::Query);
        reply.metadata.recursion_available = true;
        reply.add_query(query.clone());
        let known = self.answers.iter().find(|((known, kind), _)| *known == name && *kind == query.query_type());
        match known {
            Some((_, turns)) => {
                let turn = &turns[(count as usize / 2).min(turns.len() - 1)];
                let record = |rdata: &RData| Record::from_rdata(query.name().clone(), 0, rdata.clone());
                reply.answers = turn.iter().map(record).collect();
            }
            None if self.answers.keys().any(|(known, _)| *known == name) => {}
            None => reply.metadata.response_code = ResponseCode::NXDomain,
        }
        reply.to_vec().ok()
    }
}

struct Set {
    names: Names,
    stub: Stub,
    tap: Tap,
    world: Arc<World>,
}

async fn set(world: World, network: &str) -> Set {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = server.local_addr().unwrap();
    let world = Arc::new(world);
    let there = Arc::clone(&world);
    tokio::spawn(async move {
        let mut buffer = [0; 2_048];
        while let Ok((length, client)) = server.recv_from(&mut buffer).await {
            let question = Message::from_vec(&buffer[..length]).unwrap();
            if let Some(reply) = there.reply(&question) {
                server.send_to(&reply, client).await.unwrap();
            }
        }
    });
    let (bus, tap) = bus(Instant::now());
    let policy = policy(&format!("resolvers = ['{address}']\n{network}"));
    let names = Names::new(Arc::new(ArcSwap::new(policy)), bus);
    let stub = Stub::start(names.clone()).unwrap();
    Set { names, stub, tap, world }
}

impl Set {
    async fn ask(&self, name: &str, kind: RecordType) -> Message {
        let stub = self.stub.address("192.0.2.53:53".parse().unwrap(), false);
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        client.connect(stub).await.unwrap();
        client.send(&question(name, kind)).await.unwrap();
        let mut buffer = [0; 4_096];
        let received = tokio::time::timeout(Duration::from_secs(20), client.recv(&mut buffer)).await;
        Message::from_vec(&buffer[..received.unwrap().unwrap()]).unwrap()
    }

    async fn told(&self, name: &str) -> (ResponseCode, Vec<IpAddr>) {
        let reply = self.ask(name, RecordType::A).await;
        let ips = reply.answers.iter().filter_map(|record| record.data.ip_addr()).collect();
        (reply.metadata.response_code, ips)
    }

    fn events(&mut self) -> Vec<Event> {
        let mut batch: Vec<Stamped> = Vec::new();
        // What was published is there before its reply.
        let _ = self.tap.take(&mut batch, Duration::from_millis(1));
        batch.into_iter().map(|stamped| stamped.event).collect()
    }

    fn looked_up(&mut self) -> Vec<(String, Verdict, &'static str)> {
        let events = self.events();
        let dns = events.into_iter().filter_map(|event| match event {
            Event::Dns(dns) => Some((dns.name, dns.verdict, dns.rcode)),
            _ => None,
        });
        dns.collect()
    }
}

fn question(name: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message.to_vec().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn host(name: &str) -> Host {
    Host::parse(name).unwrap()
}

#[tokio::test]
async fn names_that_may_be_reached_are_answered_and_tied_the_rest_does_not_exist() {
    let world = World::default().with("git.test", &["192.0.2.7", "192.0.2.8"]).with("evil.test", &["192.0.2.66"]);
    let mut set = set(world, "allow = ['git.test:22']").await;
    assert_eq!(set.told("Git.TEST.").await, (ResponseCode::NoError, vec![ip("192.0.2.7"), ip("192.0.2.8")]));
    assert_eq!(set.names.names(ip("192.0.2.8")), [host("git.test")]);
    let asked = set.world.asked.load(Ordering::SeqCst);
    assert_eq!(set.told("evil.test.").await, (ResponseCode::NXDomain, vec![]));
    assert_eq!(set.told("secret.evil.test.").await, (ResponseCode::NXDomain, vec![]));
    assert_eq!(set.world.asked.load(Ordering::SeqCst), asked, "nothing of them left this machine");
    assert_eq!(set.names.names(ip("192.0.2.66")), []);
    let event = |name: &str, verdict, code| (name.to_owned(), verdict, code);
    assert_eq!(
        set.looked_up(),
        [
            event("Git.TEST", Verdict::Allow, "NOERROR"),
            event("evil.test", Verdict::Deny, "NXDOMAIN"),
            event("secret.evil.test", Verdict::Deny, "NXDOMAIN"),
        ]
    );
}

#[tokio::test]
async fn a_name_that_is_asked_about_is_told_to_nobody_before_the_answer() {
    let world = World::default().with("asked.test", &["192.0.2.7"]).with("ok.test", &["192.0.2.8"]);
    let set = set(world, "allow = ['ok.test:443']\nask = ['**']").await;
    let (code, ips) = set.told("asked.test.").await;
    assert!(code == ResponseCode::NoError && ips.len() == 1 && crate::policy::is_stand_in(ips[0]), "{ips:?}");
    assert_eq!(set.names.names(ips[0]), [host("asked.test")]);
    assert_ne!(set.told("other.test.").await.1, ips);
    assert_eq!(set.ask("asked.test.", RecordType::AAAA).await.answers, []);
    assert_eq!(set.world.asked.load(Ordering::SeqCst), 0);
    assert_eq!(set.told("ok.test.").await.1, [ip("192.0.2.8")]);
    // Whoever dials has the answer.
    assert_eq!(set.names.addresses(&host("asked.test")).await.unwrap(), [ip("192.0.2.7")]);
}

#[tokio::test]
async fn one_bad_answer_denies_the_name_and_every_answer_is_looked_at() {
    let world = World::default()
        .with("mixed.test", &["192.0.2.7", "169.254.169.254"])
        .with("other.test", &["192.0.2.7", "::ffff:10.0.0.1"])
        .then("flips.test", "192.0.2.9")
        .then("flips.test", "127.0.0.1");
    let mut set = set(world, "allow = ['*.test:443']").await;
    assert_eq!(set.told("mixed.test.").await, (ResponseCode::NXDomain, vec![]));
    assert_eq!(set.told("other.test.").await, (ResponseCode::NXDomain, vec![]));
    assert_eq!(set.names.names(ip("192.0.2.7")), []);
    assert!(set.names.addresses(&host("mixed.test")).await.is_err());
    set.world.asked.store(0, Ordering::SeqCst);
    assert_eq!(set.told("flips.test.").await, (ResponseCode::NoError, vec![ip("192.0.2.9")]));
    assert_eq!(set.told("flips.test.").await, (ResponseCode::NXDomain, vec![]));
    assert!(set.looked_up().iter().any(|(name, verdict, _)| name == "flips.test" && *verdict == Verdict::Deny));
}

#[tokio::test]
async fn other_types_are_empty_or_not_there_and_leave_nothing() {
    let mut world = World::default().with("ok.test", &["192.0.2.7"]);
    let txt = RData::TXT(TXT::new(vec!["payload".to_owned()]));
    world.answers.insert(("ok.test", RecordType::TXT), vec![vec![txt]]);
    let mut set = set(world, "allow = ['ok.test:443']").await;
    for (kind, code, verdict) in [
        (RecordType::HTTPS, ResponseCode::NoError, Verdict::Allow),
        (RecordType::SRV, ResponseCode::NoError, Verdict::Allow),
        (RecordType::TXT, ResponseCode::NoError, Verdict::Deny),
        (RecordType::NULL, ResponseCode::NotImp, Verdict::Deny),
        (RecordType::ANY, ResponseCode::NotImp, Verdict::Deny),
        (RecordType::AXFR, ResponseCode::NotImp, Verdict::Deny),
    ] {
        let reply = set.ask("ok.test.", kind).await;
        assert_eq!((reply.metadata.response_code, reply.answers.len()), (code, 0), "{kind}");
        assert_eq!(set.looked_up()[0].1, verdict, "{kind}");
    }
    assert_eq!(set.ask("no.test.", RecordType::HTTPS).await.metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(set.world.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_open_policy_answers_what_the_world_says() {
    let mut world = World::default().with("any.test", &["192.0.2.7"]);
    let txt = RData::TXT(TXT::new(vec!["text".to_owned()]));
    world.answers.insert(("any.test", RecordType::TXT), vec![vec![txt]]);
    let set = set(world, "allow = 'all'").await;
    assert_eq!(set.told("any.test.").await.1, [ip("192.0.2.7")]);
    assert_eq!(set.ask("any.test.", RecordType::TXT).await.answers.len(), 1);
    assert_eq!(set.told("none.test.").await.0, ResponseCode::NXDomain);
}

#[tokio::test]
async fn aliases_are_answered_under_the_name_that_was_asked() {
    let mut world = World::default();
    let target = Name::from_ascii("real.elsewhere.").unwrap();
    let chain = vec![RData::CNAME(CNAME(target)), RData::A(A("192.0.2.4".parse().unwrap()))];
    world.answers.insert(("www.test", RecordType::A), vec![chain]);
    let set = set(world, "allow = ['www.test']").await;
    let reply = set.ask("www.test.", RecordType::A).await;
    assert!(reply.answers.iter().all(|record| record.record_type() == RecordType::A), "{reply:?}");
}

#[tokio::test]
async fn reverse_lookups_know_what_was_told_and_localhost_is_here() {
    let set = set(World::default().with("git.test", &["192.0.2.7"]), "allow = ['git.test']").await;
    assert_eq!(
        set.ask("7.2.0.192.in-addr.arpa.", RecordType::PTR).await.metadata.response_code,
        ResponseCode::NXDomain
    );
    set.told("git.test.").await;
    let reply = set.ask("7.2.0.192.in-addr.arpa.", RecordType::PTR).await;
    assert!(matches!(&reply.answers[0].data, RData::PTR(name) if name.0.to_ascii() == "git.test."));
    assert_eq!(set.told("localhost.").await.1, [ip("127.0.0.1")]);
    assert_eq!(set.ask("db.localhost.", RecordType::AAAA).await.answers[0].data.ip_addr(), Some(ip("::1")));
}

#[tokio::test]
async fn a_flood_of_names_under_a_wildcard_ends_in_an_alert() {
    let mut set = set(World::default(), "allow = ['**.zone.test']").await;
    for n in 0..120 {
        set.told(&format!("n{n}.zone.test.")).await;
    }
    assert!(set.world.asked.load(Ordering::SeqCst) <= 2 * 2 * 110, "two families, at most twice each");
    let events = set.events();
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Alert { .. })).count(), 1);
    let refused = |event: &&Event| matches!(event, Event::Dns(dns) if dns.verdict == Verdict::Deny);
    assert!(events.iter().filter(refused).count() >= 10);
}

#[tokio::test]
async fn resolvers_over_https_need_a_rule_of_their_own() {
    let world = || World::default().with("dns.google", &["192.0.2.3"]).with("www.google", &["192.0.2.4"]);
    let ask = "allow = ['x.test']\nask = ['*.google']";
    assert_eq!(set(world(), ask).await.told("dns.google.").await.0, ResponseCode::NXDomain);
    assert_eq!(set(world(), "allow = ['dns.google']").await.told("dns.google.").await.0, ResponseCode::NoError);
}

#[tokio::test]
async fn equal_questions_are_one_and_a_mute_zone_holds_nobody_else() {
    let world = World { mute: vec!["slow.test"], ..World::default().with("fast.test", &["192.0.2.7"]) };
    let set = Arc::new(set(world, "allow = ['*.slow.test', 'fast.test']").await);
    let waiting: Vec<_> = (0..30)
        .map(|n| {
            let set = Arc::clone(&set);
            tokio::spawn(async move { set.told(&format!("n{}.slow.test.", n % 3)).await.0 })
        })
        .collect();
    let begun = Instant::now();
    assert_eq!(set.told("fast.test.").await.1, [ip("192.0.2.7")]);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    for one in waiting {
        assert_eq!(one.await.unwrap(), ResponseCode::ServFail);
    }
    let asked = set.world.asked.load(Ordering::SeqCst);
    assert!(asked < 90, "three names, two families, a few tries each; thirty asked: {asked}");
}

#[tokio::test]
async fn each_server_has_its_own_address_and_there_are_few() {
    let set = set(World::default(), "allow = ['x.test']").await;
    let server = |n: u8| SocketAddr::from(([192, 0, 2, n], 53));
    let stubs: std::collections::HashSet<_> = (0..100).map(|n| set.stub.address(server(n), n % 2 == 1)).collect();
    assert_eq!(stubs.len(), 17, "fifteen, and what stands for the rest, in each family");
    assert_eq!(set.stub.address(server(3), true), set.stub.address(server(3), true));
    assert_ne!(set.stub.address(server(3), true), set.stub.address(server(5), true));
}

#[tokio::test]
async fn streams_are_served_until_they_make_no_sense() {
    let set = set(World::default().with("git.test", &["192.0.2.7"]), "allow = ['git.test']").await;
    let (mut client, server) = tokio::io::duplex(8_192);
    let served = tokio::spawn(stream(server, set.names.clone(), 7));
    for _ in 0..2 {
        let bytes = question("git.test.", RecordType::A);
        client.write_all(&(bytes.len() as u16).to_be_bytes()).await.unwrap();
        client.write_all(&bytes).await.unwrap();
        let mut reply = vec![0; usize::from(client.read_u16().await.unwrap())];
        client.read_exact(&mut reply).await.unwrap();
        assert_eq!(Message::from_vec(&reply).unwrap().answers.len(), 1);
    }
    client.write_all(&[0xff, 0xff, 0]).await.unwrap();
    let (up, down) = served.await.unwrap();
    assert!(up > 50 && down > 80, "{up} {down}");
}
