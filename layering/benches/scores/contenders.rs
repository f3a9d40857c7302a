//! Who is compared: every strategy of the product, and peers that need data no store has.

use std::collections::BTreeMap;

use layering::{Budget, Group, NodeId, StorePath, Strategy, plan};

use crate::check::check;
use crate::graphs::Closure;

/// One column of the table.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    plan: Box<Planner>,
}

type Planner = dyn Fn(&Closure, Budget) -> Vec<Group>;

/// Every column; a new strategy of the product is among them by itself.
pub(crate) fn contenders() -> Vec<Contender> {
    let ours = Strategy::ALL.into_iter().map(|strategy| {
        let plan = move |closure: &Closure, budget| {
            plan(&closure.graph, budget, strategy).layers().to_vec()
        };
        Contender { name: strategy.name(), plan: Box::new(plan) }
    });
    let peers = [
        Contender { name: "single", plan: Box::new(single) },
        Contender { name: "apko", plan: Box::new(apko) },
        Contender { name: "floor", plan: Box::new(floor) },
    ];
    ours.chain(peers).collect()
}

impl Contender {
    /// The layers, bottom first, once they were checked.
    pub(crate) fn checked_plan(&self, closure: &Closure, budget: Budget) -> Vec<Group> {
        let layers = (self.plan)(closure, budget);
        check(self.name, &closure.graph, &layers);
        layers
    }
}

/// Everything in one layer.
fn single(closure: &Closure, _: Budget) -> Vec<Group> {
    vec![group(closure, closure.graph.ids())]
}

/// The floor that nobody can go below: a layer for each path, and no budget.
fn floor(closure: &Closure, _: Budget) -> Vec<Group> {
    closure.graph.ids().map(|id| group(closure, [id])).collect()
}

/// apko's `origin`: paths of one source package together, the biggest groups first, the rest
/// together. It has package databases to look into; a store does not say where a path is from.
fn apko(closure: &Closure, budget: Budget) -> Vec<Group> {
    let mut of_source: BTreeMap<&str, Vec<NodeId>> = BTreeMap::new();
    for id in closure.graph.ids() {
        let source = closure.sources[id.index()].as_deref();
        let source = source.unwrap_or(closure.graph.node(id).path.as_str());
        of_source.entry(source).or_default().push(id);
    }
    let mut groups: Vec<Group> = of_source.into_values().map(|ids| group(closure, ids)).collect();
    groups.sort_by(|a, b| b.nar_size.cmp(&a.nar_size).then(a.paths.last().cmp(&b.paths.last())));
    if groups.len() > budget.get() {
        let rest = groups.split_off(budget.get() - 1);
        let mut paths: Vec<StorePath> = rest.iter().flat_map(|g| g.paths.clone()).collect();
        paths.sort();
        let nar_size = rest.iter().map(|group| group.nar_size).sum();
        groups.push(Group { paths, nar_size, ..Group::default() });
    }
    groups
}

/// `ids` ascend, and so do paths.
fn group(closure: &Closure, ids: impl IntoIterator<Item = NodeId>) -> Group {
    let nodes = ids.into_iter().map(|id| closure.graph.node(id));
    let (paths, sizes): (Vec<StorePath>, Vec<u64>) =
        nodes.map(|node| (node.path.clone(), node.nar_size)).unzip();
    Group { paths, nar_size: sizes.iter().sum(), ..Group::default() }
}
