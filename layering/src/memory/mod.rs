//! Layers of an earlier image that an update can keep as they are.
//!
//! A layer whose paths are all still wanted is kept: hosts have it. One with *dead* paths, which
//! left the closure, may be kept too, since its other paths need not move then; but every host
//! carries the dead weight, so there is a bound for all of it together. Whatever is not kept is
//! planned anew.

mod knapsack;
mod waste;

pub use waste::{Waste, WasteError};

use crate::{Budget, Graph, NodeId, NodeSet, StorePath, optimal};
use knapsack::most_saved;

/// An earlier image, as far as its layers can be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Its layers with store paths, bottom first.
    pub layers: Vec<Remembered>,
    /// How much of the new image may be dead.
    pub max_waste: Waste,
}

/// A layer of an earlier image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// All its paths, dead ones included, in any order.
    pub paths: Vec<StorePath>,
    /// Sum of their NAR sizes in bytes, if it is known.
    pub nar_size: Option<u64>,
    /// Whether it can be made again with the dead paths in it: they may be gone from the store.
    pub with_dead: bool,
}

/// A layer that stays as it is.
pub(crate) struct Kept {
    /// Its paths that are still wanted: sorted, never empty.
    pub(crate) live: Vec<NodeId>,
    /// Those that left the closure, sorted.
    pub(crate) dead: Vec<StorePath>,
    /// Sum of the NAR sizes of the dead.
    pub(crate) dead_size: u64,
}

impl Memory {
    /// The layers to keep, in their order, when `rest` is to be laid out in `budget` layers; takes
    /// their paths out of `rest`.
    pub(crate) fn keep(&self, graph: &Graph, rest: &mut NodeSet, budget: Budget) -> Vec<Kept> {
        let mut taken = NodeSet::none(graph);
        let whole: Vec<Kept> = self
            .layers
            .iter()
            .filter_map(|layer| layer.find(graph, rest))
            // Of layers that share a path, which no image of ours has, the first is kept.
            .filter(|layer| layer.live.iter().all(|&id| taken.insert(id)))
            .collect();
        let worthwhile = self.bear(graph, whole);
        // Or all would be planned once to keep nothing, and then again.
        if worthwhile.is_empty() {
            return worthwhile;
        }
        let held: Vec<&[NodeId]> = worthwhile.iter().map(|layer| &*layer.live).collect();
        let stay = optimal::stay(graph, rest, budget, &held);
        let kept: Vec<Kept> = worthwhile
            .into_iter()
            .zip(stay)
            .filter_map(|(layer, stays)| stays.then_some(layer))
            .collect();
        for id in kept.iter().flat_map(|layer| &layer.live) {
            rest.remove(*id);
        }
        kept
    }

    /// Those without dead paths, and of the others those that save most, as far as the bound goes.
    fn bear(&self, graph: &Graph, layers: Vec<Kept>) -> Vec<Kept> {
        let allowed = self.max_waste.of(graph.nar_size(graph.ids()));
        let with_dead = layers.iter().filter(|layer| !layer.dead.is_empty());
        let live_size = |layer: &Kept| graph.nar_size(layer.live.iter().copied());
        let choices: Vec<(u64, u64)> =
            with_dead.map(|layer| (live_size(layer), layer.dead_size)).collect();
        let mut borne = most_saved(&choices, allowed).into_iter();
        let mut layers = layers;
        // Not even a dead path of no size is borne if none is allowed.
        let any = self.max_waste != Waste::NONE;
        layers.retain(|layer| layer.dead.is_empty() || (borne.next() == Some(true) && any));
        layers
    }
}

impl Remembered {
    /// The layer within `graph`, if it could be kept: some of its paths are in `rest`, and all that
    /// are not have left the closure.
    fn find(&self, graph: &Graph, rest: &NodeSet) -> Option<Kept> {
        let (mut live, mut dead) = (Vec::new(), Vec::new());
        for path in &self.paths {
            match graph.find(path) {
                Some(id) if rest.contains(id) => live.push(id),
                // In a layer made by hand; it must not be in two.
                Some(_) => return None,
                None => dead.push(path.clone()),
            }
        }
        live.sort_unstable();
        live.dedup();
        dead.sort_unstable();
        dead.dedup();
        let mut kept = Kept { live, dead, dead_size: 0 };
        if kept.live.is_empty() {
            return None;
        }
        if !kept.dead.is_empty() {
            if !self.with_dead {
                return None;
            }
            // Without a size, its waste cannot be bounded.
            kept.dead_size =
                self.nar_size?.checked_sub(graph.nar_size(kept.live.iter().copied()))?;
        }
        Some(kept)
    }
}
