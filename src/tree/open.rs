//! Opens a file that a walk has told of, later and by itself.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use super::walk::open_file;
use super::{Content, Error};

/// Opens the regular file `path` of the store path that really is at `root`; `at` is what to call
/// it in a message. As in a walk, each directory is opened within the one above it: no link is
/// followed, and no path is too long.
pub fn open<'a>(root: &Path, path: &[u8], at: &'a Path) -> Result<Content<'a>, Error> {
    let text = |bytes: &[u8]| CString::new(bytes).map_err(|_| Error::io("open", at)(Errno::INVAL));
    let mut name = text(root.as_os_str().as_bytes())?;
    let mut directory: Option<OwnedFd> = None;
    for part in path.split(|&byte| byte == b'/').filter(|part| !part.is_empty()) {
        let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::DIRECTORY;
        let parent = directory.as_ref().map_or(CWD, |fd| fd.as_fd());
        let inner = rustix::fs::openat(parent, &name, flags, Mode::empty());
        directory = Some(inner.map_err(Error::io("open", at))?);
        name = text(part)?;
    }
    open_file(directory.as_ref().map_or(CWD, |fd| fd.as_fd()), &name, at)
}
