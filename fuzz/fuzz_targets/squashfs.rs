//! SquashFS images: all files, their content, their attributes, and what nobody asks of a whole image.

#![no_main]

use libfuzzer_sys::fuzz_target;
use squashfs::read::{Codecs, Error, Image, InodeRef, Kind, LocalCache, Walk};

fuzz_target!(|bytes: &[u8]| {
    let _ = read(bytes);
});

fn read(bytes: &[u8]) -> Result<(), Error> {
    let image = Image::open(bytes, 0, LocalCache::default(), Codecs::default())?;
    let mut reader = image.reader(Codecs::default());
    let mut buffer = vec![0; image.superblock().block_size as usize];
    let mut walk = Walk::new(&reader);
    // What is read of an image may be far more than the image: metadata can be compressed to almost nothing.
    let (mut files, mut pieces, mut entries) = (0, 0, 0);
    while let Some(visit) = walk.next(&mut reader)? {
        files += 1;
        if files > 1000 {
            return Ok(());
        }
        let inode = visit.inode;
        let _ = reader.by_number(inode.number);
        match inode.kind {
            Kind::File(_) => {
                let mut content = reader.content(&inode)?;
                while pieces < 1000 {
                    let Ok(Some(piece)) = content.next(&mut reader) else { break };
                    pieces += 1;
                    let _ = reader.read_piece(&piece, &mut buffer[..piece.len as usize]);
                }
                let mark = content.mark();
                let _ = reader.content_from(&inode, mark);
                let _ = reader.read_at(&inode, inode.size() / 2, &mut [0; 10]);
            }
            Kind::Directory(_) => {
                let _ = reader.lookup(&inode, b"file");
                let _ = reader.list(&inode, u64::from(inode.mtime));
                let mut listing = reader.list(&inode, 0)?;
                while entries < 1000 {
                    let Ok(Some(entry)) = listing.next(&mut reader) else { break };
                    entries += 1;
                    let next = entry.next;
                    let _ = reader.list(&inode, next)?.next(&mut reader);
                }
            }
            Kind::Symlink(_) => {
                let _ = reader.read_link(&inode);
            }
            _ => {}
        }
        let mut xattrs = reader.xattrs(&inode)?;
        while let Some(xattr) = xattrs.next(&mut reader)? {
            let _ = reader.xattr_value(&xattr);
        }
    }
    for reference in [0, 1, 0x1_0000, u64::MAX] {
        let _ = reader.inode(InodeRef(reference));
    }
    Ok(())
}
