//! Tar headers, the same for the same entry every time.
//!
//! POSIX.1-2001: ustar fields where a value fits, a PAX record where it does not, no GNU
//! extensions. Owner is 0:0 without names, `mtime` is 1 as Nix sets it. Names are bytes: ASCII or
//! not, they stand raw in ustar fields, which every reader of today takes; in a PAX record, bytes
//! that are not UTF-8 are announced by `hdrcharset=BINARY`.

/// Tar counts in blocks of this many bytes.
pub(crate) const BLOCK: usize = 512;

/// Two zero blocks end an archive.
pub(crate) const TRAILER: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

const NAME: usize = 100;
const PREFIX: usize = 155;
const LINK: usize = 100;
/// The most that eleven octal digits hold: 8 GiB - 1.
const MAX_SIZE: u64 = 0o77_777_777_777;

/// What kind of entry a header is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    Directory,
    File {
        size: u64,
    },
    Symlink {
        target: &'a [u8],
    },
    /// Another name of an earlier file of the archive, by that one's full name in it.
    HardLink {
        target: &'a [u8],
    },
}

/// Appends the header of one entry, with a PAX header before it if it needs one. `name` is
/// relative, without a slash at its end.
pub(crate) fn header(out: &mut Vec<u8>, name: &[u8], mode: u32, kind: Kind<'_>) {
    let (flag, size, target): (u8, u64, &[u8]) = match kind {
        Kind::Directory => (b'5', 0, b""),
        Kind::File { size } => (b'0', size, b""),
        Kind::HardLink { target } => (b'1', 0, target),
        Kind::Symlink { target } => (b'2', 0, target),
    };
    let slashed;
    let name = if kind == Kind::Directory {
        slashed = [name, b"/"].concat();
        &slashed[..]
    } else {
        name
    };
    let split = split(name);
    let mut records = Vec::new();
    if split.is_none() {
        record(&mut records, "path", name);
    }
    if target.len() > LINK {
        record(&mut records, "linkpath", target);
    }
    if size > MAX_SIZE {
        record(&mut records, "size", size.to_string().as_bytes());
    }
    if !records.is_empty() {
        if std::str::from_utf8(&records).is_err() {
            let mut first = Vec::new();
            record(&mut first, "hdrcharset", b"BINARY");
            records.splice(0..0, first);
        }
        // The name that Python's tarfile gives it, too: short, constant, out of nobody's way.
        ustar(out, (b"", b"././@PaxHeader"), 0o644, records.len() as u64, b'x', b"");
        out.extend_from_slice(&records);
        out.resize(out.len().next_multiple_of(BLOCK), 0);
    }
    // Readers without PAX see as much of the name as fits.
    let fields = split.unwrap_or((b"", &name[..name.len().min(NAME)]));
    let shown = if size > MAX_SIZE { 0 } else { size };
    ustar(out, fields, mode, shown, flag, &target[..target.len().min(LINK)]);
}

/// Prefix and name fields for `name`, if there is a slash to split it at.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= NAME {
        return Some((b"", name));
    }
    // The slash of a directory's own end cannot be the one: an empty name would follow.
    let end = (name.len() - 1).min(PREFIX + 1);
    let at = name[..end].iter().rposition(|&byte| byte == b'/')?;
    (at > 0 && name.len() - at - 1 <= NAME).then(|| (&name[..at], &name[at + 1..]))
}

/// `LENGTH KEY=VALUE\n`, where the length counts itself (pax, "pax Extended Header").
fn record(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + " =\n".len();
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    out.extend_from_slice(format!("{length} {key}=").as_bytes());
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn ustar(
    out: &mut Vec<u8>,
    (prefix, name): (&[u8], &[u8]),
    mode: u32,
    size: u64,
    flag: u8,
    link: &[u8],
) {
    let start = out.len();
    out.resize(start + BLOCK, 0);
    let block = &mut out[start..];
    block[..name.len()].copy_from_slice(name);
    octal(&mut block[100..108], u64::from(mode));
    octal(&mut block[108..116], 0); // uid
    octal(&mut block[116..124], 0); // gid
    octal(&mut block[124..136], size);
    octal(&mut block[136..148], 1); // mtime
    block[156] = flag;
    block[157..157 + link.len()].copy_from_slice(link);
    block[257..265].copy_from_slice(b"ustar\x0000");
    octal(&mut block[329..337], 0); // device major
    octal(&mut block[337..345], 0); // device minor
    block[345..345 + prefix.len()].copy_from_slice(prefix);
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    octal(&mut block[148..155], u64::from(sum));
}

/// Octal digits with leading zeros and a NUL at the end.
fn octal(field: &mut [u8], mut value: u64) {
    let (end, digits) = field.split_last_mut().expect("octal fields are not empty");
    *end = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value % 8) as u8;
        value /= 8;
    }
}

