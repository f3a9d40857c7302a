//! Pushes an OCI image layout, a directory, to a registry.
//!
//! ```text
//! cargo run --release -p registry --example push_layout -- DIR REFERENCE
//! ```
//!
//! Sends the first manifest of `index.json` with all that it names, and prints `REPOSITORY@DIGEST`.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use registry::{Blob, Client, ClientOptions, Digest, Manifest, Reference, Silent};
use serde_json::Value;

/// A blob that is a file of the layout.
struct FileBlob {
    path: PathBuf,
    digest: Digest,
    size: u64,
}

impl Blob for FileBlob {
    fn digest(&self) -> Digest {
        self.digest
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(&self.path)?))
    }
}

fn blob(dir: &Path, descriptor: &Value) -> Result<FileBlob, Box<dyn Error>> {
    let digest: Digest = descriptor["digest"].as_str().unwrap_or_default().parse()?;
    let path = dir.join("blobs/sha256").join(digest.hex());
    let size = fs::metadata(&path)?.len();
    Ok(FileBlob { path, digest, size })
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [dir, reference] = &words[..] else {
        return Err("usage: push_layout DIR REFERENCE".into());
    };
    let dir = Path::new(dir);
    let reference: Reference = reference.parse()?;

    let index: Value = serde_json::from_slice(&fs::read(dir.join("index.json"))?)?;
    let descriptor = &index["manifests"][0];
    let bytes = fs::read(blob(dir, descriptor)?.path)?;
    let manifest: Value = serde_json::from_slice(&bytes)?;
    let layers = manifest["layers"].as_array().ok_or("the manifest has no layers")?;
    let blobs: Vec<FileBlob> = std::iter::once(&manifest["config"])
        .chain(layers)
        .map(|descriptor| blob(dir, descriptor))
        .collect::<Result<_, _>>()?;

    let media_type = descriptor["mediaType"].as_str().unwrap_or_default();
    let manifest = Manifest::new(media_type, bytes);
    let blobs: Vec<&dyn Blob> = blobs.iter().map(|blob| blob as &dyn Blob).collect();
    let client = Client::new(reference.clone(), ClientOptions::default())?;
    let digest = registry::push(&client, &blobs, &manifest, &Silent)?;
    #[expect(clippy::print_stdout, reason = "a program's result")]
    {
        println!("{}", reference.with_digest(digest));
    }
    Ok(())
}
