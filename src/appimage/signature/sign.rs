//! Signing: the digest goes to `gpg`, what comes back into the sections.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::super::elf_head::{ElfHead, Section, filled};
use super::{Digest, SignatureError};
use crate::gpg::Key;

/// A key of the user's, known to be there.
#[derive(Clone, Debug)]
pub struct Signer(Key);

impl Signer {
    /// Takes the secret key that `gpg` finds under this fingerprint, number or address.
    pub fn new(key: &str) -> Result<Self, SignatureError> {
        Ok(Self(Key::find(key)?))
    }

    /// Whether the public key fits into the section of this runtime, and there is one for the signature.
    pub fn fits(&self, head: &ElfHead) -> Result<(), SignatureError> {
        filled(head, Section::Key, self.0.public())?;
        filled(head, Section::Signature, b"")?;
        Ok(())
    }

    /// Signs a file that is complete but for that; its sections for signature and key are overwritten.
    pub fn sign(&self, file: &File, head: &ElfHead) -> Result<(), SignatureError> {
        self.fits(head)?;
        let digest = Digest::of(file, head).map_err(SignatureError::Read)?;
        let signature = self.0.sign(digest.hex().as_bytes())?;
        for (section, text) in
            [(Section::Signature, &signature[..]), (Section::Key, self.0.public())]
        {
            let (range, bytes) = filled(head, section, text)?;
            file.write_all_at(&bytes, range.start).map_err(SignatureError::Write)?;
        }
        Ok(())
    }
}
