//! Proves to one registry who the user is.
//!
//! Nothing is asked beforehand: the first request goes out bare, and a 401 names the scheme. From then on Basic
//! credentials, or a token for the scope at hand, go with every request. Each scope has a slot with a lock of its
//! own, so that many threads which need the same token wait for one request instead of each making theirs. A token
//! that the registry no longer takes is replaced once; the slot tells whether another thread has done so already.

pub(crate) mod challenge;
mod token;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Url;

use self::challenge::Challenge;
use self::token::{Realm, Token};
use crate::credentials::{Credential, Environment};
use crate::wire::transport::Transport;
use crate::{Error, Secret};

/// What a request needs to be allowed to do, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Access {
    pub(crate) repository: Arc<str>,
    pub(crate) right: Right,
}

/// What a request needs to be allowed to do in its repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Right {
    Pull,
    Push,
    /// Push, and pull from this other repository.
    Mount(String),
    /// Remove manifests, tags and blobs.
    Delete,
}

impl Access {
    /// The scopes to ask for. The target comes first, since some registries look no further.
    fn scopes(&self) -> Vec<String> {
        let repository = &self.repository;
        let may = |actions| format!("repository:{repository}:{actions}");
        match &self.right {
            Right::Pull => vec![may("pull")],
            Right::Push => vec![may("pull,push")],
            Right::Mount(source) => vec![may("pull,push"), format!("repository:{source}:pull")],
            Right::Delete => vec![may("pull,delete")],
        }
    }

    /// Whether a token for `self` will do for `other`.
    fn covers(&self, other: &Self) -> bool {
        self.repository == other.repository
            && (self.right == other.right
                || other.right == Right::Pull
                || (other.right == Right::Push && matches!(self.right, Right::Mount(_))))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Scheme {
    Basic,
    Bearer(Realm),
}

type Slot = Arc<Mutex<Option<Token>>>;

/// The state of authentication at one registry.
pub(crate) struct Auth {
    environment: Environment,
    registry: String,
    /// What the registry asked for; unknown until it asks.
    scheme: Mutex<Option<Scheme>>,
    /// By repository, looked up when first needed: a helper may ask the user something.
    credentials: Mutex<BTreeMap<Arc<str>, Option<Credential>>>,
    slots: Mutex<BTreeMap<Access, Slot>>,
}

impl Auth {
    pub(crate) fn new(environment: Environment, registry: &str) -> Self {
        Self {
            environment,
            registry: registry.to_owned(),
            scheme: Mutex::new(None),
            credentials: Mutex::default(),
            slots: Mutex::new(BTreeMap::new()),
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
            Some(Scheme::Bearer(realm)) => self.bearer(transport, base, &realm, access, None),
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
            Some(Scheme::Bearer(Realm { url: realm.to_owned(), service }))
        });
        let basic = || {
            challenges.iter().any(|challenge| challenge.scheme == "basic").then_some(Scheme::Basic)
        };
        let scheme = {
            let mut known = lock(&self.scheme);
            if let Some(scheme) = asked.or_else(basic) {
                *known = Some(scheme);
            }
            known.clone()
        };
        let better = match scheme {
            None => None,
            Some(Scheme::Basic) => self.basic(access)?,
            Some(Scheme::Bearer(realm)) => {
                self.bearer(transport, base, &realm, access, rejected)?
            }
        };
        Ok(better.filter(|secret| Some(secret) != rejected))
    }

    /// Whether the registry's way of asking is known.
    pub(crate) fn knows_scheme(&self) -> bool {
        lock(&self.scheme).is_some()
    }

    /// Gets a new token before the next request with this access, whatever the old one's age.
    pub(crate) fn forget(&self, access: &Access) {
        let (_, slot) = self.slot(access);
        *lock(&slot) = None;
    }

    fn basic(&self, access: &Access) -> Result<Option<Secret>, Error> {
        Ok(match self.credential(&access.repository)? {
            Some(Credential::Basic { username, password }) => {
                Some(token::basic(&username, &password))
            }
            _ => None,
        })
    }

    fn bearer(
        &self,
        transport: &Transport,
        base: &Url,
        realm: &Realm,
        access: &Access,
        rejected: Option<&Secret>,
    ) -> Result<Option<Secret>, Error> {
        let header = |token: &Secret| Secret::new(format!("Bearer {}", token.expose()));
        let credential = self.credential(&access.repository)?;
        if let Some(Credential::RegistryToken(token)) = &credential {
            return Ok(Some(header(token)));
        }
        let (access, slot) = self.slot(access);
        let mut token = lock(&slot);
        let usable =
            token.as_ref().filter(|token| token.is_fresh()).map(|token| header(&token.secret));
        if let Some(usable) = usable.filter(|usable| Some(usable) != rejected) {
            return Ok(Some(usable));
        }
        let scopes = access.scopes();
        let new = token::request(transport, base, realm, &scopes, credential.as_ref())?;
        let secret = header(&new.secret);
        *token = Some(new);
        Ok(Some(secret))
    }

    fn credential(&self, repository: &Arc<str>) -> Result<Option<Credential>, Error> {
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
        let filled = wider.into_iter().find(|(_, slot)| lock(slot).is_some());
        filled.unwrap_or_else(|| {
            (access.clone(), Arc::clone(lock(&self.slots).entry(access.clone()).or_default()))
        })
    }
}

/// What these locks guard is replaced as a whole, so that a panic elsewhere leaves it sound.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(right: Right) -> Access {
        Access { repository: "a".into(), right }
    }

    #[test]
    fn wider_access_covers_narrower() {
        let pull = access(Right::Pull);
        let push = access(Right::Push);
        let mount = access(Right::Mount("b".to_owned()));
        assert!(push.covers(&pull) && mount.covers(&push) && mount.covers(&mount));
        assert!(access(Right::Delete).covers(&pull) && !access(Right::Delete).covers(&push));
        assert!(!pull.covers(&push) && !push.covers(&mount));
        assert!(!mount.covers(&access(Right::Mount("c".to_owned()))));
        let elsewhere = Access { repository: "b".into(), ..pull.clone() };
        assert!(!push.covers(&elsewhere));
    }

    #[test]
    fn the_target_is_the_first_scope() {
        assert_eq!(
            access(Right::Mount("b".to_owned())).scopes(),
            ["repository:a:pull,push", "repository:b:pull"]
        );
    }
}
