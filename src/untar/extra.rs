//! What stands before a header and is meant for it: PAX records, and GNU's long names.

use super::Fault;
use super::header::{Header, NoRecord, Records, bytes};
use super::parser::Raw;

/// By which key PAX headers have extended attributes.
const XATTR: &[u8] = b"SCHILY.xattr.";
/// How PAX headers of sparse files begin.
const SPARSE: &[u8] = b"GNU.sparse.";

/// What extensions said of the next entry.
#[derive(Default, PartialEq)]
pub(super) struct Extra {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    mtime: Option<u64>,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    sparse: bool,
}

impl Extra {
    /// Takes an extension of this kind.
    pub(super) fn add(&mut self, kind: u8, content: &[u8], at: u64) -> Result<(), Fault> {
        match kind {
            b'L' => self.name = Some(bytes(content).to_vec()),
            b'K' => self.link = Some(bytes(content).to_vec()),
            b'x' => self.pax(content, at)?,
            _ => check_global(content, at)?,
        }
        Ok(())
    }

    fn pax(&mut self, records: &[u8], at: u64) -> Result<(), Fault> {
        for record in Records(records) {
            let (key, value) = record.map_err(|NoRecord| broken_pax(at))?;
            match key {
                b"path" => self.name = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => self.size = Some(number(value, at)?),
                b"uid" => self.uid = Some(number(value, at)?),
                b"gid" => self.gid = Some(number(value, at)?),
                // Fractions of seconds are dropped, and so are times before 1970.
                b"mtime" => {
                    let whole = value.split(|&byte| byte == b'.').next().unwrap_or_default();
                    self.mtime = Some(number(whole, at).unwrap_or(0));
                }
                _ if key.starts_with(SPARSE) => self.sparse = true,
                _ => {
                    if let Some(name) = key.strip_prefix(XATTR) {
                        self.xattrs.push((name.to_vec(), value.to_vec()));
                    }
                }
            }
        }
        Ok(())
    }

    /// The entry with this header.
    pub(super) fn entry(self, header: Header, at: u64) -> Raw {
        let header = Header {
            name: self.name.unwrap_or(header.name),
            link: self.link.unwrap_or(header.link),
            size: self.size.unwrap_or(header.size),
            uid: self.uid.unwrap_or(header.uid),
            gid: self.gid.unwrap_or(header.gid),
            mtime: self.mtime.unwrap_or(header.mtime),
            ..header
        };
        let sparse = self.sparse || header.kind == b'S';
        Raw { header, xattrs: self.xattrs, sparse, at }
    }
}

/// What holds for all files must not be what they are called or how long they are: few readers heed
/// it, so that the same tar would be two.
fn check_global(records: &[u8], at: u64) -> Result<(), Fault> {
    for record in Records(records) {
        let (key, _) = record.map_err(|NoRecord| broken_pax(at))?;
        if matches!(key, b"path" | b"linkpath" | b"size") || key.starts_with(SPARSE) {
            let got = format!("a global `{}`", key.escape_ascii());
            return Err(Fault::Unexpected { at, got, expected: "one for each file" });
        }
    }
    Ok(())
}

fn broken_pax(at: u64) -> Fault {
    let got = "a PAX header that is no list of records".into();
    Fault::Unexpected { at, got, expected: "`LENGTH KEY=VALUE`" }
}

fn number(value: &[u8], at: u64) -> Result<u64, Fault> {
    std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).ok_or_else(|| {
        let got = format!("`{}`", value.escape_ascii());
        Fault::Unexpected { at, got, expected: "a number" }
    })
}
