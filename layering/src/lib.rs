//! Which store paths share an image layer.
//!
//! A container image moves as whole layers: change one path of a layer, and every byte of that
//! layer is pulled again. This crate decides the grouping. It is pure: no files, no network, no
//! clock, no randomness; the same graph, with its rows in any order, gives the same plan.
//!
//! ```
//! use layering::{Budget, Graph, Row, Strategy, StorePath, plan};
//!
//! let path = |name: &str| -> StorePath { format!("{:0>32}-{name}", 1).parse().unwrap() };
//! let graph = Graph::new([
//!     Row { path: path("app"), nar_size: 10, references: vec![path("libc")] },
//!     Row { path: path("libc"), nar_size: 90, references: vec![] },
//! ])?;
//! let plan = plan(&graph, Budget::new(100)?, Strategy::Popularity);
//! assert_eq!(plan.layers()[0].paths, [path("libc")]); // most shared at the bottom
//! assert_eq!(plan.layers()[1].paths, [path("app")]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`StorePath`], [`StoreDir`]: the names of things in a store, parsed once.
//! - [`Graph`]: a closure, that is, a set of paths closed under references.
//! - [`plan()`]: graph, budget and strategy to [`Plan`]. It cannot fail.
//! - [`plan_around()`]: the same with layers made [by hand](ByHand), or by a [`Pipeline`].
//! - [`fleet`]: many images, so that what they share is the same layer in each.

mod budget;
mod by_hand;
pub mod fleet;
mod forecast;
mod graph;
mod json;
mod memory;
mod node_set;
mod optimal;
mod pipeline;
mod plan;
mod store_dir;
mod store_path;
mod strategy;

pub use budget::{Budget, BudgetError};
pub use by_hand::{ByHand, ByHandError, Globs, GlobsError, PathLists, PathListsError};
pub use forecast::{Forecast, chances, forecast};
pub use graph::{Graph, GraphError, Node, NodeId, Row};
pub use memory::{Memory, Remembered, Waste, WasteError};
pub use node_set::NodeSet;
pub use pipeline::{Pipeline, PipelineError};
pub use plan::{Group, Plan, PlanError, Planner, plan, plan_around};
pub use store_dir::{StoreDir, StoreDirError};
pub use store_path::{StorePath, StorePathError};
pub use strategy::{Strategy, UnknownStrategy, by_popularity};
