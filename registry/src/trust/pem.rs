//! Certificates and keys in PEM files (RFC 7468).

use std::fs::File;
use std::io::Read;
use std::path::Path;

use reqwest::{Certificate, Identity};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::Error;

/// A bundle of all public authorities has a quarter of a megabyte; what follows is not read.
const MAX_FILE: u64 = 16 << 20;

pub(super) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes))
        .map_err(|source| Error::ReadCertificate { path: path.to_owned(), source })?;
    Ok(bytes)
}

/// The authorities in what is called `name`, of which there must be one.
pub(super) fn authorities(name: &str, pem: &[u8]) -> Result<Vec<Certificate>, Error> {
    match Certificate::from_pem_bundle(pem) {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(Error::InvalidCertificate { name: name.to_owned() }),
    }
}

/// The authorities of a system's bundle as far as they can be used: it may well have one of which we know nothing.
pub(super) fn usable_authorities(pem: &[u8]) -> Vec<Certificate> {
    CertificateDer::pem_slice_iter(pem)
        .filter_map(Result::ok)
        .filter(|der| RootCertStore::empty().add(der.clone()).is_ok())
        .filter_map(|der| Certificate::from_der(&der).ok())
        .collect()
}

/// The certificate and the key that belongs to it; else what is wrong with them, in words without the key.
pub(super) fn identity(certificate: &[u8], key: &[u8]) -> Result<Identity, &'static str> {
    if key.windows(9).any(|word| word == b"ENCRYPTED") {
        return Err("its key is encrypted, expected one that can be read without a password");
    }
    let both = [certificate, b"\n", key].concat();
    Identity::from_pem(&both).map_err(|_| "expected a certificate and a private key in PEM form")
}
