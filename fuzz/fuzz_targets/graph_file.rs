//! A graph file of any of its formats, then the graph and the plan made from it.

#![no_main]

use closure2img::closure::graph_file;
use layering::{Budget, Graph, Row, StoreDir, Strategy, plan};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(file) = graph_file::parse(bytes, "fuzz", &StoreDir::default()) else { return };
    assert!(file.paths.is_sorted_by(|a, b| a.path < b.path));
    let rows = file.paths.iter().map(|info| Row {
        path: info.path.clone(),
        nar_size: info.nar_size,
        references: info.references.clone(),
    });
    if let Ok(graph) = Graph::new(rows) {
        let plan = plan(&graph, Budget::default(), Strategy::default());
        let placed: usize = plan.layers().iter().map(|layer| layer.paths.len()).sum();
        assert_eq!(placed, file.paths.len());
    }
});
