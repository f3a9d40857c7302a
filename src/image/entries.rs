//! Which entries a layer has, and with which names and modes; what becomes of them is the sink's
//! affair.

use super::duplicates::{Again, Duplicate, Duplicates};
use super::machine::Machines;
use super::source::{PathSource, RootEntry, RootNode, Source};
use super::witness::Witness;
use super::{Error, Whiteouts, tar};
use crate::closure::NarHash;
use crate::tree::{Measured, Nar, RegularFile, Visitor, Walker};

/// NAR's two kinds of files, and what it says of directories and links, as Nix sets them on disk.
const MODE_FILE: u32 = 0o444;
const MODE_EXECUTABLE: u32 = 0o555;
const MODE_DIRECTORY: u32 = 0o555;
const MODE_SYMLINK: u32 = 0o777;
/// Of the store directory and those above it: not the store's real mode (1775, group nixbld), which
/// no container wants.
const MODE_PARENT: u32 = 0o755;

/// For files that are only looked at.
const LOOK_BUFFER: usize = 1 << 16;

/// Takes the entries of a layer, in order.
pub(crate) trait Sink {
    /// An entry without content, or the header of one whose content follows.
    fn header(&mut self, name: &[u8], mode: u32, kind: tar::Kind<'_>) -> Result<(), Error>;

    /// Content from memory, behind its header.
    fn bytes(&mut self, content: &[u8]) -> Result<(), Error>;

    /// A regular file of the store: a header with the mode for its executable bit, and the content.
    /// `witness` is to see it, too, as `path` within the store path.
    fn file(
        &mut self,
        name: &[u8],
        file: RegularFile<'_>,
        witness: &mut Witness,
        path: &[u8],
    ) -> Result<(), Error>;

    /// Whether contents are read, so that a NAR can be hashed on the way.
    const READS: bool;
}

/// The mode of a regular file.
pub(crate) fn file_mode(executable: bool) -> u32 {
    if executable { MODE_EXECUTABLE } else { MODE_FILE }
}

/// What is not for the source to say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    pub(crate) whiteouts: Whiteouts,
    /// Whether NARs are hashed again whose hashes are known.
    pub(crate) verify: bool,
    /// Files that become links.
    pub(crate) duplicates: &'a Duplicates,
}

/// What was seen of a layer's files, apart from their bytes.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) machines: Machines,
    /// What had to be left out.
    pub(crate) omitted: Vec<String>,
    /// Of each store path, in order; known before or hashed on the way.
    pub(crate) nar_hashes: Vec<Option<NarHash>>,
    /// Bytes of files that became links.
    pub(crate) linked: u64,
}

/// Hands the entries of all `sources` to `sink`, in their order.
pub(crate) fn pack<S: Sink>(
    sources: &[Source],
    rules: Rules<'_>,
    sink: &mut S,
) -> Result<Seen, Error> {
    let mut seen = Seen::default();
    for source in sources {
        match source {
            Source::Store { parents, paths, .. } => {
                for parent in parents {
                    sink.header(parent.as_bytes(), MODE_PARENT, tar::Kind::Directory)?;
                }
                store_paths(paths, rules, sink, &mut seen)?;
            }
            Source::Root(entries) => {
                for entry in entries {
                    root_entry(entry, sink)?;
                }
            }
        }
    }
    Ok(seen)
}

fn store_paths<S: Sink>(
    paths: &[PathSource],
    rules: Rules<'_>,
    sink: &mut S,
    seen: &mut Seen,
) -> Result<(), Error> {
    let mut walker = Walker::default();
    for path in paths {
        let hash = S::READS && (rules.verify || path.nar_hash.is_none());
        let mut packer = Packer {
            sink,
            seen,
            source: path,
            rules,
            witness: Witness::new(Nar::new(hash)),
            omitting: 0,
            name: Vec::new(),
        };
        walker.walk(&path.real, &mut packer)?;
        let (nar_size, nar_hash) = packer.witness.nar.finish();
        check_size(path, nar_size)?;
        let nar_hash = nar_hash.map(NarHash::from_bytes);
        check_hash(path, nar_hash)?;
        seen.nar_hashes.push(path.nar_hash.or(nar_hash));
    }
    Ok(())
}

fn root_entry(entry: &RootEntry, sink: &mut impl Sink) -> Result<(), Error> {
    let name = entry.name.as_bytes();
    match &entry.node {
        RootNode::Directory { mode } => sink.header(name, *mode, tar::Kind::Directory),
        RootNode::Symlink { target } => {
            sink.header(name, MODE_SYMLINK, tar::Kind::Symlink { target: target.as_bytes() })
        }
        RootNode::File { mode, content } => {
            sink.header(name, *mode, tar::Kind::File { size: content.len() as u64 })?;
            sink.bytes(content.as_bytes())
        }
    }
}

/// Hands on the entries of one store path.
struct Packer<'s, S> {
    sink: &'s mut S,
    seen: &'s mut Seen,
    source: &'s PathSource,
    rules: Rules<'s>,
    witness: Witness,
    /// Directories entered since one that is left out, itself included; 0 outside.
    omitting: usize,
    name: Vec<u8>,
}

