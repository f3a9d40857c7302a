//! Gets one blob into the repository: is it there, can it be mounted, else send it.
//!
//! Which questions are asked depends on what is known. A blob that a manifest in the repository names is there, since
//! no registry collects such blobs; nobody is asked. Of a blob that the manifests known here do not name, the POST that
//! opens its upload asks in passing. Only where nothing is known, a HEAD comes first.

mod method;
mod permits;
pub(crate) mod range;
mod send;
mod session;

use reqwest::Method as Verb;
use reqwest::header::CONTENT_LENGTH;

use crate::auth::{Right, lock};
use crate::wire::answer;
use crate::wire::message::{Request, Response};
use crate::{Blob, Client, Digest, Error, Event, Progress};
pub(crate) use method::Method;
pub(crate) use permits::Permits;
use send::{Begun, Sending};
use session::{Opened, Session};

use crate::known::Guess;

const CONTENT_DIGEST: &str = "docker-content-digest";
/// Asking whether so small a blob is there costs as much as sending it.
const TINY: u64 = 4 << 10;

/// How a blob came to be in the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It was there.
    Present,
    /// The registry took it from another repository.
    Mounted,
    /// It was uploaded.
    Uploaded,
}

/// What came of asking for mounts.
enum Mounted {
    /// The blob is in the repository.
    From(Placed),
    /// An upload was opened instead.
    Not(Session),
}

/// Where a blob stands in this process.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    InFlight,
    Placed,
}

impl Client {
    /// Whether the repository has the blob, with this size.
    pub fn exists(&self, digest: &Digest, size: u64) -> Result<bool, Error> {
        let action = format!("look for `{digest}`");
        let url = self.url(&format!("blobs/{digest}"))?;
        let request = Request::bare(&action, Verb::HEAD, url);
        let response = self
            .host
            .retry
            .run(|| self.host.call(&request, &self.access(Right::Push), &[200, 404]))
            .map_err(|error| self.reason(error, &request))?;
        if response.status() == 404 {
            return Ok(false);
        }
        self.check_digest(&response, digest, &digest.to_string())?;
        // Not the body's length, of which there is none.
        let length = answer::text(response.headers(), CONTENT_LENGTH.as_str())
            .and_then(|length| length.parse().ok());
        match length {
            Some(got) if got != size && response.headers().contains_key(CONTENT_DIGEST) => {
                Err(Error::WrongSize {
                    digest: *digest,
                    host: self.host_name().to_owned(),
                    got,
                    expected: size,
                })
            }
            Some(got) if got != size => Err(Error::NotARegistry {
                action,
                host: self.host_name().to_owned(),
                got: format!("200 and a length of {got}"),
                expected: "404 or the length of the blob",
            }),
            _ => Ok(true),
        }
    }

    /// The answer to HEAD has no body. A refusal is worth asking for its reason once more.
    fn reason(&self, error: Error, head: &Request<'_>) -> Error {
        if !matches!(&error, Error::Refused { status: 401 | 403, words, .. } if words.is_empty()) {
            return error;
        }
        let get = Request { method: Verb::GET, url: head.url.clone(), ..*head };
        // Should it be allowed after all, the content is not read.
        match self.host.call(&get, &self.access(Right::Push), &[200]) {
            Err(told @ Error::Refused { .. }) if told.status() == error.status() => told,
            _ => error,
        }
    }

    /// Sees to it that the repository has `blob`.
    ///
    /// The same blob is sent once, however many threads ask for it at the same time.
    pub fn ensure_blob(&self, blob: &dyn Blob, progress: &dyn Progress) -> Result<Placed, Error> {
        self.ensure_blob_from(blob, None, progress)
    }

    /// Like [`Client::ensure_blob`], but first tries to mount the blob from the repository `source` of the same
    /// registry.
    pub fn ensure_blob_from(
        &self,
        blob: &dyn Blob,
        source: Option<&str>,
        progress: &dyn Progress,
    ) -> Result<Placed, Error> {
        let digest = blob.digest();
        self.once(&digest, progress, || {
            let there = match self.guess(&digest) {
                Guess::There => true,
                Guess::Absent => false,
                Guess::Unknown => self.exists(&digest, blob.size())?,
            };
            if there {
                progress.report(Event::Present { digest: &digest });
                return Ok(Placed::Present);
            }
            self.place(blob, source, progress)
        })
    }

