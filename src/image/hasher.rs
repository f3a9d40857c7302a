//! The hash of a stream, on a thread of its own where there are several.
//!
//! A hash goes through its bytes in order, at some 2 GB/s whatever the machine: as long as reading
//! and writing an uncompressed layer take. Side by side, the largest layer takes half the time.

use std::fmt;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use sha2::{Digest, Sha256};

use super::Error;
use crate::aci::ImageId;
use crate::aci::check::{Proof, Report};
use crate::timings::{self, Stage, time};
use crate::untar::Packing;

/// Blocks that may wait to be hashed.
const WAITING: usize = 2;

/// What is found out about a tar while it is written.
pub(crate) trait TarHash: Default + Send + 'static {
    /// What is known of a tar then.
    type Sum: fmt::Debug;

    /// The next bytes.
    fn add(&mut self, bytes: &[u8]);

    /// What is known of all that was given.
    fn sum(self) -> Self::Sum;
}

/// Diff IDs of layers (OCI image-spec, "Layer `DiffID`").
impl TarHash for Sha256 {
    type Sum = registry::Digest;

    fn add(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }

    fn sum(self) -> Self::Sum {
        <[u8; 32]>::from(self.finalize()).into()
    }
}

/// Image IDs of ACIs, and whether these are right as such.
impl TarHash for Proof {
    type Sum = (ImageId, Report);

    fn add(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }

    fn sum(self) -> Self::Sum {
        // How it is packed afterwards is right by itself.
        self.finish(Packing::None)
    }
}

/// Hashes blocks as they come.
pub(crate) enum Hasher<H> {
    /// On the caller's thread.
    Here(H),
    /// Beside it.
    Beside {
        blocks: SyncSender<(Vec<u8>, usize)>,
        /// Buffers of hashed blocks, to be filled again.
        spare: Receiver<Vec<u8>>,
        thread: JoinHandle<H>,
    },
}

impl<H: TarHash> Hasher<H> {
    pub(crate) fn here() -> Self {
        Self::Here(H::default())
    }

    /// Starts a thread, which ends with the hasher.
    pub(crate) fn beside() -> Self {
        let (blocks, taken) = sync_channel(WAITING);
        let (hashed, spare) = channel();
        let origin = timings::origin();
        let thread = thread::spawn(move || {
            let _watched = origin.watch_in("hasher", Stage::Wait);
            hash(&taken, &hashed)
        });
        Self::Beside { blocks, spare, thread }
    }

    /// Takes the first `filled` bytes of `block`, and gives back a buffer of the same length.
    pub(crate) fn update(&mut self, block: Vec<u8>, filled: usize) -> Result<Vec<u8>, Error> {
        match self {
            Self::Here(hash) => {
                time(Stage::Hash, || hash.add(&block[..filled]));
                timings::count(Stage::Hash, filled);
                Ok(block)
            }
            Self::Beside { blocks, spare, .. } => {
                let length = block.len();
                time(Stage::Wait, || blocks.send((block, filled))).map_err(|_| Error::Stopped)?;
                Ok(spare.try_recv().unwrap_or_else(|_| vec![0; length]))
            }
        }
    }

    /// The hash of all.
    pub(crate) fn finish(self) -> Result<H::Sum, Error> {
        let hash = match self {
            Self::Here(hash) => hash,
            Self::Beside { blocks, thread, .. } => {
                drop(blocks);
                time(Stage::Wait, || thread.join()).map_err(|_| Error::Stopped)?
            }
        };
        Ok(hash.sum())
    }
}

fn hash<H: TarHash>(blocks: &Receiver<(Vec<u8>, usize)>, hashed: &Sender<Vec<u8>>) -> H {
    let mut hash = H::default();
    while let Ok((block, filled)) = blocks.recv() {
        time(Stage::Hash, || hash.add(&block[..filled]));
        timings::count(Stage::Hash, filled);
        // Nobody wants the buffer behind the last block.
        let _ = hashed.send(block);
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn here_and_beside_are_the_same() {
        let results = [Hasher::<Sha256>::here(), Hasher::beside()].map(|mut hasher| {
            let mut buffer = vec![0; 1000];
            for round in 0..50_u8 {
                buffer.fill(round);
                buffer = hasher.update(buffer, 990).unwrap();
                assert_eq!(buffer.len(), 1000);
            }
            hasher.finish().unwrap()
        });
        assert_eq!(results[0], results[1]);
        let bytes: Vec<u8> = (0..50_u8).flat_map(|round| [round; 990]).collect();
        assert_eq!(results[0], registry::Digest::of(&bytes));
    }
}
