//! All registries that one program talks to. Each is found out about, and asked for tokens, only once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::auth::lock;
use crate::host::Host;
use crate::{Client, ClientOptions, Error, Reference};

/// Makes clients that share what can be shared: two repositories of one registry share connections, challenges and
/// tokens.
pub struct Registries {
    options: ClientOptions,
    hosts: Mutex<BTreeMap<String, Arc<Host>>>,
}

impl Registries {
    /// Clients will behave as `options` say.
    pub fn new(options: ClientOptions) -> Self {
        Self { options, hosts: Mutex::default() }
    }

    /// A client for the repository of `reference`. Nothing is sent yet.
    pub fn client(&self, reference: Reference) -> Result<Client, Error> {
        Ok(Client::at(self.host(reference.registry())?, reference))
    }

    pub(crate) fn host(&self, name: &str) -> Result<Arc<Host>, Error> {
        let mut hosts = lock(&self.hosts);
        if let Some(host) = hosts.get(name) {
            return Ok(Arc::clone(host));
        }
        let host = Arc::new(Host::new(name, self.options.clone())?);
        hosts.insert(name.to_owned(), Arc::clone(&host));
        Ok(host)
    }
}
