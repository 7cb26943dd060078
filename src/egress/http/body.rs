//! Bodies on their way: counted, and looked through piece by piece.
//!
//! Invariant: nothing is collected; at most what could be the beginning of a string that is looked for is held back. A body
//! keeps its length.
//! Leaves to others: which strings (`credentials`), what becomes of a request whose body is refused (`leg`).

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

use super::answer::Fault;
use super::note::Note;
use crate::egress::credentials::scan::{Mark, Needles, Scan};
use crate::egress::live::Entry;

/// Told of a string that a request's body must not hold.
pub type Found = Box<dyn FnMut(Mark) -> bool + Send>;

/// The body of a request.
pub struct Sent {
    /// Read already.
    ahead: VecDeque<Bytes>,
    rest: Option<Incoming>,
    scan: Option<Scan>,
    /// Whether a find ends it.
    found: Found,
    left: Option<u64>,
    count: Arc<AtomicU64>,
    entry: Arc<Entry>,
    refused: Arc<AtomicBool>,
}

impl Sent {
    pub fn new(ahead: Vec<Bytes>, rest: Option<Incoming>, entry: Arc<Entry>, count: Arc<AtomicU64>) -> Sent {
        let known: u64 = ahead.iter().map(|piece| piece.len() as u64).sum();
        let left = rest.as_ref().map_or(Some(0), |rest| rest.size_hint().exact()).map(|rest| rest + known);
        Sent {
            ahead: ahead.into_iter().filter(|piece| !piece.is_empty()).collect(),
            rest,
            scan: None,
            found: Box::new(|_| false),
            left,
            count,
            entry,
            refused: Arc::default(),
        }
    }

    /// Looks for these; `found` says whether one ends it. The flag is set when it did.
    pub fn scanned(mut self, needles: &Arc<Needles>, found: Found) -> (Sent, Arc<AtomicBool>) {
        if !needles.is_empty() {
            self.scan = Some(Scan::new(Arc::clone(needles)));
        }
        self.found = found;
        let refused = Arc::clone(&self.refused);
        (self, refused)
    }

    fn poll_piece(&mut self, task: &mut Context<'_>) -> Poll<Option<Result<Bytes, Fault>>> {
        if let Some(piece) = self.ahead.pop_front() {
            return Poll::Ready(Some(Ok(piece)));
        }
        loop {
            let Some(rest) = &mut self.rest else { return Poll::Ready(None) };
            match ready!(Pin::new(rest).poll_frame(task)) {
                // Trailers of a request end here: no server is known that needs them, and they could carry anything.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) => return Poll::Ready(Some(Ok(piece))),
                    Err(_) => continue,
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => self.rest = None,
            }
        }
    }

    fn pass(&mut self, piece: Bytes) -> Frame<Bytes> {
        let length = piece.len() as u64;
        self.left = self.left.map(|left| left.saturating_sub(length));
        self.count.fetch_add(length, Ordering::Relaxed);
        self.entry.sent(length);
        Frame::data(piece)
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        loop {
            let piece = match ready!(self.poll_piece(task)) {
                Some(Ok(piece)) => piece,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    let last = self.scan.take().map(|mut scan| scan.end()).filter(|last| !last.is_empty());
                    return Poll::Ready(last.map(|last| Ok(self.pass(last))));
                }
            };
            let Some(scan) = &mut self.scan else { return Poll::Ready(Some(Ok(self.pass(piece)))) };
            let cleared = scan.push(piece);
            for mark in cleared.found {
                if (self.found)(mark) {
                    self.refused.store(true, Ordering::Release);
                    return Poll::Ready(Some(Err(Fault::Refused)));
                }
            }
            if !cleared.bytes.is_empty() {
                return Poll::Ready(Some(Ok(self.pass(cleared.bytes))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
            || self.ahead.is_empty() && self.scan.is_none() && self.rest.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// The body of a response; with it goes the event of the whole exchange.
pub struct Received<B> {
    rest: B,
    scans: Vec<Scan>,
    ended: bool,
    trailers: Option<HeaderMap>,
    note: Note,
    entry: Arc<Entry>,
}

impl<B> Received<B> {
    /// Puts what stands for them in place of the strings of `needles`.
    pub fn new(rest: B, needles: &[Arc<Needles>], note: Note, entry: Arc<Entry>) -> Received<B> {
        let scans = needles.iter().map(|needles| Scan::new(Arc::clone(needles))).collect();
        Received { rest, scans, ended: false, trailers: None, note, entry }
    }

    /// Through one scan after the other: what one holds back, the next sees later.
    fn push(&mut self, piece: Bytes) -> Bytes {
        let mut bytes = piece;
        for scan in &mut self.scans {
            let cleared = scan.push(bytes);
            cleared.found.iter().for_each(|mark| self.note.redacted(*mark));
            bytes = cleared.bytes;
        }
        bytes
    }

    fn end(&mut self) -> Bytes {
        self.ended = true;
        let mut bytes = Bytes::new();
        for scan in &mut self.scans {
            let cleared = scan.push(bytes);
            cleared.found.iter().for_each(|mark| self.note.redacted(*mark));
            let held = scan.end();
            bytes = if cleared.bytes.is_empty() { held } else { [cleared.bytes, held].concat().into() };
        }
        bytes
    }

    fn pass(&mut self, piece: Bytes) -> Frame<Bytes> {
        self.note.down(piece.len() as u64);
        self.entry.received(piece.len() as u64);
        Frame::data(piece)
    }
}

impl<B> HttpBody for Received<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    Fault: From<B::Error>,
{
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        loop {
            if self.ended {
                return Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
            }
            let piece = match ready!(Pin::new(&mut self.rest).poll_frame(task)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) => self.push(piece),
                    Err(frame) => {
                        let mut trailers = frame.into_trailers().unwrap_or_default();
                        self.note.clean(&mut trailers);
                        self.trailers = Some(trailers);
                        self.end()
                    }
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => self.end(),
            };
            if !piece.is_empty() {
                return Poll::Ready(Some(Ok(self.pass(piece))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.trailers.is_none() || self.scans.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // Held back or not: the length stays. What is held back is not in the rest's hint any more, so with scans the head
        // alone says it, which is before anything was read.
        self.rest.size_hint()
    }
}
