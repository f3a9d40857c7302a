//! A plan as `closure2img plan --json` prints it.
//!
//! Fields that are not known are passed over, so that later versions may add some; a later
//! `version` is one whose fields mean something else, and is refused.

use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use super::history::Names;
use super::{Earlier, EarlierLayer, Error, Kind};

/// A plan of 50,000 paths has 5 MB.
const MAX: u64 = 256 << 20;

const VERSION: u64 = 1;

#[derive(Deserialize)]
struct Version {
    version: u64,
}

#[derive(Deserialize)]
struct Plan {
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Layer {
    paths: Vec<String>,
    nar_size: Option<u64>,
}

/// Reads a plan from anything that gives bytes.
pub(super) fn read(file: &mut dyn Read, name: &str, path: &Path) -> Result<Earlier, Error> {
    let mut bytes = Vec::new();
    file.take(MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| Error::Read { file: path.into(), source })?;
    if bytes.len() as u64 > MAX {
        return Err(Error::TooLarge { name: name.into(), document: "the plan".into(), limit: MAX });
    }
    parse(&bytes, name)
}

fn parse(bytes: &[u8], name: &str) -> Result<Earlier, Error> {
    let wrong = |source| Error::Json { name: name.into(), document: "the plan".into(), source };
    let Version { version } = serde_json::from_slice(bytes).map_err(wrong)?;
    if version != VERSION {
        return Err(Error::Unexpected {
            name: name.into(),
            place: "version".into(),
            got: format!("`{version}`"),
            expected: format!("`{VERSION}`"),
        });
    }
    let plan: Plan = serde_json::from_slice(bytes).map_err(wrong)?;
    let mut names = Names::new(name);
    let layers = plan.layers.into_iter().enumerate().map(|(index, Layer { paths, nar_size })| {
        let paths = names.paths(&paths, |at| format!("layers[{index}].paths[{at}]"))?;
        Ok(EarlierLayer { paths, nar_size, ..EarlierLayer::default() })
    });
    let layers = layers.collect::<Result<_, Error>>()?;
    Earlier::new(name, Kind::Plan, names.store_dir, layers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn path(name: &str) -> String {
        format!("/nix/store/{:0>32}-{name}", 1)
    }

    #[test]
    fn later_fields_are_passed_over() {
        let plan = json!({"version": 1, "strategy": "new", "more": [], "layers": [
            {"paths": [path("b"), path("a")], "nar_size": 5, "waste": {}},
            {"paths": []},
        ]});
        let earlier = parse(plan.to_string().as_bytes(), "p").unwrap();
        assert_eq!(earlier.store_dir.as_ref().unwrap().as_str(), "/nix/store");
        let names: Vec<_> = earlier.paths().map(layering::StorePath::name).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(earlier.layers[0].nar_size, Some(5));
        assert_eq!(earlier.layers[1], EarlierLayer::default());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let layers = |paths: &[&str]| json!({"version": 1, "layers": [{"paths": paths}]});
        let other = format!("/gnu/store/{:0>32}-x", 2);
        for (plan, says) in [
            (json!({"version": 2, "layers": 7}), "version: got `2`, expected `1`"),
            (json!({"layers": []}), "not valid JSON"),
            (layers(&["/nix/store/x"]), "layers[0].paths[0]: got `/nix/store/x`"),
            (layers(&["x"]), "expected a store path"),
            (layers(&[&path("a"), &path("a")]), "twice"),
            (layers(&[&path("a"), &other]), "expected a path in `/nix/store`"),
        ] {
            let error = parse(plan.to_string().as_bytes(), "p").unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_fail_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes, "p");
        }
    }
}
