//! Why an AppImage is not signed, or its signature not checked.

use std::io;

use super::super::elf_head::{ElfError, PatchError};

/// Why an AppImage is not signed, or its signature not checked. That a signature is wrong is no error, but
/// a [`Verdict`](super::Verdict).
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum SignatureError {
    #[error("`gpg` is not installed, or not on PATH")]
    NoGpg,
    #[error("cannot run `gpg`")]
    Run(#[source] io::Error),
    #[error("`gpg` has no secret key for `{0}` to sign with")]
    NoKey(String),
    #[error("`gpg` failed to {task}: {said}")]
    Gpg { task: &'static str, said: String },
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
            Self::NoGpg => Some("install GnuPG, such as Debian's package `gnupg`".into()),
            Self::NoKey(_) => Some(
                "name one of those that `gpg --list-secret-keys` shows, by fingerprint or address"
                    .into(),
            ),
            Self::Gpg { .. } => Some("try the same with `gpg` itself, on any file".into()),
            Self::Section(PatchError::TooLong { .. }) => Some(
                "sign with a smaller key: Ed25519 and RSA fit, if the key has few identities and subkeys".into(),
            ),
            Self::Section(PatchError::Missing(_)) => {
                Some("sign with the runtime that comes with this program, without `--runtime`".into())
            }
            Self::Section(PatchError::Zero(_))
            | Self::Run(_)
            | Self::Read(_)
            | Self::Write(_)
            | Self::Head(_) => None,
        }
    }
}
