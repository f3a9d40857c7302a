//! The NAR hash of a store path whose files go by as entries.
//!
//! A NAR has names in the order of their bytes, and so has nearly every archive that was made of a
//! store. Of one that has not, the hash cannot be had in one pass, and that is what is said.

use crate::tree::Nar;

/// A store path on its way through.
#[derive(Debug)]
pub(super) struct PathNar {
    nar: Nar,
    /// Directories that have not been left: path, and the last name that was in it.
    open: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Whether its root was told.
    begun: bool,
}

/// Entries that are in no NAR's order, or of kinds that no NAR has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoNar;

impl PathNar {
    pub(super) fn new() -> Self {
        Self { nar: Nar::new(true), open: Vec::new(), begun: false }
    }

    /// A directory; paths are relative to the store path, which is empty itself.
    pub(super) fn directory(&mut self, path: &[u8]) -> Result<(), NoNar> {
        self.enter(path)?;
        self.nar.directory(path);
        self.open.push((path.to_vec(), None));
        Ok(())
    }

    pub(super) fn symlink(&mut self, path: &[u8], target: &[u8]) -> Result<(), NoNar> {
        self.enter(path)?;
        self.nar.symlink(path, target);
        Ok(())
    }

    /// A file; its content and [`end_file`](Self::end_file) follow.
    pub(super) fn file(&mut self, path: &[u8], executable: bool, size: u64) -> Result<(), NoNar> {
        self.enter(path)?;
        self.nar.file(path, executable, size);
        Ok(())
    }

    pub(super) fn content(&mut self, bytes: &[u8]) {
        self.nar.content(bytes);
    }

    pub(super) fn end_file(&mut self, size: u64) {
        self.nar.end_file(size);
    }

    /// Size and hash of the NAR.
    pub(super) fn finish(mut self) -> Option<(u64, [u8; 32])> {
        if !self.begun {
            return None;
        }
        for _ in 0..self.open.len() {
            self.nar.leave();
        }
        let (size, hash) = self.nar.finish();
        Some((size, hash?))
    }

    /// Leaves directories until the one is open in which `path` is, and checks that it may come now.
    fn enter(&mut self, path: &[u8]) -> Result<(), NoNar> {
        if path.is_empty() {
            let is_first = !std::mem::replace(&mut self.begun, true);
            return if is_first { Ok(()) } else { Err(NoNar) };
        }
        let (parent, name) = match path.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => (&path[..slash], &path[slash + 1..]),
            None => (&path[..0], path),
        };
        while self.open.last().is_some_and(|(open, _)| open != parent) {
            self.open.pop();
            self.nar.leave();
        }
        let (_, last) = self.open.last_mut().ok_or(NoNar)?;
        if last.as_deref().is_some_and(|last| last >= name) {
            return Err(NoNar);
        }
        *last = Some(name.to_vec());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_order_is_taken() {
        let files = |names: &[&str]| {
            let mut nar = PathNar::new();
            nar.directory(b"")?;
            for name in names {
                match name.strip_suffix('/') {
                    Some(name) => nar.directory(name.as_bytes())?,
                    None => nar.symlink(name.as_bytes(), b"x")?,
                }
            }
            Ok::<_, NoNar>(nar.finish())
        };
        assert!(
            files(&["a/", "a/z", "a.b", "b"]).unwrap().is_some(),
            "names, not paths, have an order"
        );
        assert!(files(&["a", "a.b", "b/", "b/c/", "b/c/d", "b/e", "c"]).unwrap().is_some());
        for wrong in [&["b", "a"][..], &["a.b", "a/"], &["a", "a"], &["a/", "b", "a/c"], &["a/b"]] {
            assert_eq!(files(wrong), Err(NoNar), "{wrong:?}");
        }
    }
}
