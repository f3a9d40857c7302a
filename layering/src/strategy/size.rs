//! The order of guix's `pack --max-layers`: the largest first.

use std::cmp::Reverse;

use crate::{Graph, NodeId};

/// All nodes, the largest first; ties by path.
pub(super) fn by_size(graph: &Graph) -> Vec<NodeId> {
    let mut order: Vec<NodeId> = graph.ids().collect();
    // Stable, and ids are in the order of paths.
    order.sort_by_key(|&id| Reverse(graph.node(id).nar_size));
    order
}
