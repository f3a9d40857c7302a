//! Names, attributes and listings.

use squashfs::read::{Decompress, Error, Inode, InodeRef, Kind, ReadAt, Type};

use super::protocol::{Attributes, NO_SYSTEM_CALL, Put, ROOT, Request};
use super::worker::{Answer, Worker};

/// The longest listing that is sent at once, in bytes.
const LISTING: usize = 128 << 10;

/// The longest target of a link that the kernel takes, in bytes.
const TARGET: usize = 4095;

/// Error numbers (`asm-generic/errno.h`).
mod errno {
    pub(super) const RANGE: i32 = 34;
    pub(super) const NAME_TOO_LONG: i32 = 36;
    pub(super) const NO_DATA: i32 = 61;
}

/// What the kernel is told of where an inode is. It knows the root by another number.
pub(super) fn node(root: InodeRef, reference: InodeRef) -> u64 {
    // Two more, so that no inode is 0 (nothing) or 1 (the root). References have 48 bits.
    if reference == root { ROOT } else { reference.0.saturating_add(2) }
}

/// What a file is, as bits of its mode.
fn format(kind: Type) -> u32 {
    match kind {
        Type::Fifo => 0o010_000,
        Type::CharacterDevice => 0o020_000,
        Type::Directory => 0o040_000,
        Type::BlockDevice => 0o060_000,
        Type::File => 0o100_000,
        Type::Symlink => 0o120_000,
        Type::Socket => 0o140_000,
    }
}

