//! Desktop entries: the `.desktop` file by which menus know an application.
//!
//! [`DesktopEntry`] is a file taken apart, and [`check`] tells what is wrong with it by the rules of the
//! Desktop Entry Specification and the registries of the Desktop Menu Specification. The verdict is that
//! of `desktop-file-validate`, which `appimagetool` insists on: what that program calls an error is one
//! here, and nothing else is. Where its releases disagree (new desktops, versions of the specification),
//! both are taken.

mod autostart;
mod categories;
mod exec;
mod groups;
mod keys;
mod lists;
mod mime;
mod parse;
mod problem;

pub(super) use exec::program;
pub use groups::check;
pub(super) use parse::with_key;
pub use parse::{DesktopEntry, Group};
pub use problem::{Problem, Severity};

/// The group that an entry is about.
pub const MAIN_GROUP: &str = "Desktop Entry";

/// What it was called by KDE before there was a specification.
const KDE_GROUP: &str = "KDE Desktop Entry";

/// What the names of actions' groups begin with.
const ACTION_GROUP: &str = "Desktop Action ";
