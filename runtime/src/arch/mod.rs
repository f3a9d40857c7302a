//! What differs between processors, a file for each.

#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86_64")]
pub use x86_64::*;

#[cfg(not(target_arch = "x86_64"))]
compile_error!("no entry point for this processor yet: it needs a file beside `x86_64.rs`");
