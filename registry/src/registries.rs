//! All registries that one program talks to. Each is found out about, and asked for tokens, only once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::auth::lock;
use crate::host::Host;
use crate::mirrors::Mirrors;
use crate::{Client, ClientOptions, Error, Reference, RegistryName};

/// Makes clients that share what can be shared: two repositories of one registry share connections, challenges and
/// tokens.
pub struct Registries {
    options: ClientOptions,
    /// By name, and whether it is one that mirrors make insecure: pushes to it are not.
    hosts: Mutex<BTreeMap<(String, bool), Arc<Host>>>,
    /// Read when something is first pulled.
    mirrors: Mutex<Option<Arc<Mirrors>>>,
}

impl Registries {
    /// Clients will behave as `options` say.
    pub fn new(options: ClientOptions) -> Self {
        Self { options, hosts: Mutex::default(), mirrors: Mutex::default() }
    }

    /// A client for the repository of `reference`. Nothing is sent yet.
    pub fn client(&self, reference: Reference) -> Result<Client, Error> {
        Ok(Client::at(self.host(reference.registry())?, reference))
    }

    /// Clients for all places that `reference` may be pulled from, in the order to try them: mirrors, then where
    /// `registries.conf` says it is. There is at least one. Each keeps the name that was asked for, whatever the image
    /// is called in its place. Nothing is sent yet.
    ///
    /// A mirror that fails, for whatever reason, is no reason not to ask the next; what the last says counts.
    pub fn pull_clients(&self, reference: &Reference) -> Result<Vec<Client>, Error> {
        let candidates = self.mirrors()?.candidates(reference)?;
        let client = |(place, insecure): (Reference, bool)| {
            let host = self.host_as(place.registry(), insecure)?;
            Ok(Client::standing_in(host, place.repository().into(), reference.clone()))
        };
        candidates.into_iter().map(|it| (it.reference, it.insecure)).map(client).collect()
    }

    pub(crate) fn host(&self, name: &str) -> Result<Arc<Host>, Error> {
        self.host_as(name, false)
    }

    fn host_as(&self, name: &str, insecure: bool) -> Result<Arc<Host>, Error> {
        let mut hosts = lock(&self.hosts);
        let key = (name.to_owned(), insecure);
        if let Some(host) = hosts.get(&key) {
            return Ok(Arc::clone(host));
        }
        let mut options = self.options.clone();
        if insecure {
            options.insecure.push(name.parse::<RegistryName>()?);
        }
        let host = Arc::new(Host::new(name, options)?);
        hosts.insert(key, Arc::clone(&host));
        Ok(host)
    }

    fn mirrors(&self) -> Result<Arc<Mirrors>, Error> {
        let mut known = lock(&self.mirrors);
        if let Some(mirrors) = &*known {
            return Ok(Arc::clone(mirrors));
        }
        let mirrors = Arc::new(Mirrors::read(&self.options.mirrors)?);
        *known = Some(Arc::clone(&mirrors));
        Ok(mirrors)
    }
}
