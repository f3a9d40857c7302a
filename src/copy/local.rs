//! Images in layouts and archives.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use registry::{Blob, Descriptor, Digest, Index, Manifest};
use sha2::{Digest as _, Sha256};

use super::Error;
use super::attached::{Attached, of_entry};
use super::docker;
use super::source::{IMAGE_NAME, REF_NAME, Source};
use super::unpacked::plain;
use crate::earlier;
use crate::earlier::tar_index::{Input, TarIndex};
use crate::image::Spooled;
use crate::image::archive::{INDEX, blob_name};

const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
/// The most that is read of a document.
const MAX_DOCUMENT: u64 = 16 << 20;

/// An image in a file or directory.
pub(super) struct Local {
    files: Files,
    root: Manifest,
    annotations: BTreeMap<String, String>,
    /// Blobs whose names are not those of their digests, as in Docker's archives.
    named: BTreeMap<Digest, String>,
    /// Manifests that speak of others, or of whatever else is there.
    attached: Vec<(Option<Digest>, Attached)>,
}

/// Files of an image.
pub(super) struct Files {
    /// What the user called them.
    pub(super) name: String,
    place: Place,
}

enum Place {
    Directory(PathBuf),
    Tar(Arc<File>, TarIndex),
}

impl Files {
    fn open(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        let failed = |source| earlier::Error::Read { file: path.into(), source };
        if path.is_dir() {
            return Ok(Self { name, place: Place::Directory(path.into()) });
        }
        let file = plain(path, File::open(path).map_err(failed)?)?;
        let input = file.try_clone().and_then(Input::plain).map_err(failed)?;
        let index = TarIndex::read(input, &name, path)?;
        Ok(Self { name, place: Place::Tar(Arc::new(file), index) })
    }

    /// The bytes of a file, and how many they are; `None` if there is none.
    pub(super) fn get(&self, file: &str) -> Result<Option<(Spooled, u64)>, Error> {
        match &self.place {
            Place::Directory(dir) => {
                let path = dir.join(file);
                // Anything else, such as a pipe, might never end.
                if !path.is_file() {
                    return Ok(None);
                }
                let open = File::open(&path).and_then(|open| Ok((open.metadata()?.len(), open)));
                let (size, open) =
                    open.map_err(|source| earlier::Error::Read { file: path, source })?;
                Ok(Some((Spooled::within(&Arc::new(open), 0, size), size)))
            }
            Place::Tar(tar, index) => Ok(index
                .span(file)
                .map(|(offset, size)| (Spooled::within(tar, offset, size), size))),
        }
    }

    /// A whole document.
    pub(super) fn document(&self, file: &str) -> Result<Vec<u8>, Error> {
        let (content, size) = self.get(file)?.ok_or_else(|| self.missing(file))?;
        if size > MAX_DOCUMENT {
            let (name, document, limit) = (self.name.clone(), file.into(), MAX_DOCUMENT);
            return Err(earlier::Error::TooLarge { name, document, limit }.into());
        }
        let mut bytes = Vec::new();
        let read = content.reader().read_to_end(&mut bytes);
        read.map_err(|source| earlier::Error::Read { file: file.into(), source })?;
        Ok(bytes)
    }

    pub(super) fn missing(&self, document: &str) -> Error {
        earlier::Error::Missing { name: self.name.clone(), document: document.into() }.into()
    }
}

impl Local {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let files = Files::open(path)?;
        if files.get(INDEX)?.is_some() {
            let bytes = files.document(INDEX)?;
            return Self::layout(files, bytes);
        }
        if files.get(docker::MANIFEST)?.is_some() {
            let docker = docker::read(&files)?;
            let annotations = match docker.name {
                Some(name) => names(&name),
                None => BTreeMap::new(),
            };
            let (root, named) = (docker.manifest, docker.blobs);
            return Ok(Self { files, root, annotations, named, attached: Vec::new() });
        }
        let (name, expected) = (files.name, "an image");
        let got = "neither `index.json` nor `manifest.json`".into();
        Err(earlier::Error::Format { name, got, expected }.into())
    }

    fn layout(files: Files, bytes: Vec<u8>) -> Result<Self, Error> {
        let index = Index::parse(INDEX, &bytes)
            .map_err(|source| Error::Manifest { name: files.name.clone(), source })?;
        let mut seen = BTreeSet::new();
        let mut images: Vec<Descriptor> = index.manifests;
        images.retain(|image| seen.insert(image.digest));
        let mut attached = Vec::new();
        if images.len() > 1 {
            let mut others = Vec::new();
            for image in images {
                match of_entry(&image, || manifest(&files, &image))? {
                    Some(found) => attached.push(found),
                    None => others.push(image),
                }
            }
            images = others;
        }
        if let [image] = &images[..] {
            let root = manifest(&files, image)?;
            let annotations = image.annotations.clone();
            return Ok(Self { files, root, annotations, named: BTreeMap::new(), attached });
        }
        if images.is_empty() || !is_one(&images) {
            let (name, count) = (files.name, images.len());
            return Err(earlier::Error::Several { name, count }.into());
        }
        let annotations = images[0].annotations.clone();
        let root = Manifest::new(INDEX_TYPE, bytes);
        Ok(Self { files, root, annotations, named: BTreeMap::new(), attached })
    }
}

