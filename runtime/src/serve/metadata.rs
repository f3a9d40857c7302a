//! Metadata blocks that all threads share: at most 2 MiB, under several locks.

use alloc::sync::Arc;
use core::array;

use squashfs::read::{MetadataBlock, MetadataCache};

use crate::mutex::Mutex;

const SHARDS: usize = 16;
const SLOTS: usize = 16;

/// A slot for each of a position's hashes.
type Shard = Mutex<[Option<(u64, Arc<MetadataBlock>)>; SLOTS]>;

/// The cache.
#[derive(Debug)]
pub(super) struct SharedMetadata([Shard; SHARDS]);

impl Default for SharedMetadata {
    fn default() -> Self {
        Self(array::from_fn(|_| Mutex::new([const { None }; SLOTS])))
    }
}

/// Which shard a position belongs to, and which slot of it.
fn place(position: u64) -> (usize, usize) {
    // Fibonacci hashing: blocks follow each other at any distance.
    let hash = position.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[0];
    (usize::from(hash) / SLOTS, usize::from(hash) % SLOTS)
}

impl MetadataCache for SharedMetadata {
    fn get(&self, position: u64) -> Option<Arc<MetadataBlock>> {
        let (shard, slot) = place(position);
        let shard = self.0[shard].lock();
        let (at, block) = shard[slot].as_ref()?;
        (*at == position).then(|| Arc::clone(block))
    }

    fn put(&self, position: u64, block: &Arc<MetadataBlock>) {
        let (shard, slot) = place(position);
        let before = self.0[shard].lock()[slot].replace((position, Arc::clone(block)));
        // Given back outside of the lock.
        drop(before);
    }
}
