//! Stores without Nix and without a database: folders that look like store paths, for `--store`.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A store below a folder, `DIR/nix/store`.
pub struct ScanStore {
    dir: PathBuf,
}

impl ScanStore {
    /// An empty store below `dir`.
    pub fn new(dir: &Path) -> Self {
        fs::create_dir_all(dir.join("nix/store")).expect("creating a store");
        Self { dir: dir.to_owned() }
    }

    /// The value for `--store`.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The store path called `name`, as the image knows it: `/nix/store/HASH-NAME`. The hash comes from the name.
    pub fn path(name: &str) -> String {
        const DIGITS: &[u8] = b"0123456789abcdfghijklmnpqrsvwxyz";
        let bytes = name.bytes().cycle().zip(1_usize..).take(32);
        let hash: String = bytes
            .map(|(byte, at)| char::from(DIGITS[(usize::from(byte) * 7 + at) % DIGITS.len()]))
            .collect();
        format!("/nix/store/{hash}-{name}")
    }

    /// Where the files of a store path really are.
    pub fn real(&self, name: &str) -> PathBuf {
        self.dir.join(&Self::path(name)[1..])
    }

    /// Puts a file into a store path: `hello-1.0/bin/hello`, or the path itself without a slash.
    pub fn file(&self, file: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let real = self.place(file);
        fs::write(&real, content).expect("writing a file");
        fs::set_permissions(&real, fs::Permissions::from_mode(0o444)).expect("setting a mode");
        real
    }

    /// As [`Self::file`], executable.
    pub fn program(&self, file: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let real = self.file(file, content);
        fs::set_permissions(&real, fs::Permissions::from_mode(0o555)).expect("setting a mode");
        real
    }

    /// Puts a link into a store path.
    pub fn link(&self, file: &str, target: &str) {
        symlink(target, self.place(file)).expect("making a link");
    }

    fn place(&self, file: &str) -> PathBuf {
        let (name, inner) = file.split_once('/').unwrap_or((file, ""));
        let real = match inner {
            "" => self.real(name),
            inner => self.real(name).join(inner),
        };
        fs::create_dir_all(real.parent().expect("a store path has a parent"))
            .expect("creating a folder");
        real
    }
}

/// The beginning of an ELF program for a machine (`e_machine`), 64 bits, little-endian: as much as tells them apart.
pub fn elf(machine: u16) -> Vec<u8> {
    let mut head = vec![0; 64];
    head[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    head[16] = 2; // ET_EXEC
    head[18..20].copy_from_slice(&machine.to_le_bytes());
    head
}
