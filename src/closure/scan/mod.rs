//! References from the bytes themselves, for stores without a database or databases without trust.
//!
//! A path refers to another if the other's hash part stands somewhere in its NAR: in a file, in the
//! name of a file or in the target of a link. That is how Nix finds the references of what it
//! builds, so a scan finds what Nix found, and size and hash of the NAR in the same pass.
//!
//! Nix looks only for the inputs of a build; here every path of the store is looked for. Where a
//! path mentions one that was no input of its build, a scan finds more.

mod parallel;
mod scanner;

use std::collections::HashMap;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use layering::StorePath;

pub use scanner::{Candidates, Scanner};

use super::{NarHash, PathInfo, Store};
use crate::tree::{self, Nar, RegularFile, Visitor, Walker};

/// Why a scan failed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ScanError {
    #[error("failed to list the store directory `{}`", dir.display())]
    Store { dir: PathBuf, source: io::Error },
    #[error("`{}` does not exist", path.display())]
    Missing { path: PathBuf },
    #[error(transparent)]
    Tree(#[from] tree::Error),
}

impl ScanError {
    /// What the user can do about it.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Store { .. } => {
                vec!["for a store elsewhere, give `--store DIR` or `--store-dir DIR`".into()]
            }
            Self::Missing { .. } => {
                vec!["build it first, or fetch it with `nix-store --realise`".into()]
            }
            Self::Tree(error) => error.hint().into_iter().collect(),
        }
    }
}

impl Candidates {
    /// All that is in the store directory and may be referred to at run time.
    ///
    /// Derivations (`.drv`) are left out: they describe builds and drag all inputs of the build
    /// along, while what is shipped is its output. Nix's empty `.lock` files beside the paths that
    /// it builds are no paths of their own; a real path, such as a `…-Cargo.lock`, has content.
    pub fn of_store(store: &Store) -> Result<Self, ScanError> {
        let dir = store.real_dir();
        let failed = |source| ScanError::Store { dir: dir.into(), source };
        let mut paths = Vec::new();
        for entry in dir.read_dir().map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // `.links` and whatever else is no store path falls out here.
            let Some(Ok(path)) = entry.file_name().to_str().map(str::parse::<StorePath>) else {
                continue;
            };
            let empty =
                || entry.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0);
            match path.name().rsplit_once('.') {
                Some((_, "drv")) => {}
                Some((_, "lock")) if empty() => {}
                _ => paths.push(path),
            }
        }
        Ok(Self::new(paths))
    }
}

/// The closure of `roots`, from their bytes; the same for any number of threads.
pub fn closure(
    store: &Store,
    roots: &[StorePath],
    with_hashes: bool,
    threads: NonZeroUsize,
) -> Result<Vec<PathInfo>, ScanError> {
    for root in roots {
        let path = store.real_path(root);
        if path.symlink_metadata().is_err() {
            return Err(ScanError::Missing { path });
        }
    }
    let candidates = Candidates::of_store(store)?;
    let mut infos =
        parallel::reachable(roots, threads, |reader: &mut Reader, path: &StorePath| {
            let info = inspect(store, path, &candidates, with_hashes, reader)?;
            let references = info.references.clone();
            Ok::<_, ScanError>((info, references))
        })?;
    infos.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(infos)
}

/// Walks the paths whose size is unknown, or whose hash is and is asked for, and fills both in.
pub fn fill(
    store: &Store,
    infos: &mut [PathInfo],
    with_hashes: bool,
    threads: NonZeroUsize,
) -> Result<(), ScanError> {
    let lacks = |info: &PathInfo| info.nar_size == 0 || (with_hashes && info.nar_hash.is_none());
    let lacking: Vec<StorePath> =
        infos.iter().filter(|info| lacks(info)).map(|info| info.path.clone()).collect();
    let measured =
        parallel::reachable(&lacking, threads, |reader: &mut Reader, path: &StorePath| {
            let mut nar = Nar::new(with_hashes);
            reader.read(&store.real_path(path), &mut nar, None)?;
            Ok::<_, ScanError>(((path.clone(), nar.finish()), Vec::new()))
        })?;
    let measured: HashMap<StorePath, _> = measured.into_iter().collect();
    for info in infos {
        if let Some((nar_size, nar_hash)) = measured.get(&info.path) {
            info.nar_size = *nar_size;
            info.nar_hash = info.nar_hash.or(nar_hash.map(NarHash::from_bytes));
        }
    }
    Ok(())
}

/// One path: what its bytes refer to, and the size and hash of its NAR.
fn inspect(
    store: &Store,
    path: &StorePath,
    candidates: &Candidates,
    with_hash: bool,
    reader: &mut Reader,
) -> Result<PathInfo, tree::Error> {
    let (mut nar, mut scanner) = (Nar::new(with_hash), Scanner::new(candidates));
    reader.read(&store.real_path(path), &mut nar, Some(&mut scanner))?;
    let (nar_size, nar_hash) = nar.finish();
    let nar_hash = nar_hash.map(NarHash::from_bytes);
    Ok(PathInfo { nar_hash, ..PathInfo::new(path.clone(), nar_size, scanner.into_references()) })
}

/// What a thread needs to read one path after the other.
struct Reader {
    walker: Walker,
    buffer: Vec<u8>,
}

impl Default for Reader {
    fn default() -> Self {
        Self { walker: Walker::default(), buffer: vec![0; BUFFER] }
    }
}

/// Large enough to make system calls rare, small enough to stay in a core's cache.
const BUFFER: usize = 256 * 1024;

