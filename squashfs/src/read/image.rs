//! Opening an image, and the tables in which a number stands for something.

use alloc::vec::Vec;

use super::file::LastFragment;
use super::metadata::Place;
use super::{Decompress, Error, Inode, InodeRef, LocalCache, MetadataCache, ReadAt, Superblock};
use crate::format::{METADATA_LEN, SUPERBLOCK_LEN};

/// An image. All threads share it.
#[derive(Debug)]
pub struct Image<S, C = LocalCache> {
    source: S,
    offset: u64,
    pub(super) superblock: Superblock,
    pub(super) cache: C,
    /// Owners and groups. Each inode names two, so that these few are kept.
    ids: Vec<u32>,
}

/// Reads an image. Each thread has its own.
#[derive(Debug)]
pub struct Reader<'i, S, C, D> {
    pub(super) image: &'i Image<S, C>,
    pub(super) codec: D,
    /// For data blocks before they are decompressed.
    pub(super) scratch: Vec<u8>,
    pub(super) fragment: LastFragment,
}

impl<S: ReadAt, C: MetadataCache> Image<S, C> {
    /// The image that begins at `offset` of the source.
    pub fn open(source: S, offset: u64, cache: C, codec: impl Decompress) -> Result<Self, Error> {
        let mut bytes = [0; SUPERBLOCK_LEN];
        let len = source.read_at(&mut bytes, offset)?;
        if len < SUPERBLOCK_LEN {
            return Err(Error::Truncated { position: len as u64 });
        }
        let superblock = Superblock::parse(&bytes)?;
        if offset.checked_add(superblock.bytes_used).is_none_or(|end| i64::try_from(end).is_err()) {
            return Err(Error::corrupt("the image's length makes no sense", 40));
        }
        let mut image = Self { source, offset, superblock, cache, ids: Vec::new() };
        image.ids = image.reader(codec).read_ids()?;
        Ok(image)
    }

    /// A reader for one thread.
    pub fn reader<D: Decompress>(&self, codec: D) -> Reader<'_, S, C, D> {
        Reader { image: self, codec, scratch: Vec::new(), fragment: LastFragment::default() }
    }

    /// What the image's first bytes say.
    pub fn superblock(&self) -> &Superblock {
        &self.superblock
    }

    /// Where the image's bytes come from.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// Where in the source the image begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads at a position of the image until the buffer, the image or the file ends.
    pub(super) fn read_some(&self, into: &mut [u8], position: u64) -> Result<usize, Error> {
        let rest = self.superblock.bytes_used.saturating_sub(position);
        let len = usize::try_from(rest).map_or(into.len(), |rest| into.len().min(rest));
        // Cannot overflow: where the image ends was found to be a position of a file.
        self.source
            .read_at(&mut into[..len], self.offset + position.min(self.superblock.bytes_used))
    }

    /// Fills the buffer from a position of the image.
    pub(super) fn read_exact(&self, into: &mut [u8], position: u64) -> Result<(), Error> {
        match self.read_some(into, position)? == into.len() {
            true => Ok(()),
            false => Err(Error::Truncated { position }),
        }
    }

    /// The owner or group with this number.
    pub(super) fn id(&self, index: u16, position: u64) -> Result<u32, Error> {
        let unknown = Error::corrupt("an inode's owner is not in the table", position);
        self.ids.get(usize::from(index)).copied().ok_or(unknown)
    }
}

impl<'i, S: ReadAt, C: MetadataCache, D: Decompress> Reader<'i, S, C, D> {
    /// The image that is read.
    pub fn image(&self) -> &'i Image<S, C> {
        self.image
    }

    /// The root directory.
    pub fn root(&mut self) -> Result<Inode, Error> {
        self.inode(self.image.superblock.root)
    }

    /// The inode with this number, if the image has an export table. Numbers begin with 1.
    pub fn by_number(&mut self, number: u32) -> Result<Option<InodeRef>, Error> {
        let Some(table) = self.image.superblock.export_table else { return Ok(None) };
        if number == 0 || number > self.image.superblock.inodes {
            return Ok(None);
        }
        let reference = self.table_entry(table, number - 1)?;
        Ok(Some(InodeRef(u64::from_le_bytes(reference))))
    }

    /// An entry of a table with two levels: positions of metadata blocks, and these full of entries. Whether there are
    /// so many was asked before.
    pub(super) fn table_entry<const N: usize>(
        &mut self,
        table: u64,
        index: u32,
    ) -> Result<[u8; N], Error> {
        let at = index as usize * N;
        let mut block = [0; 8];
        let position = table + (at / METADATA_LEN) as u64 * 8;
        self.image.read_exact(&mut block, position)?;
        let block = u64::from_le_bytes(block);
        self.cursor(Place { block, offset: at % METADATA_LEN })?.array(self)
    }

    fn read_ids(&mut self) -> Result<Vec<u32>, Error> {
        let Superblock { ids, id_table, .. } = self.image.superblock;
        // At most 65535 of four bytes.
        (0..u32::from(ids))
            .map(|id| self.table_entry(id_table, id).map(u32::from_le_bytes))
            .collect()
    }
}
