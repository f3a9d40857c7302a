//! Smaller groups where all who hold one have layers to spare: less is pulled again when one of
//! its paths changes.
//!
//! If each path changes as often as any other, a group of n paths and s bytes in k layers costs
//! about n s / k for each time that all have changed. The layer that saves most of that comes first.
//! Where to cut is for the default strategy, in the closure of the group's paths: that is the
//! same in every image.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::Image;
use super::atoms::Atom;
use crate::optimal::Scope;
use crate::{Budget, Graph, NodeId, NodeSet, Row, StorePath, Strategy};

/// Layers below this cost more in requests than they save.
const SMALLEST: u64 = 1 << 20;

/// Splits `atoms` as long as none of `images` has more than half of its layers for them.
pub(super) fn split<'a>(
    atoms: Vec<Atom<'a>>,
    images: &[&'a Image],
    budget: Budget,
) -> Vec<Atom<'a>> {
    let mut spare = vec![budget.get() / 2; images.len()];
    for image in atoms.iter().flat_map(|atom| atom.holders.iter()) {
        spare[image] = spare[image].saturating_sub(1);
    }
    let mut layers = vec![1_usize; atoms.len()];
    loop {
        let best = atoms
            .iter()
            .enumerate()
            .filter(|(index, atom)| {
                let more = layers[*index] + 1;
                more <= atom.paths.len()
                    && atom.nar_size / more as u64 >= SMALLEST
                    && atom.holders.iter().all(|image| spare[image] > 0)
            })
            .max_by_key(|(index, atom)| {
                let (count, now) = (atom.paths.len() as u128, layers[*index] as u128);
                (count * u128::from(atom.nar_size) / (now * (now + 1)), Reverse(*index))
            });
        let Some((index, atom)) = best else { break };
        layers[index] += 1;
        atom.holders.iter().for_each(|image| spare[image] -= 1);
    }
    let parts = |(atom, layers): (Atom<'a>, usize)| match Budget::new(layers) {
        Ok(budget) if layers > 1 => cut(&atom, images, budget),
        _ => vec![atom],
    };
    atoms.into_iter().zip(layers).flat_map(parts).collect()
}

/// At most `budget` parts of one group.
fn cut<'a>(atom: &Atom<'a>, images: &[&'a Image], budget: Budget) -> Vec<Atom<'a>> {
    let Some(image) = atom.holders.iter().next().map(|number| images[number]) else {
        return vec![atom.clone()];
    };
    let graph = closure(&image.graph, &atom.paths);
    let mut keep = NodeSet::none(&graph);
    for id in atom.paths.iter().filter_map(|path| graph.find(path)) {
        keep.insert(id);
    }
    let part = |ids: Vec<NodeId>| {
        let mut members: BTreeSet<&StorePath> = BTreeSet::new();
        let mut nar_size = 0_u64;
        for id in ids {
            members.insert(&graph.node(id).path);
            nar_size = nar_size.saturating_add(graph.node(id).nar_size);
        }
        let paths = atom.paths.iter().copied().filter(|path| members.contains(path)).collect();
        Atom { paths, nar_size, holders: atom.holders.clone() }
    };
    Strategy::default().group(&graph, &keep, budget, Scope::All).into_iter().map(part).collect()
}

/// The part of `graph` that `paths` need.
fn closure(graph: &Graph, paths: &[&StorePath]) -> Graph {
    let mut reached = NodeSet::none(graph);
    let mut rows = Vec::new();
    let mut ahead: Vec<NodeId> = paths.iter().filter_map(|path| graph.find(path)).collect();
    while let Some(id) = ahead.pop() {
        if reached.insert(id) {
            let node = graph.node(id);
            ahead.extend(&node.references);
            let references = node.references.iter().map(|&to| graph.node(to).path.clone());
            let (path, references) = (node.path.clone(), references.collect());
            rows.push(Row { path, nar_size: node.nar_size, references });
        }
    }
    // All that a row refers to is reached, and each path once.
    Graph::new(rows).unwrap_or_default()
}
