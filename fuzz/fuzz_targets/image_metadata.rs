//! What an AppImage's image says of itself is understood or refused; what is understood has only what may be mounted.

#![no_main]

use libfuzzer_sys::fuzz_target;
use runtime::metadata::Metadata;

fuzz_target!(|bytes: &[u8]| {
    let Ok(metadata) = Metadata::parse(bytes) else { return };
    if let Some(store) = metadata.store {
        assert!(store.starts_with(b"/") && !store.ends_with(b"/") && !store.contains(&0));
        assert!(store.split(|byte| *byte == b'/').all(|name| name != b".."));
    }
    for (name, value) in &metadata.environment {
        assert!(!name.is_empty() && !name.contains(&b'=') && !value.contains(&0));
    }
    assert!(metadata.store.is_some() || metadata.paths.is_empty());
    assert!(metadata.paths.windows(2).all(|pair| pair[0].name < pair[1].name));
    for path in &metadata.paths {
        assert!(!path.name.is_empty() && !path.name.contains(&b'/'));
        assert!(path.references.iter().all(|index| (*index as usize) < metadata.paths.len()));
    }
});
