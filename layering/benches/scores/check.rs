//! No score for a plan that is none.

use std::collections::BTreeSet;

use layering::{Graph, Group, StorePath};

/// Makes sure that each path of `graph` is in one layer, and nothing else but what the layers say
/// is dead.
///
/// # Panics
///
/// If not: such a plan must not get a score.
pub(crate) fn check(name: &str, graph: &Graph, layers: &[Group]) {
    let placed: BTreeSet<&StorePath> = layers.iter().flat_map(|layer| &layer.paths).collect();
    let count: usize = layers.iter().map(|layer| layer.paths.len()).sum();
    let dead: BTreeSet<&StorePath> = layers.iter().flat_map(|layer| &layer.dead).collect();
    let paths: BTreeSet<&StorePath> = graph.nodes().iter().map(|node| &node.path).collect();
    assert!(count == placed.len(), "`{name}` repeated a path");
    assert!(paths.is_disjoint(&dead), "`{name}` calls a path dead that is wanted");
    assert!(
        placed.into_iter().eq(paths.union(&dead).copied()),
        "`{name}` lost a path or carries one that it does not tell"
    );
}
