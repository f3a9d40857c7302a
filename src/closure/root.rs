//! From what the user typed to a path of the store.
//!
//! A root may be a store path, something inside one (`/nix/store/…-hello/bin/hello`), or any chain
//! of links that leads to either: `./result`, a profile, a link within a chroot. Links are
//! followed one component at a time, and the walk ends at the first entry of the store directory:
//! an output that is itself a link is what the user asked for, not what it points to.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf};

use layering::{StoreDir, StorePath, StorePathError};

use super::Store;
use super::store::KNOWN;

/// Linux gives up after this many (`MAXSYMLINKS`), so no working path has more.
const MAX_LINKS: usize = 40;

/// A path of the store that the user asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Root {
    /// The path.
    pub path: StorePath,
    /// What was named inside it, such as `bin/hello`; not checked to exist.
    pub inner: Option<PathBuf>,
}

/// Why something is no root.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum RootError {
    #[error("`{}` does not exist{}", typed.display(), via(typed, missing))]
    Missing { typed: PathBuf, missing: PathBuf },
    #[error("`{}` is the store itself, expected a path in it", typed.display())]
    StoreItself { typed: PathBuf, store: StoreDir },
    #[error("`{}` is not in the store `{store}`{}", typed.display(), via(typed, resolved))]
    Outside { typed: PathBuf, resolved: PathBuf, store: StoreDir },
    #[error("`{}` is in the store directory, but is no store path", typed.display())]
    NotAPath { typed: PathBuf, source: StorePathError },
    #[error("`{}` is a derivation, which says how to build a path, not a path to ship", typed.display())]
    Derivation { typed: PathBuf, path: StorePath },
    #[error("`{}` leads through more than 40 links", typed.display())]
    TooManyLinks { typed: PathBuf },
    #[error("failed to look at `{}`", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// Where a chain of links ended, unless no link was followed.
fn via(typed: &Path, end: &Path) -> String {
    match std::path::absolute(typed) {
        Ok(absolute) if absolute.starts_with(end) && end != Path::new("/") => String::new(),
        _ => format!(": it leads to `{}`", end.display()),
    }
}

impl RootError {
    /// What the user can do about it.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Missing { .. } => {
                vec!["build it first, for example with `nix-build`, or give a store path".into()]
            }
            Self::StoreItself { store, .. } => {
                vec![format!("give one of its paths: `{store}/<hash>-<name>`")]
            }
            Self::Outside { store, .. } => vec![
                format!("give a path in `{store}`, or a link to one such as `./result`"),
                "for another store, give `--store DIR` or `--store-dir DIR`".into(),
            ],
            Self::NotAPath { .. } => vec!["a store path looks like `<hash>-<name>`".into()],
            Self::Derivation { typed, .. } => {
                vec![format!(
                    "build it with `nix-store --realise {}` and give the output",
                    typed.display()
                )]
            }
            Self::TooManyLinks { .. } => vec!["a link leads back to itself: make it again".into()],
            Self::Io { .. } => Vec::new(),
        }
    }
}

impl Root {
    /// The store path behind `typed`. That the path is there is left to whoever reads it.
    pub fn resolve(store: &Store, typed: &Path) -> Result<Self, RootError> {
        let absolute = std::path::absolute(typed)
            .map_err(|source| RootError::Io { path: typed.into(), source })?;
        let root = Walk::new(store, typed, &absolute).run()?;
        // The name is also how Nix tells a derivation.
        if let Some((_, "drv")) = root.path.name().rsplit_once('.') {
            return Err(RootError::Derivation { typed: typed.into(), path: root.path });
        }
        Ok(root)
    }
}

/// A path being resolved: what has been walked, without links, and what is still ahead.
struct Walk<'a> {
    store: &'a Store,
    typed: &'a Path,
    /// The store's directory by both names: as its paths say, and where it really is.
    store_dirs: [PathBuf; 2],
    chroot: Option<PathBuf>,
    here: PathBuf,
    ahead: VecDeque<OsString>,
}

