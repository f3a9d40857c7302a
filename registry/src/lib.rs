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
//! What is in a registry comes out by [`Client::get_manifest`] and [`Client::open_blob`], a stream that is checked while
//! it flows and goes on where it broke; a [`RemoteBlob`] is one registry's blob as something to upload to another.
//! [`Client::tags`], [`Client::referrers`] and [`Client::delete_tag`] list and remove.
//!
//! The crate never prints and keeps secrets out of messages: see [`Secret`] and [`Error`].

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod auth;
mod blob;
mod cache;
mod client;
mod credentials;
mod delete;
mod descriptor;
mod digest;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod host;
mod index;
mod known;
mod link;
mod login;
mod manifest;
mod mirrors;
mod options;
mod pages;
mod progress;
mod pull;
mod push;
mod reference;
mod referrers;
mod registries;
mod registry_name;
mod secret;
mod tags;
mod trust;
mod upload;
mod wire;

pub use blob::{Blob, FileBlob, Memory};
pub use client::Client;
pub use credentials::{Credential, CredentialsError, Environment, Stored};
pub use descriptor::{Descriptor, Platform, PlatformError};
pub use digest::{Digest, DigestError};
pub use error::{Details, Error};
pub use index::{Index, ManifestError, Parts};
pub use known::{Seen, Survey};
pub use login::Login;
pub use manifest::Manifest;
pub use mirrors::MirrorPlaces;
pub use options::ClientOptions;
pub use progress::{Event, Progress, Silent};
pub use pull::{BlobReader, RemoteBlob};
pub use push::{Queue, finish, push, sending};
pub use reference::{Reference, ReferenceError};
pub use registries::Registries;
pub use registry_name::RegistryName;
pub use secret::Secret;
pub use trust::{Authority, CertificatePlaces, ClientCertificate};
pub use upload::Placed;
pub use wire::retry::Deadline;
