//! Pushes an OCI image layout, a directory, to a registry.
//!
//! ```text
//! cargo run --release -p registry --example push_layout -- DIR REFERENCE [CACHE]
//! ```
//!
//! Sends the first manifest of `index.json` with all that it names, and prints `REPOSITORY@DIGEST`. What is
//! found out about the registry is kept in the folder CACHE.

use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;

use registry::{Blob, Client, ClientOptions, Digest, FileBlob, Manifest, Reference, Silent};
use serde_json::Value;

fn blob(dir: &Path, descriptor: &Value) -> Result<FileBlob, Box<dyn Error>> {
    let digest: Digest = descriptor["digest"].as_str().unwrap_or_default().parse()?;
    Ok(FileBlob::new(dir.join("blobs/sha256").join(digest.hex()), digest)?)
}

fn read(blob: &FileBlob) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    blob.open()?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (dir, reference, cache) = match &words[..] {
        [dir, reference] => (dir, reference, None),
        [dir, reference, cache] => (dir, reference, Some(cache.into())),
        _ => return Err("usage: push_layout DIR REFERENCE [CACHE]".into()),
    };
    let dir = Path::new(dir);
    let reference: Reference = reference.parse()?;

    let index: Value = serde_json::from_slice(&fs::read(dir.join("index.json"))?)?;
    let descriptor = &index["manifests"][0];
    let bytes = read(&blob(dir, descriptor)?)?;
    let manifest: Value = serde_json::from_slice(&bytes)?;
    let layers = manifest["layers"].as_array().ok_or("the manifest has no layers")?;
    let blobs: Vec<FileBlob> = std::iter::once(&manifest["config"])
        .chain(layers)
        .map(|descriptor| blob(dir, descriptor))
        .collect::<Result<_, _>>()?;

    let media_type = descriptor["mediaType"].as_str().unwrap_or_default();
    let manifest = Manifest::new(media_type, bytes);
    let blobs: Vec<&dyn Blob> = blobs.iter().map(|blob| blob as &dyn Blob).collect();
    let client =
        Client::new(reference.clone(), ClientOptions { cache, ..ClientOptions::default() })?;
    let digest = registry::push(&client, &blobs, &manifest, &Silent)?;
    #[expect(clippy::print_stdout, reason = "a program's result")]
    {
        println!("{}", reference.with_digest(digest));
    }
    Ok(())
}
