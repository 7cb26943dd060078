//! What the agent is told.
//!
//! ```text
//! message ─ question? ─▶ localhost, reverse lookup: answered here
//!           A, AAAA  ─▶ asked about first? ─▶ an address that stands for it: it is resolved when the answer is yes
//!                    ─▶ may this name be reached at all? ─ too many under one wildcard? ─▶ resolve ─ all answers harmless?
//!                       ─▶ tie addresses to the name ─▶ answer
//!           others   ─▶ nothing, or what the world says where the policy is open
//! ```
//! Invariant: nothing of a name leaves this machine that no rule allows, nor before a question about it was answered; an answer is told only after its addresses were
//! tied to its name; every question that was understood leaves one event.
//! Leaves to others: sockets (`stub`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Record, RecordType};

use super::Names;
use super::question::{Question, Read, Transport};
use super::resolver::{Failure, Family, Found, MOST};
use crate::event::{Dns, Event};
use crate::policy::{Host, Layer, Policy, Verdict};

/// Longest time that an answer may be kept, in seconds. It is tied to its name as long as it is used.
const LONGEST: u32 = 300;

/// How long one may be kept that stands for a name which is asked about: until then its real ones may be known.
const BRIEFLY: u32 = 5;

/// What was decided on a name.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) verdict: Verdict,
    pub(super) rule: Arc<str>,
    pub(super) layer: Layer,
}

impl Said {
    pub(super) fn built_in(verdict: Verdict, rule: &str) -> Said {
        Said { verdict, rule: Arc::from(rule), layer: Layer::BuiltIn }
    }

    pub(super) fn of(policy: &Policy, decision: crate::policy::Decision) -> Said {
        let rule = policy.rule(decision.rule);
        Said { verdict: decision.verdict, rule: Arc::clone(&rule.name), layer: rule.layer }
    }
}

/// What a client gets.
struct Told {
    said: Said,
    code: ResponseCode,
    records: Vec<Record>,
    addresses: Vec<IpAddr>,
}

impl Told {
    fn nothing(said: Said, code: ResponseCode) -> Told {
        Told { said, code, records: Vec::new(), addresses: Vec::new() }
    }

    fn addresses(said: Said, question: &Question, ips: Vec<IpAddr>, ttl: u32) -> Told {
        let records = question.addresses(&ips, ttl);
        Told { said, code: ResponseCode::NoError, records, addresses: ips }
    }
}

/// The reply to one message; None for what gets none. `pid` is 0 where it is not known.
pub(super) async fn reply(names: &Names, bytes: &[u8], transport: Transport, pid: i32) -> Option<Vec<u8>> {
    let begun = names.0.bus.elapsed();
    let question = match Question::read(bytes, transport) {
        Read::Question(question) => question,
        Read::Reply(reply) => return Some(reply),
        Read::Nothing => return None,
    };
    let Told { said, code, records, addresses } = answer(names, &question).await;
    names.0.bus.publish(Event::Dns(Box::new(Dns {
        pid,
        name: question.name(),
        qtype: question.qtype(),
        verdict: said.verdict,
        rule: said.rule,
        layer: said.layer,
        rcode: word(code),
        answers: addresses,
        duration: names.0.bus.elapsed().saturating_sub(begun),
    })));
    Some(question.reply(code, records))
}

fn word(code: ResponseCode) -> &'static str {
    match code {
        ResponseCode::NoError => "NOERROR",
        ResponseCode::NXDomain => "NXDOMAIN",
        ResponseCode::NotImp => "NOTIMP",
        ResponseCode::Refused => "REFUSED",
        _ => "SERVFAIL",
    }
}

