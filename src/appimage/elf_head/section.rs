//! The sections that runtimes of AppImages reserve for others to write into.

/// A section, found by its name. Sizes are those of type2-runtime (`data_sections.ld`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// `.upd_info`, 1024 bytes: update information as text.
    UpdateInformation,
    /// `.sha256_sig`, 1024 bytes: an armoured signature.
    Signature,
    /// `.sig_key`, 8192 bytes: the armoured public key of who signed.
    Key,
    /// `.digest_md5`, 16 bytes: read by nobody, left zero.
    Digest,
}

impl Section {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::UpdateInformation, Self::Signature, Self::Key, Self::Digest];

    /// Its name in ELF.
    pub fn name(self) -> &'static str {
        match self {
            Self::UpdateInformation => ".upd_info",
            Self::Signature => ".sha256_sig",
            Self::Key => ".sig_key",
            Self::Digest => ".digest_md5",
        }
    }

    /// What is written in it: all before the first zero byte.
    pub fn content(bytes: &[u8]) -> &[u8] {
        let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
        &bytes[..end]
    }
}
