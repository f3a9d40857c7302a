//! Many images planned together, so that what they share is stored and pulled once.
//!
//! ```text
//! images ──► atoms ─────► merge ──────────► split ──────► FleetPlan ──► a file
//!            same holders fewer, where an   more, where                  │
//!                         image has no room all have room                ▼
//!                                            one image, alone: choose its groups, plan the rest
//! ```
//!
//! A group is the same set of paths in each image that uses it, and so the same layer. What an image
//! uses follows from its own closure, the fleet plan and the budget: images can be built on as many
//! machines as there are.

mod atoms;
mod choose;
mod file;
mod holders;
mod members;
mod merge;
mod report;
mod split;

use crate::{Budget, Graph, NodeSet, StorePath};
use choose::slots;
pub use file::{FleetPlan, FleetPlanError, SharedGroup};
pub use report::{FleetReport, ImageReport};

/// One image of a fleet.
#[derive(Clone, Debug)]
pub struct Image {
    /// What errors and reports call it.
    pub name: String,
    /// Its closure.
    pub graph: Graph,
}

/// Why images make no fleet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum FleetError {
    #[error("images of the fleet: got {got}, expected at least 2 that differ")]
    TooFew { got: usize },
    #[error("`{0}` has no store paths, expected at least one")]
    Empty(String),
    #[error("`{path}` has another size or other references in `{second}` than in `{first}`")]
    Conflict { path: StorePath, first: String, second: String },
}

impl FleetError {
    /// What a user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooFew { .. } => {
                "name several graphs; `closure2img plan --graph FILE` plans a single image"
            }
            Self::Empty(_) => "write it with `nix path-info --json -r ROOT`",
            Self::Conflict { .. } => {
                "write all graphs from one store: a path is the same only if it was built once"
            }
        }
    }
}

impl FleetPlan {
    /// Groups what the images share, so that each of them keeps to `budget`.
    ///
    /// The order of images does not matter. Images of the same closure count as one.
    pub fn new(images: &[Image], budget: Budget) -> Result<Self, FleetError> {
        if let Some(empty) = images.iter().find(|image| image.graph.nodes().is_empty()) {
            return Err(FleetError::Empty(empty.name.clone()));
        }
        let images = different(images);
        if images.len() < 2 {
            return Err(FleetError::TooFew { got: images.len() });
        }
        let atoms = atoms::shared(&images)?;
        let mut alone: Vec<usize> = images.iter().map(|image| image.graph.nodes().len()).collect();
        for atom in &atoms {
            atom.holders.iter().for_each(|image| alone[image] -= atom.paths.len());
        }
        let slots: Vec<usize> = alone.into_iter().map(|alone| slots(alone, budget)).collect();
        let atoms = split::split(merge::merge(atoms, &slots), &images, budget);
        let groups = atoms.into_iter().map(|atom| SharedGroup {
            images: atom.holders.len(),
            nar_size: atom.nar_size,
            paths: atom.paths.into_iter().cloned().collect(),
        });
        Ok(Self::of_groups(budget, groups.collect()).pruned(&images))
    }
}

impl FleetPlan {
    /// Without the groups that fewer than two of `images` have room for.
    fn pruned(self, images: &[&Image]) -> Self {
        let mut users = vec![0; self.groups().len()];
        for image in images {
            for (group, ids) in
                self.used(&image.graph, &NodeSet::all(&image.graph), self.max_layers())
            {
                users[group] += usize::from(ids.len() == self.groups()[group].paths.len());
            }
        }
        let groups = self.groups().iter().zip(users).filter(|&(_, users)| users > 1);
        let groups = groups.map(|(group, images)| SharedGroup { images, ..group.clone() });
        Self::of_groups(self.max_layers(), groups.collect())
    }
}

/// Each closure once, in an order that does not depend on that of the images.
fn different(images: &[Image]) -> Vec<&Image> {
    let mut images: Vec<&Image> = images.iter().collect();
    let paths = |image: &&Image| -> Vec<StorePath> {
        image.graph.nodes().iter().map(|node| node.path.clone()).collect()
    };
    images.sort_by_cached_key(paths);
    images.dedup_by(|a, b| a.graph == b.graph);
    images
}
