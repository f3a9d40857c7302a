//! An opened image, whatever its format: layers that can be read as entries.

use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use layering::{StoreDir, StorePath};
use registry::{Descriptor, Digest, Parts};

use super::Error;
use super::oci::Oci;
use super::rootfs::{Within, checked};
use super::squashfs::Packed;
use super::stream::{Streamed, Sum, Wanted, stream};
use crate::appimage::elf_head::ElfHead;
use crate::copy::{Attached, Source, in_index};
use crate::earlier::EarlierLayer;
use crate::image::{PathRecord, Spooled};
use crate::untar::{Strict, Visitor};

/// What an image is kept in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// A tar that is an OCI layout.
    OciArchive,
    /// A directory that is an OCI layout.
    OciLayout,
    /// What `docker save` wrote before version 25.
    DockerArchive,
    /// An image in a registry.
    Registry,
    /// An App Container Image.
    Aci {
        /// Where it is: its signature is beside it.
        file: PathBuf,
    },
    /// A program with a `SquashFS` image behind it.
    AppImage {
        /// Where it is.
        file: PathBuf,
        /// What is known of the program.
        head: Box<ElfHead>,
    },
    /// A `SquashFS` image by itself.
    Squashfs,
}

impl Format {
    /// What people call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::OciArchive => "OCI archive",
            Self::OciLayout => "OCI layout",
            Self::DockerArchive => "Docker archive",
            Self::Registry => "image in a registry",
            Self::Aci { .. } => "App Container Image",
            Self::AppImage { .. } => "AppImage",
            Self::Squashfs => "SquashFS image",
        }
    }

    pub(super) fn of_source(text: &str, source: &dyn Source) -> Self {
        match (source.repository(), source.is_docker()) {
            (Some(_), _) => Self::Registry,
            (None, true) => Self::DockerArchive,
            (None, false) if PathBuf::from(text).is_dir() => Self::OciLayout,
            (None, false) => Self::OciArchive,
        }
    }
}

/// An image, opened.
pub struct Image {
    /// What the user called it.
    pub name: String,
    /// What it is kept in.
    pub format: Format,
    /// Manifest and configuration of a container image.
    pub oci: Option<Oci>,
    pub(super) store: Option<StoreDir>,
    /// Whether it says something of its store that cannot be understood.
    pub(super) is_told_wrong: bool,
    /// Whence the documents of a container image are.
    pub(super) source: Option<Arc<dyn Source>>,
    /// Its layers, bottom first; formats that know no layers have one.
    pub layers: Vec<Layer>,
}

/// A layer: some files, and orders to remove those of layers below.
#[derive(Default)]
pub struct Layer {
    /// What the image says of it.
    pub told: EarlierLayer,
    pub(super) content: Content,
}

/// Where a layer's bytes are.
#[derive(Default)]
pub(super) enum Content {
    /// A blob of a container image.
    Blob { source: Arc<dyn Source>, descriptor: Box<Descriptor> },
    /// All of a file.
    File { file: Spooled, size: u64 },
    /// A `SquashFS` image.
    Squashfs(Box<Packed>),
    /// No bytes at all.
    #[default]
    Nothing,
}

impl Image {
    /// The store of its paths, as far as it says.
    pub fn store_dir(&self) -> Option<&StoreDir> {
        self.store.as_ref()
    }

    /// Whether reading the layers is a matter of this machine alone.
    pub fn is_local(&self) -> bool {
        self.format != Format::Registry
    }

    /// The paths that the image says it has, bottom layer first, each with what it says of it and the
    /// number of its layer.
    pub fn told_paths(&self) -> impl Iterator<Item = (usize, &StorePath, Option<&PathRecord>)> {
        self.layers.iter().enumerate().flat_map(|(layer, Layer { told, .. })| {
            let paths = told.paths.iter().enumerate();
            paths.map(move |(at, path)| (layer, path, told.records.get(at)))
        })
    }

    /// What is attached to a container image: signatures, attestations, lists of parts.
    pub fn attached(&self) -> Result<Vec<Attached>, Error> {
        let (Some(oci), Some(source)) = (&self.oci, &self.source) else { return Ok(Vec::new()) };
        let mut all = source.attached(&oci.manifest.digest)?;
        if oci.root.digest != oci.manifest.digest {
            all.extend(source.attached(&oci.root.digest)?);
        }
        if let Ok(Parts::Index(index)) = oci.root.parts() {
            all.extend(in_index(&index.manifests, &oci.manifest.digest));
        }
        all.sort();
        all.dedup_by_key(|attached| attached.digest);
        Ok(all)
    }

    /// What a whiteout is in this format: OCI's layers have them, trees by themselves have not.
    pub(super) fn has_whiteouts(&self) -> bool {
        self.oci.is_some()
    }

    /// In which directory of the archive the files are.
    fn prefix(&self) -> &'static [u8] {
        match self.format {
            Format::Aci { .. } => b"rootfs",
            _ => b"",
        }
    }

    /// Tells `visitor` what is in a layer.
    pub(super) fn stream<V: Visitor>(
        &self,
        layer: &Layer,
        wanted: Wanted,
        visitor: &mut V,
    ) -> Result<Streamed<V::Error>, Error> {
        if let Content::Squashfs(packed) = &layer.content {
            return Ok(packed.stream(visitor));
        }
        let blob = layer.content.open()?;
        let mut within = Within::new(self.prefix(), visitor);
        let mut strict = Strict(&mut within);
        let failed = |source| Error::Blob { layer: layer.name(), source };
        match wanted.sum {
            Some(Sum::ImageId) => checked(blob, wanted, &mut strict),
            _ => stream(blob, wanted, &mut strict),
        }
        .map_err(failed)
    }

    /// The hash by which its layers are known.
    pub(super) fn sum(&self) -> Sum {
        match self.format {
            Format::Aci { .. } => Sum::ImageId,
            _ => Sum::DiffId,
        }
    }
}

impl Layer {
    /// How to call it in a message: by its digest, if it has one.
    pub fn name(&self) -> String {
        match &self.content {
            Content::Blob { descriptor, .. } => descriptor.digest.to_string(),
            _ => "the files".into(),
        }
    }

    /// As a manifest names it.
    pub fn descriptor(&self) -> Option<&Descriptor> {
        match &self.content {
            Content::Blob { descriptor, .. } => Some(descriptor),
            _ => None,
        }
    }

    /// Digest of the tar, as the configuration has it.
    pub fn diff_id(&self) -> Option<Digest> {
        self.told.diff_id
    }

    /// Bytes of the blob or file.
    pub fn size(&self) -> u64 {
        match &self.content {
            Content::Blob { descriptor, .. } => descriptor.size,
            Content::File { size, .. } => *size,
            Content::Squashfs(packed) => packed.size(),
            Content::Nothing => 0,
        }
    }
}

impl Content {
    /// The bytes, if they are a tar.
    fn open(&self) -> Result<Box<dyn Read + Send>, Error> {
        match self {
            Self::Blob { source, descriptor } => {
                let blob = source.blob(descriptor)?;
                let layer = descriptor.digest.to_string();
                blob.open().map_err(|source| Error::Blob { layer, source })
            }
            Self::File { file, .. } => Ok(Box::new(file.reader())),
            Self::Squashfs(_) | Self::Nothing => Ok(Box::new(io::empty())),
        }
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("name", &self.name)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}
