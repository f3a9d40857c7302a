//! Stages that cut one graph into parts with names.

use super::shape::Shape;
use super::subgraph::Subgraph;

/// `main` for the positions that `is_main` has, `rest` for the others; both even if empty.
pub(super) fn main_and_rest(graph: &Subgraph, is_main: &[bool]) -> Shape {
    Shape::keyed([("main", graph.part(|at| is_main[at])), ("rest", graph.part(|at| !is_main[at]))])
}

/// `split_paths` at these positions. Parts with nothing in them are left out.
///
/// nixpkgs reaches `rest` from the roots; here it is whatever is not below a cut, which is the same
/// but for cycles that no root leads to.
pub(super) fn split_paths(graph: Subgraph, cuts: &[usize]) -> Shape {
    if cuts.is_empty() {
        return Shape::keyed([("rest", graph)]);
    }
    let roots = graph.roots();
    if let [root] = roots[..]
        && cuts.contains(&root)
    {
        return Shape::keyed([("main", graph)]);
    }
    let split_off = graph.reached(cuts);
    let mut is_cut = vec![false; graph.len()];
    for &at in cuts {
        is_cut[at] = true;
    }
    let graph = graph.cut_off(&is_cut);
    let roots: Vec<usize> = roots.into_iter().filter(|&root| !is_cut[root]).collect();
    let elsewhere = graph.reached(&roots);
    let parts = [
        ("main", graph.part(|at| split_off[at] && !elsewhere[at])),
        ("common", graph.part(|at| split_off[at] && elsewhere[at])),
        ("rest", graph.part(|at| !split_off[at])),
    ];
    Shape::keyed(parts.into_iter().filter(|(_, part)| !part.is_empty()))
}