/// Zeros that fill up the last block of `size` bytes of content.
pub(crate) fn padding(size: u64) -> &'static [u8] {
    let past = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    &TRAILER[..(BLOCK - past) % BLOCK]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(field: &[u8]) -> &[u8] {
        &field[..field.iter().position(|&byte| byte == 0).unwrap_or(field.len())]
    }

    fn number(field: &[u8]) -> u64 {
        u64::from_str_radix(std::str::from_utf8(text(field)).unwrap(), 8).unwrap()
    }

    /// Name, target, size and mode as pax defines them. (The `tar` crate ends a record at its first
    /// newline, whatever its length says, so it cannot be the judge of names with newlines.)
    fn read_back(mut bytes: &[u8]) -> (Vec<u8>, Vec<u8>, u64, u32) {
        let mut pax = std::collections::BTreeMap::new();
        if bytes[156] == b'x' {
            let size = usize::try_from(number(&bytes[124..136])).unwrap();
            let mut records = &bytes[BLOCK..BLOCK + size];
            while !records.is_empty() {
                let space = records.iter().position(|&byte| byte == b' ').unwrap();
                let length: usize =
                    std::str::from_utf8(&records[..space]).unwrap().parse().unwrap();
                let (record, rest) = records.split_at(length);
                let (b'\n', record) = record.split_last().unwrap() else { panic!("no newline") };
                let equals = record.iter().position(|&byte| byte == b'=').unwrap();
                pax.insert(record[space + 1..equals].to_vec(), record[equals + 1..].to_vec());
                records = rest;
            }
            bytes = &bytes[BLOCK + size.next_multiple_of(BLOCK)..];
        }
        let (prefix, name) = (text(&bytes[345..500]), text(&bytes[..100]));
        let ustar = if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() };
        let size =
            pax.remove(&b"size"[..]).map(|size| String::from_utf8(size).unwrap().parse().unwrap());
        (
            pax.remove(&b"path"[..]).unwrap_or(ustar),
            pax.remove(&b"linkpath"[..]).unwrap_or_else(|| text(&bytes[157..257]).to_vec()),
            size.unwrap_or_else(|| number(&bytes[124..136])),
            u32::try_from(number(&bytes[100..108])).unwrap(),
        )
    }

    #[test]
    fn fits_ustar_where_it_can() {
        let mut out = Vec::new();
        header(
            &mut out,
            &[&[b'd'; 155][..], b"/", &[b'n'; 100]].concat(),
            0o444,
            Kind::File { size: 0 },
        );
        assert_eq!(out.len(), BLOCK);
        out.clear();
        header(&mut out, &[b'n'; 101], 0o444, Kind::File { size: 0 });
        assert_eq!(out.len(), 3 * BLOCK);
        out.clear();
        header(&mut out, &[b'd'; 100], 0o555, Kind::Directory);
        assert_eq!(out.len(), 3 * BLOCK, "a slash more than fits");
    }

    #[test]
    fn a_file_beyond_8_gib_keeps_its_size() {
        for size in [MAX_SIZE, MAX_SIZE + 1, u64::MAX / 2] {
            let mut out = Vec::new();
            header(&mut out, b"big", 0o444, Kind::File { size });
            assert_eq!(read_back(&out).2, size);
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_announced() {
        let mut out = Vec::new();
        header(&mut out, &[0xff; 120], 0o444, Kind::File { size: 0 });
        assert_eq!(&out[BLOCK..BLOCK + 21], b"21 hdrcharset=BINARY\n");
        assert_eq!(read_back(&out).0, [0xff; 120]);
    }

    proptest! {
        #[test]
        fn any_name_and_target_come_back(
            parts in prop::collection::vec(prop::collection::vec(1_u8..=255, 1..200), 1..8),
            target in prop::collection::vec(1_u8..=255, 1..400),
        ) {
            let parts: Vec<Vec<u8>> = parts
                .into_iter()
                .map(|part| part.into_iter().map(|b| if b == b'/' { b'_' } else { b }).collect())
                .collect();
            let name = parts.join(&b'/');
            let mut out = Vec::new();
            header(&mut out, &name, 0o777, Kind::Symlink { target: &target });
            prop_assert_eq!(out.len() % BLOCK, 0);
            prop_assert_eq!(read_back(&out), (name.clone(), target.clone(), 0, 0o777));
            out.clear();
            header(&mut out, &name, 0o444, Kind::HardLink { target: &target });
            prop_assert_eq!(read_back(&out), (name.clone(), target, 0, 0o444));
            out.clear();
            header(&mut out, &name, 0o555, Kind::Directory);
            prop_assert_eq!(read_back(&out).0, [&name[..], b"/"].concat());
        }
    }
}
