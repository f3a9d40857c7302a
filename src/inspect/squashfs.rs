//! `SquashFS` images as entries, by themselves or behind the program of an AppImage.

use std::collections::BTreeMap;
use std::fs::File;

use layering::{StoreDir, StorePath};
use squashfs::read::{
    Codecs, Error as ReadError, Image as Squashfs, InodeRef, Kind as Node, LocalCache, Reader, Walk,
};

use super::stream::Streamed;
use crate::closure::NarHash;
use crate::earlier::EarlierLayer;
use crate::image::PathRecord;
use crate::untar::{Bomb, Entry, Fault, Kind, Packing, Visitor};

/// What an image with a store says of it, in its root.
const METADATA: &[u8] = b".closure2img";
/// The most of that: 50,000 paths have 10 MB.
const MAX_METADATA: u64 = 64 << 20;

/// An image in a file.
pub(super) struct Packed {
    file: File,
    offset: u64,
    size: u64,
}

/// What the image says of its store.
pub(super) struct Told {
    pub(super) store: StoreDir,
    pub(super) layer: EarlierLayer,
}

type Open<'i> = Reader<'i, &'i File, LocalCache, Codecs>;

/// What an image says of its store is not as we write it.
pub(super) struct Unclear;

impl Packed {
    /// Opens the image at `offset`.
    pub(super) fn open(file: File, offset: u64) -> Result<Self, ReadError> {
        let mut packed = Self { file, offset, size: 0 };
        packed.size = packed.image()?.superblock().bytes_used;
        Ok(packed)
    }

    /// Bytes of the image.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The image, with a cache of its own: threads cannot share one.
    fn image(&self) -> Result<Squashfs<&File, LocalCache>, ReadError> {
        Squashfs::open(&self.file, self.offset, LocalCache::default(), Codecs::default())
    }

    /// What it says of its store, if it says anything; [`Unclear`] if that cannot be understood.
    pub(super) fn told(&self) -> Result<Option<Result<Told, Unclear>>, ReadError> {
        let image = self.image()?;
        let mut reader = image.reader(Codecs::default());
        let root = reader.root()?;
        let Some((found, _)) = reader.lookup(&root, METADATA)? else { return Ok(None) };
        let inode = reader.inode(found)?;
        let Node::File(file) = inode.kind else { return Ok(None) };
        if file.size > MAX_METADATA {
            return Ok(Some(Err(Unclear)));
        }
        let mut text = vec![0; usize::try_from(file.size).unwrap_or_default()];
        Ok(Some(match reader.read_at(&inode, 0, &mut text) {
            // Of the environment, which may be any bytes, nothing is wanted here.
            Ok(_) => parse(&String::from_utf8_lossy(&text)).ok_or(Unclear),
            // Its other files are read all the same.
            Err(_) => Err(Unclear),
        }))
    }

    /// Tells `visitor` all files.
    pub(super) fn stream<V: Visitor>(&self, visitor: &mut V) -> Streamed<V::Error> {
        let mut unpacked = 0;
        let entries = match self.image() {
            Ok(image) => {
                let mut reader = image.reader(Codecs::default());
                self.entries(&mut reader, visitor, &mut unpacked)
            }
            Err(error) => Err(Fault::Squashfs(error).into()),
        };
        Streamed {
            packing: Packing::None,
            packed: self.size(),
            unpacked,
            diff_id: None,
            image_id: None,
            read: Ok(()),
            entries,
            aci: None,
        }
    }

