//! Where a list of tags or referrers goes on, in `Link`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use registry::fuzzing::next_link;

fuzz_target!(|header: &str| {
    if let Some(target) = next_link(header) {
        assert!(header.contains(&format!("<{target}>")));
        assert_eq!(next_link(&format!("<{target}>; rel=\"next\"")), Some(target));
    }
});