/// Whether these are one image for several platforms, and not several images.
fn is_one(images: &[Descriptor]) -> bool {
    let tag = |image: &Descriptor| image.annotations.get(REF_NAME).cloned();
    let mut platforms = BTreeSet::new();
    images.iter().all(|image| {
        let platform = image.platform.as_ref();
        tag(image) == tag(&images[0]) && platform.is_some_and(|it| platforms.insert(it))
    })
}

/// What an index says of an image that is called so.
fn names(name: &str) -> BTreeMap<String, String> {
    let Ok(reference) = name.parse::<registry::Reference>() else { return BTreeMap::new() };
    let tag = reference.tag().unwrap_or_default().to_owned();
    BTreeMap::from([(REF_NAME.into(), tag), (IMAGE_NAME.into(), reference.to_string())])
}

fn manifest(files: &Files, descriptor: &Descriptor) -> Result<Manifest, Error> {
    let document = blob_name(&descriptor.digest);
    let manifest = Manifest::new(&descriptor.media_type, files.document(&document)?);
    if manifest.digest == descriptor.digest {
        return Ok(manifest);
    }
    let (name, got, expected) = (files.name.clone(), manifest.digest, descriptor.digest);
    Err(earlier::Error::WrongDigest { name, document, got, expected }.into())
}

impl Source for Local {
    fn name(&self) -> &str {
        &self.files.name
    }

    fn root(&self) -> &Manifest {
        &self.root
    }

    fn annotations(&self) -> BTreeMap<String, String> {
        self.annotations.clone()
    }

    fn manifest(&self, descriptor: &Descriptor) -> Result<Manifest, Error> {
        manifest(&self.files, descriptor)
    }

    fn attached(&self, digest: &Digest) -> Result<Vec<Attached>, Error> {
        let to = |to: &Option<Digest>| to.is_none_or(|to| to == *digest);
        let found = self.attached.iter().filter(|(of, _)| to(of));
        Ok(found.map(|(_, attached)| attached.clone()).collect())
    }

    fn is_docker(&self) -> bool {
        !self.named.is_empty()
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Box<dyn Blob>, Error> {
        let own = blob_name(&descriptor.digest);
        let file = self.named.get(&descriptor.digest).unwrap_or(&own);
        let (content, size) = self.files.get(file)?.ok_or_else(|| self.files.missing(file))?;
        if size != descriptor.size {
            let (name, place) = (self.files.name.clone(), format!("`{file}`"));
            let (got, expected) = (format!("{size} bytes"), descriptor.size.to_string());
            return Err(earlier::Error::Unexpected { name, place, got, expected }.into());
        }
        Ok(Box::new(LocalBlob { content, digest: descriptor.digest, size }))
    }
}

struct LocalBlob {
    content: Spooled,
    digest: Digest,
    size: u64,
}

impl Blob for LocalBlob {
    fn digest(&self) -> Digest {
        self.digest
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let (reader, hasher) = (self.content.reader(), Sha256::new());
        Ok(Box::new(Checked { reader, hasher, left: self.size, expected: self.digest }))
    }

    /// Whether all is right can be told only from the start on.
    fn open_at(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        match offset {
            0 => self.open(),
            offset => Ok(Box::new(self.content.reader_at(offset))),
        }
    }
}

/// Fails before its last bytes unless it is what its name says: who knows how many there are may
/// never ask for what comes behind them.
struct Checked<R> {
    reader: R,
    hasher: Sha256,
    left: u64,
    expected: Digest,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.left = self.left.saturating_sub(count as u64);
        if self.left == 0 && !buffer.is_empty() {
            let got = Digest::from(<[u8; 32]>::from(self.hasher.clone().finalize()));
            if got != self.expected {
                let text = format!("it has digest `{got}`, expected `{}`", self.expected);
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
        }
        Ok(count)
    }
}
