//! The store as a container will see it: `/nix/store/…` names, wherever the files are now.
//!
//! A link in a chroot store says `/nix/store/…` and means the chroot. Following it with the
//! system's own rules would look at, or leak, the files of this machine.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use layering::StoreDir;

/// As Linux does before it answers `ELOOP`.
const MAX_LINKS: usize = 40;

/// Looks up names of the image among the store's files.
#[derive(Clone, Debug)]
pub struct View {
    store_dir: StoreDir,
    real_dir: PathBuf,
    /// Base names of the store paths that are in the image, if that is known.
    present: Option<BTreeSet<String>>,
}

impl View {
    /// Names below `store_dir` are found in `real_dir`.
    pub fn new(store_dir: StoreDir, real_dir: PathBuf) -> Self {
        Self { store_dir, real_dir, present: None }
    }

    /// The view of an image with these store paths, by their base names, and no others.
    #[must_use]
    pub fn of_paths(self, paths: impl IntoIterator<Item = String>) -> Self {
        Self { present: Some(paths.into_iter().collect()), ..self }
    }

    /// Where the file called `name` is, all links followed; `None` if there is none or if a link
    /// leads out of the store.
    pub fn real(&self, name: &str) -> Option<PathBuf> {
        let mut todo = self.inside(name)?;
        let mut done: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(part) = todo.pop_front() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    done.pop()?;
                    continue;
                }
                _ => done.push(part),
            }
            if self.present.as_ref().is_some_and(|present| !present.contains(&done[0])) {
                return None;
            }
            let here = self.place(&done);
            if !fs::symlink_metadata(&here).ok()?.is_symlink() {
                continue;
            }
            links += 1;
            let target = fs::read_link(&here).ok()?.into_os_string().into_string().ok()?;
            if links > MAX_LINKS {
                return None;
            }
            let mut ahead = if target.starts_with('/') {
                done.clear();
                self.inside(&target)?
            } else {
                done.pop();
                parts(&target)
            };
            ahead.append(&mut todo);
            todo = ahead;
        }
        let real = self.place(&done);
        real.symlink_metadata().is_ok().then_some(real)
    }

    /// Whether `name` would be in the store, there or not.
    pub fn is_inside(&self, name: &str) -> bool {
        self.inside(name).is_some()
    }

    /// Whether `name` is a directory, links followed.
    pub fn is_dir(&self, name: &str) -> bool {
        self.real(name).is_some_and(|real| real.is_dir())
    }

    /// Whether `name` is a file that may be executed, links followed.
    pub fn is_program(&self, name: &str) -> bool {
        let meta = self.real(name).and_then(|real| real.symlink_metadata().ok());
        meta.is_some_and(|meta| meta.is_file() && meta.permissions().mode() & 0o100 != 0)
    }

    /// The UTF-8 names in the directory `name`, sorted; none if it is no directory.
    pub fn names(&self, name: &str) -> Vec<String> {
        let Some(entries) = self.real(name).and_then(|real| fs::read_dir(real).ok()) else {
            return Vec::new();
        };
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// What is in the text file `name`, if there is one.
    pub fn text(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.real(name)?).ok()
    }

    fn place(&self, done: &[String]) -> PathBuf {
        done.iter().fold(self.real_dir.clone(), |path, part| path.join(part))
    }

    /// The parts of an absolute name behind the store directory.
    fn inside(&self, name: &str) -> Option<VecDeque<String>> {
        let rest = name.strip_prefix(self.store_dir.as_str())?;
        (rest.is_empty() || rest.starts_with('/')).then(|| parts(rest))
    }
}

fn parts(name: &str) -> VecDeque<String> {
    name.split('/').map(Into::into).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;

    fn view(dir: &Path) -> View {
        View::new(StoreDir::default(), dir.into())
    }

    #[test]
    fn links_stay_in_the_chroot() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("a/bin")).unwrap();
        fs::write(at("a/bin/x"), "x").unwrap();
        fs::create_dir(at("b")).unwrap();
        symlink("/nix/store/a/bin", at("b/bin")).unwrap();
        symlink("../../b/bin/x", at("a/bin/y")).unwrap();
        symlink("/etc/passwd", at("b/leak")).unwrap();
        symlink("../../../etc/passwd", at("b/escape")).unwrap();
        symlink("loop", at("b/loop")).unwrap();
        let view = view(dir.path());
        assert_eq!(view.real("/nix/store/b/bin/y"), Some(at("a/bin/x")));
        assert_eq!(view.names("/nix/store/b/bin"), ["x", "y"]);
        for name in ["b/leak", "b/escape", "b/loop", "b/missing", "../store"] {
            assert_eq!(view.real(&format!("/nix/store/{name}")), None, "{name}");
        }
        assert_eq!(view.real("/etc/passwd"), None);
        assert_eq!(view.real("/nix/storefront"), None);
    }
}
