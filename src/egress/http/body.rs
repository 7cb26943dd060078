//! Bodies on their way: counted, and looked through piece by piece.
//!
//! Invariant: nothing is collected; at most what could be the beginning of a string that is looked for is held back. A body
//! keeps its length.
//! Leaves to others: which strings (`credentials`), what becomes of a request whose body is refused (`leg`).

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

use super::ahead::Ahead;
use super::answer::Fault;
use super::note::Note;
use crate::egress::credentials::scan::{self, Mark, Needles, Scan};
use crate::egress::live::Entry;

/// Told of a string that a request's body must not hold.
pub type Found = Box<dyn FnMut(Mark) -> bool + Send>;

/// The body of a request.
pub struct Sent {
    /// Read already; its room is given back with the body.
    ahead: Ahead,
    rest: Option<Incoming>,
    scan: Option<Scan>,
    /// Whether a find ends it.
    found: Found,
    left: Option<u64>,
    pause: Pause,
    count: Arc<AtomicU64>,
    entry: Arc<Entry>,
    refused: Arc<AtomicBool>,
}

impl Sent {
    pub fn new(ahead: Ahead, rest: Option<Incoming>, entry: Arc<Entry>, count: Arc<AtomicU64>) -> Sent {
        let known = ahead.bytes.len() as u64;
        let left = rest.as_ref().map_or(Some(0), |rest| rest.size_hint().exact()).map(|rest| rest + known);
        Sent {
            ahead,
            rest,
            scan: None,
            found: Box::new(|_| false),
            left,
            pause: Pause::default(),
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
        if !self.ahead.bytes.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.ahead.bytes))));
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
        let this = &mut *self;
        loop {
            let piece = match this.poll_piece(task) {
                Poll::Ready(Some(Ok(piece))) => piece,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => {
                    let last = this.scan.take().map(|mut scan| scan.end()).filter(|last| !last.is_empty());
                    return Poll::Ready(last.map(|last| Ok(this.pass(last))));
                }
                Poll::Pending => {
                    ready!(this.pause.poll(this.scan.as_ref(), task));
                    this.pause = Pause::default();
                    let little = this.scan.as_mut().map(Scan::release).unwrap_or_default();
                    return Poll::Ready(Some(Ok(this.pass(little))));
                }
            };
            this.pause = Pause::default();
            let Some(scan) = &mut this.scan else { return Poll::Ready(Some(Ok(this.pass(piece)))) };
            let cleared = scan.push(piece);
            for mark in cleared.found {
                if (this.found)(mark) {
                    this.refused.store(true, Ordering::Release);
                    return Poll::Ready(Some(Err(Fault::Refused)));
                }
            }
            if !cleared.bytes.is_empty() {
                return Poll::Ready(Some(Ok(this.pass(cleared.bytes))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
            || self.ahead.bytes.is_empty()
                && self.scan.is_none()
                && self.rest.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// The body of a response; with it goes the event of the whole exchange.
pub struct Received<B> {
    rest: B,
    scan: Option<Scan>,
    pause: Pause,
    ended: bool,
    trailers: Option<HeaderMap>,
    note: Note,
    entry: Arc<Entry>,
}

impl<B> Received<B> {
    /// Puts what stands for them in place of the strings of `needles`.
    pub fn new(rest: B, needles: &Arc<Needles>, note: Note, entry: Arc<Entry>) -> Received<B> {
        let scan = (!needles.is_empty()).then(|| Scan::new(Arc::clone(needles)));
        Received { rest, scan, pause: Pause::default(), ended: false, trailers: None, note, entry }
    }

    fn push(&mut self, piece: Bytes) -> Bytes {
        let Some(scan) = &mut self.scan else { return piece };
        let cleared = scan.push(piece);
        cleared.found.iter().for_each(|mark| self.note.redacted(*mark));
        cleared.bytes
    }

    fn end(&mut self) -> Bytes {
        self.ended = true;
        self.scan.as_mut().map(Scan::end).unwrap_or_default()
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
        let this = &mut *self;
        loop {
            if this.ended {
                return Poll::Ready(this.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
            }
            let piece = match Pin::new(&mut this.rest).poll_frame(task) {
                Poll::Pending => {
                    ready!(this.pause.poll(this.scan.as_ref(), task));
                    this.scan.as_mut().map(Scan::release).unwrap_or_default()
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(piece) => this.push(piece),
                    Err(frame) => {
                        let mut trailers = frame.into_trailers().unwrap_or_default();
                        this.note.clean(&mut trailers);
                        this.trailers = Some(trailers);
                        this.end()
                    }
                },
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
                Poll::Ready(None) => this.end(),
            };
            this.pause = Pause::default();
            if !piece.is_empty() {
                return Poll::Ready(Some(Ok(this.pass(piece))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.trailers.is_none() || self.scan.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // Asked before anything was read, and the length stays: what is held back later does not matter.
        self.rest.size_hint()
    }
}

/// How long a body is silent before what is held back of it is given up, where it is little.
#[derive(Default)]
struct Pause(Option<Pin<Box<tokio::time::Sleep>>>);

impl Pause {
    /// Ready when there is something to be given up and nothing came for a while.
    fn poll(&mut self, scan: Option<&Scan>, task: &mut Context<'_>) -> Poll<()> {
        if !scan.is_some_and(Scan::is_waiting) {
            return Poll::Pending;
        }
        self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep(scan::SILENCE))).as_mut().poll(task)
    }
}
