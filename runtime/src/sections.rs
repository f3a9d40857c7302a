//! What other programs write into the finished file, found by the sections' names: sizes are type2-runtime's
//! (`data_sections.ld`).

/// Update information, padded with zeros.
#[used]
#[unsafe(link_section = ".upd_info")]
static UPDATE_INFORMATION: [u8; 1024] = [0; 1024];

/// An armored signature.
#[used]
#[unsafe(link_section = ".sha256_sig")]
static SIGNATURE: [u8; 1024] = [0; 1024];

/// The armored public key to it.
#[used]
#[unsafe(link_section = ".sig_key")]
static KEY: [u8; 8192] = [0; 8192];

/// Nobody is known to read it; `appimagetool` fills it, and we do not.
#[used]
#[unsafe(link_section = ".digest_md5")]
static DIGEST: [u8; 16] = [0; 16];
