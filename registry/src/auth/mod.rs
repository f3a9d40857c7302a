//! Proves to one registry who the user is.
//!
//! Nothing is asked beforehand: the first request goes out bare, and a 401 names the scheme. From then on Basic
//! credentials, or a token for the scope at hand, go with every request. Each scope has a slot with a lock of its
//! own, so that many threads which need the same token wait for one request instead of each making theirs. A token
//! that the registry no longer takes is replaced once; the slot tells whether another thread has done so already.

mod access;
pub(crate) mod challenge;
mod token;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Url;
use serde::{Deserialize, Serialize};

pub(crate) use self::access::{Access, Right};
use self::challenge::Challenge;
use self::token::{Realm, Token};
use crate::credentials::{Credential, CredentialsError};
use crate::wire::transport::Transport;
use crate::{ClientOptions, Environment, Error, Secret};

/// How a registry wants to be told who the user is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scheme {
    Basic,
    Bearer(Realm),
}

type Slot = Arc<Mutex<Held>>;

/// What is known of one scope.
#[derive(Default)]
struct Held {
    token: Option<Token>,
    /// What the token server said when it refused: asked once more for each of a hundred blobs, it would lock the
    /// account.
    refusal: Option<Refusal>,
    /// Scopes that the registry wants beside ours.
    extra: Vec<String>,
}

/// The parts of [`Error::Refused`].
struct Refusal {
    action: String,
    host: String,
    status: u16,
    words: String,
    authorized: bool,
}

/// The state of authentication at one registry.
pub(crate) struct Auth {
    environment: Environment,
    /// What the user has given for this registry, which wins over whatever is stored.
    given: Option<Credential>,
    registry: String,
    /// What the registry asked for; unknown until it asks.
    scheme: Mutex<Option<Scheme>>,
    /// Whether it is only what the registry asked for at another time.
    recalled: AtomicBool,
    /// By repository, looked up when first needed: a helper may ask the user something.
    credentials: Mutex<BTreeMap<Arc<str>, Option<Credential>>>,
    /// Repositories that are read anonymously since their credentials cannot be had.
    anonymous: Mutex<BTreeSet<Arc<str>>>,
    /// Whether the token server does not know the usual way to ask.
    unusual: AtomicBool,
    slots: Mutex<BTreeMap<Access, Slot>>,
}

impl Auth {
    /// `recalled` is what the registry wanted at another time.
    pub(crate) fn new(options: ClientOptions, registry: &str, recalled: Option<Scheme>) -> Self {
        Self {
            recalled: AtomicBool::new(recalled.is_some()),
            given: options.given(registry).cloned(),
            environment: options.environment,
            registry: registry.to_owned(),
            scheme: Mutex::new(recalled),
            credentials: Mutex::default(),
            anonymous: Mutex::default(),
            unusual: AtomicBool::new(false),
            slots: Mutex::default(),
        }
    }

    /// The `Authorization` to send, as far as it is known that one is wanted.
    pub(crate) fn authorization(
        &self,
        transport: &Transport,
        base: &Url,
        access: &Access,
    ) -> Result<Option<Secret>, Error> {
        let scheme = lock(&self.scheme).clone();
        match scheme {
            None => Ok(None),
            Some(Scheme::Basic) => self.basic(access),
            Some(Scheme::Bearer(realm)) => self.bearer(transport, base, &realm, access, None, ""),
        }
    }

