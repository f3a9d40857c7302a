//! Signing: the digest goes to `gpg`, what comes back into the sections.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::super::elf_head::{ElfHead, Section, filled};
use super::{Digest, SignatureError, gpg};

/// A key of the user's, known to be there.
#[derive(Clone, Debug)]
pub struct Signer {
    key: String,
    public: Vec<u8>,
}

impl Signer {
    /// Takes the secret key that `gpg` finds under this fingerprint, number or address. That it is there is
    /// seen now, not when a large file has been made.
    pub fn new(key: &str) -> Result<Self, SignatureError> {
        // An argument of its own would be an option if it began with a dash.
        let listed = gpg::run(["--list-secret-keys", "--with-colons", "--", key], b"")?;
        if !listed.status.success() {
            return Err(SignatureError::NoKey(key.into()));
        }
        // Signatures of others on it are of no use here, and room is scarce.
        let export = ["--armor", "--export-options", "export-minimal", "--export", "--", key];
        let public = gpg::output("export the public key", export, b"")?;
        Ok(Self { key: key.into(), public })
    }

    /// Whether the public key fits into the section of this runtime, and there is one for the signature.
    pub fn fits(&self, head: &ElfHead) -> Result<(), SignatureError> {
        filled(head, Section::Key, &self.public)?;
        filled(head, Section::Signature, b"")?;
        Ok(())
    }

    /// Signs a file that is complete but for that; its sections for signature and key are overwritten.
    pub fn sign(&self, file: &File, head: &ElfHead) -> Result<(), SignatureError> {
        self.fits(head)?;
        let digest = Digest::of(file, head).map_err(SignatureError::Read)?;
        let args = ["--armor", "--detach-sign", "--local-user", &self.key, "--output", "-"];
        let signature = gpg::output("sign", args, digest.hex().as_bytes())?;
        for (section, text) in [(Section::Signature, &signature), (Section::Key, &self.public)] {
            let (range, bytes) = filled(head, section, text)?;
            file.write_all_at(&bytes, range.start).map_err(SignatureError::Write)?;
        }
        Ok(())
    }
}
