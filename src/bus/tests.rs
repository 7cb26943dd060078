//! Order, bounds and the end of the bus.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::*;

fn marker(label: &str) -> Event {
    Event::Marker { label: label.to_owned(), by: String::new() }
}

fn drain(tap: &mut Tap) -> Vec<Stamped> {
    let mut all = Vec::new();
    while tap.take(&mut all, Duration::from_millis(1)) {}
    all
}

#[test]
fn sixteen_producers_lose_nothing_and_leave_no_gap() {
    const EACH: u64 = 20_000;
    let (bus, mut tap) = bus(Instant::now());
    let producers: Vec<_> = (0..16)
        .map(|n| {
            let bus = bus.clone();
            thread::spawn(move || (0..EACH).for_each(|_| bus.publish(marker(&format!("producer {n}")))))
        })
        .collect();
    let counted = thread::spawn(move || {
        let (mut batch, mut next, mut last) = (Vec::new(), 0, 0);
        while tap.take(&mut batch, Duration::from_millis(100)) {
            for stamped in batch.drain(..) {
                assert_eq!(stamped.seq, next);
                assert!(stamped.t >= last && stamped.t.is_multiple_of(1_000));
                (next, last) = (next + 1, stamped.t);
            }
        }
        next
    });
    producers.into_iter().for_each(|producer| producer.join().expect("a producer"));
    bus.close();
    assert_eq!(counted.join().expect("the consumer"), 16 * EACH);
}

#[test]
fn bytes_keep_their_order_and_are_merged_only_with_their_own_kind() {
    let (bus, mut tap) = bus(Instant::now());
    bus.output(Stream::Terminal, b"a");
    bus.output(Stream::Terminal, b"b");
    bus.input(b"x");
    bus.output(Stream::Stdout, b"c");
    bus.output(Stream::Stderr, b"d");
    bus.publish(marker("m"));
    bus.output(Stream::Stderr, b"e");
    bus.close();
    let mut streams: Vec<(Option<Stream>, Vec<u8>)> = Vec::new();
    for stamped in drain(&mut tap) {
        let (stream, data) = match stamped.event {
            Event::Output { stream, data } => (Some(stream), data),
            Event::Input { data } => (None, data),
            _ => (None, b"marker".to_vec()),
        };
        // A slow machine may leave the first two apart.
        match streams.last_mut() {
            Some((last, bytes)) if *last == stream && stream == Some(Stream::Terminal) => bytes.extend(data),
            _ => streams.push((stream, data)),
        }
    }
    let wanted = [
        (Some(Stream::Terminal), &b"ab"[..]),
        (None, b"x"),
        (Some(Stream::Stdout), b"c"),
        (Some(Stream::Stderr), b"d"),
        (None, b"marker"),
        (Some(Stream::Stderr), b"e"),
    ];
    assert_eq!(streams, wanted.map(|(stream, data)| (stream, data.to_vec())));
}

#[test]
fn large_output_comes_in_bounded_pieces() {
    let (bus, mut tap) = bus(Instant::now());
    let data: Vec<u8> = (0..300_000u32).map(|n| n as u8).collect();
    bus.output(Stream::Terminal, &data);
    bus.close();
    let mut back = Vec::new();
    for stamped in drain(&mut tap) {
        let Event::Output { data, .. } = stamped.event else { panic!("only output was published") };
        assert!(data.len() <= PIECE);
        back.extend(data);
    }
    assert_eq!(back, data);
}

#[test]
fn a_full_ring_makes_producers_wait_until_it_is_taken_or_closed() {
    let (bus, mut tap) = bus(Instant::now());
    let done = Arc::new(AtomicU64::new(0));
    let producer = {
        let (bus, done) = (bus.clone(), Arc::clone(&done));
        thread::spawn(move || {
            for _ in 0..3 * FULL / PIECE {
                bus.output(Stream::Terminal, &[b'x'; PIECE]);
                done.fetch_add(1, Ordering::SeqCst);
            }
        })
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    while bus.shared.lock().waiting == 0 {
        assert!(Instant::now() < deadline, "the producer never waited");
        thread::yield_now();
    }
    assert!(done.load(Ordering::SeqCst) as usize * PIECE <= FULL);
    let mut batch = Vec::new();
    assert!(tap.take(&mut batch, Duration::ZERO));
    assert!(!batch.is_empty());
    // A producer that has not run since the take still counts as waiting: the ring must have filled again.
    let full_again = |ring: &Ring| ring.waiting > 0 && ring.weight > FULL / 2;
    while !full_again(&bus.shared.lock()) {
        assert!(Instant::now() < deadline, "the producer did not go on and wait again");
        thread::yield_now();
    }
    bus.close();
    producer.join().expect("close releases the producer");
    assert!(!drain(&mut tap).is_empty(), "what was accepted is still handed out");
}

#[test]
fn a_tap_that_is_gone_makes_nobody_wait() {
    let (bus, tap) = bus(Instant::now());
    drop(tap);
    for _ in 0..1_000 {
        bus.output(Stream::Terminal, &[0; PIECE]);
    }
}

#[test]
fn the_buffers_come_back() {
    let (bus, mut tap) = bus(Instant::now());
    let mut batch = Vec::new();
    let mut places = Vec::new();
    for _ in 0..6 {
        bus.output(Stream::Terminal, &[b'x'; 5_000]);
        assert!(tap.take(&mut batch, Duration::ZERO));
        let Some(Event::Output { data, .. }) = batch.first().map(|stamped| &stamped.event) else {
            panic!("one output was published")
        };
        let heap = bus.shared.lock().heap.as_ptr() as usize;
        places.push((data.as_ptr() as usize, heap));
        tap.recycle(&mut batch);
        assert!(batch.is_empty());
    }
    // From the third round on, both heaps and the event's buffer are those of two rounds before.
    assert_eq!(places[2..4], places[4..6]);
}