async fn answer(names: &Names, question: &Question) -> Told {
    let kind = question.query.query_type();
    if kind == RecordType::PTR
        && let Some(ip) = question.reverse()
    {
        return reverse(names, question, ip);
    }
    let Some(host) = question.host() else {
        let said = Said::built_in(Verdict::Deny, "built-in: no name of a host");
        return Told::nothing(said, ResponseCode::NXDomain);
    };
    if host.is_localhost() {
        return localhost(question, kind);
    }
    let policy = names.0.policy.load_full();
    let said = names.admitted(&policy, &host);
    if said.verdict == Verdict::Deny {
        return Told::nothing(said, ResponseCode::NXDomain);
    }
    match kind {
        // Nobody outside hears of a name before somebody said yes to it: a name can carry more than a name.
        RecordType::A if said.verdict == Verdict::Ask => {
            let ip = names.stand_in(&host);
            Told::addresses(said, question, vec![ip], BRIEFLY)
        }
        RecordType::AAAA if said.verdict == Verdict::Ask => Told::nothing(said, ResponseCode::NoError),
        RecordType::A | RecordType::AAAA => addresses(names, question, (&policy, &host), said).await,
        _ if policy.is_open() => others(names, question, &policy, said).await,
        kind => nothing_of(kind, said),
    }
}

/// RFC 6761 §6.3: never asked of anybody.
fn localhost(question: &Question, kind: RecordType) -> Told {
    let ips = match kind {
        RecordType::A => vec![IpAddr::from(Ipv4Addr::LOCALHOST)],
        RecordType::AAAA => vec![IpAddr::from(Ipv6Addr::LOCALHOST)],
        _ => Vec::new(),
    };
    Told::addresses(Said::built_in(Verdict::Allow, "built-in: localhost"), question, ips, LONGEST)
}

/// From what was told before; nobody else is asked.
fn reverse(names: &Names, question: &Question, ip: IpAddr) -> Told {
    let said = Said::built_in(Verdict::Allow, "built-in: reverse lookup");
    let localhost = || Host::parse("localhost").ok().filter(|_| ip.is_loopback());
    match names.names(ip).into_iter().next().or_else(localhost) {
        Some(host) => {
            let records = question.pointer(&host, LONGEST);
            Told { said, code: ResponseCode::NoError, records, addresses: Vec::new() }
        }
        None => Told::nothing(said, ResponseCode::NXDomain),
    }
}

async fn addresses(names: &Names, question: &Question, (policy, host): (&Policy, &Host), said: Said) -> Told {
    let found = match names.checked(policy, host).await {
        Ok(found) => found,
        // Not even the harmless ones: whoever answers so is not to be dealt with.
        Err(said) => return Told::nothing(said, ResponseCode::NXDomain),
    };
    let Found { four, six, ttl } = &*found;
    let family: Family =
        if question.query.query_type() == RecordType::A { four.clone() } else { six.clone().map(super::routed) };
    match family {
        Ok(mut ips) => {
            ips.truncate(MOST);
            names.tie(host, &ips);
            Told::addresses(said, question, ips, (*ttl).min(LONGEST))
        }
        Err(Failure::NoName) => Told::nothing(said, ResponseCode::NXDomain),
        Err(Failure::NoAnswer) => Told::nothing(said, ResponseCode::ServFail),
    }
}

/// An open policy: what the world says.
async fn others(names: &Names, question: &Question, policy: &Policy, said: Said) -> Told {
    let kind = question.query.query_type();
    if matches!(kind, RecordType::AXFR | RecordType::IXFR | RecordType::ANY) {
        return Told::nothing(said, ResponseCode::NotImp);
    }
    match names.0.resolver.records(question.query.name(), kind, policy.resolvers()).await {
        Ok(records) => Told { said, code: ResponseCode::NoError, records, addresses: Vec::new() },
        Err(Failure::NoName) => Told::nothing(said, ResponseCode::NXDomain),
        Err(Failure::NoAnswer) => Told::nothing(said, ResponseCode::ServFail),
    }
}

/// Types that programs ask for before or beside addresses: told that there are none. Those that carry text into the session
/// are told the same, and it counts as a refusal; so does what nobody needs here.
fn nothing_of(kind: RecordType, said: Said) -> Told {
    let refused = || Said::built_in(Verdict::Deny, "built-in: only addresses are looked up");
    match kind {
        RecordType::HTTPS
        | RecordType::SVCB
        | RecordType::SRV
        | RecordType::CNAME
        | RecordType::NS
        | RecordType::SOA
        | RecordType::MX
        | RecordType::CAA
        | RecordType::NAPTR
        | RecordType::PTR => Told::nothing(said, ResponseCode::NoError),
        RecordType::TXT => Told::nothing(refused(), ResponseCode::NoError),
        _ => Told::nothing(refused(), ResponseCode::NotImp),
    }
}
