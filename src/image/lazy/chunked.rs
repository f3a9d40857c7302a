//! The end of a `zstd:chunked` layer: table of contents, tar-split data and footer, in frames that
//! every zstd decoder skips (RFC 8878 section 3.1.2).
//!
//! The format has no specification but its reference implementation: containers/storage,
//! `docs/containers-storage-zstd-chunked.md` and `pkg/chunked/internal/minimal/compression.go`.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::tar_split::Finished;
use super::toc::{Toc, sha256};
use super::{Format, Placed, Tail, pack};
use crate::image::Error;
use crate::image::compress::Compression;

/// Begins a frame that is to be skipped.
const SKIPPABLE: u32 = 0x184d_2a50;

/// Magic number and size before such a frame's content.
const FRAME_HEADER: u64 = 8;

/// The only kind of table that there is.
const MANIFEST_TYPE: u64 = 1;

/// The last bytes of the blob.
const MAGIC: [u8; 8] = *b"GNUlInUx";

/// Prefix of the annotations, and the one that it was until the end of 2022. Podman 4.3 and before
/// look for the latter, and read the tables of today.
const PREFIXES: [&str; 2] = ["io.github.containers.zstd-chunked", "io.containers.zstd-chunked"];

pub(super) fn tail(
    toc: &Toc,
    tar_split: &Finished,
    placed: Placed,
    compression: Compression,
) -> Result<Tail, Error> {
    let tar_split_digest = sha256(&Sha256::digest(&tar_split.compressed).into());
    let json = toc
        .json(Format::Chunked, placed.chunks, Some(&tar_split_digest))
        .map_err(|error| Error::Compress(error.into()))?;
    let table = pack(compression, &json)?;
    let mut blob = Vec::new();
    let table_at = frame(&mut blob, placed.blob_size, &table)?;
    let tar_split_at = frame(&mut blob, placed.blob_size, &tar_split.compressed)?;
    let table_sizes = [table.len() as u64, json.len() as u64];
    let tar_split_sizes = [tar_split.compressed.len() as u64, tar_split.size];
    let footer = [
        &[table_at][..],
        &table_sizes,
        &[MANIFEST_TYPE, tar_split_at],
        &tar_split_sizes,
        &[u64::from_le_bytes(MAGIC)],
    ];
    let footer: Vec<u8> = footer.concat().iter().flat_map(|number| number.to_le_bytes()).collect();
    frame(&mut blob, placed.blob_size, &footer)?;

    let [size, unpacked] = table_sizes;
    let table_position = format!("{table_at}:{size}:{unpacked}:{MANIFEST_TYPE}");
    let [size, unpacked] = tar_split_sizes;
    let mut annotations = BTreeMap::from([
        (format!("{}.tarsplit-position", PREFIXES[0]), format!("{tar_split_at}:{size}:{unpacked}")),
        // The table says it, too; between 2023 and 2024, this was looked at.
        (format!("{}.tarsplit-checksum", PREFIXES[0]), tar_split_digest),
    ]);
    let table_digest = sha256(&Sha256::digest(&table).into());
    for prefix in PREFIXES {
        annotations.insert(format!("{prefix}.manifest-checksum"), table_digest.clone());
        annotations.insert(format!("{prefix}.manifest-position"), table_position.clone());
    }
    Ok(Tail { tar: Vec::new(), blob, annotations })
}

/// Appends a frame to what will stand at `base` in the blob; says where its content will be.
fn frame(out: &mut Vec<u8>, base: u64, content: &[u8]) -> Result<u64, Error> {
    let size = u32::try_from(content.len()).map_err(|_| Error::Contents { got: content.len() })?;
    let at = base + out.len() as u64 + FRAME_HEADER;
    out.extend_from_slice(&SKIPPABLE.to_le_bytes());
    out.extend_from_slice(&size.to_le_bytes());
    out.extend_from_slice(content);
    Ok(at)
}
