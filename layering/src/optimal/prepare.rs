//! A closure as the planner sees it: units with their sizes, causes and places, in the order of
//! their names.

use std::collections::BTreeSet;

use super::Scope;
use super::cluster::Cluster;
use super::model::{Model, app, bytes};
use super::top::{Place, top};
use super::units::{Unit, units};
use crate::{Budget, Graph, NodeId, NodeSet};

/// What there is to plan.
pub(super) struct Prepared {
    pub(super) model: Model,
    /// Sorted by name, so that neither hashes nor the order of rows decide anything.
    pub(super) atoms: Vec<Atom>,
}

/// A unit, as far as it is to be planned.
pub(super) struct Atom {
    /// Its paths: sorted, never empty.
    pub(super) nodes: Vec<NodeId>,
    pub(super) place: Place,
    /// It alone in a layer, under its number.
    pub(super) cluster: Cluster,
}

impl Prepared {
    pub(super) fn new(graph: &Graph, keep: &NodeSet, budget: Budget, scope: Scope) -> Self {
        let units = units(graph);
        let size = |unit: usize| -> f64 {
            units[unit].nodes.iter().map(|&id| bytes(graph.node(id).nar_size)).sum()
        };
        let top = top(&units, size);
        let model = Model::new(budget.get(), scope);
        let app = app(top.apps.len());
        let apps: BTreeSet<usize> = top.apps.into_iter().collect();

        let mut kept: Vec<(usize, Vec<NodeId>, &Unit)> = Vec::new();
        for (number, unit) in units.iter().enumerate() {
            let nodes: Vec<NodeId> =
                unit.nodes.iter().copied().filter(|&id| keep.contains(id)).collect();
            if !nodes.is_empty() {
                kept.push((number, nodes, unit));
            }
        }
        // Of a cycle, the first by name: which is the first by hash changes with every update.
        kept.sort_by_cached_key(|(_, nodes, _)| {
            let paths = nodes.iter().map(|&id| &graph.node(id).path);
            paths.map(|path| (path.stem(), path.name(), path)).min()
        });
        let atoms =
            kept.into_iter().enumerate().map(|(number, (unit, nodes, Unit { causes, .. }))| {
                let size = nodes.iter().map(|&id| bytes(graph.node(id).nar_size)).sum();
                let app = if apps.contains(&unit) { app } else { 0.0 };
                let cluster = Cluster::new(&model, number, size, causes.clone(), app);
                Atom { nodes, place: top.places[unit], cluster }
            });
        let atoms = atoms.collect();
        Self { model, atoms }
    }

    /// The clusters of all atoms of these places.
    pub(super) fn clusters(&self, places: &[Place]) -> Vec<Cluster> {
        let here = self.atoms.iter().filter(|atom| places.contains(&atom.place));
        here.map(|atom| atom.cluster.clone()).collect()
    }
}
