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
use std::path::PathBuf;

use layering::StorePath;

pub use scanner::{Candidates, Scanner};

use super::nar::Nar;
use super::walk::{Visitor, WalkError, Walker};
use super::{PathInfo, Store};

/// Why a scan failed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ScanError {
    #[error("failed to list the store directory `{}`", dir.display())]
    Store { dir: PathBuf, source: io::Error },
    #[error("`{}` does not exist", path.display())]
    Missing { path: PathBuf },
    #[error(transparent)]
    Walk(#[from] WalkError),
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
            Self::Walk(WalkError::Changed { .. }) => {
                vec!["nothing may write to a path of the store; run `nix-store --verify --check-contents`".into()]
            }
            Self::Walk(WalkError::Io { source, .. })
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                vec!["run as a user who may read the whole store".into()]
            }
            Self::Walk(WalkError::Kind { .. } | WalkError::Io { .. }) => Vec::new(),
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
        parallel::reachable(roots, threads, |walker: &mut Walker, path: &StorePath| {
            let info = inspect(store, path, &candidates, with_hashes, walker)?;
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
        parallel::reachable(&lacking, threads, |walker: &mut Walker, path: &StorePath| {
            let mut nar = Nar::new(with_hashes);
            walker.walk(&store.real_path(path), &mut nar)?;
            Ok::<_, ScanError>(((path.clone(), nar.finish()), Vec::new()))
        })?;
    let measured: HashMap<StorePath, _> = measured.into_iter().collect();
    for info in infos {
        if let Some((nar_size, nar_hash)) = measured.get(&info.path) {
            info.nar_size = *nar_size;
            info.nar_hash = info.nar_hash.or(*nar_hash);
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
    walker: &mut Walker,
) -> Result<PathInfo, WalkError> {
    let mut both = Both { nar: Nar::new(with_hash), scanner: Scanner::new(candidates) };
    walker.walk(&store.real_path(path), &mut both)?;
    let (nar_size, nar_hash) = both.nar.finish();
    Ok(PathInfo {
        nar_hash,
        ..PathInfo::new(path.clone(), nar_size, both.scanner.into_references())
    })
}

/// Shows a walk to the NAR and to the scanner.
struct Both<'a> {
    nar: Nar,
    scanner: Scanner<'a>,
}

impl Visitor for Both<'_> {
    fn file(&mut self, executable: bool, size: u64) {
        self.nar.file(executable, size);
    }

    fn content(&mut self, bytes: &[u8]) {
        self.nar.content(bytes);
        self.scanner.feed(bytes);
    }

    fn end_file(&mut self, size: u64) {
        self.nar.end_file(size);
        self.scanner.cut();
    }

    fn symlink(&mut self, target: &[u8]) {
        self.nar.symlink(target);
        self.scanner.feed(target);
        self.scanner.cut();
    }

    fn directory(&mut self) {
        self.nar.directory();
    }

    fn entry(&mut self, name: &[u8]) {
        self.nar.entry(name);
        self.scanner.feed(name);
        self.scanner.cut();
    }

    fn end_entry(&mut self) {
        self.nar.end_entry();
    }

    fn end_directory(&mut self) {
        self.nar.end_directory();
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
