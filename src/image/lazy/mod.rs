//! Layers of which a node fetches only the files that it needs: `zstd:chunked` and `eStargz`.
//!
//! Both are ordinary layers, zstd or gzip, to whoever does not know better. Each file's content
//! begins a frame or member of its own ([`unit`]), and a table of contents at the end of the blob
//! ([`toc`]) says where, and what its bytes hash to. The manifest has the table's digest, so that
//! what is fetched piecemeal is checked as well as what is fetched whole.
//!
//! - `zstd:chunked` ([`chunked`]), for podman, CRI-O and bootc: files that another layer has are
//!   not fetched again.
//! - `eStargz` ([`stargz`]), for containerd's stargz snapshotter: containers start first, and files
//!   are fetched as they are opened.

mod chunked;
mod crc64;
mod stargz;
mod tar_split;
mod toc;
mod unit;

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use self::tar_split::TarSplit;
use self::toc::{Node, Toc};
use super::compress::{Compression, Compressor};
use super::{Error, tar};

pub(crate) use self::stargz::{LANDMARK, LANDMARK_CONTENT};
pub(crate) use self::toc::Chunk;
pub(crate) use self::unit::{Cuts, Packed, Unit, compress};

/// Raised whenever the same tar would give another blob, beside what its codec does.
pub(super) const VERSION: u32 = 1;

/// Which kind of layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// `zstd:chunked`.
    Chunked,
    /// `eStargz`.
    Stargz,
}

impl Format {
    /// That of layers which are compressed like this, if their files can be fetched one by one.
    pub(crate) fn of(compression: Compression) -> Option<Self> {
        match compression {
            Compression::ZstdChunked(_) => Some(Self::Chunked),
            Compression::Estargz(_) => Some(Self::Stargz),
            Compression::None | Compression::Gzip(_) | Compression::Zstd(_) => None,
        }
    }

    /// The most of a file that is one chunk, and so fetched together.
    ///
    /// A library that was built again mostly differs in the store paths that it names, which are as
    /// long as they were: what follows them stays where it was, and so do chunks of a fixed size.
    /// With chunks of 1 MiB, one that changed is not much to fetch, at 1 % of size. `eStargz` has no
    /// use for that, and 4 MiB is what its own tools take.
    pub(crate) fn chunk_size(self) -> u64 {
        match self {
            Self::Chunked => 1 << 20,
            Self::Stargz => 4 << 20,
        }
    }
}

/// What ends a blob.
#[derive(Debug)]
pub(crate) struct Tail {
    /// What it adds to the tar.
    pub(crate) tar: Vec<u8>,
    /// What it adds to the blob.
    pub(crate) blob: Vec<u8>,
    /// What the layer's descriptor has to say.
    pub(crate) annotations: BTreeMap<String, String>,
}

/// Where the parts of a layer ended up.
#[derive(Debug)]
pub(crate) struct Placed {
    /// The chunks of all files, in order.
    pub(crate) chunks: Vec<Chunk>,
    /// The size of the blob so far.
    pub(crate) blob_size: u64,
    /// The size of the tar so far.
    pub(crate) tar_size: u64,
}

/// Takes note of a layer's entries as they are written, and makes the table of contents of them.
pub(crate) struct Index {
    format: Format,
    compression: Compression,
    toc: Toc,
    /// Only `zstd:chunked` needs one.
    tar_split: Option<TarSplit>,
    /// The hash of a file of several chunks; that of another is its only chunk's.
    whole: Option<Sha256>,
}

