//! Layers made by hand and stages from a file: `plan` shows them, `oci` builds them, and what does
//! not fit is refused with advice.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use support::demo::{Demo, HELLO, ROOT};
use support::image::Layout;
use support::outcome::Outcome;
use support::temp_dir;
use support::tool::binary;

/// The names of each layer's paths, bottom first, for the graph of ten paths in `fixtures`.
#[track_caller]
fn planned(dir: &Path, args: &[&str]) -> Vec<String> {
    let plan = asked(dir, args).success().json();
    let layers = plan["layers"].as_array().expect("a list of layers").iter();
    layers.map(|layer| names(&layer["paths"])).collect()
}

#[track_caller]
fn asked(dir: &Path, args: &[&str]) -> Outcome {
    let graph = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tiny-path-info.json");
    let mut tool = binary();
    tool.current_dir(dir).args(["plan", "--json", "--graph"]).arg(graph).args(args);
    Outcome::of(&mut tool)
}

fn names(paths: &Value) -> String {
    let paths = paths.as_array().expect("a list of paths").iter();
    let name = |path: &Value| -> String {
        let (_, name) = path.as_str().and_then(|path| path.split_once("-tiny-")).expect("a path");
        name.into()
    };
    paths.map(name).collect::<Vec<_>>().join(" ")
}

#[test]
fn globs_make_layers_on_top() {
    let dir = temp_dir();
    let made = planned(
        dir.path(),
        &["--strategy=popularity", "--max-layers=4", "--layer=*-exe,*-leaf", "--layer=tiny-top"],
    );
    assert_eq!(made.len(), 4);
    assert_eq!(made[0], "tree");
    assert_eq!(made[1], "dup symlink multi-dev multi self links");
    assert_eq!(made[2..], ["leaf exe", "top"]);
}

#[test]
fn a_plan_can_be_fed_back() {
    let dir = temp_dir();
    for strategy in ["popularity", "auto", "size", "nix2container"] {
        let flags = ["--max-layers", "5", "--strategy", strategy];
        let plan = asked(dir.path(), &flags).success();
        assert_eq!(plan.json()["strategy"], strategy);
        fs::write(dir.path().join("plan.json"), plan.text()).expect("writing a plan");
        let again = planned(dir.path(), &["--max-layers", "5", "--layers", "plan.json"]);
        assert_eq!(again, planned(dir.path(), &flags), "{strategy}");
    }
}

#[test]
fn stages_from_a_file() {
    let dir = temp_dir();
    let full = |plan: &Value, name: &str| -> Value {
        let paths = plan["layers"].as_array().expect("a list").iter();
        let mut paths = paths.flat_map(|layer| layer["paths"].as_array().expect("a list"));
        paths.find(|path| path.as_str().expect("a path").ends_with(name)).expect("it").clone()
    };
    let plan = asked(dir.path(), &[]).success().json();
    let stages = json!([
        ["remove_paths", full(&plan, "-dup")],
        ["split_paths", [full(&plan, "-links")]],
        ["over", "rest", ["pipe", [["popularity_contest"], ["limit_layers", 2]]]],
    ]);
    fs::write(dir.path().join("stages"), stages.to_string()).expect("writing stages");
    let args = ["--strategy", "pipeline:stages"];
    let made = planned(dir.path(), &args);
    // `leaf` and `tree` have other users, too.
    assert_eq!(made, ["links", "tree leaf", "multi", "symlink multi-dev self top exe"]);
    let plan = asked(dir.path(), &args).success().json();
    assert_eq!(plan["strategy"], "pipeline:stages");
    assert_eq!(names(&plan["left_out"]), "dup");
}

/// What a layer's tar holds of the store.
fn held(layout: &Layout) -> Vec<BTreeSet<String>> {
    let layers = layout.layers();
    let each = layers.iter().map(|layer| {
        let blob = layout.blob(layer);
        let mut archive = tar::Archive::new(&blob[..]);
        let names = archive.entries().expect("a tar").filter_map(|entry| {
            let entry = entry.expect("an entry");
            let name = format!("/{}", entry.path().expect("a name").display());
            let mut parts = name.splitn(5, '/').skip(3);
            parts.next().filter(|part| !part.is_empty()).map(|part| format!("/nix/store/{part}"))
        });
        names.collect()
    });
    each.collect()
}

