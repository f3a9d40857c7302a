//! Files that appear whole or not at all.
//!
//! Bytes go into a file without a name (`O_TMPFILE`) in the directory of the target; when all is
//! there and synced, it gets a name and is renamed onto the target. However the program ends before
//! that, nothing is left behind and what was there before still is.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::num::NonZeroU64;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use registry::Digest;
use rustix::fs::{Advice, AtFlags, CWD, Mode, OFlags};
use tempfile::NamedTempFile;

use crate::image::Unreadable;

/// Why an output could not be made.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum OutputError {
    #[error("`{}` names a directory, and a file is to be written", .0.display())]
    IsDirectory(PathBuf),
    #[error("`{}` is there already and is neither empty nor an image layout", .0.display())]
    Occupied(PathBuf),
    #[error("cannot write the image to standard output")]
    Stream(#[source] io::Error),
    #[error("cannot read the layer `{digest}` of `{name}`")]
    Base {
        name: String,
        digest: Digest,
        #[source]
        source: io::Error,
    },
    #[error("cannot write `{}`", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl OutputError {
    pub(crate) fn write(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::unless_read(source, |source| Self::Write { path, source })
    }

    pub(crate) fn stream(source: io::Error) -> Self {
        Self::unless_read(source, Self::Stream)
    }

    /// What failed may be the reading of what was to be written.
    fn unless_read(source: io::Error, write: impl FnOnce(io::Error) -> Self) -> Self {
        match source.downcast::<Unreadable>() {
            Ok(Unreadable { name, digest, source }) => Self::Base { name, digest, source },
            Err(source) => write(source),
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::IsDirectory(path) => Some(format!(
                "name a file, such as `{}`, or use `--format layout`",
                path.join("image.tar").display()
            )),
            Self::Occupied(_) => Some("name another directory, or remove that one".into()),
            Self::Stream(source) if source.kind() == io::ErrorKind::BrokenPipe => {
                Some("whoever read it stopped before its end: see what it says".into())
            }
            Self::Stream(source) => crate::image::room(source),
            Self::Base { .. } => {
                Some("it is damaged, or its registry is: try again, or name another image".into())
            }
            Self::Write { path, source } => crate::image::no_place(parent(path), source),
        }
    }
}

/// The directory that `path` is in.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Writes of fewer bytes are left to the kernel: telling it costs more than it brings.
const WRITEBACK: usize = 64 * 1024;

/// Lets the disk begin with what was just written, so that little is left to wait for when the file
/// is synced.
pub(crate) fn begin_writeback(file: &File, offset: u64, length: u64) {
    // The advice drops clean pages, of which a range that was just written has none; for dirty ones
    // it starts the writing. Where it is not taken, syncing does all the work, as ever.
    if let Some(length) = NonZeroU64::new(length) {
        let _ = rustix::fs::fadvise(file, offset, Some(length), Advice::DontNeed);
    }
}

/// A file on its way to `target`.
#[derive(Debug)]
pub struct AtomicFile {
    target: PathBuf,
    place: Place,
    /// Where an unnamed file is written next.
    position: u64,
    /// From where on the disk was not told yet.
    untold: u64,
}

/// Bytes in a row that are left to the disk at a time: telling it of fewer makes more requests of it,
/// which on a virtual machine are dear.
const STRIDE: u64 = 8 << 20;

#[derive(Debug)]
enum Place {
    Unnamed(Arc<File>),
    /// Where the file system has no unnamed files.
    Named(NamedTempFile),
    /// A device or pipe, which cannot be replaced.
    Through(File),
}

