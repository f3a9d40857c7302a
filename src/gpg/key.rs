//! Signing with a key of the user's.

use std::io::{self, Read};

use super::GpgError;
use super::run::{output, run};

/// A secret key of the user's, known to be there.
#[derive(Clone, Debug)]
pub struct Key {
    name: String,
    public: Vec<u8>,
}

impl Key {
    /// Takes the secret key that `gpg` finds under this fingerprint, number or address. That it is there is
    /// seen now, not when a large file has been made.
    pub fn find(name: &str) -> Result<Self, GpgError> {
        // An argument of its own would be an option if it began with a dash.
        let listed = run(["--list-secret-keys", "--with-colons", "--", name], io::empty())?;
        if !listed.status.success() {
            return Err(GpgError::NoKey(name.into()));
        }
        // Signatures of others on it are of no use to readers, and room may be scarce.
        let export = ["--armor", "--export-options", "export-minimal", "--export", "--", name];
        let public = output("export the public key", export, io::empty())?;
        Ok(Self { name: name.into(), public })
    }

    /// The public key, armored.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// A detached signature of what `input` has, armored.
    pub fn sign(&self, input: impl Read + Send) -> Result<Vec<u8>, GpgError> {
        let args = ["--armor", "--detach-sign", "--local-user", &self.name, "--output", "-"];
        output("sign", args, input)
    }
}
