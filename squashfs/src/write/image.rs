//! An image from its first byte to its last: superblock, contents, inodes, directories, tables.

use std::collections::HashMap;
use std::io::{Seek, Write};
use std::thread;

use super::codec::Codec;
use super::data::{self, Data};
use super::directory::{self, Entry};
use super::inode::{self, Body, Head};
use super::metadata::{Metadata, Place};
use super::output::{Output, Writer};
use super::pool::Pool;
use super::source::Source;
use super::tree::{Tree, split};
use super::xattrs::Xattrs;
use super::{Error, Kind, Node, Options, Written};
use crate::format::{METADATA_PLAIN, NO_TABLE, Superblock, flags};

pub(super) fn write<W: Write + Seek + Send>(
    nodes: Vec<Node>,
    out: W,
    options: &Options,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Written, Error> {
    options.check()?;
    let tree = Tree::new(nodes)?;
    thread::scope(|scope| {
        let (output, writer) = Output::start(scope, out)?;
        fill(&tree, output, writer, options, progress)
    })
}

fn fill<W: Write + Seek>(
    tree: &Tree,
    mut out: Output,
    writer: Writer<'_, W>,
    options: &Options,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Written, Error> {
    let codec = || Codec::new(options.compression);
    if let Some(stored) = options.compression.stored() {
        let length = u16::try_from(stored.len()).unwrap_or_default();
        out.write(&(length | METADATA_PLAIN).to_le_bytes())?;
        out.write(&stored)?;
    }
    let sources = tree.nodes().iter().filter_map(source).collect::<Vec<_>>();
    let others = (1..options.threads.get()).map(|_| codec()).collect::<Result<_, _>>()?;
    let data = Pool::run(codec()?, others, |pool| {
        data::store(&sources, options, pool, &mut out, progress)
    })?;

    let mut ids = Ids::default();
    let mut xattrs = Xattrs::new(codec()?);
    let tables = Tables::new(tree, &data, &mut ids, &mut xattrs, [codec()?, codec()?])?;
    let root = tables.places[0].reference();
    let inode_table = out.position();
    out.write(&tables.inodes)?;
    let directory_table = out.position();
    out.write(&tables.directories)?;
    let fragment_table = match data.fragments.is_empty() {
        true => NO_TABLE,
        false => out.write_table(&encode_fragments(&data.fragments), codec()?)?,
    };
    let export_table = out.write_table(&encode_export(tree, &tables.places), codec()?)?;
    let id_table = out.write_table(&ids.encode(), codec()?)?;
    let has_xattrs = !xattrs.is_empty();
    let xattr_table = xattrs.write(&mut out, codec()?)?;

    let fragments = u32::try_from(data.fragments.len()).unwrap_or_default();
    let bytes_used = out.position();
    let mut bits = options.compression.flags() | flags::DUPLICATES | flags::EXPORTABLE;
    if !has_xattrs {
        bits |= flags::NO_XATTRS;
    }
    let inodes = u32::try_from(tree.nodes().len()).unwrap_or_default();
    let length = out.finish(
        &Superblock {
            inodes,
            made: options.made,
            block_size: options.block_size,
            fragments,
            compressor: options.compression.compressor() as u16,
            flags: bits,
            ids: u16::try_from(ids.list.len()).unwrap_or_default(),
            root,
            bytes_used,
            id_table,
            xattr_table,
            inode_table,
            directory_table,
            fragment_table,
            export_table,
        },
        writer,
    )?;
    Ok(Written {
        length,
        inodes,
        content: sources.iter().map(|source| source.size).sum(),
        duplicate: data.duplicate,
        fragments,
        blocks: data.sizes.len() as u64,
        metadata: length - inode_table,
    })
}

/// A file with content: one without needs no room anywhere.
fn source(node: &Node) -> Option<Source<'_>> {
    match &node.kind {
        Kind::File(content) => {
            let (path, content) = (&node.path[..], &**content);
            Some(Source { path, content, size: content.size() }).filter(|source| source.size > 0)
        }
        _ => None,
    }
}

/// Inodes and directories, as they are stored.
struct Tables {
    inodes: Vec<u8>,
    directories: Vec<u8>,
    /// Where each node's inode is.
    places: Vec<Place>,
}

impl Tables {
    fn new(
        tree: &Tree,
        data: &Data,
        ids: &mut Ids,
        xattrs: &mut Xattrs,
        [for_inodes, for_directories]: [Codec; 2],
    ) -> Result<Self, Error> {
        let nodes = tree.nodes();
        // Contents were stored in the order of the nodes.
        let mut contents = vec![None; nodes.len()];
        let with_content = (0..).zip(nodes).filter(|(_, node)| source(node).is_some());
        for ((index, _), stored) in with_content.zip(&data.files) {
            let index: usize = index;
            contents[index] = Some(stored);
        }
        let nothing = data::Stored::default();
        let mut inodes = Metadata::new(for_inodes);
        let mut directories = Metadata::new(for_directories);
        let mut places = vec![Place::default(); nodes.len()];
        let mut listings: HashMap<usize, directory::Listing> = HashMap::new();
        let mut bytes = Vec::new();
        let mut store = |index: usize, listing: Option<directory::Listing>| {
            let node = &nodes[index];
            let head = Head {
                mode: node.mode,
                uid: ids.index(node.uid)?,
                gid: ids.index(node.gid)?,
                mtime: node.mtime,
                number: tree.number(index),
                xattrs: xattrs.add(node)?,
            };
            let body = match &node.kind {
                Kind::Directory => Body::Directory {
                    listing: listing.unwrap_or_default(),
                    links: tree.links(index)?,
                    above: tree.number_above(index),
                },
                Kind::File(content) => {
                    let stored = contents[index].unwrap_or(&nothing);
                    let sizes = &data.sizes[stored.blocks.clone()];
                    Body::File { size: content.size(), stored, sizes }
                }
                Kind::Symlink(target) => Body::Symlink(target),
                Kind::BlockDevice(device) => Body::BlockDevice(*device),
                Kind::CharacterDevice(device) => Body::CharacterDevice(*device),
                Kind::Fifo => Body::Fifo,
                Kind::Socket => Body::Socket,
            };
            bytes.clear();
            let kind = inode::encode(head, &body, &mut bytes);
            let place = inodes.place()?;
            inodes.write(&bytes)?;
            places[index] = place;
            Ok::<_, Error>((place, kind))
        };
        for &directory in tree.inside_out() {
            let mut entries = Vec::with_capacity(tree.children(directory).len());
            for &child in tree.children(directory) {
                let (place, kind) = store(child, listings.remove(&child))?;
                let name = split(&nodes[child].path).1;
                entries.push(Entry { name, place, number: tree.number(child), kind });
            }
            listings.insert(directory, directory::write(&mut directories, &entries)?);
        }
        store(0, listings.remove(&0))?;
        let (inodes, _) = inodes.finish()?;
        let (directories, _) = directories.finish()?;
        Ok(Self { inodes, directories, places })
    }
}

/// Owners and groups, each once.
#[derive(Default)]
struct Ids {
    list: Vec<u32>,
    indices: HashMap<u32, u16>,
}

impl Ids {
    fn index(&mut self, id: u32) -> Result<u16, Error> {
        if let Some(index) = self.indices.get(&id) {
            return Ok(*index);
        }
        // The superblock counts them in 16 bits.
        let index = u16::try_from(self.list.len())
            .ok()
            .filter(|index| *index < u16::MAX)
            .ok_or_else(|| Error::too_many("owners and groups", u16::MAX))?;
        self.list.push(id);
        self.indices.insert(id, index);
        Ok(index)
    }

    fn encode(&self) -> Vec<u8> {
        self.list.iter().flat_map(|id| id.to_le_bytes()).collect()
    }
}

fn encode_fragments(fragments: &[(u64, u32)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(fragments.len() * 16);
    for (start, size) in fragments {
        bytes.extend(start.to_le_bytes());
        bytes.extend(size.to_le_bytes());
        bytes.extend([0; 4]);
    }
    bytes
}

/// Where inodes are, by their number.
fn encode_export(tree: &Tree, places: &[Place]) -> Vec<u8> {
    let stored = tree.inside_out().iter().flat_map(|&directory| tree.children(directory));
    let in_order = stored.chain(&[0]).map(|&node| places[node].reference());
    in_order.flat_map(u64::to_le_bytes).collect()
}