    /// Runs `place` unless the blob has been placed; waits if another thread is at it.
    fn once(
        &self,
        digest: &Digest,
        progress: &dyn Progress,
        place: impl FnOnce() -> Result<Placed, Error>,
    ) -> Result<Placed, Error> {
        let mut states = lock(&self.placed);
        loop {
            match states.get(digest) {
                None => break,
                Some(State::Placed) => {
                    drop(states);
                    progress.report(Event::Present { digest });
                    return Ok(Placed::Present);
                }
                Some(State::InFlight) => {
                    states = self
                        .placed_changed
                        .wait(states)
                        .unwrap_or_else(std::sync::PoisonError::into_inner);
                }
            }
        }
        states.insert(*digest, State::InFlight);
        drop(states);
        // Those who wait must be woken whatever happens here, a panic included; after a failure one of them tries.
        let mut turn = Turn { client: self, digest, placed: false };
        let result = place();
        turn.placed = result.is_ok();
        result
    }

    fn place(
        &self,
        blob: &dyn Blob,
        source: Option<&str>,
        progress: &dyn Progress,
    ) -> Result<Placed, Error> {
        let digest = blob.digest();
        let action = format!("upload `{digest}`");
        let mut session = self.earlier_upload(blob).map(Begun::Earlier);
        if session.is_none() {
            match self.try_mounts(blob, source, &action)? {
                Some(Mounted::From(placed)) => {
                    progress.report(match placed {
                        Placed::Mounted => Event::Mounted { digest: &digest },
                        _ => Event::Present { digest: &digest },
                    });
                    return Ok(placed);
                }
                Some(Mounted::Not(opened)) => session = Some(Begun::Fresh(opened)),
                None => {}
            }
        }
        progress.report(Event::Started { digest: &digest, size: blob.size() });
        Sending::new(self, blob, session, progress).run()?;
        progress.report(Event::Done { digest: &digest });
        Ok(Placed::Uploaded)
    }

    /// Asks the registry to take the blob from `source`, and last from the repository itself: a registry that mounts
    /// says with its answer to the POST, which is needed anyway, that the blob is there.
    fn try_mounts(
        &self,
        blob: &dyn Blob,
        source: Option<&str>,
        action: &str,
    ) -> Result<Option<Mounted>, Error> {
        let asks_itself =
            blob.size() > TINY && !self.is_new() && self.host.habits().mounts_own != Some(false);
        let own = asks_itself.then(|| self.reference().repository());
        for source in source.into_iter().chain(own) {
            let is_own = Some(source) == own;
            match self.mount(&blob.digest(), source, action)? {
                Some(Opened::There) if is_own => {
                    self.host.learn(|habits| habits.mounts_own = Some(true));
                    return Ok(Some(Mounted::From(Placed::Present)));
                }
                Some(Opened::There) => return Ok(Some(Mounted::From(Placed::Mounted))),
                Some(Opened::Session(session)) => return Ok(Some(Mounted::Not(session))),
                None if is_own => self.host.learn(|habits| habits.mounts_own = Some(false)),
                None => {}
            }
        }
        Ok(None)
    }

    /// What the registry says that it has, if it says so.
    pub(crate) fn check_digest(
        &self,
        response: &Response,
        expected: &Digest,
        what: &str,
    ) -> Result<(), Error> {
        match answer::text(response.headers(), CONTENT_DIGEST) {
            // Another algorithm is no contradiction.
            Some(got) if got.starts_with("sha256:") && got.parse() != Ok(*expected) => {
                Err(Error::WrongDigest {
                    what: what.to_owned(),
                    host: self.host_name().to_owned(),
                    got: crate::error::printable(got, 100),
                    expected: *expected,
                })
            }
            _ => Ok(()),
        }
    }
}

/// Ends a blob's time in flight.
struct Turn<'a> {
    client: &'a Client,
    digest: &'a Digest,
    placed: bool,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut states = lock(&self.client.placed);
        if self.placed {
            states.insert(*self.digest, State::Placed);
        } else {
            states.remove(self.digest);
        }
        drop(states);
        self.client.placed_changed.notify_all();
    }
}
