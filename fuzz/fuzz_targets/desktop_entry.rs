//! Desktop entries, and patterns of what stays out of an image.

#![no_main]

use closure2img::appimage::Ignore;
use closure2img::appimage::desktop::{DesktopEntry, check};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let entry = DesktopEntry::parse(bytes);
    // Each group is there once, whatever the file repeats.
    for (at, group) in entry.groups.iter().enumerate() {
        assert!(entry.groups[..at].iter().all(|other| other.name != group.name));
    }
    for problem in check("org.example.App.desktop", bytes) {
        assert!(!problem.to_string().is_empty());
    }
    let mut ignore = Ignore::default();
    ignore.add(bytes);
    ignore.has(b"usr/lib/libx.so");
});
