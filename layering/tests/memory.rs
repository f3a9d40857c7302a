//! What holds for plans that remember an earlier image, whatever that image was.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use layering::{
    Budget, ByHand, Graph, Memory, PathLists, Plan, Planner, Remembered, Row, StoreDir, StorePath,
    Strategy, Waste, plan, plan_around,
};
use proptest::prelude::*;
use proptest::strategy::Strategy as _;
use serde_json::json;

const MOST: usize = 25;

/// The same size in every graph.
fn size(number: usize) -> u64 {
    [0, 1, 5_000, 700_000, 3_000_000, 90_000_000][number * 7 % 6] + number as u64 % 2
}

fn path(number: usize, release: u64) -> StorePath {
    format!("{release:0>16}{number:0>16}-p{}", 99 - number).parse().unwrap()
}

/// Some paths, of either release, that refer to each other as they like, cycles among them.
fn graphs() -> impl proptest::strategy::Strategy<Value = Graph> {
    let row = (0_u64..2, prop::collection::vec(0..MOST, 0..4));
    prop::collection::btree_map(0..MOST, row, 0..MOST).prop_map(|rows| {
        let row = |(&number, (release, references)): (&usize, &(u64, Vec<usize>))| Row {
            path: path(number, *release),
            nar_size: size(number),
            references: references
                .iter()
                .filter_map(|to| Some(path(*to, rows.get(to)?.0)))
                .collect(),
        };
        Graph::new(rows.iter().map(row)).unwrap()
    })
}

/// An earlier image: a plan of ours, or paths in layers as they fell, some of them in two.
fn memories() -> impl proptest::strategy::Strategy<Value = Vec<Vec<StorePath>>> {
    let ours = (graphs(), budgets()).prop_map(|(graph, budget)| paths(&optimal(&graph, budget)));
    let layer = prop::collection::btree_set((0..MOST, 0_u64..2), 1..6);
    let any = prop::collection::vec(layer, 0..12).prop_map(|layers| {
        let paths = |layer: BTreeSet<(usize, u64)>| layer.into_iter().map(|(n, r)| path(n, r));
        layers.into_iter().map(|layer| paths(layer).collect()).collect()
    });
    prop_oneof![ours, any]
}

fn budgets() -> impl proptest::strategy::Strategy<Value = Budget> {
    prop_oneof![1_usize..12, 1_usize..=127].prop_map(|layers| Budget::new(layers).unwrap())
}

fn optimal(graph: &Graph, budget: Budget) -> Plan {
    plan(graph, budget, Strategy::Optimal)
}

fn paths(plan: &Plan) -> Vec<Vec<StorePath>> {
    plan.layers().iter().map(|layer| layer.paths.clone()).collect()
}

fn remember(layers: &[Vec<StorePath>], waste: u8) -> Memory {
    let number = |path: &StorePath| path.as_str()[16..32].parse().unwrap();
    let remember = |layer: &Vec<StorePath>| Remembered {
        paths: layer.clone(),
        nar_size: Some(layer.iter().map(|path| size(number(path))).sum()),
        with_dead: true,
    };
    let max_waste = waste.to_string().parse().unwrap();
    Memory { layers: layers.iter().map(remember).collect(), max_waste }
}

fn update(graph: &Graph, budget: Budget, by_hand: &ByHand, memory: &Memory) -> Plan {
    let planner = Planner::Strategy(Strategy::Optimal);
    plan_around(graph, budget, by_hand, memory, &planner).unwrap()
}

/// Everything that is promised of a plan with dead paths in it.
fn check(graph: &Graph, budget: Budget, memory: &Memory, plan: &Plan, waste: u8) {
    let sizes: BTreeMap<&StorePath, u64> =
        graph.nodes().iter().map(|node| (&node.path, node.nar_size)).collect();
    assert!(plan.layers().len() <= budget.get(), "{} layers", plan.layers().len());
    assert!(plan.left_out().is_empty());
    let (mut placed, mut dead_size) = (BTreeSet::new(), 0);
    for layer in plan.layers() {
        assert!(layer.paths.is_sorted() && layer.dead.is_sorted());
        let (live, dead): (Vec<_>, Vec<_>) =
            layer.paths.iter().partition(|path| sizes.contains_key(path));
        assert!(!live.is_empty(), "a layer without a path that is wanted");
        assert!(dead.into_iter().eq(&layer.dead), "what is dead is told, and nothing else");
        let live_size: u64 = live.iter().map(|path| sizes[path]).sum();
        assert_eq!(layer.nar_size, live_size + layer.dead_size);
        assert!(live.into_iter().all(|path| placed.insert(path)), "a path is in two layers");
        let known = |kept: &Remembered| {
            kept.paths.iter().collect::<BTreeSet<_>>() == layer.paths.iter().collect()
        };
        assert!(layer.dead.is_empty() || memory.layers.iter().any(known), "a layer nobody had");
        dead_size += layer.dead_size;
    }
    assert!(placed.into_iter().eq(sizes.keys().copied()), "a path is missing");
    assert!(dead_size * 100 <= sizes.values().sum::<u64>() * u64::from(waste));
    let any_dead = plan.layers().iter().any(|layer| !layer.dead.is_empty());
    assert!(waste > 0 || !any_dead, "not even one of no size");
}

