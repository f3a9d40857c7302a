//! What goes from stage to stage: graphs, by key or in lists, within each other.

use super::subgraph::Subgraph;

#[derive(Clone, Debug)]
pub(super) enum Shape {
    Graph(Subgraph),
    List(Vec<Self>),
    /// Keys are in order, and there are few.
    Keyed(Vec<(String, Self)>),
}

impl Shape {
    pub(super) fn list(graphs: impl IntoIterator<Item = Subgraph>) -> Self {
        Self::List(graphs.into_iter().map(Self::Graph).collect())
    }

    pub(super) fn keyed(graphs: impl IntoIterator<Item = (&'static str, Subgraph)>) -> Self {
        let part = |(key, graph): (&str, _)| (key.to_owned(), Self::Graph(graph));
        Self::Keyed(graphs.into_iter().map(part).collect())
    }

    /// All graphs, from first to last.
    pub(super) fn into_graphs(self) -> Vec<Subgraph> {
        let mut graphs = Vec::new();
        self.append_to(&mut graphs);
        graphs
    }

    fn append_to(self, graphs: &mut Vec<Subgraph>) {
        match self {
            Self::Graph(graph) => graphs.push(graph),
            Self::List(parts) => parts.into_iter().for_each(|part| part.append_to(graphs)),
            Self::Keyed(parts) => parts.into_iter().for_each(|(_, part)| part.append_to(graphs)),
        }
    }

    /// For a message.
    pub(super) fn described(&self) -> String {
        match self {
            Self::Graph(_) => super::error::ONE_GRAPH.into(),
            Self::List(parts) => format!("a list of {}", parts.len()),
            Self::Keyed(parts) => keys(parts),
        }
    }
}

/// The keys, for a message.
pub(super) fn keys(parts: &[(String, Shape)]) -> String {
    let keys: Vec<String> = parts.iter().map(|(key, _)| format!("`{key}`")).collect();
    if keys.is_empty() { "no keys".into() } else { keys.join(", ") }
}
