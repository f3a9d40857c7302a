//! nixpkgs' `auto-layer.py`, its default for `buildLayeredImage`: size first, then who needs what.
//!
//! Paths become *primary* one by one, the largest first. A layer is named by a set of primaries
//! and holds what exactly those need; a primary's own layer has the primary and what is used
//! through it alone. Whatever no primary needs shares the layer of no primary: small roots, the
//! application. As soon as one more primary would make too many layers, it ends there.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::{Budget, Graph, NodeId, NodeSet};

/// A set of primaries, a bit for each.
///
/// Each primary is in a layer that no other is in, so there are never more of them than the 127
/// layers of a budget and the one that is tried. Only in a cycle may they share a layer; then the
/// 128 that fit are enough.
type Primaries = u128;

/// The nodes of `keep` in at most `budget` groups; the least closure first, ties by path.
pub(super) fn group(graph: &Graph, keep: &NodeSet, budget: Budget) -> Vec<Vec<NodeId>> {
    let mut layers: BTreeMap<Primaries, Vec<NodeId>> = BTreeMap::new();
    let layer_of = split(graph, keep, budget);
    for id in graph.ids().filter(|&id| keep.contains(id)) {
        layers.entry(layer_of[id.index()]).or_default().push(id);
    }
    let mut layers: Vec<Vec<NodeId>> = layers.into_values().collect();
    layers.sort_by_cached_key(|layer| (closure_size(graph, layer), layer[0]));
    layers
}

/// The layer of each node, by index.
fn split(graph: &Graph, keep: &NodeSet, budget: Budget) -> Vec<Primaries> {
    let references: Vec<&[NodeId]> = graph.nodes().iter().map(|node| &*node.references).collect();
    let users = users(graph);
    let users: Vec<&[NodeId]> = users.iter().map(|users| &**users).collect();
    let mut by_size: Vec<NodeId> = graph.ids().filter(|&id| keep.contains(id)).collect();
    // Stable: of equals the first by path, where nixpkgs takes the last of its file.
    by_size.sort_by_key(|&id| Reverse(graph.node(id).nar_size));
    by_size.truncate(Primaries::BITS as usize);

    let mut layer_of: Vec<Primaries> = vec![0; graph.nodes().len()];
    for (number, &primary) in by_size.iter().enumerate() {
        let below = strictly_reachable(primary, &references);
        let above = strictly_reachable(primary, &users);
        let among = |nodes: &[NodeId]| -> Primaries {
            let before = by_size[..number].iter().enumerate();
            before.filter(|(_, id)| nodes.binary_search(id).is_ok()).map(|(bit, _)| 1 << bit).sum()
        };
        let (primaries_below, primaries_above) = (among(&below), among(&above));
        let mut next = layer_of.clone();
        next[primary.index()] = 1 << number;
        for dependency in &below {
            let layer = &mut next[dependency.index()];
            *layer &= !primaries_above;
            if *layer & primaries_below == 0 {
                *layer |= 1 << number;
            }
        }
        let kept = graph.ids().filter(|&id| keep.contains(id));
        let layers: BTreeSet<Primaries> = kept.map(|id| next[id.index()]).collect();
        if layers.len() > budget.get() {
            break;
        }
        layer_of = next;
    }
    layer_of
}

/// Who refers to each node, by index.
fn users(graph: &Graph) -> Vec<Vec<NodeId>> {
    let mut users = vec![Vec::new(); graph.nodes().len()];
    for id in graph.ids() {
        for to in &graph.node(id).references {
            users[to.index()].push(id);
        }
    }
    users
}

/// What `edges` lead to from `start`, without it, sorted.
fn strictly_reachable(start: NodeId, edges: &[&[NodeId]]) -> Vec<NodeId> {
    let mut reached = reachable(&[start], edges);
    reached.retain(|&id| id != start);
    reached.sort_unstable();
    reached
}

fn reachable(starts: &[NodeId], edges: &[&[NodeId]]) -> Vec<NodeId> {
    let mut seen = vec![false; edges.len()];
    let mut reached = Vec::new();
    let mut todo = starts.to_vec();
    while let Some(id) = todo.pop() {
        if !std::mem::replace(&mut seen[id.index()], true) {
            reached.push(id);
            todo.extend_from_slice(edges[id.index()]);
        }
    }
    reached
}

/// Bytes of all that the paths of a layer need, themselves among it.
fn closure_size(graph: &Graph, layer: &[NodeId]) -> u64 {
    let references: Vec<&[NodeId]> = graph.nodes().iter().map(|node| &*node.references).collect();
    graph.nar_size(reachable(layer, &references))
}
