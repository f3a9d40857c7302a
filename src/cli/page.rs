//! `closure2img plan --report`: the page, written whole or not at all.

use std::io::Write;
use std::path::Path;

use closure2img::closure::Closure;
use closure2img::output::{AtomicFile, OutputError};
use closure2img::report::{Report, chances};
use layering::{Graph, Plan};

use super::layers::LayerArgs;

/// How likely a path is to change by itself from one release to the next.
const Q: f64 = 0.005;

const BASIS: &str = "A path changes by itself with likelihood q\u{a0}=\u{a0}0.5\u{a0}%, and with anything in its closure: 1 \u{2212} (1 \u{2212} q)^paths in its closure.";

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
        chances: &chances(graph, Q),
        basis: BASIS,
        title: &format!("{}{more}", names.join(", ")),
        budget: layers.max_layers,
        strategy: &layers.strategy.to_string(),
        expected: None,
    };
    let mut out = AtomicFile::create(file)?;
    out.write_all(page.html().as_bytes())
        .map_err(|source| OutputError::Write { path: file.into(), source })?;
    Ok(out.commit()?)
}

/// How many roots the title names.
const ROOTS: usize = 3;
