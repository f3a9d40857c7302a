//! Why an image could not be extracted.

use std::io;
use std::path::PathBuf;

use registry::Digest;

use super::super::Error;
use super::super::image::Layer;
use crate::untar::Fault;

/// Why an image could not be extracted. `path` is one of the image.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ExtractError {
    #[error(transparent)]
    Image(Box<Error>),
    #[error("cannot make the directory `{}`", dir.display())]
    Place { dir: PathBuf, source: io::Error },
    #[error("`{}` is there already, and not an empty directory", dir.display())]
    NotEmpty { dir: PathBuf },
    #[error("cannot write `{path}`")]
    Write { path: String, source: io::Error },
    #[error("`{path}` is below `{parent}`, which is no directory but a {got}")]
    Through { path: String, parent: String, got: &'static str },
    #[error("`{path}` is there twice in one layer")]
    Twice { path: String },
    #[error("`{path}` is a hard link to `{target}`, which is no file of the image")]
    Link { path: String, target: String },
    #[error("`{path}` is a {got}")]
    Device { path: String, got: &'static str },
    #[error("the files of the image have more than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the tar of the layer `{layer}` has digest `{got}`, expected `{expected}`")]
    DiffId { layer: String, got: Digest, expected: Digest },
}

impl ExtractError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Image(error) => error.hint(),
            Self::NotEmpty { .. } => Some("name a directory that is not there yet".into()),
            Self::Through { .. } | Self::Twice { .. } | Self::Link { .. } => Some(
                "no program that is known makes such images; `closure2img inspect --files` lists what is in it".into(),
            ),
            Self::DiffId { .. } => Some("it is damaged: get or write it anew".into()),
            Self::Device { .. } => Some("leave devices out with `--skip-devices`".into()),
            Self::TooLarge { .. } => Some("allow more with `--max-size`".into()),
            Self::Place { .. } | Self::Write { .. } => None,
        }
    }

    /// The same error, said of this layer.
    pub(super) fn of_layer(self, layer: &Layer) -> Self {
        match self {
            Self::Image(error) => Self::Image(Box::new(error.of_layer(layer))),
            other => other,
        }
    }
}

impl From<Error> for ExtractError {
    fn from(error: Error) -> Self {
        Self::Image(Box::new(error))
    }
}

impl From<Fault> for ExtractError {
    fn from(fault: Fault) -> Self {
        Self::Image(Box::new(fault.into()))
    }
}
