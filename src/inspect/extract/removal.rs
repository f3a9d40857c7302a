//! Removing what layers below have brought, never through a link.

use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::ExtractError;
use super::tree::{Tree, failed, split};

impl Tree {
    /// Removes what is there, if anything is, with all below it.
    pub(super) fn remove(&mut self, path: &[u8]) -> Result<(), ExtractError> {
        if path.is_empty() {
            return self.clear(path, &|_| false);
        }
        if self.directories.contains_key(path) {
            self.clear(path, &|_| false)?;
            let (parent, name) = split(path);
            let parent = self.open(parent, path)?;
            rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR).map_err(failed(path))?;
            self.directories.remove(path);
            self.last = None;
            return Ok(());
        }
        let (above, name) = split(path);
        if !self.directories.contains_key(above) {
            return Ok(());
        }
        let parent = self.open(above, path)?;
        match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(failed(path)(errno)),
        }
    }

    /// Removes what is in a directory, if that is there, but for what is to be kept.
    pub(super) fn clear(
        &mut self,
        dir: &[u8],
        keep: &dyn Fn(&[u8]) -> bool,
    ) -> Result<(), ExtractError> {
        if !self.directories.contains_key(dir) {
            return Ok(());
        }
        let opened = self.open(dir, dir)?;
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(opened).map_err(failed(dir))? {
            let name = entry.map_err(failed(dir))?.file_name().to_bytes().to_vec();
            if !matches!(&name[..], b"." | b"..") {
                names.push(name);
            }
        }
        for name in names {
            let path = if dir.is_empty() { name } else { [dir, b"/", &name].concat() };
            match keep(&path) {
                // A directory of the layer may have other layers' files in it.
                true => self.clear(&path, keep)?,
                false => self.remove(&path)?,
            }
        }
        Ok(())
    }
}
