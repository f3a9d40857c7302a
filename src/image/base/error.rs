//! Why nothing can be put on an image.

use std::io;

use registry::Digest;

/// Why nothing can be put on an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum BaseError {
    #[error("`{name}` is no image: its configuration is of type `{got}`")]
    NoImage { name: String, got: String },
    #[error("the configuration of `{name}` cannot be taken over: {reason}")]
    Config { name: String, reason: String },
    #[error("`{name}` has {layers} layers, and {diff_ids} by its configuration")]
    Uneven { name: String, layers: usize, diff_ids: usize },
    #[error("the layer `{digest}` of `{name}` may not be passed on: it is of type `{media_type}`")]
    Foreign { name: String, digest: Digest, media_type: String },
    #[error(
        "the layer `{digest}` of `{name}` is of type `{media_type}`, expected a tar, packed with gzip, zstd or not at all"
    )]
    Layer { name: String, digest: Digest, media_type: String },
    #[error("`{name}` is for {got}, expected one for {expected}")]
    Platform { name: String, got: String, expected: String },
    #[error("`{name}` has no image for `{wanted}`, only for {there}")]
    NoPlatform { name: String, wanted: String, there: String },
    #[error("`{name}` has {count} images for `{wanted}`, expected one")]
    Ambiguous { name: String, wanted: String, count: usize },
    #[error("`{name}` has layers that are packed with zstd, and Docker's own format has no zstd")]
    Zstd { name: String },
}

impl BaseError {
    /// What the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoImage { .. } | Self::Config { .. } | Self::Uneven { .. } => {
                "look at it with `skopeo inspect --config --raw`, and name another image".into()
            }
            Self::Foreign { .. } | Self::Layer { .. } => {
                "name an image all of whose layers are in its registry".into()
            }
            Self::Platform { .. } | Self::NoPlatform { .. } => {
                "name another image, or build the roots for a machine that it has and say so with `--arch` or `--platform`".into()
            }
            Self::Ambiguous { wanted, .. } => {
                format!("name the one that you want by its digest, or its variant, as in `--platform {wanted}/v7=PATH`")
            }
            Self::Zstd { .. } => "use `--format archive`, or another image".into(),
        }
    }
}

/// A layer that could not be read, as it goes through [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("cannot read the layer `{digest}` of `{name}`")]
pub(crate) struct Unreadable {
    pub(crate) name: String,
    pub(crate) digest: Digest,
    pub(crate) source: io::Error,
}
