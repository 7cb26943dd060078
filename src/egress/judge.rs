//! The one place where the way out decides: every entry, every form, every later look at a tunnel comes through here.
//!
//! Invariant: what is not allowed by a rule of the policy in force, or by an answer to a question that one of them asks,
//! is denied; each decision on a client of the proxies leaves one event.
//! Leaves to others: rules (`policy`), questions (`Asks`), what is done about it (`proxy`, `tunnel`).

use std::net::SocketAddr;
use std::sync::Arc;

use super::live::{End, Entry, Facts};
use super::passage::Passage;
use super::shared::Shared;
use super::{NetQuestion, Ruling};
use crate::event::{Event, Judged, Kind, Via};
use crate::policy::{Access, Decision, Host, Layer, NetOp, Place, Policy, Reach, Verdict};

/// Bytes of what is no name that an event holds.
const MOST_SHOWN: usize = 256;

/// A place that may be reached.
#[derive(Debug, Clone)]
pub struct Allowed {
    /// The names that what is said inside must be one of, if `by_name`.
    pub names: Vec<Host>,
    pub by_name: bool,
    pub addr: Option<SocketAddr>,
    pub port: u16,
    pub asked: bool,
    pub ruling: Ruling,
}

/// What a policy says of a place, and the names that it says it of.
struct Said {
    decision: Decision,
    names: Vec<Host>,
    by_name: bool,
}

/// Judges where a client of the proxies wants to go. Waits for the answer where a rule asks.
pub async fn enter(shared: &Shared, passage: &Passage, place: &Place, port: u16) -> Result<Allowed, Ruling> {
    let begun = shared.bus.elapsed();
    let policy = shared.policy.load_full();
    let (said, addr, host) = match place {
        Place::Name(host) => (by_name(&policy, host, port), None, Some(host)),
        Place::Addr(ip) => {
            let addr = SocketAddr::new(ip.to_canonical(), port);
            (by_address(&policy, addr, &shared.names.names(addr.ip())), Some(addr), None)
        }
    };
    let rule = policy.rule(said.decision.rule);
    let mut ruling = Ruling { verdict: said.decision.verdict, rule: Arc::clone(&rule.name), layer: rule.layer };
    let asked = ruling.verdict == Verdict::Ask;
    if asked {
        let host = said.names.first().filter(|_| said.by_name).cloned();
        ruling = ask(
            shared,
            NetQuestion {
                pid: passage.pid,
                program: Arc::clone(&passage.program),
                host,
                addr,
                port,
                decision: said.decision,
            },
            ruling,
        )
        .await;
    }
    publish(shared, passage, host.or(said.names.first()), addr, port, &ruling, begun);
    if ruling.verdict != Verdict::Allow {
        return Err(Ruling { verdict: Verdict::Deny, ..ruling });
    }
    Ok(Allowed { names: said.names, by_name: said.by_name, addr, port, asked, ruling })
}

async fn ask(shared: &Shared, question: NetQuestion, ruling: Ruling) -> Ruling {
    match shared.asks.ask(question).await {
        Ok(answer) if answer.verdict == Verdict::Allow => answer,
        Ok(answer) => Ruling { verdict: Verdict::Deny, ..answer },
        // Nobody is there any more who could answer.
        Err(_) => Ruling { verdict: Verdict::Deny, ..ruling },
    }
}

fn by_name(policy: &Policy, host: &Host, port: u16) -> Said {
    let decision = policy.decide_reach(&Reach::named(host, port));
    Said { decision, names: vec![host.clone()], by_name: true }
}

/// An address, and the names that the stub has answered with it. A rule that allows the address decides alone; else its
/// names decide, each of them at that address, so that a rule that denies the address denies them all.
fn by_address(policy: &Policy, addr: SocketAddr, names: &[Host]) -> Said {
    let alone = policy.decide_net(NetOp::Connect, &addr);
    if alone.verdict == Verdict::Allow || names.is_empty() {
        return Said { decision: alone, names: names.to_vec(), by_name: false };
    }
    let said: Vec<(Decision, &Host)> =
        names.iter().map(|host| (policy.decide_reach(&Reach::at(host, addr)), host)).collect();
    for wanted in [Verdict::Allow, Verdict::Ask] {
        let such: Vec<_> = said.iter().filter(|(decision, _)| decision.verdict == wanted).collect();
        if let Some((decision, _)) = such.first() {
            let names = such.iter().map(|(_, host)| (*host).clone()).collect();
            return Said { decision: *decision, names, by_name: true };
        }
    }
    let decision = match alone.verdict {
        Verdict::Ask => alone,
        _ => said.first().map_or(alone, |(decision, _)| *decision),
    };
    Said { decision, names: names.to_vec(), by_name: true }
}

