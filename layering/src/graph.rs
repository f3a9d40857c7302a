//! A closure as a graph: store paths, their sizes and who refers to whom.

use std::collections::BTreeMap;

use crate::StorePath;

/// One path of a closure, as a store's database or a graph file tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The path.
    pub path: StorePath,
    /// Size of its NAR serialisation, in bytes.
    pub nar_size: u64,
    /// What it refers to, in any order; itself among them or not.
    pub references: Vec<StorePath>,
}

/// Index of a node in its graph. Nodes are sorted by path, so ids order as paths do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(usize);

impl NodeId {
    /// Position in [`Graph::nodes`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// A path within its graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The path.
    pub path: StorePath,
    /// Size of its NAR serialisation, in bytes.
    pub nar_size: u64,
    /// Bytes that a pull of it moves, as far as is known: compressed, or else its NAR size.
    pub moved_size: u64,
    /// What it refers to: sorted, without repeats, without itself.
    pub references: Vec<NodeId>,
}

/// Paths closed under references: whatever a path refers to is there too.
///
/// Two graphs of the same rows are equal, whatever the order of rows and references.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    nodes: Vec<Node>,
}

/// Why rows do not make a graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum GraphError {
    #[error("`{from}` refers to `{to}`, which is not in the closure")]
    Dangling { from: StorePath, to: StorePath },
    #[error("`{0}` is in the closure twice, with different sizes or references")]
    Conflict(StorePath),
}

impl Graph {
    /// Checks that `rows` are closed under references, and sorts them.
    ///
    /// A row that stands there twice is taken once if both say the same.
    pub fn new(rows: impl IntoIterator<Item = Row>) -> Result<Self, GraphError> {
        let mut sorted: BTreeMap<StorePath, (u64, Vec<StorePath>)> = BTreeMap::new();
        for Row { path, nar_size, mut references } in rows {
            references.retain(|reference| *reference != path);
            references.sort();
            references.dedup();
            let new = (nar_size, references);
            match sorted.get(&path) {
                Some(old) if *old != new => return Err(GraphError::Conflict(path)),
                _ => sorted.insert(path, new),
            };
        }
        let ids: BTreeMap<&StorePath, NodeId> =
            sorted.keys().enumerate().map(|(index, path)| (path, NodeId(index))).collect();
        let nodes = sorted
            .iter()
            .map(|(path, (nar_size, references))| {
                let id_of = |to: &StorePath| {
                    ids.get(to)
                        .copied()
                        .ok_or_else(|| GraphError::Dangling { from: path.clone(), to: to.clone() })
                };
                let references = references.iter().map(id_of).collect::<Result<_, _>>()?;
                let (path, nar_size) = (path.clone(), *nar_size);
                Ok(Node { path, nar_size, moved_size: nar_size, references })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { nodes })
    }

    /// The same, with what is known of how many bytes a pull of each path moves.
    #[must_use]
    pub fn with_moved_sizes(mut self, size: impl Fn(&Node) -> u64) -> Self {
        for node in &mut self.nodes {
            node.moved_size = size(node);
        }
        self
    }

    /// All nodes, sorted by path.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node with this id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// Sum of the NAR sizes of some nodes, in bytes; sizes may be anything.
    pub fn nar_size(&self, ids: impl IntoIterator<Item = NodeId>) -> u64 {
        ids.into_iter().map(|id| self.node(id).nar_size).fold(0, u64::saturating_add)
    }

    /// The node of this path.
    pub fn find(&self, path: &StorePath) -> Option<NodeId> {
        self.nodes.binary_search_by(|node| node.path.cmp(path)).ok().map(NodeId)
    }

    /// All ids, in the order of [`nodes`](Self::nodes).
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId)
    }

    /// The nodes that no other node refers to, in the order of [`nodes`](Self::nodes).
    pub fn roots(&self) -> Vec<NodeId> {
        let mut referred = vec![false; self.nodes.len()];
        for reference in self.nodes.iter().flat_map(|node| &node.references) {
            referred[reference.0] = true;
        }
        self.ids().filter(|id| !referred[id.0]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> StorePath {
        format!("{}-{name}", "0".repeat(32)).parse().unwrap()
    }

    fn row(name: &str, nar_size: u64, references: &[&str]) -> Row {
        Row { path: path(name), nar_size, references: references.iter().map(|r| path(r)).collect() }
    }

    #[test]
    fn is_the_same_for_any_order() {
        let a = Graph::new([row("a", 1, &["b", "c", "a"]), row("b", 2, &["c"]), row("c", 3, &[])]);
        let b =
            Graph::new([row("c", 3, &["c"]), row("b", 2, &["c"]), row("a", 1, &["c", "b", "b"])]);
        assert_eq!(a, b);
        assert_eq!(a.unwrap().roots(), [NodeId(0)]);
    }

    #[test]
    fn a_reference_to_nowhere_is_named() {
        let error = Graph::new([row("a", 1, &["b"])]).unwrap_err();
        assert_eq!(error, GraphError::Dangling { from: path("a"), to: path("b") });
    }

    #[test]
    fn a_repeated_row_must_agree() {
        assert!(Graph::new([row("a", 1, &[]), row("a", 1, &["a"])]).is_ok());
        let error = Graph::new([row("a", 1, &[]), row("a", 2, &[])]).unwrap_err();
        assert_eq!(error, GraphError::Conflict(path("a")));
    }
}
