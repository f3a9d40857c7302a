//! How blobs and manifests get to and from an OCI registry.
//!
//! A [`Client`] talks to one repository, named by a [`Reference`], over blocking HTTP/1.1 with as many connections as
//! threads use it. [`push`] uploads a whole image; [`Client::ensure_blob`] and [`Client::put_manifest`] are its
//! pieces, for a caller that uploads layers while it still builds others. Whatever a registry answers is checked
//! against the [`Digest`] that it should have.
//!
//! ```no_run
//! use registry::{Blob, Client, ClientOptions, Manifest, Memory, Silent};
//!
//! # let manifest_json = Vec::new();
//! let client = Client::new("registry.example/team/app:v1".parse()?, ClientOptions::default())?;
//! let config = Memory::new(*b"{}");
//! let manifest = Manifest::new("application/vnd.oci.image.manifest.v1+json", manifest_json);
//! let digest = registry::push(&client, &[&config], &manifest, &Silent)?;
//! println!("{}", client.reference().with_digest(digest));
//! # Ok::<(), registry::Error>(())
//! ```
//!
//! The crate never prints and keeps secrets out of messages: see [`Secret`] and [`Error`].

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod auth;
mod blob;
mod cache;
mod client;
mod credentials;
mod digest;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod host;
mod known;
mod manifest;
mod options;
mod progress;
mod push;
mod reference;
mod registries;
mod secret;
mod upload;
mod wire;

pub use blob::{Blob, FileBlob, Memory};
pub use client::Client;
pub use credentials::{Credential, CredentialsError, Environment};
pub use digest::{Digest, DigestError};
pub use error::{Details, Error};
pub use known::{Seen, Survey};
pub use manifest::Manifest;
pub use options::ClientOptions;
pub use progress::{Event, Progress, Silent};
pub use push::{Queue, finish, push, sending};
pub use reference::{Reference, ReferenceError};
pub use registries::Registries;
pub use secret::Secret;
pub use upload::Placed;
pub use wire::retry::Deadline;
pub use wire::transport::Authority;
