//! The beginning of a body as its server reads it: as it came, or out of gzip (RFC 1952, RFC 9110 §8.4.1.3).
//!
//! Invariant: no more than [`LONGEST`] bytes come out, however much goes in; what cannot be unpacked is a fault. One member is
//! unpacked: what a server makes of bytes behind it comes behind all that is read here.
//! Leaves to others: what the bytes say (`push`); what is sent on is what came.

use std::io::{self, Write};

use flate2::write::GzDecoder;

use super::push;

/// A little more than what commands may take, so that those which take more are seen to.
const LONGEST: usize = push::LONGEST + (64 << 10);

/// What has been unpacked.
pub enum Unpacked {
    Plain(Vec<u8>),
    Gzip(Box<GzDecoder<Bounded>>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its body says that it is gzip and is not")]
pub struct Damaged;

/// Takes [`LONGEST`] bytes and drops the rest.
#[derive(Default)]
pub struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = LONGEST.saturating_sub(self.0.len());
        self.0.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
        // Full, it is not unpacked any further.
        if room == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Unpacked {
    pub fn new(gzip: bool) -> Unpacked {
        if gzip { Unpacked::Gzip(Box::new(GzDecoder::new(Bounded::default()))) } else { Unpacked::Plain(Vec::new()) }
    }

    /// The next piece of the body.
    pub fn add(&mut self, mut piece: &[u8]) -> Result<(), Damaged> {
        let decoder = match self {
            Unpacked::Plain(bytes) => {
                bytes.extend_from_slice(piece);
                return Ok(());
            }
            Unpacked::Gzip(decoder) => decoder,
        };
        while !piece.is_empty() && decoder.get_ref().0.len() < LONGEST {
            match decoder.write(piece) {
                // The member is at its end.
                Ok(0) => return Ok(()),
                Ok(taken) => piece = piece.get(taken..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::StorageFull => return Ok(()),
                Err(_) => return Err(Damaged),
            }
        }
        // What is decoded and not handed on yet.
        match decoder.flush() {
            Err(error) if error.kind() != io::ErrorKind::StorageFull => Err(Damaged),
            _ => Ok(()),
        }
    }

    pub fn bytes(&self) -> &[u8] {
        match self {
            Unpacked::Plain(bytes) => bytes,
            Unpacked::Gzip(decoder) => &decoder.get_ref().0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_bomb_is_bounded_and_rubbish_is_told() {
        let bomb = packed(&vec![b'x'; 64 << 20]);
        let mut unpacked = Unpacked::new(true);
        unpacked.add(&bomb).unwrap();
        assert_eq!(unpacked.bytes().len(), LONGEST);
        assert_eq!(Unpacked::new(true).add(b"0000PACK and more that is no gzip"), Err(Damaged));
        let mut damaged = packed(b"some commands");
        damaged[12] ^= 0xff;
        damaged[14] ^= 0x55;
        let mut unpacked = Unpacked::new(true);
        assert!(unpacked.add(&damaged).is_err() || unpacked.bytes() != b"some commands");
    }

    proptest! {
        #[test]
        fn pieces_give_what_was_packed(text in prop::collection::vec(any::<u8>(), 0..2000), cut in 1usize..50) {
            for gzip in [true, false] {
                let body = if gzip { packed(&text) } else { text.clone() };
                let mut unpacked = Unpacked::new(gzip);
                for piece in body.chunks(cut) {
                    unpacked.add(piece).unwrap();
                    prop_assert!(text.starts_with(unpacked.bytes()));
                }
                prop_assert_eq!(unpacked.bytes(), &text[..]);
                unpacked.add(b"what comes behind").unwrap();
                prop_assert!(!gzip || unpacked.bytes() == &text[..]);
            }
        }
    }
}
