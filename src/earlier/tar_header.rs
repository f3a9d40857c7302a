//! The headers of a tar, as far as they name and measure files: ustar, PAX and GNU's large numbers.

/// Tar counts in blocks of this many bytes.
pub(super) const BLOCK: usize = 512;

/// What a header says.
pub(super) struct Header {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) kind: u8,
}

impl Header {
    /// The header in a whole block, if the block is one.
    pub(super) fn parse(block: &[u8]) -> Option<Self> {
        if block.len() != BLOCK {
            return None;
        }
        // The sum counts its own field as if it were blank.
        let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>();
        let field = &block[148..156];
        if sum(block) - sum(field) + 8 * u64::from(b' ') != octal(field)? {
            return None;
        }
        let size = number(&block[124..136])?;
        let is_ustar = block[257..].starts_with(b"ustar\0");
        let prefix = if is_ustar { text(&block[345..500]) } else { String::new() };
        let name = text(&block[..100]);
        let name = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        Some(Self { name, size, kind: block[156] })
    }
}

/// How much room a file of this size takes.
pub(super) fn padded(size: u64) -> u64 {
    size.checked_next_multiple_of(BLOCK as u64).unwrap_or(u64::MAX)
}

/// The bytes up to the first zero.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// The last value of `key` in PAX records, `LENGTH KEY=VALUE\n` each.
pub(super) fn pax<'a>(mut records: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let mut found = None;
    while let Some(space) = records.iter().position(|&byte| byte == b' ') {
        let length: usize = std::str::from_utf8(&records[..space]).ok()?.parse().ok()?;
        let record = records.get(space + 1..length)?.strip_suffix(b"\n")?;
        if let Some(value) = record.strip_prefix(key).and_then(|rest| rest.strip_prefix(b"=")) {
            found = Some(value);
        }
        records = &records[length..];
    }
    found
}

/// Octal digits, or the binary form that GNU has for what is larger.
fn number(field: &[u8]) -> Option<u64> {
    match field {
        [0x80, rest @ ..] => {
            let (high, low) = rest.split_at(rest.len() - 8);
            high.iter()
                .all(|&byte| byte == 0)
                .then(|| low.try_into().map(u64::from_be_bytes).ok())?
        }
        _ => octal(field),
    }
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?;
    let digits = text.trim_matches([' ', '\0']);
    if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 8).ok() }
}
