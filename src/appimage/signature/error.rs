//! Why an AppImage is not signed, or its signature not checked.

use std::io;

use super::super::elf_head::{ElfError, PatchError};
use crate::gpg::GpgError;

/// Why an AppImage is not signed, or its signature not checked. That a signature is wrong is no error, but
/// a [`Verdict`](super::Verdict).
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum SignatureError {
    #[error(transparent)]
    Gpg(#[from] GpgError),
    #[error("cannot read the AppImage")]
    Read(#[source] io::Error),
    #[error("cannot write the signature")]
    Write(#[source] io::Error),
    #[error(transparent)]
    Head(#[from] ElfError),
    #[error(transparent)]
    Section(#[from] PatchError),
}

impl SignatureError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Gpg(error) => error.hint(),
            Self::Section(PatchError::TooLong { .. }) => Some(
                "sign with a smaller key: Ed25519 and RSA fit, if the key has few identities and subkeys".into(),
            ),
            Self::Section(PatchError::Missing(_)) => {
                Some("sign with the runtime that comes with this program, without `--runtime`".into())
            }
            Self::Section(PatchError::Zero(_)) | Self::Read(_) | Self::Write(_) | Self::Head(_) => None,
        }
    }
}
