//! Some of a graph's nodes.

use crate::{Graph, NodeId};

/// A set of nodes of one graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSet {
    /// By index.
    members: Vec<bool>,
    len: usize,
}

impl NodeSet {
    /// Every node of `graph`.
    pub fn all(graph: &Graph) -> Self {
        let len = graph.nodes().len();
        Self { members: vec![true; len], len }
    }

    /// No node of `graph`, and room for each.
    pub fn none(graph: &Graph) -> Self {
        Self { members: vec![false; graph.nodes().len()], len: 0 }
    }

    /// Adds `id`; false if it was there.
    pub fn insert(&mut self, id: NodeId) -> bool {
        let was_there = std::mem::replace(&mut self.members[id.index()], true);
        self.len += usize::from(!was_there);
        !was_there
    }

    /// Takes `id` out; false if it was not there.
    pub fn remove(&mut self, id: NodeId) -> bool {
        let was_there = std::mem::take(&mut self.members[id.index()]);
        self.len -= usize::from(was_there);
        was_there
    }

    /// Whether `id` is among them.
    pub fn contains(&self, id: NodeId) -> bool {
        self.members[id.index()]
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Row;

    #[test]
    fn counts_each_node_once() {
        let path = "00000000000000000000000000000000-a".parse().unwrap();
        let graph = Graph::new([Row { path, nar_size: 1, references: vec![] }]).unwrap();
        let [id] = graph.ids().collect::<Vec<_>>()[..] else { panic!("one node") };
        let mut set = NodeSet::none(&graph);
        assert!(set.is_empty() && !set.contains(id) && !set.remove(id));
        assert!(set.insert(id) && !set.insert(id));
        assert_eq!(set, NodeSet::all(&graph));
        assert!(set.remove(id));
        assert_eq!(set.len(), 0);
    }
}
