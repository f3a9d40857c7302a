//! ACIs that anybody may have made: archives, packed or not, and manifests by themselves.

#![no_main]

use closure2img::aci::{Manifest, check, check_manifest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let report = check(bytes).expect("memory can be read");
    if let Some(manifest) = &report.manifest {
        assert!(!report.is_valid() || report.id.is_some());
        let _ = check_manifest(manifest);
    }
    // What passes can be added to, and passes still.
    if let Ok(mut manifest) = Manifest::from_json(bytes, "example.com/app") {
        manifest.set_label("os", "linux");
        manifest.set_label("arch", "amd64");
        manifest.set_variable("PATH", "/bin");
        manifest.set_exec(&["/bin/sh".into()]);
        manifest.check().expect("it passed before");
    }
});
