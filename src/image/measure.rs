//! What can be said of a layer's tar before a byte of its files is read: how long it will be, and
//! which files it has twice.
//!
//! An uncompressed layer's place in an archive can be set aside, so that it is written where it
//! belongs and not copied there later. (To know which files are equal, those of equal size are
//! read, but no others.)

use super::duplicates::{Candidates, Duplicate, Duplicates};
use super::entries::{self, Rules, Sink, file_mode};
use super::layer::LayerOptions;
use super::source::Source;
use super::witness::Witness;
use super::{Error, tar};
use crate::tree::{Measured, RegularFile};

/// What is known of a layer's tar beforehand.
#[derive(Debug)]
pub(crate) struct Outline {
    /// Its size in bytes.
    pub(crate) size: u64,
    /// Files that are stored as links.
    pub(crate) duplicates: Duplicates,
}

/// The files of `source` that are to be links, if that is wanted.
pub(crate) fn duplicates(source: &Source, options: LayerOptions) -> Result<Duplicates, Error> {
    if !options.dedup {
        return Ok(Duplicates::default());
    }
    match outline(source, options) {
        // Reading it will fail, and can tell more: it may be that we must not read it.
        Err(Error::NarSize { .. }) => Ok(Duplicates::default()),
        outline => outline.map(|outline| outline.duplicates),
    }
}

/// Measures the tar of `source`.
pub(crate) fn outline(source: &Source, options: LayerOptions) -> Result<Outline, Error> {
    let none = Duplicates::default();
    let mut measure = Measure {
        size: tar::TRAILER.len() as u64,
        header: Vec::new(),
        candidates: options.dedup.then(Candidates::default),
    };
    let rules = Rules { whiteouts: options.whiteouts, verify: false, duplicates: &none };
    entries::pack(std::slice::from_ref(source), rules, &mut measure)?;
    let duplicates = match (&measure.candidates, source) {
        (Some(candidates), Source::Store { paths, .. }) => {
            candidates.find(paths, options.threads.get())?
        }
        _ => none,
    };
    for (name, duplicate) in duplicates.iter() {
        if let Duplicate::Again(again) = duplicate {
            let mode = file_mode(again.executable);
            let as_file = measure.of_file(name, mode, again.size);
            let as_link =
                measure.of_header(name, mode, tar::Kind::HardLink { target: &again.first });
            measure.size = measure.size - as_file + as_link;
        }
    }
    Ok(Outline { size: measure.size, duplicates })
}

struct Measure {
    size: u64,
    header: Vec<u8>,
    candidates: Option<Candidates>,
}

impl Measure {
    fn of_header(&mut self, name: &[u8], mode: u32, kind: tar::Kind<'_>) -> u64 {
        self.header.clear();
        tar::header(&mut self.header, name, mode, kind);
        self.header.len() as u64
    }

    fn of_file(&mut self, name: &[u8], mode: u32, size: u64) -> u64 {
        self.of_header(name, mode, tar::Kind::File { size }) + of_content(size)
    }
}

fn of_content(size: u64) -> u64 {
    size + tar::padding(size).len() as u64
}

impl Sink for Measure {
    const READS: bool = false;

    fn header(&mut self, name: &[u8], mode: u32, kind: tar::Kind<'_>) -> Result<(), Error> {
        self.size += self.of_header(name, mode, kind);
        Ok(())
    }

    fn bytes(&mut self, content: &[u8]) -> Result<(), Error> {
        self.size += of_content(content.len() as u64);
        Ok(())
    }

    fn file(
        &mut self,
        name: &[u8],
        file: RegularFile<'_>,
        witness: &mut Witness,
        path: &[u8],
    ) -> Result<(), Error> {
        let measured = file.measure()?;
        let Measured { executable, size, .. } = measured;
        witness.file(path, executable, size);
        witness.nar.count(size);
        witness.end_file(size);
        self.size += self.of_file(name, file_mode(executable), size);
        if let Some(candidates) = &mut self.candidates {
            candidates.add(name, path, measured);
        }
        Ok(())
    }
}
