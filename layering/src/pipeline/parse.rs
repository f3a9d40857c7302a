//! Stages from JSON.

use std::num::NonZeroUsize;

use serde_json::Value;

use super::{PipelineError, SplitAt, Stage};
use crate::StoreDir;
use crate::json::{paths, shown};

/// How each stage is written.
const FORMS: [(&str, &str); 13] = [
    ("subcomponent_out", "[\"subcomponent_out\", [PATH, …]]"),
    ("subcomponent_in", "[\"subcomponent_in\", [PATH, …]]"),
    ("split_paths", "[\"split_paths\", [PATH or {\"children_of\": [PATH, …]}, …]]"),
    ("popularity_contest", "[\"popularity_contest\"]"),
    ("split_every", "[\"split_every\", N] with N at least 1"),
    ("limit_layers", "[\"limit_layers\", N] with N at least 1"),
    ("remove_paths", "[\"remove_paths\", PATH or [PATH, …]]"),
    ("reverse", "[\"reverse\"]"),
    ("flatten", "[\"flatten\"]"),
    ("over", "[\"over\", KEY, STAGE]"),
    ("map", "[\"map\", STAGE]"),
    ("pipe", "[\"pipe\", [STAGE, …]]"),
    ("reorder", "[\"reorder\", [KEY, …]]"),
];

/// Reads a list of stages.
pub(super) fn stages(value: &Value, store: &StoreDir) -> Result<Vec<Stage>, PipelineError> {
    let stages = value.as_array().ok_or_else(|| PipelineError::NoStages(shown(value)))?;
    let stage_at = |(index, value): (usize, &Value)| {
        let name = value.get(0).and_then(Value::as_str).unwrap_or("?");
        stage(value, store).map_err(|error| error.at(index, name))
    };
    stages.iter().enumerate().map(stage_at).collect()
}

fn stage(value: &Value, store: &StoreDir) -> Result<Stage, PipelineError> {
    let parts = value.as_array().map(Vec::as_slice);
    let Some([Value::String(name), arguments @ ..]) = parts else {
        return Err(PipelineError::NoStage(shown(value)));
    };
    let Some((_, expected)) = FORMS.iter().find(|(known, _)| known == name) else {
        let known = FORMS.map(|(known, _)| known).join(", ");
        return Err(PipelineError::Unknown { name: name.clone(), known });
    };
    let wrong = || PipelineError::Arguments { expected, got: shown(value) };
    let path_list = |value: &Value| Ok::<_, PipelineError>(paths(value, store).ok_or_else(wrong)??);
    let count = |value: &Value| {
        let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
        number.and_then(NonZeroUsize::new).ok_or_else(wrong)
    };
    let inner = |value: &Value| stage(value, store).map(Box::new);
    Ok(match (name.as_str(), arguments) {
        ("subcomponent_out", [paths]) => Stage::SubcomponentOut(path_list(paths)?),
        ("subcomponent_in", [paths]) => Stage::SubcomponentIn(path_list(paths)?),
        ("split_paths", [Value::Array(cuts)]) => {
            let cut = |cut: &Value| split_at(cut, store).unwrap_or_else(|| Err(wrong()));
            Stage::SplitPaths(cuts.iter().map(cut).collect::<Result<_, _>>()?)
        }
        ("popularity_contest", []) => Stage::PopularityContest,
        ("split_every", [number]) => Stage::SplitEvery(count(number)?),
        ("limit_layers", [number]) => Stage::LimitLayers(count(number)?),
        ("remove_paths", [Value::String(path)]) => Stage::RemovePaths(vec![store.parse(path)?]),
        ("remove_paths", [paths]) => Stage::RemovePaths(path_list(paths)?),
        ("reverse", []) => Stage::Reverse,
        ("flatten", []) => Stage::Flatten,
        ("over", [Value::String(key), stage]) => Stage::Over(key.clone(), inner(stage)?),
        ("map", [stage]) => Stage::Map(inner(stage)?),
        ("pipe", [list]) => Stage::Pipe(stages(list, store)?),
        ("reorder", [Value::Array(keys)]) => {
            let key = |key: &Value| key.as_str().map(Into::into).ok_or_else(wrong);
            Stage::Reorder(keys.iter().map(key).collect::<Result<_, _>>()?)
        }
        _ => return Err(wrong()),
    })
}

/// `None` if it is neither a path nor a set of children.
fn split_at(value: &Value, store: &StoreDir) -> Option<Result<SplitAt, PipelineError>> {
    if let Value::String(path) = value {
        return Some(store.parse(path).map(SplitAt::Path).map_err(Into::into));
    }
    let object = value.as_object().filter(|object| object.len() == 1)?;
    let parents = match object.get("children_of")? {
        Value::String(path) => store.parse(path).map(|path| vec![path]).map_err(Into::into),
        list => paths(list, store)?.map_err(Into::into),
    };
    Some(parents.map(SplitAt::ChildrenOf))
}
