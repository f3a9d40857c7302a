//! Whether a registry accepts who the caller claims to be.
//!
//! As docker and podman do it: GET `/v2/`, with a token for no scope in particular if the registry wants one.

use reqwest::Method;

use crate::auth::{Access, Right};
use crate::wire::answer;
use crate::wire::message::Request;
use crate::{Error, Registries, RegistryName};

/// What a registry said to credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// It wants some, and took these.
    Accepted,
    /// It lets everybody in, at least that far, so that nothing is known of these.
    NotAsked,
}

impl Registries {
    /// Asks `registry` whether it accepts the credentials that the options give for it, or else those stored.
    pub fn check_login(&self, registry: &RegistryName) -> Result<Login, Error> {
        let host = self.host(registry.host())?;
        let action = format!("log in to `{registry}`");
        let request = Request::bare(&action, Method::GET, host.url("/v2/")?);
        let access = Access { repository: "".into(), right: Right::Login };
        answer::discard(host.call(&request, &access, &[200])?);
        Ok(if host.asks() { Login::Accepted } else { Login::NotAsked })
    }
}
