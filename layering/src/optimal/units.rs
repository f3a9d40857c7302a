//! What can only change together: paths that refer to each other in a cycle are one unit.

use super::causes::Causes;
use crate::{Graph, NodeId};

/// The paths of a cycle, or one path that is in none.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    /// Sorted.
    pub(super) nodes: Vec<NodeId>,
    /// Units that it refers to: sorted, without repeats, without itself.
    pub(super) references: Vec<usize>,
    /// What changes it.
    pub(super) causes: Causes,
}

/// The units of `graph`, each behind all that it refers to.
pub(super) fn units(graph: &Graph) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let mut unit_of = vec![usize::MAX; graph.nodes().len()];
    for nodes in components(graph) {
        let number = units.len();
        let mut causes = Causes::none();
        for &id in &nodes {
            unit_of[id.index()] = number;
            causes.insert(&graph.node(id).path);
        }
        let all = nodes.iter().flat_map(|&id| &graph.node(id).references);
        let mut references: Vec<usize> = all.map(|to| unit_of[to.index()]).collect();
        references.sort_unstable();
        references.dedup();
        references.retain(|&to| to != number);
        for &to in &references {
            causes |= &units[to].causes;
        }
        units.push(Unit { nodes, references, causes });
    }
    units
}

/// Strongly connected components, each behind those that it reaches (Tarjan's algorithm, without
/// recursion, since closures are deep).
fn components(graph: &Graph) -> Vec<Vec<NodeId>> {
    const UNSEEN: usize = usize::MAX;
    let count = graph.nodes().len();
    let (mut seen_as, mut low) = (vec![UNSEEN; count], vec![0; count]);
    let mut on_stack = vec![false; count];
    let (mut stack, mut components) = (Vec::new(), Vec::new());
    let mut seen = 0;
    for start in graph.ids() {
        let mut path = vec![(start, 0)];
        while let Some((id, next)) = path.pop() {
            let here = id.index();
            if next == 0 {
                if seen_as[here] != UNSEEN {
                    continue;
                }
                (seen_as[here], low[here]) = (seen, seen);
                seen += 1;
                stack.push(id);
                on_stack[here] = true;
            } else {
                let child = graph.node(id).references[next - 1].index();
                if on_stack[child] {
                    low[here] = low[here].min(low[child]);
                }
            }
            if let Some(&to) = graph.node(id).references.get(next) {
                path.push((id, next + 1));
                path.push((to, 0));
            } else if low[here] == seen_as[here] {
                let first = stack.iter().rposition(|&member| member == id).unwrap_or(0);
                let mut component = stack.split_off(first);
                for member in &component {
                    on_stack[member.index()] = false;
                }
                component.sort_unstable();
                components.push(component);
            }
        }
    }
    components
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Row;

    fn graph(rows: &[(&str, &[&str])]) -> Graph {
        let path = |name: &str| format!("{:0>32}-{name}", 1).parse().unwrap();
        Graph::new(rows.iter().map(|(name, references)| Row {
            path: path(name),
            nar_size: 1,
            references: references.iter().map(|name| path(name)).collect(),
        }))
        .unwrap()
    }

    fn names(graph: &Graph, unit: &Unit) -> String {
        unit.nodes.iter().map(|&id| graph.node(id).path.name()).collect()
    }

    #[test]
    fn what_is_referred_to_comes_first() {
        let graph = graph(&[("a", &["b", "c"]), ("b", &["d"]), ("c", &["d"]), ("d", &[])]);
        let units = units(&graph);
        assert_eq!(units.len(), 4);
        for (number, unit) in units.iter().enumerate() {
            assert!(unit.references.iter().all(|&to| to < number));
        }
        assert_eq!(names(&graph, &units[3]), "a");
        assert_eq!(units[3].causes.len(), 4);
    }

    #[test]
    fn a_cycle_is_one_unit() {
        let graph =
            graph(&[("a", &["b"]), ("b", &["c", "d"]), ("c", &["a"]), ("d", &[]), ("e", &["b"])]);
        let units = units(&graph);
        let found: Vec<String> = units.iter().map(|unit| names(&graph, unit)).collect();
        assert_eq!(found, ["d", "abc", "e"]);
        assert_eq!(units[1].references, [0]);
        assert_eq!(units[1].causes.len(), 4);
    }

    #[test]
    fn two_cycles_that_meet_are_one() {
        let graph = graph(&[("a", &["b"]), ("b", &["a", "c"]), ("c", &["b"])]);
        assert_eq!(units(&graph).len(), 1);
    }
}