impl<S: Sink> Packer<'_, S> {
    /// Whether the entry goes into the layer; sets its name in the archive.
    fn takes(&mut self, path: &[u8]) -> Result<bool, Error> {
        if self.omitting > 0 {
            return Ok(false);
        }
        self.name.clear();
        self.name.extend_from_slice(self.source.name.as_bytes());
        if !path.is_empty() {
            self.name.push(b'/');
            self.name.extend_from_slice(path);
        }
        // image-spec, layer, "Whiteouts": readers take such a name as an order to delete.
        let base = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        if !base.starts_with(b".wh.") {
            return Ok(true);
        }
        let path = format!("/{}", String::from_utf8_lossy(&self.name));
        match self.rules.whiteouts {
            Whiteouts::Refuse => Err(Error::Whiteout { path }),
            Whiteouts::Omit => {
                self.seen.omitted.push(path);
                Ok(false)
            }
            Whiteouts::Keep => Ok(true),
        }
    }

    /// A file that is there already, as a link to the first.
    fn again(&mut self, file: RegularFile<'_>, path: &[u8], again: &Again) -> Result<(), Error> {
        if again.hash.is_some() && self.witness.nar.hashes() {
            self.witness.hash_next();
        }
        let (executable, size) = self.look(file, path)?;
        let hash = self.witness.hash();
        if (executable, size) != (again.executable, again.size)
            || (hash.is_some() && hash != again.hash)
        {
            return Err(self.changed());
        }
        self.seen.linked = self.seen.linked.saturating_add(size);
        let target = tar::Kind::HardLink { target: &again.first };
        self.sink.header(&self.name, file_mode(executable), target)
    }

    /// Lets the witness see a file whose content goes nowhere: what it says of mode and size, and
    /// all of it if the NAR is hashed.
    fn look(&mut self, file: RegularFile<'_>, path: &[u8]) -> Result<(bool, u64), Error> {
        if !self.witness.nar.hashes() {
            let Measured { executable, size, .. } = file.measure()?;
            self.witness.file(path, executable, size);
            self.witness.nar.count(size);
            self.witness.end_file(size);
            return Ok((executable, size));
        }
        let mut content = file.open()?;
        let (executable, size) = (content.executable(), content.size());
        self.witness.file(path, executable, size);
        let mut buffer = vec![0; LOOK_BUFFER];
        loop {
            match content.read(&mut buffer)? {
                0 => break self.witness.end_file(size),
                count => self.witness.content(&buffer[..count]),
            }
        }
        Ok((executable, size))
    }

    fn changed(&self) -> Error {
        Error::Changed { path: format!("/{}", String::from_utf8_lossy(&self.name)) }
    }
}

/// Against the size that the store registered; a change is found however it came about.
fn check_size(source: &PathSource, got: u64) -> Result<(), Error> {
    match source.nar_size {
        Some(expected) if expected != got => {
            Err(Error::NarSize { path: format!("/{}", source.name), expected, got })
        }
        _ => Ok(()),
    }
}

/// Against the hash that the store registered.
fn check_hash(source: &PathSource, got: Option<NarHash>) -> Result<(), Error> {
    match (source.nar_hash, got) {
        (Some(expected), Some(got)) if expected != got => {
            Err(Error::NarHash { path: format!("/{}", source.name), expected, got })
        }
        _ => Ok(()),
    }
}

impl<S: Sink> Visitor for Packer<'_, S> {
    type Error = Error;

    fn directory(&mut self, path: &[u8]) -> Result<(), Error> {
        self.witness.nar.directory(path);
        if self.takes(path)? {
            return self.sink.header(&self.name, MODE_DIRECTORY, tar::Kind::Directory);
        }
        self.omitting += 1;
        Ok(())
    }

    fn leave(&mut self) -> Result<(), Error> {
        self.witness.nar.leave();
        self.omitting = self.omitting.saturating_sub(1);
        Ok(())
    }

    fn symlink(&mut self, path: &[u8], target: &[u8]) -> Result<(), Error> {
        self.witness.nar.symlink(path, target);
        if self.takes(path)? {
            self.sink.header(&self.name, MODE_SYMLINK, tar::Kind::Symlink { target })?;
        }
        Ok(())
    }

    fn file(&mut self, path: &[u8], file: RegularFile<'_>) -> Result<(), Error> {
        if !self.takes(path)? {
            self.look(file, path)?;
            return Ok(());
        }
        match self.rules.duplicates.of(&self.name) {
            None | Some(Duplicate::First(None)) => {
                self.sink.file(&self.name, file, &mut self.witness, path)
            }
            Some(&Duplicate::First(Some(expected))) => {
                self.witness.hash_next();
                self.sink.file(&self.name, file, &mut self.witness, path)?;
                if self.witness.hash() == Some(expected) { Ok(()) } else { Err(self.changed()) }
            }
            Some(Duplicate::Again(again)) => self.again(file, path, again),
        }
    }
}
