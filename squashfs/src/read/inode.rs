//! Inodes: what the image says of each file, without its content.

use alloc::vec::Vec;

use super::metadata::{Cursor, Place};
use super::{Decompress, Error, MetadataCache, ReadAt, Reader};
use crate::format::{DIRECTORY_EXTRA, NO_FRAGMENT, NO_XATTRS, inode as number};

/// Where an inode is: its metadata block's position in the inode table, and 16 bits of its place in that block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InodeRef(pub u64);

/// The longest target of a link that is believed, in bytes. Linux takes 4095.
const LONGEST_TARGET: u32 = 65535;

/// A file of any kind.
#[derive(Clone, Copy, Debug)]
pub struct Inode {
    /// Where it is.
    pub reference: InodeRef,
    /// Its number, from 1.
    pub number: u32,
    /// Permissions, set-id and sticky bits: 0 to 0o7777.
    pub mode: u16,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: u32,
    /// How many names it has; of a directory, two and one for each in it.
    pub links: u32,
    /// What it is.
    pub kind: Kind,
    /// Its extended attributes, as a number in their table.
    pub(super) xattrs: Option<u32>,
}

/// What a file is.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum Kind {
    Directory(Directory),
    File(File),
    Symlink(Symlink),
    /// With its device number, as `struct inode` has it: 12 bits of the minor number around 12 of the major.
    BlockDevice(u32),
    /// The same.
    CharacterDevice(u32),
    Fifo,
    Socket,
}

/// What a file is, as entries of directories have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Type {
    Directory,
    File,
    Symlink,
    BlockDevice,
    CharacterDevice,
    Fifo,
    Socket,
}

/// A directory: where its listing is.
#[derive(Clone, Copy, Debug)]
pub struct Directory {
    /// The number of the directory that it is in.
    pub parent: u32,
    pub(super) place: Place,
    /// The listing's length in bytes.
    pub(super) len: u32,
    /// How many entries its index has, and where they are.
    pub(super) index: Option<(u16, Place)>,
}

/// A regular file: where its content is.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Its length in bytes.
    pub size: u64,
    /// Where the first block is.
    pub(super) start: u64,
    /// The number of the fragment block with its tail, and where in it.
    pub(super) fragment: Option<(u32, u32)>,
    /// Where the blocks' lengths are.
    pub(super) lengths: Place,
}

/// A symbolic link: where its target is.
#[derive(Clone, Copy, Debug)]
pub struct Symlink {
    /// The target's length in bytes.
    pub len: u32,
    pub(super) target: Place,
}

impl Inode {
    /// What it is, in a word.
    pub fn file_type(&self) -> Type {
        match self.kind {
            Kind::Directory(_) => Type::Directory,
            Kind::File(_) => Type::File,
            Kind::Symlink(_) => Type::Symlink,
            Kind::BlockDevice(_) => Type::BlockDevice,
            Kind::CharacterDevice(_) => Type::CharacterDevice,
            Kind::Fifo => Type::Fifo,
            Kind::Socket => Type::Socket,
        }
    }

    /// Its length in bytes as `stat` tells it: of a directory that of its listing, of a link that of its target.
    pub fn size(&self) -> u64 {
        match &self.kind {
            Kind::Directory(directory) => u64::from(directory.len) + u64::from(DIRECTORY_EXTRA),
            Kind::File(file) => file.size,
            Kind::Symlink(link) => u64::from(link.len),
            _ => 0,
        }
    }
}

impl Type {
    /// Of the number that listings have, 1 to 7.
    pub(super) fn from_number(number: u16) -> Option<Self> {
        Some(match number {
            number::DIRECTORY => Self::Directory,
            number::FILE => Self::File,
            number::SYMLINK => Self::Symlink,
            number::BLOCK_DEVICE => Self::BlockDevice,
            number::CHARACTER_DEVICE => Self::CharacterDevice,
            number::FIFO => Self::Fifo,
            number::SOCKET => Self::Socket,
            _ => return None,
        })
    }
}

impl<S: ReadAt, C: MetadataCache, D: Decompress> Reader<'_, S, C, D> {
    /// The inode at a reference.
    pub fn inode(&mut self, reference: InodeRef) -> Result<Inode, Error> {
        let superblock = &self.image.superblock;
        let block = (reference.0 >> 16)
            .checked_add(superblock.inode_table)
            .filter(|&block| block < superblock.directory_table)
            .ok_or(Error::corrupt("an inode is outside of its table", superblock.inode_table))?;
        let at = Place { block, offset: (reference.0 & 0xffff) as usize };
        let mut fields = Fields { cursor: self.cursor(at)?, reader: self };

        let (number, mode) = (fields.u16()?, fields.u16()? & 0o7777);
        let (uid, gid) = (fields.u16()?, fields.u16()?);
        let (mtime, own_number) = (fields.u32()?, fields.u32()?);
        // From 8 on the same kinds again, with extended attributes and room for larger numbers.
        let extended = number > number::EXTENDED;
        let basic = if extended { number - number::EXTENDED } else { number };
        let kind = Type::from_number(basic)
            .ok_or(Error::corrupt("an inode is of no kind that there is", block))?;
        let (links, kind, xattrs) = match kind {
            Type::Directory if extended => fields.extended_directory()?,
            Type::Directory => fields.directory()?,
            Type::File if extended => fields.extended_file()?,
            Type::File => fields.file()?,
            Type::Symlink => fields.symlink(extended)?,
            Type::BlockDevice | Type::CharacterDevice | Type::Fifo | Type::Socket => {
                fields.special(kind, extended)?
            }
        };
        let image = self.image;
        Ok(Inode {
            reference,
            number: own_number,
            mode,
            uid: image.id(uid, block)?,
            gid: image.id(gid, block)?,
            mtime,
            links,
            kind,
            xattrs: Some(xattrs).filter(|&xattrs| xattrs != NO_XATTRS),
        })
    }

    /// A symbolic link's target.
    pub fn read_link(&mut self, inode: &Inode) -> Result<Vec<u8>, Error> {
        let Kind::Symlink(link) = inode.kind else { return Err(Error::NotASymlink) };
        let mut target = alloc::vec![0; link.len as usize];
        self.cursor(link.target)?.fill(self, &mut target)?;
        if target.contains(&0) {
            return Err(Error::corrupt("a link's target has a zero byte", link.target.block));
        }
        Ok(target)
    }
}

