//! A layer's source as a tar stream, cut into blocks.

use super::blob_writer::{Blob, BlobWriter};
use super::duplicates::Duplicates;
use super::entries::{self, Rules, Seen, Sink, file_mode};
use super::layer::LayerOptions;
use super::machine::{Machine, Machines};
use super::pool::Pool;
use super::source::Source;
use super::spool::Room;
use super::witness::Witness;
use super::{Error, tar};
use crate::progress::{Event, Progress};
use crate::tree::{Content, RegularFile};

/// Makes the blob of a layer.
pub(crate) fn build(
    source: &Source,
    options: LayerOptions,
    duplicates: &Duplicates,
    pool: &Pool,
    room: Room,
    progress: &dyn Progress,
) -> Result<(Blob, Seen), Error> {
    let mut stream = Stream {
        writer: BlobWriter::new(options.compression, pool, room, options.threads.get() > 1)?,
        buffer: vec![0; options.compression.block_size()],
        filled: 0,
        header: Vec::new(),
        machines: Machines::default(),
        progress,
    };
    let LayerOptions { whiteouts, verify, .. } = options;
    let rules = Rules { whiteouts, verify, duplicates };
    let seen = entries::pack(source, rules, &mut stream)?;
    progress.report(Event::LayerRead { bytes: seen.linked });
    let (blob, machines) = stream.finish()?;
    Ok((blob, Seen { machines, ..seen }))
}

/// Fills blocks and hands them on.
struct Stream<'a> {
    writer: BlobWriter<'a>,
    buffer: Vec<u8>,
    filled: usize,
    header: Vec<u8>,
    machines: Machines,
    progress: &'a dyn Progress,
}

impl Stream<'_> {
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

    fn advance(&mut self, count: usize) -> Result<(), Error> {
        self.filled += count;
        if self.filled == self.buffer.len() { self.flush(false) } else { Ok(()) }
    }

    fn flush(&mut self, last: bool) -> Result<(), Error> {
        let block = std::mem::take(&mut self.buffer);
        self.progress.report(Event::LayerRead { bytes: self.filled as u64 });
        self.buffer = self.writer.block(block, self.filled, last)?;
        self.filled = 0;
        Ok(())
    }

    fn finish(mut self) -> Result<(Blob, Machines), Error> {
        self.put(&tar::TRAILER)?;
        self.flush(true)?;
        Ok((self.writer.finish()?, self.machines))
    }
}

impl Sink for Stream<'_> {
    const READS: bool = true;

    fn header(&mut self, name: &[u8], mode: u32, kind: tar::Kind<'_>) -> Result<(), Error> {
        let mut header = std::mem::take(&mut self.header);
        header.clear();
        tar::header(&mut header, name, mode, kind);
        self.put(&header)?;
        self.header = header;
        Ok(())
    }

    fn bytes(&mut self, content: &[u8]) -> Result<(), Error> {
        self.put(content)?;
        self.put(tar::padding(content.len() as u64))
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
