//! How a client behaves: whom it trusts, where it finds credentials, how patient it is.

use std::path::PathBuf;
use std::time::Duration;

use crate::credentials::Environment;
use crate::wire::retry::Deadline;
use crate::wire::transport::Authority;

/// How a [`Client`] behaves.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Certificate authorities to trust beside the system's (which `SSL_CERT_FILE` replaces).
    pub authorities: Vec<Authority>,
    /// Where credentials are looked up.
    pub environment: Environment,
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
            environment: Environment::from_env(),
            user_agent: concat!("closure2img/", env!("CARGO_PKG_VERSION")).to_owned(),
            idle: Duration::from_secs(60),
            first_wait: Duration::from_millis(500),
            deadline: None,
            cache: None,
        }
    }
}
