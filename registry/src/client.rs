//! A repository in a registry, and what is known of it in this process.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};

use reqwest::Url;

use crate::auth::{Access, Right};
use crate::host::Host;
use crate::known::Known;
use crate::upload::State;
use crate::{Blob, ClientOptions, Digest, Error, Memory, Reference};

/// Talks to one repository; shared by as many threads as there are.
pub struct Client {
    reference: Reference,
    repository: Arc<str>,
    pub(crate) host: Arc<Host>,
    pub(crate) known: Known,
    /// Blobs that are being placed or have been.
    pub(crate) placed: Mutex<BTreeMap<Digest, State>>,
    pub(crate) placed_changed: Condvar,
}

impl Client {
    /// A client for the repository of `reference`. Nothing is sent yet.
    pub fn new(reference: Reference, options: ClientOptions) -> Result<Self, Error> {
        let host = Arc::new(Host::new(reference.registry(), options)?);
        Ok(Self::at(host, reference))
    }

    pub(crate) fn at(host: Arc<Host>, reference: Reference) -> Self {
        Self {
            repository: reference.repository().into(),
            reference,
            host,
            known: Known::default(),
            placed: Mutex::default(),
            placed_changed: Condvar::new(),
        }
    }

    /// Keeps a small blob at hand for a later [`Client::get_blob`], should this client have a place for that.
    pub fn keep(&self, blob: &Memory) {
        self.host.cache.keep_document(&blob.digest(), blob.bytes());
    }

    /// What the client was made for.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The registry as messages name it.
    pub(crate) fn host_name(&self) -> &str {
        self.host.name()
    }

    /// The URL of `tail` within the repository.
    pub(crate) fn url(&self, tail: &str) -> Result<Url, Error> {
        self.host.url(&format!("/v2/{}/{tail}", self.repository))
    }

    /// What a request to this repository needs to be allowed to do.
    pub(crate) fn access(&self, right: Right) -> Access {
        Access { repository: Arc::clone(&self.repository), right }
    }
}
