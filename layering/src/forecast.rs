//! What updates of an image are expected to cost under a plan, of whichever strategy.

use crate::optimal::{self, Scope};
use crate::{Budget, Graph, Group, NodeSet};

/// Bytes that hosts pull, as far as sizes are known ([`Node::moved_size`](crate::Node)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forecast {
    /// When the application changes and nothing else.
    pub app: u64,
    /// When one package changes and whatever needs it: the mean over all packages.
    pub package: u64,
    /// When a security update touches one package in 32: what is to be expected.
    pub security: u64,
}

/// What updates cost if `layers` are the layers of `graph`. Dead paths move with their layers, and
/// count with their NAR sizes.
pub fn forecast(graph: &Graph, layers: &[Group]) -> Forecast {
    let closure = prepared(graph);
    let packages = closure.packages();
    let mut forecast = [0.0; 3];
    for layer in layers {
        let nodes = layer.paths.iter().filter_map(|path| graph.find(path));
        let Some(joined) = closure.layer(nodes) else { continue };
        let size = joined.size + optimal::bytes(layer.dead_size);
        let expected = joined.likelihoods(packages);
        for (sum, likelihood) in forecast.iter_mut().zip(expected) {
            *sum += size * likelihood;
        }
    }
    let [app, package, security] = forecast.map(optimal::whole);
    Forecast { app, package, security }
}

/// How likely one update is to touch each path, by index of its node: what the default strategy
/// goes by.
pub fn chances(graph: &Graph) -> Vec<f64> {
    let closure = prepared(graph);
    let packages = closure.packages();
    let mut chances = vec![0.0; graph.nodes().len()];
    for (nodes, cluster) in closure.each() {
        let chance = cluster.chance(packages);
        for id in nodes {
            chances[id.index()] = chance;
        }
    }
    chances
}

/// The budget is of no account for how often paths change.
fn prepared(graph: &Graph) -> optimal::Prepared {
    optimal::Prepared::new(graph, &NodeSet::all(graph), Budget::default(), Scope::All)
}