impl Reader {
    /// Shows all that is at `path` to a NAR and, where there is one, to a scanner.
    fn read(
        &mut self,
        path: &Path,
        nar: &mut Nar,
        scanner: Option<&mut Scanner<'_>>,
    ) -> Result<(), tree::Error> {
        let Self { walker, buffer } = self;
        walker.walk(path, &mut Both { nar, scanner, buffer })
    }
}

/// Shows a walk to the NAR and to the scanner.
struct Both<'r, 'c> {
    nar: &'r mut Nar,
    scanner: Option<&'r mut Scanner<'c>>,
    buffer: &'r mut [u8],
}

impl Both<'_, '_> {
    /// Scans something that stands by itself.
    fn scan(&mut self, bytes: &[u8]) {
        if let Some(scanner) = &mut self.scanner {
            scanner.feed(bytes);
            scanner.cut();
        }
    }

    /// Scans the last part of `path`: those before were scanned with their directories.
    fn scan_name(&mut self, path: &[u8]) {
        self.scan(path.rsplit(|&byte| byte == b'/').next().unwrap_or_default());
    }
}

impl Visitor for Both<'_, '_> {
    type Error = tree::Error;

    fn directory(&mut self, path: &[u8]) -> Result<(), tree::Error> {
        self.nar.directory(path);
        self.scan_name(path);
        Ok(())
    }

    fn leave(&mut self) -> Result<(), tree::Error> {
        self.nar.leave();
        Ok(())
    }

    fn symlink(&mut self, path: &[u8], target: &[u8]) -> Result<(), tree::Error> {
        self.nar.symlink(path, target);
        self.scan_name(path);
        self.scan(target);
        Ok(())
    }

    fn file(&mut self, path: &[u8], file: RegularFile<'_>) -> Result<(), tree::Error> {
        self.scan_name(path);
        let mut content = file.open()?;
        self.nar.file(path, content.executable(), content.size());
        loop {
            let count = content.read(self.buffer)?;
            if count == 0 {
                break;
            }
            self.nar.content(&self.buffer[..count]);
            if let Some(scanner) = &mut self.scanner {
                scanner.feed(&self.buffer[..count]);
            }
        }
        if let Some(scanner) = &mut self.scanner {
            scanner.cut();
        }
        self.nar.end_file(content.size());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use layering::StoreDir;
    use std::fs;

    const HASHES: [&str; 4] = [
        "00000000000000000000000000000000",
        "11111111111111111111111111111111",
        "22222222222222222222222222222222",
        "33333333333333333333333333333333",
    ];

    fn path(hash: usize, name: &str) -> StorePath {
        format!("{}-{name}", HASHES[hash]).parse().unwrap()
    }

    /// A store whose `app` mentions whatever has one of the hashes.
    fn store(entries: &[(StorePath, &str)]) -> (tempfile::TempDir, Store) {
        let temp = tempfile::tempdir().unwrap();
        let store = Store::chroot(temp.path(), StoreDir::default());
        fs::create_dir_all(store.real_dir().join(".links")).unwrap();
        for (path, content) in entries {
            fs::write(store.real_path(path), content).unwrap();
        }
        fs::create_dir(store.real_path(&path(0, "app"))).unwrap();
        fs::write(store.real_path(&path(0, "app")).join("mentions"), HASHES.join(" ")).unwrap();
        (temp, store)
    }

    fn scanned(store: &Store) -> Vec<StorePath> {
        let infos = closure(store, &[path(0, "app")], false, NonZeroUsize::MIN).unwrap();
        infos.into_iter().map(|info| info.path).collect()
    }

    #[test]
    fn derivations_and_locks_are_no_candidates_but_lock_files_are() {
        let (_temp, store) = store(&[
            (path(1, "app.drv"), "Derive()"),
            (path(2, "failed-build.lock"), ""),
            (path(3, "Cargo.lock"), "[[package]]"),
            (path(3, "Cargo.lock.lock"), ""),
        ]);
        assert_eq!(scanned(&store), [path(0, "app"), path(3, "Cargo.lock")]);
    }

    #[test]
    fn names_and_link_targets_count_but_do_not_run_into_each_other() {
        let (_temp, store) = store(&[(path(1, "a"), ""), (path(2, "b"), ""), (path(3, "c"), "")]);
        let dir = store.real_path(&path(0, "app"));
        fs::remove_file(dir.join("mentions")).unwrap();
        fs::create_dir(dir.join(format!("x{}", HASHES[1]))).unwrap();
        std::os::unix::fs::symlink(format!("../{}", path(2, "b")), dir.join("link")).unwrap();
        fs::write(dir.join("y"), &HASHES[3][..16]).unwrap();
        fs::write(dir.join("z"), &HASHES[3][16..]).unwrap();
        assert_eq!(scanned(&store), [path(0, "app"), path(1, "a"), path(2, "b")]);
    }

    #[test]
    fn only_what_is_unknown_is_filled_in() {
        let (_temp, store) = store(&[(path(1, "a"), "text")]);
        let known = PathInfo::new(path(2, "not-there"), 7, Vec::new());
        let mut infos = [known.clone(), PathInfo::new(path(1, "a"), 0, Vec::new())];
        fill(&store, &mut infos, false, NonZeroUsize::MIN).unwrap();
        assert_eq!((&infos[0], infos[1].nar_size, infos[1].nar_hash), (&known, 120, None));
        fill(&store, &mut infos[1..], true, NonZeroUsize::MIN).unwrap();
        assert!(infos[1].nar_hash.is_some());
        let error = fill(&store, &mut infos, true, NonZeroUsize::MIN).unwrap_err();
        assert!(error.to_string().contains("not-there"), "{error}");
    }
}
