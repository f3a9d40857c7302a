//! An image reference that parses says the same of itself when it is printed and parsed again.

#![no_main]

use closure2img::image::ImageName;
use libfuzzer_sys::fuzz_target;
use registry::Reference;

fuzz_target!(|text: &str| {
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.to_string().parse::<Reference>().as_ref(), Ok(&reference));
        let _ = (reference.registry(), reference.name(), reference.target());
    }
    if let Ok(name) = ImageName::parse(text) {
        assert_eq!(ImageName::parse(name.as_str()).as_ref(), Ok(&name));
    }
    // Must find a valid name or none in whatever a store path is called.
    let _ = ImageName::of_store_path(text);
});
