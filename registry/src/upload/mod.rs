//! Gets one blob into the repository: is it there, can it be mounted, else send it.
//!
//! A blob is sent as POST and one PUT with the whole body, which is what `containerd` does and hence what every
//! registry sees all day. The few that cannot take it get POST, one PATCH without a range, and an empty PUT, which is
//! docker's way; a client remembers that. A failed upload starts again from the POST, since a session that broke is
//! gone at most registries.

use std::sync::atomic::Ordering;

use reqwest::header::CONTENT_LENGTH;
use reqwest::{Method, Url};

use crate::auth::{Access, Right, lock};
use crate::wire::answer;
use crate::wire::body::Meter;
use crate::wire::retry::is_transient;
use crate::wire::transport::{Payload, Request, Response};
use crate::{Blob, Client, Digest, Error, Event, Progress};

const CONTENT_DIGEST: &str = "docker-content-digest";
/// Answers to the PUT of a body by registries that know only PATCH: no such method or type, or plain failure.
const PUT_UNSUPPORTED: [u16; 6] = [404, 405, 411, 415, 500, 501];

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

/// Where a blob stands in this process.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    InFlight,
    Placed,
}

enum Opened {
    Mounted,
    Session(Url),
}

impl Client {
    /// Whether the repository has the blob, with this size.
    pub fn exists(&self, digest: &Digest, size: u64) -> Result<bool, Error> {
        let action = format!("look for `{digest}`");
        let url = self.url(&format!("blobs/{digest}"))?;
        let request = Request::bare(&action, Method::HEAD, url);
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
        let get = Request { method: Method::GET, url: head.url.clone(), ..*head };
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
            if self.exists(&digest, blob.size())? {
                progress.report(Event::Present { digest: &digest });
                return Ok(Placed::Present);
            }
            self.place(blob, source, progress)
        })
    }

    /// Uploads a blob that is known to be absent.
    pub(crate) fn upload(&self, blob: &dyn Blob, progress: &dyn Progress) -> Result<Placed, Error> {
        self.once(&blob.digest(), progress, || self.place(blob, None, progress))
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
        let mut session = None;
        if let Some(source) = source {
            match self.mount(&digest, source, &action)? {
                Some(Opened::Mounted) => {
                    progress.report(Event::Mounted { digest: &digest });
                    return Ok(Placed::Mounted);
                }
                Some(Opened::Session(url)) => session = Some(url),
                None => {}
            }
        }
        progress.report(Event::Started { digest: &digest, size: blob.size() });
        let meter = Meter::new(digest, progress);
        self.host.retry.run(|| {
            let session = match session.take() {
                Some(url) => url,
                None => self.open_session(&action)?,
            };
            self.send_blob(blob, session, &meter, &action)
        })?;
        progress.report(Event::Done { digest: &digest });
        Ok(Placed::Uploaded)
    }

    /// Mounting only saves work: that it is refused, in whatever words, never fails the upload.
    fn mount(&self, digest: &Digest, source: &str, action: &str) -> Result<Option<Opened>, Error> {
        let mut url = self.url("blobs/uploads/")?;
        url.query_pairs_mut().append_pair("mount", &digest.to_string()).append_pair("from", source);
        match self.post(url, &self.access(Right::Mount(source.to_owned())), &[201, 202], action) {
            Ok((url, response)) if response.status() == 202 => {
                Ok(Some(Opened::Session(self.host.location(&url, &response, action)?)))
            }
            Ok(_) => Ok(Some(Opened::Mounted)),
            Err(error) if matches!(error, Error::Refused { .. }) || is_transient(&error) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn open_session(&self, action: &str) -> Result<Url, Error> {
        let (url, response) =
            self.post(self.url("blobs/uploads/")?, &self.access(Right::Push), &[202], action)?;
        self.host.location(&url, &response, action)
    }

    fn post(
        &self,
        url: Url,
        access: &Access,
        expected: &[u16],
        action: &str,
    ) -> Result<(Url, Response), Error> {
        let payload = Payload::Bytes(None, &[]);
        let request = Request { action, method: Method::POST, url, accept: None, payload };
        let response = self.host.call(&request, access, expected)?;
        Ok((request.url, response))
    }

    fn send_blob(
        &self,
        blob: &dyn Blob,
        session: Url,
        meter: &Meter<'_>,
        action: &str,
    ) -> Result<(), Error> {
        if self.wants_patch.load(Ordering::Relaxed) {
            return self.send_by_patch(blob, session, meter, action);
        }
        let refusal = match self.finish(session, Payload::Blob(blob, meter), blob, action) {
            Err(error)
                if error.status().is_some_and(|status| PUT_UNSUPPORTED.contains(&status)) =>
            {
                error
            }
            result => return result,
        };
        // If this does not help either, then it was not the method, and the first answer is the one that tells.
        let Ok(session) = self.open_session(action) else { return Err(refusal) };
        match self.send_by_patch(blob, session, meter, action) {
            Ok(()) => {
                self.wants_patch.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(Error::Refused { .. } | Error::NotARegistry { .. }) => Err(refusal),
            Err(error) => Err(error),
        }
    }

    fn send_by_patch(
        &self,
        blob: &dyn Blob,
        session: Url,
        meter: &Meter<'_>,
        action: &str,
    ) -> Result<(), Error> {
        let payload = Payload::Blob(blob, meter);
        let request =
            Request { action, method: Method::PATCH, url: session, accept: None, payload };
        // 201 is what ECR answers.
        let response = self.host.call(&request, &self.access(Right::Push), &[201, 202])?;
        let session = self.host.location(&request.url, &response, action)?;
        drop(response);
        self.finish(session, Payload::Bytes(Some("application/octet-stream"), &[]), blob, action)
    }

    fn finish(
        &self,
        mut session: Url,
        payload: Payload<'_>,
        blob: &dyn Blob,
        action: &str,
    ) -> Result<(), Error> {
        let digest = blob.digest();
        append(&mut session, "digest", &digest.to_string());
        let request = Request { action, method: Method::PUT, url: session, accept: None, payload };
        let response = self.host.call(&request, &self.access(Right::Push), &[201])?;
        self.check_digest(&response, &digest, &digest.to_string())
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

/// The session's own query is opaque and possibly signed, so it is kept to the letter.
fn append(url: &mut Url, name: &str, value: &str) {
    let query = match url.query() {
        Some(query) if !query.is_empty() => format!("{query}&{name}={value}"),
        _ => format!("{name}={value}"),
    };
    url.set_query(Some(&query));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sessions_query_is_kept_to_the_letter() {
        for (url, expected) in [
            ("http://h/u", "http://h/u?digest=sha256:00"),
            ("http://h/u?_state=a%2Fb+c==", "http://h/u?_state=a%2Fb+c==&digest=sha256:00"),
            ("http://h/u?", "http://h/u?digest=sha256:00"),
        ] {
            let mut url = Url::parse(url).unwrap();
            append(&mut url, "digest", "sha256:00");
            assert_eq!(url.as_str(), expected);
        }
    }
}
