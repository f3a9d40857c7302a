//! Why an image could not be copied.

use std::io;
use std::path::PathBuf;

use registry::{Digest, ManifestError, Reference};

use crate::earlier;
use crate::image::BaseError;
use crate::output::OutputError;

/// Why an image could not be copied. `name` is what the user called it.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Error {
    #[error(transparent)]
    Local(#[from] earlier::Error),
    #[error(transparent)]
    Registry(#[from] registry::Error),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error(transparent)]
    Base(#[from] BaseError),
    #[error("`{name}` cannot be understood")]
    Manifest { name: String, source: ManifestError },
    #[error("cannot read `{digest}` of `{name}`")]
    Read { name: String, digest: Digest, source: io::Error },
    #[error("cannot unpack `{}` to a passing file in `{}`", file.display(), dir.display())]
    Unpack { file: PathBuf, dir: PathBuf, is_bomb: bool, source: io::Error },
    #[error("`{name}` has no image for `{wanted}`, only for {there}")]
    Platform { name: String, wanted: String, there: String },
    #[error("`{name}` has {count} images for `{wanted}`, expected one")]
    Ambiguous { name: String, wanted: String, count: usize },
    #[error("the images of `{name}` do not say for which platform they are")]
    NoPlatform { name: String },
    #[error("`{first}` and `{second}` are both for `{platform}`")]
    SamePlatform { first: String, second: String, platform: String },
    #[error("`{name}` has more than {limit} {what}")]
    TooMany { name: String, limit: u64, what: &'static str },
    #[error("cannot copy to the digest in `{reference}`")]
    Pinned { reference: Reference },
    #[error("`{}` is named like a packed file, and images are written as they are", path.display())]
    Extension { path: PathBuf },
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Manifest { .. } | Self::Read { .. } => {
                "it is damaged, or no image: get or write it anew".into()
            }
            Self::Unpack { is_bomb: true, .. } => {
                "if you trust it, unpack it yourself and name what comes out: that has no such limit".into()
            }
            Self::Unpack { .. } => {
                "name a folder with more room in the variable TMPDIR, or unpack it yourself".into()
            }
            Self::Base(error) => error.hint(),
            Self::Platform { .. } => "name one of those with `--platform`".into(),
            Self::Ambiguous { .. } => {
                "name the variant, too, as in `--platform linux/arm/v7`".into()
            }
            Self::NoPlatform { .. } => "leave out `--platform`".into(),
            Self::SamePlatform { .. } => "leave out one of them".into(),
            Self::Pinned { reference } => format!("name a tag: `{}:TAG`", reference.name()),
            Self::Extension { .. } => "name a `.tar` file or a directory".into(),
            Self::TooMany { .. } | Self::Local(_) | Self::Registry(_) | Self::Output(_) => {
                return None;
            }
        })
    }

    /// The error for a blob that could not be read. What a registry said is told as it said it.
    pub(super) fn read(name: &str, digest: Digest, source: io::Error) -> Self {
        match source.downcast::<registry::Error>() {
            Ok(error) => Self::Registry(error),
            Err(source) => Self::Read { name: name.into(), digest, source },
        }
    }
}