    /// What to answer to a 401 that came although `rejected` was sent; `None` if there is nothing better.
    pub(crate) fn answer(
        &self,
        transport: &Transport,
        base: &Url,
        challenges: &[Challenge],
        access: &Access,
        rejected: Option<&Secret>,
    ) -> Result<Option<Secret>, Error> {
        let asked = challenges.iter().find_map(|challenge| {
            let realm = challenge.parameter("realm").filter(|_| challenge.scheme == "bearer")?;
            let service = challenge.parameter("service").map(str::to_owned);
            let scope = challenge.parameter("scope").unwrap_or_default();
            Some((Scheme::Bearer(Realm { url: realm.to_owned(), service }), scope))
        });
        let basic = || {
            let asked = challenges.iter().any(|challenge| challenge.scheme == "basic");
            asked.then_some((Scheme::Basic, ""))
        };
        let mut wanted = "";
        let scheme = {
            let mut known = lock(&self.scheme);
            if let Some((scheme, scope)) = asked.or_else(basic) {
                *known = Some(scheme);
                self.confirm();
                wanted = scope;
            }
            known.clone()
        };
        let insufficient = |challenge: &Challenge| {
            challenge.parameter("error").is_some_and(|error| error == "insufficient_scope")
        };
        if challenges.iter().any(insufficient) {
            self.explain_anonymous(&access.repository)?;
        }
        let better = match scheme {
            None => None,
            Some(Scheme::Basic) => self.basic(access)?,
            Some(Scheme::Bearer(realm)) => {
                self.bearer(transport, base, &realm, access, rejected, wanted)?
            }
        };
        Ok(better.filter(|secret| Some(secret) != rejected))
    }

    /// Whether the registry's way of asking is known.
    pub(crate) fn knows_scheme(&self) -> bool {
        lock(&self.scheme).is_some()
    }

    /// The registry's way of asking, as it is known to be today.
    pub(crate) fn scheme(&self) -> Option<Scheme> {
        lock(&self.scheme).clone().filter(|_| !self.recalled.load(Ordering::Relaxed))
    }

    /// The registry let a request pass: what was recalled holds.
    pub(crate) fn confirm(&self) {
        self.recalled.store(false, Ordering::Relaxed);
    }

    /// Lets go of a way of asking that is only recalled, and answers whether there was one.
    pub(crate) fn let_go(&self) -> bool {
        let recalled = self.recalled.swap(false, Ordering::Relaxed);
        if recalled {
            *lock(&self.scheme) = None;
        }
        recalled
    }

    /// Whether requests with this access are made with somebody's credentials.
    pub(crate) fn is_somebody(&self, access: &Access) -> bool {
        let known = lock(&self.credentials);
        self.given.is_some() || known.get(&access.repository).is_some_and(Option::is_some)
    }

    /// Gets a new token before the next request with this access, whatever the age of the one that was `sent`.
    /// Another that came meanwhile stays. Basic credentials stay as well: there is nothing to renew.
    pub(crate) fn forget(&self, access: &Access, sent: &Secret) {
        let (_, slot) = self.slot(access);
        let mut held = lock(&slot);
        if held.token.as_ref().is_some_and(|token| header(&token.secret) == *sent) {
            held.token = None;
        }
    }

    fn basic(&self, access: &Access) -> Result<Option<Secret>, Error> {
        Ok(match self.credential(&access.repository)? {
            Some(Credential::Basic { username, password }) => {
                Some(token::basic(&username, &password))
            }
            // It is an answer to any question.
            Some(Credential::RegistryToken(token)) => Some(header(&token)),
            Some(Credential::IdentityToken(_)) | None => None,
        })
    }

    /// `wanted` are the scopes that the registry has just asked for.
    fn bearer(
        &self,
        transport: &Transport,
        base: &Url,
        realm: &Realm,
        access: &Access,
        rejected: Option<&Secret>,
        wanted: &str,
    ) -> Result<Option<Secret>, Error> {
        let (repository, right) = (&access.repository, &access.right);
        let credential = self.credential_for(repository, right)?;
        if let Some(Credential::RegistryToken(token)) = &credential {
            return Ok(Some(header(token)));
        }
        let (access, slot) = self.slot(access);
        let mut held = lock(&slot);
        let mut scopes = access.scopes();
        let more = access::add_wanted(wanted, &scopes, &mut held.extra);
        let usable = held.token.as_ref().filter(|token| token.is_fresh() && !more);
        let usable = usable.map(|token| header(&token.secret));
        if let Some(usable) = usable.filter(|usable| Some(usable) != rejected) {
            return Ok(Some(usable));
        }
        if let Some(refusal) = held.refusal.as_ref().filter(|_| !more) {
            return Err(refusal.repeated());
        }
        scopes.extend_from_slice(&held.extra);
        let credential = credential.as_ref();
        let request =
            |credential| token::request(transport, base, realm, &scopes, credential, &self.unusual);
        let result = match request(credential) {
            // Nobody has logged in with what merely lies around; it may be for something else altogether.
            Err(error)
                if *right == Right::Pull
                    && self.lies_around(credential)
                    && Refusal::of(&error).is_some() =>
            {
                lock(&self.anonymous).insert(Arc::clone(repository));
                request(None).map_err(|_| error)
            }
            result => result,
        };
        match result {
            Ok(new) => {
                let secret = header(&new.secret);
                held.token = Some(new);
                Ok(Some(secret))
            }
            Err(error) => {
                held.refusal = Refusal::of(&error);
                if held.refusal.is_some() {
                    self.explain_anonymous(repository)?;
                }
                Err(error)
            }
        }
    }

