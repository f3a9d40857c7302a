//! The head of an AppImage is parsed or refused; its sections lie within it and take what fits.

#![no_main]

use closure2img::appimage::elf_head::{ElfHead, RuntimeFile, Section};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(head) = ElfHead::parse(bytes) else { return };
    for section in Section::ALL {
        let Some(range) = head.section(section) else { continue };
        assert!(range.start <= range.end && range.end <= head.end());
    }
    if let Ok(mut file) = RuntimeFile::parse(bytes.to_vec()) {
        let (size, text) = (file.bytes().len(), [b'x'; 1024]);
        for section in Section::ALL {
            let _ = file.set(section, &text);
        }
        assert_eq!(file.bytes().len(), size);
    }
});
