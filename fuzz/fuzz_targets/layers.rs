//! What groups paths from a file: stages of a pipeline, lists of paths, globs, and fleet plans.

#![no_main]

use layering::fleet::FleetPlan;
use layering::{Globs, PathLists, Pipeline, StoreDir};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let store = StoreDir::default();
    if let Ok(value) = serde_json::from_str(text) {
        // What fails must be fit to print.
        if let Err(error) = Pipeline::from_json(&value, &store) {
            let _ = error.to_string();
        }
        match FleetPlan::from_json(&value, &store) {
            Err(error) => _ = error.to_string(),
            Ok(plan) => assert_eq!(FleetPlan::from_json(&plan.to_json(&store), &store), Ok(plan)),
        }
        if let Err(error) = PathLists::from_json(&value, &store) {
            let _ = error.to_string();
        }
    }
    if let Err(error) = text.parse::<Globs>() {
        let _ = error.to_string();
    }
});
