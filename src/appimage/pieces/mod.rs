//! What an AppDir must have and may lack: `AppRun`, a desktop entry, an icon. What is there already is
//! taken; the rest is found among the application's own files, or made.

mod app_run;
mod entry;
mod icon;

use super::contents::{Contents, join};
use super::tree::Item;
use super::{AppDir, Error, Request};
use crate::closure::Closure;

/// Where programs are, in an AppDir and in a root, the more usual place first.
const BINS: [&str; 2] = ["usr/bin", "bin"];

/// Where desktop entries, icons and the like are.
const SHARES: [&str; 2] = ["usr/share", "share"];

/// Files in text form are not longer.
pub(super) const MAX_TEXT: usize = 1 << 20;

/// Icons are not larger.
pub(super) const MAX_ICON: usize = 16 << 20;

/// What an AppImage is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Called {
    pub(super) name: String,
    pub(super) version: Option<String>,
}

/// Where an application's files are in the image.
struct Bases {
    /// Directories that have `bin` and `share`: the image's root, or store paths.
    dirs: Vec<Vec<u8>>,
    /// What to call the application if nothing else tells.
    name: String,
    /// What a root points at within itself.
    pointed: Vec<Vec<u8>>,
    version: Option<String>,
}

/// Completes the contents; answers what the AppImage is called.
pub(super) fn complete(
    contents: &mut Contents,
    app_dir: Option<&AppDir>,
    request: &Request,
) -> Result<Called, Error> {
    let bases = match (app_dir, &contents.store) {
        (Some(app_dir), _) => Bases::of_app_dir(app_dir),
        (None, Some(store)) => Bases::of_roots(&store.closure),
        (None, None) => {
            Bases { dirs: Vec::new(), name: String::new(), pointed: Vec::new(), version: None }
        }
    };
    let program = app_run::complete(contents, &bases, request)?;
    let entry = entry::complete(contents, &bases, program.as_deref(), request)?;
    icon::complete(contents, &bases, &entry, request)?;
    root_metadata(contents);
    Ok(Called {
        name: request.name.clone().unwrap_or(entry.name),
        version: request.version.clone().or(entry.version).or(bases.version),
    })
}

impl Bases {
    fn of_app_dir(app_dir: &AppDir) -> Self {
        Self { dirs: vec![Vec::new()], name: app_dir.name(), pointed: Vec::new(), version: None }
    }

    fn of_roots(closure: &Closure) -> Self {
        let store = closure.store_dir().as_str().trim_start_matches('/').as_bytes();
        let mut bases =
            Self { dirs: Vec::new(), name: String::new(), pointed: Vec::new(), version: None };
        for root in &closure.roots {
            let dir = join(store, root.path.as_str().as_bytes());
            if let Some(inner) = &root.inner {
                bases.pointed.push(join(&dir, inner.as_os_str().as_encoded_bytes()));
            }
            if !bases.dirs.contains(&dir) {
                bases.dirs.push(dir);
            }
        }
        if let Some(root) = closure.roots.first() {
            root.path.stem().clone_into(&mut bases.name);
            bases.version = root.path.version().map(str::to_owned);
        }
        bases
    }

    /// All places with programs.
    fn bins(&self) -> Vec<Vec<u8>> {
        self.each(&BINS)
    }

    /// All places with data.
    fn shares(&self) -> Vec<Vec<u8>> {
        self.each(&SHARES)
    }

    fn each(&self, inner: &[&str]) -> Vec<Vec<u8>> {
        let of_dir = |dir: &Vec<u8>| {
            let dir = dir.clone();
            inner.iter().map(move |inner| join(&dir, inner.as_bytes()))
        };
        self.dirs.iter().flat_map(of_dir).collect()
    }
}

/// Desktop entries and icons in the root are read by programs that know nothing of stores: links to
/// them in there become the files themselves, which an image stores once all the same.
fn root_metadata(contents: &mut Contents) {
    const SUFFIXES: [&[u8]; 5] = [b".desktop", b".png", b".svg", b".svgz", b".xpm"];
    let names: Vec<Vec<u8>> = contents.tree.names(b"").into_iter().map(<[u8]>::to_vec).collect();
    for name in names {
        let is_read = name == b".DirIcon" || SUFFIXES.iter().any(|suffix| name.ends_with(suffix));
        let leads_away = matches!(contents.follow(&name), super::contents::Place::Store(_));
        if let (true, true, Some(file)) = (is_read, leads_away, contents.file(&name)) {
            contents.tree.insert(name, Item::File(file));
        }
    }
}
