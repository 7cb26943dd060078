//! Whether a recording is what was written, and who vouches for it.
//!
//! Invariant: believes nothing but the chain; every byte of a closed recording is covered by a link, the signature, or a
//! comparison. Costs one read of the file, in bounded memory.
//! Leaves to others: what the events say (`reader`).
//!
//! A file that was cut and a file whose lengths were changed both seem to end too early. They are told apart by what comes
//! after: a cut file has neither a table nor the beginning of another note behind the frame that seems cut.

use std::io::{Read, Seek, SeekFrom};

use memchr::memmem;

use super::chain::Chain;
use super::frame::{
    self, Content, DATA, DIRECTORY, END, End, INDEX, Index, KEYFRAME, LONGEST, OURS, SIGN, UNCHAINED, VERSION,
};
use super::input::Input;
use super::seal::PublicKey;
use super::table::{self, Table};
use super::{ReadError, Reader};

/// Bytes in which the first note is looked for when the header cannot be read.
const LOOKED: u64 = 4 << 20;
/// Bytes of a file's rest that are looked at in one piece.
const PIECE: usize = 128 << 10;

/// What can be said of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Integrity {
    /// Closed, and every byte is as it was when this key signed it.
    Signed { by: Signer },
    /// Closed, but nobody vouches for it. Without `chained` (format 1) only accidental damage would have been found.
    Unsigned { chained: bool },
    /// Not closed: still running, killed or cut. So many frames are as they were written; `rest` bytes after them, of the frame
    /// under way, are covered by nothing yet.
    Open { frames: u64, rest: u64 },
    /// Something was changed in frame `frame`, counted from 0, or in what follows the last one when it is their number.
    Altered { frame: u64, what: String },
}

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    pub key: PublicKey,
    /// What the signing machine called itself: a claim, as strong as the trust in the key.
    pub name: String,
}

/// Reads all of `source`. With `key`, a signature by another one does not count. An error when it is no recording at all.
pub fn verify<R: Read + Seek>(mut source: R, key: Option<&PublicKey>) -> Result<Integrity, ReadError> {
    source.rewind()?;
    let opened = Reader::open(&mut source).map(|reader| reader.format());
    match first_version(&mut source)? {
        Some(VERSION) => {}
        Some(UNCHAINED) => return unchained(source),
        _ => {
            opened?;
            let rest = source.seek(SeekFrom::End(0))?;
            return Ok(Integrity::Open { frames: 0, rest });
        }
    }
    source.rewind()?;
    let length = source.seek(SeekFrom::End(0))?;
    source.rewind()?;
    let walk = Walk {
        input: Input::new(source),
        length,
        chain: Chain::new(),
        frame: 0,
        covered: 0,
        group: Group::default(),
        groups: Vec::new(),
    };
    walk.run(key)
}

/// The version of the notes, whatever the header says: the highest one in the first part of the file, of which there is any.
fn first_version<R: Read + Seek>(source: &mut R) -> Result<Option<u8>, ReadError> {
    let mut bytes = Vec::new();
    source.rewind()?;
    source.by_ref().take(LOOKED).read_to_end(&mut bytes)?;
    let versions = memmem::find_iter(&bytes, &SIGN).filter_map(|at| bytes.get(at + SIGN.len()).copied());
    let mut best = None;
    for version in versions {
        match version {
            VERSION => return Ok(Some(VERSION)),
            other => best = best.max(Some(other)),
        }
    }
    Ok(best)
}

/// Format 1: the checksums of its frames, and whether it was closed.
fn unchained<R: Read + Seek>(mut source: R) -> Result<Integrity, ReadError> {
    source.rewind()?;
    let mut reader = Reader::open(&mut source)?;
    let mut frame = 0;
    loop {
        match reader.next() {
            Some(Ok(_)) => frame = reader.frame(),
            Some(Err(ReadError::Damaged { what, .. })) => return Ok(Integrity::Altered { frame, what }),
            Some(Err(error)) => return Err(error),
            None => break,
        }
    }
    let frames = reader.frame();
    if reader.truncated() {
        Ok(Integrity::Open { frames, rest: 0 })
    } else {
        Ok(Integrity::Unsigned { chained: false })
    }
}

