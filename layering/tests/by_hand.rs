//! Layers made by hand: found as asked for, or refused in clear words; the rest is laid out.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use layering::{
    Budget, ByHand, Globs, Graph, Memory, PathLists, Pipeline, PlanError, Planner, Row, StoreDir,
    StorePath, Strategy, plan, plan_around,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn path(name: &str) -> StorePath {
    format!("{}-{name}", "0".repeat(32)).parse().unwrap()
}

fn full(name: &str) -> String {
    StoreDir::default().join(&path(name))
}

fn chain(names: &[&str]) -> Graph {
    let rows = names.iter().enumerate().map(|(at, name)| Row {
        path: path(name),
        nar_size: 10 * (at as u64 + 1),
        references: names.get(at + 1).map(|next| path(next)).into_iter().collect(),
    });
    Graph::new(rows).unwrap()
}

fn app() -> Graph {
    chain(&["app-1.0", "app-data", "python3-3.11", "libssl-3", "glibc-2.39"])
}

fn by_hand(lists: &Value, globs: &[&str]) -> ByHand {
    let store = StoreDir::default();
    let lists = PathLists::from_json(lists, &store).unwrap();
    ByHand { store, lists, globs: globs.iter().map(|globs| globs.parse().unwrap()).collect() }
}

fn layers(by_hand: &ByHand, budget: usize, planner: &Planner) -> Result<Vec<String>, PlanError> {
    let plan =
        plan_around(&app(), Budget::new(budget).unwrap(), by_hand, &Memory::default(), planner)?;
    let names = |layer: &layering::Group| {
        layer.paths.iter().map(StorePath::name).collect::<Vec<_>>().join(" ")
    };
    Ok(plan.layers().iter().map(names).collect())
}

const POPULARITY: Planner = Planner::Strategy(Strategy::Popularity);

#[test]
fn lists_lie_below_and_globs_above() {
    let lists = json!([[full("libssl-3")]]);
    let made = layers(&by_hand(&lists, &["app-*"]), 5, &POPULARITY).unwrap();
    assert_eq!(made, ["libssl-3", "glibc-2.39", "python3-3.11", "app-1.0 app-data"]);
    let made = layers(&by_hand(&lists, &["app-data", "app-1*"]), 4, &POPULARITY).unwrap();
    assert_eq!(made, ["libssl-3", "glibc-2.39 python3-3.11", "app-data", "app-1.0"]);
}

#[test]
fn a_glob_goes_by_full_path_base_name_or_name() {
    for globs in [
        "libssl-3",
        "libssl-?",
        "libssl-[0-9]",
        "*libssl*",
        "0000*-libssl-3",
        "/nix/store/*-libssl-3",
        "/nix/store/00000000000000000000000000000000-libssl-3",
    ] {
        let made = layers(&by_hand(&json!([]), &[globs]), 127, &POPULARITY).unwrap();
        assert_eq!(made.last().unwrap(), "libssl-3", "{globs}");
    }
    let made = layers(&by_hand(&json!([]), &["libssl-*,glibc-*,*ssl*"]), 127, &POPULARITY).unwrap();
    assert_eq!(made.last().unwrap(), "glibc-2.39 libssl-3");
}

#[test]
fn lists_are_read_from_nixpkgs_and_from_plans() {
    let paths = [full("glibc-2.39"), full("libssl-3")];
    for lists in [
        json!([paths]),
        json!([[], paths, []]),
        json!([{"paths": paths}]),
        json!({"version": 1, "layers": [{"paths": paths, "nar_size": 90}]}),
    ] {
        let made = layers(&by_hand(&lists, &[]), 2, &POPULARITY).unwrap();
        assert_eq!(made, ["glibc-2.39 libssl-3", "app-1.0 app-data python3-3.11"], "{lists}");
    }
}

/// A plan that is fed back is the same plan.
#[test]
fn a_whole_plan_leaves_nothing_to_do() {
    let plan = plan(&app(), Budget::new(3).unwrap(), Strategy::Size);
    let paths = |layer: &layering::Group| -> Vec<String> {
        layer.paths.iter().map(|path| StoreDir::default().join(path)).collect()
    };
    let lists = json!(plan.layers().iter().map(paths).collect::<Vec<_>>());
    let again = plan_around(
        &app(),
        Budget::new(3).unwrap(),
        &by_hand(&lists, &[]),
        &Memory::default(),
        &POPULARITY,
    );
    assert_eq!(again.unwrap(), plan);
}

