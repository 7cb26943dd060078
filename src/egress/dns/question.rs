//! One message of a client, and the reply to it.
//!
//! Invariant: whatever the bytes are, this gives a question, a reply that says what is wrong with them, or nothing; never a
//! panic. A reply has the question's number and its name in the case in which it was asked (RFC 1035 §4.1, RFC 4343), no
//! records but its answers, and fits its transport.
//! Leaves to others: what is answered (`serve`).

use std::fmt::Write;
use std::net::IpAddr;

use hickory_proto::op::{Edns, Message, MessageType, Metadata, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, PTR};
use hickory_proto::rr::{DNSClass, Name, RData, Record};

use crate::policy::Host;

/// Longest question that is read, in bytes.
pub(super) const LONGEST: usize = 4_096;
/// Largest reply over UDP that is sent even to who takes more (DNS flag day 2020), in bytes.
const PAYLOAD: u16 = 1_232;
/// Bytes of a header.
const HEADER: usize = 12;

/// By what it came, and goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

/// What some bytes are.
#[derive(Debug)]
pub(super) enum Read {
    Question(Box<Question>),
    /// No question that can be answered; this says so.
    Reply(Vec<u8>),
    /// Nothing that may be replied to.
    Nothing,
}

/// One question of class IN.
#[derive(Debug, Clone)]
pub(super) struct Question {
    head: Metadata,
    pub(super) query: Query,
    edns: Option<u16>,
    transport: Transport,
}

impl Question {
    pub(super) fn read(bytes: &[u8], transport: Transport) -> Read {
        // What is shorter has no number, and to reply to a reply could go on for ever.
        if bytes.len() < HEADER || bytes.get(2).is_none_or(|flags| flags & 0x80 != 0) {
            return Read::Nothing;
        }
        if bytes.len() > LONGEST {
            return Read::Reply(refusal(bytes, ResponseCode::FormErr));
        }
        let Ok(message) = Message::from_vec(bytes) else {
            return Read::Reply(refusal(bytes, ResponseCode::FormErr));
        };
        if message.metadata.message_type != MessageType::Query {
            return Read::Nothing;
        }
        if message.metadata.op_code != OpCode::Query {
            return Read::Reply(refusal(bytes, ResponseCode::NotImp));
        }
        let [query] = message.queries.as_slice() else {
            return Read::Reply(refusal(bytes, ResponseCode::FormErr));
        };
        let question = Question {
            head: message.metadata,
            query: query.clone(),
            edns: message.edns.as_ref().map(Edns::max_payload),
            transport,
        };
        if message.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
            return Read::Reply(question.reply(ResponseCode::BADVERS, Vec::new()));
        }
        if query.query_class() != DNSClass::IN {
            return Read::Reply(question.reply(ResponseCode::Refused, Vec::new()));
        }
        Read::Question(Box::new(question))
    }

    /// The name, where it is one that a host can have.
    pub(super) fn host(&self) -> Option<Host> {
        let mut text = String::new();
        for label in self.query.name().iter() {
            // A dot within a label would be taken for one between two.
            if label.contains(&b'.') {
                return None;
            }
            text.push_str(std::str::from_utf8(label).ok()?);
            text.push('.');
        }
        // What is written in another script is asked as an A-label; anything else here is none.
        text.is_ascii().then(|| Host::parse(text.strip_suffix('.').unwrap_or(&text)).ok()).flatten()
    }

    /// The name as zone files have it, without the final dot.
    pub(super) fn name(&self) -> String {
        presentation(self.query.name())
    }

    /// As in the question.
    pub(super) fn qtype(&self) -> u16 {
        self.query.query_type().into()
    }

    /// The address that a reverse lookup asks about.
    pub(super) fn reverse(&self) -> Option<IpAddr> {
        let net = self.query.name().parse_arpa_name().ok()?;
        let whole = if net.addr().is_ipv4() { 32 } else { 128 };
        (net.prefix_len() == whole).then(|| net.addr())
    }

    /// Addresses under the name that was asked, whatever other names led there.
    pub(super) fn addresses(&self, ips: &[IpAddr], ttl: u32) -> Vec<Record> {
        let record = |ip: &IpAddr| {
            let rdata = match ip {
                IpAddr::V4(ip) => RData::A(A(*ip)),
                IpAddr::V6(ip) => RData::AAAA(AAAA(*ip)),
            };
            Record::from_rdata(self.query.name().clone(), ttl, rdata)
        };
        ips.iter().map(record).collect()
    }

    /// The name of an address.
    pub(super) fn pointer(&self, host: &Host, ttl: u32) -> Vec<Record> {
        let name = Name::from_ascii(host.as_str()).map(|mut name| {
            name.set_fqdn(true);
            Record::from_rdata(self.query.name().clone(), ttl, RData::PTR(PTR(name)))
        });
        name.into_iter().collect()
    }

    /// The reply with these answers; over UDP without them where they do not fit, so that the client comes back over TCP.
    pub(super) fn reply(&self, code: ResponseCode, answers: Vec<Record>) -> Vec<u8> {
        let mut message = Message::response(self.head.id, OpCode::Query);
        message.metadata = Metadata::response_from_request(&self.head);
        message.metadata.recursion_available = true;
        message.metadata.response_code = code;
        message.add_query(self.query.clone());
        message.answers = answers;
        if self.edns.is_some() {
            let mut edns = Edns::new();
            edns.set_max_payload(PAYLOAD);
            message.set_edns(edns);
        }
        let most = match self.transport {
            Transport::Udp => usize::from(self.edns.unwrap_or(512).clamp(512, PAYLOAD)),
            Transport::Tcp => usize::from(u16::MAX),
        };
        match message.to_vec() {
            Ok(bytes) if bytes.len() <= most => bytes,
            _ => message.truncate().to_vec().unwrap_or_default(),
        }
    }
}

/// A name as zone files have it (RFC 1035 §5.1), without the final dot.
pub(super) fn presentation(name: &Name) -> String {
    let mut text = String::new();
    for label in name.iter() {
        for byte in label {
            match byte {
                b'.' | b'\\' | b'"' => text.extend(['\\', char::from(*byte)]),
                0x21..=0x7e => text.push(char::from(*byte)),
                other => {
                    // Writing to a String cannot fail.
                    let _ = write!(text, "\\{other:03}");
                }
            }
        }
        text.push('.');
    }
    text.pop();
    text
}

/// A reply with nothing but what is wrong, to bytes of which only the header could be read.
fn refusal(bytes: &[u8], code: ResponseCode) -> Vec<u8> {
    let mut reply = bytes.get(..4).unwrap_or_default().to_vec();
    if let Some([_, _, flags, more]) = reply.get_mut(..4) {
        // A response, with the operation and the wish for recursion as they were (RFC 1035 §4.1.1).
        *flags = 0x80 | (*flags & 0x79);
        *more = 0x80 | code.low();
    }
    reply.resize(HEADER, 0);
    reply
}

#[cfg(test)]
mod tests;
