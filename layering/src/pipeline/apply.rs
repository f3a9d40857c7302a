//! What stages do.

use super::error::{ONE_GRAPH, PARTS};
use super::shape::{self, Shape};
use super::split;
use super::subgraph::Subgraph;
use super::{PipelineError, SplitAt, Stage};
use crate::Graph;

/// Applies `stages` one after another.
pub(super) fn all(stages: &[Stage], input: Shape, graph: &Graph) -> Result<Shape, PipelineError> {
    stages.iter().enumerate().try_fold(input, |shape, (index, stage)| {
        one(stage, shape, graph).map_err(|error| error.at(index, stage.name()))
    })
}

fn one(stage: &Stage, input: Shape, graph: &Graph) -> Result<Shape, PipelineError> {
    Ok(match stage {
        Stage::SubcomponentOut(paths) => {
            let part = one_graph(input)?;
            let main = part.reached(&part.positions(graph, paths));
            split::main_and_rest(&part, &main)
        }
        Stage::SubcomponentIn(paths) => {
            let part = one_graph(input)?;
            let main = part.reversed().reached(&part.positions(graph, paths));
            split::main_and_rest(&part, &main)
        }
        Stage::SplitPaths(cuts) => {
            let part = one_graph(input)?;
            let cuts: Vec<usize> =
                cuts.iter().flat_map(|cut| positions(&part, graph, cut)).collect();
            split::split_paths(part, &cuts)
        }
        Stage::PopularityContest => Shape::list(one_graph(input)?.by_popularity(graph)),
        Stage::SplitEvery(count) => Shape::list(one_graph(input)?.chunks(count.get())),
        Stage::LimitLayers(most) => limit_layers(list(input)?, most.get())?,
        Stage::RemovePaths(paths) => {
            let part = one_graph(input)?;
            let gone = part.positions(graph, paths);
            Shape::Graph(part.part(|at| gone.binary_search(&at).is_err()))
        }
        Stage::Reverse => Shape::List(list(input)?.into_iter().rev().collect()),
        Stage::Flatten => Shape::list(input.into_graphs()),
        Stage::Over(key, stage) => over(key, stage, input, graph)?,
        Stage::Map(stage) => {
            let parts = list(input)?.into_iter().map(|part| one(stage, part, graph));
            Shape::List(parts.collect::<Result<_, _>>()?)
        }
        Stage::Pipe(stages) => all(stages, input, graph)?,
        Stage::Reorder(keys) => reorder(keys, input),
    })
}

fn one_graph(input: Shape) -> Result<Subgraph, PipelineError> {
    match input {
        Shape::Graph(graph) => Ok(graph),
        other => Err(PipelineError::Shape { expected: ONE_GRAPH, got: other.described() }),
    }
}

fn list(input: Shape) -> Result<Vec<Shape>, PipelineError> {
    match input {
        Shape::List(parts) => Ok(parts),
        other => Err(PipelineError::Shape { expected: "a list", got: other.described() }),
    }
}

fn positions(part: &Subgraph, graph: &Graph, cut: &SplitAt) -> Vec<usize> {
    match cut {
        SplitAt::Path(path) => part.positions(graph, std::slice::from_ref(path)),
        SplitAt::ChildrenOf(parents) => part.children(&part.positions(graph, parents)),
    }
}

fn limit_layers(mut parts: Vec<Shape>, most: usize) -> Result<Shape, PipelineError> {
    if parts.len() > most {
        let rest = parts.split_off(most - 1).into_iter().map(|part| match part {
            Shape::Graph(graph) => Ok(graph),
            other => Err(PipelineError::Shape {
                expected: "a list of graphs",
                got: format!("{} in it", other.described()),
            }),
        });
        parts.push(Shape::Graph(Subgraph::merged(rest.collect::<Result<_, _>>()?)));
    }
    Ok(Shape::List(parts))
}

fn over(key: &str, stage: &Stage, input: Shape, graph: &Graph) -> Result<Shape, PipelineError> {
    let Shape::Keyed(mut parts) = input else {
        return Err(PipelineError::Shape { expected: PARTS, got: input.described() });
    };
    let Some(part) = parts.iter_mut().find(|(known, _)| known == key) else {
        return Err(PipelineError::NoKey { key: key.into(), known: shape::keys(&parts) });
    };
    let value = std::mem::replace(&mut part.1, Shape::List(Vec::new()));
    part.1 = one(stage, value, graph)?;
    Ok(Shape::Keyed(parts))
}

fn reorder(keys: &[String], input: Shape) -> Shape {
    let Shape::Keyed(mut parts) = input else { return input };
    // Stable: what is not named keeps its order behind what is.
    parts.sort_by_key(|(key, _)| keys.iter().position(|k| k == key).unwrap_or(keys.len()));
    Shape::Keyed(parts)
}
