//! Layers whose files can be fetched one by one.

/// Raised whenever the same tar would give another blob.
pub(super) const VERSION: u32 = 1;
