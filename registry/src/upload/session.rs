//! An upload at the registry: opened by a POST, asked how far it is, closed by a PUT.
//!
//! <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#push>. Each answer may give the session
//! another URL, whose query is opaque and may be signed: the newest is used, to the letter.

use reqwest::header::{LOCATION, RANGE};
use reqwest::{Method as Verb, Url};

use super::range;
use crate::auth::Right;
use crate::wire::answer;
use crate::wire::body::Content;
use crate::wire::message::{Payload, Request, Response};
use crate::wire::retry::is_transient;
use crate::{Blob, Client, Digest, Error};

const OCTETS: &str = "application/octet-stream";
/// The smallest piece that a registry takes, but for the last: said in its answer to the POST.
const CHUNK_MIN_LENGTH: &str = "oci-chunk-min-length";
/// From this size on an upload is worth going on with in another run.
const KEPT: u64 = 4 << 20;
/// Nobody means more by it.
const MAX_CHUNK_MIN: u64 = 1 << 30;

/// An open upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) url: Url,
    /// The least size of a piece, 0 if the registry names none.
    pub(super) least: u64,
}

/// What came of a POST that could do without a session.
pub(super) enum Opened {
    /// The blob is in the repository.
    There,
    Session(Session),
}

impl Client {
    /// Opens an upload.
    pub(super) fn open_session(&self, action: &str) -> Result<Session, Error> {
        let url = self.url("blobs/uploads/")?;
        let request = Request::with(action, Verb::POST, url, Payload::Bytes(None, &[]));
        let response = self.host.call(&request, &self.access(Right::Push), &[202])?;
        self.session(&request.url, &response, action)
    }

