//! How a client behaves: whom it trusts, where it finds credentials, how patient it is.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::RegistryName;
use crate::credentials::{Credential, Environment};
use crate::mirrors::MirrorPlaces;
use crate::trust::{Authority, CertificatePlaces, ClientCertificate};
use crate::wire::retry::Deadline;

/// How a [`Client`](crate::Client) behaves.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Certificate authorities to trust beside the system's (which `SSL_CERT_FILE` replaces).
    pub authorities: Vec<Authority>,
    /// What proves to a registry who the client is, if it asks for a certificate.
    pub client_certificate: Option<ClientCertificate>,
    /// Where more certificates are looked up.
    pub certificates: CertificatePlaces,
    /// Registries whose certificates are not checked, and which are spoken to over plain http if they
    /// do not speak https. Whoever is on the way to one can read all that is sent, passwords included, and change
    /// what is received, but for what a digest names.
    pub insecure: Vec<RegistryName>,
    /// Where credentials are looked up.
    pub environment: Environment,
    /// Credentials by registry, which win over all that is stored for it.
    pub credentials: BTreeMap<RegistryName, Credential>,
    /// Where mirrors are looked up, for pulls.
    pub mirrors: MirrorPlaces,
    /// How the client introduces itself.
    pub user_agent: String,
    /// How long a registry may be silent before the connection is given up.
    pub idle: Duration,
    /// The wait before a failed request is tried again; it doubles each time.
    pub first_wait: Duration,
    /// When to give up, whatever is under way; otherwise only what does not advance is given up.
    pub deadline: Option<Deadline>,
    /// A folder, made when needed, for what is worth remembering: the ways of each registry, uploads that broke, the
    /// configurations of images. Nothing depends on it but the number of requests.
    pub cache: Option<PathBuf>,
}

impl Default for ClientOptions {
    /// The system's authorities, the process environment, a minute of silence, half a second between tries.
    fn default() -> Self {
        Self {
            authorities: Vec::new(),
            client_certificate: None,
            certificates: CertificatePlaces::from_env(),
            insecure: Vec::new(),
            environment: Environment::from_env(),
            credentials: BTreeMap::new(),
            mirrors: MirrorPlaces::from_env(),
            user_agent: concat!("closure2img/", env!("CARGO_PKG_VERSION")).to_owned(),
            idle: Duration::from_secs(60),
            first_wait: Duration::from_millis(500),
            deadline: None,
            cache: None,
        }
    }
}

impl ClientOptions {
    /// What the caller has given for `registry`.
    pub(crate) fn given(&self, registry: &str) -> Option<&Credential> {
        let mut given = self.credentials.iter();
        given.find(|(name, _)| name.is(registry)).map(|(_, credential)| credential)
    }

    /// Whether the caller accepts that `registry` may be anybody.
    pub(crate) fn is_insecure(&self, registry: &str) -> bool {
        self.insecure.iter().any(|name| name.is(registry))
    }
}
