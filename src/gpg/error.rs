//! Why `gpg` did not do what it was asked to.

use std::io;

/// Why something could not be signed, or a signature not be checked. That a signature is wrong is no error, but
/// [`Signed::Bad`](super::Signed::Bad).
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum GpgError {
    #[error("`gpg` is not installed, or not on PATH")]
    NotThere,
    #[error("cannot run `gpg`")]
    Run(#[source] io::Error),
    #[error("`gpg` has no secret key for `{0}` to sign with")]
    NoKey(String),
    #[error("`gpg` failed to {task}: {said}")]
    Failed { task: &'static str, said: String },
    #[error("cannot read what is signed")]
    Input(#[source] io::Error),
    #[error("cannot write a file for `gpg`")]
    Home(#[source] io::Error),
}

impl GpgError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotThere => "install GnuPG, such as Debian's package `gnupg`",
            Self::NoKey(_) => {
                "name one of those that `gpg --list-secret-keys` shows, by fingerprint or address"
            }
            Self::Failed { .. } => "try the same with `gpg` itself, on any file",
            Self::Run(_) | Self::Input(_) | Self::Home(_) => return None,
        };
        Some(hint.into())
    }
}
