//! One registry, and the one way in which every request to it is made.
//!
//! [`Host::call`] adds what all of them need: the right scheme, credentials for the registry itself and for nobody
//! else, one renewed token after a 401, redirects of reads, and an error for every status that was not expected. What
//! is repeated after a failure, and how often, is up to the caller, which knows where its sequence starts. All clients
//! of one registry share a host, and with it connections, challenges and tokens.

use std::sync::Mutex;

use reqwest::header::{LOCATION, WWW_AUTHENTICATE};
use reqwest::{Method, Url};

use crate::auth::{Access, Auth, challenge, lock};
use crate::wire::answer::{self, refusal};
use crate::wire::origin::{Origin, authority, follow, is_loopback};
use crate::wire::retry::Policy;
use crate::wire::transport::{Request, Response, Transport};
use crate::{ClientOptions, Error, Secret};

/// As many as Go's and most other HTTP clients follow.
const MAX_REDIRECTS: usize = 10;
/// What a server that expects TLS answers to plain http, if it answers at all.
const BAD_REQUEST: u16 = 400;

pub(crate) struct Host {
    /// `host[:port]`, as the user named it.
    name: String,
    transport: Transport,
    auth: Auth,
    /// `https://HOST/` or `http://HOST/`, once that is known.
    base: Mutex<Option<Url>>,
    pub(crate) retry: Policy,
}

impl Host {
    pub(crate) fn new(name: &str, options: ClientOptions) -> Result<Self, Error> {
        let direct = is_loopback(name);
        Ok(Self {
            transport: Transport::new(
                &options.authorities,
                &options.user_agent,
                options.idle,
                direct,
            )?,
            auth: Auth::new(options.environment, name),
            name: name.to_owned(),
            base: Mutex::new(None),
            retry: Policy { first_wait: options.first_wait },
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The URL of `path`, which begins with a slash.
    pub(crate) fn url(&self, path: &str) -> Result<Url, Error> {
        let mut url = self.base()?;
        url.set_path(path);
        Ok(url)
    }

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
        let (mut response, mut authorized) = self.authorized(request, &base, access)?;
        if response.is_redirection() && request.payload.is_absent() {
            (response, authorized) = self.redirected(request, response, &base, access)?;
        }
        if expected.contains(&response.status()) {
            return Ok(response);
        }
        Err(self.unexpected(response, request.action, expected, authorized))
    }

    /// Also tells whether credentials were sent in the end.
    fn authorized(
        &self,
        request: &Request<'_>,
        base: &Url,
        access: &Access,
    ) -> Result<(Response, bool), Error> {
        if Origin::of(&request.url) != Origin::of(base) {
            return Ok((self.transport.send(request, None)?, false));
        }
        let sent = self.auth.authorization(&self.transport, base, access)?;
        let response = self.send(request, access, sent.as_ref())?;
        if response.status() != 401 {
            return Ok((response, sent.is_some()));
        }
        let mut challenges = challenges(&response);
        if challenges.is_empty() && !self.auth.knows_scheme() {
            // Some registries ask properly only here.
            challenges = self.ask(base)?;
        }
        match self.auth.answer(&self.transport, base, &challenges, access, sent.as_ref())? {
            Some(better) => {
                answer::discard(response);
                Ok((self.send(request, access, Some(&better))?, true))
            }
            None => Ok((response, sent.is_some())),
        }
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
            self.auth.forget(access);
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
    ) -> Result<(Response, bool), Error> {
        let (mut response, mut authorized) = (first, false);
        for _ in 0..MAX_REDIRECTS {
            let url = self.location(response.url(), &response, request.action)?;
            answer::discard(response);
            let next = Request { url, method: request.method.clone(), ..*request };
            (response, authorized) = self.authorized(&next, base, access)?;
            if !response.is_redirection() {
                break;
            }
        }
        Ok((response, authorized))
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

    /// The challenges of the registry's front door.
    fn ask(&self, base: &Url) -> Result<Vec<challenge::Challenge>, Error> {
        let response = self.probe(base.clone())?;
        Ok(challenges(&response))
    }

    fn probe(&self, mut base: Url) -> Result<Response, Error> {
        base.set_path("/v2/");
        let action = format!("reach `{}`", self.name());
        let request = Request::bare(&action, Method::GET, base);
        self.transport.send(&request, None)
    }

    /// How the registry is spoken to. Those who wait between tries do not hold up those who ask meanwhile.
    fn base(&self) -> Result<Url, Error> {
        self.retry.run(|| self.find_base())
    }

    /// Finds out how the registry is spoken to. Plain http is tried, without credentials, on this machine only.
    fn find_base(&self) -> Result<Url, Error> {
        let mut known = lock(&self.base);
        if let Some(base) = &*known {
            return Ok(base.clone());
        }
        let host = self.name().to_owned();
        let parse = |scheme: &str| {
            Url::parse(&format!("{scheme}://{host}/")).map_err(|_| Error::UnsafeUrl {
                host: host.clone(),
                url: host.clone(),
                what: "the registry",
                reason: "it is not a host",
            })
        };
        let mut base = parse("https")?;
        if is_loopback(&host) {
            let plain = parse("http")?;
            let speaks_http = match self.probe(plain.clone()) {
                Ok(response) => response.status() != BAD_REQUEST,
                // Somebody is there and does not understand.
                Err(Error::Connection { ref source, .. }) if !source.is_connect() => false,
                Err(error) => return Err(error),
            };
            if speaks_http {
                base = plain;
            }
        }
        *known = Some(base.clone());
        Ok(base)
    }
}

fn challenges(response: &Response) -> Vec<challenge::Challenge> {
    let headers = response.headers().get_all(WWW_AUTHENTICATE).iter();
    headers.filter_map(|value| value.to_str().ok()).flat_map(challenge::parse).collect()
}
