//! The order of nix2container's `maxLayers`: by the number of ways that lead to a path.
//!
//! ```text
//! ways(x) = 1 + sum over p that refer to x of ways(p)
//! ```
//!
//! Of paths with as many ways, the one whose name comes last in nix2container's graph file goes
//! first: a path counts as read when a path before it refers to it. Here the file is read in the
//! order of paths, as Nix writes it.

use std::cmp::Reverse;

use crate::{Graph, NodeId};

/// All nodes, those that most ways lead to first.
pub(super) fn by_ways(graph: &Graph) -> Vec<NodeId> {
    let ways = ways(graph);
    let mut order = as_read(graph);
    order.reverse();
    order.sort_by_key(|&id| Reverse(ways[id.index()]));
    order
}

/// The number of ways from any node to each, itself among them, by index.
///
/// It saturates, where the original's 64 bits wrap. What is in a cycle or below one, which a store
/// cannot have, counts only the ways that do not pass through a cycle.
fn ways(graph: &Graph) -> Vec<u128> {
    let mut users_left = vec![0_usize; graph.nodes().len()];
    for to in graph.nodes().iter().flat_map(|node| &node.references) {
        users_left[to.index()] += 1;
    }
    let mut ways = vec![1_u128; graph.nodes().len()];
    let mut ready = graph.roots();
    while let Some(id) = ready.pop() {
        for &to in &graph.node(id).references {
            ways[to.index()] = ways[to.index()].saturating_add(ways[id.index()]);
            users_left[to.index()] -= 1;
            if users_left[to.index()] == 0 {
                ready.push(to);
            }
        }
    }
    ways
}

/// Nodes in the order in which a reader of rows meets them: a row's path, then its references.
fn as_read(graph: &Graph) -> Vec<NodeId> {
    let mut met = vec![false; graph.nodes().len()];
    let mut order = Vec::with_capacity(graph.nodes().len());
    for id in graph.ids() {
        for &id in std::iter::once(&id).chain(&graph.node(id).references) {
            if !std::mem::replace(&mut met[id.index()], true) {
                order.push(id);
            }
        }
    }
    order
}
