//! Sends a blob and watches it go.
//!
//! The HTTP client wants to own the reader of a body, while progress is reported to someone who is only borrowed;
//! and its time limits count the whole request, while a large layer on a slow line may take hours and be healthy.
//! So each body is sent by a thread of its own, and the caller's thread listens to it: it passes the counts on and
//! notices when the far side has taken nothing for too long. Time spent reading the blob itself is not held against
//! the far side, since a layer may be compressed while it is read.

use std::io::{self, Read};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use reqwest::blocking::{Body, RequestBuilder, Response};

use crate::{Blob, Digest, Event, Progress};

/// How long the far side may take no byte.
pub(crate) const STALL: Duration = Duration::from_secs(60);
/// How long it may be silent once it has them all: some registries copy and hash the blob before they answer.
const ANSWER: Duration = Duration::from_secs(600);
/// The HTTP client wants some limit on the whole request; this one only ends what was abandoned.
const WHOLE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Why a body was not sent.
pub(crate) enum Failure {
    /// The connection failed.
    Http(reqwest::Error),
    /// The blob cannot be read.
    Read(Digest, io::Error),
    /// The far side was silent for so long.
    Stalled(Duration),
}

/// Counts what was sent of one blob, over all attempts.
pub(crate) struct Meter<'a> {
    digest: Digest,
    progress: &'a dyn Progress,
    attempt: std::cell::Cell<u64>,
}

impl<'a> Meter<'a> {
    pub(crate) fn new(digest: Digest, progress: &'a dyn Progress) -> Self {
        Self { digest, progress, attempt: std::cell::Cell::new(0) }
    }

    fn add(&self, bytes: u64) {
        self.attempt.set(self.attempt.get() + bytes);
        self.progress.report(Event::Sent { digest: &self.digest, bytes });
    }

    /// Another attempt starts from the first byte.
    fn rewind(&self) {
        let bytes = self.attempt.replace(0);
        if bytes > 0 {
            self.progress.report(Event::Rewound { digest: &self.digest, bytes });
        }
    }
}

enum Message {
    /// The far side took what there was; the next piece is being read.
    Reading,
    Sent(u64),
    Unreadable(io::Error),
    Answer(reqwest::Result<Response>),
}

/// Sends `request` with the content of `blob`.
pub(crate) fn send(
    request: RequestBuilder,
    blob: &dyn Blob,
    meter: &Meter<'_>,
) -> Result<Response, Failure> {
    meter.rewind();
    let size = blob.size();
    let unreadable = |error| Failure::Read(blob.digest(), error);
    let (messages, inbox) = mpsc::channel();
    let reader =
        Watched { inner: blob.open().map_err(unreadable)?, left: size, messages: messages.clone() };
    thread::spawn(move || {
        let answer = request.timeout(WHOLE).body(body(reader, size)).send();
        // If the caller has given up, nobody wants the answer.
        let _ = messages.send(Message::Answer(answer));
    });
    let mut limit = STALL;
    let mut sent = 0;
    loop {
        match inbox.recv_timeout(limit) {
            Ok(Message::Reading) => limit = Duration::MAX,
            Ok(Message::Sent(bytes)) => {
                sent += bytes;
                meter.add(bytes);
                limit = if sent == size { ANSWER } else { STALL };
            }
            Ok(Message::Unreadable(error)) => return Err(unreadable(error)),
            Ok(Message::Answer(answer)) => return answer.map_err(Failure::Http),
            Err(RecvTimeoutError::Timeout) => return Err(Failure::Stalled(limit)),
            // The blob's reader runs in that thread, so it is the reader that panicked.
            Err(RecvTimeoutError::Disconnected) => {
                return Err(unreadable(io::Error::other("the reader of the content panicked")));
            }
        }
    }
}

fn body(reader: Watched, size: u64) -> Body {
    // A body of no bytes is never read, which would leave the length to chunked encoding.
    if size == 0 { Body::from(Vec::new()) } else { Body::sized(reader, size) }
}

/// Tells the caller's thread what happens to the blob's reader.
struct Watched {
    inner: Box<dyn Read + Send>,
    left: u64,
    messages: Sender<Message>,
}

impl Watched {
    fn fail(&self, error: io::Error) -> io::Error {
        let kind = error.kind();
        let _ = self.messages.send(Message::Unreadable(error));
        kind.into()
    }
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.messages.send(Message::Reading).is_err() {
            return Err(io::Error::other("the upload was abandoned"));
        }
        let room = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = loop {
            match self.inner.read(&mut buffer[..room]) {
                Ok(0) if room > 0 => {
                    let missing = format!("it ended {} bytes early", self.left);
                    return Err(self.fail(io::Error::new(io::ErrorKind::UnexpectedEof, missing)));
                }
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.fail(error)),
            }
        };
        self.left -= count as u64;
        let _ = self.messages.send(Message::Sent(count as u64));
        Ok(count)
    }
}
