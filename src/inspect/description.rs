//! What can be said of an image, its layers and its files.

use layering::StorePath;
use registry::Digest;

use super::graph::References;
use crate::aci::check::Report;
use crate::untar::Packing;

/// What an image has.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// Its layers, bottom first.
    pub layers: Vec<LayerDescription>,
    /// What refers to what; `None` if the image does not say, and its files were not read.
    pub references: Option<References>,
    /// What is in it in vain; `None` if the files were not read.
    pub dead_weight: Option<DeadWeight>,
    /// All files that a container sees, sorted; `None` if they were not read.
    pub files: Option<Vec<FileDescription>>,
    /// What an ACI is as such; `None` if it was not read.
    pub aci: Option<Report>,
}

/// A layer.
#[derive(Clone, Debug, Default)]
pub struct LayerDescription {
    /// Digest of the blob.
    pub digest: Option<Digest>,
    /// Digest of the tar.
    pub diff_id: Option<Digest>,
    /// What the manifest says that it is.
    pub media_type: Option<String>,
    /// Bytes of the blob.
    pub size: u64,
    /// Key and recipe of a layer of ours.
    pub key: Option<(Digest, Option<String>)>,
    /// For which machines its programs are, as far as it says.
    pub machines: Vec<String>,
    /// What reading it told.
    pub read: Option<LayerRead>,
    /// Its store paths, in their order.
    pub paths: Vec<PathDescription>,
}

/// What is known of a layer that was read.
#[derive(Clone, Debug)]
pub struct LayerRead {
    /// How it is packed.
    pub packing: Packing,
    /// Bytes of the tar.
    pub unpacked: u64,
    /// How many entries it has.
    pub entries: usize,
    /// Bytes of files that are in no store path.
    pub outside: u64,
    /// Orders to remove what is in layers below.
    pub whiteouts: usize,
}

/// A store path.
#[derive(Clone, Debug)]
pub struct PathDescription {
    /// Its name.
    pub path: StorePath,
    /// The size of its NAR, if the image says it.
    pub nar_size: Option<u64>,
    /// Bytes of its files, without those that are links to others; `None` if they were not read.
    pub size: Option<u64>,
    /// Its largest files: paths within it, and bytes.
    pub biggest: Vec<(Vec<u8>, u64)>,
    /// How many files it has.
    pub files: usize,
}

/// A file, link or directory that a container sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDescription {
    /// Its path, without a slash in front.
    pub path: Vec<u8>,
    /// `file`, `directory` and so on.
    pub kind: &'static str,
    /// Bytes of a file.
    pub size: Option<u64>,
    /// Target of a link.
    pub target: Option<Vec<u8>>,
    /// The number of its layer, from 0 at the bottom.
    pub layer: usize,
}

/// What nobody ever uses.
#[derive(Clone, Debug, Default)]
pub struct DeadWeight {
    /// Store paths that nothing leads to, with their bytes.
    pub paths: Vec<(StorePath, u64)>,
    /// Files that a layer above hides or removes: path, bytes, layer, and the one above.
    pub hidden: Vec<(Vec<u8>, u64, usize, usize)>,
    /// Equal files.
    pub duplicates: Vec<Copies>,
}

/// Files of the same content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copies {
    /// Bytes of each.
    pub size: u64,
    /// Their paths, each with its layer.
    pub files: Vec<(usize, Vec<u8>)>,
}

impl DeadWeight {
    /// Bytes of dead paths, of hidden files, and of equal ones but one each.
    pub fn sums(&self) -> [u64; 3] {
        let copies = self.duplicates.iter().map(|it| it.size * (it.files.len() as u64 - 1));
        [
            self.paths.iter().map(|(_, size)| size).sum(),
            self.hidden.iter().map(|(_, size, _, _)| size).sum(),
            copies.sum(),
        ]
    }
}
