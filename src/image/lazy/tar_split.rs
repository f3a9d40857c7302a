//! Tar-split data: all of a tar but the files' contents, from which, and from the files on disk, the
//! tar can be made again to the byte.
//!
//! Podman computes the diff ID of a layer that it fetched in parts with it, and fetches layers
//! without such data whole. JSON values, one a line: segments of raw bytes, and between them the
//! files by name, size and CRC-64 (vbatts/tar-split, `tar/storage/entry.go`).

use std::io::Write;

use data_encoding::BASE64;
use serde::Serialize;
use zstd::stream::write::Encoder;

use super::crc64::Crc64;
use crate::image::{Error, tar};

/// A file's content or what has none; see `storage.Type`.
const FILE: u8 = 1;
const SEGMENT: u8 = 2;

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    r#type: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// A segment's bytes or a file's sum, in base 64.
    payload: Option<&'a str>,
    position: u64,
}

/// The data of one layer, compressed as it comes.
pub(super) struct TarSplit {
    out: Encoder<'static, Vec<u8>>,
    /// How many bytes went in.
    size: u64,
    /// How many lines there are.
    lines: u64,
    /// The file whose content is being seen.
    file: Option<(String, u64, Crc64)>,
    /// What fills up the last file's last block.
    padding: &'static [u8],
    /// A segment and a line, kept for their memory.
    buffers: (String, Vec<u8>),
}

/// Tar-split data at rest.
pub(super) struct Finished {
    /// A zstd frame.
    pub(super) compressed: Vec<u8>,
    /// How much is in it.
    pub(super) size: u64,
}

impl TarSplit {
    pub(super) fn new(level: i32) -> Result<Self, Error> {
        let out = Encoder::new(Vec::new(), level).map_err(Error::Compress)?;
        Ok(Self {
            out,
            size: 0,
            lines: 0,
            file: None,
            padding: &[],
            buffers: (String::new(), Vec::new()),
        })
    }

    /// An entry with its header, its name in the tar, and how much content follows.
    pub(super) fn entry(&mut self, header: &[u8], name: &str, size: u64) -> Result<(), Error> {
        self.segment(header)?;
        if size > 0 {
            self.file = Some((name.into(), size, Crc64::new()));
            return Ok(());
        }
        self.line(FILE, Some(name), None, None)
    }

    /// Some of that content.
    pub(super) fn content(&mut self, bytes: &[u8]) {
        if let Some((_, _, crc)) = &mut self.file {
            crc.update(bytes);
        }
    }

    /// The end of that content, if there was any.
    pub(super) fn end_content(&mut self) -> Result<(), Error> {
        let Some((name, size, crc)) = self.file.take() else { return Ok(()) };
        self.padding = tar::padding(size);
        self.line(FILE, Some(&name), Some(size), Some(&BASE64.encode(&crc.sum())))
    }

    /// The end of the tar.
    pub(super) fn finish(mut self) -> Result<Finished, Error> {
        self.segment(&tar::TRAILER)?;
        let compressed = self.out.finish().map_err(Error::Compress)?;
        Ok(Finished { compressed, size: self.size })
    }

    /// The padding of the last file, and these bytes.
    fn segment(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut text = std::mem::take(&mut self.buffers.0);
        text.clear();
        if self.padding.is_empty() {
            BASE64.encode_append(bytes, &mut text);
        } else {
            BASE64.encode_append(&[self.padding, bytes].concat(), &mut text);
            self.padding = &[];
        }
        self.line(SEGMENT, None, None, Some(&text))?;
        self.buffers.0 = text;
        Ok(())
    }

    fn line(
        &mut self,
        r#type: u8,
        name: Option<&str>,
        size: Option<u64>,
        payload: Option<&str>,
    ) -> Result<(), Error> {
        let line = &mut self.buffers.1;
        line.clear();
        let value = Line { r#type, name, size, payload, position: self.lines };
        serde_json::to_writer(&mut *line, &value).map_err(|error| Error::Compress(error.into()))?;
        line.push(b'\n');
        self.lines += 1;
        self.size += line.len() as u64;
        self.out.write_all(line).map_err(Error::Compress)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn segments_and_contents_make_the_tar() {
        let content = b"some content";
        let mut tar_bytes = Vec::new();
        let mut split = TarSplit::new(3).unwrap();
        let mut header = Vec::new();
        for (name, kind) in [
            ("d", tar::Kind::Directory),
            ("d/empty", tar::Kind::File { size: 0 }),
            ("d/full", tar::Kind::File { size: content.len() as u64 }),
            ("d/link", tar::Kind::Symlink { target: &[b'x'; 200] }),
        ] {
            header.clear();
            tar::header(&mut header, name.as_bytes(), 0o444, kind);
            tar_bytes.extend(&header);
            let size = if let tar::Kind::File { size } = kind { size } else { 0 };
            split.entry(&header, name, size).unwrap();
            if size > 0 {
                tar_bytes.extend(content);
                tar_bytes.extend(tar::padding(size));
                split.content(content);
            }
            split.end_content().unwrap();
        }
        tar_bytes.extend(tar::TRAILER);
        let finished = split.finish().unwrap();
        let text = zstd::stream::decode_all(&finished.compressed[..]).unwrap();
        assert_eq!(text.len() as u64, finished.size);
        let lines: Vec<Value> = text
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        let mut back = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            assert_eq!(line["position"], index);
            match line["type"].as_u64() {
                Some(2) => back
                    .extend(BASE64.decode(line["payload"].as_str().unwrap().as_bytes()).unwrap()),
                _ if line["size"].is_u64() => back.extend(content),
                _ => assert!(line["payload"].is_null()),
            }
        }
        assert!(back == tar_bytes);
        let names: Vec<&str> = lines.iter().filter_map(|line| line["name"].as_str()).collect();
        assert_eq!(names, ["d", "d/empty", "d/full", "d/link"]);
    }
}
