//! Opens a file that a walk has told of, later and by itself.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::walk::READING;
use super::{Content, Error};

/// Opens the regular file `path` of the store path that really is at `root`; `at` is what to call
/// it in a message. As in a walk, no link is followed, and no path is too long.
pub fn open<'a>(root: &Path, path: &[u8], at: &'a Path) -> Result<Content<'a>, Error> {
    Content::new(at, descriptor(root, path, at)?)
}

/// As [`open`], without a look at what was opened.
pub(super) fn descriptor(root: &Path, path: &[u8], at: &Path) -> Result<OwnedFd, Error> {
    let opened = if path.is_empty() {
        rustix::fs::openat(CWD, root, READING, Mode::empty())
    } else {
        let above = rustix::fs::openat(CWD, root, ABOVE, Mode::empty());
        above.and_then(|above| {
            // What older kernels lack, some sandboxes forbid; and a path may be longer than one call takes.
            match rustix::fs::openat2(&above, path, READING, Mode::empty(), BENEATH) {
                Err(Errno::NOSYS | Errno::PERM | Errno::NAMETOOLONG) => step_by_step(above, path),
                opened => opened,
            }
        })
    };
    opened.map_err(|errno| match errno {
        Errno::LOOP => Error::Replaced { path: at.into() },
        errno => Error::io("open", at)(errno),
    })
}

/// A directory on the way to a file.
const ABOVE: OFlags =
    OFlags::PATH.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW).union(OFlags::DIRECTORY);

const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);

/// Opens each directory within the one above it.
fn step_by_step(mut above: OwnedFd, path: &[u8]) -> rustix::io::Result<OwnedFd> {
    let mut parts = path.split(|&byte| byte == b'/').filter(|part| !part.is_empty()).peekable();
    while let Some(part) = parts.next() {
        let flags = if parts.peek().is_some() { ABOVE } else { READING };
        above = rustix::fs::openat(above.as_fd(), part, flags, Mode::empty())?;
    }
    Ok(above)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    #[test]
    fn both_ways_open_the_same_and_follow_no_link() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir_all(temp.path().join("a/b")).unwrap();
        fs::write(temp.path().join("a/b/c"), "content").unwrap();
        symlink("b", temp.path().join("a/link")).unwrap();
        symlink("c", temp.path().join("a/b/link")).unwrap();
        let above = || rustix::fs::openat(CWD, temp.path(), ABOVE, Mode::empty()).unwrap();
        for path in [&b"a/b/c"[..], b"a/link/c", b"a/b/link", b"a/b/none"] {
            let at = temp.path().join(std::ffi::OsStr::from_bytes(path));
            let whole = descriptor(temp.path(), path, &at);
            let steps = step_by_step(above(), path);
            assert_eq!((whole.is_ok(), steps.is_ok()), (path == b"a/b/c", path == b"a/b/c"));
        }
        let file = temp.path().join("a/b/c");
        assert_eq!(open(&file, b"", &file).unwrap().size(), 7);
    }

    #[test]
    fn no_path_is_too_long() {
        let temp = tempfile::tempdir().unwrap();
        let name = [b'n'; 250];
        let mut above = rustix::fs::openat(CWD, temp.path(), ABOVE, Mode::empty()).unwrap();
        let mut path = Vec::new();
        for _ in 0..20 {
            rustix::fs::mkdirat(&above, &name[..], Mode::from_raw_mode(0o755)).unwrap();
            above = rustix::fs::openat(&above, &name[..], ABOVE, Mode::empty()).unwrap();
            path.extend_from_slice(&name);
            path.push(b'/');
        }
        let flags = OFlags::WRONLY | OFlags::CREATE;
        rustix::fs::openat(&above, "file", flags, Mode::from_raw_mode(0o644)).unwrap();
        path.extend_from_slice(b"file");
        assert_eq!(open(temp.path(), &path, Path::new("file")).unwrap().size(), 0);
    }
}
