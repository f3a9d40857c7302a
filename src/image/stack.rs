//! The layers of an image: those of the image underneath, and ours on top of them.

use std::io::{self, Read};
use std::sync::Arc;

use registry::{Blob, Descriptor, Digest};

use super::base::BaseLayer;
use super::compress::Packing;
use super::layer::Layer;

/// A layer of an image, whoever made it.
#[derive(Clone, Debug)]
pub enum ImageLayer {
    /// Made here.
    Own(Arc<Layer>),
    /// Of the image underneath, and wherever that is.
    Base(Arc<BaseLayer>),
}

impl ImageLayer {
    /// Digest of the tar.
    pub fn diff_id(&self) -> Digest {
        match self {
            Self::Own(layer) => layer.diff_id,
            Self::Base(layer) => layer.diff_id,
        }
    }

    /// How the blob is packed.
    pub fn packing(&self) -> Packing {
        match self {
            Self::Own(layer) => layer.compression.into(),
            Self::Base(layer) => layer.packing,
        }
    }

    /// What a manifest says of it, but for the media type: that is for whoever writes one to say.
    pub(crate) fn descriptor(&self) -> Descriptor {
        match self {
            Self::Own(layer) => Descriptor {
                annotations: layer.annotations.clone(),
                ..Descriptor::new("", layer.digest, layer.size)
            },
            // What others noted of the blob holds wherever the blob is.
            Self::Base(layer) => layer.descriptor.clone(),
        }
    }

    fn blob(&self) -> &dyn Blob {
        match self {
            Self::Own(layer) => &**layer,
            Self::Base(layer) => &**layer,
        }
    }
}

impl Blob for ImageLayer {
    fn digest(&self) -> Digest {
        self.blob().digest()
    }

    fn size(&self) -> u64 {
        self.blob().size()
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        self.blob().open()
    }

    fn open_at(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        self.blob().open_at(offset)
    }
}
