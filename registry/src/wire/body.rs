//! Sends a blob and watches it go.
//!
//! A body is the blob or a part of it, since an upload may continue where it broke and some registries want pieces.
//! A thread reads the blob and hands it over in pieces, while the caller's thread waits for the answer: an answer
//! that comes before the body is through (the token has expired, the blob is too large) is heard at once and ends the
//! sending. A large layer on a slow line may take hours and be healthy, so there is no limit on the whole; what is
//! limited is the time in which the far side takes nothing. Time spent reading the blob itself is not held against
//! it, since a layer may be compressed while it is read.

use std::io::{self, Read};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use reqwest::{Body, RequestBuilder, Response};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;

use super::retry::Deadline;
use crate::auth::lock;
use crate::{Blob, Digest, Event, Progress};

/// Bytes read at a time: large enough that handing them over costs nothing, small enough for a bar that moves.
const PIECE: usize = 64 * 1024;
/// Pieces that wait for the connection.
const WAITING: usize = 2;
/// Once the far side has all bytes it may be silent for so many times longer: some copy and hash before they answer.
const ANSWER_PATIENCE: u32 = 10;

/// How much is read of an answer that comes before the body is through.
const MAX_EARLY_WORDS: usize = 64 * 1024;

/// Why a request came to nothing.
pub(crate) enum Failure {
    /// The connection failed.
    Http(reqwest::Error),
    /// The blob cannot be read.
    Read(Digest, io::Error),
    /// The time that the user gave is over.
    Deadline,
    /// The far side was silent for so long.
    Stalled(Duration),
}

/// A part of a blob, or all of it.
#[derive(Clone, Copy)]
pub(crate) struct Content<'a> {
    pub(crate) blob: &'a dyn Blob,
    /// The first byte that is sent.
    pub(crate) from: u64,
    pub(crate) length: u64,
    pub(crate) meter: &'a Meter<'a>,
}

/// Counts what was sent of one blob, over all attempts.
pub(crate) struct Meter<'a> {
    digest: Digest,
    progress: &'a dyn Progress,
    attempt: AtomicU64,
}

impl<'a> Meter<'a> {
    pub(crate) fn new(digest: Digest, progress: &'a dyn Progress) -> Self {
        Self { digest, progress, attempt: AtomicU64::new(0) }
    }

    /// An attempt begins at byte `offset`: the registry has what is before, and nothing behind.
    pub(crate) fn begin_at(&self, offset: u64) {
        let before = self.attempt.swap(offset, Ordering::Relaxed);
        if before > offset {
            let bytes = before - offset;
            self.progress.report(Event::Rewound { digest: &self.digest, bytes });
        } else if offset > before {
            let bytes = offset - before;
            self.progress.report(Event::Resumed { digest: &self.digest, bytes });
        }
    }

    pub(crate) fn add(&self, bytes: u64) {
        self.attempt.fetch_add(bytes, Ordering::Relaxed);
        self.progress.report(Event::Sent { digest: &self.digest, bytes });
    }
}

/// What both threads know of an attempt.
#[derive(Default)]
struct Attempt {
    /// Grows with every step of the reader.
    steps: AtomicU64,
    /// The blob is being read, so that it is not the far side that keeps us waiting.
    reading: AtomicBool,
    /// All bytes are handed over.
    complete: AtomicBool,
    /// The answer is there: whatever is left of the body is not wanted.
    over: AtomicBool,
    unreadable: Mutex<Option<io::Error>>,
}

/// Sends `request` with `content`.
pub(crate) fn send(
    runtime: &Handle,
    idle: Duration,
    deadline: Option<Deadline>,
    request: RequestBuilder,
    content: Content<'_>,
) -> Result<(Response, Vec<u8>), Failure> {
    let Content { blob, from, length, meter } = content;
    meter.begin_at(from);
    let reader = blob.open_at(from).map_err(|error| Failure::Read(blob.digest(), error))?;
    let (pieces, inbox) = channel(WAITING);
    let inbox = Arc::new(Mutex::new(inbox));
    let request = request.body(Body::wrap(Pieces { inbox: Arc::clone(&inbox), left: length }));
    let attempt = Attempt::default();
    let result = thread::scope(|scope| {
        let feeder = scope.spawn(|| feed(reader, length, pieces, &attempt, meter));
        let result = runtime.block_on(watched(request, idle, deadline, &attempt));
        attempt.over.store(true, Ordering::Relaxed);
        // The connection may hold on to the body while it waits for a deaf peer; the feeder shall not.
        lock(&inbox).close();
        if feeder.join().is_err() {
            *lock(&attempt.unreadable) =
                Some(io::Error::other("the reader of the content panicked"));
        }
        result
    });
    // An answer counts even if the blob broke; but a broken blob explains a broken connection.
    match (result, lock(&attempt.unreadable).take()) {
        (Err(_), Some(error)) => Err(Failure::Read(blob.digest(), error)),
        (result, _) => result,
    }
}

