//! Extended attributes: each set of them is stored once, and so is each long value.

use std::collections::HashMap;

use super::codec::Codec;
use super::error::shown;
use super::metadata::Metadata;
use super::output::Output;
use super::{Error, Node, Xattr};
use crate::format::{NO_TABLE, NO_XATTRS, xattr};

/// Longer ones cannot be had from the kernel.
const MAX_VALUE: usize = 64 << 10;
const MAX_NAME: usize = 255;

/// A reference takes 8 bytes, so that shorter values are stored where they are.
const REFERENCE_LEN: usize = 8;

/// The table of all sets.
pub(super) struct Xattrs {
    pairs: Metadata,
    /// For each set where its pairs are, how many and how long.
    ids: Vec<u8>,
    sets: HashMap<Vec<Xattr>, u32>,
    /// Where long values are.
    values: HashMap<Vec<u8>, u64>,
}

impl Xattrs {
    pub(super) fn new(codec: Codec) -> Self {
        let pairs = Metadata::new(codec);
        Self { pairs, ids: Vec::new(), sets: HashMap::new(), values: HashMap::new() }
    }

    /// The index of a node's set.
    pub(super) fn add(&mut self, node: &Node) -> Result<u32, Error> {
        if node.xattrs.is_empty() {
            return Ok(NO_XATTRS);
        }
        let mut set = node.xattrs.clone();
        set.sort();
        let path = || shown(&node.path);
        if let Some(pair) = set.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(Error::XattrTwice { path: path(), name: shown(&pair[0].0) });
        }
        if let Some(index) = self.sets.get(&set) {
            return Ok(*index);
        }
        let place = self.pairs.place()?;
        let mut size = 0;
        for (name, value) in &set {
            size += self.pair(name, value, &path)?;
        }
        let index = u32::try_from(self.sets.len())
            .ok()
            .filter(|index| *index < NO_XATTRS)
            .ok_or_else(|| Error::too_many("sets of extended attributes", NO_XATTRS))?;
        let count = u32::try_from(set.len()).unwrap_or_default();
        self.ids.extend(place.reference().to_le_bytes());
        self.ids.extend(count.to_le_bytes());
        self.ids.extend(u32::try_from(size).unwrap_or_default().to_le_bytes());
        self.sets.insert(set, index);
        Ok(index)
    }

    /// Stores a name with its value; answers how many bytes that takes.
    fn pair(
        &mut self,
        full: &[u8],
        value: &[u8],
        path: &dyn Fn() -> String,
    ) -> Result<usize, Error> {
        let (kind, name) = (0..)
            .zip(xattr::PREFIXES)
            .find_map(|(kind, prefix)| Some((kind, full.strip_prefix(prefix)?)))
            .filter(|(_, name)| !name.is_empty())
            .ok_or_else(|| Error::Xattr { path: path(), name: shown(full) })?;
        if value.len() > MAX_VALUE || full.len() > MAX_NAME {
            return Err(Error::LongXattr { path: path(), name: shown(full) });
        }
        let kind: u16 = kind;
        let name_len = u16::try_from(name.len()).unwrap_or_default();
        let known = self.values.get(value).copied();
        let bit = if known.is_some() { xattr::ELSEWHERE } else { 0 };
        self.pairs.write(&(kind | bit).to_le_bytes())?;
        self.pairs.write(&name_len.to_le_bytes())?;
        self.pairs.write(name)?;
        let place = self.pairs.place()?.reference();
        let reference = known.map(u64::to_le_bytes);
        let stored = reference.as_ref().map_or(value, |reference| &reference[..]);
        self.pairs.write(&u32::try_from(stored.len()).unwrap_or_default().to_le_bytes())?;
        self.pairs.write(stored)?;
        if known.is_none() && value.len() > REFERENCE_LEN {
            self.values.insert(value.to_vec(), place);
        }
        Ok(8 + name.len() + stored.len())
    }

    /// Whether no node has any.
    pub(super) fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// Writes all; answers where the table is.
    pub(super) fn write(self, out: &mut Output, codec: Codec) -> Result<u64, Error> {
        if self.is_empty() {
            return Ok(NO_TABLE);
        }
        let pairs = out.position();
        let (blocks, _) = self.pairs.finish()?;
        out.write(&blocks)?;
        let ids = out.position();
        let mut table = Metadata::new(codec);
        table.write(&self.ids)?;
        let (blocks, starts) = table.finish()?;
        out.write(&blocks)?;
        let header = out.position();
        let count = u32::try_from(self.sets.len()).unwrap_or_default();
        out.write(&pairs.to_le_bytes())?;
        out.write(&count.to_le_bytes())?;
        out.write(&[0; 4])?;
        out.write_pointers(ids, &starts)?;
        Ok(header)
    }
}
