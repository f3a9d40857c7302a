//! What the layers of many images cost together.

use std::collections::HashMap;

use super::Image;
use crate::{Plan, StorePath};

/// What a registry holds, and what nodes pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetReport {
    /// In the order of the images.
    pub images: Vec<ImageReport>,
    /// Bytes of all layers of all images, each layer once.
    pub stored: u64,
    /// Bytes of all paths of all images, each path once: nobody can store less.
    pub floor: u64,
}

/// What one image costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageReport {
    /// How many layers it has.
    pub layers: usize,
    /// How many of them another image has, too.
    pub shared_layers: usize,
    /// Bytes of the layers that another image has, too.
    pub shared: u64,
    /// Bytes of the layers that no other has.
    pub own: u64,
    /// What a node pulls that has one other image: the mean over all others.
    pub pull: u64,
}

impl FleetReport {
    /// Of the images and their plans, which are as many.
    pub fn new(images: &[Image], plans: &[Plan]) -> Self {
        // A layer is its paths; images that have it, by number.
        let mut holders: HashMap<&[StorePath], (u64, Vec<usize>)> = HashMap::new();
        for (number, plan) in plans.iter().enumerate() {
            for layer in plan.layers() {
                holders.entry(&layer.paths).or_insert((layer.nar_size, Vec::new())).1.push(number);
            }
        }
        let sizes = images.iter().flat_map(|image| image.graph.nodes());
        let paths: HashMap<&StorePath, u64> =
            sizes.map(|node| (&node.path, node.nar_size)).collect();
        let others = plans.len().saturating_sub(1).max(1);
        let image = |plan: &Plan| {
            let (mut shared_layers, mut shared, mut own, mut had) = (0, 0_u64, 0_u64, 0_u128);
            for layer in plan.layers() {
                let also = holders[&*layer.paths].1.len() - 1;
                if also > 0 {
                    shared_layers += 1;
                    shared = shared.saturating_add(layer.nar_size);
                    had += u128::from(layer.nar_size) * also as u128;
                } else {
                    own = own.saturating_add(layer.nar_size);
                }
            }
            let mean = u64::try_from(had / others as u128).unwrap_or(u64::MAX);
            let pull = shared.saturating_add(own).saturating_sub(mean);
            ImageReport { layers: plan.layers().len(), shared_layers, shared, own, pull }
        };
        Self {
            images: plans.iter().map(image).collect(),
            stored: holders.values().map(|(size, _)| *size).fold(0, u64::saturating_add),
            floor: paths.into_values().fold(0, u64::saturating_add),
        }
    }
}
