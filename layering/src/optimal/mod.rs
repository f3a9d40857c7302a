//! The layers that are expected to move the fewest bytes, over all the updates to come.
//!
//! ```text
//! units     paths that refer to each other are one
//! top       the application alone, small extras apart, the core by itself
//! coarse    of thousands of tiny paths, those that are alike go together
//! merge     the two layers that cost least together become one, until the budget is kept
//! refine    what is cheaper in another layer moves there
//! ```
//!
//! `model` says what a layer costs. Names decide, not hashes and not positions: the plan of an
//! updated closure is the plan of the old one with new hashes in it, and every layer without a
//! changed path is the same layer.

mod causes;
mod cluster;
mod coarse;
mod merge;
mod model;
mod prepare;
mod refine;
mod stay;
mod top;
mod units;

use crate::{Budget, Graph, NodeId, NodeSet};

use cluster::Cluster;
use merge::{Until, merge};
use model::Model;
pub(crate) use model::{bytes, whole};
pub(crate) use prepare::Prepared;
pub(crate) use stay::stay;
use top::Place;

/// Of so many layers, one is for extras, and always at least one, whether there are extras or not.
/// Were it taken from the core when the first extra comes, it would reshuffle the core.
const EXTRAS: usize = 50;

/// How much of an image is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All of it, and so will be the next update, which should find the same layers. Layers for
    /// extras are kept free, even if there are none yet.
    All,
    /// What an update brings: the other layers are kept, and so will be these.
    Update,
}

/// The nodes of `keep` in at most `budget` groups, bottom first: what changes least at the bottom,
/// the application on top.
pub(crate) fn group(
    graph: &Graph,
    keep: &NodeSet,
    budget: Budget,
    scope: Scope,
) -> Vec<Vec<NodeId>> {
    let closure = Prepared::new(graph, keep, budget, scope);
    let roots = closure.clusters(&[Place::Root]);
    let mut layers = Vec::new();
    match budget.get() - roots.len() {
        0 => {
            let all = closure.clusters(&[Place::Root, Place::Extra, Place::Core]);
            layers.extend(plan(all, 1, &closure.model));
        }
        1 => {
            layers.extend(plan(closure.clusters(&[Place::Core, Place::Extra]), 1, &closure.model));
            layers.extend(roots);
        }
        count => {
            let extras = closure.clusters(&[Place::Extra]);
            let reserved = match scope {
                Scope::Update if extras.is_empty() => 0,
                Scope::Update | Scope::All => ((count + EXTRAS / 2) / EXTRAS).max(1),
            };
            let core = closure.clusters(&[Place::Core]);
            let spare = count.saturating_sub(core.len());
            layers.extend(plan(core, count - reserved, &closure.model));
            layers.extend(plan(extras, reserved.max(spare), &closure.model));
            layers.extend(roots);
        }
    }
    stack(layers, &closure)
}

/// `atoms` in at most `count` clusters.
fn plan(atoms: Vec<Cluster>, count: usize, model: &Model) -> Vec<Cluster> {
    let mut atoms = coarse::coarsen(atoms, count, model);
    let inside: Vec<Vec<usize>> = atoms
        .iter_mut()
        .enumerate()
        .map(|(number, atom)| std::mem::replace(&mut atom.atoms, vec![number]))
        .collect();
    let mut clusters = atoms.clone();
    merge(&mut clusters, Until::Count(count), model);
    refine::refine(&mut clusters, &atoms, model);
    merge(&mut clusters, Until::Free, model);
    for cluster in &mut clusters {
        cluster.atoms = cluster.atoms.iter().flat_map(|&atom| &inside[atom]).copied().collect();
    }
    clusters
}

/// Layers from the bottom up. Runtimes reuse layers from the bottom as far as they are the same
/// (overlay keys each layer by all below it), so what changes least is lowest.
fn stack(layers: Vec<Cluster>, closure: &Prepared) -> Vec<Vec<NodeId>> {
    let mut keyed: Vec<_> = layers
        .into_iter()
        .filter_map(|mut layer| {
            layer.atoms.sort_unstable();
            let place = layer.atoms.iter().map(|&atom| closure.atoms[atom].place).max()?;
            Some((place, layer))
        })
        .collect();
    keyed.sort_by(|(place, a), (other, b)| {
        let often = |layer: &Cluster| layer.touched + layer.apps;
        place.cmp(other).then(often(a).total_cmp(&often(b))).then(a.atoms.cmp(&b.atoms))
    });
    let nodes = |layer: &Cluster| -> Vec<NodeId> {
        layer.atoms.iter().flat_map(|&atom| &closure.atoms[atom].nodes).copied().collect()
    };
    keyed.iter().map(|(_, layer)| nodes(layer)).collect()
}
