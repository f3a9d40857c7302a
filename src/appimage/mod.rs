//! AppImages: one file that is a program and carries what it runs.

pub mod elf_head;
pub mod runtime;
