//! A layer's sources as a tar stream, cut into blocks.

use super::blob_writer::{Blob, BlobWriter};
use super::compress::Codec;
use super::duplicates::Duplicates;
use super::entries::{self, Rules, Seen, Sink, file_mode};
use super::hasher::TarHash;
use super::layer::LayerOptions;
use super::lazy::{self, Cuts, Format, Index};
use super::machine::{Machine, Machines};
use super::pool::Pool;
use super::source::Source;
use super::spool::Room;
use super::witness::Witness;
use super::{Error, tar};
use crate::progress::{Event, Progress};
use crate::timings::{self, Stage, time};
use crate::tree::{Content, RegularFile};

/// Makes the blob of a layer, or of what else is a tar: the sources in their order, packed by `codec`.
pub(crate) fn build<H: TarHash>(
    sources: &[Source],
    codec: Codec,
    options: LayerOptions,
    duplicates: &Duplicates,
    pool: &Pool,
    room: Room,
    progress: &dyn Progress,
) -> Result<(Blob<H::Sum>, Seen), Error> {
    let mut stream = Stream::<H> {
        writer: BlobWriter::new(codec, pool, room, options.threads.get() > 1)?,
        buffer: vec![0; codec.block_size()],
        filled: 0,
        header: Vec::new(),
        machines: Machines::default(),
        index: match codec {
            Codec::Layer(compression) => Index::new(compression)?,
            Codec::Xz(_) => None,
        },
        cuts: Cuts::default(),
        progress,
    };
    stream.begin()?;
    let LayerOptions { whiteouts, verify, .. } = options;
    let rules = Rules { whiteouts, verify, duplicates };
    let seen = entries::pack(sources, rules, &mut stream)?;
    progress.report(Event::LayerRead { bytes: seen.linked });
    let (blob, machines) = stream.finish()?;
    Ok((blob, Seen { machines, ..seen }))
}

/// Fills blocks and hands them on.
struct Stream<'a, H> {
    writer: BlobWriter<'a, H>,
    buffer: Vec<u8>,
    filled: usize,
    header: Vec<u8>,
    machines: Machines,
    /// Of what there is, for a lazy format.
    index: Option<Index>,
    cuts: Cuts,
    progress: &'a dyn Progress,
}

