//! The AppImage that is worked on: this program's own file, or the one that `TARGET_APPIMAGE` names.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use squashfs::read::ReadAt;

use crate::elf::{HEADER_LEN, Table};
use crate::failure::{Doing, Failure, shown};
use crate::image::Source;
use crate::start::Start;

/// An AppImage.
#[derive(Debug)]
pub struct AppFile {
    /// Open for reading.
    pub source: Source,
    /// Its absolute path, as far as it is known.
    pub path: Vec<u8>,
    /// Where the image begins.
    pub offset: u64,
    table: Table,
    rows: Vec<u8>,
}

impl AppFile {
    /// Opens what the environment asks for, else this program. The environment of a program with more rights than its
    /// caller is not asked.
    pub fn open(start: &Start) -> Result<Self, Failure> {
        match start.variable("TARGET_APPIMAGE").filter(|_| !start.secure) {
            Some(target) => Self::at(target.to_bytes()),
            // The link leads to the file even where its path does not.
            None => match open(b"/proc/self/exe") {
                Ok(fd) => Self::new(fd, b""),
                // Without /proc: the path that the program was run by, which a caller with fewer rights may have changed.
                Err(_) if !start.secure => {
                    let executed = start
                        .executed
                        .ok_or_else(|| Failure::new("cannot find this program's own file"))?;
                    Self::at(executed.to_bytes())
                }
                Err(error) => Err(error).doing("open `/proc/self/exe`"),
            },
        }
    }

    fn at(path: &[u8]) -> Result<Self, Failure> {
        let fd = open(path).doing(format_args!("open `{}`", shown(path)))?;
        Self::new(fd, path)
    }

    fn new(fd: OwnedFd, opened: &[u8]) -> Result<Self, Failure> {
        let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
        let path = match rustix::fs::readlink(&link[..], Vec::new()) {
            Ok(path) => path.into_bytes(),
            Err(_) if opened.starts_with(b"/") => opened.to_vec(),
            Err(_) => {
                let directory =
                    rustix::process::getcwd(Vec::new()).doing("find the working directory")?;
                [directory.as_bytes(), b"/", opened].concat()
            }
        };
        let source = Source(fd);
        let damaged =
            |error| Failure::new(format!("`{}` is not an AppImage: {error}", shown(&path)));
        let mut head = vec![0; HEADER_LEN];
        let read = source.read_at(&mut head, 0).doing(format_args!("read `{}`", shown(&path)))?;
        head.truncate(read);
        let table = Table::parse(&head).map_err(damaged)?;
        let rows = bytes(&source, table.place()).doing(format_args!("read `{}`", shown(&path)))?;
        let offset = table.end(&rows).map_err(damaged)?;
        Ok(Self { source, path, offset, table, rows })
    }

    /// The text in a section, up to the zeros that pad it; empty if there is no such section.
    pub fn section(&self, name: &str) -> Result<Vec<u8>, Failure> {
        let what = format_args!("read the section `{name}`");
        let names =
            self.table.names(&self.rows).map_err(|error| Failure::new(format!("{error}")))?;
        let names = bytes(&self.source, names).doing(what)?;
        let Some(place) = self.table.find(&self.rows, &names, name) else { return Ok(Vec::new()) };
        let mut text =
            bytes(&self.source, place.start..place.end.min(place.start + (1 << 16))).doing(what)?;
        let length = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        text.truncate(length);
        Ok(text)
    }

    /// The last part of the path.
    pub fn name(&self) -> &[u8] {
        self.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
    }
}

fn open(path: &[u8]) -> Result<OwnedFd, rustix::io::Errno> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

fn bytes(source: &Source, place: Range<u64>) -> Result<Vec<u8>, squashfs::read::Error> {
    let mut bytes = vec![0; usize::try_from(place.end - place.start).unwrap_or(0)];
    let read = source.read_at(&mut bytes, place.start)?;
    bytes.truncate(read);
    Ok(bytes)
}
