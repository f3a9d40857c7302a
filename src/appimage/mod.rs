//! AppImages: one file that is a program and carries what it runs.

pub mod elf_head;
pub mod runtime;
pub mod signature;
mod update_information;
pub mod zsync;

pub use update_information::{UpdateInformation, UpdateInformationError};