impl<H: TarHash> Stream<'_, H> {
    fn begin(&mut self) -> Result<(), Error> {
        if self.index.as_ref().is_some_and(|index| index.format() == Format::Stargz) {
            let size = lazy::LANDMARK_CONTENT.len() as u64;
            self.header(lazy::LANDMARK, file_mode(false), tar::Kind::File { size })?;
            self.bytes(lazy::LANDMARK_CONTENT)?;
        }
        Ok(())
    }

    fn put(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            let room = &mut self.buffer[self.filled..];
            let count = room.len().min(bytes.len());
            room[..count].copy_from_slice(&bytes[..count]);
            bytes = &bytes[count..];
            self.advance(count)?;
        }
        Ok(())
    }

    /// Reads a file's content straight into the block.
    fn content(&mut self, content: &mut Content<'_>, witness: &mut Witness) -> Result<(), Error> {
        if self.index.is_some() {
            return self.chunks(content, witness);
        }
        loop {
            let room = &mut self.buffer[self.filled..];
            match content.read(room)? {
                0 => return self.put(tar::padding(content.size())),
                count => {
                    witness.content(&room[..count]);
                    self.advance(count)?;
                }
            }
        }
    }

    /// As [`Self::content`], for a lazy format.
    fn chunks(&mut self, content: &mut Content<'_>, witness: &mut Witness) -> Result<(), Error> {
        let mut left = content.size();
        while left > 0 {
            let chunk = self.begin_chunk(left)?;
            let end = self.filled + chunk;
            left -= chunk as u64;
            // Behind the last chunk, a byte more, so that a short answer proves the end of the file.
            let room = (end + usize::from(left == 0)).min(self.buffer.len());
            while self.filled < end {
                let bytes = &mut self.buffer[self.filled..room];
                let count = content.read(bytes)?;
                witness.content(&bytes[..count]);
                if let Some(index) = &mut self.index {
                    time(Stage::Hash, || index.content(&bytes[..count]));
                    timings::count(Stage::Hash, count);
                }
                self.filled += count;
            }
            self.end_chunk()?;
        }
        // There must be no more, which a short answer may have proved already.
        content.read(&mut [0])?;
        self.end_content(content.size())
    }

    /// Makes room for the next chunk of a file of which `left` bytes are left; says how large it is.
    fn begin_chunk(&mut self, left: u64) -> Result<usize, Error> {
        let most = self.index.as_ref().map_or(u64::MAX, |index| index.format().chunk_size());
        let chunk = usize::try_from(left.min(most)).unwrap_or(usize::MAX).min(self.buffer.len());
        if self.filled + chunk > self.buffer.len() {
            self.flush(false)?;
        }
        self.cuts.begin(self.filled, chunk);
        Ok(chunk)
    }

    fn end_chunk(&mut self) -> Result<(), Error> {
        if let Some(index) = &self.index {
            self.cuts.end(self.filled, index.format());
        }
        self.advance(0)
    }

    /// Fills up the last block of a file.
    fn end_content(&mut self, size: u64) -> Result<(), Error> {
        if let Some(index) = &mut self.index {
            index.end_content()?;
        }
        self.put(tar::padding(size))
    }

    fn advance(&mut self, count: usize) -> Result<(), Error> {
        self.filled += count;
        if self.filled == self.buffer.len() { self.flush(false) } else { Ok(()) }
    }

    fn flush(&mut self, last: bool) -> Result<(), Error> {
        let block = std::mem::take(&mut self.buffer);
        self.progress.report(Event::LayerRead { bytes: self.filled as u64 });
        let units = match self.index {
            Some(_) => self.cuts.take(self.filled),
            None => Vec::new(),
        };
        self.buffer = self.writer.block(block, self.filled, units, last)?;
        self.filled = 0;
        Ok(())
    }

    fn finish(mut self) -> Result<(Blob<H::Sum>, Machines), Error> {
        // An eStargz layer has a last entry, which says where all others are.
        if self.index.as_ref().is_none_or(|index| index.format() == Format::Chunked) {
            self.put(&tar::TRAILER)?;
        }
        self.flush(true)?;
        if let Some(index) = self.index {
            let placed = self.writer.placed();
            self.writer.tail(index.finish(placed)?)?;
        }
        Ok((self.writer.finish()?, self.machines))
    }
}

impl<H: TarHash> Sink for Stream<'_, H> {
    const READS: bool = true;

    fn header(&mut self, name: &[u8], mode: u32, kind: tar::Kind<'_>) -> Result<(), Error> {
        let mut header = std::mem::take(&mut self.header);
        header.clear();
        tar::header(&mut header, name, mode, kind);
        if let Some(index) = &mut self.index {
            index.entry(name, mode, kind, &header)?;
        }
        self.put(&header)?;
        self.header = header;
        Ok(())
    }

    fn bytes(&mut self, content: &[u8]) -> Result<(), Error> {
        let size = content.len() as u64;
        if self.index.is_none() {
            self.put(content)?;
            return self.put(tar::padding(size));
        }
        let mut left = content;
        while !left.is_empty() {
            let chunk = self.begin_chunk(left.len() as u64)?;
            let (bytes, rest) = left.split_at(chunk);
            left = rest;
            if let Some(index) = &mut self.index {
                index.content(bytes);
            }
            self.put(bytes)?;
            self.end_chunk()?;
        }
        self.end_content(size)
    }

    fn file(
        &mut self,
        name: &[u8],
        file: RegularFile<'_>,
        witness: &mut Witness,
        path: &[u8],
    ) -> Result<(), Error> {
        let mut content = file.open()?;
        let (executable, size) = (content.executable(), content.size());
        witness.file(path, executable, size);
        self.header(name, file_mode(executable), tar::Kind::File { size })?;
        self.content(&mut content, witness)?;
        witness.end_file(size);
        if let Some(machine) = Machine::of(content.head()) {
            self.machines.add(machine, format!("/{}", String::from_utf8_lossy(name)));
        }
        Ok(())
    }
}