/// Waits for the answer; to one that comes early also belongs what it says, since the connection ends with the body.
async fn watched(
    request: RequestBuilder,
    idle: Duration,
    deadline: Option<Deadline>,
    attempt: &Attempt,
) -> Result<(Response, Vec<u8>), Failure> {
    let mut answer = pin!(request.send());
    let (mut seen, mut silent) = (0, 0);
    let mut response = loop {
        let left = deadline.map_or(Duration::MAX, |deadline| deadline.left());
        if let Ok(result) = timeout(idle.min(left), &mut answer).await {
            break result.map_err(Failure::Http)?;
        }
        if left < idle {
            return Err(Failure::Deadline);
        }
        let steps = attempt.steps.load(Ordering::Relaxed);
        silent =
            if steps == seen && !attempt.reading.load(Ordering::Relaxed) { silent + 1 } else { 0 };
        seen = steps;
        let patience = if attempt.complete.load(Ordering::Relaxed) { ANSWER_PATIENCE } else { 1 };
        if silent >= patience {
            return Err(Failure::Stalled(idle * patience));
        }
    };
    let mut words = Vec::new();
    while !attempt.complete.load(Ordering::Relaxed)
        && words.len() < MAX_EARLY_WORDS
        && let Ok(Ok(Some(chunk))) = timeout(idle, response.chunk()).await
    {
        words.extend_from_slice(&chunk);
    }
    Ok((response, words))
}

/// Reads the blob and hands it over, until it ends or is no longer wanted.
fn feed(
    mut reader: Box<dyn Read + Send>,
    length: u64,
    pieces: Sender<io::Result<Bytes>>,
    attempt: &Attempt,
    meter: &Meter<'_>,
) {
    let mut left = length;
    while left > 0 && !attempt.over.load(Ordering::Relaxed) {
        attempt.reading.store(true, Ordering::Relaxed);
        let piece = read(&mut reader, left);
        attempt.reading.store(false, Ordering::Relaxed);
        attempt.steps.fetch_add(1, Ordering::Relaxed);
        let piece = match piece {
            Ok(piece) => piece,
            Err(error) => {
                // The connection needs a reason to break, and the caller the real one.
                let kind = error.kind();
                *lock(&attempt.unreadable) = Some(error);
                let _ = pieces.blocking_send(Err(kind.into()));
                return;
            }
        };
        let count = piece.len() as u64;
        // The far side may want no more; its answer, or the broken connection, tells why.
        if pieces.blocking_send(Ok(piece)).is_err() {
            return;
        }
        attempt.steps.fetch_add(1, Ordering::Relaxed);
        meter.add(count);
        left -= count;
    }
    attempt.complete.store(left == 0, Ordering::Relaxed);
    // Only now: the body ends when nobody can add to it.
    drop(pieces);
}

fn read(reader: &mut dyn Read, left: u64) -> io::Result<Bytes> {
    let limit = left.min(PIECE as u64);
    let mut piece = Vec::with_capacity(PIECE);
    reader.take(limit).read_to_end(&mut piece)?;
    if (piece.len() as u64) < limit {
        let missing = left - piece.len() as u64;
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!("it ended {missing} bytes early"),
        ));
    }
    Ok(piece.into())
}

/// The pieces as the HTTP client wants them. The known length makes it send `Content-Length`.
struct Pieces {
    inbox: Arc<Mutex<Receiver<io::Result<Bytes>>>>,
    left: u64,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let next = lock(&self.inbox).poll_recv(context);
        next.map(|piece| {
            let piece = piece?;
            self.left -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
            Some(piece.map(Frame::data))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