/// What follows the part that all inodes have: links, kind, and extended attributes.
type Rest = (u32, Kind, u32);

/// An inode's numbers, one after the other.
struct Fields<'r, 'i, S, C, D> {
    cursor: Cursor,
    reader: &'r mut Reader<'i, S, C, D>,
}

impl<S: ReadAt, C: MetadataCache, D: Decompress> Fields<'_, '_, S, C, D> {
    fn u16(&mut self) -> Result<u16, Error> {
        self.cursor.array(self.reader).map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Error> {
        self.cursor.array(self.reader).map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Error> {
        self.cursor.array(self.reader).map(u64::from_le_bytes)
    }

    fn directory(&mut self) -> Result<Rest, Error> {
        let (start, links) = (self.u32()?, self.u32()?);
        let (size, offset, parent) = (self.u16()?, self.u16()?, self.u32()?);
        let directory = self.listing(start, offset, size.into(), parent, None)?;
        Ok((links, Kind::Directory(directory), NO_XATTRS))
    }

    fn extended_directory(&mut self) -> Result<Rest, Error> {
        let (links, size, start, parent) = (self.u32()?, self.u32()?, self.u32()?, self.u32()?);
        let (indexed, offset, xattrs) = (self.u16()?, self.u16()?, self.u32()?);
        let index = (indexed > 0).then(|| (indexed, self.cursor.place()));
        let directory = self.listing(start, offset, size, parent, index)?;
        Ok((links, Kind::Directory(directory), xattrs))
    }

    fn listing(
        &mut self,
        start: u32,
        offset: u16,
        size: u32,
        parent: u32,
        index: Option<(u16, Place)>,
    ) -> Result<Directory, Error> {
        // The size counts `.` and `..`, which are not in the listing, as [`DIRECTORY_EXTRA`] bytes.
        let len = size.saturating_sub(DIRECTORY_EXTRA);
        let superblock = &self.reader.image.superblock;
        let block = superblock.directory_table + u64::from(start);
        if len > 0 && block >= superblock.bytes_used {
            let at = self.cursor.place().block;
            return Err(Error::corrupt("a directory is outside of its table", at));
        }
        Ok(Directory { parent, place: Place { block, offset: offset.into() }, len, index })
    }

    fn file(&mut self) -> Result<Rest, Error> {
        let (start, fragment, offset) = (self.u32()?, self.u32()?, self.u32()?);
        let size = self.u32()?;
        let file = self.content(start.into(), size.into(), fragment, offset);
        Ok((1, file, NO_XATTRS))
    }

    fn extended_file(&mut self) -> Result<Rest, Error> {
        // The third says how much of it is holes.
        let (start, size, _) = (self.u64()?, self.u64()?, self.u64()?);
        let (links, fragment, offset, xattrs) =
            (self.u32()?, self.u32()?, self.u32()?, self.u32()?);
        if i64::try_from(size).is_err() {
            return Err(Error::corrupt("a file is too long", self.cursor.place().block));
        }
        Ok((links, self.content(start, size, fragment, offset), xattrs))
    }

    fn content(&self, start: u64, size: u64, fragment: u32, offset: u32) -> Kind {
        let fragment = (fragment != NO_FRAGMENT).then_some((fragment, offset));
        Kind::File(File { size, start, fragment, lengths: self.cursor.place() })
    }

    fn symlink(&mut self, extended: bool) -> Result<Rest, Error> {
        let (links, len) = (self.u32()?, self.u32()?);
        let target = self.cursor.place();
        if len == 0 || len > LONGEST_TARGET {
            return Err(Error::corrupt("a link's target is empty or too long", target.block));
        }
        let mut xattrs = NO_XATTRS;
        if extended {
            self.cursor.skip(self.reader, len.into())?;
            xattrs = self.u32()?;
        }
        Ok((links, Kind::Symlink(Symlink { len, target }), xattrs))
    }

    fn special(&mut self, kind: Type, extended: bool) -> Result<Rest, Error> {
        let links = self.u32()?;
        let kind = match kind {
            Type::BlockDevice => Kind::BlockDevice(self.u32()?),
            Type::CharacterDevice => Kind::CharacterDevice(self.u32()?),
            Type::Fifo => Kind::Fifo,
            _ => Kind::Socket,
        };
        let xattrs = if extended { self.u32()? } else { NO_XATTRS };
        Ok((links, kind, xattrs))
    }
}
