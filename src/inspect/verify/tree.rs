//! The entries of layers as a tree: nothing twice, nothing below what is no directory, no link to
//! nowhere.

use std::collections::HashMap;

use super::{Problem, shown};
use crate::inspect::contents::{Contents, Item, What};
use crate::inspect::image::Image;

/// What is below the layer that is looked at.
type Below<'a> = std::collections::BTreeMap<&'a [u8], (usize, &'a What)>;

pub(super) fn check(image: &Image, layers: &[Contents]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, contents) in layers.iter().enumerate() {
        // Most images have no links to what is in another layer, and no paths through links either.
        let below = || crate::inspect::merged::Merged::new(&layers[..number]).seen;
        let mut tree = Tree { below: None, make: &below, here: HashMap::new() };
        for item in &contents.items {
            if let Some((kind, text)) = tree.add(item) {
                let layer = image.layers[number].name();
                problems.push(Problem::new(
                    kind,
                    shown(&item.path),
                    format!("in `{layer}`, {text}"),
                ));
            }
        }
    }
    problems
}

struct Tree<'a, 'm> {
    below: Option<Below<'a>>,
    make: &'m dyn Fn() -> Below<'a>,
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
    fn blocked(&mut self, path: &'a [u8]) -> Option<(&'a [u8], &'static str)> {
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

    fn at(&mut self, path: &[u8]) -> Option<&'a What> {
        match self.here.get(path) {
            Some(what) => Some(what),
            None => self.under(path),
        }
    }

    fn under(&mut self, path: &[u8]) -> Option<&'a What> {
        let below = self.below.get_or_insert_with(self.make);
        below.get(path).map(|(_, what)| *what)
    }
}
