//! One image: a tar of `manifest`, `rootfs/` and what is in that, made in one pass and put in place whole.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::compression::Compression;
use super::error::Error;
use super::image_id::ImageId;
use super::manifest::Manifest;
use crate::gpg::Key;
use crate::image::{
    self, LayerOptions, Machines, PathSource, Room, RootEntry, RootNode, Source, Spool, Spooled,
};
use crate::output::{AtomicFile, OutputError};
use crate::progress::Progress;

/// Mode of directories that no store path has.
const MODE_PARENT: u32 = 0o755;

/// How images are made.
#[derive(Clone, Copy, Debug)]
pub struct How<'a> {
    /// Compression of the files.
    pub compression: Compression,
    /// How store paths are read.
    pub options: LayerOptions,
    /// The secret key that signs them.
    pub sign: Option<&'a Key>,
}

/// Where an image goes.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// A file of this name.
    File(&'a Path),
    /// Standard output.
    Stdout,
}

/// An image that is made, and not yet in its place.
pub struct Made {
    /// What it is known by.
    pub id: ImageId,
    /// Size of the file in bytes.
    pub size: u64,
    /// For which machines the programs in it are.
    pub(super) machines: Machines,
    content: Spooled,
    /// Unless it goes to standard output.
    out: Option<(PathBuf, AtomicFile)>,
    /// Whether the file has the bytes already.
    is_there: bool,
    signature: Option<AtomicFile>,
}

/// Makes an image of what `sources` have.
pub(super) fn make(
    manifest: &Manifest,
    sources: Vec<Source>,
    how: How<'_>,
    place: Place<'_>,
    progress: &dyn Progress,
) -> Result<Made, Error> {
    manifest.check()?;
    let sources = rootfs(manifest, sources)?;
    let out = match place {
        Place::File(path) => Some((path.to_owned(), AtomicFile::create(path)?)),
        Place::Stdout => None,
    };
    let file = out.as_ref().and_then(|(_, file)| file.regular());
    let room = file.map(|(file, path)| Room::whole(file, path));
    let is_there = room.is_some();
    let room = match room {
        Some(room) => room,
        None => Spool::new(std::env::temp_dir()).room(image::Compression::None)?,
    };
    let codec = how.compression.codec();
    let single = image::single(&sources, codec, how.options, room, progress)?;
    let image::Single { tar: id, report, size, content, machines } = single;
    // Of what was written, and not of what was meant.
    if !report.is_valid() {
        return Err(Error::Unfit { findings: report.findings });
    }
    let signature = match (how.sign, &out) {
        (Some(key), Some((path, _))) => {
            let bytes = key.sign(content.reader())?;
            Some(written(&asc(path), &bytes)?)
        }
        _ => None,
    };
    Ok(Made { id, size, machines, content, out, is_there, signature })
}

impl Made {
    /// Puts it, and its signature, in place.
    pub fn commit(self) -> Result<(), Error> {
        let Self { size, content, out, is_there, signature, .. } = self;
        let Some((path, mut file)) = out else {
            let mut out = io::stdout().lock();
            let copied = io::copy(&mut content.reader(), &mut out).and_then(|_| out.flush());
            return Ok(copied.map_err(OutputError::stream)?);
        };
        let filled = match is_there {
            true => file.skip(size),
            false => io::copy(&mut content.reader(), &mut file).map(drop),
        };
        filled.map_err(OutputError::write(path))?;
        file.commit()?;
        Ok(signature.map_or(Ok(()), AtomicFile::commit)?)
    }
}

/// Where the signature of an image is.
pub fn asc(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".asc");
    name.into()
}

/// A small file on its way.
pub(super) fn written(path: &Path, bytes: &[u8]) -> Result<AtomicFile, OutputError> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes).map_err(OutputError::write(path))?;
    Ok(file)
}

/// `manifest`, `rootfs/`, directories and files outside the store, then the store paths.
fn rootfs(manifest: &Manifest, sources: Vec<Source>) -> Result<Vec<Source>, Error> {
    let mut outside = BTreeMap::new();
    let mut paths: Vec<PathSource> = Vec::new();
    let mut above = Vec::new();
    let mut size: u64 = 0;
    for source in sources {
        match source {
            Source::Root(entries) => {
                outside.extend(entries.into_iter().map(|entry| (entry.name, entry.node)));
            }
            Source::Store { parents, paths: some, nar_size } => {
                above.extend(parents);
                paths.extend(some);
                size = size.saturating_add(nar_size);
            }
        }
    }
    for parent in above {
        let node =
            outside.entry(parent.clone()).or_insert(RootNode::Directory { mode: MODE_PARENT });
        if !matches!(node, RootNode::Directory { .. }) {
            return Err(Error::StoreBelow(parent));
        }
    }
    let manifest = RootNode::File { mode: 0o644, content: manifest.to_json() };
    let mut entries = vec![
        RootEntry { name: "manifest".into(), node: manifest },
        RootEntry { name: "rootfs".into(), node: RootNode::Directory { mode: MODE_PARENT } },
    ];
    let below = |name: &str| format!("rootfs/{name}");
    entries.extend(outside.into_iter().map(|(name, node)| RootEntry { name: below(&name), node }));
    paths.sort_by(|a, b| a.name.cmp(&b.name));
    for path in &mut paths {
        path.name = below(&path.name);
    }
    let mut all = vec![Source::Root(entries)];
    if !paths.is_empty() {
        all.push(Source::Store { parents: Vec::new(), paths, nar_size: size });
    }
    Ok(all)
}
