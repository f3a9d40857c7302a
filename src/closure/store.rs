//! Where a store is: what its paths are called, where their files stand, where its database is.
//!
//! The three differ. A chroot store at `DIR` calls its paths `/nix/store/…` but keeps the files in
//! `DIR/nix/store`; Guix calls them `/gnu/store/…` and keeps the same kind of database in
//! `/var/guix/db`. The rules for state directory and environment are those of Nix's
//! `local-fs-store.hh` and `globals.cc`.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use layering::{StoreDir, StoreDirError, StorePath};

use super::Root;

/// A store on this machine's disks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    dir: StoreDir,
    real_dir: PathBuf,
    database: PathBuf,
    chroot: Option<PathBuf>,
}

/// What the user and the environment say about the store; nothing here is looked up.
#[derive(Clone, Debug, Default)]
pub struct Location {
    /// `--store DIR`: the root of a chroot store.
    pub chroot: Option<PathBuf>,
    /// `--store-dir DIR`: what the paths are called, for stores other than Nix's and Guix's.
    pub store_dir: Option<StoreDir>,
    /// `NIX_STORE_DIR`; without meaning in a chroot store, which it does not describe.
    pub nix_store_dir: Option<OsString>,
    /// `NIX_STATE_DIR`; likewise.
    pub nix_state_dir: Option<OsString>,
}

/// Why no store was found.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum StoreError {
    #[error("`{}` has neither a `nix/store` nor a `gnu/store`", chroot.display())]
    EmptyChroot { chroot: PathBuf },
    #[error("failed to look at `{}`", dir.display())]
    Unreadable { dir: PathBuf, source: io::Error },
    #[error("`NIX_STORE_DIR` is wrong")]
    Environment(#[source] StoreDirError),
    #[error("`NIX_STORE_DIR` is not UTF-8: `{}`", .0.display())]
    NotText(OsString),
}

impl StoreError {
    /// What the user can do about it.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Unreadable { .. } => vec!["run as a user who may enter the store".into()],
            Self::EmptyChroot { chroot } => vec![
                format!("fill it with `nix copy --to 'local?root={}' …`", chroot.display()),
                "if its paths have another store directory, name it with `--store-dir`".into(),
            ],
            Self::Environment(_) | Self::NotText(_) => {
                vec![
                    "unset `NIX_STORE_DIR`, or make it an absolute path such as `/nix/store`"
                        .into(),
                ]
            }
        }
    }
}

/// The store directories that are looked for unasked, the likelier first.
pub(super) const KNOWN: [&str; 2] = ["/nix/store", "/gnu/store"];

impl Store {
    /// The store whose paths are called `dir/…`, with its files there.
    pub fn system(dir: StoreDir) -> Self {
        Self::new(dir, None)
    }

    /// The store whose paths are called `dir/…`, with its files below `chroot`.
    pub fn chroot(chroot: &Path, dir: StoreDir) -> Self {
        Self::new(dir, Some(std::path::absolute(chroot).unwrap_or_else(|_| chroot.into())))
    }

    fn new(dir: StoreDir, chroot: Option<PathBuf>) -> Self {
        let state = match dir.as_str() {
            "/gnu/store" => PathBuf::from("/var/guix"),
            other => Path::new(other).parent().unwrap_or(Path::new("/")).join("var/nix"),
        };
        let real = |path: &Path| match &chroot {
            None => path.to_owned(),
            Some(chroot) => chroot.join(path.strip_prefix("/").unwrap_or(path)),
        };
        let real_dir = real(Path::new(dir.as_str()));
        let database = real(&state).join("db/db.sqlite");
        Self { dir, real_dir, database, chroot }
    }

    /// The store that `location` describes.
    ///
    /// Where it leaves open which of the known layouts is meant, the one in which the `roots` lie
    /// is taken, else the one that exists.
    pub fn locate(location: &Location, roots: &[PathBuf]) -> Result<Self, StoreError> {
        match location {
            Location { store_dir: Some(dir), .. } => Ok(Self::called(location, dir.clone())),
            Location { chroot: Some(chroot), .. } => KNOWN
                .iter()
                .map(|dir| Self::chroot(chroot, known(dir)))
                .find_map(|store| match store.real_dir.metadata() {
                    Ok(meta) if meta.is_dir() => Some(Ok(store)),
                    Err(source) if source.kind() == io::ErrorKind::PermissionDenied => {
                        Some(Err(StoreError::Unreadable { dir: store.real_dir, source }))
                    }
                    _ => None,
                })
                .unwrap_or_else(|| Err(StoreError::EmptyChroot { chroot: chroot.clone() })),
            Location { nix_store_dir: Some(dir), .. } => {
                let text = dir.to_str().ok_or_else(|| StoreError::NotText(dir.clone()))?;
                let mut store =
                    Self::called(location, text.parse().map_err(StoreError::Environment)?);
                // Nix moves its state directory only by its own variable.
                if location.nix_state_dir.is_none() {
                    store.database = "/nix/var/nix/db/db.sqlite".into();
                }
                Ok(store)
            }
            _ => {
                let stores = KNOWN.map(|dir| Self::system(known(dir)));
                let holds_roots = |store: &&Self| {
                    !roots.is_empty() && roots.iter().all(|root| Root::resolve(store, root).is_ok())
                };
                let [nix, _] = &stores;
                let dir = stores
                    .iter()
                    .find(holds_roots)
                    .or_else(|| stores.iter().find(|store| store.real_dir.is_dir()))
                    .unwrap_or(nix)
                    .dir
                    .clone();
                Ok(Self::called(location, dir))
            }
        }
    }

