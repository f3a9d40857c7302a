//! The command line: what was typed, parsed and handed on. One file for each subcommand.

// Doc comments here are help texts, which are read on a terminal and not as Markdown.
#![allow(clippy::doc_markdown)]

mod aci;
mod appimage;
mod cache;
mod cache_args;
mod closure;
mod closure_args;
mod compare;
mod copy;
mod diff;
mod display;
mod earlier;
mod extract;
mod fleet;
mod image_args;
mod index;
mod inspect;
mod inspect_json;
mod layers;
mod login;
mod oci;
mod page;
mod plan;
mod previous;
mod registry_args;
mod report;
mod rm;
mod run_args;
mod squashfs;
mod tags;
mod terminal;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Turns a Nix store closure into images that people can ship: no Docker, no daemon, no root
#[derive(Debug, Parser)]
#[command(name = "closure2img", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes:
  0  done
  1  the input, the store or the far side is at fault; the message says what to do
  2  wrong usage";

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a container image from the closure of the roots, and write or push it
    Oci(Box<oci::OciArgs>),
    /// Make an AppImage, one executable file, from an AppDir or the closure of the roots
    #[command(name = "appimage")]
    AppImage(Box<appimage::AppImageArgs>),
    /// Make a SquashFS image from the closure of the roots, or from a directory
    Squashfs(squashfs::SquashfsArgs),
    /// Make an App Container Image from the closure of the roots
    Aci(Box<aci::AciArgs>),
    /// Show which store paths would share a layer
    Plan(Box<plan::PlanArgs>),
    /// Show the closure of the roots with sizes
    Closure(closure::ListArgs),
    /// Show which paths and layers differ between two images or plans, and what that is to pull
    Diff(diff::DiffArgs),
    /// Show what an image is and has: layers, store paths, the largest files, what is there in vain
    Inspect(inspect::InspectArgs),
    /// Check an image: digests, archives, that its closure is whole and as it was registered
    Verify(verify::VerifyArgs),
    /// Write the root file system of an image to a directory
    Extract(extract::ExtractArgs),
    /// Copy an image, or all images of an index, between registries, archives and layouts
    Copy(copy::CopyArgs),
    /// Put images for several platforms under one name
    Index(index::IndexArgs),
    /// List the tags of a repository
    Tags(tags::TagsArgs),
    /// Remove tags or images from a registry
    Rm(rm::RmArgs),
    /// Show or clear what is kept of layers for the next time
    Cache(cache::CacheCommand),
    /// Keep a name and password for a registry, where docker and podman find them as well
    Login(login::LoginArgs),
    /// Forget what is kept for a registry
    Logout(login::LogoutArgs),
}

/// Does what the command line says.
pub(crate) fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Oci(args) => oci::run(&args),
        Command::AppImage(args) => appimage::run(&args),
        Command::Squashfs(args) => squashfs::run(&args),
        Command::Aci(args) => aci::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Closure(args) => closure::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Extract(args) => extract::run(&args),
        Command::Copy(args) => copy::run(&args),
        Command::Index(args) => index::run(&args),
        Command::Tags(args) => tags::run(&args),
        Command::Rm(args) => rm::run(&args),
        Command::Cache(args) => cache::run(&args),
        Command::Login(args) => login::log_in(&args),
        Command::Logout(args) => login::log_out(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report::fail(&error),
    }
}
