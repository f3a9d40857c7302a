//! Images planned together: what they share is the same layer in each, also after an update, and no
//! image loses a path or has too many layers, whatever the fleet.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use layering::fleet::{FleetError, FleetPlan, FleetReport, Image};
use layering::{
    Budget, ByHand, Graph, Memory, Plan, Planner, Row, StoreDir, StorePath, plan_around,
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A path by name; the hash is the version's.
fn path(name: &str, version: usize) -> StorePath {
    let sum = name.bytes().fold(0_usize, |sum, byte| (31 * sum + usize::from(byte)) % 1_000_000);
    format!("{:0>32}-{name}-1.{version}", 1000 * sum + version).parse().unwrap()
}

fn row(path: StorePath, nar_size: u64, references: Vec<StorePath>) -> Row {
    Row { path, nar_size, references }
}

fn budget(layers: usize) -> Budget {
    Budget::new(layers).unwrap()
}

/// An application on top of `libs`, each of which needs the first; 10 MB, 20 MB, and so on.
fn image(name: &str, libs: &[&str], version: usize) -> Image {
    let paths: Vec<StorePath> = libs.iter().map(|lib| path(lib, version)).collect();
    let size = |at: usize| (at as u64 + 1) * 10_000_000;
    let mut rows: Vec<Row> = paths
        .iter()
        .enumerate()
        .map(|(at, lib)| row(lib.clone(), size(at), vec![paths[0].clone()]))
        .collect();
    rows.push(row(path(name, 0), 1_000, paths));
    Image { name: name.into(), graph: Graph::new(rows).unwrap() }
}

fn planned(image: &Image, layers: usize, plan: &FleetPlan) -> Plan {
    let planner = Planner::Fleet(plan.clone());
    plan_around(&image.graph, budget(layers), &ByHand::default(), &Memory::default(), &planner)
        .unwrap()
}

fn shared(a: &Plan, b: &Plan) -> Vec<Vec<StorePath>> {
    let has = |paths: &[StorePath]| b.layers().iter().any(|layer| layer.paths == paths);
    a.layers().iter().map(|layer| layer.paths.clone()).filter(|paths| has(paths)).collect()
}

#[test]
fn what_all_have_is_at_the_bottom_and_the_application_apart() {
    let fleet = [image("web", &["libc", "ssl"], 1), image("mail", &["libc", "ssl", "db"], 1)];
    let plan = FleetPlan::new(&fleet, budget(2)).unwrap();
    let [group] = plan.groups() else { panic!("{plan:?}") };
    assert_eq!((group.images, group.nar_size, group.paths.len()), (2, 30_000_000, 2));
    for image in &fleet {
        let layers = planned(image, 2, &plan);
        assert_eq!(layers.layers()[0].paths, group.paths);
        assert_eq!(layers.layers().len(), 2);
    }
    // With layers to spare, each library may change by itself.
    assert_eq!(FleetPlan::new(&fleet, budget(20)).unwrap().groups().len(), 2);
}

#[test]
fn images_that_are_updated_together_go_on_to_share() {
    let libs = ["libc", "ssl", "zlib", "xml"];
    let fleet = |version| [image("web", &libs, version), image("mail", &libs, version)];
    let plan = FleetPlan::new(&fleet(1), budget(2)).unwrap();
    assert_eq!(plan.groups().len(), 1);
    let [web, mail] = fleet(2).map(|image| planned(&image, 2, &plan));
    assert_eq!(shared(&web, &mail), [web.layers()[0].paths.clone()]);
    assert_eq!(web.layers()[0].paths.len(), 4);
}

/// A variant does not come between: who has the path itself has exactly the group.
#[test]
fn a_second_version_stays_outside() {
    let fleet = [image("web", &["libc", "ssl"], 1), image("mail", &["libc", "ssl"], 1)];
    let plan = FleetPlan::new(&fleet, budget(3)).unwrap();
    let mut rows: Vec<Row> = fleet[0]
        .graph
        .nodes()
        .iter()
        .map(|node| {
            let to = node.references.iter().map(|&to| fleet[0].graph.node(to).path.clone());
            row(node.path.clone(), node.nar_size, to.collect())
        })
        .collect();
    rows.push(row(path("ssl", 2), 5, vec![]));
    let both = Image { name: "both".into(), graph: Graph::new(rows).unwrap() };
    let made = planned(&both, 3, &plan);
    assert_eq!(shared(&made, &planned(&fleet[1], 3, &plan)).len(), plan.groups().len());
}

#[test]
fn the_report_counts_what_is_stored_and_pulled() {
    let fleet = [image("web", &["libc"], 1), image("mail", &["libc", "db"], 1)];
    let plan = FleetPlan::new(&fleet, budget(10)).unwrap();
    let plans: Vec<Plan> = fleet.iter().map(|image| planned(image, 10, &plan)).collect();
    let report = FleetReport::new(&fleet, &plans);
    assert_eq!((report.stored, report.floor), (30_002_000, 30_002_000));
    let of = |image: &layering::fleet::ImageReport| (image.shared, image.own, image.pull);
    assert_eq!(of(&report.images[0]), (10_000_000, 1_000, 1_000));
    assert_eq!(of(&report.images[1]), (10_000_000, 20_001_000, 20_001_000));
}

#[test]
fn what_is_no_fleet_is_refused() {
    let web = image("web", &["libc"], 1);
    let refused = |fleet: &[Image]| FleetPlan::new(fleet, budget(10)).unwrap_err();
    assert_eq!(refused(&[]), FleetError::TooFew { got: 0 });
    assert_eq!(refused(&[web.clone(), web.clone()]), FleetError::TooFew { got: 1 });
    let empty = Image { name: "empty".into(), graph: Graph::default() };
    assert_eq!(refused(&[web.clone(), empty]), FleetError::Empty("empty".into()));
    // The same paths, of which one is another.
    let mut rows = vec![row(path("libc", 1), 11, vec![])];
    rows.push(row(path("web", 0), 1_000, vec![path("libc", 1)]));
    let other = Image { name: "other".into(), graph: Graph::new(rows).unwrap() };
    assert!(matches!(refused(&[web.clone(), other]), FleetError::Conflict { .. }));
    for (size, references) in [(11, vec![]), (10_000_000, vec![path("x", 1)])] {
        let rows = [row(path("libc", 1), size, references), row(path("x", 1), 1, vec![])];
        let other = Image { name: "other".into(), graph: Graph::new(rows).unwrap() };
        let error = refused(&[web.clone(), other]);
        assert!(
            matches!(error, FleetError::Conflict { ref path, .. } if path.name() == "libc-1.1")
        );
        assert!(error.to_string().contains("has another size or other references"), "{error}");
    }
}

#[test]
fn what_is_no_fleet_plan_is_refused() {
    let store = StoreDir::default();
    let libc = store.join(&path("libc", 1));
    let group = |paths: Value| json!({"paths": paths, "nar_size": 1, "images": 2});
    let plan =
        |groups: Value| json!({"version": 1, "kind": "fleet", "max_layers": 9, "groups": groups});
    assert!(FleetPlan::from_json(&plan(json!([group(json!([libc]))])), &store).is_ok());
    let of_kind = |key: &str, value: Value| {
        let mut plan = plan(json!([]));
        plan[key] = value;
        plan
    };
    for (value, message) in [
        (json!([]), "`kind`: got nothing, expected \"fleet\", as `plan --fleet` writes it"),
        (of_kind("kind", json!("x")), "`kind`: got \"x\", expected \"fleet\""),
        (of_kind("version", json!(2)), "`version`: got 2, expected 1"),
        (of_kind("max_layers", json!(0)), "`max_layers`: got 0, expected a number from 1 to 127"),
        (of_kind("groups", json!({})), "`groups`: got {}, expected a list"),
        (plan(json!([[]])), "group 1: `paths`: got nothing, expected a list of store paths"),
        (plan(json!([group(json!([]))])), "group 1: `paths`: got [], expected a list"),
        (plan(json!([group(json!([libc, libc]))])), "each once"),
        (plan(json!([group(json!(["/x"]))])), "group 1: `/x` is not in the store"),
        (
            plan(json!([group(json!([libc])), group(json!([libc]))])),
            "libc-1.1` is in group 1 and again in group 2",
        ),
        (plan(json!([{"paths": [libc], "images": 2}])), "group 1: `nar_size`: got nothing"),
        (plan(json!([{"paths": [libc], "nar_size": 1, "images": 0}])), "`images`: got 0"),
    ] {
        let error = FleetPlan::from_json(&value, &store).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

/// Images that each need some packages of one collection, with all that those need.
fn fleets() -> impl Strategy<Value = Vec<Image>> {
    let package = (0_u64..50_000_000, prop::collection::vec(any::<prop::sample::Index>(), 0..4));
    let tops = prop::collection::vec(any::<prop::sample::Index>(), 1..5);
    (prop::collection::vec(package, 1..40), prop::collection::vec(tops, 2..7)).prop_map(
        |(packages, images)| {
            let name = |number: usize| path(&format!("p{number}"), number);
            let needs = |number: usize| -> Vec<usize> {
                let references = packages[number].1.iter();
                references.filter(|_| number > 0).map(|to| to.index(number.max(1))).collect()
            };
            let image = |(at, tops): (usize, Vec<prop::sample::Index>)| {
                let tops: Vec<usize> = tops.iter().map(|top| top.index(packages.len())).collect();
                let mut reached = BTreeSet::new();
                let mut ahead = tops.clone();
                while let Some(number) = ahead.pop() {
                    if reached.insert(number) {
                        ahead.extend(needs(number));
                    }
                }
                let mut rows: Vec<Row> = reached
                    .into_iter()
                    .map(|number| {
                        let references = needs(number).into_iter().map(name).collect();
                        row(name(number), packages[number].0, references)
                    })
                    .collect();
                let app = format!("app{at}");
                rows.push(row(path(&app, 0), 7, tops.into_iter().map(name).collect()));
                Image { name: app, graph: Graph::new(rows).unwrap() }
            };
            images.into_iter().enumerate().map(image).collect()
        },
    )
}

proptest! {
    #[test]
    fn every_image_keeps_its_promises(fleet in fleets(), layers in 1_usize..40, other in 1_usize..40) {
        let plan = FleetPlan::new(&fleet, budget(layers)).unwrap();
        let of_fleet: BTreeMap<&StorePath, usize> = plan.groups().iter().enumerate()
            .flat_map(|(index, group)| group.paths.iter().map(move |path| (path, index)))
            .collect();
        for image in &fleet {
            // Also with fewer layers than the fleet was planned for, or more.
            for layers in [layers, other] {
                let made = planned(image, layers, &plan);
                prop_assert!(made.layers().len() <= layers);
                let mut paths: Vec<&StorePath> = made.layers().iter().flat_map(|l| &l.paths).collect();
                prop_assert!(made.layers().iter().all(|layer| !layer.paths.is_empty()));
                paths.sort();
                prop_assert!(paths.into_iter().eq(image.graph.nodes().iter().map(|node| &node.path)));
            }
            // With room for all, an image that has a group has it as that layer.
            let made = planned(image, 127, &plan);
            for group in plan.groups() {
                if group.paths.iter().all(|path| image.graph.find(path).is_some()) {
                    prop_assert!(made.layers().iter().any(|layer| layer.paths == group.paths));
                }
            }
        }
        prop_assert_eq!(of_fleet.len(), plan.groups().iter().map(|group| group.paths.len()).sum::<usize>());
        for group in plan.groups() {
            let whole = |image: &&Image| {
                planned(image, layers, &plan).layers().iter().any(|layer| layer.paths == group.paths)
            };
            prop_assert!(fleet.iter().filter(whole).count() >= group.images && group.images > 1);
        }
    }

    #[test]
    fn the_order_of_images_does_not_matter(
        (fleet, shuffled) in fleets().prop_flat_map(|fleet| (Just(fleet.clone()), Just(fleet).prop_shuffle())),
        layers in 1_usize..40,
    ) {
        let plan = FleetPlan::new(&fleet, budget(layers)).unwrap();
        prop_assert_eq!(&plan, &FleetPlan::new(&shuffled, budget(layers)).unwrap());
        let json = plan.to_json(&StoreDir::default());
        prop_assert_eq!(plan, FleetPlan::from_json(&json, &StoreDir::default()).unwrap());
    }
}
