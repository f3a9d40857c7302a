//! A store path parses to itself or not at all, with and without its store directory.

#![no_main]

use layering::{StoreDir, StorePath};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(path) = text.parse::<StorePath>() {
        assert_eq!(path.as_str(), text);
        assert_eq!(format!("{}-{}", path.hash(), path.name()), text);
        let dir = StoreDir::default();
        assert_eq!(dir.parse(&dir.join(&path)), Ok(path));
    }
    if let Ok(dir) = text.parse::<StoreDir>() {
        assert_eq!(dir.as_str().parse(), Ok(dir.clone()));
        let _ = dir.parse(text);
    }
});
