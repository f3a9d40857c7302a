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
//! Here a few `x` at a time are scored, each on its own: same numbers, linear memory.

use std::cmp::Reverse;

use crate::{Graph, NodeId, StorePath};

/// All nodes, the most popular first; ties by name, then by hash.
pub fn by_popularity(graph: &Graph) -> Vec<NodeId> {
    let mut order: Vec<NodeId> = graph.ids().collect();
    let references = graph.nodes().iter().map(|node| {
        let references = node.references.iter();
        references.map(|to| to.index()).collect()
    });
    let popularity = popularity(&references.collect::<Vec<_>>());
    order.sort_by_cached_key(|&id| {
        (Reverse(popularity[id.index()]), name_first(&graph.node(id).path))
    });
    order
}

/// What orders paths of the same popularity.
pub(crate) fn name_first(path: &StorePath) -> String {
    // nixpkgs moves `/nix/store/<hash>` behind the name; only its first slash matters, as no name
    // has one.
    format!("{}-/{}", path.name(), path.hash())
}

/// The score of each node of a graph, by index, where `references` has what each refers to. It
/// saturates, where nixpkgs' Python would go on counting, at 2^128 - 1.
pub(crate) fn popularity(references: &[Vec<usize>]) -> Vec<u128> {
    let order = references_first(references);
    let mut position = vec![0; order.len()];
    for (at, &node) in order.iter().enumerate() {
        position[node] = at;
    }
    // References as positions; those that close a cycle are dropped, which nixpkgs cannot have.
    let references: Vec<Vec<usize>> = order
        .iter()
        .enumerate()
        .map(|(at, &node)| {
            let positions = references[node].iter().map(|&to| position[to]);
            positions.filter(|&to| to < at).collect()
        })
        .collect();
    let mut is_root = vec![true; order.len()];
    for &to in references.iter().flatten() {
        is_root[to] = false;
    }
    let mut scores = vec![0; order.len()];
    let mut scratch = vec![[0; LANES]; order.len()];
    for (first, nodes) in (0..).step_by(LANES).zip(order.chunks(LANES)) {
        let block = score(first, &references, &is_root, &mut scratch);
        for (&node, score) in nodes.iter().zip(block) {
            scores[node] = score;
        }
    }
    scores
}

/// How many nodes are scored at once, so that each look at the references serves several.
const LANES: usize = 4;

/// The scores of the nodes `x` at `first` and behind it, a lane for each.
///
/// `scratch[p]` becomes what `p` adds to the score of each `x` where it is handed on: 1 if it is
/// `x`, `contest(references(p))(x) + 1` if it reaches `x`, which is never 0, and 0 if it does not.
fn score(
    first: usize,
    references: &[Vec<usize>],
    is_root: &[bool],
    scratch: &mut [[u128; LANES]],
) -> [u128; LANES] {
    let mut total = [0; LANES];
    for p in first..references.len() {
        let mut sum = [0; LANES];
        // What comes before the first reaches none of them.
        for &child in references[p].iter().filter(|&&child| child >= first) {
            add(&mut sum, &scratch[child]);
        }
        for sum in sum.iter_mut().filter(|sum| **sum > 0) {
            *sum = sum.saturating_add(1);
        }
        if let Some(own) = sum.get_mut(p - first) {
            *own = 1;
        }
        scratch[p] = sum;
        if is_root[p] {
            add(&mut total, &sum);
        }
    }
    total
}

fn add(sum: &mut [u128; LANES], more: &[u128; LANES]) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum = sum.saturating_add(*more);
    }
}