/// What a policy says of a tunnel that is there already: the most lenient of its names, since by one of them it came in.
/// A tunnel whose inner name is known stands and falls with that one.
pub fn standing(policy: &Policy, facts: &Facts) -> Verdict {
    let known = facts.sni.as_ref().filter(|sni| facts.judged.contains(sni));
    match (known, facts.addr) {
        (Some(host), _) if facts.by_name => by_name_verdict(policy, host, facts.port),
        (_, _) if facts.by_name => {
            let verdicts = facts.judged.iter().map(|host| by_name_verdict(policy, host, facts.port));
            verdicts.fold(Verdict::Deny, lenient)
        }
        (_, Some(addr)) => {
            let addr = SocketAddr::new(addr.ip(), facts.port);
            by_address(policy, addr, &facts.judged).decision.verdict
        }
        (_, None) => Verdict::Deny,
    }
}

fn by_name_verdict(policy: &Policy, host: &Host, port: u16) -> Verdict {
    by_name(policy, host, port).decision.verdict
}

fn lenient(a: Verdict, b: Verdict) -> Verdict {
    match (a, b) {
        (Verdict::Allow, _) | (_, Verdict::Allow) => Verdict::Allow,
        (Verdict::Ask, _) | (_, Verdict::Ask) => Verdict::Ask,
        (Verdict::Deny, Verdict::Deny) => Verdict::Deny,
    }
}

/// Marks a tunnel as begun, and looks at it again: a policy that came into force between the decision and this is seen
/// either here or by [`super::live::Table::judge_anew`], which runs after it was stored.
pub fn begin(shared: &Shared, entry: &Entry, facts: impl FnOnce(&mut Facts)) -> Result<(), End> {
    entry.note(|all| {
        facts(all);
        all.begun = true;
    });
    let facts = entry.facts();
    match standing(&shared.policy.load(), &facts) {
        Verdict::Allow => Ok(()),
        // It would not be here if the answer had been no.
        Verdict::Ask if facts.asked => Ok(()),
        Verdict::Ask | Verdict::Deny => {
            entry.ends(End::Reload.as_str());
            Err(End::Reload)
        }
    }
}

/// A client of the proxies named something that is no host: told as it was written, made visible.
pub fn no_host(shared: &Shared, passage: &Passage, written: &[u8]) {
    let written: Vec<u8> = written.iter().copied().take(MOST_SHOWN).collect();
    let event = judged(
        passage,
        None,
        0,
        &Ruling { verdict: Verdict::Deny, rule: Arc::from("built-in: no name of a host"), layer: Layer::BuiltIn },
    );
    shared.bus.publish(Event::Judged(Judged { host: Some(written.escape_ascii().to_string().into()), ..event }));
}

/// A client of the proxies said what is no request at all: told with what is wrong.
pub fn no_request(shared: &Shared, passage: &Passage, why: &str) {
    let rule = Arc::from(format!("built-in: {why}"));
    let event = judged(passage, None, 0, &Ruling { verdict: Verdict::Deny, rule, layer: Layer::BuiltIn });
    shared.bus.publish(Event::Judged(event));
}

/// Something said inside of a tunnel was refused: one event with what it was.
pub fn refused(shared: &Shared, passage: &Passage, host: Option<&Host>, facts: &Facts, why: &'static str) {
    let ruling = Ruling { verdict: Verdict::Deny, rule: Arc::from(why), layer: Layer::BuiltIn };
    publish(shared, passage, host, facts.addr, facts.port, &ruling, shared.bus.elapsed());
}

fn publish(
    shared: &Shared,
    passage: &Passage,
    host: Option<&Host>,
    addr: Option<SocketAddr>,
    port: u16,
    ruling: &Ruling,
    begun: u64,
) {
    let event = judged(passage, addr, port, ruling);
    shared.bus.publish(Event::Judged(Judged {
        host: host.map(|host| Arc::from(host.as_str())),
        duration: shared.bus.elapsed().saturating_sub(begun),
        ..event
    }));
}

fn judged(passage: &Passage, addr: Option<SocketAddr>, port: u16, ruling: &Ruling) -> Judged {
    Judged {
        kind: Kind::Net,
        op: "connect",
        pid: passage.pid,
        access: Access::empty(),
        path: Vec::new(),
        path2: Vec::new(),
        addr,
        host: None,
        port: if addr.is_some() { 0 } else { port },
        argv: Vec::new(),
        verdict: ruling.verdict,
        rule: Arc::clone(&ruling.rule),
        layer: ruling.layer,
        via: Via::Brokered,
        errno: if ruling.verdict == Verdict::Allow { 0 } else { libc::ECONNREFUSED },
        duration: 0,
    }
}
