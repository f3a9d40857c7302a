//! An image archive or plan of before, in any of its forms.

#![no_main]

use std::io::Write;

use closure2img::earlier::read_local;
use closure2img::image::Machine;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(bytes).expect("writing a file");
    if let Ok(earlier) = read_local(file.path(), &Machine::host()) {
        assert_eq!(earlier.has_plan(), earlier.store_dir.is_some());
        let sorted = |paths: &[layering::StorePath]| paths.is_sorted_by(|a, b| a < b);
        assert!(earlier.layers.iter().all(|layer| sorted(&layer.paths)));
    }
});
