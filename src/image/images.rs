//! What is written and pushed: one image, or one for each of several platforms under an index.

use std::slice;

use registry::{Descriptor, Digest, Index, Manifest};

use super::manifest::Image;

/// One image, or several with an index over them.
#[derive(Clone, Debug)]
pub enum Images {
    /// An image by itself.
    One(Box<Image>),
    /// An image for each of several platforms.
    Several {
        /// In the order in which clients look for theirs.
        images: Vec<Image>,
        /// What names them.
        index: Manifest,
    },
}

impl Images {
    /// These images, with an index over them.
    pub fn indexed(images: Vec<Image>) -> Self {
        let manifests = images.iter().map(Image::descriptor).collect();
        let index = Index { manifests, ..Index::default() }.to_manifest();
        Self::Several { images, index }
    }

    /// All images.
    pub fn all(&self) -> &[Image] {
        match self {
            Self::One(image) => slice::from_ref(image),
            Self::Several { images, .. } => images,
        }
    }

    /// The index over them, if there is one.
    pub fn index(&self) -> Option<&Manifest> {
        match self {
            Self::One(_) => None,
            Self::Several { index, .. } => Some(index),
        }
    }

    /// The digest that stands for all: that of the index, or of the only manifest.
    pub fn digest(&self) -> Digest {
        match self {
            Self::One(image) => image.digest(),
            Self::Several { index, .. } => index.digest,
        }
    }

    /// What an index says of all of it.
    pub fn descriptor(&self) -> Descriptor {
        match self {
            Self::One(image) => image.descriptor(),
            Self::Several { index, .. } => index.descriptor(),
        }
    }
}
