//! Images without store paths, for machines that have those: a mount point for each, and what to tell rkt to put there
//! (the form that nix2aci calls thin).

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use layering::StoreDir;

use super::names::to_ac_name;
use super::order::Order;
use super::values::MountPoint;
use crate::image::Source;

impl Order {
    /// Takes all store paths out and makes mount points of them, unless there is one already that has them all. Gives
    /// back options for `rkt run`, one a line.
    pub fn thin(&mut self, store_dir: &StoreDir, real_dir: &Path) -> String {
        let mut options = String::new();
        let mut add = |mount: &MountPoint, source: PathBuf| {
            let (name, source) = (&mount.name, source.display());
            let _ = write!(options, "--volume={name},kind=host,source={source}");
            options.push_str(if mount.read_only { ",readOnly=true\n" } else { "\n" });
        };
        let covering = self.manifest.mounts().into_iter().find(|it| it.hides(store_dir.as_str()));
        if let Some(mount) = &covering {
            add(mount, above(real_dir, store_dir, &mount.path));
        }
        let sources = std::mem::take(&mut self.sources);
        for source in sources {
            let paths = match source {
                Source::Root(_) => {
                    self.sources.push(source);
                    continue;
                }
                Source::Store { paths, .. } => paths,
            };
            for path in paths.iter().filter(|_| covering.is_none()) {
                // Its hash makes it the only one of this name.
                let name = to_ac_name(path.path.as_str()).unwrap_or_default();
                let mount = MountPoint { name, path: format!("/{}", path.name), read_only: true };
                add(&mount, path.real.clone());
                self.manifest.set_mount(&mount);
            }
        }
        options
    }
}

/// What `mounted`, the store directory or one above it, really is.
fn above(real_dir: &Path, store_dir: &StoreDir, mounted: &str) -> PathBuf {
    let rest = store_dir.as_str().strip_prefix(mounted.trim_end_matches('/')).unwrap_or_default();
    let steps = rest.split('/').filter(|part| !part.is_empty()).count();
    real_dir.ancestors().nth(steps).unwrap_or(real_dir).to_owned()
}
