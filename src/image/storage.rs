//! Where the layers of an image are kept once they are made.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use super::compress::Compression;
use super::duplicates::Duplicates;
use super::layer::LayerOptions;
use super::measure::{self, Outline};
use super::source::Source;
use super::spool::{Room, Spool};
use super::{Error, tar};
use crate::parallel::in_parallel;

/// Where layers are kept once they are made.
#[derive(Debug)]
pub enum Storage<'a> {
    /// In files of their own.
    Spool(&'a Spool),
    /// In the archive that they are for, one behind the other, if their sizes are known
    /// beforehand; else in files of their own.
    Archive {
        /// The archive.
        file: &'a Arc<File>,
        /// What to call it in a message.
        path: &'a Path,
        /// Where the header of the first layer begins.
        start: u64,
        /// How long the header of a layer of this size is.
        header: fn(u64) -> u64,
        /// For layers whose sizes are not known beforehand.
        spool: &'a Spool,
    },
}

/// Where a layer goes, and which of its files are the same, if that is known.
pub(super) type Place = (Room, Option<Arc<Duplicates>>);

impl Storage<'_> {
    /// For layers that stand by themselves.
    pub(super) fn spool(&self) -> &Spool {
        match self {
            Self::Archive { spool, .. } | Self::Spool(spool) => spool,
        }
    }

    /// Room for the layer of each source in an archive, and what had to be found out for that;
    /// `known` tells the sizes of those that are not made. `None` if each is to have a file of its
    /// own.
    pub(super) fn rooms(
        &self,
        sources: &[Source],
        options: LayerOptions,
        known: impl Fn(usize) -> Option<u64> + Sync,
    ) -> Result<Option<Vec<Place>>, Error> {
        let Self::Archive { file, path, start, header, .. } = self else { return Ok(None) };
        if options.compression != Compression::None {
            return Ok(None);
        }
        let order: Vec<usize> = (0..sources.len()).collect();
        let sizes = in_parallel(&order, options.threads.get(), |index| match known(index) {
            Some(size) => Ok((size, None)),
            None => measure::outline(&sources[index], options)
                .map(|Outline { size, duplicates }| (size, Some(Arc::new(duplicates)))),
        })?;
        let mut at = *start;
        let rooms = sizes.into_iter().map(|(size, duplicates)| {
            let begin = at + header(size);
            at = begin + size + tar::padding(size).len() as u64;
            (Room::within(file, path, begin, size), duplicates)
        });
        Ok(Some(rooms.collect()))
    }
}
