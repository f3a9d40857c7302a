//! A closure as the planner sees it: units with their sizes, causes and places, in the order of
//! their names.

use std::collections::BTreeSet;

use super::Scope;
use super::causes::Causes;
use super::cluster::Cluster;
use super::model::{Model, app, bytes};
use super::top::{Place, top};
use super::units::{Unit, units};
use crate::{Budget, Graph, NodeId, NodeSet};

/// What there is to plan.
pub(crate) struct Prepared {
    pub(super) model: Model,
    /// Sorted by name, so that neither hashes nor the order of rows decide anything.
    pub(super) atoms: Vec<Atom>,
    /// The atom of each node that is to be planned.
    atom_of: Vec<Option<usize>>,
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
    pub(crate) fn new(graph: &Graph, keep: &NodeSet, budget: Budget, scope: Scope) -> Self {
        let units = units(graph);
        let size = |unit: usize| -> f64 {
            // Not what a pull moves: what counts as small must not depend on an earlier image.
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
                let size = nodes.iter().map(|&id| bytes(graph.node(id).moved_size)).sum();
                let app = if apps.contains(&unit) { app } else { 0.0 };
                let cluster = Cluster::new(&model, number, size, causes.clone(), app);
                Atom { nodes, place: top.places[unit], cluster }
            });
        let atoms: Vec<Atom> = atoms.collect();
        let mut atom_of = vec![None; graph.nodes().len()];
        for (number, atom) in atoms.iter().enumerate() {
            for id in &atom.nodes {
                atom_of[id.index()] = Some(number);
            }
        }
        Self { model, atoms, atom_of }
    }

    /// How many packages there are, as far as causes tell them apart.
    pub(crate) fn packages(&self) -> usize {
        let mut causes = Causes::none();
        self.atoms.iter().for_each(|atom| causes |= &atom.cluster.causes);
        causes.len()
    }

    /// The paths of each atom, and the atom alone in a layer.
    pub(crate) fn each(&self) -> impl Iterator<Item = (&[NodeId], &Cluster)> {
        self.atoms.iter().map(|atom| (&*atom.nodes, &atom.cluster))
    }

    /// The atoms of `nodes` in one layer; `None` if there are none.
    pub(crate) fn layer(&self, nodes: impl IntoIterator<Item = NodeId>) -> Option<Cluster> {
        let atoms: BTreeSet<usize> =
            nodes.into_iter().filter_map(|id| self.atom_of[id.index()]).collect();
        let mut atoms = atoms.into_iter().map(|atom| &self.atoms[atom].cluster);
        Some(atoms.next()?.clone().joined(atoms, &self.model))
    }

    /// The clusters of all atoms of these places.
    pub(super) fn clusters(&self, places: &[Place]) -> Vec<Cluster> {
        let here = self.atoms.iter().filter(|atom| places.contains(&atom.place));
        here.map(|atom| atom.cluster.clone()).collect()
    }
}
