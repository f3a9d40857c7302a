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
        let mut hosts = lock(&self.hosts);
        let host = match hosts.get(reference.registry()) {
            Some(host) => Arc::clone(host),
            None => {
                let host = Arc::new(Host::new(reference.registry(), self.options.clone())?);
                hosts.insert(reference.registry().to_owned(), Arc::clone(&host));
                host
            }
        };
        Ok(Client::at(host, reference))
    }
}
