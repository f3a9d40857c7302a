//! Which layers of an earlier image stay when there are not enough for all.
//!
//! New paths and old layers are merged until the budget is kept, as if to plan them all; but to
//! touch an old layer costs what hosts must pull again. Those that were touched all the same are
//! taken apart.

use std::collections::BTreeSet;

use super::merge::{Until, merge};
use super::prepare::Prepared;
use super::{Scope, coarse};
use crate::{Budget, Graph, NodeId, NodeSet};

/// For each of the layers `held`, whose paths are in `keep`: whether it stays as it is.
pub(crate) fn stay(graph: &Graph, keep: &NodeSet, budget: Budget, held: &[&[NodeId]]) -> Vec<bool> {
    let closure = Prepared::new(graph, keep, budget, Scope::Update);
    let mut fresh: BTreeSet<usize> = (0..closure.atoms.len()).collect();
    let mut layers = Vec::new();
    for (number, nodes) in held.iter().enumerate() {
        let Some(mut layer) = closure.layer(nodes.iter().copied()) else { continue };
        for atom in &layer.atoms {
            fresh.remove(atom);
        }
        // Not by its atoms: two layers share one if an earlier image split a cycle.
        layer.atoms = vec![number];
        layer.hold();
        layers.push(layer);
    }
    let fresh = fresh.into_iter().map(|atom| closure.atoms[atom].cluster.clone()).collect();
    let mut clusters = coarse::coarsen(fresh, budget.get(), &closure.model);
    clusters.extend(layers);
    merge(&mut clusters, Until::Count(budget.get()), &closure.model);
    let untouched: BTreeSet<usize> = clusters
        .iter()
        .filter(|cluster| cluster.is_held())
        .map(|cluster| cluster.atoms[0])
        .collect();
    (0..held.len()).map(|number| untouched.contains(&number)).collect()
}
