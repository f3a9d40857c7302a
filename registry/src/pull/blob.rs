//! Blobs in: a stream that is checked while it flows and goes on where it broke.
//!
//! A broken or silent body is asked for again from the byte after the last one (`Range`). Registries redirect to
//! storage with addresses that expire, so each time it is the registry that is asked, not the address of before. A
//! server that knows no ranges sends all, of which what was there already is passed over. Bytes that have been handed
//! on are never handed on again. Each that arrives starts the count of tries anew, so that what ends a stream is a far
//! side from which nothing comes any more, or ever only a little.

use std::io::{self, Read, Write};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE};
use reqwest::{Method, Url};
use sha2::{Digest as _, Sha256};

use super::range::ContentRange;
use crate::auth::{Access, Right};
use crate::host::Host;
use crate::wire::answer;
use crate::wire::message::{Payload, Request, Response};
use crate::{Client, Descriptor, Digest, Error};

/// How often a body may break that does not advance by so much meanwhile.
const MAX_BREAKS: u32 = 50;
const ADVANCE: u64 = 1 << 20;

/// How many bytes there may be.
#[derive(Clone, Copy)]
enum Bound {
    Exactly(u64),
    AtMost(u64),
}

/// What is known of the content.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Its size was given, and so many bytes are there and right.
    Verified,
    Ended,
}

/// The content of a blob, as it comes.
///
/// Bytes are handed on before all of them are known to be right. **Only when the end is reached without an error are
/// they**: write them beside their place, and rename when that is so. With a known size not even the last piece is
/// handed on unless the digest is right, and the first byte too many is an error.
pub struct BlobReader {
    host: Arc<Host>,
    access: Access,
    url: Url,
    digest: Digest,
    bound: Bound,
    /// `None` for a part of a blob.
    hasher: Option<Sha256>,
    /// Bytes that were handed on.
    position: u64,
    /// How often it broke since it was at `firm`.
    breaks: u32,
    firm: u64,
    answer: Option<Response>,
    /// Bytes at the start of this answer that were handed on before.
    skip: u64,
    /// Whether this answer brought anything new.
    progressed: bool,
    /// Whether it is of use to ask for a part.
    ranges: bool,
    state: State,
    /// What `read` has not given to its caller yet.
    piece: Bytes,
}

impl Client {
    /// Begins to get a blob; of `size` bytes if that is known. [`Error::Missing`] if there is none.
    pub fn open_blob(&self, digest: &Digest, size: Option<u64>) -> Result<BlobReader, Error> {
        self.open(digest, size.map_or(Bound::AtMost(u64::MAX), Bound::Exactly), 0)
    }

    /// The same from byte `start` on. What is before it is not there to be checked along, so the digest is up to
    /// whoever has all of it.
    pub(super) fn open_blob_at(
        &self,
        digest: &Digest,
        size: u64,
        start: u64,
    ) -> Result<BlobReader, Error> {
        self.open(digest, Bound::Exactly(size), start)
    }

    /// Writes a blob to `out`. Unless this succeeds, what was written is worth nothing.
    ///
    /// Each byte is written once, so a writer that counts knows how far it is.
    pub fn pull_blob(&self, blob: &Descriptor, out: &mut dyn Write) -> Result<(), Error> {
        let mut reader = self.open_blob(&blob.digest, Some(blob.size))?;
        while let Some(piece) = reader.next()? {
            out.write_all(&piece)
                .map_err(|source| Error::WriteBlob { digest: blob.digest, source })?;
        }
        Ok(())
    }

    /// A blob of at most `limit` bytes, such as an image's config, in memory.
    pub fn get_blob(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, Error> {
        let kept = self.host.cache.document(digest);
        if let Some(bytes) = kept.filter(|bytes| bytes.len() as u64 <= limit) {
            return Ok(bytes);
        }
        let mut reader = self.open(digest, Bound::AtMost(limit), 0)?;
        let mut bytes = Vec::new();
        while let Some(piece) = reader.next()? {
            bytes.extend_from_slice(&piece);
        }
        self.host.cache.keep_document(digest, &bytes);
        Ok(bytes)
    }

    fn open(&self, digest: &Digest, bound: Bound, start: u64) -> Result<BlobReader, Error> {
        let mut reader = BlobReader {
            host: Arc::clone(&self.host),
            access: self.access(Right::Pull),
            url: self.url(&format!("blobs/{digest}"))?,
            digest: *digest,
            bound,
            hasher: (start == 0).then(Sha256::new),
            position: start,
            breaks: 0,
            firm: start,
            answer: None,
            skip: 0,
            progressed: false,
            ranges: true,
            state: State::Open,
            piece: Bytes::new(),
        };
        self.host.retry.run(|| reader.connect())?;
        Ok(reader)
    }
}

impl BlobReader {
    /// The next bytes, never none; `None` at the end, which only content that is right has.
    fn next(&mut self) -> Result<Option<Bytes>, Error> {
        if self.state == State::Ended {
            return Ok(None);
        }
        let host = Arc::clone(&self.host);
        let piece = host.retry.run(|| match self.step() {
            Ok(piece) => Ok(Ok(piece)),
            Err(error) if self.is_hopeless() => Ok(Err(error)),
            Err(error) => Err(error),
        });
        piece?
    }

    /// Takes note of a failure. A far side that gives a few bytes each time must not keep us for ever.
    fn is_hopeless(&mut self) -> bool {
        self.answer = None;
        if self.position >= self.firm.saturating_add(ADVANCE) {
            (self.firm, self.breaks) = (self.position, 0);
        }
        self.breaks += 1;
        self.breaks >= MAX_BREAKS
    }