    fn entries<V: Visitor>(
        &self,
        reader: &mut Open<'_>,
        visitor: &mut V,
        unpacked: &mut u64,
    ) -> Result<(), V::Error> {
        let fault = |error: ReadError| Fault::Squashfs(error);
        let mut walk = Walk::new(reader);
        // Files with several names, by where the first of them is.
        let mut linked: BTreeMap<InodeRef, Vec<u8>> = BTreeMap::new();
        let mut buffer = Vec::new();
        while let Some(visit) = walk.next(reader).map_err(fault)? {
            let (path, inode) = (visit.path.to_vec(), visit.inode);
            let mut is_again = false;
            let kind = match inode.kind {
                Node::Directory(_) => Kind::Directory,
                Node::File(file) => match linked.get(&inode.reference) {
                    Some(first) => {
                        is_again = true;
                        Kind::HardLink { target: first.clone() }
                    }
                    None => {
                        if inode.links > 1 {
                            linked.insert(inode.reference, path.clone());
                        }
                        Kind::File { size: file.size }
                    }
                },
                Node::Symlink(_) => {
                    Kind::Symlink { target: reader.read_link(&inode).map_err(fault)? }
                }
                Node::BlockDevice(number) => {
                    let (major, minor) = device(number);
                    Kind::BlockDevice { major, minor }
                }
                Node::CharacterDevice(number) => {
                    let (major, minor) = device(number);
                    Kind::CharacterDevice { major, minor }
                }
                Node::Fifo => Kind::Fifo,
                Node::Socket => Kind::Socket,
            };
            let mut xattrs = Vec::new();
            if inode.has_xattrs() {
                let mut names = reader.xattrs(&inode).map_err(fault)?;
                while let Some(xattr) = names.next(reader).map_err(fault)? {
                    let value = reader.xattr_value(&xattr).map_err(fault)?;
                    xattrs.push((xattr.name, value));
                }
            }
            let entry = Entry {
                path,
                kind,
                mode: inode.mode.into(),
                uid: inode.uid.into(),
                gid: inode.gid.into(),
                mtime: inode.mtime.into(),
                xattrs,
            };
            visitor.entry(&entry)?;
            if !matches!(inode.kind, Node::File(_)) || is_again {
                continue;
            }
            let mut content = reader.content(&inode).map_err(fault)?;
            while let Some(piece) = content.next(reader).map_err(fault)? {
                *unpacked += u64::from(piece.len);
                Bomb::check(self.size(), *unpacked).map_err(Fault::Read)?;
                buffer.resize(piece.len as usize, 0);
                reader.read_piece(&piece, &mut buffer).map_err(fault)?;
                visitor.content(&buffer)?;
            }
            visitor.end()?;
        }
        Ok(())
    }
}

/// Major and minor number, as Linux has them in one.
fn device(number: u32) -> (u64, u64) {
    let minor = (number & 0xff) | ((number >> 12) & 0xf_ff00);
    (u64::from((number >> 8) & 0xfff), u64::from(minor))
}

/// Reads the metadata of an image with a store.
fn parse(text: &str) -> Option<Told> {
    let mut lines = text.lines();
    if lines.next() != Some("closure2img 1") {
        return None;
    }
    let (mut store, mut layer) = (None, EarlierLayer::default());
    for line in lines {
        match line.split_once(' ')? {
            ("store", dir) => store = Some(dir.parse().ok()?),
            ("path", words) => {
                let (path, record) = record(words)?;
                layer.paths.push(path);
                layer.records.push(record);
            }
            // The environment is the program's affair, and later versions may say more.
            _ => {}
        }
    }
    Some(Told { store: store?, layer })
}

fn record(words: &str) -> Option<(StorePath, PathRecord)> {
    let words: Vec<&str> = words.split(' ').collect();
    let [path, hash, size, references] = words[..] else { return None };
    let nar_hash = match hash {
        "-" => None,
        hash => Some(hash.parse::<NarHash>().ok()?),
    };
    let nar_size = match size {
        "-" => None,
        size => Some(size.parse().ok()?),
    };
    let references = match references {
        "-" => Vec::new(),
        list => list.split(',').map(|at| at.parse().ok()).collect::<Option<_>>()?,
    };
    let record = PathRecord { nar_hash, nar_size, references: Some(references), root: false };
    Some((path.parse().ok()?, record))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_read() {
        let (a, b) = ("a".repeat(32), "b".repeat(32));
        let hash = "0".repeat(64);
        let text = format!(
            "closure2img 1\nstore /nix/store\nenv A=B C\npath {a}-x sha256:{hash} 120 1\npath {b}-y - - -\n"
        );
        let told = parse(&text).unwrap();
        assert_eq!(told.store.as_str(), "/nix/store");
        assert_eq!(told.layer.paths.len(), 2);
        assert_eq!(told.layer.records[0].references, Some(vec![1]));
        assert_eq!(told.layer.records[1].nar_hash, None);
        for bad in ["", "closure2img 2\n", "closure2img 1\nstore x\n", "closure2img 1\npath x\n"] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