    /// The store of `location` whose paths are called `dir/…`, as a graph file may tell.
    pub fn called(location: &Location, dir: StoreDir) -> Self {
        let mut store = match &location.chroot {
            Some(chroot) => Self::chroot(chroot, dir),
            None => Self::system(dir),
        };
        if let (None, Some(state), true) =
            (&location.chroot, &location.nix_state_dir, store.dir.as_str() != "/gnu/store")
        {
            store.database = Path::new(state).join("db/db.sqlite");
        }
        store
    }

    /// What the paths are called.
    pub fn dir(&self) -> &StoreDir {
        &self.dir
    }

    /// Where the files stand.
    pub fn real_dir(&self) -> &Path {
        &self.real_dir
    }

    /// Where the files of `path` stand.
    pub fn real_path(&self, path: &StorePath) -> PathBuf {
        self.real_dir.join(path.as_str())
    }

    /// The file of the `SQLite` database, whether or not it exists.
    pub fn database(&self) -> &Path {
        &self.database
    }

    /// The directory that stands for `/` in a chroot store.
    pub fn chroot_dir(&self) -> Option<&Path> {
        self.chroot.as_deref()
    }
}

fn known(dir: &str) -> StoreDir {
    dir.parse().expect("a constant, absolute and normal path")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir(text: &str) -> StoreDir {
        text.parse().unwrap()
    }

    #[test]
    fn each_layout_has_its_database() {
        let cases = [
            ("/nix/store", "/nix/var/nix/db/db.sqlite"),
            ("/gnu/store", "/var/guix/db/db.sqlite"),
            ("/home/me/store", "/home/me/var/nix/db/db.sqlite"),
        ];
        for (store_dir, database) in cases {
            let store = Store::system(dir(store_dir));
            assert_eq!(
                (store.real_dir(), store.database()),
                (Path::new(store_dir), Path::new(database))
            );
            let store = Store::chroot(Path::new("/mnt"), dir(store_dir));
            assert_eq!(store.real_dir(), Path::new(&format!("/mnt{store_dir}")));
            assert_eq!(store.database(), Path::new(&format!("/mnt{database}")));
            assert_eq!(store.dir(), &dir(store_dir));
        }
    }

    #[test]
    fn the_environment_counts_as_it_does_for_nix() {
        let location = Location { nix_store_dir: Some("/a/store/".into()), ..Location::default() };
        let store = Store::locate(&location, &[]).unwrap();
        assert_eq!(store.dir(), &dir("/a/store"));
        assert_eq!(store.database(), Path::new("/nix/var/nix/db/db.sqlite"));

        let location = Location { nix_state_dir: Some("/a/state".into()), ..location };
        let store = Store::locate(&location, &[]).unwrap();
        assert_eq!(store.database(), Path::new("/a/state/db/db.sqlite"));

        let location =
            Location { store_dir: Some(dir("/b/store")), nix_state_dir: None, ..location };
        let store = Store::locate(&location, &[]).unwrap();
        assert_eq!(store.database(), Path::new("/b/var/nix/db/db.sqlite"));

        let location = Location { nix_store_dir: Some("relative".into()), ..Location::default() };
        assert!(!Store::locate(&location, &[]).unwrap_err().hints().is_empty());
    }

    #[test]
    fn a_chroot_tells_its_layout_by_what_it_has() {
        let root = tempfile::tempdir().unwrap();
        let location = Location {
            chroot: Some(root.path().into()),
            nix_store_dir: Some("/elsewhere".into()),
            ..Location::default()
        };
        assert!(matches!(Store::locate(&location, &[]), Err(StoreError::EmptyChroot { .. })));
        std::fs::create_dir_all(root.path().join("gnu/store")).unwrap();
        assert_eq!(Store::locate(&location, &[]).unwrap().dir(), &dir("/gnu/store"));
        std::fs::create_dir_all(root.path().join("nix/store")).unwrap();
        assert_eq!(Store::locate(&location, &[]).unwrap().dir(), &dir("/nix/store"));
    }

    #[test]
    fn roots_tell_the_store_that_they_are_in() {
        let temp = tempfile::tempdir().unwrap();
        let link = temp.path().join("result");
        let path = "/gnu/store/2g13canlyc7b44mbr5fh62pdyvv6xrjl-hello-2.10";
        std::os::unix::fs::symlink(path, &link).unwrap();
        for root in [link, path.into()] {
            let store = Store::locate(&Location::default(), &[root]).unwrap();
            assert_eq!(store.database(), Path::new("/var/guix/db/db.sqlite"));
        }
        let root = PathBuf::from(path.replace("gnu", "nix"));
        let store = Store::locate(&Location::default(), &[root]).unwrap();
        assert_eq!(store.database(), Path::new("/nix/var/nix/db/db.sqlite"));
    }
}
