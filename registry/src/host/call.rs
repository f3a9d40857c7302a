//! The one way in which every request to a registry is made.
//!
//! [`Host::call`] adds what all of them need: the right scheme, credentials for the registry itself and for nobody
//! else, one renewed token after a 401, redirects of reads, and an error for every status that was not expected. What
//! is repeated after a failure, and how often, is up to the caller, which knows where its sequence starts.

use reqwest::Url;
use reqwest::header::{LOCATION, WWW_AUTHENTICATE};

use super::Host;
use crate::auth::{Access, challenge, lock};
use crate::wire::answer::{self, refusal};
use crate::wire::message::{Request, Response};
use crate::wire::origin::{Origin, authority, follow};
use crate::{Error, Secret};

/// As many as Go's and most other HTTP clients follow.
const MAX_REDIRECTS: usize = 10;

/// An answer, and the credentials that it is to.
type Answered = (Response, Option<Secret>);

impl Host {
    /// Resolves what the registry gave as `Location` in the answer to a request for `request`.
    pub(crate) fn location(
        &self,
        request: &Url,
        response: &Response,
        action: &str,
    ) -> Result<Url, Error> {
        let location = answer::text(response.headers(), LOCATION.as_str());
        let location = location.ok_or_else(|| Error::NotARegistry {
            action: action.to_owned(),
            host: self.name().to_owned(),
            got: format!("{} without a location", response.status()),
            expected: "a `Location` header",
        })?;
        follow(request, location, &self.base()?, "the next location")
    }

    /// Makes one request. The answer has one of the `expected` statuses.
    pub(crate) fn call(
        &self,
        request: &Request<'_>,
        access: &Access,
        expected: &[u16],
    ) -> Result<Response, Error> {
        let base = self.base()?;
        let (mut response, mut sent) = match self.authorized(request, &base, access) {
            Err(Error::Connection { source, .. })
                if source.is_connect() && self.remembers_https() =>
            {
                self.forget_base();
                let base = self.base()?;
                let mut url = request.url.clone();
                // Both are http or https, which may take each other's place.
                let _ = url.set_scheme(base.scheme());
                let again = Request { url, method: request.method.clone(), ..*request };
                self.authorized(&again, &base, access)?
            }
            result => result?,
        };
        if response.is_redirection() && request.payload.is_absent() {
            (response, sent) = self.redirected(request, response, &base, access)?;
        }
        if sent.is_some() && (response.is_success() || response.status() == 404) {
            self.auth.confirm();
            lock(&self.renewed).remove(access);
            self.learn(|habits| habits.scheme = self.auth.scheme());
        }
        if expected.contains(&response.status()) {
            return Ok(response);
        }
        // An anonymous token is nobody's.
        let authorized = sent.is_some() && self.auth.is_somebody(access);
        let error = self.unexpected(response, request.action, expected, authorized);
        Err(match sent {
            Some(secret) => error.conceal(&secret),
            None => error,
        })
    }

    fn authorized(
        &self,
        request: &Request<'_>,
        base: &Url,
        access: &Access,
    ) -> Result<Answered, Error> {
        if Origin::of(&request.url) != Origin::of(base) {
            return Ok((self.transport.send(request, None)?, None));
        }
        let mut sent = match self.auth.authorization(&self.transport, base, access) {
            // What the registry wanted at another time need not be what it wants now.
            Err(_) if self.auth.let_go() => None,
            result => result?,
        };
        let mut response = self.send(request, access, sent.as_ref())?;
        // To the first answer a stranger gets to know what is wanted; a token may have ended before it comes.
        for _ in 0..2 {
            match response.status() {
                401 => {}
                // Some registries say so to a stranger, or of a token that has ended. Once, until something succeeds.
                403 if lock(&self.renewed).insert(access.clone()) => {}
                _ => break,
            }
            let mut challenges = challenges(&response);
            if challenges.is_empty() && !self.auth.knows_scheme() {
                // Some registries ask properly only at the front door.
                challenges = self.ask(base)?;
            }
            let better =
                self.auth.answer(&self.transport, base, &challenges, access, sent.as_ref())?;
            let Some(better) = better else { break };
            answer::discard(response);
            response = self.send(request, access, Some(&better))?;
            sent = Some(better);
        }
        Ok((response, sent))
    }

    fn ask(&self, base: &Url) -> Result<Vec<challenge::Challenge>, Error> {
        Ok(challenges(&self.probe(base.clone())?))
    }

    fn send(
        &self,
        request: &Request<'_>,
        access: &Access,
        secret: Option<&Secret>,
    ) -> Result<Response, Error> {
        let result = self.transport.send(request, secret);
        if let Err(Error::Connection { in_body: true, .. }) = result {
            // A registry that finds the token expired may close the connection without reading the body, which can
            // overtake its 401. Should the request be made again, it is made with a new token.
            if let Some(secret) = secret {
                self.auth.forget(access, secret);
            }
        }
        result
    }

    /// Follows redirects of a request without a body, without credentials once they lead elsewhere.
    fn redirected(
        &self,
        request: &Request<'_>,
        first: Response,
        base: &Url,
        access: &Access,
    ) -> Result<Answered, Error> {
        let (mut response, mut sent) = (first, None);
        for _ in 0..MAX_REDIRECTS {
            let url = self.location(response.url(), &response, request.action)?;
            answer::discard(response);
            let next = Request { url, method: request.method.clone(), ..*request };
            (response, sent) = self.authorized(&next, base, access)?;
            if !response.is_redirection() {
                break;
            }
        }
        Ok((response, sent))
    }

    /// A status of success that no registry gives here is another matter than a refusal.
    fn unexpected(
        &self,
        response: Response,
        action: &str,
        expected: &[u16],
        authorized: bool,
    ) -> Error {
        // Another host's refusal is not cured by logging in to the registry, so the one who answered is named.
        let base = lock(&self.base).clone();
        let elsewhere = base.is_some_and(|base| Origin::of(&base) != Origin::of(response.url()));
        let host = if elsewhere { authority(response.url()) } else { self.name().to_owned() };
        if !response.is_success() {
            return refusal(response, action, &host, authorized);
        }
        Error::NotARegistry {
            action: action.to_owned(),
            host,
            got: response.status().to_string(),
            expected: match expected {
                [202] => "202",
                [201, 202] => "201 or 202",
                [200, ..] => "200",
                _ => "201",
            },
        }
    }
}

fn challenges(response: &Response) -> Vec<challenge::Challenge> {
    let headers = response.headers().get_all(WWW_AUTHENTICATE).iter();
    headers.filter_map(|value| value.to_str().ok()).flat_map(challenge::parse).collect()
}