impl<S: ReadAt + Send + Sync + 'static, D: Decompress> Worker<S, D> {
    pub(super) fn inode(&mut self, node: u64) -> Result<Inode, Error> {
        match node {
            ROOT => self.reader.root(),
            node => self.reader.inode(InodeRef(node.saturating_sub(2))),
        }
    }

    fn attributes(&self, inode: &Inode) -> Attributes {
        Attributes {
            number: inode.number.into(),
            size: inode.size(),
            mtime: inode.mtime.into(),
            mode: format(inode.file_type()) | u32::from(inode.mode),
            links: inode.links,
            uid: inode.uid,
            gid: inode.gid,
            device: match inode.kind {
                Kind::BlockDevice(device) | Kind::CharacterDevice(device) => device,
                _ => 0,
            },
            block_size: self.server.image.superblock().block_size,
        }
    }

    pub(super) fn get_attributes(&mut self, request: &Request<'_>) -> Result<Answer, Error> {
        let inode = self.inode(request.node)?;
        let attributes = self.attributes(&inode);
        self.out.put_attributes_answer(&attributes);
        Ok(Answer::Out)
    }

    pub(super) fn lookup(&mut self, request: &Request<'_>) -> Result<Answer, Error> {
        let directory = self.inode(request.node)?;
        match self.reader.lookup(&directory, request.name(0))? {
            Some((reference, _)) => {
                let inode = self.reader.inode(reference)?;
                let node = node(self.server.image.superblock().root, reference);
                let attributes = self.attributes(&inode);
                self.out.put_entry(node, &attributes);
            }
            // Not an error: the kernel keeps in mind that there is nothing.
            None => self.out.put_entry(0, &Attributes::default()),
        }
        Ok(Answer::Out)
    }

    pub(super) fn read_link(&mut self, request: &Request<'_>) -> Result<Answer, Error> {
        let inode = self.inode(request.node)?;
        let mut target = self.reader.read_link(&inode)?;
        if target.len() > TARGET {
            return Ok(Answer::Error(errno::NAME_TOO_LONG));
        }
        if let Some(rewrite) = &self.server.rewrite {
            rewrite.apply_to_link(&mut target);
        }
        self.out.extend_from_slice(&target);
        Ok(Answer::Out)
    }

    /// A listing from an offset on, with or without what [`Self::lookup`] would tell of each name.
    pub(super) fn list(&mut self, request: &Request<'_>, plus: bool) -> Result<Answer, Error> {
        let (mut offset, size) = (request.u64(8), request.u32(16));
        let space = usize::try_from(size).unwrap_or(LISTING).min(LISTING);
        let directory = self.inode(request.node)?;
        let Kind::Directory(itself) = directory.kind else { return Err(Error::NotADirectory) };
        // The numbers of what is not in the image's listing. The root's parent has one that no file has.
        let parent = if request.node == ROOT { directory.number } else { itself.parent };
        for (name, number) in [(&b"."[..], directory.number), (b"..", parent)] {
            if offset < name.len() as u64 {
                offset = name.len() as u64;
                let entry = Listed { name, number, kind: Type::Directory, offset };
                if !self.put_listed(&entry, None, plus, space) {
                    return Ok(Answer::Out);
                }
            }
        }
        let root = self.server.image.superblock().root;
        let mut listing = self.reader.list(&directory, offset - 2)?;
        while let Some(entry) = listing.next(&mut self.reader)? {
            let (number, kind, offset) =
                (entry.number, entry.file_type, entry.next.saturating_add(2));
            let reference = entry.inode;
            let mut found = None;
            // What cannot be read is listed all the same; whoever looks it up gets the error.
            if plus && let Ok(inode) = self.reader.inode(reference) {
                found = Some((node(root, reference), self.attributes(&inode)));
            }
            let entry = Listed { name: entry.name, number, kind, offset };
            if !self.put_listed(&entry, found, plus, space) {
                break;
            }
        }
        Ok(Answer::Out)
    }

    /// `struct fuse_dirent` or `fuse_direntplus`, unless there is no room for it.
    fn put_listed(
        &mut self,
        entry: &Listed<'_>,
        found: Option<(u64, Attributes)>,
        plus: bool,
        space: usize,
    ) -> bool {
        let len = (24 + entry.name.len()).next_multiple_of(8) + if plus { 128 } else { 0 };
        if self.out.len() + len > space {
            return false;
        }
        if plus {
            let (node, attributes) = found.unwrap_or_default();
            self.out.put_entry(node, &attributes);
        }
        self.out.put_u64(entry.number.into());
        self.out.put_u64(entry.offset);
        self.out.put_u32(u32::try_from(entry.name.len()).unwrap_or(u32::MAX));
        self.out.put_u32(format(entry.kind) >> 12);
        self.out.extend_from_slice(entry.name);
        self.out.resize(self.out.len().next_multiple_of(8), 0);
        true
    }

    pub(super) fn get_xattr(&mut self, request: &Request<'_>) -> Result<Answer, Error> {
        // The kernel does not ask again.
        if self.server.image.superblock().xattr_table.is_none() {
            return Ok(Answer::Error(NO_SYSTEM_CALL));
        }
        let (size, name) = (request.u32(0), request.name(8));
        let inode = self.inode(request.node)?;
        let mut all = self.reader.xattrs(&inode)?;
        while let Some(xattr) = all.next(&mut self.reader)? {
            if xattr.name == name {
                let value = self.reader.xattr_value(&xattr)?;
                return Ok(self.sized(size, &value));
            }
        }
        Ok(Answer::Error(errno::NO_DATA))
    }

    pub(super) fn list_xattrs(&mut self, request: &Request<'_>) -> Result<Answer, Error> {
        if self.server.image.superblock().xattr_table.is_none() {
            return Ok(Answer::Error(NO_SYSTEM_CALL));
        }
        let inode = self.inode(request.node)?;
        let mut all = self.reader.xattrs(&inode)?;
        let mut names = alloc::vec::Vec::new();
        while let Some(xattr) = all.next(&mut self.reader)? {
            names.extend_from_slice(&xattr.name);
            names.push(0);
        }
        Ok(self.sized(request.u32(0), &names))
    }

    /// Bytes for whoever has room for them; for whoever has none, how many they are.
    fn sized(&mut self, size: u32, bytes: &[u8]) -> Answer {
        if size == 0 {
            self.out.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
            self.out.put_u32(0);
        } else if bytes.len() > size as usize {
            return Answer::Error(errno::RANGE);
        } else {
            self.out.extend_from_slice(bytes);
        }
        Answer::Out
    }
}

/// A name of a listing.
struct Listed<'a> {
    name: &'a [u8],
    number: u32,
    kind: Type,
    /// Where the listing goes on.
    offset: u64,
}
