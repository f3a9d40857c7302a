//! The name of a registry alone: `HOST[:PORT]`, parsed once.

use std::fmt;
use std::str::FromStr;

use crate::credentials::{HUB_KEY, same_registry};
use crate::{Reference, ReferenceError};

/// A registry, as the first part of an image's name has it.
///
/// ```
/// let name: registry::RegistryName = "docker.io".parse()?;
/// assert_eq!((name.to_string().as_str(), name.host()), ("docker.io", "registry-1.docker.io"));
/// assert!("team/app".parse::<registry::RegistryName>().is_err());
/// # Ok::<(), registry::ReferenceError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistryName {
    domain: String,
    host: String,
}

impl RegistryName {
    /// The host, with its port if one was given, that serves the registry.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether `host` is of this registry: names of hosts are alike in upper and lower case.
    pub(crate) fn is(&self, host: &str) -> bool {
        same_registry(&self.host, host)
    }
}

impl From<&Reference> for RegistryName {
    fn from(reference: &Reference) -> Self {
        let name = reference.name();
        let domain = name.split('/').next().unwrap_or_default().to_owned();
        Self { domain, host: reference.registry().to_owned() }
    }
}

impl FromStr for RegistryName {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        // As docker writes Docker Hub into its file.
        let domain = if text == HUB_KEY { "docker.io" } else { text };
        let invalid = || {
            let reason = "expected `HOST[:PORT]`, with a dot or a port in it, or `localhost`";
            Reference::invalid(text, reason.to_owned())
        };
        if domain.contains(['/', '@']) {
            return Err(invalid());
        }
        let reference: Reference = format!("{domain}/x").parse().map_err(|_| invalid())?;
        let name = Self::from(&reference);
        // A single word before the slash is not a host but a user of Docker Hub.
        if name.is(domain) { Ok(name) } else { Err(invalid()) }
    }
}

impl fmt::Display for RegistryName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_are_registries() {
        for (text, shown, host) in [
            ("ghcr.io", "ghcr.io", "ghcr.io"),
            ("localhost", "localhost", "localhost"),
            ("host:5000", "host:5000", "host:5000"),
            ("[::1]:5000", "[::1]:5000", "[::1]:5000"),
            ("index.docker.io", "docker.io", "registry-1.docker.io"),
            ("https://index.docker.io/v1/", "docker.io", "registry-1.docker.io"),
        ] {
            let name: RegistryName = text.parse().unwrap();
            assert_eq!((name.to_string().as_str(), name.host()), (shown, host));
        }
        for text in ["", "host", "https://host.example", "ghcr.io/team", "ghcr.io/", "a b.c", "h:0"]
        {
            let error = text.parse::<RegistryName>().unwrap_err().to_string();
            assert!(error.contains("HOST[:PORT]"), "{error}");
        }
    }
}
