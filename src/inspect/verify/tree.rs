//! The entries of layers as a tree: nothing twice, nothing below what is no directory, no link to
//! nowhere.

use std::collections::HashMap;

use super::{Problem, Verified, shown};
use crate::inspect::contents::{Contents, Item, What};
use crate::inspect::image::Image;
use crate::inspect::merged::Merged;

/// Checks each layer against those below it, and tells what is wrong; answers with all of them over each other.
pub(super) fn check<'a>(
    image: &Image,
    layers: &'a [Contents],
    verified: &mut Verified,
) -> Merged<'a> {
    let Verified { problems, notes, .. } = verified;
    let mut merged = Merged::default();
    for (number, contents) in layers.iter().enumerate() {
        let mut tree = Tree { below: &merged, here: HashMap::new() };
        for item in &contents.items {
            // Layers may have them, and containers as their users get them from elsewhere.
            if let What::Special(kind) = item.what
                && kind.ends_with("device")
            {
                let text = format!("it is a {kind}, which `extract` refuses or leaves out");
                notes.push(Problem::new("device", shown(&item.path), text));
            }
            if let Some((kind, text)) = tree.add(item) {
                let layer = image.layers[number].name();
                problems.push(Problem::new(
                    kind,
                    shown(&item.path),
                    format!("in `{layer}`, {text}"),
                ));
            }
        }
        merged.push(number, contents);
    }
    merged
}

struct Tree<'a, 'm> {
    /// What is below the layer that is looked at.
    below: &'m Merged<'a>,
    here: HashMap<&'a [u8], &'a What>,
}

impl<'a> Tree<'a, '_> {
    /// Takes the next entry, and says what is wrong with it.
    fn add(&mut self, item: &'a Item) -> Option<(&'static str, String)> {
        let path = &*item.path;
        if matches!(item.what, What::Whiteout | What::Opaque) {
            return None;
        }
        let mut problem = None;
        if let Some((parent, what)) = self.blocked(path) {
            let text = format!("it is below `{}`, which is {what}", shown(parent));
            problem = Some(("parent", text));
        }
        if let What::HardLink(target) = &item.what
            && !matches!(self.at(target), Some(What::File { .. } | What::HardLink(_)))
        {
            let text = format!("it is a hard link to `{}`, which is no file", shown(target));
            problem = Some(("hard-link", text));
        }
        let before = self.here.insert(path, &item.what);
        let is_twice = before.is_some_and(|before| {
            !matches!((before, &item.what), (What::Directory, What::Directory))
        });
        if is_twice {
            problem = problem.or(Some(("duplicate", "it is there twice".into())));
        }
        problem
    }

    /// The first of the directories above that is none.
    fn blocked(&self, path: &'a [u8]) -> Option<(&'a [u8], &'static str)> {
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let parents: Vec<&[u8]> = slashes.map(|(at, _)| &path[..at]).collect();
        // From the inside out: what is next above is nearly always there, and a directory.
        for parent in parents.into_iter().rev() {
            match self.here.get(parent) {
                Some(What::Directory) => return None,
                Some(What::Symlink(_)) => return Some((parent, "a symbolic link")),
                Some(_) => return Some((parent, "no directory")),
                None => match self.under(parent) {
                    Some(What::Symlink(_)) => return Some((parent, "a symbolic link")),
                    Some(What::Directory) | None => {}
                    Some(_) => return Some((parent, "no directory")),
                },
            }
        }
        None
    }

    fn at(&self, path: &[u8]) -> Option<&'a What> {
        match self.here.get(path) {
            Some(what) => Some(what),
            None => self.under(path),
        }
    }

    fn under(&self, path: &[u8]) -> Option<&'a What> {
        self.below.seen.get(path).map(|(_, what)| *what)
    }
}