    /// Asks the registry to take the blob from the repository `source`. `None` if it does not want to, in whatever
    /// words: mounting only saves work and never fails an upload.
    pub(super) fn mount(
        &self,
        digest: &Digest,
        source: &str,
        action: &str,
    ) -> Result<Option<Opened>, Error> {
        let mut url = self.url("blobs/uploads/")?;
        url.query_pairs_mut().append_pair("mount", &digest.to_string()).append_pair("from", source);
        let request = Request::with(action, Verb::POST, url, Payload::Bytes(None, &[]));
        let right = if source == self.reference().repository() {
            Right::Push
        } else {
            Right::Mount(source.to_owned())
        };
        match self.host.call(&request, &self.access(right), &[201, 202]) {
            Ok(response) if response.status() == 202 => {
                Ok(Some(Opened::Session(self.session(&request.url, &response, action)?)))
            }
            Ok(_) => Ok(Some(Opened::There)),
            Err(error) if is_transient(&error) => {
                // The upload follows at once, and the registry wants some peace first.
                self.host.retry.pause(&error);
                Ok(None)
            }
            Err(Error::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends the blob with the POST. A registry that does not know this way ignores the body and opens an upload.
    pub(super) fn post_whole(
        &self,
        blob: &dyn Blob,
        content: Content<'_>,
        action: &str,
    ) -> Result<Opened, Error> {
        let mut url = self.url("blobs/uploads/")?;
        append_digest(&mut url, &blob.digest());
        let request = Request::with(action, Verb::POST, url, Payload::Content(content));
        let response = self.host.call(&request, &self.access(Right::Push), &[201, 202])?;
        if response.status() == 202 {
            return Ok(Opened::Session(self.session(&request.url, &response, action)?));
        }
        self.check_digest(&response, &blob.digest(), &blob.digest().to_string())?;
        Ok(Opened::There)
    }

    fn session(&self, request: &Url, response: &Response, action: &str) -> Result<Session, Error> {
        let least = answer::text(response.headers(), CHUNK_MIN_LENGTH)
            .and_then(|text| text.trim().parse().ok())
            .filter(|least| *least <= MAX_CHUNK_MIN);
        Ok(Session {
            url: self.host.location(request, response, action)?,
            least: least.unwrap_or_default(),
        })
    }

    /// The upload of `blob` that another run has left unfinished.
    pub(super) fn earlier_upload(&self, blob: &dyn Blob) -> Option<Session> {
        if blob.size() < KEPT {
            return None;
        }
        let url = self.host.cache.upload(&self.reference().name(), &blob.digest())?;
        // It was written by ourselves, and yet is no reason to send credentials anywhere else.
        self.host.ours(url).map(|url| Session { url, least: 0 })
    }

    /// Leaves word of an upload, for the case that this program is killed.
    pub(super) fn keep_upload(&self, blob: &dyn Blob, session: &Session) {
        if blob.size() >= KEPT {
            self.host.cache.keep_upload(&self.reference().name(), &blob.digest(), &session.url);
        }
    }

    pub(super) fn forget_upload(&self, blob: &dyn Blob) {
        if blob.size() >= KEPT {
            self.host.cache.forget_upload(&self.reference().name(), &blob.digest());
        }
    }

    /// How many bytes the session has. `None` if the registry does not say, or knows of no such session.
    pub(super) fn ask_session(
        &self,
        session: &mut Session,
        action: &str,
    ) -> Result<Option<u64>, Error> {
        let request = Request::bare(action, Verb::GET, session.url.clone());
        match self.host.call(&request, &self.access(Right::Push), &[204]) {
            Ok(response) => {
                self.moved(session, &response, action)?;
                Ok(stored(&response))
            }
            Err(error) if is_transient(&error) => Err(error),
            Err(Error::Refused { .. } | Error::NotARegistry { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Adds `content` to the session; with its range if `ranged`. Answers what the registry says that it has now.
    pub(super) fn patch_session(
        &self,
        session: &mut Session,
        content: Content<'_>,
        ranged: bool,
        action: &str,
    ) -> Result<Option<u64>, Error> {
        let range = (content.from, content.from + content.length.saturating_sub(1));
        let mut request =
            Request::with(action, Verb::PATCH, session.url.clone(), Payload::Content(content));
        request.range = ranged.then_some(range);
        // 201 is what ECR answers.
        let response = self.host.call(&request, &self.access(Right::Push), &[201, 202, 204])?;
        self.moved(session, &response, action)?;
        Ok(stored(&response))
    }

    /// Closes the session: the blob is in the repository. `content` is what was not sent yet.
    pub(super) fn close_session(
        &self,
        session: &Session,
        content: Option<Content<'_>>,
        digest: &Digest,
        action: &str,
    ) -> Result<(), Error> {
        let mut url = session.url.clone();
        append_digest(&mut url, digest);
        // Zot refuses a PUT without this type, even of nothing.
        let payload = content.map_or(Payload::Bytes(Some(OCTETS), &[]), Payload::Content);
        let request = Request::with(action, Verb::PUT, url, payload);
        let response = self.host.call(&request, &self.access(Right::Push), &[201])?;
        self.check_digest(&response, digest, &digest.to_string())
    }

    /// Some answers have no new location; then the old one stands.
    fn moved(&self, session: &mut Session, response: &Response, action: &str) -> Result<(), Error> {
        if response.headers().contains_key(LOCATION) {
            session.url = self.host.location(&session.url, response, action)?;
        }
        Ok(())
    }
}

fn stored(response: &Response) -> Option<u64> {
    answer::text(response.headers(), RANGE.as_str()).and_then(range::parse)
}

fn append_digest(url: &mut Url, digest: &Digest) {
    let query = match url.query() {
        Some(query) if !query.is_empty() => format!("{query}&digest={digest}"),
        _ => format!("digest={digest}"),
    };
    url.set_query(Some(&query));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sessions_query_is_kept_to_the_letter() {
        let digest = Digest::of(b"");
        for (url, expected) in [
            ("http://h/u", "http://h/u?digest="),
            ("http://h/u?_state=a%2Fb+c==", "http://h/u?_state=a%2Fb+c==&digest="),
            ("http://h/u?", "http://h/u?digest="),
        ] {
            let mut url = Url::parse(url).unwrap();
            append_digest(&mut url, &digest);
            assert_eq!(url.as_str(), format!("{expected}{digest}"));
        }
    }
}
