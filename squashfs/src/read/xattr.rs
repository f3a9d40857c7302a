//! Extended attributes.

use alloc::vec::Vec;

use super::metadata::{Cursor, Place};
use super::{Decompress, Error, Inode, MetadataCache, ReadAt, Reader};
use crate::format::METADATA_LEN;
use crate::format::xattr::{ELSEWHERE, PREFIXES};

/// What Linux lets a file have: a name's length, a value's, and all names together with a zero byte after each.
const LONGEST_NAME: usize = 255;
const LONGEST_VALUE: usize = 65536;
const LONGEST_LIST: usize = 65536;

/// An extended attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Xattr {
    /// With its namespace: `user.x`.
    pub name: Vec<u8>,
    value: Place,
}

/// A file's extended attributes, one after the other.
#[derive(Debug)]
pub struct Xattrs {
    cursor: Option<Cursor>,
    /// How many are left.
    left: u32,
    /// How long all names are together.
    list: usize,
    /// To what references of values are relative.
    base: u64,
}

impl Inode {
    /// Whether it has extended attributes.
    pub fn has_xattrs(&self) -> bool {
        self.xattrs.is_some()
    }
}

impl<S: ReadAt, C: MetadataCache, D: Decompress> Reader<'_, S, C, D> {
    /// A file's extended attributes.
    pub fn xattrs(&mut self, inode: &Inode) -> Result<Xattrs, Error> {
        let none = Xattrs { cursor: None, left: 0, list: 0, base: 0 };
        let (Some(index), Some(table)) = (inode.xattrs, self.image.superblock.xattr_table) else {
            return Ok(none);
        };
        // Where names and values are, how many files' there are, and four bytes that mean nothing.
        let mut header = [0; 16];
        self.image.read_exact(&mut header, table)?;
        let [b0, b1, b2, b3, b4, b5, b6, b7, n0, n1, n2, n3, ..] = header;
        let base = u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7]);
        if index >= u32::from_le_bytes([n0, n1, n2, n3]) {
            return Err(Error::corrupt("a file's attributes are not in their table", table));
        }
        let entry: [u8; 16] = self.table_entry(table + 16, index)?;
        let [r0, r1, r2, r3, r4, r5, r6, r7, c0, c1, c2, c3, ..] = entry;
        let reference = u64::from_le_bytes([r0, r1, r2, r3, r4, r5, r6, r7]);
        let left = u32::from_le_bytes([c0, c1, c2, c3]);
        let cursor = self.cursor(place(base, reference)?)?;
        Ok(Xattrs { cursor: Some(cursor), left, list: 0, base })
    }

    /// An attribute's value.
    pub fn xattr_value(&mut self, xattr: &Xattr) -> Result<Vec<u8>, Error> {
        let mut cursor = self.cursor(xattr.value)?;
        let len = value_len(&mut cursor, self)?;
        let mut value = alloc::vec![0; len];
        cursor.fill(self, &mut value)?;
        Ok(value)
    }
}

impl Xattrs {
    /// The next attribute, if there is one.
    pub fn next<S: ReadAt, C: MetadataCache, D: Decompress>(
        &mut self,
        reader: &mut Reader<'_, S, C, D>,
    ) -> Result<Option<Xattr>, Error> {
        let Some(cursor) = self.cursor.as_mut().filter(|_| self.left > 0) else { return Ok(None) };
        self.left -= 1;
        let position = cursor.place().block;
        let kind = u16::from_le_bytes(cursor.array(reader)?);
        let len = usize::from(u16::from_le_bytes(cursor.array(reader)?));
        let unknown = Error::corrupt("an attribute is of no known namespace", position);
        let namespace = *PREFIXES.get(usize::from(kind & !ELSEWHERE)).ok_or(unknown)?;
        self.list += namespace.len() + len + 1;
        if len == 0 || namespace.len() + len > LONGEST_NAME || self.list > LONGEST_LIST {
            return Err(Error::corrupt("the names of a file's attributes are too long", position));
        }
        let mut name = namespace.to_vec();
        name.resize(namespace.len() + len, 0);
        cursor.fill(reader, &mut name[namespace.len()..])?;
        if name.contains(&0) {
            return Err(Error::corrupt("an attribute's name has a zero byte", position));
        }
        let mut value = cursor.place();
        let value_len = value_len(cursor, reader)?;
        if kind & ELSEWHERE == 0 {
            cursor.skip(reader, value_len as u64)?;
        } else if value_len == 8 {
            value = place(self.base, u64::from_le_bytes(cursor.array(reader)?))?;
        } else {
            return Err(Error::corrupt("an attribute's reference has no 8 bytes", position));
        }
        Ok(Some(Xattr { name, value }))
    }
}

fn value_len<S: ReadAt, C: MetadataCache, D: Decompress>(
    cursor: &mut Cursor,
    reader: &mut Reader<'_, S, C, D>,
) -> Result<usize, Error> {
    let position = cursor.place().block;
    let len = u32::from_le_bytes(cursor.array(reader)?) as usize;
    match len > LONGEST_VALUE {
        true => Err(Error::corrupt("an attribute's value is too long", position)),
        false => Ok(len),
    }
}

/// A place from a reference, which is relative to the first block of names and values.
fn place(base: u64, reference: u64) -> Result<Place, Error> {
    let offset = (reference & 0xffff) as usize;
    match base.checked_add(reference >> 16) {
        Some(block) if offset < METADATA_LEN => Ok(Place { block, offset }),
        _ => Err(Error::corrupt("an attribute is outside of its table", base)),
    }
}
