//! Why nothing can be learnt from an image or plan of before.

use std::io;
use std::path::PathBuf;

use layering::{StoreDir, StorePath};
use registry::{Digest, ReferenceError};

/// Why an image or plan cannot be read back.
///
/// `name` is what the user called it, `document` a file or blob within it, `place` what is wrong
/// there, such as `layers[3].paths[0]`.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Error {
    #[error("there is no file `{text}`")]
    NoFile { text: String },
    #[error("`{text}` is neither a file nor the name of an image")]
    Nothing { text: String, source: ReferenceError },
    #[error("cannot read `{}`", file.display())]
    Read { file: PathBuf, source: io::Error },
    #[error("`{name}` is neither a plan nor an image: it has {got}, expected {expected}")]
    Format { name: String, got: String, expected: &'static str },
    #[error("`{name}` ends too early: {got}, expected {expected}")]
    Truncated { name: String, got: String, expected: String },
    #[error("`{name}`: `{document}` is not valid JSON for what it is")]
    Json { name: String, document: String, source: serde_json::Error },
    #[error("`{name}`, {place}: got {got}, expected {expected}")]
    Unexpected { name: String, place: String, got: String, expected: String },
    #[error("`{name}`: `{document}` is larger than {limit} bytes, which nothing of its kind is")]
    TooLarge { name: String, document: String, limit: u64 },
    #[error("`{name}`: `{document}` is missing")]
    Missing { name: String, document: String },
    #[error("`{name}`: `{document}` has digest `{got}`, expected `{expected}`")]
    WrongDigest { name: String, document: String, got: Digest, expected: Digest },
    #[error("`{name}` has no image for `linux/{wanted}`, only for {there}")]
    Platform { name: String, wanted: String, there: String },
    #[error("`{name}` has {count} images, expected one")]
    Several { name: String, count: usize },
    #[error("`{name}` has `{path}` twice")]
    Twice { name: String, path: StorePath },
    #[error("`{name}` has paths of the store `{got}`, expected `{expected}`")]
    OtherStore { name: String, got: StoreDir, expected: StoreDir },
    #[error("there is no image `{name}`")]
    NoImage { name: String },
    #[error(transparent)]
    Registry(#[from] registry::Error),
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoFile { .. } => {
                Some("check the name: relative names start at the current directory".into())
            }
            Self::Nothing { .. } => Some(
                "name an image archive, a layout, a plan of `closure2img plan --json`, or an image as `registry.example/team/app:v1`".into(),
            ),
            Self::Format { .. } => Some(
                "plans are written by `closure2img plan --json`, images by `closure2img oci`, `docker save` and skopeo".into(),
            ),
            Self::Truncated { .. }
            | Self::Missing { .. }
            | Self::WrongDigest { .. }
            | Self::Json { .. }
            | Self::TooLarge { .. }
            | Self::Unexpected { .. }
            | Self::Twice { .. } => {
                Some("it is damaged, or was changed by hand: get or write it anew".into())
            }
            Self::Platform { .. } => Some("name one of those with `--arch`".into()),
            Self::Several { .. } => Some("save the one that is meant to a file of its own".into()),
            Self::OtherStore { .. } => Some("name an image or plan of this store".into()),
            Self::NoImage { .. } => Some("check its name and tag".into()),
            Self::Read { .. } | Self::Registry(_) => None,
        }
    }
}