    /// The credential; none for reading with one that cannot be had: a helper that is not installed is no reason not
    /// to read what everybody may.
    fn credential_for(
        &self,
        repository: &Arc<str>,
        right: &Right,
    ) -> Result<Option<Credential>, Error> {
        let reads = *right == Right::Pull;
        if reads && lock(&self.anonymous).contains(repository) {
            return Ok(None);
        }
        match self.credential(repository) {
            Err(CredentialsError::Helper { .. }) if reads => {
                lock(&self.anonymous).insert(Arc::clone(repository));
                Ok(None)
            }
            result => Ok(result?),
        }
    }

    /// Whether the credential is a service's variable that nobody has set for this registry in particular.
    fn lies_around(&self, credential: Option<&Credential>) -> bool {
        credential.is_some()
            && self.given.is_none()
            && credential == self.environment.of_service(&self.registry).as_ref()
    }

    /// When anonymous is not enough, what kept us from being somebody is the better reason.
    fn explain_anonymous(&self, repository: &Arc<str>) -> Result<(), Error> {
        if lock(&self.anonymous).contains(repository) {
            self.credential(repository)?;
        }
        Ok(())
    }

    fn credential(&self, repository: &Arc<str>) -> Result<Option<Credential>, CredentialsError> {
        if self.given.is_some() {
            return Ok(self.given.clone());
        }
        let mut known = lock(&self.credentials);
        if let Some(credential) = known.get(repository) {
            return Ok(credential.clone());
        }
        let credential = self.environment.credential(&self.registry, repository)?;
        known.insert(Arc::clone(repository), credential.clone());
        Ok(credential)
    }

    /// The slot for `access`, or one for wider access whose token is there already; and what its tokens are for.
    fn slot(&self, access: &Access) -> (Access, Slot) {
        let wider: Vec<_> = {
            let slots = lock(&self.slots);
            if let Some(own) = slots.get(access) {
                return (access.clone(), Arc::clone(own));
            }
            let covering = slots.iter().filter(|(other, _)| other.covers(access));
            covering.map(|(other, slot)| (other.clone(), Arc::clone(slot))).collect()
        };
        // Not under the lock of all slots, since a slot may be waiting for its token.
        let filled = wider.into_iter().find(|(_, slot)| lock(slot).token.is_some());
        filled.unwrap_or_else(|| {
            (access.clone(), Arc::clone(lock(&self.slots).entry(access.clone()).or_default()))
        })
    }
}

impl Refusal {
    /// Whether the token server has understood and said no, which it would say again.
    fn of(error: &Error) -> Option<Self> {
        match error {
            Error::Refused { action, host, status, words, authorized, .. }
                if matches!(status, 400 | 401 | 403) =>
            {
                Some(Self {
                    action: action.clone(),
                    host: host.clone(),
                    status: *status,
                    words: words.clone(),
                    authorized: *authorized,
                })
            }
            _ => None,
        }
    }

    fn repeated(&self) -> Error {
        Error::Refused {
            action: self.action.clone(),
            host: self.host.clone(),
            status: self.status,
            words: self.words.clone(),
            details: Box::default(),
            retry_after: None,
            authorized: self.authorized,
        }
    }
}

fn header(token: &Secret) -> Secret {
    Secret::new(format!("Bearer {}", token.expose()))
}

/// What these locks guard is replaced as a whole, so that a panic elsewhere leaves it sound.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