impl<'a> Walk<'a> {
    fn new(store: &'a Store, typed: &'a Path, absolute: &Path) -> Self {
        let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.into());
        Self {
            store,
            typed,
            store_dirs: [store.dir().as_str().into(), canonical(store.real_dir())],
            chroot: store.chroot_dir().map(canonical),
            here: "/".into(),
            ahead: names(absolute),
        }
    }

    fn run(mut self) -> Result<Root, RootError> {
        let mut links = 0;
        loop {
            if let Some(inside) = self.in_store()
                && let Some(root) = self.root(inside)?
            {
                return Ok(root);
            }
            let Some(name) = self.ahead.pop_front() else {
                if self.store_dirs.contains(&self.here) {
                    return Err(RootError::StoreItself {
                        typed: self.typed.into(),
                        store: self.store.dir().clone(),
                    });
                }
                return Err(RootError::Outside {
                    typed: self.typed.into(),
                    resolved: self.here,
                    store: self.store.dir().clone(),
                });
            };
            if name == ".." {
                self.here.pop();
                continue;
            }
            let next = self.here.join(&name);
            match next.symlink_metadata() {
                Ok(metadata) if metadata.is_symlink() => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(RootError::TooManyLinks { typed: self.typed.into() });
                    }
                    self.follow(&next)?;
                }
                Ok(_) => self.here = next,
                // Whether the other store is on this machine does not matter.
                Err(source) if missing(&source) && self.names_another_store() => {
                    return Err(RootError::Outside {
                        typed: self.typed.into(),
                        resolved: self.typed.into(),
                        store: self.store.dir().clone(),
                    });
                }
                Err(source) if missing(&source) => {
                    return Err(RootError::Missing { typed: self.typed.into(), missing: next });
                }
                Err(source) => return Err(RootError::Io { path: next, source }),
            }
        }
    }

    fn names_another_store(&self) -> bool {
        KNOWN.iter().any(|dir| *dir != self.store.dir().as_str() && self.typed.starts_with(dir))
    }

    /// Puts the target of `link` in front of what is ahead.
    fn follow(&mut self, link: &Path) -> Result<(), RootError> {
        let target =
            link.read_link().map_err(|source| RootError::Io { path: link.into(), source })?;
        if target.is_absolute() {
            // Inside a chroot, `/` is the chroot, unless it has nothing by the first name: such a link
            // was made for the world outside, as `./result` may be.
            let inside = |chroot: &&PathBuf| {
                let first = names(&target).pop_front();
                link.starts_with(chroot)
                    && first.is_some_and(|name| chroot.join(name).symlink_metadata().is_ok())
            };
            self.here =
                self.chroot.as_ref().filter(inside).map_or_else(|| "/".into(), PathBuf::clone);
        }
        let mut ahead = names(&target);
        ahead.append(&mut self.ahead);
        self.ahead = ahead;
        Ok(())
    }

    /// How many of the names ahead lead to the store directory, if they do and go on from there.
    fn in_store(&self) -> Option<usize> {
        self.store_dirs.iter().find_map(|dir| {
            let rest = names(dir.strip_prefix(&self.here).ok()?);
            let leads =
                self.ahead.len() > rest.len() && self.ahead.iter().zip(&rest).all(|(a, b)| a == b);
            leads.then_some(rest.len())
        })
    }

    /// The root that lies `inside` names ahead, unless `..` leads out of it again.
    fn root(&mut self, inside: usize) -> Result<Option<Root>, RootError> {
        let mut inner = PathBuf::new();
        for name in self.ahead.iter().skip(inside + 1) {
            if name != ".." {
                inner.push(name);
            } else if !inner.pop() {
                return Ok(None);
            }
        }
        let name = &self.ahead[inside];
        if name == ".." {
            return Ok(None);
        }
        let path = name
            .to_string_lossy()
            .parse()
            .map_err(|source| RootError::NotAPath { typed: self.typed.into(), source })?;
        Ok(Some(Root { path, inner: Some(inner).filter(|inner| inner != Path::new("")) }))
    }
}

