//! The end of an `eStargz` layer: the table of contents as the last file of the tar, and a footer
//! that tells where it is (stargz-snapshotter, `docs/estargz.md`).

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::toc::{Toc, sha256};
use super::{Format, Placed, Tail, pack};
use crate::image::compress::Compression;
use crate::image::{Error, tar};

/// The file that is the table of contents.
const TOC: &[u8] = b"stargz.index.json";

/// A file that says that no other is to be fetched before a container starts; without one, a
/// snapshotter takes the first megabytes of each layer for such files. The specification demands it.
pub(crate) const LANDMARK: &[u8] = b".no.prefetch.landmark";

/// What is in it ("4 bits contents 0xf").
pub(crate) const LANDMARK_CONTENT: &[u8] = &[0xf];

const MODE: u32 = 0o444;

/// A gzip member with nothing in it but, in a field that decoders pass over, where the table is.
const FOOTER_SIZE: usize = 51;

pub(super) fn tail(toc: &Toc, placed: Placed, compression: Compression) -> Result<Tail, Error> {
    let json = toc
        .json(Format::Stargz, placed.chunks, None)
        .map_err(|error| Error::Compress(error.into()))?;
    let size = json.len() as u64;
    let mut tar_bytes = Vec::with_capacity(json.len() + 4 * tar::BLOCK);
    tar::header(&mut tar_bytes, TOC, MODE, tar::Kind::File { size });
    tar_bytes.extend_from_slice(&json);
    tar_bytes.extend_from_slice(tar::padding(size));
    tar_bytes.extend_from_slice(&tar::TRAILER);
    let mut blob = pack(compression, &tar_bytes)?;
    blob.extend_from_slice(&footer(placed.blob_size));
    let all = placed.tar_size + tar_bytes.len() as u64;
    let annotations = BTreeMap::from([
        ("containerd.io/snapshot/stargz/toc.digest".into(), sha256(&Sha256::digest(&json).into())),
        // For podman with an additional layer store, which cannot find out by itself.
        ("io.containers.estargz.uncompressed-size".into(), all.to_string()),
    ]);
    Ok(Tail { tar: tar_bytes, blob, annotations })
}

/// The last bytes of a blob whose table's gzip member begins at `offset`.
fn footer(offset: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(FOOTER_SIZE);
    // Magic, deflate, an extra field, no time, no extra flags, unknown system (RFC 1952 section
    // 2.3); the field's length, and its only subfield with identifier and length.
    out.extend_from_slice(&[0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 26, 0, b'S', b'G', 22, 0]);
    out.extend_from_slice(format!("{offset:016x}STARGZ").as_bytes());
    // A last, stored block of length 0 (RFC 1951 section 3.2.4), and CRC and length of nothing.
    out.extend_from_slice(&[1, 0, 0, 0xff, 0xff]);
    out.extend_from_slice(&[0; 8]);
    out
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_footer_is_an_empty_gzip_member() {
        let bytes = footer(0x1234);
        assert_eq!(bytes.len(), FOOTER_SIZE);
        let mut decoder = flate2::read::GzDecoder::new(&bytes[..]);
        assert_eq!(decoder.read_to_end(&mut Vec::new()).unwrap(), 0);
        let extra = decoder.header().unwrap().extra().unwrap();
        assert_eq!(extra, b"SG\x16\x000000000000001234STARGZ");
        assert!(decoder.into_inner().is_empty());
    }
}
