//! The icon in the root by its name, and `.DirIcon`, by which the AppImage itself is shown.

use super::entry::Entry;
use super::{Bases, Contents, Error, MAX_ICON, Request, join};
use crate::appimage::icon::png;
use crate::appimage::tree::{File, Item};
use crate::bounded;

/// What icons end with, what more programs can show first.
const SUFFIXES: [&str; 3] = ["png", "svg", "xpm"];

/// Places in an icon theme: the size that the specification asks for, then larger ones, then smaller.
const SIZES: [&str; 10] = [
    "256x256",
    "512x512",
    "1024x1024",
    "scalable",
    "192x192",
    "128x128",
    "96x96",
    "64x64",
    "48x48",
    "32x32",
];

/// Puts icons into the root unless they are there.
pub(super) fn complete(
    contents: &mut Contents,
    bases: &Bases,
    entry: &Entry,
    request: &Request,
) -> Result<(), Error> {
    // Names that are no file names are for the checks to tell.
    let Some(name) = entry.icon.as_deref().filter(|name| !name.contains('/')) else {
        return Ok(());
    };
    let at_root = |suffix: &str| format!("{name}.{suffix}").into_bytes();
    if let Some(file) = &request.icon {
        let bytes = bounded::read(file, MAX_ICON as u64)
            .map_err(|source| Error::Input { file: file.clone(), source })?;
        let suffix = file.extension().and_then(|suffix| suffix.to_str()).unwrap_or_default();
        if !SUFFIXES.contains(&suffix) {
            return Err(Error::IconKind(file.clone()));
        }
        for suffix in SUFFIXES {
            contents.tree.remove(&at_root(suffix));
        }
        contents.tree.remove(b".DirIcon");
        contents.tree.insert(at_root(suffix), Item::File(File::made(bytes)));
    }
    let there = |contents: &Contents| {
        let mut names = SUFFIXES.iter().map(|suffix| at_root(suffix));
        names.find(|path| contents.tree.get(path).is_some())
    };
    if there(contents).is_none() {
        let (suffix, file) = named(contents, entry)
            .or_else(|| found(contents, bases, name))
            .unwrap_or_else(|| ("png", File::made(png(name))));
        contents.tree.insert(at_root(suffix), Item::File(File { executable: false, ..file }));
    }
    if let (Some(icon), None) = (there(contents), contents.tree.get(b".DirIcon")) {
        contents.tree.insert(*b".DirIcon", Item::Link(icon));
    }
    Ok(())
}

/// The file that the application's own entry had in the place of a name.
fn named(contents: &Contents, entry: &Entry) -> Option<(&'static str, File)> {
    let path = entry.icon_file.as_deref()?;
    let suffix = path.rsplit(|byte| *byte == b'.').next()?;
    let suffix = SUFFIXES.into_iter().find(|known| known.as_bytes() == suffix)?;
    contents.file(path).map(|file| (suffix, file))
}

/// The application's own icon of that name, or `.DirIcon` if that is a PNG.
fn found(contents: &Contents, bases: &Bases, name: &str) -> Option<(&'static str, File)> {
    for share in bases.shares() {
        let themed = SIZES.iter().map(|size| format!("icons/hicolor/{size}/apps"));
        for dir in themed.chain(["pixmaps".to_owned()]) {
            for suffix in SUFFIXES {
                let path =
                    join(&join(&share, dir.as_bytes()), format!("{name}.{suffix}").as_bytes());
                if let Some(file) = contents.file(&path) {
                    return Some((suffix, file));
                }
            }
        }
    }
    let file = contents.file(b".DirIcon")?;
    file.start(4).is_ok_and(|start| start == b"\x89PNG").then_some(("png", file))
}