impl Index {
    /// For a layer that is compressed like this, if it is to have an index.
    pub(crate) fn new(compression: Compression) -> Result<Option<Self>, Error> {
        let Some(format) = Format::of(compression) else { return Ok(None) };
        let tar_split = match compression {
            Compression::ZstdChunked(level) => Some(TarSplit::new(level)?),
            _ => None,
        };
        Ok(Some(Self { format, compression, toc: Toc::default(), tar_split, whole: None }))
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Takes note of an entry, whose header is these bytes.
    pub(crate) fn entry(
        &mut self,
        name: &[u8],
        mode: u32,
        kind: tar::Kind<'_>,
        header: &[u8],
    ) -> Result<(), Error> {
        // JSON has no other text, and a name that is nearly right would be another file's.
        let text = |bytes: &[u8]| match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(Error::NotUtf8 { path: format!("/{}", String::from_utf8_lossy(name)) }),
        };
        let mut entry_name = text(name)?;
        let (node, size) = match kind {
            tar::Kind::Directory => {
                entry_name.push('/');
                (Node::Directory, 0)
            }
            tar::Kind::Symlink { target } => (Node::Symlink(text(target)?.into()), 0),
            tar::Kind::HardLink { target } => (Node::HardLink(text(target)?.into()), 0),
            tar::Kind::File { size } => {
                let chunks = size.div_ceil(self.format.chunk_size());
                self.whole = (chunks > 1).then(Sha256::new);
                (Node::File { size, digest: None, chunks }, size)
            }
        };
        if let Some(tar_split) = &mut self.tar_split {
            tar_split.entry(header, &entry_name, size)?;
        }
        self.toc.push(entry_name, mode, node);
        Ok(())
    }

    /// Sees some content of the file whose header came last.
    pub(crate) fn content(&mut self, bytes: &[u8]) {
        if let Some(hash) = &mut self.whole {
            hash.update(bytes);
        }
        if let Some(tar_split) = &mut self.tar_split {
            tar_split.content(bytes);
        }
    }

    /// That file's content is complete.
    pub(crate) fn end_content(&mut self) -> Result<(), Error> {
        if let Some(hash) = self.whole.take() {
            self.toc.set_digest(hash.finalize().into());
        }
        match &mut self.tar_split {
            Some(tar_split) => tar_split.end_content(),
            None => Ok(()),
        }
    }

    /// What comes behind all entries.
    pub(crate) fn finish(self, placed: Placed) -> Result<Tail, Error> {
        match self.tar_split {
            Some(tar_split) => {
                chunked::tail(&self.toc, &tar_split.finish()?, placed, self.compression)
            }
            None => stargz::tail(&self.toc, placed, self.compression),
        }
    }
}

/// Compresses a table of contents.
fn pack(compression: Compression, bytes: &[u8]) -> Result<Vec<u8>, Error> {
    Compressor::default().whole(compression, bytes).map_err(Error::Compress)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As for codecs: if this fails, what is in caches is not what we make. Raise [`VERSION`], and
    /// only then give the new sums here.
    #[test]
    fn another_end_needs_another_version() {
        let sum = |compression| {
            let mut index = Index::new(compression).unwrap().unwrap();
            let content = vec![b'x'; usize::try_from(index.format().chunk_size() + 1).unwrap()];
            let size = content.len() as u64;
            for (name, kind) in [
                ("a", tar::Kind::Directory),
                ("a/file", tar::Kind::File { size }),
                ("a/small", tar::Kind::File { size: 1 }),
                ("a/empty", tar::Kind::File { size: 0 }),
                ("a/link", tar::Kind::Symlink { target: b"file" }),
                ("a/twin", tar::Kind::HardLink { target: b"a/file" }),
            ] {
                let mut header = Vec::new();
                tar::header(&mut header, name.as_bytes(), 0o444, kind);
                index.entry(name.as_bytes(), 0o444, kind, &header).unwrap();
                if let tar::Kind::File { size } = kind {
                    index.content(&content[..usize::try_from(size).unwrap()]);
                    index.end_content().unwrap();
                }
            }
            let chunks = (1..=3).map(|at| Chunk { offset: 100 * at, size: 50, digest: [7; 32] });
            let placed = Placed { chunks: chunks.collect(), blob_size: 1000, tar_size: 1 << 23 };
            let tail = index.finish(placed).unwrap();
            let mut crc = flate2::Crc::new();
            crc.update(&tail.tar);
            crc.update(&tail.blob);
            for (key, value) in tail.annotations {
                crc.update(key.as_bytes());
                crc.update(value.as_bytes());
            }
            format!("{:08x}", crc.sum())
        };
        let sums = [Compression::ZstdChunked(3), Compression::Estargz(6)].map(sum);
        assert_eq!((VERSION, sums), (1, ["c0b22ebb".to_owned(), "bb221afc".to_owned()]));
    }
}
