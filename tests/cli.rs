//! What the command line promises on good input: help that fits, JSON for programs, data on stdout
//! and everything else on stderr.

mod support;

use std::collections::BTreeSet;

use serde_json::Value;
use support::demo::{Demo, ROOT};
use support::outcome::Outcome;
use support::tool::{binary, tool};

const SUBCOMMANDS: [&str; 7] = ["oci", "appimage", "plan", "closure", "diff", "login", "logout"];

/// The widest line that a help may have.
const WIDTH: usize = 100;

#[test]
fn help_fits_and_names_every_subcommand() {
    let help = tool(["--help"]).success();
    for subcommand in SUBCOMMANDS {
        assert!(help.text().contains(&format!("\n  {subcommand} ")), "{}", help.text());
    }
    assert!(help.text().contains("Exit codes:"), "{}", help.text());
    let asked = [vec!["--help"], vec!["-h"], vec!["help"]];
    let of_each = SUBCOMMANDS
        .iter()
        .flat_map(|name| [vec![*name, "--help"], vec![*name, "-h"], vec!["help", *name]]);
    for args in asked.into_iter().chain(of_each) {
        for columns in ["80", "300"] {
            let help = Outcome::of(binary().env("COLUMNS", columns).args(&args)).success();
            assert_eq!(help.errors(), "", "{args:?}");
            for line in help.text().lines() {
                assert!(line.chars().count() <= WIDTH, "{args:?}: {line}");
            }
        }
    }
}

#[test]
fn the_version_is_a_line() {
    let expected = format!("closure2img {}\n", env!("CARGO_PKG_VERSION"));
    for flag in ["--version", "-V"] {
        tool([flag]).success().prints(&expected);
    }
}

#[test]
fn a_plan_as_json() {
    let demo = Demo::new();
    let plan = Outcome::of(demo.ask("plan").args(["--json", "--max-layers", "3"])).success();
    assert_eq!(plan.errors(), "");
    assert_eq!(plan.text().lines().count(), 1, "one line, for `jq` and `while read`");
    let plan = plan.json();
    let keys = |value: &Value| -> BTreeSet<String> {
        value.as_object().expect("an object").keys().cloned().collect()
    };
    assert_eq!(keys(&plan), ["layers", "strategy", "version"].map(str::to_owned).into());
    assert_eq!(plan["version"], 1);
    assert!(plan["strategy"].is_string());
    let layers = plan["layers"].as_array().expect("a list");
    assert_eq!(layers.len(), 3);
    let mut paths = Vec::new();
    for layer in layers {
        assert_eq!(keys(layer), ["nar_size", "paths"].map(str::to_owned).into());
        assert!(layer["nar_size"].as_u64().is_some_and(|size| size > 0));
        let here = layer["paths"].as_array().expect("a list").iter();
        paths.extend(here.map(|path| path.as_str().expect("a path").to_owned()));
    }
    let once: BTreeSet<_> = paths.iter().cloned().collect();
    assert_eq!((paths.len(), once.len()), (4, 4), "each path once");
    let last = layers[2]["paths"].as_array().expect("a list");
    assert!(last.iter().any(|path| path == ROOT), "bottom layer first, the root on top");

    // The same from a file alone, as `closure --json` writes it.
    let closure = Outcome::of(demo.ask("closure").arg("--json")).success();
    std::fs::write(demo.path("graph.json"), &closure.stdout).expect("writing a graph file");
    let args = ["plan", "--graph", "graph.json", "--json", "--max-layers", "3"];
    assert_eq!(demo.tool(args).success().json(), plan);
}

#[test]
fn an_image_as_json() {
    let demo = Demo::new();
    let mut oci = demo.ask("oci");
    oci.args(["-o", "app.tar", "--json", "--progress", "none", "--strategy", "popularity"]);
    let made = Outcome::of(&mut oci).success();
    assert_eq!(made.errors(), "");
    let made = made.json();
    for name in ["digest", "image_id"] {
        assert!(made[name].as_str().is_some_and(|text| text.starts_with("sha256:")), "{made}");
    }
    assert_eq!(made["output"], "app.tar");
    assert_eq!(made["architecture"], "amd64");
    assert_eq!(made["pushed"], Value::Array(Vec::new()));
    let layers = made["layers"].as_array().expect("a list");
    let paths: u64 = layers.iter().filter_map(|layer| layer["paths"].as_u64()).sum();
    assert_eq!((layers.len(), paths), (4, 4));
}

#[test]
fn progress_goes_to_stderr_as_told() {
    let demo = Demo::new();
    let oci = |style: &str| {
        let mut oci = demo.ask("oci");
        Outcome::of(oci.args(["-o", "app.tar", "--progress", style])).success()
    };
    assert_eq!(oci("none").prints("").errors(), "");
    for style in ["plain", "auto"] {
        let said = oci(style).prints("").errors();
        assert!(said.lines().count() > 1, "{said}");
        let controls = |c: char| c.is_control() && c != '\n';
        assert!(!said.contains(controls), "{said:?}");
        assert!(said.contains("wrote app.tar"), "{said}");
    }
    oci("bar").prints("");
    // An image on stdout is nothing but the image.
    let image = Outcome::of(demo.ask("oci").args(["-o", "-"])).success();
    assert_eq!(image.stdout, std::fs::read(demo.path("app.tar")).expect("reading the image"));
    for subcommand in ["plan", "closure"] {
        let table = Outcome::of(&mut demo.ask(subcommand)).success();
        assert_eq!(table.errors(), "");
        assert!(table.text().lines().count() > 2, "{}", table.text());
        assert!(table.text().lines().all(|line| line == line.trim_end()), "{}", table.text());
    }
}
