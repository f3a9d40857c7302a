//! One registry, and the one way in which every request to it is made.
//!
//! [`Host::call`] adds what all of them need: the right scheme, credentials for the registry itself and for nobody
//! else, one renewed token after a 401, redirects of reads, and an error for every status that was not expected. What
//! is repeated after a failure, and how often, is up to the caller, which knows where its sequence starts. All clients
//! of one registry share a host, and with it connections, challenges and tokens.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::header::{LOCATION, WWW_AUTHENTICATE};
use reqwest::{Method, Url};

use crate::auth::{Access, Auth, challenge, lock};
use crate::cache::{Cache, Habits};
use crate::upload::Permits;
use crate::wire::answer::{self, refusal};
use crate::wire::origin::{Origin, authority, follow, is_loopback};
use crate::wire::retry::Policy;
use crate::wire::transport::{Payload, Request, Response, Transport};
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
    habits: Mutex<Habits>,
    /// Whether somebody is finding out if a blob may go with the POST.
    trial: AtomicBool,
    /// What a token was renewed for because of a 403.
    renewed: Mutex<BTreeSet<Access>>,
    pub(crate) cache: Cache,
    /// Bodies on their way.
    pub(crate) bodies: Permits,
    pub(crate) retry: Policy,
}

/// A few connections fill any line; more only share it.
const BODIES: usize = 8;
/// The largest blob that is sent with the POST: it cannot be gone on with where it broke.
const POSTED: u64 = 1 << 20;
/// The largest blob that is worth losing to find out.
const TRIAL: u64 = 64 << 10;

impl Host {
    pub(crate) fn new(name: &str, options: ClientOptions) -> Result<Self, Error> {
        let direct = is_loopback(name);
        let cache = Cache::new(options.cache);
        Ok(Self {
            transport: Transport::new(
                &options.authorities,
                &options.user_agent,
                options.idle,
                options.deadline,
                direct,
            )?,
            auth: Auth::new(options.environment, name),
            name: name.to_owned(),
            base: Mutex::new(None),
            habits: Mutex::new(cache.habits(name)),
            trial: AtomicBool::new(false),
            renewed: Mutex::default(),
            cache,
            bodies: Permits::new(BODIES),
            retry: Policy { first_wait: options.first_wait, deadline: options.deadline },
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn habits(&self) -> Habits {
        lock(&self.habits).clone()
    }

    /// Remembers what was found out, for this run and later ones.
    pub(crate) fn learn(&self, change: impl FnOnce(&mut Habits)) {
        let mut habits = lock(&self.habits);
        let before = habits.clone();
        change(&mut habits);
        if *habits != before {
            self.cache.keep_habits(&self.name, &habits);
        }
    }

    /// Whether a blob of this size may be sent with the POST. One thread at a time finds out.
    pub(crate) fn may_post(&self, size: u64) -> bool {
        match self.habits().takes_post {
            Some(takes) => takes && size <= POSTED,
            None => size <= TRIAL && !self.trial.swap(true, Ordering::SeqCst),
        }
    }

    /// What came of sending a blob with the POST; `None` if that says nothing about the way.
    pub(crate) fn end_trial(&self, taken: Option<bool>) {
        self.learn(|habits| habits.takes_post = taken.or(habits.takes_post));
        self.trial.store(false, Ordering::SeqCst);
    }

    /// The URL, if it leads to this registry itself.
    pub(crate) fn ours(&self, url: Url) -> Option<Url> {
        let base = self.base().ok()?;
        (Origin::of(&url) == Origin::of(&base)).then_some(url)
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
        let (mut response, mut authorized) = match self.authorized(request, &base, access) {
            Err(Error::Connection { source, .. })
                if source.is_connect() && self.remembers_https() =>
            {
                // Another registry may be at this port of this machine today.
                self.learn(|habits| habits.https = None);
                *lock(&self.base) = None;
                let base = self.base()?;
                let mut url = request.url.clone();
                // Both are http or https, which may take each other's place.
                let _ = url.set_scheme(base.scheme());
                let again = Request { url, method: request.method.clone(), ..*request };
                self.authorized(&again, &base, access)?
            }
            result => result?,
        };
        if response.is_redirection() && matches!(request.payload, Payload::Absent) {
            (response, authorized) = self.redirected(request, response, &base, access)?;
        }
        if expected.contains(&response.status()) {
            return Ok(response);
        }
        Err(self.unexpected(response, request.action, expected, authorized))
    }

    fn remembers_https(&self) -> bool {
        is_loopback(&self.name) && self.habits().https == Some(true)
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
        if response.status() == 403 && sent.is_some() && lock(&self.renewed).insert(access.clone())
        {
            // Some registries say so of a token that has expired. Once, until something succeeds.
            return match self.auth.answer(&self.transport, base, &[], access, sent.as_ref())? {
                Some(better) => {
                    answer::discard(response);
                    Ok((self.send(request, access, Some(&better))?, true))
                }
                None => Ok((response, true)),
            };
        }
        if response.status() != 401 {
            if response.is_success() && sent.is_some() {
                lock(&self.renewed).remove(access);
            }
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

    /// Finds out how the registry is spoken to. Plain http is tried, without credentials, on this machine only, and not
    /// if the registry is known to speak https.
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
        if is_loopback(&host) && !self.remembers_https() {
            let plain = parse("http")?;
            let speaks_http = match self.probe(plain.clone()) {
                Ok(response) => response.status() != BAD_REQUEST,
                // Somebody is there and does not understand.
                Err(Error::Connection { ref source, .. }) if !source.is_connect() => false,
                Err(error) => return Err(error),
            };
            if speaks_http {
                base = plain;
            } else {
                self.learn(|habits| habits.https = Some(true));
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
