//! A plan that a person can look at: one HTML file that needs nothing else.
//!
//! Layers and paths as a treemap and a table, and what an update of a path would have every host
//! pull again. What is shown is computed in the page (`page/*.js`) from the graph and the plan,
//! which are in it as JSON. Names of paths may come from anywhere, so that nothing of the data is
//! ever read as HTML, and the page forbids itself all of the network.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use layering::{Budget, Graph, Plan, StoreDir, StorePath};
use registry::Digest;
use serde_json::{Value, json};

const HTML: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = concat!(
    include_str!("page/data.js"),
    include_str!("page/map.js"),
    include_str!("page/panel.js"),
    include_str!("page/table.js"),
    include_str!("page/page.js"),
);

/// What a report tells of.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The closure.
    pub graph: &'a Graph,
    /// Its layers.
    pub plan: &'a Plan,
    /// What its paths are called.
    pub store_dir: &'a StoreDir,
    /// For each node of the graph, how likely an update touches it: 0 to 1.
    pub chances: &'a [f64],
    /// How the likelihoods came about, one sentence.
    pub basis: &'a str,
    /// What the closure is of.
    pub title: &'a str,
    /// The most layers that there may be.
    pub budget: Budget,
    /// How paths were grouped.
    pub strategy: &'a str,
    /// Bytes that are expected to be pulled when one package changes, if anybody knows.
    pub expected: Option<u64>,
}

impl Report<'_> {
    /// The page.
    pub fn html(&self) -> String {
        // Each mark stands once, and what is put in is not searched again.
        let policy = format!(
            "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; base-uri 'none'; form-action 'none'",
            source(SCRIPT),
            source(STYLE)
        );
        let data = script_safe(&self.data());
        let title = text_safe(self.title);
        let parts = BTreeMap::from([
            ("policy", policy.as_str()),
            ("title", &title),
            ("style", STYLE),
            ("data", &data),
            ("script", SCRIPT),
        ]);
        let mut page = String::with_capacity(HTML.len() + STYLE.len() + SCRIPT.len() + data.len());
        let mut pieces = HTML.split("@@");
        while let Some(text) = pieces.next() {
            page.push_str(text);
            page.push_str(
                pieces.next().and_then(|mark| parts.get(mark)).copied().unwrap_or_default(),
            );
        }
        page
    }

    fn data(&self) -> Value {
        let nodes = self.graph.nodes();
        let place: BTreeMap<&StorePath, usize> =
            nodes.iter().enumerate().map(|(index, node)| (&node.path, index)).collect();
        let layers = self.plan.layers().iter().map(|layer| {
            layer.paths.iter().filter_map(|path| place.get(path)).copied().collect::<Vec<_>>()
        });
        let references = nodes.iter().map(|node| {
            node.references.iter().map(|reference| reference.index()).collect::<Vec<_>>()
        });
        json!({
            "title": self.title,
            "store": self.store_dir.as_str(),
            "strategy": self.strategy,
            "budget": self.budget.get(),
            "expected": self.expected,
            "basis": self.basis,
            "names": nodes.iter().map(|node| node.path.as_str()).collect::<Vec<_>>(),
            "stems": nodes.iter().map(|node| node.path.stem()).collect::<Vec<_>>(),
            "sizes": nodes.iter().map(|node| node.nar_size).collect::<Vec<_>>(),
            "references": references.collect::<Vec<_>>(),
            "chances": self.chances,
            "layers": layers.collect::<Vec<_>>(),
            "dead": self.plan.dead().map(StorePath::as_str).collect::<Vec<_>>(),
            "deadSize": self.plan.dead_size(),
        })
    }
}

/// How a policy names a script or style that stands in the page.
fn source(text: &str) -> String {
    format!("sha256-{}", BASE64.encode(Digest::of(text.as_bytes()).as_bytes()))
}

/// JSON that no name in it can end the script element of.
fn script_safe(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c")
}

fn text_safe(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use layering::{Row, Strategy};

    use super::*;

    fn graph() -> Graph {
        let path = |name: &str| format!("{:0>32}-{name}", 1).parse::<StorePath>().unwrap();
        let row = |name: &str, references: &[&str]| Row {
            path: path(name),
            nar_size: 7,
            references: references.iter().map(|name| path(name)).collect(),
        };
        Graph::new([row("app", &["lib", "libc"]), row("lib", &["libc"]), row("libc", &["libc"])])
            .unwrap()
    }

    #[test]
    fn no_text_ends_the_data() {
        let graph = graph();
        let budget = Budget::default();
        let plan = layering::plan(&graph, budget, Strategy::Popularity);
        let evil = "</script><script>alert(1)</script>@@script@@";
        let chances = layering::chances(&graph);
        let report = Report {
            graph: &graph,
            plan: &plan,
            store_dir: &StoreDir::default(),
            chances: &chances,
            basis: evil,
            title: evil,
            budget,
            strategy: "popularity",
            expected: None,
        };
        let page = report.html();
        assert!(!page.contains("<script>alert"), "{page}");
        assert_eq!(page.matches("</script>").count(), 2);
        let (_, rest) = page.split_once(r#"type="application/json">"#).unwrap();
        let (data, _) = rest.split_once("</script>").unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["basis"], evil);
        assert_eq!(data["layers"].as_array().unwrap().len(), 3);
        assert_eq!(data["references"][0], json!([1, 2]));
    }
}
