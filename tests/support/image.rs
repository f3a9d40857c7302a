//! An image layout read back without our tool: what is in it, and that each blob is what its name says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::outcome::Outcome;
use super::peer::program;

/// Runs the tool with `-o`; answers the digest of all bytes of the archive that it writes.
#[track_caller]
pub fn archive_digest(tool: &mut Command) -> String {
    let dir = super::temp_dir();
    let archive = dir.path().join("image.tar");
    Outcome::of(tool.arg("-o").arg(&archive)).success();
    HEXLOWER.encode(&Sha256::digest(fs::read(archive).expect("reading an archive")))
}

/// An OCI image layout with one image: a folder, or an archive unpacked.
pub struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// The layout in this folder.
    pub fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// The layout in an archive, unpacked to a new folder. Needs `peer!("tar")`.
    #[track_caller]
    pub fn unpacked(archive: &Path, dir: &Path) -> Self {
        fs::create_dir_all(dir).expect("creating a folder for an archive");
        let mut tar = Command::new(program("tar"));
        Outcome::of(tar.arg("-xf").arg(archive).arg("-C").arg(dir)).success();
        Self::at(dir)
    }

    /// What the index says about the one image.
    pub fn descriptor(&self) -> Value {
        let index = fs::read(self.dir.join("index.json")).expect("reading the index");
        let index: Value = serde_json::from_slice(&index).expect("the index is JSON");
        assert_eq!(index["manifests"].as_array().map(Vec::len), Some(1), "{index}");
        index["manifests"][0].clone()
    }

    /// The manifest.
    pub fn manifest(&self) -> Value {
        self.json(&self.descriptor())
    }

    /// The image configuration.
    pub fn config(&self) -> Value {
        self.json(&self.manifest()["config"])
    }

    /// What the manifest says about each layer, bottom first.
    pub fn layers(&self) -> Vec<Value> {
        self.manifest()["layers"].as_array().expect("a list of layers").clone()
    }

    /// Where a blob is.
    pub fn blob_file(&self, descriptor: &Value) -> PathBuf {
        let digest = descriptor["digest"].as_str().expect("a digest");
        self.dir.join("blobs").join(digest.replace(':', "/"))
    }

    /// A blob.
    ///
    /// # Panics
    /// If its bytes are not those that the descriptor promises.
    #[track_caller]
    pub fn blob(&self, descriptor: &Value) -> Vec<u8> {
        let bytes = fs::read(self.blob_file(descriptor)).expect("reading a blob");
        let digest = format!("sha256:{}", HEXLOWER.encode(&Sha256::digest(&bytes)));
        assert_eq!(descriptor["digest"], digest);
        assert_eq!(descriptor["size"], bytes.len());
        bytes
    }

    #[track_caller]
    fn json(&self, descriptor: &Value) -> Value {
        serde_json::from_slice(&self.blob(descriptor)).expect("the blob is JSON")
    }
}
