//! What the integration tests share: real peers, started and stopped, and checks on what they made.
//!
//! A test names its peers first, then uses them:
//! ```ignore
//! mod support;
//! use support::{dockerd::Dockerd, nix};
//!
//! #[test]
//! fn docker_runs_it() {
//!     peer!("nix-build", "dockerd");
//!     let docker = Dockerd::start();
//!     docker.docker(["load", "-i", "app.tar"]).success();
//! }
//! ```
#![allow(dead_code, reason = "each test binary compiles all of this and uses a part")]
#![allow(
    unreachable_pub,
    reason = "`pub` says which items are for tests, though a test binary exports none"
)]

#[macro_use]
pub mod peer;

pub mod aci;
pub mod actool;
pub mod app_dir;
pub mod browser;
pub mod container_registry;
pub mod containerd;
pub mod copy;
pub mod demo;
pub mod dockerd;
pub mod fake_http;
pub mod ferro;
pub mod handmade;
pub mod image;
pub mod keyring;
pub mod killed;
pub mod lazy;
pub mod lock;
pub mod mounted;
pub mod nix;
pub mod noise;
pub mod opened;
pub mod outcome;
pub mod podman;
pub mod range_server;
pub mod registry;
pub mod scan_store;
pub mod server;
pub mod small_disk;
pub mod token_server;
pub mod tool;
pub mod tree;

/// A folder that goes away at the end of the test. Its name is short: socket paths end at 107 bytes.
pub fn temp_dir() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("c2i-").tempdir().expect("creating a temporary folder")
}
