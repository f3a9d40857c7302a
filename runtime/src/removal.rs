//! Directories removed with all that is in them, whatever their modes.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::mem::MaybeUninit;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, RawDir};
use rustix::io::Errno;

/// Removes what is called `name` in a directory; what is not there is no error. No link is followed.
pub fn remove(parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error),
    }
    let mut open: Vec<(OwnedFd, CString)> = Vec::new();
    let root = enter(parent, &CString::new(name).map_err(|_| Errno::INVAL)?)?;
    open.push((root, CString::new(name).map_err(|_| Errno::INVAL)?));
    while let Some((directory, _)) = open.last() {
        match empty(directory)? {
            Some(child) => {
                let fd = enter(directory.as_fd(), &child)?;
                open.push((fd, child));
            }
            None => {
                let Some((_, name)) = open.pop() else { break };
                let parent = open.last().map_or(parent, |(fd, _)| fd.as_fd());
                rustix::fs::unlinkat(parent, &name, AtFlags::REMOVEDIR)?;
            }
        }
    }
    Ok(())
}

/// Opens a directory and gives its owner the right to remove what is in it.
fn enter(parent: BorrowedFd<'_>, name: &CString) -> Result<OwnedFd, Errno> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // A directory without the right to read it is changed by name: its parent is ours alone.
    let fd = match rustix::fs::openat(parent, name, flags, Mode::empty()) {
        Err(Errno::ACCESS) => {
            rustix::fs::chmodat(parent, name, Mode::RWXU, AtFlags::empty())?;
            rustix::fs::openat(parent, name, flags, Mode::empty())?
        }
        opened => opened?,
    };
    rustix::fs::fchmod(&fd, Mode::RWXU)?;
    Ok(fd)
}

/// Removes all but directories; gives the name of a directory in it that is to be emptied first, if there is one.
fn empty(directory: &OwnedFd) -> Result<Option<CString>, Errno> {
    rustix::fs::seek(directory, rustix::fs::SeekFrom::Start(0))?;
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut entries = RawDir::new(directory, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::ISDIR | Errno::PERM) => return Ok(Some(name.into())),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::{fs, os};

    use super::*;

    #[test]
    fn all_goes_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("kept");
        fs::write(&kept, "x").unwrap();
        let tree = folder.path().join("tree");
        fs::create_dir_all(tree.join("a/b/c")).unwrap();
        fs::create_dir_all(tree.join("a/empty")).unwrap();
        for number in 0..300 {
            fs::write(tree.join(std::format!("a/b/file-{number}")), "x").unwrap();
        }
        os::unix::fs::symlink(folder.path(), tree.join("a/b/c/out")).unwrap();
        fs::set_permissions(tree.join("a/b"), fs::Permissions::from_mode(0o555)).unwrap();
        let fd: OwnedFd = fs::File::open(folder.path()).unwrap().into();
        remove(fd.as_fd(), b"tree").unwrap();
        assert!(!tree.exists() && kept.exists());
        remove(fd.as_fd(), b"tree").unwrap();
    }
}
