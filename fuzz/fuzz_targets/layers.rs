//! What groups paths by hand: stages of a pipeline, lists of paths and globs.

#![no_main]

use layering::{Globs, PathLists, Pipeline, StoreDir};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let store = StoreDir::default();
    if let Ok(value) = serde_json::from_str(text) {
        // What fails must be fit to print.
        if let Err(error) = Pipeline::from_json(&value, &store) {
            let _ = error.to_string();
        }
        if let Err(error) = PathLists::from_json(&value, &store) {
            let _ = error.to_string();
        }
    }
    if let Err(error) = text.parse::<Globs>() {
        let _ = error.to_string();
    }
});
