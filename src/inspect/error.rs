//! Why an image cannot be looked into.

use std::io;
use std::path::{Path, PathBuf};

use super::image::Layer;
use crate::untar::Fault;
use crate::{copy, earlier};

/// Why an image cannot be opened, or read to its end.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Error {
    #[error(transparent)]
    Find(#[from] earlier::Error),
    #[error(transparent)]
    Source(#[from] copy::Error),
    #[error("cannot read `{}`", file.display())]
    Read { file: PathBuf, source: io::Error },
    #[error("`{}` is {what}, expected an image", file.display())]
    Unknown { file: PathBuf, what: String },
    #[error("`{}`: the SquashFS image {source}", file.display())]
    Squashfs { file: PathBuf, source: squashfs::read::Error },
    #[error("`{name}` is no image that could be run: its type is `{got}`")]
    NoImage { name: String, got: String },
    #[error("the configuration `{document}` of `{name}` is not valid JSON for what it is")]
    Config { name: String, document: String, source: serde_json::Error },
    #[error("cannot read the layer `{layer}`")]
    Blob { layer: String, source: io::Error },
    #[error("the layer `{layer}` is damaged, or no tar")]
    Layer { layer: String, source: Fault },
    #[error("the layer `{layer}` has more than {limit} entries")]
    TooMany { layer: String, limit: usize },
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Find(error) => error.hint(),
            Self::Source(error) => error.hint(),
            Self::Read { .. } => None,
            Self::Unknown { .. } => Some(
                "images are OCI archives and layouts, Docker archives, ACIs, AppImages, SquashFS images, and names in registries".into(),
            ),
            Self::NoImage { .. } => Some("name the image that it belongs to".into()),
            Self::Squashfs { .. } => Some("it is damaged: get or make it anew".into()),
            Self::Config { .. } | Self::Blob { .. } | Self::Layer { .. } | Self::TooMany { .. } => {
                Some("`closure2img verify` tells all that is wrong with it".into())
            }
        }
    }

    /// The same error, said of this layer.
    pub(super) fn of_layer(self, of: &Layer) -> Self {
        match self {
            Self::Layer { source, .. } => Self::Layer { layer: of.name(), source },
            other => other,
        }
    }

    pub(super) fn read(file: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let file = file.to_owned();
        |source| Self::Read { file, source }
    }
}
