//! The program that `AppRun` stands for.

use alloc::vec::Vec;

use squashfs::read::{Decompress, Error, Inode, Kind, MetadataCache, ReadAt, Reader};

use crate::elf;
use crate::image::{AppImageReader, find};

/// As many links as the kernel follows.
const LINKS: usize = 40;

/// The program in the store that `AppRun` is a link to; `None` if it is none.
pub fn linked(reader: &mut AppImageReader<'_>, store: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let mut path = b"AppRun".to_vec();
    for _ in 0..LINKS {
        let absolute = [b"/", &path[..]].concat();
        if absolute.strip_prefix(store).is_some_and(|rest| rest.starts_with(b"/")) {
            return Ok(Some(absolute));
        }
        let Some(inode) = find(reader, &path)? else { return Ok(None) };
        let Kind::Symlink(_) = inode.kind else { return Ok(None) };
        path = beside(&path, &reader.read_link(&inode)?);
    }
    Ok(None)
}

/// The inode that a path leads to, with all links followed as if the image's root were the root. `None` if it leads
/// nowhere.
pub fn follow<S: ReadAt, M: MetadataCache, D: Decompress>(
    reader: &mut Reader<'_, S, M, D>,
    path: &[u8],
) -> Result<Option<Inode>, Error> {
    let mut path = beside(b"", path);
    'links: for _ in 0..LINKS {
        let mut inode = reader.root()?;
        let mut at = 0;
        while at < path.len() {
            let end =
                path[at..].iter().position(|byte| *byte == b'/').map_or(path.len(), |len| at + len);
            if !matches!(inode.kind, Kind::Directory(_)) {
                return Ok(None);
            }
            let Some((reference, _)) = reader.lookup(&inode, &path[at..end])? else {
                return Ok(None);
            };
            inode = reader.inode(reference)?;
            if let Kind::Symlink(_) = inode.kind {
                let target = reader.read_link(&inode)?;
                path = [&beside(&path[..end], &target)[..], &path[end..]].concat();
                continue 'links;
            }
            at = end + 1;
        }
        return Ok(Some(inode));
    }
    Ok(None)
}

/// The path of what runs a program, which its first bytes name: an ELF file's loader, a script's interpreter.
pub fn interpreter(head: &[u8]) -> Option<&[u8]> {
    let blank = |byte: &u8| b" \t".contains(byte);
    if let Some(line) = head.strip_prefix(b"#!") {
        let line = line.split(|byte| *byte == b'\n').next()?;
        let start = line.iter().position(|byte| !blank(byte))?;
        return line.get(start..)?.split(blank).next();
    }
    let path = head.get(elf::interpreter(head)?)?;
    path.split(|byte| *byte == 0).next()
}

/// Where a link at `path` leads, from the root and without a leading slash.
fn beside(path: &[u8], target: &[u8]) -> Vec<u8> {
    let mut names: Vec<&[u8]> = Vec::new();
    if !target.starts_with(b"/") {
        names.extend(path.split(|byte| *byte == b'/'));
        names.pop();
    }
    for name in target.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    names.join(&b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_where_the_kernel_would_go() {
        for (path, target, end) in [
            ("AppRun", "usr/bin/x", "usr/bin/x"),
            ("AppRun", "/nix/store/a/bin/x", "nix/store/a/bin/x"),
            ("usr/bin/x", "../lib/./x", "usr/lib/x"),
            ("AppRun", "../../x", "x"),
        ] {
            assert_eq!(beside(path.as_bytes(), target.as_bytes()), end.as_bytes());
        }
    }

    #[test]
    fn scripts_and_programs_name_what_runs_them() {
        assert_eq!(interpreter(b"#!/bin/sh\n"), Some(&b"/bin/sh"[..]));
        assert_eq!(interpreter(b"#! \t/usr/bin/env -S x\n"), Some(&b"/usr/bin/env"[..]));
        assert_eq!(interpreter(b"#!\n"), None);
        assert_eq!(interpreter(b"text"), None);
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let loader = interpreter(&own[..4096]).unwrap();
        assert!(loader.starts_with(b"/") && !loader.contains(&0), "{}", loader.escape_ascii());
    }
}
