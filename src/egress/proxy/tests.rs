//! What clients write to the proxy, whole, in pieces and wrong.

use proptest::prelude::*;

use super::*;

#[test]
fn heads_are_read_by_the_letter() {
    let place = |text: &[u8]| Place::parse(text).unwrap();
    let read = |text: &str| head::read(text.as_bytes());
    assert_eq!(
        read("CONNECT Example.org:443 HTTP/1.1\r\n\r\nrest"),
        head::Step::Connect { place: place(b"example.org"), port: 443, length: 36 }
    );
    assert_eq!(
        read("CONNECT [::1]:8080 HTTP/1.0\r\nX: y\r\n\r\n"),
        head::Step::Connect { place: place(b"::1"), port: 8080, length: 37 }
    );
    assert_eq!(
        read("GET http://example.org:81/a?b HTTP/1.1\r\nHost: evil\r\n\r\n"),
        head::Step::Forward { place: place(b"example.org"), port: 81 }
    );
    for none in
        ["::1:443", "example.org", "example.org:", "example.org:65536", "a@example.org:443", "example.org:443:443"]
    {
        assert!(matches!(read(&format!("CONNECT {none} HTTP/1.1\r\n\r\n")), head::Step::NoHost(_)), "{none}");
    }
    assert!(matches!(read("GET http://user:pw@example.org/ HTTP/1.1\r\n\r\n"), head::Step::NoHost(_)));
    assert!(matches!(read("GET /x HTTP/1.1\r\n\r\n"), head::Step::Bad(400, _)));
    assert!(matches!(read("GET ftp://x/ HTTP/1.1\r\n\r\n"), head::Step::Bad(400, _)));
    assert_eq!(read("CONNECT example.org:443 HTTP/1.1\r\nX: y\r\n"), head::Step::More);
    assert_eq!(
        read(&format!("GET http://x/ HTTP/1.1\r\nX: {}", "y".repeat(head::MOST))),
        head::Step::Bad(431, "the request's head is too long")
    );
}

#[test]
fn a_request_is_told_to_its_origin_as_the_last_one() {
    let asked = b"POST http://10.0.0.1:81?q#f HTTP/1.1\r\nhost: evil\r\nProxy-Authorization: x\r\nConnection: keep-alive\r\nA: b\r\nContent-Length: 2\r\n\r\nhi";
    let told = "POST /?q HTTP/1.1\r\nHost: 10.0.0.1:81\r\nConnection: close\r\nA: b\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(String::from_utf8(head::for_origin(asked).unwrap()).unwrap(), told);
}

proptest! {
    /// However it is cut, a message is read when its last byte is there and not before, and bytes behind it change nothing.
    #[test]
    fn socks_is_read_to_its_last_byte(
        name in "[a-z]{1,30}\\.[a-z]{2,10}", port in 1_u16.., behind in proptest::collection::vec(any::<u8>(), 0..20)
    ) {
        let whole = [&[5, 1, 0, 3, name.len() as u8][..], name.as_bytes(), &port.to_be_bytes()].concat();
        for cut in 0..whole.len() {
            prop_assert_eq!(socks::request(&whole[..cut]), socks::Step::More);
        }
        let read = socks::Step::Read((Place::parse(name.as_bytes()).unwrap(), port), whole.len());
        prop_assert_eq!(socks::request(&whole), read.clone());
        prop_assert_eq!(socks::request(&[&whole[..], &behind].concat()), read);
    }

    /// What is read is never longer than what was there, and a place that is read is one that `Place` reads.
    #[test]
    fn any_bytes_are_bounded(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let socks::Step::Read(_, length) = socks::greeting(&bytes) {
            prop_assert!(length <= bytes.len());
        }
        if let socks::Step::Read((_, port), length) = socks::request(&bytes) {
            prop_assert!(length <= bytes.len() && port != 0);
        }
        if let head::Step::Connect { length, port, .. } = head::read(&bytes) {
            prop_assert!(length <= bytes.len() && port != 0);
        }
        drop(head::for_origin(&bytes));
    }
}