/// What was seen since the last index.
#[derive(Default)]
struct Group {
    /// Place and length of the data frame.
    data: Option<[u64; 2]>,
    keyframe: bool,
    directory: bool,
}

/// Through the file, frame by frame.
struct Walk<R> {
    input: Input<R>,
    length: u64,
    chain: Chain,
    frame: u64,
    /// Place after the last link that was right.
    covered: u64,
    group: Group,
    /// Place and length of text of each group.
    groups: Vec<[u64; 2]>,
}

/// How a step ended the walk.
enum Stop {
    /// The file ends in what begins here.
    Cut(u64),
    Altered(&'static str),
    Closed(Box<End>, bool),
}

impl<R: Read + Seek> Walk<R> {
    fn run(mut self, key: Option<&PublicKey>) -> Result<Integrity, ReadError> {
        loop {
            let Some(stop) = self.step()? else { continue };
            return match stop {
                Stop::Altered(what) => Ok(self.altered(what)),
                Stop::Cut(at) => self.cut(at),
                Stop::Closed(end, signed) => self.closed(&end, signed, key),
            };
        }
    }

    fn altered(&self, what: &str) -> Integrity {
        Integrity::Altered { frame: self.frame, what: what.to_owned() }
    }

    /// One frame of the file.
    fn step(&mut self) -> Result<Option<Stop>, ReadError> {
        let at = self.input.at();
        let head = self.input.peek(8)?;
        let Some((magic, size)) = head.get(..8).and_then(|head| head.split_first_chunk::<4>()) else {
            let begun = [DATA, OURS].iter().any(|magic| magic.starts_with(head.get(..4).unwrap_or(head)));
            return Ok(Some(if begun { Stop::Cut(at) } else { Stop::Altered("no frame begins here") }));
        };
        if *magic == DATA {
            if self.group.data.is_some() {
                return Ok(Some(Stop::Altered("lines without an index")));
            }
            return self.data(at);
        }
        if *magic != OURS {
            return Ok(Some(Stop::Altered("no frame of a recording begins here")));
        }
        let size = size.first_chunk().map_or(0, |size| u32::from_le_bytes(*size));
        if size > LONGEST {
            return Ok(Some(Stop::Altered("a note of an impossible length")));
        }
        let whole = size as usize + 8;
        let Some(note) = self.input.peek(whole)?.get(..whole) else { return Ok(Some(Stop::Cut(at))) };
        let note = note.to_vec();
        self.input.skip_peeked(whole);
        self.note(&note)
    }

    /// A data frame, by its blocks (RFC 8878 §3.1.1).
    fn data(&mut self, at: u64) -> Result<Option<Stop>, ReadError> {
        let Some(descriptor) = self.input.peek(5)?.get(4).copied() else { return Ok(Some(Stop::Cut(at))) };
        let (header, checksum) = frame::data_header(descriptor);
        if !self.absorb(header)? {
            return Ok(Some(Stop::Cut(at)));
        }
        loop {
            let Some(block) = self.input.peek(3)?.first_chunk().copied() else { return Ok(Some(Stop::Cut(at))) };
            let Some((size, last)) = frame::block(block) else {
                return Ok(Some(Stop::Altered("lines that cannot be decompressed")));
            };
            if !self.absorb(size + 3)? {
                return Ok(Some(Stop::Cut(at)));
            }
            if last {
                break;
            }
        }
        if !self.absorb(checksum)? {
            return Ok(Some(Stop::Cut(at)));
        }
        self.group = Group { data: Some([at, self.input.at() - at]), ..Group::default() };
        Ok(None)
    }

    /// Takes `count` bytes into the chain; false when the file ends before.
    fn absorb(&mut self, mut count: u64) -> Result<bool, ReadError> {
        while count > 0 {
            let piece = self.input.peek(1)?;
            let piece = piece.get(..piece.len().min(usize::try_from(count).unwrap_or(usize::MAX))).unwrap_or_default();
            if piece.is_empty() {
                return Ok(false);
            }
            self.chain.absorb(piece);
            let length = piece.len();
            self.input.skip_peeked(length);
            count -= length as u64;
        }
        Ok(true)
    }

