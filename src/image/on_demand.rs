//! A layer that is known and that nobody should want: a registry has it. Should a registry turn out
//! not to have it after all, it is made then.

use std::sync::{Mutex, PoisonError};

use registry::Digest;

use super::Error;
use super::build::alone;
use super::layer::{Content, LayerOptions};
use super::source::Source;
use super::spool::{Spool, Spooled};
use crate::cache::KnownLayer;

/// How to make a layer of which the digest is known.
#[derive(Debug)]
pub(crate) struct OnDemand {
    source: Source,
    options: LayerOptions,
    spool: Spool,
    digest: Digest,
    size: u64,
    blob: Mutex<Option<Spooled>>,
}

impl OnDemand {
    pub(super) fn new(
        source: &Source,
        options: LayerOptions,
        spool: &Spool,
        known: &KnownLayer,
    ) -> Self {
        let (source, spool) = (source.clone(), spool.clone());
        let (digest, size) = (known.digest, known.size);
        Self { source, options, spool, digest, size, blob: Mutex::default() }
    }

    /// The blob; made by whoever asks first.
    pub(super) fn blob(&self) -> Result<Spooled, Error> {
        let mut blob = self.blob.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(blob) = &*blob {
            return Ok(blob.clone());
        }
        let made = match self.spool.kept(&self.digest, self.size) {
            Some(kept) => kept,
            None => self.make()?,
        };
        Ok(blob.insert(made).clone())
    }

    fn make(&self) -> Result<Spooled, Error> {
        let room = self.spool.room(self.options.compression)?;
        let layer = alone(&self.source, self.options, room)?;
        if layer.digest != self.digest {
            return Err(Error::NotAsKnown { got: layer.digest, expected: self.digest });
        }
        match layer.content {
            Content::Here(blob) => Ok(blob),
            Content::OnDemand(other) => other.blob(),
        }
    }
}
