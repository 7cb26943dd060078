//! First bytes as they come: whole, in pieces and hostile.

use std::io::Write;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;

/// A ClientHello as rustls makes it.
pub fn hello_for(name: Option<&str>) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    config.enable_sni = name.is_some();
    let name = name.unwrap_or("example.org").to_owned().try_into().unwrap();
    let mut connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}

/// The same message in records of `size` bytes.
fn fragmented(hello: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in hello[5..].chunks(size) {
        out.write_all(&[22, 3, 1]).unwrap();
        out.write_all(&(piece.len() as u16).to_be_bytes()).unwrap();
        out.write_all(piece).unwrap();
    }
    out
}

/// The message of `hello` with one more extension at its end.
fn extended(hello: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let mut message = hello[5..].to_vec();
    let more = [&kind.to_be_bytes()[..], &(data.len() as u16).to_be_bytes(), data].concat();
    // Behind version, random, session, suites and compression stands the extensions' length.
    let session = 4 + 34;
    let suites = session + 1 + usize::from(message[session]);
    let compression = suites + 2 + usize::from(u16::from_be_bytes([message[suites], message[suites + 1]]));
    let at = compression + 1 + usize::from(message[compression]);
    let length = u16::from_be_bytes([message[at], message[at + 1]]) + more.len() as u16;
    message[at..at + 2].copy_from_slice(&length.to_be_bytes());
    message.extend_from_slice(&more);
    let whole = (message.len() - 4) as u32;
    message[1..4].copy_from_slice(&whole.to_be_bytes()[1..]);
    [&[22, 3, 1][..], &(message.len() as u16).to_be_bytes(), &message].concat()
}

fn tls(name: Option<&str>, encrypted: bool) -> Option<Opening> {
    Some(Opening::Tls(Hello { host: name.map(|name| Host::parse(name).unwrap()), encrypted }))
}

#[test]
fn names_are_read_from_hellos() {
    assert_eq!(look(&hello_for(Some("example.org")), false), tls(Some("example.org"), false));
    assert_eq!(look(&hello_for(Some("EXAMPLE.org")), false), tls(Some("example.org"), false));
    assert_eq!(look(&hello_for(None), false), tls(None, false));
    // An address is no name: clients leave it out.
    assert_eq!(look(&hello_for(Some("127.0.0.1")), false), tls(None, false));
}

#[test]
fn what_hides_another_name_is_seen() {
    let hello = hello_for(Some("example.org"));
    assert_eq!(
        look(&extended(&hello, 0xfe0d, &[0, 0, 1, 0, 1, 7, 0, 0, 0, 4, 1, 2, 3, 4]), false),
        tls(Some("example.org"), true)
    );
    assert_eq!(look(&extended(&hello, 0xffce, b"x"), false), tls(Some("example.org"), true));
    assert_eq!(look(&extended(&hello, 0x1234, b"x"), false), tls(Some("example.org"), false));
}

#[test]
fn what_is_ambiguous_is_bad() {
    let hello = hello_for(Some("example.org"));
    let bad = |bytes: &[u8]| matches!(look(bytes, false), Some(Opening::Malformed(_)));
    let name = |name: &str| [&[0, (name.len() + 3) as u8, 0, 0, name.len() as u8][..], name.as_bytes()].concat();
    assert!(bad(&extended(&hello, 0, &name("evil.org"))), "two names");
    let bare = hello_for(None);
    assert_eq!(look(&extended(&bare, 0, &name("evil.org")), false), tls(Some("evil.org"), false));
    for odd in ["127.0.0.1", "a\0b", "a b", "", "*.example.org", "a..b"] {
        assert!(bad(&extended(&bare, 0, &name(odd))), "{odd:?}");
    }
    let two = [&[0, 10][..], &[0, 0, 2, b'a', b'b'], &[0, 0, 2, b'c', b'd']].concat();
    assert!(bad(&extended(&bare, 0, &two)), "a list of two");
    let mut behind = hello.clone();
    behind.push(0);
    behind[3..5].copy_from_slice(&((hello.len() - 4) as u16).to_be_bytes());
    assert!(bad(&behind), "bytes behind the message in its record");
    assert!(bad(&[0x16, 2, 0]) && bad(&[0x16, 3, 1, 0, 0]) && bad(&[0x16, 3, 1, 0x50, 0]));
}

#[test]
fn text_is_http_or_not() {
    let http = |name: &str| Some(Opening::Http(Some(Host::parse(name).unwrap())));
    let look = |text: &str| look(text.as_bytes(), false);
    assert_eq!(look("GET / HTTP/1.1\r\nHost: Example.org:80\r\n\r\n"), http("example.org"));
    assert_eq!(look("\r\nGET http://example.org HTTP/1.1\r\nHost: example.org\r\n\r\n"), http("example.org"));
    assert_eq!(look("OPTIONS * HTTP/1.1\r\nHost: example.org\r\n\r\n"), http("example.org"));
    assert_eq!(look("GET / HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n"), Some(Opening::Http(None)));
    assert_eq!(look("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), Some(Opening::Http(None)));
    assert_eq!(look("CONNECT evil:443 HTTP/1.1\r\nHost: a\r\n\r\n"), Some(Opening::Http(None)));
    assert_eq!(look("GET / HTTP/1.1\r\nHost: a"), None);
    assert_eq!(look("GET / HT"), None);
    assert_eq!(look("EHLO example.org\r\n"), Some(Opening::Other));
    assert_eq!(look("SSH-2.0-OpenSSH_9.2\r\n"), Some(Opening::Other));
    assert_eq!(look("003egit-upload-pack /x.git\0host=example.org\0"), Some(Opening::Other));
    assert_eq!(look("*1\r\n$4\r\nPING\r\n"), Some(Opening::Other));
    assert_eq!(look("\0\0\0\x08\x04"), Some(Opening::Other));
    assert_eq!(look("<stream:stream xmlns='jabber:client'>"), Some(Opening::Other));
    assert!(matches!(look("GET\x0b/\x0bhTtP/1.1\nHost: a\n\n"), Some(Opening::Malformed(_))));
}

proptest! {
    #[test]
    fn records_and_segments_make_no_difference(size in 1_usize..600, name in "[a-z]{1,20}\\.[a-z]{2,9}") {
        let hello = hello_for(Some(&name));
        let whole = look(&hello, false);
        let pieces = fragmented(&hello, size);
        prop_assert_eq!(&look(&pieces, false), &whole);
        for cut in 1..pieces.len() {
            prop_assert_eq!(look(&pieces[..cut], false), None, "cut at {}", cut);
        }
        // What follows the message in records of its own is the client's, and looked at by nobody.
        prop_assert_eq!(&look(&[&pieces[..], b"\x14\x03\x03\0\x01\x01"].concat(), false), &whole);
    }

    /// A verdict on a prefix is the verdict on the whole: nobody changes it by what is sent later.
    #[test]
    fn verdicts_stay(bytes in proptest::collection::vec(any::<u8>(), 0..200), head in 0_usize..6, cut in 0_usize..200) {
        let heads: [&[u8]; 6] = [b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n", b"\r\n", b"PRI * HTTP/2.0\r\n", b"\x16\x03\x03\0\x40\x01\0"];
        let all = [heads[head], &bytes].concat();
        let cut = cut.min(all.len());
        if let Some(early @ (Opening::Other | Opening::Http2)) = look(&all[..cut], false) {
            prop_assert_eq!(look(&all, false), Some(early));
        }
    }
}