    fn step(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let Some(answer) = &mut self.answer else {
                self.connect()?;
                if self.state == State::Ended {
                    return Ok(None);
                }
                continue;
            };
            let chunk = match answer.chunk() {
                // All is there and right: how the connection ends is of no interest.
                Err(_) if self.state == State::Verified => None,
                Err(source) => return Err(self.interrupted(source)),
                Ok(chunk) => chunk,
            };
            match chunk {
                Some(mut chunk) => {
                    let known = usize::try_from(self.skip).unwrap_or(usize::MAX).min(chunk.len());
                    chunk.advance(known);
                    self.skip -= known as u64;
                    if !chunk.is_empty() {
                        return self.take(chunk).map(Some);
                    }
                }
                None if self.is_complete() => {
                    self.end()?;
                    return Ok(None);
                }
                // A part that is smaller than what was asked for, as some caches send them.
                None if self.progressed => self.answer = None,
                None => {
                    let text = format!("it ended after {} bytes", self.position);
                    return Err(
                        self.interrupted(io::Error::new(io::ErrorKind::UnexpectedEof, text))
                    );
                }
            }
        }
    }

    fn is_complete(&self) -> bool {
        match self.bound {
            Bound::Exactly(size) => self.position == size,
            Bound::AtMost(_) => self.skip == 0,
        }
    }

    fn take(&mut self, chunk: Bytes) -> Result<Bytes, Error> {
        let (Bound::Exactly(limit) | Bound::AtMost(limit)) = self.bound;
        let position = self.position.saturating_add(chunk.len() as u64);
        if position > limit {
            return Err(self.too_large(limit));
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&chunk);
        }
        self.position = position;
        self.progressed = true;
        if matches!(self.bound, Bound::Exactly(size) if size == position) {
            self.verify()?;
        }
        Ok(chunk)
    }

    fn end(&mut self) -> Result<(), Error> {
        if self.state == State::Open {
            self.verify()?;
        }
        self.state = State::Ended;
        self.answer = None;
        Ok(())
    }

    fn verify(&mut self) -> Result<(), Error> {
        let hasher = self.hasher.clone();
        let got = hasher.map(|it| Digest::from(<[u8; Digest::LENGTH]>::from(it.finalize())));
        if let Some(got) = got.filter(|got| *got != self.digest) {
            return Err(Error::WrongDigest {
                what: self.digest.to_string(),
                host: self.host.name().to_owned(),
                got: got.to_string(),
                expected: self.digest,
            });
        }
        self.state = State::Verified;
        Ok(())
    }

    /// Asks for what is not there yet.
    fn connect(&mut self) -> Result<(), Error> {
        (self.answer, self.skip, self.progressed) = (None, 0, false);
        if self.ranges && self.position > 0 {
            let response = self.ask(Payload::From(self.position), &[200, 206, 404, 416])?;
            if self.fits(&response)? {
                self.answer = Some(response);
                return Ok(());
            }
            if self.state == State::Ended {
                return Ok(());
            }
            // It misunderstands ranges, so it gets no more of them.
            self.ranges = false;
        }
        let response = self.ask(Payload::Absent, &[200, 404])?;
        if self.fits(&response)? {
            self.answer = Some(response);
        }
        Ok(())
    }

    fn ask(&self, payload: Payload<'_>, expected: &[u16]) -> Result<Response, Error> {
        let action = format!("get `{}`", self.digest);
        let url = self.url.clone();
        let request = Request { payload, ..Request::bare(&action, Method::GET, url) };
        let response = self.host.call(&request, &self.access, expected)?;
        if response.status() != 404 {
            return Ok(response);
        }
        answer::discard(response);
        Err(Error::Missing { what: self.digest.to_string(), host: self.host.name().to_owned() })
    }

    /// Whether the answer has, or leads to, the byte that comes next. An error if it is not the blob at all.
    fn fits(&mut self, response: &Response) -> Result<bool, Error> {
        let headers = response.headers();
        let range = answer::text(headers, CONTENT_RANGE.as_str()).and_then(ContentRange::parse);
        let length = answer::text(headers, CONTENT_LENGTH.as_str());
        match (response.status(), range) {
            (206, Some(ContentRange { first: Some(first), total })) if first <= self.position => {
                self.check_size(total)?;
                self.skip = self.position - first;
                Ok(true)
            }
            (206, _) => Ok(false),
            (416, range) => {
                let all = range.and_then(|range| range.total) == Some(self.position);
                if all && matches!(self.bound, Bound::AtMost(_)) {
                    self.end()?;
                }
                Ok(false)
            }
            _ => {
                self.check_size(length.and_then(|length| length.parse().ok()))?;
                self.skip = self.position;
                Ok(true)
            }
        }
    }

    fn check_size(&self, got: Option<u64>) -> Result<(), Error> {
        match (self.bound, got) {
            (Bound::Exactly(expected), Some(got)) if got != expected => Err(Error::WrongSize {
                digest: self.digest,
                host: self.host.name().to_owned(),
                got,
                expected,
            }),
            (Bound::AtMost(limit), Some(got)) if got > limit => Err(self.too_large(limit)),
            _ => Ok(()),
        }
    }

    fn too_large(&self, limit: u64) -> Error {
        Error::TooLarge { what: self.digest.to_string(), host: self.host.name().to_owned(), limit }
    }

    fn interrupted(&self, source: io::Error) -> Error {
        let action = format!("get `{}`", self.digest);
        Error::Interrupted { action, host: self.host.name().to_owned(), source }
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.piece.is_empty() {
            match self.next().map_err(io::Error::other)? {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
