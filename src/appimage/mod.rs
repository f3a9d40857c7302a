//! AppImages: one executable file that holds an application, all that it needs, and a program that makes
//! both visible and starts it.
//!
//! ```text
//! AppDir ──► references ──► closure ─┐
//! roots ───────────────────► closure ├──► contents ──► pieces ──► lint ──► SquashFS ──► runtime + image
//! ```
//!
//! - [`AppDir`]: a directory as it is on disk, read and never written to.
//! - [`Prepared`]: an AppImage before it is written: all that will be in it, and what is wrong with that.
//! - [`desktop`]: the rules for desktop entries.
//! - [`Finding`]: what a check has to say.
//! - [`metadata`]: what the runtime must know of the store, in the image's own `.closure2img`.
//! - [`elf_head`], [`runtime`]: the program in front of the image.
//! - [`signature`], [`zsync`], [`UpdateInformation`]: who made it, and how newer ones are found.

mod app_dir;
mod contents;
pub mod desktop;
pub mod elf_head;
mod error;
mod icon;
mod ignore;
mod lint;
mod metadata;
mod named;
mod pieces;
mod prepared;
pub mod runtime;
pub mod signature;
mod tree;
mod update_information;
pub mod zsync;

pub use app_dir::AppDir;
pub use error::Error;
pub use icon::png;
pub use ignore::Ignore;
pub use lint::{Finding, Severity};
pub use metadata::{METADATA_FILE, metadata};
pub use named::{arch, file_name};
pub use prepared::{Prepared, Request};
pub use update_information::{UpdateInformation, UpdateInformationError};
