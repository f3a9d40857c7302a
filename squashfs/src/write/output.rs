//! The image on its way out, written by a thread of its own, so that a busy disk holds up nobody who
//! compresses. Places in it are counted from where it begins, wherever that is.

use std::io::{self, Seek, SeekFrom, Write};
use std::mem;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use super::Error;
use super::codec::Codec;
use super::metadata::Metadata;
use crate::format::{PADDING, SUPERBLOCK_LEN, Superblock};

/// Bytes that are written at a time.
const BUFFER: usize = 256 << 10;

/// How many full buffers wait for the disk: all threads compress for a tenth of a second while it
/// does something else.
const WAITING: usize = 32;

/// An image that is being written.
pub(super) struct Output {
    buffer: Vec<u8>,
    full: SyncSender<Vec<u8>>,
    /// Buffers to be filled again, and why there are no more if one could not be written.
    written: Receiver<io::Result<Vec<u8>>>,
    position: u64,
}

/// The thread that writes; it gives back where it wrote to.
pub(super) type Writer<'scope, W> = ScopedJoinHandle<'scope, W>;

impl Output {
    /// An image from here on; room is left for the superblock.
    pub(super) fn start<'scope, W: Write + Send + 'scope>(
        scope: &'scope Scope<'scope, '_>,
        out: W,
    ) -> Result<(Self, Writer<'scope, W>), Error> {
        let (full, to_write) = sync_channel(WAITING);
        let (done, written) = channel();
        let writer = scope.spawn(move || write_all(out, to_write, &done));
        let buffer = Vec::with_capacity(BUFFER);
        let mut output = Self { buffer, full, written, position: 0 };
        output.write(&[0; SUPERBLOCK_LEN])?;
        Ok((output, writer))
    }

    /// Where the next byte will be.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        self.position += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BUFFER - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() == BUFFER {
                self.hand_over()?;
            }
        }
        Ok(())
    }

    fn hand_over(&mut self) -> Result<(), Error> {
        let next = match self.written.try_recv() {
            Ok(written) => written.map_err(Error::Write)?,
            Err(_) => Vec::with_capacity(BUFFER),
        };
        let full = mem::replace(&mut self.buffer, next);
        self.full.send(full).or_else(|_| self.failure().and(Err(Error::Thread)))
    }

    /// Waits until nothing is written any more, and says why if that is too early.
    fn failure(&self) -> Result<(), Error> {
        self.written.iter().try_for_each(|written| written.map(drop)).map_err(Error::Write)
    }

    /// Writes a table in metadata blocks, and then where each of them is; answers where that begins.
    pub(super) fn write_table(&mut self, entries: &[u8], codec: Codec) -> Result<u64, Error> {
        let start = self.position;
        let mut table = Metadata::new(codec);
        table.write(entries)?;
        let (blocks, starts) = table.finish()?;
        self.write(&blocks)?;
        let pointers = self.position;
        self.write_pointers(start, &starts)?;
        Ok(pointers)
    }

    /// Writes where metadata blocks are that were written from `start` on.
    pub(super) fn write_pointers(&mut self, start: u64, blocks: &[u64]) -> Result<(), Error> {
        blocks.iter().try_for_each(|block| self.write(&(start + block).to_le_bytes()))
    }

    /// Pads the image and puts the superblock where it belongs; answers the length with padding.
    pub(super) fn finish<W: Write + Seek>(
        mut self,
        superblock: &Superblock,
        writer: Writer<'_, W>,
    ) -> Result<u64, Error> {
        let padding = self.position.next_multiple_of(PADDING) - self.position;
        // Less than 4096.
        self.write(&vec![0; usize::try_from(padding).unwrap_or_default()])?;
        self.hand_over()?;
        let length = self.position;
        // So that the thread ends.
        let (unused, _) = sync_channel(0);
        self.full = unused;
        self.failure()?;
        let mut out = writer.join().map_err(|_| Error::Thread)?;
        let end = out.stream_position().map_err(Error::Write)?;
        let mut put = || {
            out.seek(SeekFrom::Start(end - length))?;
            out.write_all(&superblock.encode())?;
            out.seek(SeekFrom::Start(end))?;
            out.flush()
        };
        put().map_err(Error::Write)?;
        Ok(length)
    }
}

/// Writes buffers as they come, until none can be written or none comes any more.
fn write_all<W: Write>(
    mut out: W,
    full: Receiver<Vec<u8>>,
    done: &Sender<io::Result<Vec<u8>>>,
) -> W {
    for mut buffer in full {
        let written = out.write_all(&buffer);
        buffer.clear();
        let failed = written.is_err();
        // Whoever fills them may have given up for another reason.
        let _ = done.send(written.map(|()| buffer));
        if failed {
            break;
        }
    }
    out
}
