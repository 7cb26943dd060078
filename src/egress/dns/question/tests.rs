//! Questions as clients ask them, and what is none.

use hickory_proto::rr::RecordType;
use proptest::prelude::*;

use super::*;

fn asked(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(4_711, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

fn question(message: &Message) -> Question {
    match Question::read(&message.to_vec().unwrap(), Transport::Udp) {
        Read::Question(question) => *question,
        other => panic!("{other:?}"),
    }
}

fn code(bytes: &[u8]) -> Option<u8> {
    match Question::read(bytes, Transport::Udp) {
        Read::Reply(reply) => Some(reply[3] & 15),
        _ => None,
    }
}

#[test]
fn number_and_case_come_back() {
    let question = question(&asked("WwW.Example.ORG.", RecordType::A));
    assert_eq!(question.host(), Host::parse("www.example.org").ok());
    let ips = ["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()];
    let reply = question.reply(ResponseCode::NoError, question.addresses(&ips, 60));
    let back = Message::from_vec(&reply).unwrap();
    assert_eq!((back.metadata.id, back.metadata.recursion_available, back.answers.len()), (4_711, true, 2));
    assert!(back.metadata.recursion_desired && back.edns.is_none());
    assert!(back.queries[0].name().eq_case(&Name::from_ascii("WwW.Example.ORG.").unwrap()));
    assert!(back.answers.iter().all(|record| record.name.eq_case(back.queries[0].name())));
}

#[test]
fn what_does_not_fit_is_said_to_be_cut() {
    let ips: Vec<IpAddr> = (0..100u32).map(|n| std::net::Ipv4Addr::from_bits(n).into()).collect();
    let short = question(&asked("example.org.", RecordType::A));
    let reply = Message::from_vec(&short.reply(ResponseCode::NoError, short.addresses(&ips, 1))).unwrap();
    assert!(reply.metadata.truncation && reply.answers.is_empty());
    let long = Question { transport: Transport::Tcp, ..short };
    assert_eq!(
        Message::from_vec(&long.reply(ResponseCode::NoError, long.addresses(&ips, 1))).unwrap().answers.len(),
        100
    );
}

#[test]
fn what_is_no_question_is_told_so() {
    let good = asked("example.org.", RecordType::A);
    let bytes = |change: &dyn Fn(&mut Message)| {
        let mut message = good.clone();
        change(&mut message);
        message.to_vec().unwrap()
    };
    assert_eq!(code(&bytes(&|message| message.queries.clear())), Some(1));
    assert_eq!(code(&bytes(&|message| message.queries.push(good.queries[0].clone()))), Some(1));
    assert_eq!(code(&bytes(&|message| message.metadata.op_code = OpCode::Status)), Some(4));
    assert_eq!(
        code(&bytes(&|message| {
            message.queries[0].set_query_class(DNSClass::CH);
        })),
        Some(5)
    );
    assert_eq!(
        code(&bytes(&|message| {
            message.set_edns(Edns::new().set_version(1).clone());
        })),
        Some(0),
        "BADVERS has its upper bits in the OPT record"
    );
    let plain = good.to_vec().unwrap();
    assert_eq!(code(&plain[..plain.len() - 3]), Some(1));
    assert_eq!(code(&[&plain[..], &[0; 5_000]].concat()), Some(1));
    assert!(matches!(Question::read(&plain[..11], Transport::Udp), Read::Nothing));
    assert!(matches!(
        Question::read(&bytes(&|message| message.metadata.message_type = MessageType::Response), Transport::Udp),
        Read::Nothing
    ));
}

#[test]
fn names_that_no_host_has_are_told_as_they_were() {
    let labels: [&[u8]; 3] = [b"evil\0.example", b"a b", b"org"];
    let name = Name::from_labels(labels).unwrap();
    let mut message = asked("x.", RecordType::A);
    message.queries[0].set_name(name);
    let question = question(&message);
    assert_eq!((question.host(), question.name()), (None, "evil\\000\\.example.a\\032b.org".to_owned()));
}

#[test]
fn reverse_lookups_have_an_address() {
    let of = |name: &str| question(&asked(name, RecordType::PTR)).reverse();
    assert_eq!(of("1.2.0.192.in-addr.arpa."), "192.0.2.1".parse().ok());
    let six = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.";
    assert_eq!(of(six), "2001:db8::1".parse().ok());
    assert_eq!((of("2.0.192.in-addr.arpa."), of("example.org.")), (None, None));
}

proptest! {
    #[test]
    fn any_bytes_are_answered_or_dropped(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        match Question::read(&bytes, Transport::Udp) {
            Read::Question(question) => {
                let _ = (question.host(), question.name(), question.reverse());
                prop_assert!(question.reply(ResponseCode::NXDomain, Vec::new()).len() >= HEADER);
            }
            Read::Reply(reply) => prop_assert!(reply.len() >= HEADER && reply[..2] == bytes[..2] && reply[2] & 0x80 != 0),
            Read::Nothing => {}
        }
    }

    #[test]
    fn a_question_with_bytes_changed_is_answered_or_dropped(changes in prop::collection::vec((0usize..60, any::<u8>()), 0..8)) {
        let mut message = asked("some.name.example.org.", RecordType::AAAA);
        message.set_edns(Edns::new());
        let mut bytes = message.to_vec().unwrap();
        for (at, value) in changes {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        if let Read::Question(question) = Question::read(&bytes, Transport::Udp) {
            prop_assert!(question.reply(ResponseCode::NoError, question.addresses(&["::1".parse().unwrap()], 1)).len() >= HEADER);
        }
    }
}