impl AtomicFile {
    /// Begins a file. A link is followed, so that it goes on pointing to what is written.
    pub fn create(path: &Path) -> Result<Self, OutputError> {
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.into());
        if target.as_os_str().as_bytes().ends_with(b"/") {
            return Err(OutputError::IsDirectory(path.into()));
        }
        let place = match fs::metadata(&target) {
            Ok(meta) if meta.is_dir() => return Err(OutputError::IsDirectory(path.into())),
            Ok(meta) if !meta.is_file() => Place::Through(
                File::options().write(true).open(&target).map_err(OutputError::write(path))?,
            ),
            _ => Self::beside(&target).map_err(OutputError::write(path))?,
        };
        Ok(Self { target, place, position: 0, untold: 0 })
    }

    fn beside(target: &Path) -> io::Result<Place> {
        // To be read as well: layers that were written into it are pushed from there.
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match rustix::fs::open(parent(target), flags, Mode::from_raw_mode(0o666)) {
            Ok(fd) => Ok(Place::Unnamed(Arc::new(fd.into()))),
            Err(
                rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR | rustix::io::Errno::INVAL,
            ) => {
                let mut builder = tempfile::Builder::new();
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
                Ok(Place::Named(builder.permissions(mode).tempfile_in(parent(target))?))
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// The file and its name to be, if others may write into it by offset.
    pub(crate) fn regular(&self) -> Option<(&Arc<File>, &Path)> {
        match &self.place {
            Place::Unnamed(file) => Some((file, &self.target)),
            Place::Named(_) | Place::Through(_) => None,
        }
    }

    /// The file, to be read and written by offset, unless it is a pipe or device.
    pub fn file(&self) -> Option<&File> {
        match &self.place {
            Place::Unnamed(file) => Some(file),
            Place::Named(file) => Some(file.as_file()),
            Place::Through(_) => None,
        }
    }

    /// Lets whoever may read it start it as well.
    pub fn make_executable(&self) -> Result<(), OutputError> {
        let Some(file) = self.file() else { return Ok(()) };
        let change = || {
            let mut permissions = file.metadata()?.permissions();
            let mode = permissions.mode();
            permissions.set_mode(mode | (mode & 0o444) >> 2);
            file.set_permissions(permissions)
        };
        change().map_err(OutputError::write(&self.target))
    }

    /// Whether what was written can be written over, as [`Seek`] needs it: not in a pipe.
    pub fn is_seekable(&self) -> bool {
        !matches!(self.place, Place::Through(_))
    }

    /// Goes on `count` bytes later, since others have written those.
    pub(crate) fn skip(&mut self, count: u64) -> io::Result<()> {
        match self.place {
            Place::Unnamed(_) => {
                self.position += count;
                self.untold = self.position;
                Ok(())
            }
            Place::Named(_) | Place::Through(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Syncs the file and puts it in place.
    pub fn commit(self) -> Result<(), OutputError> {
        let Self { target, place, .. } = self;
        let result = match place {
            Place::Through(mut file) => file.flush(),
            Place::Named(file) => file
                .as_file()
                .sync_all()
                .and_then(|()| file.persist(&target).map(drop).map_err(|e| e.error)),
            Place::Unnamed(file) => file.sync_all().and_then(|()| name(&file, &target)),
        };
        result.map_err(OutputError::write(target))
    }
}

/// Gives an unnamed file its name. Linking refuses to replace, so a passing name is needed.
fn name(file: &File, target: &Path) -> io::Result<()> {
    let passing = tempfile::Builder::new().make_in(parent(target), |path| {
        let source = format!("/proc/self/fd/{}", file.as_raw_fd());
        Ok(rustix::fs::linkat(CWD, source, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
    })?;
    passing.persist(target).map(drop).map_err(|error| error.error)
}

/// A place in a file, where several may write at once.
pub(crate) struct Section<'a> {
    file: &'a File,
    position: u64,
}

impl<'a> Section<'a> {
    /// That from byte `position` on.
    pub(crate) fn new(file: &'a File, position: u64) -> Self {
        Self { file, position }
    }
}

impl Write for Section<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write_at(bytes, self.position)?;
        if count >= WRITEBACK {
            begin_writeback(self.file, self.position, count as u64);
        }
        self.position += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.place {
            Place::Unnamed(file) => {
                let count = file.write_at(bytes, self.position)?;
                self.position += count as u64;
                let length = self.position - self.untold;
                if length >= STRIDE {
                    begin_writeback(file, self.untold, length);
                    self.untold = self.position;
                }
                Ok(count)
            }
            Place::Through(file) => file.write(bytes),
            Place::Named(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for AtomicFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match (&mut self.place, to) {
            (Place::Through(_), _) => return Err(io::ErrorKind::NotSeekable.into()),
            (Place::Named(file), to) => return file.seek(to),
            (Place::Unnamed(_), SeekFrom::Start(position)) => Some(position),
            (Place::Unnamed(_), SeekFrom::Current(by)) => self.position.checked_add_signed(by),
            (Place::Unnamed(file), SeekFrom::End(by)) => {
                file.metadata()?.len().checked_add_signed(by)
            }
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        self.untold = self.position;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let names = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn nothing_shows_before_commit() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("x");
        fs::write(&target, "old").unwrap();
        let mut file = AtomicFile::create(&target).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(
            (names(dir.path()), fs::read(&target).unwrap()),
            (vec!["x".into()], b"old".to_vec())
        );
        drop(file);
        assert_eq!(fs::read(&target).unwrap(), b"old");
        let mut file = AtomicFile::create(&target).unwrap();
        file.write_all(b"new").unwrap();
        file.commit().unwrap();
        assert_eq!(
            (names(dir.path()), fs::read(&target).unwrap()),
            (vec!["x".into()], b"new".to_vec())
        );
    }

    #[test]
    fn a_link_goes_on_pointing() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("real"), "old").unwrap();
        symlink("real", dir.path().join("link")).unwrap();
        AtomicFile::create(&dir.path().join("link")).unwrap().commit().unwrap();
        assert_eq!(fs::read(dir.path().join("real")).unwrap(), b"");
        assert!(dir.path().join("link").is_symlink());
    }

    #[test]
    fn what_was_written_can_be_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("x");
        let mut file = AtomicFile::create(&target).unwrap();
        assert!(file.is_seekable());
        file.write_all(b"head and tail").unwrap();
        file.seek(SeekFrom::Start(5)).unwrap();
        file.write_all(b"AND").unwrap();
        assert_eq!(file.seek(SeekFrom::Current(-3)).unwrap(), 5);
        assert_eq!(file.seek(SeekFrom::End(-4)).unwrap(), 9);
        file.write_all(b"TAIL").unwrap();
        assert!(file.seek(SeekFrom::Current(-100)).is_err());
        file.commit().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"head AND TAIL");
        let mut null = AtomicFile::create(Path::new("/dev/null")).unwrap();
        assert!(!null.is_seekable() && null.seek(SeekFrom::Start(0)).is_err());
    }

    #[test]
    fn a_directory_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let absent = dir.path().join("absent/");
        for path in [dir.path(), &absent] {
            assert!(matches!(AtomicFile::create(path), Err(OutputError::IsDirectory(_))));
        }
        assert!(AtomicFile::create(&dir.path().join("no/such")).is_err());
    }
}