    /// A whole note, with magic and length.
    fn note(&mut self, note: &[u8]) -> Result<Option<Stop>, ReadError> {
        let altered = |what| Ok(Some(Stop::Altered(what)));
        let Some(content) = note.get(8..).and_then(Content::split).filter(|content| content.version == VERSION) else {
            return altered("a note that is none");
        };
        let after = frame::after(content.kind);
        self.chain.absorb(note.get(..note.len() - after).unwrap_or_default());
        match content.kind {
            KEYFRAME if self.group.data.is_some() && !self.group.keyframe => self.group.keyframe = true,
            DIRECTORY if self.group.data.is_none() && self.frame > 0 && !self.group.directory => {
                self.group.directory = true;
            }
            INDEX => {
                let Some(data) = self.group.data.take() else { return altered("an index without lines") };
                if self.chain.link() != content.link {
                    return altered("its bytes are not those that were written");
                }
                let index = serde_json::from_slice::<Index>(content.members).ok();
                let Some(index) = index.filter(|index| index.frame == self.frame && index.at == data) else {
                    return altered("its index belongs to another frame");
                };
                self.frame += 1;
                self.covered = self.input.at();
                self.group = Group::default();
                self.groups.push([data[0], index.text[1]]);
            }
            END if self.group.data.is_none() => {
                let link = self.chain.link();
                if link != content.link {
                    return altered("its bytes are not those that were written");
                }
                let end = serde_json::from_slice::<End>(content.members).ok();
                let Some(end) = end.filter(|end| end.frames == self.frame) else {
                    return altered("its end belongs to another recording");
                };
                if content.back.map(|back| back as usize) != Some(note.len()) {
                    return altered("its end was changed");
                }
                let signed = match &end.key {
                    None => content.signature.iter().all(|byte| *byte == 0),
                    Some(key) => key.parse::<PublicKey>().is_ok_and(|key| key.signed(&link, content.signature)),
                };
                return Ok(Some(Stop::Closed(Box::new(end), signed)));
            }
            _ => return altered("a note where none belongs"),
        }
        Ok(None)
    }

    /// The file ends in what begins at `at`.
    fn cut(&mut self, at: u64) -> Result<Integrity, ReadError> {
        let Walk { length, covered, frame, .. } = *self;
        let mut input = self.input.again(at)?;
        let mut first = true;
        loop {
            let piece = input.peek(PIECE)?;
            // Pieces overlap. A note that is cut begins with its own sign, 8 bytes after its beginning.
            let from = if first { piece.len().min(8 + SIGN.len()) } else { 0 };
            let note = memmem::find(piece.get(from..).unwrap_or_default(), &SIGN).is_some();
            let over = piece.len() < PIECE;
            if note || (over && piece.ends_with(&table::FOOT)) {
                return Ok(self.altered("its lengths were changed, or something was taken out"));
            }
            if over {
                return Ok(Integrity::Open { frames: frame, rest: length - covered });
            }
            let step = piece.len() - SIGN.len();
            input.skip_peeked(step);
            first = false;
        }
    }

    fn closed(&mut self, end: &End, signed: bool, key: Option<&PublicKey>) -> Result<Integrity, ReadError> {
        if !signed {
            return Ok(self.altered("the signature is not that of its key"));
        }
        let place = self.input.at();
        let mut table = Table::default();
        let nexts = self.groups.iter().skip(1).map(|group| group[0]).chain([place]);
        for ([from, text], next) in self.groups.iter().zip(nexts) {
            table.add(next - from, *text);
        }
        let wanted = table.encode();
        let found = self.input.peek(wanted.len() + 1)?;
        if found != wanted {
            let cut = wanted.starts_with(found);
            let open = Integrity::Open { frames: self.frame, rest: self.length - self.covered };
            return Ok(if cut { open } else { self.altered("what follows its end was changed") });
        }
        let by = end.key.as_ref().and_then(|key| key.parse().ok());
        Ok(match (by, key) {
            (Some(signer), Some(wanted)) if signer != *wanted => {
                self.altered(&format!("signed by another key, {signer}"))
            }
            (None, Some(_)) => self.altered("not signed by the key"),
            (Some(key), _) => Integrity::Signed { by: Signer { key, name: end.by.clone().unwrap_or_default() } },
            (None, None) => Integrity::Unsigned { chained: true },
        })
    }
}
