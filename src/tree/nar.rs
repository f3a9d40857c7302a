//! The NAR serialisation, of which Nix takes a path's size and hash.
//!
//! A NAR is a sequence of strings, each with its length in front and zeros behind it up to a
//! multiple of eight: `(`, `type`, `regular`, … The grammar is in Eelco Dolstra's thesis, figure
//! 5.2, and in the Nix manual, "Nix Archive (NAR) format". Nothing here keeps the bytes: they go
//! into a hash and are counted.

use sha2::{Digest, Sha256};

use crate::timings::{self, Stage, time};

/// Size and, if asked for, SHA-256 of the NAR of what a walk tells.
#[derive(Debug)]
pub struct Nar {
    size: u64,
    hash: Option<Sha256>,
    /// Directories that have not been left.
    depth: usize,
}

impl Nar {
    /// The NAR of one store path.
    pub fn new(with_hash: bool) -> Self {
        let mut nar = Self { size: 0, hash: with_hash.then(Sha256::new), depth: 0 };
        nar.string(b"nix-archive-1");
        nar
    }

    /// Whether it is hashed, so that all content must be seen.
    pub fn hashes(&self) -> bool {
        self.hash.is_some()
    }

    /// A directory at `path`, relative to the store path.
    pub fn directory(&mut self, path: &[u8]) {
        self.entry(path);
        self.strings(&[b"(", b"type", b"directory"]);
        self.depth += 1;
    }

    /// The end of the directory entered last.
    pub fn leave(&mut self) {
        self.depth -= 1;
        self.string(b")");
        self.end_entry();
    }

    /// A symbolic link.
    pub fn symlink(&mut self, path: &[u8], target: &[u8]) {
        self.entry(path);
        self.strings(&[b"(", b"type", b"symlink", b"target", target, b")"]);
        self.end_entry();
    }

    /// A regular file of `size` bytes; its content and [`end_file`](Self::end_file) follow.
    pub fn file(&mut self, path: &[u8], executable: bool, size: u64) {
        self.entry(path);
        self.strings(&[b"(", b"type", b"regular"]);
        if executable {
            self.strings(&[b"executable", b""]);
        }
        self.string(b"contents");
        self.bytes(&size.to_le_bytes());
    }

    /// The next bytes of a file.
    pub fn content(&mut self, bytes: &[u8]) {
        match self.hash {
            Some(_) => {
                time(Stage::Hash, || self.bytes(bytes));
                timings::count(Stage::Hash, bytes.len());
            }
            None => self.bytes(bytes),
        }
    }

    /// Bytes of a file that are only counted.
    pub fn count(&mut self, size: u64) {
        debug_assert!(self.hash.is_none(), "what is hashed must be seen");
        self.size = self.size.saturating_add(size);
    }

    /// The end of a file of `size` bytes.
    pub fn end_file(&mut self, size: u64) {
        self.pad(size);
        self.string(b")");
        self.end_entry();
    }

    /// The size in bytes, and the hash if it was asked for.
    pub fn finish(self) -> (u64, Option<[u8; 32]>) {
        (self.size, self.hash.map(|hash| hash.finalize().into()))
    }

    /// What leads to a node: nothing for the store path itself.
    fn entry(&mut self, path: &[u8]) {
        if self.depth > 0 {
            let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
            self.strings(&[b"entry", b"(", b"name", name, b"node"]);
        }
    }

