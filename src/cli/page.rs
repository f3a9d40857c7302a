//! `closure2img plan --report`: the page, written whole or not at all.

use std::io::Write;
use std::path::Path;

use closure2img::closure::Closure;
use closure2img::output::{AtomicFile, OutputError};
use closure2img::report::Report;
use layering::{Graph, Plan};

use super::layers::LayerArgs;

const BASIS: &str = "A path changes with anything in its closure; updates are of the application alone, of one package, or of many at once for security.";

/// Writes a plan's page to `file`.
pub(crate) fn write(
    file: &Path,
    closure: &Closure,
    graph: &Graph,
    plan: &Plan,
    layers: &LayerArgs,
) -> anyhow::Result<()> {
    let names: Vec<&str> = closure.roots.iter().map(|root| root.path.name()).take(ROOTS).collect();
    let more = if closure.roots.len() > ROOTS { ", …" } else { "" };
    let page = Report {
        graph,
        plan,
        store_dir: closure.store_dir(),
        chances: &layering::chances(graph),
        basis: BASIS,
        title: &format!("{}{more}", names.join(", ")),
        budget: layers.max_layers,
        strategy: &layers.strategy.to_string(),
        expected: Some(layering::forecast(graph, plan.layers()).package),
    };
    let mut out = AtomicFile::create(file)?;
    out.write_all(page.html().as_bytes())
        .map_err(|source| OutputError::Write { path: file.into(), source })?;
    Ok(out.commit()?)
}

/// How many roots the title names.
const ROOTS: usize = 3;
