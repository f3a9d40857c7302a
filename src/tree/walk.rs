//! Walks a store path in NAR order: byte order of names within each directory, a directory before
//! what is in it.

use std::ffi::OsStr;
use std::fs::{self, FileType};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::{Content, Error};

/// What a walk tells, entry by entry. `path` is relative to the store path, empty for itself.
pub trait Visitor {
    /// What ends the walk early.
    type Error: From<Error>;

    /// A directory; what it holds follows, then [`leave`](Self::leave).
    fn directory(&mut self, path: &[u8]) -> Result<(), Self::Error>;

    /// The end of the directory entered last and not left yet.
    fn leave(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// A symbolic link; the target is any bytes.
    fn symlink(&mut self, path: &[u8], target: &[u8]) -> Result<(), Self::Error>;

    /// A regular file, to be read to its end.
    fn file(&mut self, path: &[u8], content: &mut Content<'_>) -> Result<(), Self::Error>;
}

/// Visits everything from `root`, the real place of a store path, downwards.
pub fn walk<V: Visitor>(root: &Path, visitor: &mut V) -> Result<(), V::Error> {
    let meta = fs::symlink_metadata(root).map_err(Error::io("read", root))?;
    let prefix = root.as_os_str().len() + 1;
    let mut path = root.to_owned();
    // Directories that are open, each with the names still to visit, last first.
    let mut open: Vec<Vec<Item>> = Vec::new();
    let mut next = Some((meta.file_type(), false));
    loop {
        if let Some((file_type, is_child)) = next.take() {
            if let Some(items) = visit(&path, prefix, file_type, visitor)? {
                open.push(items);
            } else if is_child {
                path.pop();
            }
        }
        let Some(items) = open.last_mut() else { return Ok(()) };
        if let Some(item) = items.pop() {
            path.push(OsStr::from_bytes(&item.name));
            next = Some((item.file_type, true));
        } else {
            visitor.leave()?;
            open.pop();
            path.pop();
        }
    }
}

struct Item {
    name: Vec<u8>,
    file_type: FileType,
}

/// Tells the visitor of one entry; a directory's items are returned, last first.
fn visit<V: Visitor>(
    path: &Path,
    prefix: usize,
    file_type: FileType,
    visitor: &mut V,
) -> Result<Option<Vec<Item>>, V::Error> {
    let relative = path.as_os_str().as_bytes().get(prefix..).unwrap_or_default();
    if file_type.is_dir() {
        let items = list(path)?;
        visitor.directory(relative)?;
        return Ok(Some(items));
    }
    if file_type.is_symlink() {
        let target = fs::read_link(path).map_err(Error::io("read the link", path))?;
        visitor.symlink(relative, target.as_os_str().as_bytes())?;
    } else if file_type.is_file() {
        let mut content = Content::open(path)?;
        visitor.file(relative, &mut content)?;
        content.finish()?;
    } else {
        return Err(Error::Kind { path: path.into(), kind: kind_of(file_type) }.into());
    }
    Ok(None)
}

fn list(path: &Path) -> Result<Vec<Item>, Error> {
    let listed: Result<Vec<Item>, std::io::Error> = fs::read_dir(path)
        .map_err(Error::io("list", path))?
        .map(|entry| {
            let entry = entry?;
            Ok(Item { file_type: entry.file_type()?, name: entry.file_name().into_vec() })
        })
        .collect();
    let mut items = listed.map_err(Error::io("list", PathBuf::from(path)))?;
    items.sort_unstable_by(|a, b| b.name.cmp(&a.name));
    Ok(items)
}

fn kind_of(file_type: FileType) -> &'static str {
    if file_type.is_fifo() {
        "named pipe"
    } else if file_type.is_socket() {
        "socket"
    } else {
        "device"
    }
}
