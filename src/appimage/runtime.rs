//! The program at the head of each AppImage, built with this one.

/// The program's bytes: an ELF file that ends where its table of sections does, with the AppImage magic and empty
/// sections for update information and signature. An image put behind it is an AppImage. There is none for processors
/// that it has no entry point for.
pub fn embedded() -> Option<&'static [u8]> {
    let program: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/appimage-runtime"));
    (!program.is_empty()).then_some(program)
}
