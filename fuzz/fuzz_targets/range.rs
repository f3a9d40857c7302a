//! How much of an upload a registry says to have, in `Range`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use registry::fuzzing::range;

fuzz_target!(|header: &str| {
    if let Some(size) = range(header) {
        // `0-0` may be none or one.
        let last = size.saturating_sub(1);
        assert_eq!(range(&format!("0-{last}")), Some(size));
    }
});