#[test]
fn an_image_holds_what_was_asked_for() {
    let demo = Demo::new();
    let mut oci = demo.ask("oci");
    oci.args(["--compress=none", "--format=layout", "-o", "layout", "--layer", "demo-hello-*"]);
    Outcome::of(&mut oci).success();
    let layers = held(&Layout::at(&demo.path("layout")));
    assert_eq!(layers.last().expect("a layer"), &BTreeSet::from([HELLO.to_owned()]));
    assert!(layers[..layers.len() - 1].iter().any(|layer| layer.contains(ROOT)));

    fs::write(demo.path("lists"), json!([[ROOT]]).to_string()).expect("writing lists");
    let mut oci = demo.ask("oci");
    oci.args(["--compress=none", "--format=layout", "-o", "other", "--layers", "lists"]);
    Outcome::of(&mut oci).success();
    let layers = held(&Layout::at(&demo.path("other")));
    assert_eq!(layers[0], BTreeSet::from([ROOT.to_owned()]));
}

#[test]
fn what_a_pipeline_drops_is_not_in_the_image() {
    let demo = Demo::new();
    fs::write(demo.path("stages"), json!([["remove_paths", HELLO]]).to_string()).expect("writing");
    let mut oci = demo.ask("oci");
    oci.args(["--compress=none", "--format=layout", "-o", "layout", "--arch=amd64"]);
    oci.args(["--strategy", "pipeline:stages"]);
    Outcome::of(&mut oci)
        .success()
        .complains("left out of the image by the pipeline: 1 of the paths");
    assert!(held(&Layout::at(&demo.path("layout"))).iter().all(|layer| !layer.contains(HELLO)));
}

#[test]
fn what_does_not_fit_is_refused() {
    let demo = Demo::new();
    for (name, text) in [
        ("json", "[["),
        ("stage", r#"[["best"]]"#),
        ("many", r#"[["popularity_contest"]]"#),
        ("object", "{}"),
        ("lists", r#"[["/nix/store/00000000000000000000000000000000-x"]]"#),
        ("hello", &format!(r#"[["{HELLO}"]]"#)),
    ] {
        fs::write(demo.path(name), text).expect("writing a file");
    }
    for (flags, named) in [
        (&["--layer", "nothing"][..], &["`nothing`", "hint: a glob matches"][..]),
        (&["--layer", "*", "--layer", "demo-h*"], &[HELLO[11..].as_ref(), "`*` and `demo-h*`"]),
        (&["--layers", "hello", "--layer", "demo-h*"], &["list 1 and `demo-h*`", "hint: take"]),
        (&["--layers", "lists"], &["list 1 has `00000", "not in the closure", "hint: take"]),
        (&["--layers", "nowhere"], &["`nowhere`", "No such file", "hint: check the name"]),
        (&["--layers", "store"], &["`store`", "Is a directory", "hint: name a file"]),
        (&["--layers", "json"], &["`json`", "not valid JSON", "line 1", "hint: check"]),
        (&["--layers", "object"], &["`object`", "got {}", "hint: write it with `closure2img"]),
        (&["--strategy", "pipeline:nowhere"], &["`nowhere`", "No such file"]),
        (&["--strategy", "pipeline:json"], &["`json`", "not valid JSON", "hint: check"]),
        (&["--strategy", "pipeline:object"], &["`object`", "list of stages", "hint: write"]),
        (&["--strategy", "pipeline:stage"], &["stage 1 (`best`)", "there are", "hint: write"]),
        (
            &["--strategy", "pipeline:many", "--max-layers", "1"],
            &["expected at most 1", "hint: end the pipeline with [\"flatten\"]"],
        ),
        (
            &["--layer", "demo-h*", "--max-layers", "1"],
            &["the budget of 1 is used up", "hint: make fewer"],
        ),
    ] {
        demo.refuses(demo.ask("plan").args(flags), 1, named);
        demo.refuses(demo.ask("oci").args(["-o", "app.tar"]).args(flags), 1, named);
    }
    for (flags, named) in [
        (["--layer", "[x"], "`[x` is not a glob"),
        (["--layer", ""], "empty glob"),
        (["--strategy", "magic"], "`magic`"),
    ] {
        demo.refused(["plan"].into_iter().chain(flags), 2, &[named]);
    }
}