#[test]
fn what_does_not_fit_is_refused() {
    for (lists, globs, message) in [
        (json!([]), &["*nothing*"][..], "no path of the closure matches `*nothing*`"),
        (json!([]), &["app-*,nothing"], "no path of the closure matches `nothing`"),
        (
            json!([[], [full("zlib-1")]]),
            &[],
            "list 2 has `00000000000000000000000000000000-zlib-1`",
        ),
        (
            json!([]),
            &["app-*", "lib*", "*-data"],
            "is in two layers made by hand: `app-*` and `*-d",
        ),
        (
            json!([[full("libssl-3")], [full("glibc-2.39"), full("libssl-3")]]),
            &[],
            "libssl-3` is in two layers made by hand: list 1 and list 2",
        ),
        (json!([[full("libssl-3")]]), &["lib*"], "made by hand: list 1 and `lib*`"),
        (
            json!([]),
            &["app-1*", "app-d*", "lib*", "py*"],
            "layers made by hand: got 4, expected at most 3",
        ),
        (
            json!([]),
            &["app-1*", "app-d*", "lib*"],
            "the budget of 3 is used up by layers made by hand, and 2 of the paths",
        ),
    ] {
        let error = layers(&by_hand(&lists, globs), 3, &POPULARITY).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
}

#[test]
fn what_cannot_be_read_is_refused() {
    for (globs, message) in [
        ("", "`` has an empty glob"),
        ("a,,b", "`a,,b` has an empty glob"),
        ("a,[b", "`[b` is not a glob: invalid range pattern at character 1"),
    ] {
        assert!(globs.parse::<Globs>().unwrap_err().to_string().contains(message));
    }
    for (lists, message) in [
        (json!({}), "expected a list of lists of store paths, or a plan, got {}"),
        (json!([[], "x"]), "list 2: expected store paths, got \"x\""),
        (json!([[5]]), "list 1: expected store paths, got [5]"),
        (json!([["/etc/passwd"]]), "list 1: `/etc/passwd` is not in the store"),
    ] {
        let error = PathLists::from_json(&lists, &StoreDir::default()).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
}

#[test]
fn a_pipeline_lays_out_the_rest_and_says_what_it_drops() {
    let stages = json!([["remove_paths", full("libssl-3")], ["popularity_contest"]]);
    let pipeline = Pipeline::from_json(&stages, &StoreDir::default()).unwrap();
    let planner = Planner::Pipeline(pipeline);
    let globs = by_hand(&json!([]), &["app-*"]);
    let plan =
        plan_around(&app(), Budget::new(3).unwrap(), &globs, &Memory::default(), &planner).unwrap();
    assert_eq!(plan.layers().len(), 3);
    assert_eq!(plan.left_out(), [path("libssl-3")]);
    let error = layers(&globs, 2, &planner).unwrap_err().to_string();
    assert_eq!(error, "layers that the pipeline makes: got 2, expected at most 1");
}

/// What a hand has grouped still counts: `libc` has two users, though one is in a layer by hand.
#[test]
fn the_rest_is_judged_in_the_whole_closure() {
    let row = |name: &str, references: &[&str]| Row {
        path: path(name),
        nar_size: 1,
        references: references.iter().map(|to| path(to)).collect(),
    };
    let graph = Graph::new([
        row("app", &["a", "libc"]),
        row("tool", &["b", "libz"]),
        row("a", &["libc"]),
        row("b", &[]),
        row("libc", &[]),
        row("libz", &[]),
    ])
    .unwrap();
    let hand = by_hand(&json!([]), &["app,a"]);
    let plan = plan_around(&graph, Budget::new(3).unwrap(), &hand, &Memory::default(), &POPULARITY)
        .unwrap();
    assert_eq!(plan.layers()[0].paths, [path("libc")]);
}

proptest! {
    #[test]
    fn every_path_is_in_one_layer(
        count in 1_usize..30, by_hand_ in prop::collection::vec(0_usize..30, 0..6),
        budget in 1_usize..=127, strategy in prop::sample::select(&Strategy::ALL[..]),
    ) {
        let names: Vec<String> = (0..count).map(|number| format!("p{number}")).collect();
        let graph = chain(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let lists: Vec<[String; 1]> = by_hand_.iter().map(|n| [full(&format!("p{n}"))]).collect();
        let budget = Budget::new(budget).unwrap();
        let made = plan_around(
            &graph, budget, &by_hand(&json!(lists), &[]), &Memory::default(), &Planner::Strategy(strategy),
        );
        match made {
            Ok(plan) => {
                let mut paths: Vec<_> =
                    plan.layers().iter().flat_map(|layer| layer.paths.clone()).collect();
                paths.sort();
                prop_assert!(paths.iter().eq(graph.nodes().iter().map(|node| &node.path)));
                prop_assert!(plan.layers().len() <= budget.get());
                prop_assert!(plan.left_out().is_empty());
                if lists.is_empty() {
                    prop_assert_eq!(plan, layering::plan(&graph, budget, strategy));
                }
            }
            Err(PlanError::ByHand(_)) => {
                let mut once = by_hand_.clone();
                once.sort_unstable();
                once.dedup();
                prop_assert!(
                    once.len() < by_hand_.len()
                        || once.last().is_some_and(|&last| last >= count)
                        || by_hand_.len() >= budget.get()
                );
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}
