//! The headers of a tar, of every dialect that images come in: ustar, PAX (POSIX.1-2001, "pax
//! Interchange Format"), and GNU's large numbers and long names.

/// Tar counts in blocks of this many bytes.
pub(crate) const BLOCK: usize = 512;

/// What a header says, as it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) name: Vec<u8>,
    /// The target of a link.
    pub(crate) link: Vec<u8>,
    pub(crate) size: u64,
    /// The type flag.
    pub(crate) kind: u8,
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    /// Seconds since 1970; 0 for times before that.
    pub(crate) mtime: u64,
    /// Major and minor number of a device.
    pub(crate) device: (u64, u64),
    /// Whether it says that it is one, as all do since POSIX.
    pub(crate) has_magic: bool,
}

impl Header {
    /// The header in a whole block, if the block is one.
    pub(crate) fn parse(block: &[u8]) -> Option<Self> {
        if block.len() != BLOCK {
            return None;
        }
        // The sum counts its own field as if it were blank.
        let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>();
        let field = &block[148..156];
        if sum(block) - sum(field) + 8 * u64::from(b' ') != octal(field)? {
            return None;
        }
        // GNU's own form has other things where ustar has a prefix.
        let is_ustar = block[257..].starts_with(b"ustar\0");
        let prefix = if is_ustar { bytes(&block[345..500]) } else { b"" };
        let name = bytes(&block[..100]);
        let name = match prefix {
            b"" => name.to_vec(),
            prefix => [prefix, b"/", name].concat(),
        };
        let kind = block[156];
        let is_device = matches!(kind, b'3' | b'4');
        let device = |field| if is_device { number(field) } else { Some(0) };
        Some(Self {
            name,
            link: bytes(&block[157..257]).to_vec(),
            size: number(&block[124..136])?,
            kind,
            mode: u32::try_from(number(&block[100..108])? & 0o7777).ok()?,
            uid: number(&block[108..116])?,
            gid: number(&block[116..124])?,
            mtime: number(&block[136..148]).unwrap_or(0),
            device: (device(&block[329..337])?, device(&block[337..345])?),
            has_magic: block[257..].starts_with(b"ustar"),
        })
    }
}

/// How much room a file of this size takes.
pub(crate) fn padded(size: u64) -> u64 {
    size.checked_next_multiple_of(BLOCK as u64).unwrap_or(u64::MAX)
}

/// The bytes up to the first zero.
pub(crate) fn bytes(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    &field[..end]
}

/// The bytes up to the first zero, as text.
pub(crate) fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(bytes(field)).into_owned()
}

/// The last value of `key` in PAX records.
pub(crate) fn pax<'a>(records: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let found = Records(records).map_while(Result::ok).filter(|(name, _)| *name == key);
    found.last().map(|(_, value)| value)
}

/// A key and its value.
type Record<'a> = (&'a [u8], &'a [u8]);

/// PAX records, `LENGTH KEY=VALUE\n` each.
pub(crate) struct Records<'a>(pub(crate) &'a [u8]);

/// Bytes that are no PAX record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoRecord;

impl<'a> Records<'a> {
    /// The first record, and what is behind it.
    fn split(&self) -> Option<(Record<'a>, &'a [u8])> {
        let space = self.0.iter().take(20).position(|&byte| byte == b' ')?;
        let length: usize = std::str::from_utf8(&self.0[..space]).ok()?.parse().ok()?;
        let record = self.0.get(space + 1..length)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|&byte| byte == b'=')?;
        Some(((&record[..equals], &record[equals + 1..]), &self.0[length..]))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, NoRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        // Some writers fill up with zeros.
        if self.0.iter().all(|&byte| byte == 0) {
            return None;
        }
        match self.split() {
            Some((record, rest)) => {
                self.0 = rest;
                Some(Ok(record))
            }
            None => {
                self.0 = &[];
                Some(Err(NoRecord))
            }
        }
    }
}

/// Octal digits, or the binary form that GNU has for what is larger.
fn number(field: &[u8]) -> Option<u64> {
    match field {
        [0x80, rest @ ..] => {
            let (high, low) = rest.split_at(rest.len().saturating_sub(8));
            let value = low.iter().fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
            high.iter().all(|&byte| byte == 0).then_some(value)
        }
        _ => octal(field),
    }
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?;
    let digits = text.trim_matches([' ', '\0']);
    if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 8).ok() }
}
