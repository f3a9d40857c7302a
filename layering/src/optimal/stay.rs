//! Which layers of an earlier image stay when there are not enough for all.
//!
//! New paths and old layers are merged until the budget is kept, as if to plan them all; but to
//! touch an old layer costs what hosts must pull again. Those that were touched all the same are
//! taken apart.

use std::collections::BTreeSet;

use super::merge::{Until, merge};
use super::prepare::Prepared;
use super::{Cluster, Scope, coarse};
use crate::{Budget, Graph, NodeId, NodeSet};

/// For each of the layers `held`, whose paths are in `keep`: whether it stays as it is.
pub(crate) fn stay(graph: &Graph, keep: &NodeSet, budget: Budget, held: &[&[NodeId]]) -> Vec<bool> {
    let closure = Prepared::new(graph, keep, budget, Scope::Update);
    let mut atom_of = vec![0; graph.nodes().len()];
    for (number, atom) in closure.atoms.iter().enumerate() {
        for id in &atom.nodes {
            atom_of[id.index()] = number;
        }
    }
    let mut fresh: BTreeSet<usize> = (0..closure.atoms.len()).collect();
    let mut layers = Vec::new();
    for layer in held {
        let atoms: BTreeSet<usize> = layer.iter().map(|id| atom_of[id.index()]).collect();
        let mut joined: Option<Cluster> = None;
        for &atom in &atoms {
            fresh.remove(&atom);
            let alone = &closure.atoms[atom].cluster;
            match &mut joined {
                None => joined = Some(alone.clone()),
                Some(joined) => joined.join(alone, &closure.model),
            }
        }
        layers.extend(joined);
    }
    for (number, layer) in layers.iter_mut().enumerate() {
        // Not by its atoms: two layers share one if an earlier image split a cycle.
        layer.atoms = vec![number];
        layer.hold();
    }
    let count = layers.len();
    let fresh = fresh.into_iter().map(|atom| closure.atoms[atom].cluster.clone()).collect();
    let mut clusters = coarse::coarsen(fresh, &closure.model);
    clusters.extend(layers);
    merge(&mut clusters, Until::Count(budget.get()), &closure.model);
    let untouched: BTreeSet<usize> = clusters
        .iter()
        .filter(|cluster| cluster.is_held())
        .map(|cluster| cluster.atoms[0])
        .collect();
    (0..count).map(|number| untouched.contains(&number)).collect()
}
