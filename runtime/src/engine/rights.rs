//! What this process may do that others may not.

use rustix::thread::{CapabilitySet, capabilities};

/// The process's capabilities, as far as engines ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rights {
    /// May mount here and now (`CAP_SYS_ADMIN` is effective).
    pub(super) mount: bool,
    /// Has capabilities that a user namespace would take away.
    pub(super) any: bool,
}

/// Asks the kernel.
pub(super) fn rights() -> Rights {
    // A kernel that does not say is treated as one that gives none.
    capabilities(None).map_or(Rights { mount: false, any: false }, |sets| Rights {
        mount: sets.effective.contains(CapabilitySet::SYS_ADMIN),
        any: !sets.permitted.is_empty(),
    })
}
