//! A layer's source as a tar stream, cut into blocks.

use super::blob_writer::{Blob, BlobWriter};
use super::compress::Compression;
use super::machine::{Machine, Machines};
use super::pool::Pool;
use super::source::{PathSource, RootEntry, RootNode, Source};
use super::spool::Spool;
use super::{Error, Whiteouts, tar};
use crate::progress::{Event, Progress};
use crate::tree::{self, Content, NarSize, Visitor};

/// NAR's two kinds of files, and what it says of directories and links, as Nix sets them on disk.
const MODE_FILE: u32 = 0o444;
const MODE_EXECUTABLE: u32 = 0o555;
const MODE_DIRECTORY: u32 = 0o555;
const MODE_SYMLINK: u32 = 0o777;
/// Of the store directory and those above it: not the store's real mode (1775, group nixbld), which
/// no container wants.
const MODE_PARENT: u32 = 0o755;

/// A blob, and what was seen on the way.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) blob: Blob,
    pub(crate) machines: Machines,
    pub(crate) omitted: Vec<String>,
}

/// Makes the blob of a layer.
pub(crate) fn build(
    source: &Source,
    compression: Compression,
    whiteouts: Whiteouts,
    pool: &Pool,
    spool: &Spool,
    progress: &dyn Progress,
) -> Result<Built, Error> {
    let writer = BlobWriter::new(compression, pool, spool)?;
    let buffer = vec![0; compression.block_size()];
    let mut stream = Stream { writer, buffer, filled: 0, header: Vec::new(), progress };
    let mut machines = Machines::default();
    let mut omitted = Vec::new();
    match source {
        Source::Store { parents, paths } => {
            for parent in parents {
                stream.header(parent.as_bytes(), MODE_PARENT, tar::Kind::Directory)?;
            }
            for path in paths {
                let mut packer =
                    Packer::new(&mut stream, &mut machines, &mut omitted, path, whiteouts);
                tree::walk(&path.real, &mut packer)?;
                packer.check_size()?;
            }
        }
        Source::Root(entries) => {
            for entry in entries {
                stream.root_entry(entry)?;
            }
        }
    }
    Ok(Built { blob: stream.finish()?, machines, omitted })
}

/// Fills blocks and hands them on.
struct Stream<'a> {
    writer: BlobWriter<'a>,
    buffer: Vec<u8>,
    filled: usize,
    header: Vec<u8>,
    progress: &'a dyn Progress,
}

impl Stream<'_> {
    fn header(&mut self, name: &[u8], mode: u32, kind: tar::Kind<'_>) -> Result<(), Error> {
        let mut header = std::mem::take(&mut self.header);
        header.clear();
        tar::header(&mut header, name, mode, kind);
        self.put(&header)?;
        self.header = header;
        Ok(())
    }

    fn put(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            let room = &mut self.buffer[self.filled..];
            let count = room.len().min(bytes.len());
            room[..count].copy_from_slice(&bytes[..count]);
            bytes = &bytes[count..];
            self.advance(count)?;
        }
        Ok(())
    }

    /// Reads a file's content straight into the block.
    fn content(&mut self, content: &mut Content<'_>) -> Result<(), Error> {
        loop {
            match content.read(&mut self.buffer[self.filled..])? {
                0 => return self.put(tar::padding(content.size())),
                count => self.advance(count)?,
            }
        }
    }

    fn root_entry(&mut self, entry: &RootEntry) -> Result<(), Error> {
        let name = entry.name.as_bytes();
        match &entry.node {
            RootNode::Directory { mode } => self.header(name, *mode, tar::Kind::Directory),
            RootNode::Symlink { target } => {
                self.header(name, MODE_SYMLINK, tar::Kind::Symlink { target: target.as_bytes() })
            }
            RootNode::File { mode, content } => {
                let size = content.len() as u64;
                self.header(name, *mode, tar::Kind::File { size })?;
                self.put(content.as_bytes())?;
                self.put(tar::padding(size))
            }
        }
    }

    fn advance(&mut self, count: usize) -> Result<(), Error> {
        self.filled += count;
        if self.filled == self.buffer.len() { self.flush(false) } else { Ok(()) }
    }

    fn flush(&mut self, last: bool) -> Result<(), Error> {
        let block = std::mem::take(&mut self.buffer);
        self.progress.report(Event::LayerRead { bytes: self.filled as u64 });
        self.buffer = self.writer.block(block, self.filled, last)?;
        self.filled = 0;
        Ok(())
    }

    fn finish(mut self) -> Result<Blob, Error> {
        self.put(&tar::TRAILER)?;
        self.flush(true)?;
        self.writer.finish()
    }
}

/// Writes the entries of one store path.
struct Packer<'s, 'a> {
    stream: &'s mut Stream<'a>,
    machines: &'s mut Machines,
    omitted: &'s mut Vec<String>,
    source: &'s PathSource,
    whiteouts: Whiteouts,
    nar_size: NarSize,
    /// Directories entered since one that is left out, itself included; 0 outside.
    omitting: usize,
    name: Vec<u8>,
}

impl<'s, 'a> Packer<'s, 'a> {
    fn new(
        stream: &'s mut Stream<'a>,
        machines: &'s mut Machines,
        omitted: &'s mut Vec<String>,
        source: &'s PathSource,
        whiteouts: Whiteouts,
    ) -> Self {
        let nar_size = NarSize::default();
        Self {
            stream,
            machines,
            omitted,
            source,
            whiteouts,
            nar_size,
            omitting: 0,
            name: Vec::new(),
        }
    }

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
        match self.whiteouts {
            Whiteouts::Refuse => Err(Error::Whiteout { path }),
            Whiteouts::Omit => {
                self.omitted.push(path);
                Ok(false)
            }
        }
    }

    /// Against the size that the store registered; a change is found however it came about.
    fn check_size(&self) -> Result<(), Error> {
        let got = self.nar_size.bytes();
        match self.source.nar_size {
            Some(expected) if expected != got => {
                Err(Error::NarSize { path: format!("/{}", self.source.name), expected, got })
            }
            _ => Ok(()),
        }
    }
}

impl Visitor for Packer<'_, '_> {
    type Error = Error;

    fn directory(&mut self, path: &[u8]) -> Result<(), Error> {
        self.nar_size.directory(path);
        if self.takes(path)? {
            return self.stream.header(&self.name, MODE_DIRECTORY, tar::Kind::Directory);
        }
        self.omitting += 1;
        Ok(())
    }

    fn leave(&mut self) -> Result<(), Error> {
        self.omitting = self.omitting.saturating_sub(1);
        Ok(())
    }

    fn symlink(&mut self, path: &[u8], target: &[u8]) -> Result<(), Error> {
        self.nar_size.symlink(path, target);
        if self.takes(path)? {
            self.stream.header(&self.name, MODE_SYMLINK, tar::Kind::Symlink { target })?;
        }
        Ok(())
    }

    fn file(&mut self, path: &[u8], content: &mut Content<'_>) -> Result<(), Error> {
        self.nar_size.file(path, content.executable(), content.size());
        if !self.takes(path)? {
            return content.skip().map_err(Into::into);
        }
        let mode = if content.executable() { MODE_EXECUTABLE } else { MODE_FILE };
        self.stream.header(&self.name, mode, tar::Kind::File { size: content.size() })?;
        self.stream.content(content)?;
        if let Some(machine) = Machine::of(content.head()) {
            self.machines.add(machine, format!("/{}", String::from_utf8_lossy(&self.name)));
        }
        Ok(())
    }
}
