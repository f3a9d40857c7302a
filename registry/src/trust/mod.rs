//! Which certificates are believed at a registry, and which are shown to it.
//!
//! Believed are the system's authorities, those that the caller adds, and those in the registry's `certs.d` folders.
//! `SSL_CERT_FILE` and `SSL_CERT_DIR` replace the system's; the TLS library reads both. Without them
//! `NIX_SSL_CERT_FILE` does, as in programs of nixpkgs. A client certificate is the caller's, or else the first in
//! `certs.d`; it is shown to the registry's own host and to no other that the registry leads to.

mod certs_d;
mod pem;

use std::path::{Path, PathBuf};
use std::{env, io};

use reqwest::Certificate;

use crate::{ClientOptions, Error};

/// A certificate authority to trust beside those of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// A file in PEM form, with one certificate or several.
    File(PathBuf),
    /// The content of such a file.
    Pem(Vec<u8>),
}

/// Files in PEM form which prove to a registry who the client is (mutual TLS).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, followed by intermediate ones if there are any.
    pub certificate: PathBuf,
    /// Its private key, not encrypted.
    pub key: PathBuf,
}

/// Where certificates may be, beside what the TLS library finds by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificatePlaces {
    /// `NIX_SSL_CERT_FILE`: authorities instead of the system's. A file that does not exist means none: the name that
    /// Nix gives it in sandboxes says so.
    pub roots: Option<PathBuf>,
    /// `certs.d` folders: in each, a folder `HOST[:PORT]` with authorities (`*.crt`) and client certificates
    /// (`*.cert` and `*.key`).
    pub folders: Vec<PathBuf>,
}

impl CertificatePlaces {
    /// Those of this process and its user: podman's, then docker's, the user's before the system's.
    pub fn from_env() -> Self {
        let path = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let overridden =
            ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().any(|name| path(name).is_some());
        let home = path("HOME");
        let below_home = |name: &str| home.as_ref().map(|home| home.join(name));
        let config = path("XDG_CONFIG_HOME").or_else(|| below_home(".config"));
        let below_config = |name: &str| config.as_ref().map(|config| config.join(name));
        let folders = [
            below_config("containers/certs.d"),
            below_home(".docker/certs.d"),
            below_config("docker/certs.d"),
            Some("/etc/containers/certs.d".into()),
            Some("/etc/docker/certs.d".into()),
        ];
        Self {
            roots: path("NIX_SSL_CERT_FILE").filter(|_| !overridden),
            folders: folders.into_iter().flatten().collect(),
        }
    }
}

/// What counts for one registry, read from its files.
pub(crate) struct Trust {
    /// Authorities instead of the system's.
    pub(crate) roots: Option<Vec<Certificate>>,
    /// Authorities beside these.
    pub(crate) extra: Vec<Certificate>,
    pub(crate) identity: Option<Identity>,
    /// Whether the registry's own certificate is not checked at all.
    pub(crate) insecure: bool,
}

/// A client certificate with its key, and the file that an error about it names.
pub(crate) struct Identity {
    pub(crate) name: PathBuf,
    pub(crate) inner: reqwest::Identity,
}

impl Trust {
    /// What counts for `registry`, which is `HOST[:PORT]`.
    pub(crate) fn of(registry: &str, options: &ClientOptions) -> Result<Self, Error> {
        let mut extra = Vec::new();
        for authority in &options.authorities {
            extra.extend(match authority {
                Authority::File(path) => {
                    pem::authorities(&path.display().to_string(), &pem::read(path)?)?
                }
                Authority::Pem(pem) => pem::authorities("the given bytes", pem)?,
            });
        }
        let found = certs_d::find(&options.certificates.folders, registry)?;
        for path in &found.authorities {
            extra.extend(pem::authorities(&path.display().to_string(), &pem::read(path)?)?);
        }
        let certificate = options.client_certificate.as_ref().or(found.client.as_ref());
        Ok(Self {
            roots: options.certificates.roots.as_deref().map(roots).transpose()?,
            extra,
            identity: certificate.map(identity).transpose()?,
            insecure: options.is_insecure(registry),
        })
    }
}

fn roots(path: &Path) -> Result<Vec<Certificate>, Error> {
    match pem::read(path) {
        Ok(bytes) => Ok(pem::usable_authorities(&bytes)),
        Err(Error::ReadCertificate { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

fn identity(files: &ClientCertificate) -> Result<Identity, Error> {
    let ClientCertificate { certificate, key } = files;
    let inner = pem::identity(&pem::read(certificate)?, &pem::read(key)?);
    let inner =
        inner.map_err(|reason| Error::ClientCertificate { path: certificate.clone(), reason })?;
    Ok(Identity { name: certificate.clone(), inner })
}