/// All nodes, each behind what it refers to, as far as cycles allow.
fn references_first(references: &[Vec<usize>]) -> Vec<usize> {
    let mut order = Vec::with_capacity(references.len());
    let mut seen = vec![false; references.len()];
    let mut stack: Vec<(usize, usize)> = Vec::new();
    for start in 0..references.len() {
        if !std::mem::replace(&mut seen[start], true) {
            stack.push((start, 0));
        }
        while let Some((node, next)) = stack.last_mut() {
            if let Some(&child) = references[*node].get(*next) {
                *next += 1;
                if !std::mem::replace(&mut seen[child], true) {
                    stack.push((child, 0));
                }
            } else {
                order.push(*node);
                stack.pop();
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::*;
    use crate::{Row, StoreDir};

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

    fn popularity(graph: &Graph) -> Vec<u128> {
        let references = graph.nodes().iter().map(|node| {
            let references = node.references.iter();
            references.map(|to| to.index()).collect()
        });
        super::popularity(&references.collect::<Vec<_>>())
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

    fn scores(graph: &Graph) -> BTreeMap<String, u128> {
        let names = graph.nodes().iter().map(|node| node.path.to_string());
        names.zip(popularity(graph)).collect()
    }

    fn expected(scores: &Value, key: impl Fn(&str) -> String) -> BTreeMap<String, u128> {
        let scores = scores.as_object().unwrap().iter();
        scores.map(|(name, score)| (key(name), score.as_u64().unwrap().into())).collect()
    }

    #[test]
    fn scores_as_nixpkgs_tests_say() {
        let tests = include_str!("../../../fixtures/layering/nixpkgs-tests.json");
        let tests: Value = serde_json::from_str(tests).unwrap();
        for case in tests["popularity"].as_array().unwrap() {
            let edges: Vec<(String, String)> =
                serde_json::from_value(case["edges"].clone()).unwrap();
            let rows = case["expected"].as_object().unwrap().keys().map(|name| {
                let below = edges.iter().filter(|(from, _)| from == name);
                let references: Vec<&str> = below.map(|(_, to)| &**to).collect();
                (name.as_str(), references)
            });
            let rows: Vec<_> = rows.collect();
            let rows: Vec<_> = rows.iter().map(|(name, below)| (*name, &below[..])).collect();
            let expected = expected(&case["expected"], |name| path(name).to_string());
            assert_eq!(scores(&graph(&rows)), expected, "{}", case["name"]);
        }
    }

    #[test]
    fn scores_of_real_closures() {
        for text in [
            include_str!("../../../fixtures/layering/closures/nix-hello-2.10.json"),
            include_str!("../../../fixtures/layering/closures/nix-hello-2.12.1.json"),
            include_str!("../../../fixtures/layering/closures/nix-basic-shell.json"),
            include_str!("../../../fixtures/layering/closures/debian-python-web.json"),
        ] {
            let fixture: Value = serde_json::from_str(text).unwrap();
            let parse = |name: &Value| StoreDir::default().parse(name.as_str().unwrap()).unwrap();
            let rows = fixture["closure"].as_array().unwrap().iter().map(|row| Row {
                path: parse(&row["path"]),
                nar_size: 1,
                references: row["references"].as_array().unwrap().iter().map(parse).collect(),
            });
            let base = |full: &str| full.trim_start_matches("/nix/store/").to_owned();
            let graph = Graph::new(rows).unwrap();
            assert_eq!(scores(&graph), expected(&fixture["popularity"], base));
        }
    }

    /// Each path of a chain of pairs doubles the score of what is below it.
    #[test]
    fn scores_saturate() {
        let name = |level: usize, side: &str| format!("{level:03}{side}");
        let names: Vec<[String; 2]> =
            (0..200).map(|level| [name(level, "a"), name(level, "b")]).collect();
        let below: Vec<Vec<&str>> = (0..200)
            .map(|level| names.get(level + 1).into_iter().flatten().map(|n| &**n).collect())
            .collect();
        let rows: Vec<(&str, &[&str])> = (0..200)
            .flat_map(|level| {
                [(&*names[level][0], &*below[level]), (&*names[level][1], &*below[level])]
            })
            .collect();
        let graph = graph(&rows);
        let scores = popularity(&graph);
        assert_eq!(scores.iter().max(), Some(&u128::MAX));
        assert_eq!(graph.node(by_popularity(&graph)[399]).path, path("000b"));
    }

    #[test]
    fn a_cycle_ends() {
        let graph = graph(&[("A", &["B"]), ("B", &["C"]), ("C", &["B"])]);
        assert_eq!(by_popularity(&graph).len(), 3);
    }
}
