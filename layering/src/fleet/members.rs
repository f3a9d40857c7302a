//! Which paths of an image belong to which group, also when packages have been rebuilt since.
//!
//! A path of the plan that an image has not, but of whose name it has another, has been rebuilt or
//! updated: the other takes its place. So images that are updated together go on to share layers
//! under the plan that they were built with. An image that has all paths of a group gets exactly
//! those.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::FleetPlan;
use crate::{Graph, NodeId, NodeSet, StorePath};

/// For each group of `plan`, the nodes of `keep` that are in it, sorted.
pub(super) fn find(plan: &FleetPlan, graph: &Graph, keep: &NodeSet) -> Vec<Vec<NodeId>> {
    let mut found: Vec<Vec<NodeId>> = vec![Vec::new(); plan.groups().len()];
    let mut strangers = Vec::new();
    for id in graph.ids() {
        match plan.group_of().get(&graph.node(id).path) {
            Some(&group) if keep.contains(id) => found[group].push(id),
            Some(_) => {}
            None => strangers.push(id),
        }
    }
    let gone = plan.group_of().iter().filter(|(path, _)| graph.find(path).is_none());
    let gone = by_name(gone.map(|(path, &group)| (path, group)));
    let strangers = strangers.into_iter().map(|id| (&graph.node(id).path, id));
    for (name, id) in by_name(strangers) {
        if let (Some(id), Some(Some(group))) = (id, gone.get(&name))
            && keep.contains(id)
        {
            found[*group].push(id);
        }
    }
    for ids in &mut found {
        ids.sort_unstable();
    }
    found
}

/// Each name; `None` if several have it.
fn by_name<'a, T>(
    paths: impl Iterator<Item = (&'a StorePath, T)>,
) -> BTreeMap<(&'a str, &'a str), Option<T>> {
    let mut names = BTreeMap::new();
    for (path, value) in paths {
        match names.entry((path.stem(), output(path))) {
            Entry::Vacant(entry) => _ = entry.insert(Some(value)),
            Entry::Occupied(mut entry) => _ = entry.insert(None),
        }
    }
    names
}

/// The output that a name ends with, such as `dev`; empty if it ends with a version.
fn output(path: &StorePath) -> &str {
    let last = path.version().and_then(|version| version.rsplit_once('-'));
    let output = last.map_or("", |(_, output)| output);
    if output.starts_with(|first: char| first.is_ascii_alphabetic()) { output } else { "" }
}
