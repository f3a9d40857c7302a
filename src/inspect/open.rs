//! What a name stands for: an image in a registry, or a file or directory that is recognised by its
//! bytes, whatever it is called.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use registry::{Platform, Registries};

use super::image::{Content, Image, Layer};
use super::oci::Oci;
use super::squashfs::Packed;
use super::{Error, Format};
use crate::appimage::elf_head::ElfHead;
use crate::copy::Source;
use crate::earlier::{EarlierLayer, Place};
use crate::image::Spooled;
use crate::untar::{self, Entry, Fault, Packing, Visitor};

/// Bytes by which a file may tell what it is.
const HEAD: u64 = 64;

/// Opens the image that `text` names. Of an index it is the one for `platform` or, if nobody said,
/// the one for this machine.
pub fn open(
    text: &str,
    registries: &Registries,
    platform: Option<&Platform>,
) -> Result<Image, Error> {
    match Place::find(text)? {
        Place::Registry(_) => {}
        Place::Local(path) if path.is_dir() => {}
        Place::Local(path) => {
            let mut file = File::open(&path).map_err(Error::read(&path))?;
            let found = recognise(&mut file).map_err(Error::read(&path))?;
            match found {
                Recognised::Tar => {}
                Recognised::Aci => return aci(&path, file),
                Recognised::Squashfs => return squashfs(&path, file, 0, Format::Squashfs),
                Recognised::Program => return appimage(&path, file),
            }
        }
    }
    let source: Arc<dyn Source> = Arc::from(crate::copy::open(text, registries)?);
    let oci = Oci::read(&*source, platform)?;
    let format = Format::of_source(text, &*source);
    let layers = oci.layers(&source);
    let store = oci.store_dir.clone();
    Ok(Image {
        name: text.into(),
        format,
        oci: Some(oci),
        store,
        is_told_wrong: false,
        source: Some(source),
        layers,
    })
}

/// What a file was found to be.
enum Recognised {
    /// A tar, packed or not, which is some form of container image.
    Tar,
    /// An App Container Image.
    Aci,
    /// A SquashFS image.
    Squashfs,
    /// A program, perhaps with an image behind it.
    Program,
}

fn recognise(file: &mut File) -> io::Result<Recognised> {
    let mut head = Vec::new();
    file.by_ref().take(HEAD).read_to_end(&mut head)?;
    file.rewind()?;
    if head.starts_with(b"\x7fELF") {
        return Ok(Recognised::Program);
    }
    if head.starts_with(b"hsqs") {
        return Ok(Recognised::Squashfs);
    }
    let Ok(found) = first_name(file, &head) else { return Ok(Recognised::Tar) };
    file.rewind()?;
    let top = found.split(|&byte| byte == b'/').next().unwrap_or_default();
    Ok(match top {
        b"manifest" | b"rootfs" => Recognised::Aci,
        _ => Recognised::Tar,
    })
}

/// What the first entry of a tar is called. Container images begin with a blob or a document, ACIs
/// with `manifest` or `rootfs`, since they have nothing else.
fn first_name(file: &mut File, head: &[u8]) -> Result<Vec<u8>, Fault> {
    struct First(Vec<u8>);
    impl Visitor for First {
        type Error = Fault;

        fn entry(&mut self, entry: &Entry) -> Result<(), Fault> {
            self.0.clone_from(&entry.path);
            match entry.path.is_empty() {
                true => Ok(()),
                // That is all that was to be known.
                false => Err(Fault::NoHeader { at: 0 }),
            }
        }
    }
    let mut first = First(Vec::new());
    let read = match Packing::of(head) {
        Packing::None => untar::read(&mut BufReader::new(file), &mut first),
        packing => {
            let tar = untar::unpacked(packing, file).map_err(Fault::Read)?;
            untar::read(&mut BufReader::new(tar), &mut first)
        }
    };
    match read {
        Err(error) if first.0.is_empty() => Err(error),
        _ => Ok(first.0),
    }
}

/// A program with an image behind it.
fn appimage(path: &Path, file: File) -> Result<Image, Error> {
    let unknown = |what: &str| Error::Unknown { file: path.into(), what: what.into() };
    let head = ElfHead::read(&file).map_err(|error| unknown(&format!("a program ({error})")))?;
    match head.appimage_type() {
        Some(2) => {}
        Some(_) => return Err(unknown("an AppImage of type 1, which is an ISO image")),
        None => return Err(unknown("a program without an image behind it")),
    }
    let (offset, head, at) = (head.end(), Box::new(head), path.to_owned());
    squashfs(path, file, offset, Format::AppImage { file: at, head })
}

/// A SquashFS image: one layer.
fn squashfs(path: &Path, file: File, offset: u64, format: Format) -> Result<Image, Error> {
    let failed = |source| Error::Squashfs { file: path.into(), source };
    let packed = Packed::open(file, offset).map_err(failed)?;
    let told = packed.told().map_err(failed)?;
    let is_told_wrong = matches!(told, Some(Err(_)));
    let (store, told) = match told {
        Some(Ok(told)) => (Some(told.store), told.layer),
        Some(Err(_)) | None => (None, EarlierLayer::default()),
    };
    let layer = Layer { told, content: Content::Squashfs(Box::new(packed)) };
    let name = path.display().to_string();
    Ok(Image { name, format, oci: None, store, is_told_wrong, source: None, layers: vec![layer] })
}

/// An App Container Image: one layer, beside its manifest.
fn aci(path: &Path, file: File) -> Result<Image, Error> {
    let size = file.metadata().map_err(Error::read(path))?.len();
    let content = Content::File { file: Spooled::within(&Arc::new(file), 0, size), size };
    let layer = Layer { content, ..Layer::default() };
    Ok(Image {
        name: path.display().to_string(),
        format: Format::Aci { file: PathBuf::from(path) },
        oci: None,
        store: None,
        is_told_wrong: false,
        source: None,
        layers: vec![layer],
    })
}