    fn end_entry(&mut self) {
        if self.depth > 0 {
            self.string(b")");
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.size = self.size.saturating_add(bytes.len() as u64);
        if let Some(hash) = &mut self.hash {
            hash.update(bytes);
        }
    }

    fn string(&mut self, bytes: &[u8]) {
        let length = bytes.len() as u64;
        self.bytes(&length.to_le_bytes());
        self.bytes(bytes);
        self.pad(length);
    }

    fn strings(&mut self, strings: &[&[u8]]) {
        for string in strings {
            self.string(string);
        }
    }

    fn pad(&mut self, length: u64) {
        let over = (length % 8) as usize;
        if over > 0 {
            self.bytes(&[0; 8][over..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Error, RegularFile, Visitor, Walker};
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    impl Visitor for Nar {
        type Error = Error;

        fn directory(&mut self, path: &[u8]) -> Result<(), Error> {
            self.directory(path);
            Ok(())
        }

        fn leave(&mut self) -> Result<(), Error> {
            self.leave();
            Ok(())
        }

        fn symlink(&mut self, path: &[u8], target: &[u8]) -> Result<(), Error> {
            self.symlink(path, target);
            Ok(())
        }

        fn file(&mut self, path: &[u8], file: RegularFile<'_>) -> Result<(), Error> {
            let mut content = file.open()?;
            self.file(path, content.executable(), content.size());
            let mut buffer = [0; 7];
            loop {
                match content.read(&mut buffer)? {
                    0 => break self.end_file(content.size()),
                    count => self.content(&buffer[..count]),
                }
            }
            Ok(())
        }
    }

    fn measure(path: &Path) -> Result<(u64, Option<[u8; 32]>), Error> {
        let mut nar = Nar::new(true);
        Walker::default().walk(path, &mut nar)?;
        Ok(nar.finish())
    }

    /// Written out by hand from the grammar, so that encoder and test share no code.
    fn strings(strings: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for string in strings {
            bytes.extend((string.len() as u64).to_le_bytes());
            bytes.extend(string.as_bytes());
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        bytes
    }

    #[test]
    fn a_tree_is_sorted_by_bytes_and_keeps_the_owners_x_bit_alone() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        fs::write(at("b"), "12345678").unwrap();
        fs::set_permissions(at("b"), fs::Permissions::from_mode(0o744)).unwrap();
        fs::write(at("B"), "x").unwrap();
        fs::set_permissions(at("B"), fs::Permissions::from_mode(0o655)).unwrap();
        symlink("to", at("a")).unwrap();
        fs::create_dir(at("é")).unwrap();
        let expected = strings(&[
            "nix-archive-1",
            "(",
            "type",
            "directory",
            "entry",
            "(",
            "name",
            "B",
            "node",
            "(",
            "type",
            "regular",
            "contents",
            "x",
            ")",
            ")",
            "entry",
            "(",
            "name",
            "a",
            "node",
            "(",
            "type",
            "symlink",
            "target",
            "to",
            ")",
            ")",
            "entry",
            "(",
            "name",
            "b",
            "node",
            "(",
            "type",
            "regular",
            "executable",
            "",
            "contents",
            "12345678",
            ")",
            ")",
            "entry",
            "(",
            "name",
            "é",
            "node",
            "(",
            "type",
            "directory",
            ")",
            ")",
            ")",
        ]);
        let hash = Sha256::digest(&expected).into();
        assert_eq!(measure(temp.path()).unwrap(), (expected.len() as u64, Some(hash)));
    }

    #[test]
    fn other_kinds_of_file_are_refused() {
        let temp = tempfile::tempdir().unwrap();
        let pipe = temp.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .unwrap();
        let error = measure(temp.path()).unwrap_err();
        assert!(
            matches!(&error, Error::Kind { path, kind: "named pipe" } if *path == pipe),
            "{error}"
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let error = measure(Path::new("/nonexistent")).unwrap_err();
        assert_eq!(error.to_string(), "cannot look at `/nonexistent`");
    }

    #[test]
    fn a_file_whose_size_is_not_what_it_says_is_refused() {
        // Files in `/proc` claim to be empty, and are not.
        let error = measure(Path::new("/proc/self/status")).unwrap_err();
        assert!(matches!(error, Error::Size { expected: 0, .. }), "{error}");
    }

    #[test]
    fn directories_may_nest_deeper_than_a_path_can_name() {
        let temp = tempfile::tempdir().unwrap();
        let mut fd =
            rustix::fs::open(temp.path(), rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty())
                .unwrap();
        for _ in 0..600 {
            rustix::fs::mkdirat(&fd, "directory-name", 0o700.into()).unwrap();
            fd = rustix::fs::openat(
                &fd,
                "directory-name",
                rustix::fs::OFlags::RDONLY,
                rustix::fs::Mode::empty(),
            )
            .unwrap();
        }
        assert!(measure(temp.path()).unwrap().0 > 600 * 100);
    }
}
