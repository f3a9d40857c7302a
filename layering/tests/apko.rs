//! The peer that only the bench has, against its own test cases: or its scores say nothing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "the bench uses all of its files")]

#[path = "../benches/scores/check.rs"]
mod check;
#[path = "../benches/scores/contenders.rs"]
mod contenders;
#[path = "../benches/scores/graphs.rs"]
mod graphs;

use std::path::Path;

use layering::{Budget, Graph, Row, StorePath};
use serde_json::Value;

fn list(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

fn path(name: &str) -> StorePath {
    format!("{}-{}", "0".repeat(32), name.replace('@', "-")).parse().unwrap()
}

/// Some cases tell of packages that replace others, which makes them one; closures have none.
#[test]
fn apko_as_its_own_tests_say() {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/layering/cases/apko-origin.json");
    let json: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let apko = contenders::contenders().into_iter().find(|peer| peer.name == "apko").unwrap();
    let mut checked = 0;
    for case in json["cases"].as_array().unwrap() {
        let mut names = list(&case["pkgs"]);
        names.sort_unstable();
        let replaces = names.contains(&"libxcrypt(unversioned)")
            || (names.contains(&"libxcrypt") && names.contains(&"libcrypt1@2.38-r14"));
        let Ok(budget) = case["budget"].to_string().parse::<Budget>() else { continue };
        if replaces {
            continue;
        }
        let package = |name: &&str| &json["packages"][*name];
        let rows = names.iter().map(|name| Row {
            path: path(name),
            nar_size: package(name)["size"].as_u64().unwrap(),
            references: vec![],
        });
        let sources = names.iter().map(|name| package(name)["origin"].as_str().map(Into::into));
        let closure =
            graphs::Closure { graph: Graph::new(rows).unwrap(), sources: sources.collect() };
        let made = apko.checked_plan(&closure, budget).into_iter().map(|group| group.paths);
        let groups = case["groups"].as_array().unwrap().iter();
        let expected = groups.map(|group| list(group).into_iter().map(path).collect());
        assert_eq!(made.collect::<Vec<_>>(), expected.collect::<Vec<Vec<_>>>(), "{case}");
        checked += 1;
    }
    assert_eq!(checked, 4);
}