proptest! {
    #[test]
    fn every_path_once_and_dead_ones_within_the_bound(
        graph in graphs(), budget in budgets(), layers in memories(), waste in 0_u8..=100,
    ) {
        let memory = remember(&layers, waste);
        let plan = update(&graph, budget, &ByHand::default(), &memory);
        check(&graph, budget, &memory, &plan, waste);
    }

    #[test]
    fn nothing_dead_where_none_is_allowed_or_can_be_made_again(
        graph in graphs(), budget in budgets(), layers in memories(),
    ) {
        let none = remember(&layers, 0);
        check(&graph, budget, &none, &update(&graph, budget, &ByHand::default(), &none), 0);
        let mut gone = remember(&layers, 100);
        gone.layers.iter_mut().for_each(|layer| layer.with_dead = false);
        check(&graph, budget, &gone, &update(&graph, budget, &ByHand::default(), &gone), 0);
        let mut unsized_ones = remember(&layers, 100);
        unsized_ones.layers.iter_mut().for_each(|layer| layer.nar_size = None);
        let plan = update(&graph, budget, &ByHand::default(), &unsized_ones);
        check(&graph, budget, &unsized_ones, &plan, 0);
    }

    #[test]
    fn an_image_that_did_not_change_keeps_its_plan(graph in graphs(), budget in budgets()) {
        let before = optimal(&graph, budget);
        let memory = remember(&paths(&before), 5);
        prop_assert_eq!(update(&graph, budget, &ByHand::default(), &memory), before);
    }

    /// Room enough is a layer for each that was there, and for each path that is new.
    #[test]
    fn layers_that_are_wanted_as_they_are_stay_if_there_is_room(
        before in graphs(), after in graphs(), budget in budgets(), spare in 0_usize..5,
    ) {
        let old = paths(&optimal(&before, budget));
        let wanted = |layer: &&Vec<StorePath>| layer.iter().all(|path| after.find(path).is_some());
        let kept: Vec<_> = old.iter().filter(wanted).collect();
        let new = after.nodes().len() - kept.iter().map(|layer| layer.len()).sum::<usize>();
        let budget = Budget::new((kept.len() + new + spare).max(1)).unwrap();
        let plan = update(&after, budget, &ByHand::default(), &remember(&old, 0));
        let layers = paths(&plan);
        for layer in kept {
            prop_assert!(layers.contains(layer), "{:?} is gone", layer);
        }
    }

    #[test]
    fn layers_by_hand_come_first_and_the_bound_holds_all_the_same(
        graph in graphs(), budget in 4_usize..40, layers in memories(), waste in 0_u8..=100,
        by_hand in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let budget = Budget::new(budget).unwrap();
        let store = StoreDir::default();
        let chosen: BTreeSet<&StorePath> = by_hand
            .iter()
            .filter(|_| !graph.nodes().is_empty())
            .map(|index| &index.get(graph.nodes()).path)
            .collect();
        let chosen: Vec<StorePath> = chosen.into_iter().cloned().collect();
        let lists: Vec<Vec<String>> = chosen
            .chunks(2)
            .map(|list| list.iter().map(|path| store.join(path)).collect())
            .collect();
        let lists = PathLists::from_json(&json!(lists), &store).unwrap();
        let by_hand = ByHand { store, lists, globs: Vec::new() };
        let memory = remember(&layers, waste);
        let plan = update(&graph, budget, &by_hand, &memory);
        check(&graph, budget, &memory, &plan, waste);
        for (layer, list) in paths(&plan).iter().zip(chosen.chunks(2)) {
            prop_assert_eq!(layer, list);
        }
    }
}

/// Both layers could stay, each by itself, but the path would be in the image twice.
#[test]
fn of_two_layers_with_the_same_path_one_stays() {
    let row = |number| Row { path: path(number, 0), nar_size: 10, references: vec![] };
    let graph = Graph::new((0..3).map(row)).unwrap();
    let old = [vec![path(0, 0), path(1, 0)], vec![path(1, 0), path(2, 0)]];
    let memory = remember(&old, 5);
    let plan = update(&graph, Budget::default(), &ByHand::default(), &memory);
    check(&graph, Budget::default(), &memory, &plan, 5);
    assert_eq!(paths(&plan), [vec![path(0, 0), path(1, 0)], vec![path(2, 0)]]);
}

/// No planner of ours splits a cycle, but others do, and what can change only together is one to
/// the planner.
#[test]
fn a_cycle_in_many_layers_keeps_the_budget() {
    let row = |number| Row {
        path: path(number, 0),
        nar_size: 1_000_000,
        references: vec![path((number + 1) % 6, 0)],
    };
    let graph = Graph::new((0..6).map(row)).unwrap();
    let old: Vec<_> = (0..6).map(|number| vec![path(number, 0)]).collect();
    let memory = Memory { max_waste: Waste::NONE, ..remember(&old, 0) };
    for layers in 1..=7 {
        let budget = Budget::new(layers).unwrap();
        let plan = update(&graph, budget, &ByHand::default(), &memory);
        check(&graph, budget, &memory, &plan, 0);
    }
}
