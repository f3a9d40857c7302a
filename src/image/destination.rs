//! Where an image is written: a file, a directory or a stream.

use std::io::Write;
use std::path::{Path, PathBuf};

use registry::Digest;

use super::archive::{self, Out, archive_files, layout_files, write_archive};
use super::content::Content;
use super::image_name::ImageName;
use super::images::Images;
use super::layout::{self, write_layout};
use super::manifest::Dialect;
use super::spool::Spool;
use super::storage::Storage;
use crate::cache::Cache;
use crate::output::{AtomicFile, OutputError, parent};
use crate::progress::Progress;

/// A place for an image, checked before any work is done.
pub enum Destination {
    /// An archive.
    File {
        /// As the user called it.
        path: PathBuf,
        /// On its way there.
        file: AtomicFile,
    },
    /// An image layout.
    Layout(PathBuf),
    /// An archive on standard output or another stream.
    Stream(Box<dyn Write>),
    /// Nowhere: the image is pushed only.
    Nowhere,
}

impl Destination {
    /// An archive at `path`.
    pub fn file(path: PathBuf) -> Result<Self, OutputError> {
        let file = AtomicFile::create(&path)?;
        Ok(Self::File { path, file })
    }

    /// A layout at `path`, where nothing or another layout must be.
    pub fn layout(path: PathBuf) -> Result<Self, OutputError> {
        layout::check(&path)?;
        Ok(Self::Layout(path))
    }

    /// Layers rest where the image will be, as it needs the room anyway; else where TMPDIR says.
    pub fn spool(&self) -> Spool {
        match self {
            Self::File { path, file } if file.regular().is_some() => Spool::new(parent(path)),
            Self::Layout(path) => Spool::new(parent(path)),
            Self::File { .. } | Self::Stream(_) | Self::Nowhere => Spool::new(std::env::temp_dir()),
        }
    }

    /// Where layers are kept once they are made.
    pub fn storage<'a>(&'a self, dialect: Dialect, spool: &'a Spool) -> Storage<'a> {
        match self {
            Self::File { file, .. } => archive::storage(dialect, file, spool),
            Self::Layout(_) | Self::Stream(_) | Self::Nowhere => Storage::Spool(spool),
        }
    }

    /// Whether a later run can find the images there.
    pub fn lasts(&self) -> bool {
        self.path().is_some()
    }

    /// Whether these images are there already, written by an earlier run and not touched since.
    pub fn holds(&self, images: &Images, name: Option<&ImageName>, cache: &Cache) -> bool {
        self.path().is_some_and(|path| cache.holds(path, &self.content(images, name)))
    }

    /// Writes the images, whole or not at all, and lets `cache` know.
    pub fn write(
        self,
        images: &Images,
        name: Option<&ImageName>,
        cache: Option<&Cache>,
        progress: &dyn Progress,
    ) -> Result<(), OutputError> {
        let written = cache.zip(self.path().map(ToOwned::to_owned));
        let content = self.content(images, name);
        self.put(images, name, progress)?;
        if let Some((cache, path)) = written {
            cache.wrote(&path, &content);
        }
        Ok(())
    }

    fn path(&self) -> Option<&Path> {
        match self {
            Self::File { path, file } if file.regular().is_some() => Some(path),
            Self::Layout(path) => Some(path),
            Self::File { .. } | Self::Stream(_) | Self::Nowhere => None,
        }
    }

    /// What will be in the file or directory, hashed.
    fn content(&self, images: &Images, name: Option<&ImageName>) -> Digest {
        let files = match self {
            Self::Layout(_) => layout_files(images, name),
            Self::File { .. } | Self::Stream(_) | Self::Nowhere => archive_files(images, name),
        };
        let mut text = String::new();
        for (name, content) in files {
            // The name of a layer's file has its digest.
            let digest = match content {
                Content::Bytes(bytes) => Digest::of(&bytes).hex(),
                Content::Layer(_) | Content::Base(_) => String::new(),
            };
            text.extend([name.as_str(), " ", &digest, "\n"]);
        }
        Digest::of(text.as_bytes())
    }

    fn put(
        self,
        images: &Images,
        name: Option<&ImageName>,
        progress: &dyn Progress,
    ) -> Result<(), OutputError> {
        match self {
            Self::File { path, mut file } => {
                write_archive(images, name, &mut Out::File(&mut file), progress)
                    .map_err(OutputError::write(path))?;
                file.commit()
            }
            Self::Layout(path) => write_layout(images, name, &path, progress),
            Self::Stream(mut out) => {
                write_archive(images, name, &mut Out::Stream(&mut *out), progress)
                    .map_err(OutputError::stream)
            }
            Self::Nowhere => Ok(()),
        }
    }
}
