//! From many closures to classes of paths that the same images hold.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::holders::Holders;
use super::{FleetError, Image};
use crate::{Node, StorePath};

/// Paths that the same images hold, and a layer for them.
#[derive(Clone, Debug)]
pub(super) struct Atom<'a> {
    /// Sorted.
    pub(super) paths: Vec<&'a StorePath>,
    pub(super) nar_size: u64,
    pub(super) holders: Holders,
}

/// One path of the fleet.
struct Known<'a> {
    node: &'a Node,
    /// The image that told it first.
    first: usize,
    holders: Holders,
}

/// Every class that at least two images hold, sorted by its first path.
///
/// A path is named by what it was built from, so that all images must agree on it.
pub(super) fn shared<'a>(images: &[&'a Image]) -> Result<Vec<Atom<'a>>, FleetError> {
    let mut known: BTreeMap<&StorePath, Known<'a>> = BTreeMap::new();
    for (number, image) in images.iter().enumerate() {
        for node in image.graph.nodes() {
            let known = match known.entry(&node.path) {
                Entry::Vacant(entry) => {
                    let holders = Holders::none(images.len());
                    entry.insert(Known { node, first: number, holders })
                }
                Entry::Occupied(entry) => entry.into_mut(),
            };
            let first = images[known.first];
            let references = |image: &'a Image, node: &'a Node| {
                node.references.iter().map(|&to| &image.graph.node(to).path)
            };
            if known.node.nar_size != node.nar_size
                || !references(first, known.node).eq(references(image, node))
            {
                return Err(FleetError::Conflict {
                    path: node.path.clone(),
                    first: first.name.clone(),
                    second: image.name.clone(),
                });
            }
            known.holders.insert(number);
        }
    }
    let mut atoms: BTreeMap<Holders, Atom<'a>> = BTreeMap::new();
    for Known { node, holders, .. } in known.into_values().filter(|path| path.holders.len() > 1) {
        let atom = atoms.entry(holders).or_insert_with_key(|holders| Atom {
            paths: Vec::new(),
            nar_size: 0,
            holders: holders.clone(),
        });
        atom.paths.push(&node.path);
        atom.nar_size = atom.nar_size.saturating_add(node.nar_size);
    }
    let mut atoms: Vec<Atom<'a>> = atoms.into_values().collect();
    // Or the order of images would decide.
    atoms.sort_by(|a, b| a.paths.cmp(&b.paths));
    Ok(atoms)
}
