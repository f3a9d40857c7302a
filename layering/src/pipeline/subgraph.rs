//! Part of a graph, with edges of its own: some stages cut edges as well as nodes.

use crate::strategy::{name_first, popularity};
use crate::{Graph, NodeId, NodeSet, StorePath};

#[derive(Clone, Debug, Default)]
pub(super) struct Subgraph {
    ids: Vec<NodeId>,
    /// By position in `ids`, as positions.
    references: Vec<Vec<usize>>,
}

impl Subgraph {
    /// The nodes of `keep`, the smallest first, ties by path, and the edges among them.
    pub(super) fn new(graph: &Graph, keep: &NodeSet) -> Self {
        let mut ids: Vec<NodeId> = graph.ids().filter(|&id| keep.contains(id)).collect();
        ids.sort_by_key(|&id| graph.node(id).nar_size);
        let mut position = vec![None; graph.nodes().len()];
        for (at, id) in ids.iter().enumerate() {
            position[id.index()] = Some(at);
        }
        let references_of = |&id: &NodeId| {
            graph.node(id).references.iter().filter_map(|to| position[to.index()]).collect()
        };
        let references = ids.iter().map(references_of).collect();
        Self { ids, references }
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub(super) fn into_ids(self) -> Vec<NodeId> {
        self.ids
    }

    #[cfg(test)]
    pub(super) fn edges(&self) -> impl Iterator<Item = (NodeId, NodeId)> {
        let from = |(at, to): (usize, &Vec<usize>)| -> Vec<(NodeId, NodeId)> {
            to.iter().map(|&to| (self.ids[at], self.ids[to])).collect()
        };
        self.references.iter().enumerate().flat_map(from)
    }

    /// Where the nodes of these paths, which are sorted, are. Those that are not in the closure are
    /// passed over, as nixpkgs does: one pipeline may serve several images.
    pub(super) fn positions(&self, graph: &Graph, paths: &[StorePath]) -> Vec<usize> {
        let is_wanted = |&at: &usize| paths.binary_search(&graph.node(self.ids[at]).path).is_ok();
        (0..self.len()).filter(is_wanted).collect()
    }

    /// Where the nodes are that those at `parents` refer to.
    pub(super) fn children(&self, parents: &[usize]) -> Vec<usize> {
        parents.iter().flat_map(|&parent| &self.references[parent]).copied().collect()
    }

    /// The nodes for which `is_in` says so, and the edges among them.
    pub(super) fn part(&self, is_in: impl Fn(usize) -> bool) -> Self {
        self.at(&(0..self.len()).filter(|&at| is_in(at)).collect::<Vec<_>>())
    }

    /// Parts of `count` nodes, the last of what is left.
    pub(super) fn chunks(&self, count: usize) -> Vec<Self> {
        let all: Vec<usize> = (0..self.len()).collect();
        all.chunks(count).map(|positions| self.at(positions)).collect()
    }

    /// The nodes at `positions`, which are sorted. Takes time for these alone.
    fn at(&self, positions: &[usize]) -> Self {
        let among = |to: &usize| positions.binary_search(to).ok();
        let references = |&at: &usize| self.references[at].iter().filter_map(among).collect();
        Self {
            ids: positions.iter().map(|&at| self.ids[at]).collect(),
            references: positions.iter().map(references).collect(),
        }
    }

    /// All nodes of `graphs`. Edges between two of them stay cut.
    pub(super) fn merged(graphs: Vec<Self>) -> Self {
        let mut merged = Self::default();
        for graph in graphs {
            let before = merged.len();
            merged.ids.extend(graph.ids);
            let shifted = graph
                .references
                .into_iter()
                .map(|references| references.into_iter().map(|to| to + before).collect());
            merged.references.extend(shifted);
        }
        merged
    }

    /// The same nodes, without the edges that lead to `targets`, by position.
    pub(super) fn cut_off(&self, targets: &[bool]) -> Self {
        let kept = |references: &Vec<usize>| {
            references.iter().copied().filter(|&to| !targets[to]).collect()
        };
        Self { ids: self.ids.clone(), references: self.references.iter().map(kept).collect() }
    }

    /// The same nodes, with each edge turned round.
    pub(super) fn reversed(&self) -> Self {
        let mut references = vec![Vec::new(); self.len()];
        for (from, to) in self.references.iter().enumerate() {
            for &to in to {
                references[to].push(from);
            }
        }
        Self { ids: self.ids.clone(), references }
    }

    /// By position: whether a way leads there from one of `starts`, which are reached, too.
    pub(super) fn reached(&self, starts: &[usize]) -> Vec<bool> {
        let mut reached = vec![false; self.len()];
        let mut todo = starts.to_vec();
        while let Some(at) = todo.pop() {
            if !std::mem::replace(&mut reached[at], true) {
                todo.extend_from_slice(&self.references[at]);
            }
        }
        reached
    }

    /// The positions that nothing refers to.
    pub(super) fn roots(&self) -> Vec<usize> {
        let mut referred = vec![false; self.len()];
        for &to in self.references.iter().flatten() {
            referred[to] = true;
        }
        (0..self.len()).filter(|&at| !referred[at]).collect()
    }

    /// Each node alone, the most popular in this graph first.
    pub(super) fn by_popularity(self, graph: &Graph) -> Vec<Self> {
        let popularity = popularity(&self.references);
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by_cached_key(|&at| {
            (std::cmp::Reverse(popularity[at]), name_first(&graph.node(self.ids[at]).path))
        });
        let alone = |at: usize| Self { ids: vec![self.ids[at]], references: vec![vec![]] };
        order.into_iter().map(alone).collect()
    }
}