fn missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The components without `/` and `.`, which lead nowhere.
fn names(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter(|component| matches!(component, Component::Normal(_) | Component::ParentDir))
        .map(|component| OsStr::to_owned(component.as_os_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    const BASE: &str = "2g13canlyc7b44mbr5fh62pdyvv6xrjl-hello-2.10";

    /// A chroot store whose only path has `bin/hello`, and which is itself reached through a link.
    fn chroot() -> (TempDir, Store) {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir_all(temp.path().join("real/nix/store").join(BASE).join("bin")).unwrap();
        symlink("real", temp.path().join("root")).unwrap();
        let store = Store::chroot(&temp.path().join("root"), StoreDir::default());
        (temp, store)
    }

    fn root(inner: &str) -> Root {
        Root {
            path: BASE.parse().unwrap(),
            inner: Some(inner.into()).filter(|inner: &PathBuf| inner != Path::new("")),
        }
    }

    #[test]
    fn full_paths_and_what_is_inside_them() {
        let (temp, store) = chroot();
        let real = temp.path().join("real/nix/store").join(BASE);
        let cases = [
            (format!("/nix/store/{BASE}"), ""),
            (format!("/nix/store/{BASE}/"), ""),
            (format!("/nix/./store//{BASE}/bin/hello"), "bin/hello"),
            (format!("/nix/store/{BASE}/bin/../lib/./x"), "lib/x"),
            (real.join("bin").to_str().unwrap().into(), "bin"),
            (temp.path().join("root/nix/store").join(BASE).to_str().unwrap().into(), ""),
            (real.join("../../store").join(BASE).to_str().unwrap().into(), ""),
        ];
        for (typed, inner) in cases {
            assert_eq!(Root::resolve(&store, Path::new(&typed)).unwrap(), root(inner), "{typed}");
        }
    }

    #[test]
    fn links_are_followed_up_to_the_store() {
        let (temp, store) = chroot();
        let at = |name: &str| temp.path().join(name);
        symlink(format!("/nix/store/{BASE}"), at("result")).unwrap();
        symlink("result", at("chain")).unwrap();
        symlink("../chain", at("real/up")).unwrap();
        symlink(format!("/nix/store/{BASE}/bin"), at("bin")).unwrap();
        // Within the chroot, absolute links name what is there.
        fs::create_dir_all(at("real/var/profiles")).unwrap();
        symlink(format!("/nix/store/{BASE}"), at("real/var/profiles/p-1-link")).unwrap();
        symlink("/var/profiles/p-1-link", at("real/var/profiles/p")).unwrap();
        symlink("/var/profiles/p/bin/sh", at("real/sh")).unwrap();
        symlink(at("bin"), at("real/outward")).unwrap();
        let cases = [
            ("result", ""),
            ("result/bin/hello", "bin/hello"),
            ("chain", ""),
            ("root/up", ""),
            ("bin/hello", "bin/hello"),
            ("root/var/profiles/p/bin", "bin"),
            ("root/sh", "bin/sh"),
            ("root/outward", "bin"),
        ];
        for (name, inner) in cases {
            assert_eq!(Root::resolve(&store, &at(name)).unwrap(), root(inner), "{name}");
        }
    }

    #[test]
    fn an_output_that_is_a_link_is_not_followed() {
        let (temp, store) = chroot();
        let link = BASE.replace("hello", "link");
        symlink(format!("/nix/store/{BASE}"), temp.path().join("real/nix/store").join(&link))
            .unwrap();
        let resolved = Root::resolve(&store, Path::new(&format!("/nix/store/{link}"))).unwrap();
        assert_eq!(resolved.path.as_str(), link);
    }

    #[test]
    fn what_is_no_root_says_why() {
        let (temp, store) = chroot();
        let at = |name: &str| temp.path().join(name);
        symlink("loop-b", at("loop-a")).unwrap();
        symlink("loop-a", at("loop-b")).unwrap();
        symlink("gone", at("dangling")).unwrap();
        symlink("/", at("slash")).unwrap();
        let fail = |path: PathBuf| Root::resolve(&store, &path).unwrap_err();
        assert!(matches!(fail(at("loop-a")), RootError::TooManyLinks { .. }));
        assert!(matches!(fail(at("slash")), RootError::Outside { .. }));
        assert!(matches!(fail(at("root/nix/store")), RootError::StoreItself { .. }));
        assert!(matches!(fail("/nix/store/.links".into()), RootError::NotAPath { .. }));
        assert!(matches!(
            fail(format!("/nix/store/{BASE}.drv").into()),
            RootError::Derivation { .. }
        ));
        let error = fail(at("dangling"));
        assert!(error.to_string().contains("it leads to"), "{error}");
        assert!(!error.hints().is_empty());
        let error = fail(at("nothing"));
        assert!(error.to_string().ends_with("nothing` does not exist"), "{error}");
    }
}
