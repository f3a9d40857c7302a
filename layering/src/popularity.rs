//! The order of nixpkgs' `references-by-popularity` (`popularity_contest`), to the letter.
//!
//! Written `contest(C)` for the score that a set of children `C` hands down:
//!
//! ```text
//! contest(C)(x) = [x in C] + sum over p in C that reach x of (contest(references(p))(x) + 1)
//! popularity    = contest(roots)
//! ```
//!
//! nixpkgs keeps `contest` as one table for each node, which needs memory quadratic in the closure.
//! Here each `x` is scored on its own, walking only the nodes that reach it: same numbers, linear
//! memory.

use std::cmp::Reverse;

use crate::{Graph, NodeId};

/// All nodes, the most popular first; ties by name, then by hash.
pub fn by_popularity(graph: &Graph) -> Vec<NodeId> {
    let popularity = popularity(graph);
    let mut order: Vec<NodeId> = graph.ids().collect();
    order.sort_by_cached_key(|&id| {
        let path = &graph.node(id).path;
        // nixpkgs moves `/nix/store/<hash>` behind the name; only its first slash matters, as no
        // name has one.
        (Reverse(popularity[id.index()]), format!("{}-/{}", path.name(), path.hash()))
    });
    order
}

/// The score of each node, by index. It saturates, where nixpkgs' Python would go on counting, at
/// 2^128 - 1.
fn popularity(graph: &Graph) -> Vec<u128> {
    let order = references_first(graph);
    let mut position = vec![0; order.len()];
    for (at, id) in order.iter().enumerate() {
        position[id.index()] = at;
    }
    // References as positions; those that close a cycle are dropped, which nixpkgs cannot have.
    let references: Vec<Vec<usize>> = order
        .iter()
        .enumerate()
        .map(|(at, &id)| {
            let positions = graph.node(id).references.iter().map(|to| position[to.index()]);
            positions.filter(|&to| to < at).collect()
        })
        .collect();
    let mut is_root = vec![true; order.len()];
    for &to in references.iter().flatten() {
        is_root[to] = false;
    }
    let mut scores = vec![0; order.len()];
    let mut handed_down = vec![None; order.len()];
    for (x, id) in order.iter().enumerate() {
        scores[id.index()] = score(x, &references, &is_root, &mut handed_down);
    }
    scores
}

/// `popularity(x)`. `handed_down[p]` becomes `contest(references(p))(x)`, `None` where `p` does not
/// reach `x`; it is scratch space, kept to allocate once.
fn score(
    x: usize,
    references: &[Vec<usize>],
    is_root: &[bool],
    handed_down: &mut [Option<u128>],
) -> u128 {
    handed_down[..=x].fill(None);
    let mut total = u128::from(is_root[x]);
    for p in x + 1..references.len() {
        let mut reaches = None;
        for &child in &references[p] {
            if child == x {
                reaches = Some(reaches.unwrap_or(0_u128).saturating_add(1));
            } else if let Some(below) = handed_down[child] {
                let sum: u128 = reaches.unwrap_or(0);
                reaches = Some(sum.saturating_add(below).saturating_add(1));
            }
        }
        handed_down[p] = reaches;
        if let (true, Some(below)) = (is_root[p], reaches) {
            total = total.saturating_add(below).saturating_add(1);
        }
    }
    total
}

/// All nodes, each behind what it refers to, as far as cycles allow.
fn references_first(graph: &Graph) -> Vec<NodeId> {
    let mut order = Vec::with_capacity(graph.nodes().len());
    let mut seen = vec![false; graph.nodes().len()];
    let mut stack: Vec<(NodeId, usize)> = Vec::new();
    for start in graph.ids() {
        if !std::mem::replace(&mut seen[start.index()], true) {
            stack.push((start, 0));
        }
        while let Some((id, next)) = stack.last_mut() {
            if let Some(&child) = graph.node(*id).references.get(*next) {
                *next += 1;
                if !std::mem::replace(&mut seen[child.index()], true) {
                    stack.push((child, 0));
                }
            } else {
                order.push(*id);
                stack.pop();
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Row, StorePath};

    fn path(name: &str) -> StorePath {
        format!("{}-{name}", "0".repeat(32)).parse().unwrap()
    }

    fn graph(rows: &[(&str, &[&str])]) -> Graph {
        let rows = rows.iter().map(|(name, references)| Row {
            path: path(name),
            nar_size: 1,
            references: references.iter().map(|r| path(r)).collect(),
        });
        Graph::new(rows).unwrap()
    }

    #[test]
    fn scores_as_the_recurrence_says() {
        let graph = graph(&[
            ("A", &["B", "C"]),
            ("B", &["D", "E"]),
            ("C", &["D"]),
            ("D", &["E"]),
            ("E", &[]),
        ]);
        // A alone is a root. B, C: 1 + 1. D: by B and C, each (1 + 1), + 1. E: by B, (1 + (1 + 1))
        // + 1, and C, (1 + 1) + 1, + 1.
        assert_eq!(popularity(&graph), [1, 2, 2, 5, 8]);
    }

    #[test]
    fn a_cycle_ends() {
        let graph = graph(&[("A", &["B"]), ("B", &["C"]), ("C", &["B"])]);
        assert_eq!(by_popularity(&graph).len(), 3);
    }
}
