//! The fleet plan as a value and as a file.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::json::{paths, shown};
use crate::{Budget, StoreDir, StoreDirError, StorePath};

/// Paths that several images have as one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedGroup {
    /// Its paths, sorted, never empty.
    pub paths: Vec<StorePath>,
    /// Sum of their NAR sizes, in bytes.
    pub nar_size: u64,
    /// How many images of the fleet use it.
    pub images: usize,
}

/// What the images of a fleet share: all that the plan of one of them needs to know of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetPlan {
    max_layers: Budget,
    /// What most images hold first, then the largest.
    groups: Vec<SharedGroup>,
    /// The group of each path, by index.
    group_of: BTreeMap<StorePath, usize>,
}

/// Why JSON is no fleet plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum FleetPlanError {
    #[error("`{key}`: got {got}, expected {expected}")]
    Field { key: &'static str, got: String, expected: &'static str },
    #[error("group {number}: `{key}`: got {got}, expected {expected}")]
    Group { number: usize, key: &'static str, got: String, expected: &'static str },
    #[error("group {number}: {error}")]
    Path { number: usize, error: StoreDirError },
    #[error("`{path}` is in group {first} and again in group {second}")]
    Twice { path: String, first: usize, second: usize },
}

impl FleetPlan {
    /// Sorts the groups, of which no two have a path in common.
    pub(super) fn of_groups(max_layers: Budget, mut groups: Vec<SharedGroup>) -> Self {
        groups.sort_by(|a, b| {
            let key = |group: &SharedGroup| (Reverse(group.images), Reverse(group.nar_size));
            key(a).cmp(&key(b)).then_with(|| a.paths.cmp(&b.paths))
        });
        let of_group = |(index, group): (usize, &SharedGroup)| {
            group.paths.iter().map(|path| (path.clone(), index)).collect::<Vec<_>>()
        };
        let group_of = groups.iter().enumerate().flat_map(of_group).collect();
        Self { max_layers, groups, group_of }
    }

    /// The budget that it was made for; another works, too.
    pub fn max_layers(&self) -> Budget {
        self.max_layers
    }

    /// The groups, bottom first: what most images hold, then the largest.
    pub fn groups(&self) -> &[SharedGroup] {
        &self.groups
    }

    /// The group of each path, by index.
    pub(super) fn group_of(&self) -> &BTreeMap<StorePath, usize> {
        &self.group_of
    }

    /// The plan as JSON; keys and paths are sorted, so that equal plans are equal bytes.
    pub fn to_json(&self, store: &StoreDir) -> Value {
        let groups = self.groups.iter().map(|group| {
            let paths: Vec<String> = group.paths.iter().map(|path| store.join(path)).collect();
            json!({"paths": paths, "nar_size": group.nar_size, "images": group.images})
        });
        json!({
            "version": 1,
            "kind": "fleet",
            "max_layers": self.max_layers.get(),
            "groups": groups.collect::<Vec<_>>(),
        })
    }

    /// Reads what [`to_json`](Self::to_json) writes. The paths are in `store`.
    pub fn from_json(value: &Value, store: &StoreDir) -> Result<Self, FleetPlanError> {
        let field = |key: &'static str, expected| {
            let got = value.get(key).map_or_else(|| "nothing".into(), shown);
            FleetPlanError::Field { key, got, expected }
        };
        if value["kind"] != "fleet" {
            return Err(field("kind", "\"fleet\", as `plan --fleet` writes it"));
        }
        if value["version"] != 1 {
            return Err(field("version", "1"));
        }
        let max_layers = number(&value["max_layers"]).and_then(|layers| Budget::new(layers).ok());
        let max_layers = max_layers.ok_or_else(|| field("max_layers", "a number from 1 to 127"))?;
        let groups = value["groups"].as_array().ok_or_else(|| field("groups", "a list"))?;
        let mut seen: BTreeMap<StorePath, usize> = BTreeMap::new();
        let groups = groups.iter().enumerate().map(|(index, value)| {
            let group = group(index + 1, value, store)?;
            for path in &group.paths {
                if let Some(first) = seen.insert(path.clone(), index + 1) {
                    let (path, second) = (store.join(path), index + 1);
                    return Err(FleetPlanError::Twice { path, first, second });
                }
            }
            Ok(group)
        });
        Ok(Self::of_groups(max_layers, groups.collect::<Result<_, _>>()?))
    }
}

fn group(number_: usize, value: &Value, store: &StoreDir) -> Result<SharedGroup, FleetPlanError> {
    let field = |key: &'static str, expected| {
        let got = value.get(key).map_or_else(|| "nothing".into(), shown);
        FleetPlanError::Group { number: number_, key, got, expected }
    };
    let expected = "a list of store paths, each once and at least one";
    let listed = value["paths"].as_array().map_or(0, Vec::len);
    let paths = paths(&value["paths"], store)
        .ok_or_else(|| field("paths", expected))?
        .map_err(|error| FleetPlanError::Path { number: number_, error })?;
    if paths.is_empty() || paths.len() != listed {
        return Err(field("paths", expected));
    }
    Ok(SharedGroup {
        paths,
        nar_size: value["nar_size"]
            .as_u64()
            .ok_or_else(|| field("nar_size", "a number of bytes"))?,
        images: number(&value["images"])
            .filter(|&images| images > 0)
            .ok_or_else(|| field("images", "a number from 1"))?,
    })
}

fn number(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|number| usize::try_from(number).ok())
}
