//! A request that can be made again, and an answer whose body is still to come.

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use tokio::runtime::Handle;

use super::body::Content;
use super::retry::Deadline;

/// Bytes a second that an answer comes with at least, on the worst of lines.
const LEAST_SPEED: u64 = 1024;

/// What goes with a request.
#[derive(Clone, Copy)]
pub(crate) enum Payload<'a> {
    /// Nothing, and no word about its length: GET, HEAD.
    Absent,
    /// Bytes of this type; empty without a type for a POST that only opens something.
    Bytes(Option<&'a str>, &'a [u8]),
    Content(Content<'a>),
    /// Nothing, and of the answer only what comes from this byte on (RFC 9110, section 14.2).
    From(u64),
    /// Bytes of this type in the place of what has this `ETag`, or of nothing (RFC 9110, section 13.1).
    InPlaceOf(Option<&'a str>, &'a str, &'a [u8]),
}

impl Payload<'_> {
    /// Whether a request with it only reads, so that a redirect may be followed.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent | Self::From(_))
    }
}

/// A request that can be sent any number of times.
pub(crate) struct Request<'a> {
    /// What the request is for, after "cannot" in a message.
    pub(crate) action: &'a str,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) accept: Option<&'a str>,
    /// `Content-Range`, as the distribution specification writes it: `FIRST-LAST`, nothing else.
    pub(crate) range: Option<(u64, u64)>,
    pub(crate) payload: Payload<'a>,
}

impl<'a> Request<'a> {
    /// A request without a body: GET, HEAD.
    pub(crate) fn bare(action: &'a str, method: Method, url: Url) -> Self {
        Self::with(action, method, url, Payload::Absent)
    }

    /// A request that carries `payload`.
    pub(crate) fn with(action: &'a str, method: Method, url: Url, payload: Payload<'a>) -> Self {
        Self { action, method, url, accept: None, range: None, payload }
    }
}

/// An answer whose body has not been read yet.
pub(crate) struct Response {
    pub(super) inner: reqwest::Response,
    /// What has been read of the body already.
    pub(super) words: Vec<u8>,
    pub(super) runtime: Handle,
    pub(super) idle: Duration,
    pub(super) deadline: Option<Deadline>,
    /// How long the body has been waited for, and how much of it came.
    pub(super) waited: Duration,
    pub(super) received: u64,
}

impl Response {
    /// Who answered.
    pub(crate) fn url(&self) -> &Url {
        self.inner.url()
    }

    pub(crate) fn status(&self) -> u16 {
        self.inner.status().as_u16()
    }

    pub(crate) fn is_redirection(&self) -> bool {
        self.inner.status().is_redirection()
    }

    pub(crate) fn is_success(&self) -> bool {
        self.inner.status().is_success()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.inner.headers()
    }

    /// Appends the body to `bytes`, and stops soon after `limit` bytes.
    pub(crate) fn read(&mut self, limit: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
        while bytes.len() as u64 <= limit
            && let Some(chunk) = self.chunk()?
        {
            bytes.extend_from_slice(&chunk);
        }
        Ok(())
    }

    /// The next bytes of the body, never none; `None` at its end.
    pub(crate) fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        if !self.words.is_empty() {
            return Ok(Some(std::mem::take(&mut self.words).into()));
        }
        loop {
            let begun = Instant::now();
            let left = self.deadline.map_or(Duration::MAX, |deadline| deadline.left());
            let longest = self.idle.min(left);
            let chunk = async { tokio::time::timeout(longest, self.inner.chunk()).await };
            match self.runtime.block_on(chunk) {
                Ok(Ok(Some(chunk))) if chunk.is_empty() => {}
                Ok(Ok(Some(chunk))) => {
                    self.waited += begun.elapsed();
                    self.received += chunk.len() as u64;
                    // A far side that sends a byte now and then is not silent, and yet would keep us for days.
                    let patience = self.idle + Duration::from_secs(self.received / LEAST_SPEED);
                    if self.waited > patience {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                    return Ok(Some(chunk));
                }
                Ok(Ok(None)) => return Ok(None),
                Ok(Err(error)) => return Err(io::Error::other(error.without_url())),
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
    }
}
